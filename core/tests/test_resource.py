"""The resource tree. Expected values: derived by hand from ``kernel/resource.c``."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.resource import (
    IORES_DESC_NONE,
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    IORESOURCE_SYSRAM,
    IORESOURCE_SYSTEM_RAM,
    REGION_DISJOINT,
    REGION_INTERSECTS,
    REGION_MIXED,
    Resource,
    ResourceTree,
    adjust_resource,
    insert_resource,
    insert_resource_expand_to_fit,
    merge_system_ram_resource,
    region_intersects,
    release_mem_region_adjustable,
    release_region,
    release_resource,
    remove_resource,
    request_region,
    request_resource,
    reserve_region_with_split,
    walk_iomem_res_desc,
    walk_system_ram_res_rev,
)
from softreserve.model.events import EventLog
from softreserve.model.units import U64_MAX

RAM = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY


def tree() -> ResourceTree:
    return ResourceTree(EventLog())


def soft(start: int, end: int) -> Resource:
    return Resource(start, end, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)


def test_an_equal_resource_that_is_inserted_becomes_the_parent() -> None:
    t = tree()
    assert insert_resource(t.root, soft(0x1000, 0x1FFF)) == 0
    assert insert_resource(t.root, Resource(0x1000, 0x1FFF, "hmem.0", IORESOURCE_MEM)) == 0
    assert t.lines() == ["00001000-00001fff : hmem.0", "  00001000-00001fff : Soft Reserved"]


def test_a_partial_overlap_is_refused_without_a_trace() -> None:
    t = tree()
    insert_resource(t.root, soft(0x1000, 0x1FFF))
    assert insert_resource(t.root, soft(0x1800, 0x27FF)) == -16
    assert t.lines() == ["00001000-00001fff : Soft Reserved"]


def test_expanding_covers_everything_it_meets_and_says_so() -> None:
    t = tree()
    insert_resource(t.root, Resource(0xC0000000, 0xFEBFFFFF, "PCI Bus 0000:00", IORESOURCE_MEM))
    insert_resource_expand_to_fit(t.root, Resource(0xFE000000, 0xFEFFFFFF, "Reserved", IORESOURCE_MEM), t.log)
    assert t.lines() == ["c0000000-feffffff : Reserved", "  c0000000-febfffff : PCI Bus 0000:00"]
    assert t.log.lines == ["resource: Expanded resource Reserved due to conflict with PCI Bus 0000:00"]


def test_removing_lifts_the_children_and_releasing_drops_them() -> None:
    for undo, left in ((remove_resource, ["00001000-00001fff : Soft Reserved"]), (release_resource, [])):
        t = tree()
        outer = Resource(0x0, 0xFFFF, "Reserved", IORESOURCE_MEM)
        insert_resource(t.root, outer)
        insert_resource(t.root, soft(0x1000, 0x1FFF))
        assert undo(outer) == 0
        assert t.lines() == left
        assert undo(outer) == -22


def test_a_busy_region_nests_in_what_is_not_busy() -> None:
    t = tree()
    insert_resource(t.root, soft(0x1000, 0x8FFF))
    region = request_region(t.root, 0x1000, 0x2000, "dax0.0")
    assert region is not None
    assert (region.flags, region.desc) == (IORESOURCE_MEM | IORESOURCE_BUSY, IORES_DESC_SOFT_RESERVED)
    assert request_region(t.root, 0x2000, 0x1000, "dax0.1") is None
    release_region(t.root, 0x2000, 0x1000, t.log)
    assert t.log.lines == ["resource: Trying to free nonexistent resource <0x0000000000002000-0x0000000000002fff>"]
    release_region(t.root, 0x1000, 0x2000, t.log)
    assert t.lines() == ["00001000-00008fff : Soft Reserved"]


def test_memory_that_is_taken_out_of_the_middle_splits_its_resource() -> None:
    t = tree()
    insert_resource(t.root, Resource(0x0, 0xFFFF, "System RAM", RAM))
    release_mem_region_adjustable(t.root, 0x4000, 0x4000)
    release_mem_region_adjustable(t.root, 0x0, 0x1000)
    assert t.lines() == ["00001000-00003fff : System RAM", "00008000-0000ffff : System RAM"]


def test_what_is_above_the_cut_goes_to_the_upper_part_where_a_kernel_minds() -> None:
    shown = {}
    for hands_over in (False, True):
        t = tree()
        insert_resource(t.root, Resource(0x0, 0xFFFF, "System RAM", RAM))
        insert_resource(t.root, soft(0x1000, 0x1FFF))
        insert_resource(t.root, soft(0x9000, 0x9FFF))
        release_mem_region_adjustable(t.root, 0x4000, 0x4000, hands_over=hands_over)
        shown[hands_over] = t.lines()
    assert shown[False] == [
        "00000000-0000ffff : System RAM",
        "  00001000-00001fff : Soft Reserved",
        "  00009000-00009fff : Soft Reserved",
    ]
    assert shown[True] == [
        "00000000-00003fff : System RAM",
        "  00001000-00001fff : Soft Reserved",
        "00008000-0000ffff : System RAM",
        "  00009000-00009fff : Soft Reserved",
    ]


def test_a_range_that_passes_2_64_stays_where_it_was_and_is_in_nobodys_way() -> None:
    t = tree()
    wrapped = soft(0x4000, 0x4FFF)
    insert_resource(t.root, soft(0x1000, 0x1FFF))
    insert_resource(t.root, wrapped)
    assert adjust_resource(wrapped, 0x8000, -0x7000 & U64_MAX) == 0
    assert request_resource(t.root, soft(0x8000, 0x8FFF)) == 0
    assert request_resource(t.root, soft(0x3000, 0x3FFF)) == 0
    assert [res.start for res in t.root.children] == [0x1000, 0x3000, 0x8000, 0x8000]
    assert release_resource(wrapped) == 0
    assert region_intersects(t.root, 0x8000, 0x1000, IORESOURCE_MEM, IORES_DESC_NONE) == REGION_INTERSECTS


def test_a_resource_of_one_byte_is_printed_with_one_address() -> None:
    assert Resource(0x1000, 0x1000, "x", IORESOURCE_MEM).raw == "[mem 0x00001000 flags 0x200]"
    assert Resource(0x1000, 0x1001, "x", IORESOURCE_MEM).raw == "[mem 0x00001000-0x00001001 flags 0x200]"


def test_neighbouring_system_ram_merges_only_where_both_are_marked() -> None:
    t = tree()
    parts = [Resource(at, at + 0xFFF, "System RAM", RAM) for at in (0x0, 0x1000, 0x2000)]
    for part in parts:
        insert_resource(t.root, part)
    merge_system_ram_resource(parts[0])
    merge_system_ram_resource(parts[2])
    assert len(t.lines()) == 3
    merge_system_ram_resource(parts[1])
    assert t.lines() == ["00000000-00002fff : System RAM"]


def test_filling_the_gaps_leaves_existing_children_alone() -> None:
    t = tree()
    for at in (0x2000, 0x6000):
        insert_resource(t.root, Resource(at, at + 0xFFF, "Kernel code", RAM))
    reserve_region_with_split(t.root, 0x1000, 0x7FFF, "reserved")
    assert [line for line in t.lines() if "reserved" in line] == [
        "00001000-00001fff : reserved",
        "00003000-00005fff : reserved",
        "00007000-00007fff : reserved",
    ]


def test_filling_is_clipped_to_the_parent_and_says_so() -> None:
    t = tree()
    parent = Resource(0x1000, 0x1FFF, "System RAM", RAM)
    insert_resource(t.root, parent)
    reserve_region_with_split(parent, 0x0, 0x17FF, "reserved", t.log)
    assert t.lines()[1:] == ["  00001000-000017ff : reserved"]
    assert t.log.lines == [
        "resource: requested range [0x0-0x17ff] not in root [mem 0x00001000-0x00001fff flags 0x81000200]",
        "resource: fixing request to [0x1000-0x17ff]",
    ]


def test_adjusting_respects_parent_neighbours_and_children() -> None:
    t = tree()
    low, high = soft(0x1000, 0x1FFF), soft(0x4000, 0x4FFF)
    for res in (low, high, Resource(0x1800, 0x18FF, "dax0.0", RAM)):
        insert_resource(t.root, res)
    assert adjust_resource(low, 0x1000, 0x3001) == -16
    assert adjust_resource(low, 0x1900, 0x1000) == -16
    assert adjust_resource(high, 0x1FFF, 0x1000) == -16
    assert adjust_resource(low, 0x1800, 0x2800) == 0
    assert (low.start, low.end) == (0x1800, 0x3FFF)


def test_intersection_looks_below_a_window_for_what_it_holds() -> None:
    t = tree()
    insert_resource(t.root, Resource(0x0, 0xFFFF, "CXL Window 0", IORESOURCE_MEM))
    insert_resource(t.root, Resource(0x0, 0x7FFF, "System RAM", RAM))
    flags = IORESOURCE_SYSRAM
    assert region_intersects(t.root, 0x0, 0x8000, flags, IORES_DESC_NONE) == REGION_INTERSECTS
    assert region_intersects(t.root, 0x4000, 0x8000, flags, IORES_DESC_NONE) == REGION_MIXED
    assert region_intersects(t.root, 0x8000, 0x8000, flags, IORES_DESC_NONE) == REGION_DISJOINT


def test_walking_clips_ranges_and_stops_at_the_first_answer() -> None:
    t = tree()
    for at in (0x0, 0x4000, 0x8000):
        insert_resource(t.root, soft(at, at + 0x1FFF))
    seen: list[tuple[int, int]] = []

    def collect(res: Resource) -> int:
        seen.append((res.start, res.end))
        return 7 if res.start == 0x4000 else 0

    assert walk_iomem_res_desc(t.root, IORES_DESC_SOFT_RESERVED, IORESOURCE_MEM, 0x1000, 0x8FFF, collect) == 7
    assert seen == [(0x1000, 0x1FFF), (0x4000, 0x5FFF)]
    assert walk_iomem_res_desc(t.root, 9, IORESOURCE_MEM, 0x0, 0xFFFF, collect) == -22


def test_system_ram_can_be_walked_from_the_top() -> None:
    t = tree()
    for at in (0x0, 0x4000):
        insert_resource(t.root, Resource(at, at + 0xFFF, "System RAM", RAM))
    seen: list[int] = []

    def collect(res: Resource) -> int:
        seen.append(res.start)
        return 0

    assert walk_system_ram_res_rev(t.root, 0, 0xFFFF, collect) == 0
    assert seen == [0x4000, 0x0]


def test_addresses_are_hidden_from_the_unprivileged_and_indentation_ends_at_five() -> None:
    t = tree()
    for size in range(8, 0, -1):
        insert_resource(t.root, Resource(0, size, None, IORESOURCE_MEM))
    assert t.lines(privileged=False)[-1] == " " * 10 + "00000000-00000000 : <BAD>"


def test_ten_thousand_siblings_are_no_burden() -> None:
    t = tree()
    begin = time.perf_counter()
    for at in range(10_000):
        assert request_region(t.root, at * 0x2000, 0x1000, "dax0.0")
    for at in range(10_000):
        release_region(t.root, at * 0x2000, 0x1000)
    assert time.perf_counter() - begin < 2
    assert t.lines() == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 12)), max_size=30))
def test_children_stay_inside_their_parent_sorted_and_disjoint(ops: list[tuple[bool, int, int]]) -> None:
    t = tree()
    accepted = 0
    for insert, start, size in ops:
        res = Resource(start, start + size, "x", IORESOURCE_MEM)
        accepted += (insert_resource if insert else request_resource)(t.root, res) == 0
    found = list(t.walk())
    assert len(found) == accepted
    for _, res in found:
        assert res.parent is not None
        assert res.parent.start <= res.start <= res.end <= res.parent.end
        assert res.sibling is None or res.end < res.sibling.start
    top = [res for depth, res in found if depth == 0]
    covered = {byte for res in top for byte in range(res.start, res.end + 1)}
    for start in range(0, 44, 5):
        answer = region_intersects(t.root, start, 3, IORESOURCE_MEM, IORES_DESC_NONE)
        expected = REGION_INTERSECTS if covered & set(range(start, start + 3)) else REGION_DISJOINT
        assert answer == expected


def test_what_is_in_the_tree_is_not_expanded() -> None:
    """``insert_resource_expand_to_fit``: it has a parent already."""
    t, log = tree(), EventLog()
    window = soft(0x1000, 0x1FFF)
    assert insert_resource(t.root, window) == 0
    insert_resource_expand_to_fit(t.root, window, log)
    assert (t.lines(), log.lines) == (["00001000-00001fff : Soft Reserved"], [])
    assert (window.sibling, t.root.sibling) == (None, None)


def test_memory_outside_the_tree_is_not_given_back() -> None:
    """``release_mem_region_adjustable``: a root that does not hold the range."""
    root = Resource(0, 0xFFFF, "root", IORESOURCE_MEM)
    ram = request_region(root, 0x8000, 0x8000, "System RAM")
    assert ram is not None
    release_mem_region_adjustable(root, 0xF000, 0x2000)
    assert (ram.start, ram.end) == (0x8000, 0xFFFF)


def test_giving_back_what_is_not_there_is_quiet_without_a_log() -> None:
    t = tree()
    release_region(t.root, 0x1000, 0x1000)
    assert t.lines() == []


def test_filling_is_clipped_without_a_log_too() -> None:
    root = Resource(0x1000, 0x1FFF, "root", IORESOURCE_MEM)
    reserve_region_with_split(root, 0x3000, 0x3FFF, "Reserved")
    assert root.children == []
    reserve_region_with_split(root, 0x0, 0x17FF, "Reserved")
    assert [(res.start, res.end) for res in root.children] == [(0x1000, 0x17FF)]


def test_walking_from_the_top_ends_with_the_first_answer() -> None:
    t = tree()
    for at in (0x0, 0x4000, 0x8000):
        insert_resource(t.root, Resource(at, at + 0xFFF, "System RAM", RAM))
    seen: list[int] = []

    def until_the_second(res: Resource) -> int:
        seen.append(res.start)
        return 7 if res.start == 0x4000 else 0

    assert walk_system_ram_res_rev(t.root, 0, 0xFFFF, until_the_second) == 7
    assert seen == [0x8000, 0x4000]


def test_a_region_beside_one_that_passes_2_64_is_found() -> None:
    """``__release_region`` passes over every sibling that does not hold the range, in whatever order they are."""
    t = tree()
    wrapped = soft(0x4000, 0x4FFF)
    assert insert_resource(t.root, wrapped) == 0
    assert adjust_resource(wrapped, 0x8000, -0x7000 & U64_MAX) == 0
    assert request_region(t.root, 0x9000, 0x1000, "kept") is not None
    release_region(t.root, 0x9000, 0x1000)
    assert [res.name for res in t.root.children] == ["Soft Reserved"]
