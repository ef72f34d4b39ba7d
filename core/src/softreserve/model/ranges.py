"""Physical address ranges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from softreserve.model import value

__all__ = ["PhysRange", "joined", "merged", "onward", "span_at", "uncovered"]

_start, _end = itemgetter(0), itemgetter(1)
S = TypeVar("S", bound=tuple[Any, ...])
T = TypeVar("T")


def onward(items: Sequence[T], at: int) -> Iterator[T]:
    """Items from a position on; :func:`itertools.islice` would go through all those before it."""
    while at < len(items):
        yield items[at]
        at += 1


def span_at(spans: Sequence[S], address: int) -> S | None:
    """The span ``(start, end, ...)`` that holds an address; ``spans`` (half open) are disjoint and ascending."""
    found = bisect_right(spans, address, key=_start) - 1
    return spans[found] if found >= 0 and address < spans[found][1] else None


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans (half open, in any order) as disjoint ones, ascending, with a gap between each two."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def uncovered(start: int, end: int, spans: Sequence[S]) -> Iterator[tuple[int, int]]:
    """Parts of a range (half open) that no span has, ascending; ``spans`` are disjoint and ascending."""
    at = bisect_right(spans, start, key=_end)
    while start < end:
        low, high = spans[at][:2] if at < len(spans) else (end, end)
        if start < low:
            yield start, min(low, end)
        start = high
        at += 1


def joined(items: Iterable[T], join: Callable[[T, T], T | None]) -> Iterator[T]:
    """Items with neighbours made one where ``join`` makes one of them; ``None``: they stay two."""
    last: T | None = None
    for item in items:
        one = join(last, item) if last is not None else item
        if one is None:
            assert last is not None
            yield last
        last = item if one is None else one
    if last is not None:
        yield last


@value.frozen(order=True)
class PhysRange:
    """Physical memory in bytes, half open: ``start <= addr < end``; never empty."""

    start: int = value.field(repr=hex)
    end: int = value.field(repr=hex)

    def __init__(self, start: int, end: int) -> None:
        value.put(self, "start", start)
        value.put(self, "end", end)
        if not 0 <= start < end:
            raise ValueError(f"not a range: start {start:#x}, end {end:#x}")

    @classmethod
    def from_resource(cls, start: int, end_inclusive: int) -> PhysRange:
        """Build from ``struct resource`` or ``/proc/iomem``, whose end is inclusive."""
        return cls(start, end_inclusive + 1)

    @classmethod
    def from_size(cls, start: int, size: int) -> PhysRange:
        """Build from a start and a size in bytes."""
        return cls(start, start + size)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    @property
    def last(self) -> int:
        """The last byte, as the kernel prints ends."""
        return self.end - 1

    def overlaps(self, other: PhysRange) -> bool:
        """Whether the two ranges have a byte in common."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: PhysRange) -> bool:
        """Whether ``other`` lies inside this range, equal ones included."""
        return self.start <= other.start and other.end <= self.end
