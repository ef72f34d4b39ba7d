"""Zones and what a node knows of its memory. Linux: ``include/linux/mmzone.h``, ``mm/memory_hotplug.c``.

All numbers are page frame numbers (pfn) or pages; ranges are half open.
"""

from __future__ import annotations

from typing import Final

from softreserve.model.kernel import Kernel

__all__ = ["STRUCT_PAGE", "Pgdat", "Zone", "zone_names"]

#: ``sizeof(struct page)``.
STRUCT_PAGE: Final = 64


def zone_names(kernel: Kernel) -> tuple[str, ...]:
    """Names of the zones that this kernel has, by index. Linux: ``include/linux/mmzone.h: enum zone_type``."""
    names = [name for name, option in (("DMA", "ZONE_DMA"), ("DMA32", "ZONE_DMA32")) if kernel.builtin(option)]
    names += ["Normal", "Movable"]
    if kernel.builtin("ZONE_DEVICE"):
        names.append("Device")
    return tuple(names)


class Zone:
    """One zone of one node. Linux: ``struct zone``.

    ``early`` holds the ranges (start pfn, end pfn) that were there at boot, in order.
    """

    __slots__ = ("early", "index", "name", "nid", "present_early_pages", "present_pages", "spanned_pages", "start_pfn")

    def __init__(self, index: int, name: str, nid: int) -> None:
        self.index = index
        self.name = name
        self.nid = nid
        self.start_pfn = 0
        self.spanned_pages = 0
        self.present_pages = 0
        self.present_early_pages = 0
        self.early: list[tuple[int, int]] = []

    @property
    def end_pfn(self) -> int:
        """First pfn above the span."""
        return self.start_pfn + self.spanned_pages

    @property
    def populated(self) -> bool:
        """Whether any page is present. Linux: ``populated_zone``."""
        return self.present_pages > 0

    def memmap_pages(self, page_size: int) -> int:
        """Pages that its memory map takes. Linux: ``mm/page_alloc.c: calc_memmap_size``."""
        sparse = self.spanned_pages > self.present_pages + (self.present_pages >> 4)
        return -(-(self.present_pages if sparse else self.spanned_pages) * STRUCT_PAGE // page_size)

    def intersects(self, start_pfn: int, nr_pages: int) -> bool:
        """Whether the span has a page in common with the range. Linux: ``zone_intersects``."""
        return self.spanned_pages > 0 and start_pfn < self.end_pfn and self.start_pfn < start_pfn + nr_pages

    def resize(self, start_pfn: int, nr_pages: int) -> None:
        """Grow the span so that it covers the range. Linux: ``mm/memory_hotplug.c: resize_zone_range``."""
        old_end = self.end_pfn
        if not self.spanned_pages or start_pfn < self.start_pfn:
            self.start_pfn = start_pfn
        self.spanned_pages = max(start_pfn + nr_pages, old_end) - self.start_pfn

    def set_span(self, start_pfn: int, end_pfn: int) -> None:
        """Set the span; an empty one is kept as 0, 0."""
        self.start_pfn, self.spanned_pages = (start_pfn, end_pfn - start_pfn) if start_pfn < end_pfn else (0, 0)


class Pgdat:
    """One node's memory. Linux: ``pg_data_t``."""

    __slots__ = ("nid", "present_pages", "spanned_pages", "start_pfn", "zones")

    def __init__(self, nid: int, names: tuple[str, ...]) -> None:
        self.nid = nid
        self.start_pfn = 0
        self.spanned_pages = 0
        self.present_pages = 0
        self.zones = tuple(Zone(index, name, nid) for index, name in enumerate(names))

    @property
    def end_pfn(self) -> int:
        """First pfn above the span. Linux: ``pgdat_end_pfn``."""
        return self.start_pfn + self.spanned_pages

    def zone(self, name: str) -> Zone:
        """The zone of that name.

        :raises KeyError: the kernel has no such zone.
        """
        for zone in self.zones:
            if zone.name == name:
                return zone
        raise KeyError(name)

    @property
    def kernel_zones(self) -> tuple[Zone, ...]:
        """Zones up to Normal."""
        return self.zones[: self.zone("Normal").index + 1]

    def resize(self, start_pfn: int, nr_pages: int) -> None:
        """Grow the span so that it covers the range. Linux: ``mm/memory_hotplug.c: resize_pgdat_range``."""
        old_end = self.end_pfn
        if not self.spanned_pages or start_pfn < self.start_pfn:
            self.start_pfn = start_pfn
        self.spanned_pages = max(start_pfn + nr_pages, old_end) - self.start_pfn

    def update_span(self) -> None:
        """Let the span follow from the zones. Linux: ``mm/memory_hotplug.c: update_pgdat_span``."""
        spans = [(zone.start_pfn, zone.end_pfn) for zone in self.zones if zone.spanned_pages]
        self.start_pfn = min((start for start, _ in spans), default=0)
        self.spanned_pages = max((end for _, end in spans), default=0) - self.start_pfn

    def reset_for_hotadd(self) -> None:
        """Make the node ready to come online again; spans stay.

        Linux: ``mm/mm_init.c: free_area_init_core_hotplug``.
        """
        self.start_pfn = 0
        self.present_pages = 0
        for zone in self.zones:
            zone.present_pages = 0
