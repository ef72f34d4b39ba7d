"""Sizes by page size and release. Expected values: the kernel's headers, reckoned by hand."""

from __future__ import annotations

import pytest
from softreserve.model.kernel import Kernel
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
