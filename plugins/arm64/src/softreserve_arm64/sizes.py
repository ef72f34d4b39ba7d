"""What follows from the page size and the build: sections, address bits.

Linux: ``arch/arm64/include/asm/{pgtable-hwdef,sparsemem,memory,kernel-pgtable}.h``. All sizes are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.errors import MachineError

from softreserve_arm64 import behaviours

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel

__all__ = [
    "PAGE_SIZES",
    "SZ_2M",
    "SZ_64K",
    "kernel_image_align",
    "linear_region_size",
    "memstart_align",
    "section_size",
    "supported_physical_bits",
]

PAGE_SIZES: Final = (4096, 16384, 65536)
SZ_64K: Final = 64 << 10
SZ_2M: Final = 2 << 20
#: What a table of the level above maps at best: a PUD, 32 PMDs in a row, a PMD.
_MEMSTART_SHIFT: Final = {4096: 30, 16384: 30, 65536: 29}


def _page_shift(kernel: Kernel) -> int:
    if kernel.page_size not in PAGE_SIZES:
        raise MachineError(f"arm64 has pages of 4096, 16384 or 65536 bytes, not {kernel.page_size}")
    return kernel.page_size.bit_length() - 1


def section_size(kernel: Kernel) -> int:
    """SECTION_SIZE_BITS as a size; a memory block is one section."""
    if not kernel.has(behaviours.ARM64_SMALL_SECTIONS):
        return 1 << 30
    return 1 << (29 if _page_shift(kernel) == 16 else 27)


def memstart_align(kernel: Kernel) -> int:
    """What the start of the linear map is rounded to. Linux: ``ARM64_MEMSTART_ALIGN``."""
    _page_shift(kernel)
    return max(1 << _MEMSTART_SHIFT[kernel.page_size], section_size(kernel))


def _va_bits_min(kernel: Kernel) -> int:
    """Bits of virtual address that every CPU has: what a kernel built for 52 bits falls back to."""
    bits = kernel.number("ARM64_VA_BITS", 48)
    if bits <= 48:
        return bits
    return 47 if kernel.page_size == 16384 and kernel.has(behaviours.ARM64_LPA2) else 48


def linear_region_size(kernel: Kernel) -> int:
    """How much physical memory the linear map can hold, on CPUs without 52-bit virtual addresses.

    Linux: ``PAGE_END - _PAGE_OFFSET(vabits_actual)``.
    """
    return 1 << (_va_bits_min(kernel) - 1)


def supported_physical_bits(kernel: Kernel) -> int:
    """Bits of physical address that the kernel uses. Linux: ``PHYS_MASK_SHIFT``, on CPUs without LPA2."""
    bits = kernel.number("ARM64_PA_BITS", 48)
    return 48 if kernel.page_size != 65536 and kernel.has(behaviours.ARM64_LPA2) else bits


def kernel_image_align(kernel: Kernel) -> int:
    """EFI_KIMG_ALIGN: alignment of a segment, or twice the size of a stack. Linux: ``arch/arm64/include/asm/efi.h``."""
    return max(SZ_64K, 2 * max(16384, kernel.page_size))
