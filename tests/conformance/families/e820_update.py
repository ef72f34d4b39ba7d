"""``arch/x86/kernel/e820.c: e820__update_table``."""

from __future__ import annotations

from typing import Any

from families._e820 import shown, table


def compute(in_: list[dict[str, Any]]) -> dict[str, Any]:
    e820 = table(in_)
    return {"rc": e820.update_table(), "out": shown(e820.entries)}
