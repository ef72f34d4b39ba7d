"""What readers of an input say that they took of it, while somebody wants to know; otherwise nothing is kept.

No second reader: the readers themselves tell, by :func:`told`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from softreserve.model.log_text import LogLine

__all__ = ["Account", "LogFile", "TomlFile", "accounting", "told"]


class TomlFile(Protocol):
    """What is asked of a :class:`~softreserve.config.reader.Document`."""

    path: str

    def ignored(self) -> list[tuple[str | int, ...]]:
        """Keys that nobody asked for."""

    def place(self, key: tuple[str | int, ...]) -> str:
        """The line of a key, and its name."""


class LogFile(Protocol):
    """What is asked of :class:`~softreserve.config.log.messages.Messages`."""

    path: object
    boots: int
    said: list[LogLine]
    used: set[int]


class Account:
    """What was taken of an input.

    :ivar kind: what it is, in words; the reader that knows best speaks last.
    :ivar files: names of files that were read, as messages call them, in that order.
    :ivar collected: whether they are a host's own, of which a capture was made.
    :ivar hidden: what is known not to be known of a host, and why.
    :ivar documents: its TOML files.
    :ivar logs: its kernel logs.
    :ivar made: ACPI tables that were made of what a log tells of them.
    :ivar defaults: keys of a machine file that are not there, with what is taken.
    """

    def __init__(self) -> None:
        self.kind = ""
        self.files: dict[str, None] = {}
        self.collected = False
        self.hidden: dict[str, str] = {}
        self.documents: list[TomlFile] = []
        self.logs: list[LogFile] = []
        self.made: set[str] = set()
        self.defaults: dict[str, Any] = {}


_current: Account | None = None


@contextmanager
def accounting() -> Iterator[Account]:
    """Have readers tell what they take."""
    global _current
    account = Account()
    before, _current = _current, account
    try:
        yield account
    finally:
        _current = before


def told() -> Account | None:
    """Where a reader tells what it takes; ``None``: nobody wants to know."""
    return _current
