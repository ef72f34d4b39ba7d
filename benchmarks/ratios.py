"""Every figure is a multiple of a floor that is measured in the same run, in turn with the work itself.

So the figures mean the same on a fast machine and on a slow one, and on one that is busy with something else.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

__all__ = ["Ratios", "Row", "seconds", "timed"]

#: Does something, and says how many seconds the part took that counts.
Timed = Callable[[], float]

_ROUNDS = 5


class Row(NamedTuple):
    """One line of the table: medians in seconds, the median of the ratios, and the most that it may be."""

    what: str
    work: float
    floor: float
    ratio: float
    most: float

    def __str__(self) -> str:
        times = f"{self.work * 1000:10.2f} ms {self.floor * 1000:10.2f} ms"
        return f"{self.what:60} {times} {self.ratio:8.2f} {self.most:8.2f}"


class Ratios:
    """Compares work with its floor; the figures go into ``rows``."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def check(self, what: str, work: Timed, floor: Timed, *, most: float, rounds: int = _ROUNDS) -> None:
        """Run both in turn, after one turn that does not count; fail where the median ratio is more than ``most``."""
        work(), floor()
        pairs = [(_undisturbed(work), _undisturbed(floor)) for _ in range(rounds)]
        ratio = median(a / b for a, b in pairs)
        self._rows.append(Row(what, median(a for a, _ in pairs), median(b for _, b in pairs), ratio, most))
        assert ratio <= most, f"{what}: {ratio:.2f} times its floor; at most {most:.2f} is allowed"


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed(work: Callable[[], object]) -> Timed:
    """A call of which all counts."""
    return lambda: seconds(work)


def _undisturbed(work: Timed) -> float:
    """Time something without the garbage of what was before."""
    gc.collect()
    gc.disable()
    try:
        return work()
    finally:
        gc.enable()
