"""The one record of a boot: what every stage decided and what the kernel printed, in order.

The kernel log, ``explain``, the report and ``lint`` are views of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["STAGES", "Event", "EventLog"]

#: Stages in boot order; see ``docs/architecture.md``.
STAGES = ("efi stub", "early reservation", "numa info", "resources", "dax bus", "running", "kexec")


class Event(NamedTuple):
    """One decision, or one printed line (``text``). ``start`` and ``end`` are bytes, half open; ``None``: no range."""

    stage: str
    rule: str
    function: str = ""
    start: int | None = None
    end: int | None = None
    before: str = ""
    after: str = ""
    text: str | None = None


class EventLog:
    """Events in order. ``record`` can be switched off where only the result counts; printed lines always stay."""

    __slots__ = ("_events", "_lines", "recording", "stage")

    def __init__(self, *, recording: bool = True) -> None:
        self._events: list[Event] = []
        self._lines: list[str] = []
        self.recording = recording
        self.stage = STAGES[0]

    def printk(self, text: str, function: str = "") -> None:
        """Print one kernel log line (no time stamp, no newline, prefix included)."""
        self._lines.append(text)
        if self.recording:
            self._events.append(Event(self.stage, "printk", function, text=text))

    def record(
        self,
        rule: str,
        function: str,
        start: int | None = None,
        end: int | None = None,
        before: str = "",
        after: str = "",
    ) -> None:
        """Note why a range (bytes, half open) became what it is. ``function`` is ``file: function`` of the kernel."""
        if self.recording:
            self._events.append(Event(self.stage, rule, function, start, end, before, after))

    @property
    def lines(self) -> list[str]:
        """The kernel log so far: a copy."""
        return list(self._lines)

    def lines_since(self, mark: int) -> list[str]:
        """Lines printed after the log had ``mark`` lines."""
        return self._lines[mark:]

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)
