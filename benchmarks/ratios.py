"""Every figure is a multiple of a floor that is measured in the same run, in turn with the work itself.

So the figures mean the same on a fast machine and on a slow one, and on one that is busy with something else.
"""

from __future__ import annotations

import gc
import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from softreserve import __version__

__all__ = ["TOLERANCE", "Ratios", "Row", "seconds", "timed", "write"]

#: Does something, and says how many seconds the part took that counts.
Timed = Callable[[], float]

_ROUNDS = 5

#: A figure fails where it is more than this many times its bound: busy machines reach the bound, and no more than this.
TOLERANCE = 1.25


class Row(NamedTuple):
    """One line of the table: medians in seconds, the median of the ratios, and its bound."""

    what: str
    work: float
    floor: float
    ratio: float
    bound: float

    def __str__(self) -> str:
        times = f"{self.work * 1000:10.2f} ms {self.floor * 1000:10.2f} ms"
        return f"{self.what:64} {times} {self.ratio:8.3f} {self.bound:8.3f}"


class Ratios:
    """Compares work with its floor; the figures go into ``rows``."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def check(self, what: str, work: Timed, floor: Timed, *, bound: float, rounds: int = _ROUNDS) -> None:
        """Run both in turn, after one turn that does not count; fail where the median ratio is well above ``bound``."""
        work(), floor()
        pairs = [(_undisturbed(work), _undisturbed(floor)) for _ in range(rounds)]
        ratio = median(a / b for a, b in pairs)
        self._rows.append(Row(what, median(a for a, _ in pairs), median(b for _, b in pairs), ratio, bound))
        most = TOLERANCE * bound
        assert ratio <= most, f"{what}: {ratio:.3f} times its floor; {bound:g} is its bound, {most:.3f} the most"


def write(rows: list[Row], path: Path) -> None:
    """Write the figures of a run as JSON: what means the same on every machine, so no times."""
    told = {
        "release": __version__,
        "when": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "figures": [{"what": row.what, "ratio": round(row.ratio, 4), "bound": row.bound} for row in rows],
    }
    path.write_text(json.dumps(told, indent=2) + "\n", "utf-8")


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
