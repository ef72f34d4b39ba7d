"""Output for programs: one JSON object that says what it is."""

from __future__ import annotations

import json
from typing import Any

import click

from softreserve.cli.options import GAPS

__all__ = ["print_json"]

_VERSION = 1


def print_json(what: str, values: dict[str, Any]) -> None:
    """One object: ``schema``, ``version``, the values, and what they lack (``gaps``); all of it in visible ASCII."""
    context = click.get_current_context(silent=True)
    gaps = [gap._asdict() for gap in context.meta.get(GAPS, ())] if context is not None else []
    text = json.dumps({"schema": f"softreserve.{what}", "version": _VERSION, **values, "gaps": gaps}, indent=1)
    print(text.replace("\x7f", "\\u007f"))
