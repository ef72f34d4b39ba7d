"""What the kernel takes for itself from memory that was added: such memory does not go offline again.

Linux: ``mm/sparse-vmemmap.c``, ``mm/vmscan.c: kswapd_run``, ``mm/page_alloc.c``.

Which pages the kernel uses of a zone with boot memory nobody can tell. A zone that has added memory alone is different:
all of it is free at first, and is handed out in the order in which it came online, so that the blocks that came first
are the ones in use. Addresses and sizes are bytes; ranges are half open.
"""

from __future__ import annotations

from softreserve.kernel.mm.page_alloc import PageAllocator
from softreserve.kernel.mm.zones import Zone
from softreserve.kernel.numa.node import Nodes
from softreserve.model.ranges import uncovered

__all__ = ["KernelPages"]

#: The owner of pages that stay for good: an added range cannot begin and end there.
_FOR_GOOD = (0, 0)


class KernelPages:
    """Pages of added memory that the kernel itself has taken.

    :param unit: bytes that are handed out together at least; what is smaller shares them.
    """

    def __init__(self, nodes: Nodes, zones: PageAllocator, unit: int) -> None:
        self._nodes = nodes
        self._zones = zones
        self._unit = unit
        #: Of each zone that has added memory alone: its free ranges, the next to be handed out first.
        self._free: dict[Zone, list[tuple[int, int]]] = {}
        #: Ranges in use, and for which range of added memory, or :data:`_FOR_GOOD`.
        self._used: list[tuple[Zone, int, int, tuple[int, int]]] = []
        self._serves_cpus: set[Zone] = set()

    def has_any_of(self, start: int, end: int) -> bool:
        """Whether the kernel uses part of a range."""
        return any(low < end and start < high for _, low, high, _ in self._used)

    def went_online(self, zone: Zone, start: int, end: int, *, threads: bool) -> None:
        """A range of added memory can be handed out now.

        :param threads: it is the first memory of its node, and the kernel threads that look after the node lie on it.
        """
        if zone not in self._zones.node_data(zone.nid).kernel_zones or zone.present_early_pages:
            return
        self._free.setdefault(zone, []).append((start, end))
        if threads:
            self._take(zone, self._unit, _FOR_GOOD)
        # what runs on a CPU takes from the nearest memory, all the time
        for nid in self._nodes.has_cpu:
            nearest = next(self._zones.zonelist(nid), None)
            if nearest in self._free and nearest not in self._serves_cpus:
                self._serves_cpus.add(nearest)
                self._take(nearest, self._unit, _FOR_GOOD)

    def went_offline(self, zone: Zone, start: int, end: int) -> None:
        """A range, of which the kernel uses nothing, can no longer be handed out."""
        if zone in self._free:
            gone = ((start, end),)
            self._free[zone] = [part for low, high in self._free[zone] for part in uncovered(low, high, gone)]

    def take_memory_map(self, nid: int, start: int, end: int, size: int) -> None:
        """Put the memory map of a range that is being added to a node on memory near the node.

        Linux: ``mm/sparse-vmemmap.c: vmemmap_alloc_block``.

        :param size: bytes of the map.
        """
        for zone in self._zones.zonelist(nid):
            if zone not in self._free:
                return
            size -= self._take(zone, size, (start, end))
            if size <= 0:
                return

    def give_memory_map_back(self, start: int, end: int) -> None:
        """A range of added memory is gone, and its memory map with it."""
        kept = []
        for entry in self._used:
            zone, low, high, (first, last) = entry
            if first < last and start <= first and last <= end:
                self._free[zone].insert(0, (low, high))
            else:
                kept.append(entry)
        self._used = kept

    def _take(self, zone: Zone, size: int, owner: tuple[int, int]) -> int:
        """Hand out up to ``size`` bytes: how many there were."""
        free = self._free[zone]
        wanted = size
        while wanted > 0 and free:
            low, high = free.pop(0)
            cut = min(low + wanted, high)
            self._used.append((zone, low, cut, owner))
            wanted -= cut - low
            if cut < high:
                free.insert(0, (cut, high))
        return size - wanted
