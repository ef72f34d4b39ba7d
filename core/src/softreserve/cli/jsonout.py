"""Output for programs: one JSON object that says what it is, as its schema in ``schemas/`` tells."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import click

from softreserve.cli.options import GAPS
from softreserve.model.plain import plain

__all__ = ["VERSION", "Emitted", "print_json"]

#: What all answers say as ``version``: a name that goes, or means something else, makes it another one.
VERSION = 1


class Emitted(NamedTuple):
    """A file of the kernel, or what a plugin prints, by the name that ``--emit`` takes; lines without newlines."""

    what: str
    lines: list[str]


def print_json(what: str, values: Any) -> None:
    """One object: ``schema``, ``version``, the values, and what they lack (``gaps``); all of it in visible ASCII.

    :param what: the name of the schema.
    :param values: what :func:`~softreserve.model.plain.plain` makes an object of.
    """
    context = click.get_current_context(silent=True)
    gaps = context.meta.get(GAPS, ()) if context is not None else ()
    answer = {"schema": f"softreserve.{what}", "version": VERSION, **plain(values), "gaps": plain(gaps)}
    print(json.dumps(answer, indent=1).replace("\x7f", "\\u007f"))
