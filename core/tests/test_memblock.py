"""memblock. Expected values: derived by hand from ``mm/memblock.c``."""

from __future__ import annotations

from errno import ENOMEM

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.mm.memblock import (
    MEMBLOCK_HOTPLUG,
    MEMBLOCK_NOMAP,
    Memblock,
    MemblockType,
)
from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

MIB = 1 << 20
U64_MAX = (1 << 64) - 1


def memblock(release: str = "6.12", arch: str = "x86_64") -> Memblock:
    return Memblock(EventLog(), Kernel(release, arch))


def spans(type_: MemblockType) -> list[tuple[int, int]]:
    return [(region.base, region.end) for region in type_]


def test_neighbours_of_the_same_node_become_one_region() -> None:
    m = memblock()
    m.add(0, MIB)
    m.add(2 * MIB, MIB)
    m.add(MIB, MIB)
    assert spans(m.memory) == [(0, 3 * MIB)]


def test_what_is_memory_already_keeps_its_node_and_flags() -> None:
    m = memblock()
    m.add_node(MIB, MIB, 1, MEMBLOCK_HOTPLUG)
    m.add_node(0, 3 * MIB, 0)
    assert [(r.base, r.nid, r.flags) for r in m.memory] == [(0, 0, 0), (MIB, 1, MEMBLOCK_HOTPLUG), (2 * MIB, 0, 0)]


def test_a_size_that_wraps_is_cut_at_the_top() -> None:
    m = memblock()
    m.add(U64_MAX - 0xFFF, 0x5000)
    assert spans(m.memory) == [(U64_MAX - 0xFFF, U64_MAX)]


def test_mem_limit_counts_bytes_and_spares_what_cannot_be_mapped() -> None:
    m = memblock()
    m.add(0, 4 * MIB)
    m.add(16 * MIB, 4 * MIB)
    m.add(32 * MIB, 4 * MIB)
    m.mark_nomap(32 * MIB, 4 * MIB)
    m.reserve(3 * MIB, 30 * MIB)
    m.mem_limit_remove_map(6 * MIB)
    assert spans(m.memory) == [(0, 4 * MIB), (16 * MIB, 18 * MIB), (32 * MIB, 36 * MIB)]
    assert spans(m.reserved) == [(3 * MIB, 18 * MIB)]


def test_a_limit_above_the_total_changes_nothing() -> None:
    m = memblock()
    m.add(0, 4 * MIB)
    m.mem_limit_remove_map(5 * MIB)
    m.enforce_memory_limit(5 * MIB)
    assert spans(m.memory) == [(0, 4 * MIB)]


def test_trimming_does_not_correct_the_total() -> None:
    m = memblock()
    m.add(0x1800, 0x3000)
    m.trim_memory(0x1000)
    assert spans(m.memory) == [(0x2000, 0x4000)]
    assert m.phys_mem_size() == 0x3000


def test_allocation_goes_top_down_and_skips_unmappable_memory() -> None:
    m = memblock()
    m.add(0, 8 * MIB)
    m.mark_nomap(6 * MIB, 2 * MIB)
    m.reserve(5 * MIB, MIB)
    assert m.alloc_range_nid(MIB, MIB, 0, 0, NUMA_NO_NODE) == 4 * MIB


def test_allocation_prefers_its_node_and_falls_back_unless_exact() -> None:
    m = memblock()
    m.add_node(0, 2 * MIB, 0)
    m.add_node(2 * MIB, 2 * MIB, 1)
    assert m.alloc_range_nid(2 * MIB - 0x1000, 0x1000, 0, 0, 0) == 0x1000
    assert m.alloc_range_nid(MIB, 0x1000, 0, 0, 0, exact_nid=True) == 0
    assert m.alloc_range_nid(MIB, 0x1000, 0, 0, 0) == 3 * MIB


def test_the_first_page_is_never_given_out() -> None:
    m = memblock()
    m.add(0, 0x2000)
    assert m.alloc_range_nid(0x1000, 0x1000, 0, 0, NUMA_NO_NODE) == 0x1000
    assert m.alloc_range_nid(0x1000, 0x1000, 0, 0, NUMA_NO_NODE) == 0


