"""Physical address ranges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, TypeVar

import attrs

__all__ = ["PhysRange", "span_at"]

_start = itemgetter(0)
S = TypeVar("S", bound=tuple[Any, ...])


def span_at(spans: Sequence[S], address: int) -> S | None:
    """The span ``(start, end, ...)`` that holds an address; ``spans`` (half open) are disjoint and ascending."""
    found = bisect_right(spans, address, key=_start) - 1
    return spans[found] if found >= 0 and address < spans[found][1] else None


@attrs.frozen(order=True)
class PhysRange:
    """Physical memory in bytes, half open: ``start <= addr < end``; never empty."""

    start: int = attrs.field(repr=hex)
    end: int = attrs.field(repr=hex)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"not a range: start {self.start:#x}, end {self.end:#x}")

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

    def intersection(self, other: PhysRange) -> PhysRange | None:
        """The common part, or ``None``."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return PhysRange(start, end) if start < end else None
