from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.efi.randomalloc import (
    EFI_OUT_OF_RESOURCES,
    EFI_SUCCESS,
    RandomSlots,
    count_slots,
    efi_random_alloc,
    given_back,
    refusal,
)
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap
from softreserve.model.kernel import Kernel

WB = 0xF
SP = int(EfiAttribute.SP)
MORE_RELIABLE = int(EfiAttribute.MORE_RELIABLE)
HOT_PLUGGABLE = int(EfiAttribute.HOT_PLUGGABLE)
M = 1 << 20
G = 1 << 30
NEW = Kernel("6.12.117", "x86_64")
OLD = Kernel("6.1.0-56-amd64", "x86_64")


def free(start: int, size: int, attribute: int = 0, kind: int = 7) -> EfiDescriptor:
    return EfiDescriptor(kind, start, size // 4096, WB | attribute)


def counted(
    *descriptors: EfiDescriptor, size: int = 64 * M, soft_reserve: bool = True, kernel: Any = NEW
) -> RandomSlots:
    return count_slots(
        EfiMemoryMap(descriptors), size, 2 * M, 16 * M, 2**64 - 1, kernel=kernel, soft_reserve=soft_reserve
    )


#: Slots by hand: (2G - 64M - 16M) / 2M + 1 = 985 and (4G - 64M) / 2M + 1 = 2017.
THREE = (free(M, 2 * G - M), free(4 * G, 4 * G), free(8 * G, 2 * G, SP))


def test_the_example_worked_out_by_hand() -> None:
    slots = counted(*THREE)
    assert slots.counts == (985, 2017, 0)
    # (985 + 2017) * 0x80000000 >> 32 = 1501: slot 516 of the second range
    assert efi_random_alloc(slots, 0x80000000, NEW) == (EFI_SUCCESS, 0x140800000)


def test_seed_0_takes_the_first_slot_of_the_map() -> None:
    assert efi_random_alloc(counted(*reversed(THREE)), 0, NEW) == (EFI_SUCCESS, 4 * G)


def test_only_the_low_32_bits_of_a_seed_count() -> None:
    slots = counted(*THREE)
    assert slots.address(0x123_8000_0000) == slots.address(0x8000_0000)


def test_specific_purpose_memory_has_slots_only_without_soft_reservation() -> None:
    assert counted(*THREE, soft_reserve=False).counts[2] == 993


def test_a_mirrored_range_with_room_is_the_only_one() -> None:
    slots = counted(*THREE, free(16 * G, G, MORE_RELIABLE))
    assert slots.total == slots.counts[3] == 481
    assert slots.address(0) == 16 * G


def test_a_mirrored_range_without_room_changes_nothing() -> None:
    assert not counted(*THREE, free(16 * G, 32 * M, MORE_RELIABLE)).mirrored


def test_hot_pluggable_memory_is_left_alone_where_the_kernel_knows_it() -> None:
    assert counted(free(4 * G, G, HOT_PLUGGABLE)).counts == (0,)
    assert refusal(free(4 * G, G, HOT_PLUGGABLE), Kernel("5.10", "arm64"), True) is None


def test_no_slot_is_an_error_or_a_success_without_an_address() -> None:
    none = counted(free(4 * G, G, SP))
    assert efi_random_alloc(none, 1, NEW) == (EFI_OUT_OF_RESOURCES, None)
    assert efi_random_alloc(none, 1, OLD) == (EFI_SUCCESS, None)


def test_the_memory_of_the_image_is_given_back_and_joined() -> None:
    image = free(0x1600000, 64 * M, kind=1)
    before, after = free(0x1500000, M), free(0x5600000, G)
    efi_map, taken = given_back(EfiMemoryMap([before, image, after]), 0x1600000, 0x4A00000)
    assert taken == 64 * M
    assert list(efi_map) == [free(0x1500000, M + 64 * M + G)]


def test_memory_with_other_attributes_is_not_joined() -> None:
    image = free(0x1600000, 64 * M, kind=1)
    beside = free(0x5600000, G, SP)
    efi_map, _ = given_back(EfiMemoryMap([image, beside]), 0x1600000, 0x4A00000)
    assert list(efi_map) == [attrs.evolve(image, type=7), beside]


def test_a_map_that_does_not_show_the_image_stays() -> None:
    efi_map = EfiMemoryMap(THREE)
    assert given_back(efi_map, 0x1600000, 0x4A00000) == (efi_map, 0)


@st.composite
def machines(draw: st.DrawFn) -> list[EfiDescriptor]:
    """Disjoint descriptors, in any order."""
    at, found = 0, []
    for _ in range(draw(st.integers(1, 8))):
        at += draw(st.integers(0, 64)) * M
        size = draw(st.integers(1, 1024)) * M
        attribute = draw(st.sampled_from([0, SP, MORE_RELIABLE, SP | MORE_RELIABLE]))
        found.append(free(at, size, attribute, draw(st.sampled_from([7, 7, 7, 4, 0]))))
        at += size
    return draw(st.permutations(found))


@given(machines(), st.integers(0, 2**32 - 1))
def test_the_image_is_inside_one_free_descriptor_and_never_in_specific_purpose_memory(drawn: Any, seed: int) -> None:
    slots = counted(*drawn)
    address = slots.address(seed)
    assert (address is None) == (slots.total == 0)
    if address is not None:
        holding = [md for md in drawn if md.start <= address and address + 64 * M <= md.end]
        assert len(holding) == 1
        assert holding[0].type == 7
        assert not holding[0].is_special_purpose
        assert address % (2 * M) == 0


@given(
    st.lists(
        st.builds(
            EfiDescriptor,
            type=st.just(7),
            start=st.integers(0, 2**64 - 1),
            pages=st.integers(0, 2**64 - 1),
            attribute=st.integers(0, 2**64 - 1),
        ),
        max_size=5,
    ),
    st.integers(0, 2**64 - 1),
    st.sampled_from([1, 0x800, 0x1000, 2 * M, G]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
)
def test_any_map_is_counted_within_64_bits(drawn: Any, size: int, align: int, low: int, high: int, seed: int) -> None:
    slots = count_slots(EfiMemoryMap(drawn), size, align, low, high, kernel=NEW, soft_reserve=False)
    assert all(0 <= count < 2**64 for count in slots.counts)
    address = slots.address(seed)
    assert address is None or 0 <= address < 2**64


@pytest.mark.parametrize(("alloc_align", "want"), [(4096, 4096), (65536, 65536)])
def test_size_and_alignment_are_rounded_to_the_architectures_granule(alloc_align: int, want: int) -> None:
    slots = count_slots(EfiMemoryMap(THREE), 1, 1, 0, 2**48 - 1, kernel=NEW, soft_reserve=True, alloc_align=alloc_align)
    assert (slots.size, slots.align, slots.alloc_min) == (want, want, want)
