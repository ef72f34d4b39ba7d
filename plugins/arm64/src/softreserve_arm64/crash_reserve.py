"""Memory for drivers and for a crash kernel, as arm64 keeps it. Linux: ``arch/arm64/mm/init.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.kexec.crash_reserve import CRASH, Asked, CrashLimits, CrashReservation
from softreserve.kernel.mm.cma import CMA, ContiguousMemory
from softreserve.kernel.mm.page_alloc import STRUCT_PAGE
from softreserve.model.behaviours import CRASHKERNEL_GENERIC, ZONES_AFTER_SETUP_ARCH

from softreserve_arm64 import behaviours
from softreserve_arm64.sizes import supported_physical_bits

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.system import System

__all__ = ["reserve_contiguous"]

_ALIGN: Final = 2 << 20
_LOW_SIZE: Final = 128 << 20
#: Bytes that describe a node.
_NODE_DATA: Final = 16 << 10


def reserve_contiguous(system: System, dma_limit: int) -> None:
    """Areas of contiguous memory, then what is kept for a crash kernel, both below the end of zone DMA (bytes)."""
    kernel = system.kernel
    memblock = system.memblock.scratch()
    _take_what_was_taken(system, memblock)
    cma = system.stash[CMA] = ContiguousMemory(system, memblock)
    cma.dma_contiguous_reserve(dma_limit)
    if kernel.builtin("CRASH_DUMP"):
        generic = kernel.has(CRASHKERNEL_GENERIC)
        highest = 1 << supported_physical_bits(kernel)
        limits = CrashLimits(
            _ALIGN, dma_limit, highest, _LOW_SIZE if generic else 0, kernel.has(behaviours.ARM64_CRASHKERNEL_CMA)
        )
        engine = CrashReservation if generic else _OwnReservation
        crash = system.stash[CRASH] = engine(system, memblock, limits)
        crash.reserve(cma)


def _take_what_was_taken(system: System, memblock: Memblock) -> None:
    """Keep away from page tables of the linear map, nodes, and, before 7.0, the memory map."""
    kernel = system.kernel
    tables = memblock.phys_mem_size() // kernel.pmd_size
    free = sorted(((end - start) // kernel.page_size, end) for start, end in memblock.free_mem_ranges())
    for pages, end in sorted(free, key=lambda found: -found[1]):
        taken = min(pages, tables)
        memblock.reserve(end - taken * kernel.page_size, taken * kernel.page_size)
        tables -= taken
    for nid in sorted(system.nodes.online):
        memblock.alloc_range_nid(_NODE_DATA, 0, 0, 0, nid)
    if not kernel.has(ZONES_AFTER_SETUP_ARCH):
        for nid in sorted(system.nodes.online):
            sections = {pfn for start, end, _ in memblock.mem_pfn_ranges(nid) for pfn in _sections(system, start, end)}
            size = len(sections) * (system.memory.section_size // kernel.page_size) * STRUCT_PAGE
            memblock.alloc_range_nid(size, kernel.pmd_size, 0, 0, nid)


def _sections(system: System, start: int, end: int) -> range:
    """Numbers of the sections that have a part of a range of pfn."""
    pages = system.memory.section_size // system.kernel.page_size
    return range(start // pages, -(-end // pages))


class _OwnReservation(CrashReservation):
    """Before 6.7: no second try, and low memory only where it is asked for."""

    def reserve_memory(self, asked: Asked) -> None:
        """Linux: ``reserve_crashkernel``."""
        page = self.system.kernel.page_size
        size = -(-asked.size // page) * page
        end = self.limits.high_max if asked.high else self.limits.low_max
        base = self.alloc(size, asked.base, asked.base + size if asked.base else end)
        if not base:
            self.refuse(f"cannot allocate crashkernel (size:{size:#x})")
        elif base < self.limits.low_max or not asked.low_size or self.reserve_low(asked.low_size):
            self.show(base, size)
