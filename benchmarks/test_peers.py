"""The arithmetic of ranges beside what a library for it does: intervaltree, which answers the same."""

from __future__ import annotations

from random import Random

from intervaltree import Interval, IntervalTree
from ratios import Ratios, timed
from softreserve.model.ranges import merged, span_at

COUNT = 10_000


def spans() -> list[tuple[int, int]]:
    """Ranges in any order, and some over others."""
    random = Random(0)
    return [(start, start + random.randrange(1, 32)) for start in (random.randrange(COUNT << 4) for _ in range(COUNT))]


def test_ranges_are_merged_faster_than_by_intervaltree(ratios: Ratios) -> None:
    given = spans()

    def theirs() -> list[tuple[int, int]]:
        tree = IntervalTree(Interval(*span) for span in given)
        tree.merge_overlaps(strict=False)
        return sorted((one.begin, one.end) for one in tree)

    assert theirs() == merged(given)
    ratios.check(
        f"{COUNT:,} ranges merged beside intervaltree",
        timed(lambda: merged(given)),
        timed(theirs),
        bound=0.06,
        rounds=3,
    )


def test_ranges_are_found_faster_than_by_intervaltree(ratios: Ratios) -> None:
    given, asked = merged(spans()), range(0, COUNT << 4, 16)
    tree = IntervalTree(Interval(*span) for span in given)

    def ours() -> list[tuple[int, int] | None]:
        return [span_at(given, address) for address in asked]

    def theirs() -> list[tuple[int, int] | None]:
        return [next(((one.begin, one.end) for one in tree[address]), None) for address in asked]

    assert theirs() == ours()
    ratios.check(f"{COUNT:,} addresses looked up beside intervaltree", timed(ours), timed(theirs), bound=0.18)
