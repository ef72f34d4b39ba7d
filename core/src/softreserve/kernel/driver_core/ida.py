"""Small numbers, the lowest free one first. Linux: ``lib/idr.c: ida_alloc``."""

from __future__ import annotations

from typing import Final

from softreserve.kernel.state import KernelState, StashKey

__all__ = ["Ida", "memregion_ids"]


class Ida:
    """Hands out the lowest number that is free, from 0 on."""

    __slots__ = ("_freed", "_next")

    def __init__(self) -> None:
        self._freed: list[int] = []
        self._next = 0

    def alloc(self) -> int:
        """Take the lowest free number."""
        if self._freed:
            from heapq import heappop

            return heappop(self._freed)
        self._next += 1
        return self._next - 1

    def free(self, number: int) -> None:
        """Give a number back that was taken."""
        from heapq import heappush

        heappush(self._freed, number)


_MEMREGION_IDS: Final = StashKey[Ida]("memregion ids")


def memregion_ids(state: KernelState) -> Ida:
    """Numbers of memory regions, shared by hmem devices and CXL decoders. Linux: ``lib/memregion.c``."""
    found = state.stash.get(_MEMREGION_IDS)
    if found is None:
        found = state.stash[_MEMREGION_IDS] = Ida()
    return found
