"""Sanitising an e820 table is a sweep over sorted ends, so it costs a few times what sorting them costs."""

from __future__ import annotations

from random import Random

from ratios import Ratios, timed
from softreserve.model.events import EventLog
from softreserve_x86.e820 import RAM, RESERVED, SOFT_RESERVED, E820Table

ENTRIES = 10_000


def test_sanitising_costs_a_few_times_what_sorting_costs(ratios: Ratios) -> None:
    random = Random(0)
    types = (RAM, RAM, RESERVED, SOFT_RESERVED)
    table = E820Table(4 * ENTRIES, EventLog())
    for _ in range(ENTRIES):  # in any order, and some over others
        table.range_add(random.randrange(ENTRIES) << 16, random.randrange(1, 32) << 14, random.choice(types))

    def sort() -> list[tuple[int, int, int]]:
        starts = [(entry.start, 0, entry.type) for entry in table.entries]
        return sorted(starts + [(entry.end, 1, entry.type) for entry in table.entries])

    ratios.check(
        f"{ENTRIES:,} e820 entries sanitised beside sorting their ends",
        timed(lambda: table.copy().update_table()),
        timed(sort),
        bound=3,
    )
