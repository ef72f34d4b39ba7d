"""The linear map and what the command line leaves of memory. Linux: ``arch/arm64/mm/init.c: arm64_memblock_init``.

Addresses and sizes are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model import value
from softreserve.model.units import U64_MAX

from softreserve_arm64 import behaviours
from softreserve_arm64.sizes import SZ_64K, linear_region_size, memstart_align, supported_physical_bits

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.model.events import EventLog
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import KernelImage

__all__ = ["Layout", "LinearMap", "add_back_initrd", "apply_memory_limit", "arm64_memblock_init"]

_FILE: Final = "arch/arm64/mm/init.c"
#: Who changes memblock here, as ``memblock=debug`` says it.
_CALLER: Final = "arm64_memblock_init"
_INITRD_WARNING: Final = "initrd not fully accessible via the linear mapping -- please check your bootloader ..."


@value.frozen
class Layout:
    """Where the kernel lies: ``text`` is its very first byte, ``end`` the byte after its last.

    ``stext`` is where Kernel code begins and what is reserved begins: behind the header in some releases.
    """

    text: int
    stext: int
    end: int

    @classmethod
    def of(cls, image: KernelImage, kernel: Kernel) -> Layout | None:
        """From the resources ``Kernel code`` and ``Kernel data``; ``None`` where they are not known."""
        if image.code is None or image.data is None:
            return None
        head = SZ_64K if kernel.has(behaviours.ARM64_HEAD_IS_NOT_CODE) else 0
        return cls(image.code.start - head, image.code.start, image.data.end)


@value.frozen
class LinearMap:
    """The physical memory that the linear map can reach: ``size`` bytes from ``start`` on.

    ``start`` may be negative, where a random offset would have moved it; without one it is the start of DRAM, rounded.
    """

    start: int
    size: int

    @property
    def mappable(self) -> tuple[int, int]:
        """First and last byte that memory hotplug may map. Linux: ``arch_get_mappable_range``."""
        return self.start & U64_MAX, (self.start + self.size - 1) & U64_MAX


def _place_linear_map(memblock: Memblock, layout: Layout | None, log: EventLog) -> LinearMap:
    """Choose the start of the linear map and remove what it cannot hold, though never the kernel's own end."""
    kernel = memblock.kernel
    size, align = linear_region_size(kernel), memstart_align(kernel)
    bits = supported_physical_bits(kernel)
    memblock.remove(1 << bits, U64_MAX, _CALLER)
    start = memblock.start_of_dram() & -align
    if memblock.end_of_dram() - start > size:
        log.printk("Memory doesn't fit in the linear mapping, VA_BITS too small", f"{_FILE}: arm64_memblock_init")
    memblock.remove(max(start + size, layout.end if layout else 0), U64_MAX, _CALLER)
    if start + size < memblock.end_of_dram():
        start = -(-(memblock.end_of_dram() - size) // align) * align
        memblock.remove(0, start, _CALLER)
    return LinearMap(start, size)


def apply_memory_limit(memblock: Memblock, limit: int | None, layout: Layout | None) -> None:
    """Keep so many bytes of memory, and the kernel wherever it lies."""
    if limit is None or limit == U64_MAX:
        return
    memblock.mem_limit_remove_map(limit)
    if layout is not None:
        memblock.add(layout.text, layout.end - layout.text, _CALLER)


def add_back_initrd(memblock: Memblock, start: int, size: int, linear_size: int, log: EventLog) -> None:
    """Make the initrd mapped memory again and reserve it; warn and drop it where the linear map cannot reach it."""
    page = memblock.kernel.page_size
    base = start & -page
    size = -(-(start + size) // page) * page - base
    dram = memblock.start_of_dram()
    if base < dram or base + size > dram + linear_size:
        log.printk(_INITRD_WARNING, f"{_FILE}: arm64_memblock_init")
        return
    memblock.add(base, size, _CALLER)
    memblock.clear_nomap(base, size)
    memblock.reserve(base, size, _CALLER)


def arm64_memblock_init(memblock: Memblock, image: KernelImage, limit: int | None, log: EventLog) -> LinearMap:
    """Cut memory to what can be mapped and to ``mem=``; reserve initrd and kernel.

    The random offset of the linear map (``kaslr-seed``) is not modelled: it changes no resource, only which hot-added
    addresses below DRAM could be mapped.
    """
    layout = Layout.of(image, memblock.kernel)
    linear = _place_linear_map(memblock, layout, log)
    apply_memory_limit(memblock, limit, layout)
    if image.initrd is not None and memblock.kernel.config.get("BLK_DEV_INITRD", "y") == "y":
        add_back_initrd(memblock, image.initrd.start, image.initrd.size, linear.size, log)
    if layout is not None:
        memblock.reserve(layout.stext, layout.end - layout.stext, _CALLER)
    return linear