def fill(m: Memblock, count: int) -> int:
    return max((m.reserve(16 * MIB + 2 * i * 0x1000, 0x1000) for i in range(count)), key=abs)


def test_a_full_array_fails_in_the_older_kernel_and_is_a_panic_in_the_newer() -> None:
    old = memblock("6.1")
    assert fill(old, 128) == 0
    assert fill(old, 129) == -12
    with pytest.raises(MachineError, match="cannot resize reserved array"):
        fill(memblock("6.12"), 129)


def test_growing_an_array_takes_memory_from_the_top() -> None:
    m = memblock("6.1")
    m.add(0, 64 * MIB)
    m.allow_resize()
    assert fill(m, 129) == 0
    # 256 regions of 24 bytes: two pages
    assert spans(m.reserved)[-1] == (64 * MIB - 0x2000, 64 * MIB)


def test_only_the_older_kernel_shows_a_dummy_region_for_an_empty_list() -> None:
    assert memblock("6.12").dump()[2:] == [" memory.cnt  = 0x0", " reserved.cnt  = 0x0"]
    old = memblock("6.1")
    old.add(0, MIB)
    old.remove(0, MIB)
    assert old.dump()[2:] == [
        " memory.cnt  = 0x1",
        " memory[0x0]\t[0x0000000000000000-0xffffffffffffffff], 0x0000000000000000 bytes flags: 0x0",
        " reserved.cnt  = 0x1",
        " reserved[0x0]\t[0x0000000000000000-0xffffffffffffffff], 0x0000000000000000 bytes on node 0 flags: 0x0",
    ]


def test_only_the_older_kernel_joins_what_a_cap_left_apart() -> None:
    regions = {}
    for release in ("6.1", "6.12"):
        m = memblock(release)
        m.add(0, 4 * MIB)
        m.mark_nomap(0, 4 * MIB)
        m.cap_memory_range(0, 2 * MIB)
        m.add(16 * MIB, MIB)
        m.add(18 * MIB, MIB)
        regions[release] = spans(m.memory)
    assert regions["6.1"] == [(0, 4 * MIB), (16 * MIB, 17 * MIB), (18 * MIB, 19 * MIB)]
    assert regions["6.12"] == [(0, 2 * MIB), (2 * MIB, 4 * MIB), (16 * MIB, 17 * MIB), (18 * MIB, 19 * MIB)]


def test_coverage_counts_whole_pages_without_a_node() -> None:
    m = memblock()
    m.add_node(0, 2 * MIB, 0)
    m.add(4 * MIB, MIB)
    assert m.validate_numa_coverage(MIB)
    assert not m.validate_numa_coverage(0)
    assert m.log.lines == ["NUMA: no nodes coverage for 1MB of 3MB RAM"]


pages = st.integers(0, 40)
operations = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "reserve", "free", "mark_nomap", "clear_nomap"]), pages, pages),
    max_size=25,
)


@given(operations, st.sampled_from(["6.1", "6.12"]))
def test_lists_stay_sorted_and_hold_exactly_the_pages_of_a_set_model(
    ops: list[tuple[str, int, int]], release: str
) -> None:
    m = memblock(release)
    memory: dict[int, int] = {}
    reserved: set[int] = set()
    for name, base, size in ops:
        span = range(base, base + size)
        assert getattr(m, name)(base << 12, size << 12) == 0
        if name == "add":
            memory = dict.fromkeys(span, 0) | memory
        elif name == "remove":
            memory = {page: flags for page, flags in memory.items() if page not in span}
        elif name == "reserve":
            reserved |= set(span)
        elif name == "free":
            reserved -= set(span)
        else:
            flag = MEMBLOCK_NOMAP if name == "mark_nomap" else 0
            memory |= {page: flag for page in span if page in memory}
    held = {page: r.flags for r in m.memory for page in range(r.base >> 12, r.end >> 12)}
    assert held == memory
    assert {page for r in m.reserved for page in range(r.base >> 12, r.end >> 12)} == reserved
    assert m.phys_mem_size() == len(memory) << 12
    for type_ in (m.memory, m.reserved):
        for lower, upper in zip(type_.regions, type_.regions[1:], strict=False):
            assert lower.end < upper.base or (lower.end == upper.base and lower.flags != upper.flags)
    free = {page for page, flags in memory.items() if not flags and page} - reserved
    found = m.alloc_range_nid(0x1000, 0x1000, 0, 0, NUMA_NO_NODE)
    assert found == (max(free) << 12 if free else 0)


