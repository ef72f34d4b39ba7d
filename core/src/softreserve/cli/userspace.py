"""The list of user spaces, as ``--userspace help`` prints it, and as completion names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from softreserve.cli.terminal import Styled, print_table
from softreserve.model.online_rules import DISTRIBUTIONS, UserSpace

__all__ = ["print_userspaces", "userspaces"]

_OTHERS = {
    "none": "nothing has run yet: all is as the kernel left it",
    "udev": "modules are loaded; who takes memory online is the kernel's, or a plugin's, to say",
}


def userspaces() -> Iterator[tuple[str, str]]:
    """Their names, and what each is, in a few words."""
    yield from _OTHERS.items()
    for name, found in DISTRIBUTIONS.items():
        bare, virtual = found.actions
        rule = "leaves added memory alone" if found.rule is None else f"{bare} on bare metal, {virtual} in a guest"
        yield name, f"{found.words}: {rule}"


def print_userspaces() -> None:
    """Each with what it does to added memory that the kernel left offline, and which line of which rules does it."""
    rows: list[tuple[Any, ...]] = [(name, "-", "-", "-", words) for name, words in _OTHERS.items()]
    for name, found in DISTRIBUTIONS.items():
        rule = f"{found.rule.file}:{found.rule.line}" if found.rule is not None else "-"
        rows.append((name, *found.actions, rule, Styled(_whose(found), "aside")))
    print_table(("name", "bare metal", "guest", "rule", "whose it is, and how that is known"), rows)


def _whose(found: UserSpace) -> str:
    return f"{found.words}; {'read in' if found.verified else 'not verified: presumed from'} {found.source}"
