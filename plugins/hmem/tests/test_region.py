"""Sharing out a region. Expected values: ndctl's ``test/daxctl-create.sh`` by hand, and ``drivers/dax/bus.c``."""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENOMEM, ENOSPC, ENXIO, EOPNOTSUPP, ERANGE

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.driver_core.bus import Device
from softreserve.kernel.driver_core.ida import Ida
from softreserve.model.kernel import Kernel
from softreserve_hmem.gaps import Gaps
from softreserve_hmem.region import DaxRegion, DevDax, RegionOwner, alloc_dax_region

MIB = 1 << 20
GIB = 1 << 30
SPAN = (9 * GIB, 17 * GIB - 1)


class Driver:
    name = module = "some"
    type = "device"


def region(release: str = "6.12", span: tuple[int, int] = SPAN, *, arch: str = "x86_64", page: int = 4096) -> DaxRegion:
    """A region whose first device is empty."""
    parent = Device("hmem.0", "/sys/devices/platform/hmem.0", 0)
    found = alloc_dax_region(Kernel(release, arch, page_size=page), RegionOwner(), parent, 0, span, 1)
    assert found is not None
    found.create_dev_dax(0)
    return found


def device(found: DaxRegion, number: int) -> DevDax:
    return found.devices[f"dax0.{number}"]


def create(found: DaxRegion, size: int) -> DevDax:
    assert found.create_store(b"1\n") == 2
    made = found.youngest
    assert made is not None
    resize(made, size)
    return made


def resize(dev: DevDax, size: int) -> None:
    data = f"{size:#x}\0".encode()
    assert dev.size_store(data) == len(data)


def spans(dev: DevDax) -> list[tuple[float, float, float]]:
    """Start, end (exclusive) and page offset in bytes, all in GiB."""
    return [(s.start / GIB, (s.end + 1) / GIB, s.pgoff * 4096 / GIB) for s in dev.spans]


# --- growing and shrinking


def test_space_before_the_first_allocation_is_a_range_of_its_own_even_beside_the_device() -> None:
    found = region()
    first, second, third, fourth = (create(found, 2 * GIB) for _ in range(4))
    for gone in (first, fourth):
        resize(gone, 0)
        assert found.delete_store(gone.name.encode()) == 6
    resize(second, 4 * GIB)
    resize(third, 4 * GIB)
    assert spans(second) == [(11, 13, 0), (9, 11, 2)]
    assert spans(third) == [(13, 17, 0)]
    assert found.available_size == 0


def test_holes_are_filled_from_below_and_ids_are_used_again() -> None:
    found = region()
    resize(device(found, 0), 2 * GIB)
    second, _ = create(found, 2 * GIB), create(found, 2 * GIB)
    resize(second, 0)
    assert found.delete_store(b"dax0.1\n") == 7
    again = create(found, 4 * GIB)
    assert again.name == "dax0.1"
    assert spans(again) == [(11, 13, 0), (15, 17, 2)]


def test_devices_that_grow_in_turns_interleave_and_shrink_from_the_range_added_last() -> None:
    found = region()
    first, second = device(found, 0), create(found, 0)
    for size in (1, 2, 3, 4):
        resize(first, size * GIB)
        resize(second, size * GIB)
    assert spans(first) == [(9, 10, 0), (11, 12, 1), (13, 14, 2), (15, 16, 3)]
    assert spans(second) == [(10, 11, 0), (12, 13, 1), (14, 15, 2), (16, 17, 3)]
    resize(first, 5 * GIB // 2)
    assert spans(first) == [(9, 10, 0), (11, 12, 1), (13, 13.5, 2)]


def test_only_the_range_added_last_is_extended_so_that_page_offsets_stay_in_order() -> None:
    found = region()
    first = device(found, 0)
    assert first.mapping_store(b"0x240000000-0x27fffffff") > 0
    assert first.mapping_store(b"340000000-37fffffff\n") > 0
    resize(first, 3 * GIB)
    assert spans(first) == [(9, 10, 0), (13, 14, 1), (10, 11, 2)]
    resize(first, 4 * GIB)
    assert spans(first) == [(9, 10, 0), (13, 14, 1), (10, 12, 2)]


def test_numbers_of_mappings_are_the_lowest_free_ones() -> None:
    found = region()
    first, second = device(found, 0), create(found, 0)
    for size in (1, 2, 3):
        resize(first, size * GIB)
        resize(second, size * GIB)
    resize(first, GIB)
    resize(first, 2 * GIB)
    assert [s.mapping for s in first.spans] == [0, 1]


# --- refusals


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"x", EINVAL),
        (b"1G", EINVAL),
        (b"-2097152", EINVAL),
        (b" 2097152", EINVAL),
        (b"0x10000000000000000", ERANGE),
        (b"4096", EINVAL),
        (b"0x200000000000", ENOSPC),
    ],
)
def test_sizes_that_are_refused(text: bytes, error: int) -> None:
    assert device(region(), 0).size_store(text) == -error


def test_a_bound_device_keeps_size_and_align_but_takes_mappings() -> None:
    dev = device(region(), 0)
    resize(dev, GIB)
    dev.driver = Driver()
    assert dev.size_store(b"0x40000000") == -EBUSY
    assert dev.align_store(b"4096") == -EBUSY
    assert dev.mapping_store(b"280000000-2bfffffff") > 0