def test_where_an_array_is_full_nothing_can_be_parted_in_the_older_kernel() -> None:
    """``memblock_isolate_range`` wants room for two more regions before it begins."""
    m = memblock("6.1")
    for at in range(127):
        m.add(2 * at * MIB, MIB)
    before = spans(m.memory)
    assert m.mark_hotplug(MIB // 2, MIB) == -ENOMEM
    assert m.set_node(MIB // 2, MIB, m.memory, 1) == -ENOMEM
    m.cap_memory_range(0, 8 * MIB)
    assert spans(m.memory) == before


def test_nothing_is_capped_without_a_size_and_without_memory_it_is_said() -> None:
    m = memblock()
    m.cap_memory_range(0, 0)
    assert m.log.lines == []
    m.cap_memory_range(0, MIB)
    assert m.log.lines == ["memblock_cap_memory_range: No memory registered yet"]


def test_an_array_grows_into_other_memory_where_no_mirrored_memory_is_free() -> None:
    m = memblock("6.1")
    m.mirrored_kernelcore = True
    m.add(0, 64 * MIB)
    m.mark_mirror(MIB, 0x1000)
    m.allow_resize()
    assert fill(m, 129) == 0
    assert m.log.lines == ["Could not allocate 0x0000000000002000 bytes of mirrored memory"]
    assert spans(m.reserved)[-1] == (64 * MIB - 0x2000, 64 * MIB)


def test_the_lists_are_printed_for_those_who_debug() -> None:
    m = memblock()
    m.add(0, MIB)
    m.dump_all()
    assert m.log.lines == []
    m.debug = True
    m.dump_all()
    assert m.log.lines == [
        "MEMBLOCK configuration:",
        " memory size = 0x0000000000100000 reserved size = 0x0000000000000000",
        " memory.cnt  = 0x1",
        " memory[0x0]\t[0x0000000000000000-0x00000000000fffff], 0x0000000000100000 bytes flags: 0x0",
        " reserved.cnt  = 0x0",
    ]


@pytest.mark.parametrize(
    ("release", "reserve", "kern"),
    [
        ("6.15", "memblock_reserve: {} a", "memblock_reserve: {} b"),
        ("6.16", "__memblock_reserve: {} nid=-1 flags=0 a", "__memblock_reserve: {} nid=1 flags=20 b"),
    ],
)
def test_debugging_says_what_is_asked_for_and_by_whom(release: str, reserve: str, kern: str) -> None:
    """Recorded on 6.12.117, 6.18.15 and 7.3.4, where the caller's name is followed by a place in it."""
    m = memblock(release)
    m.add(0, MIB, "before")
    m.debug = True
    m.add(MIB, MIB, "e820__memblock_setup")
    m.add_node(0xC0000000, 0x40000000, 1, 8, "add_memory_resource")
    m.reserve(MIB, MIB, "a")
    m.reserve_kern(MIB, MIB, 1, "b")
    m.free(MIB, MIB, "c")
    m.remove(0, U64_MAX)
    span = "[0x0000000000100000-0x00000000001fffff]"
    assert m.log.lines == [
        f"memblock_add: {span} e820__memblock_setup",
        "memblock_add_node: [0x00000000c0000000-0x00000000ffffffff] nid=1 flags=8 add_memory_resource",
        reserve.format(span),
        kern.format(span),
        f"memblock_phys_free: {span} c",
        "memblock_remove: [0x0000000000000000-0xfffffffffffffffe]",
    ]
