"""e820 tables as the vectors write them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from softreserve.model.events import EventLog
from softreserve_x86.e820 import E820Table

from families._common import kernel, number


def table(entries: Iterable[dict[str, Any]], release: str = "6.1", log: EventLog | None = None) -> E820Table:
    """A table of the kernel with these entries."""
    log = log if log is not None else EventLog(recording=False)
    made = E820Table.for_kernel(kernel(release), log)
    for entry in entries:
        made.range_add(number(entry["start"]), number(entry["size"]), entry["type"])
    return made


def shown(entries: Iterable[Any]) -> list[dict[str, Any]]:
    """Entries of a table, or as stub or loader hand them over."""
    return [{"start": hex(e.start), "size": hex(e.size), "type": e.type} for e in entries]


class Lines:
    """Reads a log piece by piece."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._mark = 0

    def new(self) -> list[str]:
        """Lines printed since the last call."""
        found = self._log.lines_since(self._mark)
        self._mark = len(self._log)
        return found
