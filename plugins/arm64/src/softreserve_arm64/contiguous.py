"""Memory that must be in one piece, as arm64 takes it. Linux: ``arch/arm64/mm/init.c: bootmem_init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.cma import CMA, ContiguousMemory
from softreserve.kernel.mm.page_alloc import STRUCT_PAGE
from softreserve.model.behaviours import ZONES_AFTER_SETUP_ARCH

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.system import System

__all__ = ["reserve_contiguous"]

#: Bytes that describe a node.
_NODE_DATA: Final = 16 << 10


def reserve_contiguous(system: System, dma_limit: int) -> None:
    """Areas of contiguous memory, then what is kept for a crash kernel, both below the end of zone DMA (bytes)."""
    memblock = system.memblock.scratch()
    _take_what_was_taken(system, memblock)
    cma = system.stash[CMA] = ContiguousMemory(system, memblock)
    cma.dma_contiguous_reserve(dma_limit)
    if "crashkernel=" in system.cmdline.text and system.kernel.builtin("CRASH_DUMP"):
        from softreserve_arm64.crash_reserve import arch_reserve_crashkernel

        arch_reserve_crashkernel(system, memblock, dma_limit, cma)


def _take_what_was_taken(system: System, memblock: Memblock) -> None:
    """Keep away from page tables of the linear map, nodes, and, before 7.0, the memory map."""
    kernel = system.kernel
    page, tables = kernel.page_size, memblock.phys_mem_size() // kernel.pmd_size
    for start, end in sorted(memblock.free_mem_ranges(), reverse=True):
        taken = min((end - start) // page, tables)
        memblock.reserve(end - taken * page, taken * page)
        tables -= taken
    for nid in sorted(system.nodes.online):
        memblock.alloc_range_nid(_NODE_DATA, 0, 0, 0, nid)
    if not kernel.has(ZONES_AFTER_SETUP_ARCH):
        pages = system.memory.section_size // page
        for nid in sorted(system.nodes.online):
            size = _sections(memblock, nid, pages) * pages * STRUCT_PAGE
            memblock.alloc_range_nid(size, kernel.pmd_size, 0, 0, nid)


def _sections(memblock: Memblock, nid: int, pages: int) -> int:
    """How many sections of so many pages have memory of a node."""
    count = above = 0
    for start, end, _ in memblock.mem_pfn_ranges(nid):
        first, above = max(start // pages, above), -(-end // pages)
        count += max(above - first, 0)
    return count
