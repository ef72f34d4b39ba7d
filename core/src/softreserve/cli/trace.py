"""``--trace``: which plugin answers which hook, a line for each call, on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from softreserve.cli.terminal import clean
from softreserve.plugins.hooks import tracing

__all__ = ["traced"]

#: Columns of a line where standard error is no terminal.
_WIDTH: Final = 100
_CUT: Final = "..."


def traced(*, full: bool) -> AbstractContextManager[None]:
    """Tell each call of a hook of plugins that are loaded meanwhile: on a line that is cut, or all of the answer."""
    return tracing(_tell_all if full else _tell_short)


def _tell_all(hook: str, plugin: str, answer: object) -> None:
    print(clean(f"{hook} {plugin} -> {_repr(answer)}"), file=sys.stderr)


def _tell_short(hook: str, plugin: str, answer: object) -> None:
    line = clean(f"{hook} {plugin} -> {_short(answer)}")
    room = _room()
    print(line if len(line) <= room else line[: room - len(_CUT)] + _CUT, file=sys.stderr)


def _room() -> int:
    """How long a line may be."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def _short(answer: object) -> str:
    """An answer in a few words: of a list what is in it, by name where that has names."""
    if type(answer) is tuple:  # and no named one, which is a value
        answer = list(answer)
    if not isinstance(answer, list) or not answer:
        return _repr(answer)
    kinds = " or ".join(dict.fromkeys(type(item).__name__ for item in answer))
    names = [name for name in _names(answer) if isinstance(name, str)]
    return f"{len(answer)} {kinds}{': ' if names else ''}{', '.join(names)}"


def _names(items: Sequence[object]) -> Iterator[object]:
    for item in items:
        for attribute in ("name", "rule"):
            try:
                yield getattr(item, attribute)
            except Exception:  # whatever a stranger's object does
                continue
            break


def _repr(answer: object) -> str:
    try:
        return repr(answer)
    except Exception:
        return f"<{type(answer).__name__}>"