@pytest.mark.parametrize(
    ("arch", "page", "valid"),
    [
        ("x86_64", 4096, {4096, 2 * MIB, GIB}),
        ("arm64", 4096, {4096, 2 * MIB}),
        ("arm64", 16384, {16384, 32 * MIB}),
        ("arm64", 65536, {65536, 512 * MIB}),
    ],
)
def test_aligns_are_those_of_the_page_tables(arch: str, page: int, valid: set[int]) -> None:
    dev = device(region(arch=arch, page=page), 0)
    tried = [0, *(1 << bit for bit in range(12, 43))]
    assert {align for align in tried if dev.align_store(str(align).encode()) > 0} == valid


def test_an_align_that_cannot_be_read_is_enxio_and_one_that_ranges_do_not_have_is_einval() -> None:
    dev = device(region(), 0)
    resize(dev, GIB + 2 * MIB)
    assert dev.align_store(b"2M") == -ENXIO
    assert dev.align_store(b"1073741824") == -EINVAL
    assert dev.align == 2 * MIB
    assert dev.align_store(b"4096") == 4
    assert dev.size_store(b"4096") == -EINVAL  # a memory map still comes in pieces of 2 MiB


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"240000000", EINVAL),
        (b"-27fffffff", EINVAL),
        (b"240000000-", EINVAL),
        (b"240000000-2-7", EINVAL),
        (b"0-1fffff", ENOMEM),
        (b"27fffffff-240000000", None),
        (b"440000000-4401fffff", ENOMEM),
        (b"240000000-23fdfffff", ENOMEM),
    ],
)
def test_mappings_that_are_refused(text: bytes, error: int | None) -> None:
    old, new = device(region("6.1"), 0), device(region("6.12"), 0)
    if error is None:  # the length is no multiple of the align: newer kernels pretend that all is well
        assert old.mapping_store(text) == -ENXIO
        assert new.mapping_store(text) == len(text)
        assert not new.spans
    else:
        assert old.mapping_store(text) == new.mapping_store(text) == -error


def test_a_mapping_of_no_bytes_is_taken_by_an_empty_device_only() -> None:
    dev = device(region(), 0)
    assert dev.mapping_store(b"240000000-23fffffff") > 0
    resize(dev, 2 * MIB)
    assert dev.mapping_store(b"240000000-23fffffff") == -EBUSY


def test_create_takes_one_and_nothing_else_and_needs_space() -> None:
    found = region()
    assert found.create_store(b"0") == found.create_store(b"-1") == found.create_store(b"yes") == -EINVAL
    assert found.create_store(b"4294967297") == -ERANGE
    assert found.create_store(b"0x1\n") == 4
    resize(device(found, 0), 8 * GIB)
    assert found.create_store(b"1") == -ENOSPC


def test_delete_spares_the_first_device_and_what_has_memory_or_a_driver() -> None:
    found = region()
    made = create(found, 2 * MIB)
    assert found.delete_store(b"dax0.7") == -ENXIO
    assert found.delete_store(b"dax0.0") == -EBUSY
    assert found.delete_store(b"dax0.1") == -EBUSY
    resize(made, 0)
    made.driver = Driver()
    assert found.delete_store(b"dax0.1") == -EBUSY
    made.driver = None
    assert found.delete_store(b"dax0.1\0") == 7


def test_the_seed_is_the_first_device_created_since_there_was_none() -> None:
    found = region()
    first, second = create(found, 0), create(found, 0)
    assert (found.seed, found.youngest) == (first, second)
    assert found.delete_store(b"dax0.1") > 0
    assert (found.seed, found.youngest) == (None, second)
    third = create(found, 0)
    assert (third.name, found.seed) == ("dax0.1", third)


@pytest.mark.parametrize(("page", "step"), [(4096, 2 * MIB), (16384, 32 * MIB), (65536, 512 * MIB)])
def test_a_region_needs_the_alignment_of_large_pages(page: int, step: int) -> None:
    parent = Device("hmem.0", "", 0)

    def offered(start: int, end: int) -> DaxRegion | None:
        return alloc_dax_region(Kernel("6.1", "arm64", page_size=page), RegionOwner(), parent, 0, (start, end - 1), 0)

    assert offered(GIB, GIB + step) is not None
    assert offered(GIB + step // 2, GIB + 2 * step) is None
    assert offered(GIB, GIB + step + step // 2) is None


def test_the_memory_map_can_only_be_asked_into_memory_that_supports_it() -> None:
    dev = device(region(), 0)
    assert dev.memmap_on_memory_store(b"1\n") == -EOPNOTSUPP
    assert dev.memmap_on_memory_store(b"maybe") == -EINVAL
    assert dev.memmap_on_memory_store(b"off") == 3


# --- helpers


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
def test_numbers_handed_out_are_the_lowest_free_ones(ops: list[tuple[bool, int]]) -> None:
    ida, taken = Ida(), set[int]()
    for take, which in ops:
        if take or which not in taken:
            number = ida.alloc()
            assert number == min(set(range(len(taken) + 1)) - taken)
            taken.add(number)
        else:
            ida.free(which)
            taken.discard(which)


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(1, 8)), max_size=60))
def test_gaps_hold_exactly_what_is_free(ops: list[tuple[int, int]]) -> None:
    gaps, free, held = Gaps(0, 64), set(range(64)), dict[int, int]()
    for start, size in ops:
        if start in held:
            end = held.pop(start)
            gaps.give(start, end)
            free |= set(range(start, end))
        elif set(range(start, start + size)) <= free:
            gaps.take(start, start + size)
            free -= set(range(start, start + size))
            held[start] = start + size
        if free:
            low, high = gaps.first()
            assert low == min(free)
            assert set(range(low, high)) <= free
            assert high not in free
