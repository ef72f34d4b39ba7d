"""Zones of all nodes, and the order in which nodes fall back on each other. Linux: ``mm/page_alloc.c``.

All numbers are page frame numbers (pfn) or pages; ranges are half open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.zones import STRUCT_PAGE, Pgdat, Zone, zone_names
from softreserve.model import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.mm.mm_init import ZoneLayout
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.kernel.state import KernelState

__all__ = ["MAX_ORDER", "STRUCT_PAGE", "PageAllocator"]

#: Linux: ``include/linux/topology.h``.
_PENALTY_FOR_NODE_WITH_CPUS: Final = 1
#: Largest allocation as a power of two of pages, by page size. Linux: ``ARCH_FORCEMAX_ORDER``.
MAX_ORDER: Final = {4096: 10, 16384: 11, 65536: 13}
#: What a kernel holds back at boot beside the memory map: mostly the 64 MiB of the software IO TLB. An estimate.
_BOOT_ALLOCATIONS: Final = 88 << 20


class PageAllocator:
    """Nodes with their zones; zone lists as far as the kernel prints them."""

    def __init__(self, state: KernelState, nodes: NumaState) -> None:
        self._state = state
        self._nodes = nodes
        self._pgdats: dict[int, Pgdat] = {}
        self._max_zone_pfns: Mapping[str, int] | None = None
        self._layout: ZoneLayout | None = None
        self._node_load: dict[int, int] = {}
        self._fallback: dict[int, list[int]] = {}
        self._policy_zone = 0
        #: Pages of each node's first zone that are taken before zones are laid out. Linux: ``dma_reserve``.
        self.dma_reserve = 0
        #: Until the first zone lists are built: no CPU is up, no page is taken.
        self._untouched = True
        self._zone_names = zone_names(state.kernel)
        page_size = state.kernel.page_size
        self.max_order_pages = 1 << MAX_ORDER.get(page_size, 10)
        #: The grain in which pages are grouped by mobility: a huge page.
        self.pageblock_pages = state.kernel.pmd_size // page_size

    def zone_sizes_init(self, max_zone_pfns: Mapping[str, int]) -> None:
        """The architecture says where zones end: they are laid out now, or where all architectures do it.

        Linux: ``arch/*/mm/init.c``, :meth:`free_area_init`.
        """
        self._check(max_zone_pfns)
        if self._state.kernel.has(behaviours.ZONES_AFTER_SETUP_ARCH):
            self._max_zone_pfns = max_zone_pfns
        else:
            self.free_area_init(max_zone_pfns)

    def mm_core_init_early(self) -> None:
        """Lay out what the architecture left to be laid out. Linux: ``mm/mm_init.c: mm_core_init_early``."""
        if self._max_zone_pfns is not None:
            self.free_area_init(self._max_zone_pfns)
            self._max_zone_pfns = None

    def free_area_init(self, max_zone_pfns: Mapping[str, int]) -> None:
        """Lay out the zones of every node and print them. Linux: ``mm/mm_init.c: free_area_init``.

        Called when nodes are known and memblock is complete.

        :param max_zone_pfns: zone name (``"DMA"``, ``"DMA32"``, ``"Normal"``) to the first pfn above the zone, for the
            zones that the kernel is configured with.
        :raises ValueError: they are no page frame numbers (our mistake, or a plugin's).
        """
        from softreserve.kernel.mm.mm_init import ZoneLayout

        self._check(max_zone_pfns)
        layout = ZoneLayout(self._state, self._nodes, max_zone_pfns, self.max_order_pages, self.dma_reserve)
        self._pgdats = layout.run()
        self._layout = layout

    @staticmethod
    def _check(max_zone_pfns: Mapping[str, int]) -> None:
        if not all(type(end) is int and end >= 0 for end in max_zone_pfns.values()):
            raise ValueError(f"zones end at {max_zone_pfns}: page frame numbers are wanted")

    def free_area_init_memoryless_node(self, nid: int) -> None:
        """Lay out a node that came online after all others, if it is not yet: before 5.18 it is not."""
        if nid not in self._pgdats and self._layout is not None:
            self._pgdats[nid] = self._layout.free_area_init_node(nid)

    def lay_out_offline_node(self, nid: int) -> None:
        """Lay out a node that became possible after the others were laid out, in kernels that do so at boot."""
        if nid not in self._pgdats and self._layout is not None and self._layout.lays_out_offline_nodes:
            self._pgdats[nid] = self._layout.lay_out(nid)

    def node_data(self, nid: int) -> Pgdat:
        """The node's memory; made empty where the node was not laid out. Linux: ``NODE_DATA``."""
        pgdat = self._pgdats.get(nid)
        if pgdat is None:
            pgdat = self._pgdats[nid] = Pgdat(nid, self._zone_names)
        return pgdat

    def populated_zones(self) -> Iterator[Zone]:
        """Every zone with pages present, node by node. Linux: ``for_each_populated_zone``."""
        for nid in sorted(self._pgdats):
            yield from (zone for zone in self._pgdats[nid].zones if zone.populated)

    def present_kilobytes(self, nid: int | None = None) -> int:
        """Memory of all nodes or of one, in units of 1024 bytes; what only a driver has mapped is none."""
        zones = (zone for zone in self.populated_zones() if zone.name != "Device" and nid in (None, zone.nid))
        return sum(zone.present_pages for zone in zones) * self._state.kernel.page_size >> 10

    def move_pfn_range_to_device_zone(self, nid: int, start_pfn: int, nr_pages: int) -> None:
        """Let the Device zone of a node span a range that a driver mapped; it never shrinks again.

        A node with such a span cannot go offline. Linux: ``mm/memremap.c: pagemap_range``.
        """
        pgdat = self.node_data(nid)
        pgdat.zone("Device").resize(start_pfn, nr_pages)
        pgdat.resize(start_pfn, nr_pages)

    # --- zone lists

    def zonelist(self, nid: int) -> Iterator[Zone]:
        """Populated zones in which the kernel looks for memory for itself near a node, the nearest first."""
        for node in self._fallback.get(nid, ()):
            yield from (zone for zone in reversed(self.node_data(node).kernel_zones) if zone.populated)

    def build_all_zonelists(self, only: int | None = None) -> None:
        """Order the nodes anew and print the result. Linux: ``build_all_zonelists``.

        :param only: a node that is not online yet: just its own list is built.
        """
        nodes = self._nodes
        self._node_load = {}
        known = nodes.possible if self._state.kernel.has(behaviours.OFFLINE_NODES_LAID_OUT) else nodes.online
        for nid in (only,) if only is not None and only not in nodes.online else sorted(known):
            self._build_zonelists(nid)
        total = self._free_zone_pages()
        order = " in Node order" if self._state.kernel.has(behaviours.ZONELIST_ORDER) else ""
        mobility = "on" if total >= self.pageblock_pages * self._migrate_types() else "off"
        self._state.printk(
            f"Built {len(nodes.online)} zonelists{order}, mobility grouping {mobility}.  Total pages: {total}",
            "mm/page_alloc.c: build_all_zonelists",
        )
        if self._state.kernel.builtin("NUMA"):
            self._state.printk(f"Policy zone: {self._zone_names[self._policy_zone]}")
        self._untouched = False

    def _build_zonelists(self, local: int) -> None:
        """Linux: ``build_zonelists``."""
        used: set[int] = set()
        order: list[int] = []
        previous = local
        distance = self._nodes.distance
        while (node := self.find_next_best_node(local, used)) >= 0:
            if distance(local, node) != distance(local, previous):
                self._node_load[node] = self._node_load.get(node, 0) + 1
            order.append(node)
            previous = node
        self._fallback[local] = order
        for node in order:
            self._check_highest_zone(node)
        if self._state.kernel.has(behaviours.FALLBACK_ORDER_PRINTED) and self._state.kernel.builtin("NUMA"):
            listed = "".join(f"{node} " for node in order)
            self._state.printk(f"Fallback order for Node {local}: {listed}", "mm/page_alloc.c: build_zonelists")

    def find_next_best_node(self, local: int, used: set[int]) -> int:
        """The next node in a node's fallback list, added to ``used``; -1 where none is left."""
        nodes = self._nodes
        memoryless_first = not self._state.kernel.has(behaviours.FALLBACK_SKIPS_MEMORYLESS_NODE)
        if local not in used and (memoryless_first or local in nodes.has_memory):
            used.add(local)
            return local
        # CPUs count for a node from when they are brought up, after the first zone lists
        with_cpus: set[int] = set() if self._untouched else set(nodes.has_cpu)
        max_nodes = self._state.kernel.max_numnodes
        best, best_value = -1, None
        for node in sorted(nodes.has_memory):
            if node in used:
                continue
            value = nodes.distance(local, node) + (node < local)
            value += _PENALTY_FOR_NODE_WITH_CPUS if node in with_cpus else 0
            value = value * max_nodes + self._node_load.get(node, 0)
            if best_value is None or value < best_value:
                best, best_value = node, value
        if best >= 0:
            used.add(best)
        return best

    def _check_highest_zone(self, nid: int) -> None:
        """Remember the highest zone that memory policies apply to. Linux: ``check_highest_zone``."""
        for zone in self.node_data(nid).zones:
            if zone.populated and zone.name != "Movable":
                self._policy_zone = max(self._policy_zone, zone.index)

    def _migrate_types(self) -> int:
        """Linux: ``include/linux/mmzone.h: enum migratetype``."""
        return 6 if self._state.kernel.builtin("CMA") else 5

    # --- pages

    def _free_zone_pages(self) -> int:
        """Pages that the allocator has above its high watermarks. Linux: ``nr_free_zone_pages``.

        Exact at boot, where nothing is taken yet. Later it depends on every allocation, and is an estimate.
        """
        zones = list(self.populated_zones())
        present = sum(zone.present_pages for zone in zones)
        memmap = sum(zone.memmap_pages(self._state.kernel.page_size) for zone in zones)
        if self._untouched:
            if not self._state.kernel.has(behaviours.MEMMAP_NOT_MANAGED_AT_BOOT):
                return present
            taken = [zone for zone in zones if not zone.index and self._leaves_reserve(zone)]
            return present - memmap - self.dma_reserve * len(taken)
        managed = max(present - memmap - _BOOT_ALLOCATIONS // self._state.kernel.page_size, 0)
        return managed - self._high_watermarks(managed, len([z for z in zones if z.name != "Movable"]))

    def _leaves_reserve(self, zone: Zone) -> bool:
        return zone.present_pages - zone.memmap_pages(self._state.kernel.page_size) > self.dma_reserve

    def _high_watermarks(self, managed: int, zones: int) -> int:
        """Pages held back when huge pages are on. Linux: ``mm/khugepaged.c: set_recommended_min_free_kbytes``."""
        if not self._state.kernel.builtin("TRANSPARENT_HUGEPAGE"):
            return managed // 100
        return min(self.pageblock_pages * zones * (2 + 3 * 3), managed // 20) * 3 // 2
