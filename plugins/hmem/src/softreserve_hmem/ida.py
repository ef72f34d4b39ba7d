"""Small numbers, the lowest free one first. Linux: ``lib/idr.c: ida_alloc``, ``lib/memregion.c``."""

from __future__ import annotations

from heapq import heappop, heappush

__all__ = ["Ida"]


class Ida:
    """Hands out the lowest number that is free, from 0 on."""

    __slots__ = ("_freed", "_next")

    def __init__(self) -> None:
        self._freed: list[int] = []
        self._next = 0

    def alloc(self) -> int:
        """Take the lowest free number."""
        if self._freed:
            return heappop(self._freed)
        self._next += 1
        return self._next - 1

    def free(self, number: int) -> None:
        """Give a number back that was taken."""
        heappush(self._freed, number)
