"""How large a memory block is. Linux: ``arch/x86/mm/init_64.c``."""

from __future__ import annotations

from errno import EINVAL
from typing import Final

from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX

from softreserve_x86 import behaviours

__all__ = ["MemoryBlockSize"]

#: One section: MIN_MEMORY_BLOCK_SIZE, bytes.
_MIN_BLOCK: Final = 128 << 20
_MAX_BLOCK: Final = 2 << 30
#: From this much RAM on blocks are large; also the largest size that a platform may ask for.
_LARGE_BLOCKS_FROM: Final = 64 << 30


class MemoryBlockSize:
    """The choice, and what a platform asked for before it was made."""

    __slots__ = ("_kernel", "_log", "_set")

    def __init__(self, kernel: Kernel, log: EventLog) -> None:
        self._kernel = kernel
        self._log = log
        self._set = 0

    def set_memory_block_size_order(self, order: int) -> int:
        """A platform asks for 2 to the power of ``order`` bytes: 0 or -EINVAL."""
        size = 1 << (order & 63)  # the shift instruction looks at six bits
        if not _MIN_BLOCK <= size <= _LARGE_BLOCKS_FROM:
            return -EINVAL
        self._set = size
        return 0

    def probe_memory_block_size(self, max_pfn: int, hypervisor: bool, advised: int = 0) -> int:
        """Block size in bytes for a machine whose RAM ends at page ``max_pfn``; logged.

        :param advised: the largest size that suits the CXL windows; 0 where there are none.
        """
        size = self._set or self._choose(max_pfn << 12 & U64_MAX, hypervisor, advised)
        if self._kernel.has(behaviours.MEMORY_BLOCK_SIZE_PRINTED):
            self._log.printk(f"x86/mm: Memory block size: {size >> 20}MB")
        return size

    def _choose(self, boot_mem_end: int, hypervisor: bool, advised: int) -> int:
        if boot_mem_end < _LARGE_BLOCKS_FROM:
            return _MIN_BLOCK
        if not advised and not hypervisor and self._kernel.has(behaviours.X86_BARE_METAL_MAX_MEMORY_BLOCK):
            return _MAX_BLOCK
        size = max(min(advised or _MAX_BLOCK, _MAX_BLOCK), _MIN_BLOCK)
        while size > _MIN_BLOCK and boot_mem_end % size:
            size >>= 1
        return size
