"""Where the DMA zones end. Linux: ``arch/arm64/mm/init.c: zone_sizes_init``, ``max_zone_phys``.

Addresses are bytes. Where neither device tree nor IORT are known to tell of narrower buses, 32 bits are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.units import U32_MAX

from softreserve_arm64 import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock

__all__ = ["max_zone_pfns"]

_GIB: Final = 1 << 30


def _first_gib(memblock: Memblock) -> int:
    """The first GiB-aligned GiB that holds the start of DRAM."""
    return min((memblock.start_of_dram() & -_GIB) + _GIB, memblock.end_of_dram())


def _below_4_gib(memblock: Memblock) -> int:
    return min(U32_MAX, memblock.end_of_dram() - 1) + 1


def _dma_limit(memblock: Memblock) -> int:
    """First byte above zone DMA: 4 GiB, or the end of DRAM where that is lower or all of DRAM is above."""
    if memblock.kernel.has(behaviours.ARM64_ZONE_DMA_OF_1_GIB):
        return _first_gib(memblock)
    above = _starts_above_4_gib(memblock)
    return memblock.end_of_dram() if above else _below_4_gib(memblock)


def _starts_above_4_gib(memblock: Memblock) -> bool:
    """Both ways of counting, in bits and by address, agree but for the last byte below 4 GiB, where no page begins."""
    return memblock.start_of_dram() > U32_MAX


def _dma32_limit(memblock: Memblock) -> int:
    """First byte above zone DMA32; counted in bits it grows over all of DRAM where that starts above 4 GiB."""
    if _starts_above_4_gib(memblock) and not memblock.kernel.has(behaviours.ARM64_ZONE_DMA_BY_ADDRESS):
        return memblock.end_of_dram()
    return _below_4_gib(memblock)


def max_zone_pfns(memblock: Memblock, reach: int | None = None) -> dict[str, int]:
    """First page frame number above each zone that the kernel has; ``reach``: :attr:`Machine.dma_reach`."""
    kernel = memblock.kernel
    limits = {}
    if kernel.builtin("ZONE_DMA"):
        limits["DMA"] = min(filter(None, (_dma_limit(memblock), reach)))
    if kernel.builtin("ZONE_DMA32"):
        limits["DMA32"] = _dma32_limit(memblock)
    limits["Normal"] = memblock.end_of_dram()
    return {name: limit // kernel.page_size for name, limit in limits.items()}
