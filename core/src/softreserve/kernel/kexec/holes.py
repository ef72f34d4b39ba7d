"""Where segments go: kexec-tools' search for ``kexec_load``, the kernel's for ``kexec_file_load``.

Sizes and addresses are bytes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.kernel.kexec.ranges import RAM, MemoryRange
from softreserve.kernel.resource import (
    IORESOURCE_SYSRAM_DRIVER_MANAGED,
    Resource,
    walk_system_ram_res,
    walk_system_ram_res_rev,
)
from softreserve.model import behaviours
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState
    from softreserve.model.ranges import PhysRange

__all__ = ["KernelHoles", "NoHoleError", "ToolHoles", "busy_system_ram", "contiguous_area"]

_PAGE: Final = 4096
#: The largest alignment in contiguous memory, as a power of two of pages. Linux: ``CONFIG_CMA_ALIGNMENT``.
_CMA_ALIGNMENT: Final = 8


class NoHoleError(Exception):
    """No place for a segment; the text is what the loader prints."""


class _Segment(NamedTuple):
    start: int
    end: int


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def _down(value: int, align: int) -> int:
    return value // align * align


class ToolHoles:
    """kexec-tools' view: RAM ranges minus the segments placed so far. kexec-tools: ``kexec.c: locate_hole``.

    A range that is left with one byte does not count, and a buffer never spans two ranges, even if they touch.
    """

    def __init__(self, ranges: Sequence[MemoryRange], mem_min: int = 0, mem_max: int = U64_MAX) -> None:
        self._ranges = [found for found in ranges if found.type == RAM]
        self._mem_min, self._mem_max = mem_min, mem_max
        self.segments: list[_Segment] = []

    def add(
        self, size: int, align: int = _PAGE, low: int = 0, high: int = U64_MAX, *, top_down: bool, page: int = _PAGE
    ) -> int:
        """Place a buffer of ``size`` bytes and return its address.

        :raises NoHoleError: there is no place for it.
        """
        size, align = _up(size, page), max(align, page)
        base: int | None = None
        for start, end in self._free():
            start = _up(max(start, self._mem_min, low), align)
            end = min(end, self._mem_max, high)
            if start >= end or start >= self._mem_max or end <= self._mem_min or end - start < size - 1:
                continue
            if not top_down:
                base = start
                break
            base = _down(end - size + 1, align)
        if base is None:
            raise NoHoleError(f"Could not find a free area of memory of {size:#x} bytes...")
        if base + size - 1 > high:
            raise NoHoleError(f"Could not find a free area of memory below: {high:#x}...")
        insort(self.segments, _Segment(base, base + size))
        return base

    def _free(self) -> Iterable[tuple[int, int]]:
        pending = iter(self.segments)
        segment = next(pending, None)
        for start, end, _ in self._ranges:
            while segment is not None and segment.start <= end:
                if start < segment.start:
                    yield start, segment.start - 1
                start = segment.end
                segment = next(pending, None)
            if start < end:
                yield start, end


class KernelHoles:
    """The kernel's view: busy System RAM, driver-managed memory left out. Linux: ``kernel/kexec_file.c``.

    ``ranges`` are (start, last byte) pairs in the order of the walk, which depends on the release; where memblock is
    walked, a search from the top goes through them backwards (``both_ways``). ``area`` is contiguous memory to be used
    first, see :func:`contiguous_area`.
    """

    def __init__(
        self,
        ranges: Iterable[tuple[int, int]],
        *,
        exact_top: bool,
        both_ways: bool = False,
        area: PhysRange | None = None,
    ) -> None:
        self._ranges = list(ranges)
        self._both_ways = both_ways
        self._area = area
        #: Whether the top-down search begins at the very end; older kernels are one byte short of it.
        self._exact_top = exact_top
        self.segments: list[_Segment] = []

    def add(self, size: int, align: int = _PAGE, low: int = 0, high: int = U64_MAX, *, top_down: bool) -> int:
        """Place a buffer of ``size`` bytes and return its address. Linux: ``kexec_add_buffer``.

        :raises NoHoleError: there is no place for it (the kernel returns -EADDRNOTAVAIL).
        """
        size, align = _up(size, _PAGE), max(align, _PAGE)
        base = self._in_area(size, align)
        if base is not None:
            return base
        for start, end in self._ranges[::-1] if self._both_ways and top_down else self._ranges:
            if end - start + 1 < size or end < low or start > high:
                continue
            search = self._top_down if top_down else self._bottom_up
            base = search(start, min(end, high), size, align, low)
            if base is not None:
                insort(self.segments, _Segment(base, base + size))
                return base
        raise NoHoleError("Cannot assign requested address")

    def _in_area(self, size: int, align: int) -> int | None:
        """The lowest free place in contiguous memory, within no bounds. Linux: ``kexec_alloc_contig``."""
        if self._area is None:
            return None
        base = self._bottom_up(self._area.start, self._area.last, size, min(align, _PAGE << _CMA_ALIGNMENT), 0)
        if base is not None:
            insort(self.segments, _Segment(base, base + size))
        return base

    def _overlaps(self, base: int, size: int) -> bool:
        return any(s.start < base + size and base < s.end for s in self.segments)

    def _top_down(self, start: int, end: int, size: int, align: int, low: int) -> int | None:
        base = end - size + (1 if self._exact_top else 0)
        while True:
            base = _down(base, align)
            if base < start or base < low:
                return None
            if not self._overlaps(base, size):
                return base
            base -= _PAGE

    def _bottom_up(self, start: int, end: int, size: int, align: int, low: int) -> int | None:
        base = max(start, low)
        while True:
            base = _up(base, align)
            if base + size - 1 > end:
                return None
            if not self._overlaps(base, size):
                return base
            base += _PAGE


def contiguous_area(state: KernelState) -> PhysRange | None:
    """The default area of contiguous memory, where ``kexec_file_load`` takes from it."""
    if not state.kernel.has(behaviours.KEXEC_FILE_PREFERS_CMA):
        return None
    from softreserve.kernel.mm.cma import CMA

    areas = state.stash.get(CMA)
    return areas.default if areas is not None else None


def busy_system_ram(state: KernelState) -> list[tuple[int, int]]:
    """First and last bytes that the walk for a top-down hole offers, in its order; a driver's memory is passed over.

    Linux: ``kernel/kexec_file.c: kexec_walk_resources``.
    """
    found: list[tuple[int, int]] = []
    skips = state.kernel.has(behaviours.KEXEC_FILE_SKIPS_DRIVER_MANAGED)

    def note(res: Resource) -> int:
        if not skips or not res.flags & IORESOURCE_SYSRAM_DRIVER_MANAGED:
            found.append((res.start, res.end))
        return 0

    descending = state.kernel.has(behaviours.KEXEC_FILE_WALKS_TOP_DOWN)
    walk = walk_system_ram_res_rev if descending else walk_system_ram_res
    walk(state.iomem.root, 0, U64_MAX, note)
    return found
