"""What follows from the parts of a machine's description."""

from __future__ import annotations

import pytest
from softreserve.model.e820 import RESERVED_KERN, SOFT_RESERVED, type_text
from softreserve.model.efi import EfiType, type_words
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange


def test_an_image_spans_all_its_parts_but_the_initrd() -> None:
    image = KernelImage(
        code=PhysRange(0x3000, 0x4000), bss=PhysRange(0x7000, 0x9000), initrd=PhysRange(0x100000, 0x200000)
    )
    assert image.span == PhysRange(0x3000, 0x9000)
    assert KernelImage(initrd=PhysRange(0, 1)).span is None


@pytest.mark.parametrize(("page", "pmd"), [(4096, 2 << 20), (16384, 32 << 20), (65536, 512 << 20)])
def test_a_pmd_maps_a_page_full_of_pages(page: int, pmd: int) -> None:
    assert Kernel("6.12", "any", page).pmd_size == pmd


def test_types_of_memory_have_words_and_unknown_ones_their_number() -> None:
    assert [type_words(kind) for kind in (EfiType.CONVENTIONAL, EfiType.BOOT_SERVICES_CODE, 15, 16, 0x80000000)] == [
        "conventional",
        "boot services code",
        "unaccepted",
        "type 16",
        "type 2147483648",
    ]
    assert [type_text(kind) for kind in (SOFT_RESERVED, RESERVED_KERN, 6)] == ["soft reserved", "usable", "type 6"]
