"""Output for programs: one JSON object that says what it is."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["print_json"]

_VERSION = 1


def print_json(what: str, values: dict[str, Any]) -> None:
    """One object that says what it is: ``schema`` and ``version``, then the values; all of it in visible ASCII."""
    text = json.dumps({"schema": f"softreserve.{what}", "version": _VERSION, **values}, indent=1)
    print(text.replace("\x7f", "\\u007f"))
