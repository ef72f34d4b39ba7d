"""Sizes by page size and release, and what they cost. Expected values: the kernel's headers, reckoned by hand."""

from __future__ import annotations

import pytest
from softreserve.model.kernel import Kernel
from softreserve.model.ranges import PhysRange
from softreserve.views.capacity import Granules, capacity
from softreserve_arm64 import sizes

MIB, GIB = 1 << 20, 1 << 30


def kernel(release: str, page_size: int, **config: int) -> Kernel:
    return Kernel(release, "arm64", page_size, config=config)


@pytest.mark.parametrize(
    ("page", "pmd", "section", "memstart"),
    [(4096, 2 * MIB, 128 * MIB, GIB), (16384, 32 * MIB, 128 * MIB, GIB), (65536, 512 * MIB, 512 * MIB, 512 * MIB)],
)
def test_granules_follow_the_page_size(page: int, pmd: int, section: int, memstart: int) -> None:
    k = kernel("6.12", page)
    assert (k.pmd_size, sizes.section_size(k), sizes.memstart_align(k)) == (pmd, section, memstart)


def test_sections_were_1_gib_before_they_were_made_small() -> None:
    for page in sizes.PAGE_SIZES:
        k = kernel("5.10", page)
        assert sizes.section_size(k) == sizes.memstart_align(k) == GIB


def test_an_address_space_of_52_bits_falls_back_to_what_every_cpu_has() -> None:
    assert sizes.linear_region_size(kernel("6.1", 4096, ARM64_VA_BITS=52)) == 1 << 47
    assert sizes.linear_region_size(kernel("6.12", 16384, ARM64_VA_BITS=52)) == 1 << 46
    assert sizes.supported_physical_bits(kernel("6.12", 4096, ARM64_PA_BITS=52)) == 48
    assert sizes.supported_physical_bits(kernel("6.12", 65536, ARM64_PA_BITS=52)) == 52


@pytest.mark.parametrize(
    ("start", "release", "page", "kmem_start", "lost"),
    [
        (0x200200000, "6.12", 4096, 0x208000000, 126 * MIB),
        (0x200200000, "5.10", 4096, 0x240000000, 1022 * MIB),
        (0x200200000, "6.12", 65536, None, 4094 * MIB),
        (0x208000000, "6.12", 65536, None, 3968 * MIB),
        (0x220000000, "6.12", 65536, 0x220000000, 0),
        (0x200100000, "6.12", 4096, None, 4095 * MIB),
    ],
)
def test_what_alignment_takes_from_a_range_up_to_12_gib(
    start: int, release: str, page: int, kmem_start: int | None, lost: int
) -> None:
    k = kernel(release, page)
    got = capacity(PhysRange(start, 0x300000000), Granules(page, k.pmd_size, sizes.section_size(k)))
    assert got.lost_kmem == lost
    assert got.kmem == (None if kmem_start is None else PhysRange(kmem_start, 0x300000000))
