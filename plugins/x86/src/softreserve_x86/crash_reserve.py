"""Memory for drivers and for a crash kernel, as x86-64 keeps it. Linux: ``arch/x86/kernel/setup.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.kexec.crash_reserve import CRASH, Asked, CrashLimits, CrashReservation, ParseError, Parser
from softreserve.kernel.mm.cma import CMA, ContiguousMemory
from softreserve.model.behaviours import CRASHKERNEL_CMA, CRASHKERNEL_GENERIC
from softreserve.model.units import U64_MAX, round_up

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["reserve_contiguous"]

_ALIGN: Final = 16 << 20
_LOW_MAX: Final = 1 << 32
_HIGH_MAX: Final = 64 << 40
#: Bytes that describe a node: as much as matters of what was allocated before.
_NODE_DATA: Final = 172 << 10
_SLAB: Final = 2 << 10
_SLABS_OF_SEGMENT: Final = 128


def reserve_contiguous(system: System, max_pfn: int) -> None:
    """Areas of contiguous memory, then what is kept for a crash kernel: the last steps before zones are made."""
    kernel = system.kernel
    memblock = system.memblock.scratch()
    for nid in sorted(system.nodes.online):
        memblock.alloc_range_nid(_NODE_DATA, 0, 0, 0, nid)
    cma = system.stash[CMA] = ContiguousMemory(system, memblock)
    cma.dma_contiguous_reserve(max_pfn << 12)
    if kernel.builtin("CRASH_DUMP"):
        limits = CrashLimits(_ALIGN, _LOW_MAX, _HIGH_MAX, _low_size(system), kernel.has(CRASHKERNEL_CMA))
        engine = CrashReservation if kernel.has(CRASHKERNEL_GENERIC) else _OwnReservation
        crash = system.stash[CRASH] = engine(system, memblock, limits)
        crash.reserve(cma)


def _low_size(system: System) -> int:
    """Room for the bounce buffers of devices, 256 MiB at least. Linux: ``crash_low_size_default``."""
    slabs = (64 << 20) // _SLAB
    for value in system.cmdline.all("swiotlb"):
        if value and value[0].isdigit():
            slabs = round_up(system.kernel.simple_strtoull(value)[0], _SLABS_OF_SEGMENT)
    return max((slabs * _SLAB + (8 << 20)) & U64_MAX, 256 << 20)


class _OwnReservation(CrashReservation):
    """Before 6.7: rules and words of its own."""

    def parse_any(self, parser: Parser) -> Asked:
        """The form without a suffix, or else ``,high``, whatever is wrong with the first."""
        try:
            size, base = parser.plain()
            if size:
                return Asked(size, base, self._asked_low(parser))
        except ParseError as error:
            parser.notes += filter(None, [str(error)])
        return Asked(parser.with_suffix(",high"), 0, self._asked_low(parser), high=True)

    def _asked_low(self, parser: Parser) -> int:
        try:
            return parser.with_suffix(",low")
        except ParseError:
            return self.limits.low_size

    def fits(self, asked: Asked, system_ram: int) -> bool:
        """Nobody compares."""
        return asked.size > 0

    def reserve_memory(self, asked: Asked) -> None:
        """Linux: ``reserve_crashkernel``."""
        size, limits = asked.size, self.limits
        if asked.base:
            base = self.alloc(size, asked.base, asked.base + size, 1 << 20)
            if base != asked.base:
                self.refuse("crashkernel reservation failed - memory is in use.")
                return
        else:
            ends = (limits.high_max,) if asked.high else (limits.low_max, limits.high_max)
            base = next(filter(None, (self.alloc(size, limits.align, end) for end in ends)), 0)
            if not base:
                self.refuse("crashkernel reservation failed - No suitable area found.")
                return
        if base >= limits.low_max and asked.low_size and not self._reserve_low_megabytes(asked.low_size):
            return
        total = self.memblock.phys_mem_size() >> 20
        words = f"Reserving {size >> 20}MB of memory at {base >> 20}MB for crashkernel"
        self.say(f"{words} (System RAM: {total}MB)")
        self.region = self.take(base, size)

    def _reserve_low_megabytes(self, size: int) -> bool:
        base = self.alloc(size, 0, self.limits.low_max)
        if not base:
            self.refuse(f"Cannot reserve {size >> 20}MB crashkernel low memory, please try smaller size.")
            return False
        limit = min(self.memblock.phys_mem_size(), self.limits.low_max) >> 20
        words = f"Reserving {size >> 20}MB of low memory at {base >> 20}MB for crashkernel"
        self.say(f"{words} (low RAM limit: {limit}MB)")
        self.low = self.take(base, size)
        return True
