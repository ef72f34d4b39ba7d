"""What the process that hands out the work of a fleet costs by itself, and what that means for a million machines.

``python benchmarks/fleet_parent.py [COUNT]`` goes through an inventory of machines that are all different, with workers
that answer at once; then it works out from these figures, and from what a machine takes a worker, how long a million
takes, and what is used up first.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from softreserve import config
from softreserve.cli.fleet.journal import Journal
from softreserve.cli.fleet.output import write_rows
from softreserve.cli.fleet.run import Run
from softreserve.cli.fleet.schedulers import Batch, encoded
from softreserve.cli.fleet.work import Asked, answered, batch
from softreserve.config.changes import Changes
from softreserve.config.inventory.parcel import Parcel, of_machine_file
from softreserve.plugins.selection import NOTHING
from softreserve.views.fleet.question import Question
from softreserve.views.fleet.summary import FleetSummary

ASKED = Asked((Question(Changes(kernel="6.12")), Question(Changes(kernel="7.3"))), NOTHING)
_EXAMPLE = "xeon-max"


class Figures(NamedTuple):
    """Of one machine: seconds of a processor, bytes."""

    parent: float
    worker: float
    memory: float
    sent: float
    journal: float
    rows: float


def machines(count: int) -> Iterator[Parcel]:
    """Machine files that differ in their command lines."""
    text = Path(config.example_path(_EXAMPLE)).read_bytes()
    for number in range(count):
        changed = text.replace(b"cmdline = ", b"cpus = %d\n#" % (number + 1), 1)
        yield of_machine_file(f"rack-{number // 40:05}/server-{number % 40:02}.toml", changed)


class AtOnce:
    """A scheduler whose workers answer at once: every answer is that of one machine, with the digest of each."""

    def __init__(self, example: Parcel, line: bytes) -> None:
        self._example = example.digest.encode()
        self._line = line
        self.sent = 0

    def __call__(self, asked: Asked, batches: Iterator[Batch]) -> Iterator[bytes]:
        """See :class:`softreserve.cli.fleet.schedulers.Scheduler`."""
        head = encoded(asked)
        for one in batches:
            self.sent += len(batch(head, one.machines))
            yield b"".join(self._line.replace(self._example, digest.encode()) for digest, _ in one.machines)


def gone_through(count: int, folder: str, workers: AtOnce) -> int:
    """Do what the parent does; returns the bytes of the journal."""
    with Journal(os.path.join(folder, "journal"), ASKED, replace=True) as journal:
        run = Run(machines(count), ASKED, journal)
        run.work(workers, lambda done: None)
        with open(os.path.join(folder, "rows.jsonl"), "wb") as file:
            write_rows(file, run.rows(FleetSummary()))
        return os.path.getsize(journal.path)


def measured(count: int, folder: str) -> Figures:
    """Go through an inventory."""
    example = next(machines(1))
    began = time.process_time()
    for _ in range(5):
        line = answered(example.digest, example, ASKED)
    worker = (time.process_time() - began) / 5
    workers = AtOnce(example, line)
    before, began = _memory(), time.process_time()
    size = gone_through(count, folder, workers)
    parent, memory = time.process_time() - began, _memory() - before
    rows = os.path.getsize(os.path.join(folder, "rows.jsonl"))
    return Figures(*(value / count for value in (parent, worker * count, memory, workers.sent, size, rows)))


def _memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def simulated(figures: Figures, count: int, different: float, workers: int) -> tuple[float, float]:
    """Seconds until an inventory is done, and the share of them in which workers work.

    Batches are handed out as workers become free; the parent reads, hands out and keeps answers meanwhile, one thing at
    a time, and writes the rows when all are there.

    :param different: the share of machines that no other one is like.
    """
    before = figures.parent * 0.6  # reading, hashing, handing out; the rest is writing rows
    asked = int(count * different)
    step = max(asked // 200_000, 1) * 16
    free = [0.0] * workers
    parent = 0.0
    for start in range(0, max(asked, 1), step):
        parent += before * step / max(different, 1e-9)
        worker = min(range(workers), key=free.__getitem__) if workers <= 64 else (start // step) % workers
        free[worker] = max(free[worker], parent) + figures.worker * step
    working = max(max(free), parent)
    return working + figures.parent * 0.4 * count, asked * figures.worker / (workers * max(working, 1e-9))


def main(count: int) -> None:
    """Print the figures, and what they mean for a million machines."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(count, folder)
    print(json.dumps(figures._asdict(), indent=1))
    million = 1_000_000
    print(f"a million machines: parent {figures.parent * million:,.0f} s, {figures.memory * million / 2**20:,.0f} MiB,")
    print(f"journal {figures.journal * million / 1e9:.1f} GB, rows {figures.rows * million / 1e9:.1f} GB at most")
    print("different  workers  minutes  workers busy  sent")
    for different in (0.03, 0.3, 1.0):
        for workers in (2, 16, 64, 256):
            seconds, busy = simulated(figures, million, different, workers)
            sent = figures.sent * million * different / 1e9
            print(f"{different:9.0%} {workers:8} {seconds / 60:8.1f} {busy:12.0%} {sent:4.1f} GB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
