"""Laying out nodes and zones at boot. Linux: ``mm/mm_init.c`` (before 6.5: ``mm/page_alloc.c``).

All numbers are page frame numbers (pfn) or pages; ranges are half open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from softreserve.kernel.early_param import REFUSED
from softreserve.kernel.mm.memblock import MEMBLOCK_HOTPLUG, MEMBLOCK_MIRROR
from softreserve.kernel.mm.zones import Pgdat, Zone, zone_names
from softreserve.model import behaviours
from softreserve.model.ranges import merged, uncovered
from softreserve.model.units import mem_text, parse_option_str, round_up

if TYPE_CHECKING:
    from softreserve.kernel.mm.zone_report import ZoneReport
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.kernel.state import KernelState
    from softreserve.model.cmdline import CommandLine
    from softreserve.model.kernel import Kernel

__all__ = ["ZoneLayout"]

_SZ_4G: Final = 1 << 32


class _CoreSize:
    """``kernelcore=`` or ``movablecore=``: pages, or a percentage that wins over them."""

    def __init__(self, cmdline: CommandLine, name: str, kernel: Kernel) -> None:
        self.pages = self.percent = 0
        self.mirror = False
        for text in cmdline.all(name):
            if text is None:
                continue
            if name == "kernelcore" and parse_option_str(text, "mirror"):
                self.mirror = True
                continue
            percent, rest = kernel.simple_strtoull(text)
            if rest.startswith("%"):
                self.percent = percent
            else:
                self.pages, self.percent = kernel.memparse(text)[0] // kernel.page_size, 0

    def required(self, total_pages: int) -> int:
        """Pages asked for."""
        return total_pages * 100 * self.percent // 10000 if self.percent else self.pages


class ZoneLayout:
    """Works out zones from memblock and the limits that the architecture gives, and prints what it finds."""

    def __init__(
        self,
        state: KernelState,
        nodes: NumaState,
        max_zone_pfns: Mapping[str, int],
        max_order_pages: int,
        dma_reserve: int = 0,
    ) -> None:
        self._state = state
        self._nodes = nodes
        self._names = zone_names(state.kernel)
        self._page = state.kernel.page_size
        self._max_order_pages = max_order_pages
        self._pageblock_pages = state.kernel.pmd_size // self._page
        self._ranges = list(state.memblock.mem_pfn_ranges())
        self._section_pages = state.arch.section_size(state.kernel) // self._page
        self._sections = merged(
            (start // self._section_pages * self._section_pages, round_up(end, self._section_pages))
            for start, end, _ in self._ranges
        )
        cmdline = state.cmdline
        self._movable_node = cmdline.has("movable_node")
        self._kernelcore = _CoreSize(cmdline, "kernelcore", state.kernel)
        self._movablecore = _CoreSize(cmdline, "movablecore", state.kernel)
        self._mirrored = self._kernelcore.mirror
        #: Normal and Movable lie over each other: each has the memory of its kind.
        self._shared_span = self._mirrored and state.kernel.has(behaviours.MIRROR_ZONES_OVERLAP)
        self._limits = self._zone_limits(max_zone_pfns)
        self._movable_start: dict[int, int] = {}
        self.lays_out_offline_nodes = state.kernel.has(behaviours.OFFLINE_NODES_LAID_OUT)
        self._report: ZoneReport | None = None
        if state.kernel.has(behaviours.ZONES_REPORTED):
            from softreserve.kernel.mm.zone_report import ZoneReport

            self._report = ZoneReport(state, self._ranges, self._with_struct_page, self._section_pages, dma_reserve)

    def run(self) -> dict[int, Pgdat]:
        """Lay out every possible node: zones, spans and present pages, and the kernel's report of them."""
        self._movable_start = self._find_zone_movable_pfns()
        self._print_ranges()
        if self._report is not None:
            self._report.before_nodes()
        nodes: dict[int, Pgdat] = {}
        for nid in sorted(self._nodes.possible if self.lays_out_offline_nodes else self._nodes.online):
            nodes[nid] = self.lay_out(nid)
        if self._state.kernel.has(behaviours.UNAVAILABLE_PAGES_BY_ZONE):
            self._memmap_init(nodes)
        return nodes

    # --- limits of zones

    def _zone_limits(self, max_zone_pfns: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Lowest and highest possible pfn of each zone but Movable: each begins where the one before ends."""
        start = self._state.memblock.start_of_dram() // self._page
        limits: dict[str, tuple[int, int]] = {}
        for name in self._names:
            if name == "Movable":
                continue
            end = max(max_zone_pfns.get(name, 0), start)
            limits[name] = (start, end)
            start = end
        return limits

    def _usable_zone_for_movable(self) -> tuple[int, int]:
        """Limits of the highest zone that can hold memory. Linux: ``find_usable_zone_for_movable``."""
        used = [limits for limits in self._limits.values() if limits[1] > limits[0]]
        return used[-1] if used else next(iter(self._limits.values()))

    def _node_range(self, nid: int) -> tuple[int, int]:
        """First and last memory of a node; 0, 0 without any. Linux: ``get_pfn_range_for_nid``."""
        own = [(start, end) for start, end, node in self._ranges if node == nid]
        return (min(s for s, _ in own), max(e for _, e in own)) if own else (0, 0)

    # --- where Movable begins

    def _find_zone_movable_pfns(self) -> dict[int, int]:
        """First pfn of Movable by node; nodes without it are left out. Linux: ``find_zone_movable_pfns_for_nodes``."""
        if self._movable_node:
            return self._aligned(self._lowest_regions(MEMBLOCK_HOTPLUG, wanted=True))
        if self._mirrored:
            return self._movable_of_mirror()
        spread = self._spread_kernelcore()
        return {} if spread is None else self._aligned(spread)

    def _lowest_regions(self, flag: int, *, wanted: bool, above: int = 0) -> dict[int, int]:
        lowest: dict[int, int] = {}
        for region in self._state.memblock.memory.regions:
            pfn = region.base // self._page
            if bool(region.flags & flag) == wanted and pfn >= above:
                lowest[region.nid] = min(pfn, lowest.get(region.nid) or pfn)
        return lowest

    def _movable_of_mirror(self) -> dict[int, int]:
        regions = self._state.memblock.memory.regions
        if self._state.kernel.has(behaviours.MIRROR_NEEDS_MIRRORED_MEMORY):
            refused = None
            if not any(region.flags & MEMBLOCK_MIRROR for region in regions):
                refused = "The system has no mirror memory, ignore kernelcore=mirror."
            elif self._state.cmdline.has("elfcorehdr"):
                refused = "The system is under kdump, ignore kernelcore=mirror."
            if refused:
                function = "mm/mm_init.c: find_zone_movable_pfns_for_nodes"
                self._state.log.printk(refused, function, REFUSED, "kernelcore")
                return {}
        low = _SZ_4G // self._page
        if any(not region.flags & MEMBLOCK_MIRROR and region.base // self._page < low for region in regions):
            self._state.printk("This configuration results in unmirrored kernel memory.")
        return self._aligned(self._lowest_regions(MEMBLOCK_MIRROR, wanted=False, above=low))

    def _spread_kernelcore(self) -> dict[int, int] | None:
        """Spread kernel memory evenly over the nodes; ``None`` where no Movable was asked for or none is left."""
        total = sum(end - start for start, end, _ in self._ranges)
        required = self._kernelcore.required(total)
        movable = self._movablecore.required(total)
        if movable:
            movable = min(total, round_up(movable, self._max_order_pages))
            required = max(required, total - movable)
        if not required or required >= total:
            return None
        with_memory = sorted({nid for _, _, nid in self._ranges})
        starts = dict.fromkeys(with_memory, 0)
        usable = len(with_memory)
        while True:
            required = self._spread_once(with_memory, usable, required, starts)
            usable -= 1
            if not usable or required <= usable:
                return starts

    def _spread_once(self, with_memory: list[int], usable: int, required: int, starts: dict[int, int]) -> int:
        """One pass over the nodes; moves ``starts`` up and returns what is still required."""
        floor = self._usable_zone_for_movable()[0]
        per_node = required // usable
        for nid in with_memory:
            if required < per_node:
                per_node = required // usable
            remaining = per_node
            for start, end, node in self._ranges:
                start = max(start, starts[nid])
                if node != nid or start >= end:
                    continue
                if start < floor:
                    below = min(end, floor) - start
                    remaining -= min(below, remaining)
                    required -= min(below, required)
                    if end <= floor:
                        starts[nid] = end
                        continue
                    start = floor
                size = min(end - start, remaining)
                starts[nid] = start + size
                required -= min(required, size)
                remaining -= size
                if not remaining:
                    break
        return required

    def _aligned(self, starts: dict[int, int]) -> dict[int, int]:
        """Starts rounded up to the largest allocation; one beyond the node's memory is dropped."""
        rounded = {nid: round_up(start, self._max_order_pages) for nid, start in starts.items()}
        return {nid: start for nid, start in rounded.items() if 0 < start < self._node_range(nid)[1]}

    # --- printing

    def _mem(self, start: int, end: int) -> str:
        return mem_text(start * self._page, end * self._page, wide=True)

    def _print_ranges(self) -> None:
        printk = self._state.printk
        printk("Zone ranges:", "mm/mm_init.c: free_area_init")
        for name, (start, end) in self._limits.items():
            printk(f"  {name:<8} {'empty' if start == end else self._mem(start, end)}")
        printk("Movable zone start for each node")
        for nid in sorted(self._movable_start):
            printk(f"  Node {nid}: {self._movable_start[nid] * self._page:#018x}")
        printk("Early memory node ranges")
        for start, end, nid in self._ranges:
            printk(f"  node {nid:3d}: {self._mem(start, end)}")

    # --- one node

    def lay_out(self, nid: int) -> Pgdat:
        """Lay out a node, which may be offline. Linux: the loop of ``free_area_init``."""
        if nid not in self._nodes.online and self._state.kernel.has(behaviours.OFFLINE_NODES_ANNOUNCED_MEMORYLESS):
            self._state.printk(f"Initializing node {nid} as memoryless", "mm/page_alloc.c: free_area_init")
        return self.free_area_init_node(nid)

    def free_area_init_node(self, nid: int) -> Pgdat:
        """Lay out a node, and print what it has. Linux: the same function."""
        pgdat = Pgdat(nid, self._names)
        start, end = self._node_range(nid)
        pgdat.start_pfn = start
        what = self._mem(start, end) if start < end else self._memoryless
        self._state.printk(f"Initmem setup node {nid} {what}", "mm/mm_init.c: free_area_init_node")
        pgdat.spanned_pages = end - start
        for zone in pgdat.zones if start < end else ():
            self._size_zone(zone, start, end)
            pgdat.present_pages += zone.present_pages
        self._mark_node(pgdat)
        if self._report is not None:
            self._report.node(pgdat)
        return pgdat

    @property
    def _memoryless(self) -> str:
        return "as memoryless" if self.lays_out_offline_nodes else f"[mem {0:#018x}-{0:#018x}]"

    def _size_zone(self, zone: Zone, node_start: int, node_end: int) -> None:
        """Span and present pages of one zone. Linux: ``calculate_node_totalpages`` and what it calls."""
        low, high = self._limits.get(zone.name, (0, 0))
        start, end = _clamp(node_start, low, high), _clamp(node_end, low, high)
        start, end = self._adjust_for_movable(zone, node_end, start, end)
        if end < node_start or start > node_end:
            return
        start, end = max(start, node_start), min(end, node_end)
        if start >= end:
            return
        zone.set_span(start, end)
        zone.early = [
            (max(s, start), min(e, end)) for s, e, nid in self._ranges if nid == zone.nid and s < end and e > start
        ]
        if self._shared_span and zone.nid in self._movable_start and zone.name in ("Normal", "Movable"):
            zone.early = self._mirror_filter(zone, start, end)
        zone.present_pages = zone.present_early_pages = sum(e - s for s, e in zone.early)

    def _adjust_for_movable(self, zone: Zone, node_end: int, start: int, end: int) -> tuple[int, int]:
        """Linux: ``adjust_zone_range_for_zone_movable``."""
        movable = self._movable_start.get(zone.nid)
        if movable is None:
            return start, end
        if zone.name == "Movable":
            return movable, min(node_end, self._usable_zone_for_movable()[1])
        if not self._shared_span and start < movable < end:
            return start, movable
        return (end, end) if start >= movable else (start, end)

    def _mirror_filter(self, zone: Zone, start: int, end: int) -> list[tuple[int, int]]:
        """With ``kernelcore=mirror`` Normal and Movable share a span: mirrored memory is Normal, the rest Movable."""
        wanted = zone.name == "Normal"
        found = []
        for region in self._state.memblock.memory.regions:
            first, last = region.base // self._page, (region.base + region.size) // self._page
            if region.nid == zone.nid and bool(region.flags & MEMBLOCK_MIRROR) == wanted:
                found.append((_clamp(first, start, end), _clamp(last, start, end)))
        return [(s, e) for s, e in found if s < e]

    def _mark_node(self, pgdat: Pgdat) -> None:
        """Set the node's memory states. Linux: ``free_area_init``, ``check_for_memory``."""
        if not pgdat.present_pages:
            return
        self._nodes.has_memory.add(pgdat.nid)
        if any(zone.populated for zone in pgdat.kernel_zones):
            self._nodes.has_normal_memory.add(pgdat.nid)

    # --- pages that have a struct page and are no memory

    def _memmap_init(self, nodes: Mapping[int, Pgdat]) -> None:
        """Give holes in sections with memory to the zone behind them, and count them. Linux: ``memmap_init``."""
        hole, last = 0, None
        for start, end, nid in self._ranges:
            for zone in nodes[nid].zones if nid in nodes else ():  # without any node the kernel dies soon
                if not zone.populated:
                    continue
                low, high = _clamp(start, zone.start_pfn, zone.end_pfn), _clamp(end, zone.start_pfn, zone.end_pfn)
                if low < high:
                    self._init_unavailable_range(hole, low, zone)
                    hole = high
                last = zone
        if last is not None:
            self._init_unavailable_range(hole, round_up(self._ranges[-1][1], self._section_pages), last)

    def _init_unavailable_range(self, start: int, end: int, zone: Zone) -> None:
        pages = self._with_struct_page(start, end) if start < end else 0
        if pages:
            self._state.printk(
                f"On node {zone.nid}, zone {zone.name}: {pages} pages in unavailable ranges",
                "mm/mm_init.c: init_unavailable_range",
            )

    def _with_struct_page(self, start: int, end: int) -> int:
        """How many page numbers of a hole lie in sections that have memory. Linux: ``pfn_valid``."""
        if self._state.kernel.has(behaviours.PFN_VALID_IS_MAPPED):
            # asked for the first page of each block of pages only: the one that holds the end of the memory before
            block = start - start % self._pageblock_pages
            mapped = start < end and self._state.memblock.is_map_memory(block * self._page)
            return min(end, block + self._pageblock_pages) - start if mapped else 0
        return (end - start) - sum(high - low for low, high in uncovered(start, end, self._sections))


def _clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
