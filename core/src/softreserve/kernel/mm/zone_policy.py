"""Which zone a memory block goes to when it is brought online. Linux: ``mm/memory_hotplug.c``.

All numbers are page frame numbers (pfn) or pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from softreserve.kernel.mm.memory_block import MemoryGroup
from softreserve.kernel.mm.zones import Zone

if TYPE_CHECKING:
    from softreserve.kernel.mm.page_alloc import PageAllocator
    from softreserve.kernel.state import KernelState

__all__ = ["POLICIES", "ZonePolicy"]

POLICIES = ("contig-zones", "auto-movable")


class ZonePolicy:
    """``memory_hotplug.online_policy`` and its parameters, and the answers that follow from them."""

    def __init__(self, state: KernelState, zones: PageAllocator) -> None:
        self._zones = zones
        self.online_policy = POLICIES[0]
        #: Percent of Movable to kernel memory that ``auto-movable`` keeps to; 0: never Movable.
        self.auto_movable_ratio = 301
        self.auto_movable_numa_aware = True
        self.movable_node = state.cmdline.has("movable_node")

    def zone_for_pfn_range(
        self, online_type: str, nid: int, group: MemoryGroup | None, start_pfn: int, nr_pages: int
    ) -> Zone:
        """The zone for a range of a node that goes online as ``online_type``."""
        if online_type == "online_kernel":
            return self._default_kernel_zone(nid, start_pfn, nr_pages)
        if online_type == "online_movable":
            return self._zone(nid, "Movable")
        if self.online_policy == "auto-movable":
            return self._auto_movable_zone(nid, group, start_pfn, nr_pages)
        return self._default_zone(nid, start_pfn, nr_pages)

    def _zone(self, nid: int, name: str) -> Zone:
        return self._zones.node_data(nid).zone(name)

    def _default_kernel_zone(self, nid: int, start_pfn: int, nr_pages: int) -> Zone:
        """Linux: ``default_kernel_zone_for_pfn``."""
        *lower, normal = self._zones.node_data(nid).kernel_zones
        return next((zone for zone in lower if zone.intersects(start_pfn, nr_pages)), normal)

    def _default_zone(self, nid: int, start_pfn: int, nr_pages: int) -> Zone:
        """Stay in the zone that is there already, if it is only one. Linux: ``default_zone_for_pfn``."""
        kernel, movable = self._default_kernel_zone(nid, start_pfn, nr_pages), self._zone(nid, "Movable")
        in_kernel = kernel.intersects(start_pfn, nr_pages)
        in_movable = movable.intersects(start_pfn, nr_pages)
        if in_kernel != in_movable:
            return kernel if in_kernel else movable
        return movable if self.movable_node else kernel

    def _auto_movable_zone(self, nid: int, group: MemoryGroup | None, start_pfn: int, nr_pages: int) -> Zone:
        """Movable as long as the ratio allows all that is left of the group. Linux: ``auto_movable_zone_for_pfn``."""
        wanted = nr_pages
        allowed = bool(self.auto_movable_ratio)
        if group is not None:
            wanted = group.max_pages - group.present_movable_pages
            allowed = allowed and not group.present_kernel_pages
        if (
            allowed
            and self._can_online_movable(self._zones.populated_zones(), wanted)
            and (not self.auto_movable_numa_aware or self._can_online_movable(self._zones.node_data(nid).zones, wanted))
        ):
            return self._zone(nid, "Movable")
        return self._default_kernel_zone(nid, start_pfn, nr_pages)

    def _can_online_movable(self, zones: Iterable[Zone], nr_pages: int) -> bool:
        """Whether Movable stays within the ratio of what the kernel had at boot.

        Linux: ``auto_movable_can_online_movable``. CMA areas, which count as Movable there, are not known here.
        """
        kernel_early = movable = 0
        for zone in zones:
            if zone.name == "Movable":
                movable += zone.present_pages
            else:
                kernel_early += zone.present_early_pages
        return kernel_early > 0 and movable + nr_pages <= self.auto_movable_ratio * kernel_early // 100
