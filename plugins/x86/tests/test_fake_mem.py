from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.efi.efi import Efi
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve_x86 import e820
from softreserve_x86.e820 import E820Table
from softreserve_x86.fake_mem import FakeMem, FakeRange, memmap_insert

G = 1 << 30
EINVAL = 22
SP = 0x40000


def fake_mem(release: str = "6.1") -> tuple[FakeMem, Efi, E820Table, EventLog]:
    log = EventLog()
    kernel = Kernel(release, "x86_64", config={"EFI_SOFT_RESERVE": "y", "EFI_FAKE_MEMMAP": "y"})
    return FakeMem(kernel, log), Efi(kernel, log), E820Table.for_kernel(kernel, log), log


def test_elements_accumulate_sorted_and_all_of_them_are_printed_each_time() -> None:
    fake, _, _, log = fake_mem()
    assert fake.setup_fake_mem("1G@8G:0x40000") == 0
    assert fake.setup_fake_mem("1G@4G:0x10000,") == 0
    assert [r.start for r in fake.ranges] == [4 * G, 8 * G]
    assert log.lines[-2:] == [
        "efi_fake_mem: add attr=0x0000000000010000 to [mem 0x0000000100000000-0x000000013fffffff]",
        "efi_fake_mem: add attr=0x0000000000040000 to [mem 0x0000000200000000-0x000000023fffffff]",
    ]


def test_what_was_read_before_a_mistake_stays() -> None:
    fake, _, _, _ = fake_mem()
    assert fake.setup_fake_mem("1G@4G:0x40000,1Gx") == -EINVAL
    assert len(fake.ranges) == 1


def test_an_element_cut_short_by_the_end_of_the_text_is_no_mistake() -> None:
    fake, _, _, _ = fake_mem()
    assert fake.setup_fake_mem("1G@4G") == 0
    assert fake.ranges == []


def test_a_surplus_element_is_dropped_silently_only_at_the_end() -> None:
    fake, _, _, _ = fake_mem()
    assert fake.setup_fake_mem(",".join(["1G@4G:1"] * 9)) == 0
    assert len(fake.ranges) == 8
    assert fake.setup_fake_mem("1G@4G:1,1G@4G:1") == -EINVAL


def early(release: str, ranges: list[FakeRange]) -> list[tuple[int, int]]:
    fake, efi, table, _ = fake_mem(release)
    efi.memmap = EfiMemoryMap([EfiDescriptor(7, 0, 16 * G >> 12, 0xF)])
    table.range_add(0, 16 * G, e820.RAM)
    fake.ranges = ranges
    fake.memmap_early(efi, table)
    return [(e.start, e.end) for e in table.entries if e.type == e820.SOFT_RESERVED]


def test_each_instance_keeps_an_entry_of_its_own_from_5_10_on() -> None:
    adjacent = [FakeRange(4 * G, 5 * G - 1, SP), FakeRange(5 * G, 6 * G - 1, SP)]
    assert early("6.1", adjacent) == [(4 * G, 5 * G), (5 * G, 6 * G)]
    assert early("5.8", adjacent) == [(4 * G, 6 * G)]


def test_overlapping_instances_are_cut_at_every_border() -> None:
    half = G // 2
    overlapping = [FakeRange(8 * half, 10 * half - 1, SP), FakeRange(9 * half, 11 * half - 1, SP)]
    assert early("6.1", overlapping) == [(8 * half, 9 * half), (9 * half, 10 * half), (10 * half, 11 * half)]


def test_other_attributes_do_not_set_memory_aside() -> None:
    assert early("6.1", [FakeRange(4 * G, 5 * G - 1, 0x10000)]) == []


def test_a_range_of_partial_pages_leaves_no_map() -> None:
    fake, efi, _, _ = fake_mem()
    efi.memmap = EfiMemoryMap([EfiDescriptor(7, 0, 16, 0xF)])
    fake.ranges = [FakeRange(0x800, 0x17FF, SP)]
    fake.memmap(efi)
    assert efi.memmap is None


PAGES = st.integers(0, 40)


@given(st.lists(st.tuples(PAGES, st.integers(1, 10)), max_size=6), PAGES, st.integers(1, 20))
def test_inserting_an_attribute_keeps_every_page_and_marks_just_the_range(
    descriptors: Any, start: int, count: int
) -> None:
    efi_map = EfiMemoryMap([EfiDescriptor(7, s << 12, n, 0xF) for s, n in descriptors])
    inserted = memmap_insert(efi_map, FakeRange(start << 12, ((start + count) << 12) - 1, SP))
    assert inserted is not None

    def of_pages(efi_map: EfiMemoryMap) -> list[int]:
        return [page for d in efi_map for page in range(d.start >> 12, (d.start >> 12) + d.pages)]

    assert of_pages(inserted) == of_pages(efi_map)
    for d in inserted:
        marked = start <= d.start >> 12 < start + count
        assert d.is_special_purpose == marked or d.pages == 1
