"""What kernels before 5.14 print of zones, and of pages that have a struct page and are no memory.

Linux: ``mm/page_alloc.c``. All numbers are page frame numbers (pfn) or pages; ranges are half open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.memblock import MEMBLOCK_NOMAP
from softreserve.kernel.mm.zones import Pgdat, Zone
from softreserve.model import behaviours
from softreserve.model.ranges import merged, uncovered
from softreserve.model.units import round_up

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState

__all__ = ["ZoneReport"]

_FILE: Final = "mm/page_alloc.c"
#: How many bytes of pages a CPU takes off a zone at once, at most.
_BATCH_BYTES: Final = 1 << 20
_BATCH_BYTES_BEFORE_4_20: Final = 512 << 10


class ZoneReport:
    """Prints node by node what later kernels keep to themselves.

    :param ranges: memory as (start, end, node).
    :param with_struct_page: how many pages of a hole have a struct page.
    :param section_pages: pages of a section.
    :param dma_reserve: pages of a node's first zone that are taken already.
    """

    def __init__(
        self,
        state: KernelState,
        ranges: Sequence[tuple[int, int, int]],
        with_struct_page: Callable[[int, int], int],
        section_pages: int,
        dma_reserve: int,
    ) -> None:
        self._state = state
        self._ranges = ranges
        self._with_struct_page = with_struct_page
        self._section_pages = section_pages
        self._dma_reserve = dma_reserve
        self._page = state.kernel.page_size
        self._hole = 0

    def before_nodes(self) -> None:
        """Pages of all holes in one number. Linux: ``init_unavailable_mem``, ``zero_resv_unavail``."""
        kernel = self._state.kernel
        if kernel.has(behaviours.UNAVAILABLE_PAGES_ZEROED):
            self._print_pages("Zeroed struct page in unavailable ranges: {} pages", self._unavailable())
        elif kernel.has(behaviours.RESERVED_BUT_UNAVAILABLE):
            counted = self._unavailable if kernel.has(behaviours.HOLES_COUNT_AS_RESERVED) else self._reserved
            self._print_pages("Reserved but unavailable: {} pages", counted())

    def _print_pages(self, words: str, pages: int) -> None:
        if pages:
            self._state.printk(words.format(pages), f"{_FILE}: zero_resv_unavail")

    def _unavailable(self) -> int:
        pages, hole = 0, 0
        for region in self._state.memblock.memory.regions:
            if region.flags & MEMBLOCK_NOMAP:
                continue
            pages += self._with_struct_page(hole // self._page, -(-region.base // self._page))
            hole = region.base + region.size
        end = self._ranges[-1][1] if self._ranges else 0
        if self._state.kernel.has(behaviours.UNAVAILABLE_TO_SECTION_END):
            end = round_up(end, self._section_pages)
        return pages + self._with_struct_page(hole // self._page, end)

    def _reserved(self) -> int:
        """Pages that are reserved and no memory."""
        memblock = self._state.memblock
        memory = merged((region.base, region.end) for region in memblock.memory.regions)
        return sum(
            self._with_struct_page(start // self._page, -(-end // self._page))
            for region in memblock.reserved.regions
            for start, end in uncovered(region.base, region.end, memory)
        )

    def node(self, pgdat: Pgdat) -> None:
        """What a node has, zone by zone. Linux: ``calculate_node_totalpages``, ``free_area_init_core``."""
        printk = self._state.printk
        printk(f"On node {pgdat.nid} totalpages: {pgdat.present_pages}", f"{_FILE}: calculate_node_totalpages")
        for zone in pgdat.zones:
            memmap = zone.memmap_pages(self._page)
            managed = zone.present_pages - memmap
            if memmap:
                printk(f"  {zone.name} zone: {memmap} pages used for memmap", f"{_FILE}: free_area_init_core")
            if not zone.index and managed > self._dma_reserve:
                managed -= self._dma_reserve
                printk(f"  {zone.name} zone: {self._dma_reserve} pages reserved")
            if zone.populated:
                printk(f"  {zone.name} zone: {zone.present_pages} pages, LIFO batch:{self._batch(managed)}")
            if zone.spanned_pages and self._state.kernel.has(behaviours.UNAVAILABLE_PAGES_IN_ZONE):
                self._print_pages(f"  {zone.name} zone: {{}} pages in unavailable ranges", self._of_zone(zone))

    def _batch(self, managed: int) -> int:
        """Linux: ``zone_batchsize``."""
        small = not self._state.kernel.has(behaviours.ZONE_BATCH_OF_1_MIB)
        most = (_BATCH_BYTES_BEFORE_4_20 if small else _BATCH_BYTES) // self._page
        batch = max(min(managed // 1024, most) // 4, 1)
        return (1 << (batch + batch // 2).bit_length() - 1) - 1

    def _of_zone(self, zone: Zone) -> int:
        """Holes up to the end of the zone's last section; what lies behind the zone counts again for the next one.

        Linux: ``memmap_init``.
        """
        pages = 0
        for start, end, nid in self._ranges:
            if nid != zone.nid:
                continue
            start, end = (min(max(pfn, zone.start_pfn), zone.end_pfn) for pfn in (start, end))
            if self._hole < start:
                pages += self._with_struct_page(self._hole, start)
            self._hole = end
        end = round_up(zone.end_pfn, self._section_pages)
        return pages + (self._with_struct_page(self._hole, end) if self._hole < end else 0)
