"""The EFI map in memblock. Expected values: derived by hand from ``efi-init.c`` and ``fdt.c``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.efi.efi import Efi
from softreserve.kernel.efi.efi_init import early_init_dt_add_memory_arch, reserve_regions
from softreserve.kernel.mm.memblock import MEMBLOCK_NOMAP, Memblock
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

WC, WT, WB, SP = 0x2, 0x4, 0x8, 0x40000


def regions(
    descriptors: list[EfiDescriptor], release: str = "6.12", page_size: int = 4096, soft_reserve: bool = True
) -> Memblock:
    kernel = Kernel(release, "arm64", page_size, config={"EFI_SOFT_RESERVE": "y"})
    log = EventLog()
    memblock, efi = Memblock(log, kernel), Efi(kernel, log)
    efi.memmap, efi.no_soft_reserve = EfiMemoryMap(descriptors), not soft_reserve
    reserve_regions(memblock, efi, kernel, log)
    return memblock


def spans(memblock: Memblock) -> list[tuple[int, int, int]]:
    return [(r.base, r.end, r.flags) for r in memblock.memory]


def one(type_: int, attribute: int) -> list[tuple[int, int, int]]:
    return spans(regions([EfiDescriptor(type_, 0x80000000, 0x100, attribute)]))


def test_write_back_memory_that_the_firmware_leaves_is_memory() -> None:
    for type_ in (1, 2, 3, 4, 7, 9, 14):
        assert one(type_, WB) == [(0x80000000, 0x80100000, 0)]


def test_other_types_and_other_caching_are_memory_that_is_not_mapped() -> None:
    for type_, attribute in ((7, WC), (7, WT), (0, WB), (5, WB), (6, WB), (10, WB), (11, WC), (15, WB), (99, WB)):
        assert one(type_, attribute) == [(0x80000000, 0x80100000, MEMBLOCK_NOMAP)]


def test_what_cannot_be_cached_is_no_memory() -> None:
    assert one(7, 0x1) == one(11, 0x8000000000000001) == []


def test_tables_that_could_be_reclaimed_are_reserved() -> None:
    memblock = regions([EfiDescriptor(9, 0x80000000, 0x10, WB)])
    assert [(r.base, r.size) for r in memblock.reserved] == [(0x80000000, 0x10000)]


def test_specific_purpose_memory_is_not_in_memblock_whatever_its_type() -> None:
    for type_ in (0, 4, 5, 7, 9):
        memblock = regions([EfiDescriptor(type_, 0x80000000, 0x100, WB | SP)])
        assert not memblock.memory.regions
        assert not memblock.reserved.regions


def test_older_kernels_keep_specific_purpose_memory_as_memory_that_is_not_mapped() -> None:
    memblock = regions([EfiDescriptor(7, 0x80000000, 0x100, WB | SP)], "5.10")
    assert spans(memblock) == [(0x80000000, 0x80100000, MEMBLOCK_NOMAP)]


def test_without_soft_reservation_the_attribute_means_nothing() -> None:
    for release in ("5.10", "6.12"):
        memblock = regions([EfiDescriptor(7, 0x80000000, 0x100, WB | SP)], release, soft_reserve=False)
        assert spans(memblock) == [(0x80000000, 0x80100000, 0)]


def test_in_a_shared_large_page_the_unmapped_one_wins_in_either_order() -> None:
    ram, runtime = EfiDescriptor(7, 0x80000000, 8, WB), EfiDescriptor(6, 0x80008000, 8, WB)
    for order in ([ram, runtime], [runtime, ram]):
        assert spans(regions(order, page_size=65536)) == [(0x80000000, 0x80010000, MEMBLOCK_NOMAP)]


def test_large_pages_swallow_the_edge_of_specific_purpose_memory() -> None:
    memblock = regions(
        [EfiDescriptor(7, 0x80010000, 0x17FFF4, WB), EfiDescriptor(7, 0x200004000, 0xFFFFB, WB | SP)], page_size=65536
    )
    assert spans(memblock) == [(0x80010000, 0x200010000, 0)]


def test_memory_of_a_device_tree_is_forgotten_and_reservations_are_kept() -> None:
    kernel = Kernel("6.12", "arm64")
    log = EventLog()
    memblock, efi = Memblock(log, kernel), Efi(kernel, log)
    memblock.add(0, 1 << 30)
    memblock.reserve(0x1000, 0x1000)
    efi.memmap = EfiMemoryMap([EfiDescriptor(7, 0x80000000, 0x100, WB)])
    reserve_regions(memblock, efi, kernel, log)
    assert spans(memblock) == [(0x80000000, 0x80100000, 0)]
    assert len(memblock.reserved) == 1


def test_a_block_smaller_than_the_rest_of_its_page_is_ignored_with_a_warning() -> None:
    log = EventLog()
    memblock = Memblock(log, Kernel("6.12", "arm64"))
    early_init_dt_add_memory_arch(memblock, 0x1800, 0x7FF, log)
    early_init_dt_add_memory_arch(memblock, 0x2800, 0x1900, log)
    assert log.lines == ["OF: fdt: Ignoring memory block 0x1800 - 0x1fff"]
    assert spans(memblock) == [(0x3000, 0x4000, 0)]


def test_an_empty_descriptor_inside_a_large_page_makes_the_page_memory() -> None:
    empty = EfiDescriptor(7, 0x80001000, 0, WB)
    assert spans(regions([empty])) == []
    assert spans(regions([empty], page_size=65536)) == [(0x80000000, 0x80010000, 0)]


descriptors = st.lists(
    st.builds(
        EfiDescriptor,
        st.integers(0, 16),
        st.integers(0, 60).map(lambda page: 0x80000000 + page * 0x1000),
        st.integers(1, 20),
        st.sampled_from([0x1, WB, WC, WB | SP, WT | SP, WB | 1 << 63]),
    ),
    max_size=12,
)


@given(descriptors, st.sampled_from([4096, 16384, 65536]))
def test_every_page_is_memory_if_anything_in_it_is_and_mapped_if_everything_is_usable(
    maps: list[EfiDescriptor], page_size: int
) -> None:
    memblock = regions(maps, page_size=page_size)
    usable_types = {1, 2, 3, 4, 7, 9, 14}
    memory: dict[int, bool] = {}
    for d in maps:
        if d.pages and d.attribute & (WB | WT | WC) and not d.attribute & SP:
            mapped = d.type in usable_types and bool(d.attribute & WB)
            for page in range(d.start // page_size, -(-(d.start + d.size) // page_size)):
                memory[page] = memory.get(page, True) and mapped
    held = {
        page: not region.is_nomap
        for region in memblock.memory
        for page in range(region.base // page_size, region.end // page_size)
    }
    assert held == memory
