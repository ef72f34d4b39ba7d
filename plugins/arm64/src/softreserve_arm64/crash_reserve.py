"""Memory for a crash kernel, as arm64 keeps it. Linux: ``arch/arm64/mm/init.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.kexec.crash_reserve import CRASH, Asked, CrashLimits, CrashReservation
from softreserve.model.behaviours import CRASHKERNEL_GENERIC

from softreserve_arm64 import behaviours
from softreserve_arm64.sizes import supported_physical_bits

if TYPE_CHECKING:
    from softreserve.kernel.mm.cma import ContiguousMemory
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.system import System

__all__ = ["arch_reserve_crashkernel"]

_ALIGN: Final = 2 << 20
_LOW_SIZE: Final = 128 << 20


def arch_reserve_crashkernel(system: System, memblock: Memblock, dma_limit: int, cma: ContiguousMemory) -> None:
    """Low memory ends with zone DMA (bytes). Linux: the same function; before 6.7 ``reserve_crashkernel``."""
    kernel = system.kernel
    generic, has_cma = kernel.has(CRASHKERNEL_GENERIC), kernel.has(behaviours.ARM64_CRASHKERNEL_CMA)
    highest = 1 << supported_physical_bits(kernel)
    limits = CrashLimits(_ALIGN, dma_limit, highest, _LOW_SIZE if generic else 0, has_cma)
    crash = system.stash[CRASH] = (CrashReservation if generic else _OwnReservation)(system, memblock, limits)
    crash.reserve(cma)


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
