"""Memory blocks of the memory found at boot. Linux: ``drivers/base/memory.c``, ``drivers/base/node.c``.

A block exists where one of its sections is present. A node links to it where one of the block's pages is the node's;
with ``blocks-count-holes`` pages of holes count too, and belong to the node that the boot code gave them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.memory_block import BlockRange
from softreserve.model import behaviours
from softreserve.model.events import Rule

if TYPE_CHECKING:
    from softreserve.kernel.mm.page_alloc import PageAllocator
    from softreserve.kernel.mm.zones import Zone
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.kernel.state import KernelState

__all__ = ["BootBlocks"]

BEYOND_SECTIONS: Final = Rule("memory-beyond-sections", "memory above what sections can describe has no memory block")

_DMA32_END: Final = 4 << 30
#: Bytes. Linux: ``include/linux/swiotlb.h``.
_IO_TLB_DEFAULT_SIZE: Final = 64 << 20


class BootBlocks:
    """Finds the blocks of a system that has just laid out its nodes.

    :param block_pages: pages of a memory block.
    :param section_pages: pages of a section.
    :param max_pfn: first page number that no section can describe.
    """

    def __init__(
        self,
        state: KernelState,
        nodes: NumaState,
        zones: PageAllocator,
        block_pages: int,
        section_pages: int,
        max_pfn: int,
    ) -> None:
        self._state = state
        self._node_data = zones.node_data
        self._block_pages = block_pages
        self._section_pages = section_pages
        self._ranges = list(_present(state, max_pfn))
        self._starts = [start for start, _, _ in self._ranges]
        self._nodes = sorted(nodes.online)

    def __iter__(self) -> Iterator[BlockRange]:
        """Blocks in order, neighbours alike in one range (some that are alike may come apart)."""
        for first, end in pairwise(sorted(self._cuts())):
            inside = self._within(first)
            if inside:
                nodes = self._linked_nodes(first, inside)
                yield BlockRange(first, end, nodes=nodes, online=True, zone=self._zone(first, nodes), early=True)

    def _cuts(self) -> set[int]:
        """Block numbers at which anything can change: blocks between two of them are alike."""
        edges = {pfn for start, end, _ in self._ranges for pfn in (start, end)}
        for zone in self._zones(self._nodes):
            edges |= {zone.start_pfn, zone.end_pfn}
        size = self._block_pages
        return {cut for pfn in edges for cut in (pfn // size, -(-pfn // size))}

    def _zones(self, nodes: list[int]) -> list[Zone]:
        return [zone for nid in nodes for zone in self._node_data(nid).zones if zone.populated]

    def _within(self, block: int) -> list[tuple[int, int, int]]:
        """Memory in a block, as (start pfn, end pfn, position of the memblock region)."""
        low, high = block * self._block_pages, (block + 1) * self._block_pages
        at = max(bisect_right(self._starts, low) - 1, 0)
        found = []
        while at < len(self._ranges) and self._ranges[at][0] < high:
            start, end, _ = self._ranges[at]
            if end > low:
                found.append((max(start, low), min(end, high), at))
            at += 1
        return found

    def _linked_nodes(self, block: int, inside: list[tuple[int, int, int]]) -> tuple[int, ...]:
        """Nodes that link to a block, lowest first.

        Linux: ``register_memory_blocks_under_nodes``, before it ``register_mem_block_under_node_early``.
        """
        nids = {self._ranges[at][2] for _, _, at in inside}
        if self._state.kernel.has(behaviours.BLOCKS_COUNT_HOLES):
            nids |= self._hole_nodes(block, inside)
        return tuple(nid for nid in self._nodes if nid in nids and self._visits(nid, block))

    def _visits(self, nid: int, block: int) -> bool:
        """Whether the node's span reaches into the block."""
        pgdat = self._node_data(nid)
        size = self._block_pages
        return pgdat.spanned_pages > 0 and pgdat.start_pfn // size <= block <= (pgdat.end_pfn - 1) // size

    def _hole_nodes(self, block: int, inside: list[tuple[int, int, int]]) -> set[int]:
        """Nodes that holes in present sections of a block were given to.

        Linux: with deferred initialisation of struct pages ``early_pfn_to_nid`` answers, which takes the first online
        node for a hole; without it the struct page does, which ``init_unavailable_range`` gave to the node of the
        memory that follows, or of the last memory.
        """
        holes = list(self._holes(block, inside))
        if not holes:
            return set()
        if self._state.kernel.builtin("DEFERRED_STRUCT_PAGE_INIT"):
            return {self._nodes[0]}
        return {self._ranges[min(at, len(self._ranges) - 1)][2] for at in holes}

    def _holes(self, block: int, inside: list[tuple[int, int, int]]) -> Iterator[int]:
        """Holes that share a section with memory: the position of the region that follows each."""
        section = self._section_pages
        edge = block * self._block_pages
        for start, end, at in inside:
            if edge < start and (start % section or edge % section):
                yield at
            edge = end
        if edge < (block + 1) * self._block_pages and edge % section:
            yield inside[-1][2] + 1

    def _zone(self, block: int, nodes: tuple[int, ...]) -> Zone | None:
        """The zone of a block, where it is only one. Linux: ``early_node_zone_for_memory_block``."""
        if len(nodes) != 1:
            return None
        low = block * self._block_pages
        found = [zone for zone in self._zones(list(nodes)) if zone.intersects(low, self._block_pages)]
        return found[0] if len(found) == 1 else None

    def kernel_blocks(self) -> Iterator[int]:
        """Blocks that hold what the kernel allocates on every machine at boot: they can never go offline.

        The first slabs of a node come from the bottom of its highest kernel zone, its struct pages from the top of its
        memory, bounce buffers for devices from the top of what those can reach.
        Linux: ``mm/slub.c: early_kmem_cache_node_alloc``, ``mm/sparse.c: sparse_init_nid``, ``kernel/dma/swiotlb.c``.
        """
        for nid in self._nodes:
            pgdat = self._node_data(nid)
            populated = [zone for zone in pgdat.kernel_zones if zone.populated]
            if populated:
                yield populated[-1].early[0][0] // self._block_pages
                yield (pgdat.end_pfn - 1) // self._block_pages
        yield from self._bounce_buffers()

    def _bounce_buffers(self) -> Iterator[int]:
        """Blocks of the bounce buffers: as high below 4 GiB as they fit, and only where there is memory above."""
        size = self._block_pages * self._state.kernel.page_size
        if not self._ranges or -(-self._ranges[-1][1] // self._block_pages) * size <= _DMA32_END:
            return
        free = ((start, min(end, _DMA32_END)) for start, end in self._state.memblock.free_mem_ranges())
        end = max((end for start, end in free if end - start >= _IO_TLB_DEFAULT_SIZE), default=0)
        if end:
            yield from range((end - _IO_TLB_DEFAULT_SIZE) // size, -(-end // size))


def _present(state: KernelState, max_pfn: int) -> Iterator[tuple[int, int, int]]:
    """Memory of memblock that sections describe, as ``mem_pfn_ranges()`` gives it; what lies above is left out.

    Linux: ``mm/sparse.c: memory_present``, ``mminit_validate_memmodel_limits``.
    """
    page = state.kernel.page_size
    for start, end, nid in state.memblock.mem_pfn_ranges():
        if end > max_pfn:
            state.log.record(
                BEYOND_SECTIONS,
                "mm/sparse.c: mminit_validate_memmodel_limits",
                max(start, max_pfn) * page,
                end * page,
            )
        if start < max_pfn:
            yield start, min(end, max_pfn), nid
