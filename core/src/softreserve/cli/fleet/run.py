"""One run over an inventory: every machine once, and its rows in the order of the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from softreserve.cli.fleet.journal import Journal
from softreserve.cli.fleet.schedulers import Batch, Scheduler
from softreserve.cli.fleet.work import DIGEST_SIZE, Asked
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


class Run:
    """Machines of an inventory with their answers.

    Of a machine no more is kept here than its name and digest: there may be a million.

    :param machines: the inventory.
    :param journal: where answers are kept; what is in it already is not asked again.
    """

    def __init__(self, machines: Iterable[Parcel | Unread], asked: Asked, journal: Journal) -> None:
        self._machines = machines
        self._asked = asked
        self._journal = journal
        self._names: list[str] = []
        self._keys = bytearray()
        self._unread_at: dict[int, Unread] = {}
        self._waiting_for: set[bytes] = set()

    @property
    def seen(self) -> int:
        """How many machines of the inventory were seen."""
        return len(self._names)

    def work(self, scheduler: Scheduler, step: Step) -> None:
        """Ask all of them: equal ones once."""
        done = 0
        for answers in scheduler(self._asked, self._batches()):
            self._waiting_for.difference_update(self._journal.add(answers))
            before, done = done, max(done, len(self._names) - len(self._waiting_for))
            step(done - before)

    def _batches(self) -> Iterator[Batch]:
        """What is to be asked still."""
        waiting: list[tuple[str, Parcel]] = []
        size = 0
        for machine in self._machines:
            self._names.append(machine.name)
            if isinstance(machine, Unread):
                self._unread_at[len(self._names) - 1] = machine
                self._keys += bytes(DIGEST_SIZE)
                continue
            digest = machine.digest
            key = bytes.fromhex(digest)
            self._keys += key
            if key in self._waiting_for or key in self._journal:
                continue
            self._waiting_for.add(key)
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
        different = set()
        for number, name in enumerate(self._names):
            if number in self._unread_at:
                found = self._unread(self._unread_at[number])
            else:
                key = bytes(self._keys[number * DIGEST_SIZE : (number + 1) * DIGEST_SIZE])
                answer = self._journal.answer(key)
                if "passed_over" in answer:
                    summary.passed_over.append(name)
                    continue
                different.add(self._journal.place(key))
                found = [_called(row, name) for row in answer["rows"]]
            summary.machines += 1
            summary.different = len(different)
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
