"""Free space of a region, in ascending order.

The kernel finds free space by walking all allocations of a region for every change. The answer is always the lowest
gap, so that a sorted list of gaps gives it at once, however many devices a region has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

__all__ = ["Gaps"]


class Gaps:
    """Disjoint free ranges (bytes, half open) that never touch each other."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, start: int, end: int) -> None:
        self._starts = [start]
        self._ends = [end]

    def first(self) -> tuple[int, int]:
        """The lowest gap; there must be one."""
        return self._starts[0], self._ends[0]

    def take(self, start: int, end: int) -> None:
        """Remove a range that lies inside one gap."""
        at = bisect_right(self._starts, start) - 1
        low, high = self._starts[at], self._ends[at]
        left = [low] if low < start else []
        right = [end] if end < high else []
        self._starts[at : at + 1] = left + right
        self._ends[at : at + 1] = [start] * len(left) + [high] * len(right)

    def give(self, start: int, end: int) -> None:
        """Add a range that lies in no gap; it joins with gaps that it touches."""
        at = bisect_left(self._starts, start)
        low = high = at
        if at < len(self._starts) and self._starts[at] == end:
            end = self._ends[at]
            high += 1
        if at > 0 and self._ends[at - 1] == start:
            start = self._starts[at - 1]
            low -= 1
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]
