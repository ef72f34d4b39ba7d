"""Behaviours of arm64; see :mod:`softreserve.model.release`."""

from __future__ import annotations

from typing import Final

from softreserve.model.release import Behaviour, Boundary

ARM64_SMALL_SECTIONS: Final = Behaviour(
    "arm64-small-sections",
    "sections and memory blocks of 128 MiB (64K pages: 512 MiB); before, 1 GiB",
    since=Boundary(
        "5.12",
        "arm64/sparsemem: reduce SECTION_SIZE_BITS",
        "source read 5.10.7",
        "captured arm64-6.1-two-node-hmat; source read 5.15.100",
    ),
)

ARM64_HEAD_IS_NOT_CODE: Final = Behaviour(
    "arm64-head-is-not-code",
    "the image's first 64 KiB are neither in the Kernel code resource nor reserved",
    since=Boundary(
        "5.11",
        "arm64: omit [_text, _stext) from permanent kernel mapping",
        "source read 5.10.7",
        "source read 6.1.192; source read 5.15.100",
    ),
    until=Boundary(
        "6.18",
        "",
        "source read 6.1.192; source read 6.14",
        "source read 6.12.117; source read 6.19",
        after="6.14",
    ),
    dropped=("6.12.107",),
)

ARM64_ZONE_DMA_BY_ADDRESS: Final = Behaviour(
    "arm64-zone-dma-by-address",
    "the end of zone DMA is an address, and 4 GiB where DRAM starts below; before, a number of address bits",
    since=Boundary(
        "6.12",
        "arm64: support DMA zone above 4GB",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
        after="6.8",
    ),
)

ARM64_ZONE_DMA_OF_1_GIB: Final = Behaviour(
    "arm64-zone-dma-of-1-gib",
    "zone DMA is the first GiB from where DRAM starts, for the sake of one board",
    since=Boundary(
        "5.5",
        "",
        "source read 5.4.1",
        "source read 5.10.7",
    ),
    until=Boundary(
        "5.11",
        "arm64: mm: Set ZONE_DMA size based on early IORT scan",
        "source read 5.10.7",
        "captured arm64-6.1-two-node-hmat; source read 5.15.100",
    ),
    dropped=("5.10.22",),
)

ARM64_WIDE_MEMBLOCK_TABLE: Final = Behaviour(
    "arm64-wide-memblock-table",
    "the table of memory regions has room for 1024 of them before it must grow; before, for 128",
    since=Boundary(
        "6.0",
        "memblock,arm64: expand the static memblock memory table",
        "source read 5.15.100",
        "source read 6.1.192; source read 6.0",
    ),
)

ARM64_CRASHKERNEL_CMA: Final = Behaviour(
    "arm64-crashkernel-cma",
    "crashkernel=..,cma is looked at",
    since=Boundary("7.3", "", "source read 7.2.13", "source read 7.3.4"),
)

ARM64_LPA2: Final = Behaviour(
    "arm64-lpa2",
    "52 bits of address with 4K and 16K pages; without the hardware such a kernel uses 48 (16K: 47) bits",
    since=Boundary(
        "6.9",
        "arm64: Enable 52-bit virtual addressing for 4k and 16k granule configs",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)

ARM64_GICC_ONLINE_CAPABLE: Final = Behaviour(
    "arm64-gicc-online-capable",
    "processors that may come online later are counted too",
    since=Boundary(
        "6.11",
        "irqchip/gic-v3: Add support for ACPI's disabled but 'online capable' CPUs",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)
