"""One run over an inventory: every machine once, and its rows in the order of the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from softreserve.cli.fleet.journal import Journal
from softreserve.cli.fleet.schedulers import Batch, Scheduler
from softreserve.cli.fleet.work import Asked
from softreserve.cli.progress import Step
from softreserve.config.inventory.parcel import HERE, Parcel
from softreserve.config.inventory.sources import Unread
from softreserve.model.plain import plain
from softreserve.views.fleet.row import failed
from softreserve.views.fleet.summary import FleetSummary

__all__ = ["MACHINES", "Run"]

#: Machines of a batch, and bytes of their files, if that is less.
MACHINES: Final = 16
_BYTES: Final = 1 << 20
_Entry = tuple[str, bytes] | Unread


class Run:
    """Machines of an inventory with their answers.

    :param machines: the inventory.
    :param journal: where answers are kept; what is in it already is not asked again.
    """

    def __init__(self, machines: Iterable[Parcel | Unread], asked: Asked, journal: Journal) -> None:
        self._machines = machines
        self._asked = asked
        self._journal = journal
        self._entries: list[_Entry] = []

    @property
    def seen(self) -> int:
        """How many machines of the inventory were seen."""
        return len(self._entries)

    @property
    def different(self) -> int:
        """How many different ones there are among them."""
        keys = {entry[1] for entry in self._entries if not isinstance(entry, Unread)}
        return sum("passed_over" not in self._journal.answer(key.hex()) for key in keys)

    def work(self, scheduler: Scheduler, step: Step) -> None:
        """Ask all of them: equal ones once."""
        for answers in scheduler(self._asked, self._batches()):
            self._journal.add(answers)
            step(answers.count(b"\n"))

    def _batches(self) -> Iterator[Batch]:
        """What is to be asked still."""
        seen: set[bytes] = set()
        waiting: list[tuple[str, Parcel]] = []
        size = 0
        for machine in self._machines:
            if isinstance(machine, Unread):
                self._entries.append(machine)
                continue
            digest = machine.digest
            key = bytes.fromhex(digest)
            self._entries.append((machine.name, key))
            if key in seen or digest in self._journal:
                continue
            seen.add(key)
            waiting.append((digest, machine))
            size += machine.size
            if len(waiting) == MACHINES or size >= _BYTES:
                yield Batch(tuple(waiting))
                waiting, size = [], 0
        if waiting:
            yield Batch(tuple(waiting))

    def rows(self, summary: FleetSummary) -> Iterator[dict[str, Any]]:
        """The rows of all machines, in order.

        :param summary: gets what they come to.
        """
        for entry in self._entries:
            summary.machines += 1
            if isinstance(entry, Unread):
                found = self._unread(entry)
            else:
                name, key = entry
                answer = self._journal.answer(key.hex())
                if "passed_over" in answer:
                    summary.machines -= 1
                    summary.passed_over.append(name)
                    continue
                found = [_called(row, name) for row in answer["rows"]]
            for row in found:
                summary.add(row)
            yield from found

    def _unread(self, entry: Unread) -> list[dict[str, Any]]:
        why = entry.why.replace(HERE, entry.name)
        return [plain(failed(entry.name, "", q, why, entry.status)) for q in self._asked.questions]


def _called(row: dict[str, Any], name: str) -> dict[str, Any]:
    """A row with what the inventory calls the machine."""
    row["machine"] = name
    if row["error"] is not None:
        row["error"] = row["error"].replace(HERE, name)
    return row
