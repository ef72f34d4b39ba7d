"""Blocks of memory with their nodes. Expected values: by hand from ``mm/numa_memblks.c`` and ``arch/x86/mm/numa.c``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.mm.memblock import MEMBLOCK_HOTPLUG, Memblock
from softreserve.kernel.numa.numa import NumaState
from softreserve.kernel.numa.numa_memblks import NumaMemblks
from softreserve.kernel.sort import sort
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

GIB = 1 << 30
CONFIG: dict[str, str | int] = {"NUMA": "y", "NODES_SHIFT": 6}


class Boot:
    """One kernel with RAM in ``ram`` (GiB) that is told ``blocks`` (node, start, end in GiB)."""

    def __init__(self, release: str, ram: list[tuple[int, int]], blocks: list[tuple[int, int, int]]) -> None:
        self.log = EventLog()
        kernel = Kernel(release, "x86_64", config=CONFIG)
        self.memblock = Memblock(self.log, kernel)
        for start, end in ram:
            self.memblock.add(start * GIB, (end - start) * GIB)
        self.memblock.reserve(0x1000, 0x1000)
        self.state = NumaState(self.log, kernel)
        self.memblks = NumaMemblks(self.state, self.memblock, self.memblock.end_of_dram())
        self.blocks = blocks

    def method(self) -> int:
        for nid, start, end in self.blocks:
            self.memblks.numa_add_memblk(nid, start * GIB, end * GIB)
            self.state.parsed.add(nid)
        return 0

    def run(self) -> int:
        return self.memblks.numa_memblks_init(self.method)

    @property
    def meminfo(self) -> list[tuple[int, int, int]]:
        return [(b.nid, b.start // GIB, b.end // GIB) for b in self.memblks.meminfo]

    @property
    def reserved(self) -> list[tuple[int, int, int]]:
        return [(b.nid, b.start // GIB, b.end // GIB) for b in self.memblks.reserved_meminfo]


RELEASES = pytest.mark.parametrize("release", ["6.1", "6.12"])


@RELEASES
def test_a_block_without_ram_is_kept_apart_and_answers_for_its_addresses(release: str) -> None:
    """The example of a node that has nothing but soft reserved memory."""
    boot = Boot(release, [(0, 2), (4, 9)], [(0, 0, 9), (1, 9, 17)])
    assert boot.run() == 0
    assert boot.meminfo == [(0, 0, 9)]
    assert boot.reserved == [(1, 9, 17)]
    assert boot.memblks.phys_to_target_node(9 * GIB) == 1
    assert boot.memblks.memory_add_physaddr_to_nid(9 * GIB) == 0
    assert boot.memblks.phys_to_target_node(17 * GIB) == -1
    assert boot.state.possible == {0, 1}


@RELEASES
def test_the_part_of_a_block_above_ram_is_copied_to_the_reserved_ones(release: str) -> None:
    boot = Boot(release, [(0, 9)], [(0, 0, 17)])
    assert boot.run() == 0
    assert (boot.meminfo, boot.reserved) == ([(0, 0, 9)], [(0, 9, 17)])


def test_blocks_are_cut_at_the_start_of_ram_by_newer_kernels_only() -> None:
    found = {}
    for release in ("6.1", "6.12"):
        boot = Boot(release, [(1, 2)], [(0, 0, 2)])
        assert boot.run() == 0
        found[release] = boot.meminfo
    assert found == {"6.1": [(0, 0, 2)], "6.12": [(0, 1, 2)]}


def test_an_address_in_both_lists_belongs_to_ram_before_and_to_the_reserved_node_since() -> None:
    """Node 1's second block overlaps no RAM, yet joining node 0's blocks has swallowed the hole."""
    answers = {}
    for release in ("6.1", "6.12"):
        boot = Boot(release, [(0, 2), (4, 6)], [(0, 0, 2), (0, 4, 6), (1, 2, 4)])
        assert boot.run() == 0
        assert (boot.meminfo, boot.reserved) == ([(0, 0, 6)], [(1, 2, 4)])
        answers[release] = boot.memblks.phys_to_target_node(3 * GIB)
    assert answers == {"6.1": 0, "6.12": 1}


@RELEASES
def test_two_nodes_that_overlap_fail_the_method(release: str) -> None:
    boot = Boot(release, [(0, 4)], [(0, 0, 3), (1, 2, 4)])
    assert boot.run() == -22
    expected = "node 0 [mem 0x00000000-0xbfffffff] overlaps with node 1 [mem 0x80000000-0xffffffff]"
    assert boot.log.lines == [expected]


@RELEASES
def test_a_node_that_overlaps_itself_is_joined_with_a_warning(release: str) -> None:
    boot = Boot(release, [(0, 4)], [(0, 0, 3), (0, 2, 4)])
    assert boot.run() == 0
    assert boot.log.lines == [
        "Warning: node 0 [mem 0x00000000-0xbfffffff] overlaps with itself [mem 0x80000000-0xffffffff]",
        "NUMA: Node 0 [mem 0x00000000-0xbfffffff] + [mem 0x80000000-0xffffffff] -> [mem 0x00000000-0xffffffff]",
    ]


@RELEASES
def test_blocks_with_another_node_between_them_stay_apart(release: str) -> None:
    boot = Boot(release, [(0, 3)], [(0, 0, 1), (0, 2, 3), (1, 1, 2)])
    assert boot.run() == 0
    assert boot.meminfo == [(0, 0, 1), (0, 2, 3), (1, 1, 2)]


@RELEASES
def test_absurd_blocks_are_ignored_and_too_many_are_refused(release: str) -> None:
    memblks = Boot(release, [(0, 1)], []).memblks
    assert memblks.numa_add_memblk(64, 0, GIB) == memblks.numa_add_memblk(0, GIB, 0) == 0
    assert memblks.numa_add_memblk(0, GIB, GIB) == 0
    assert memblks.log.lines == [
        "Warning: invalid memblk node 64 [mem 0x00000000-0x3fffffff]",
        "Warning: invalid memblk node 0 [mem 0x40000000-0xffffffffffffffff]",
    ]
    assert [memblks.numa_add_memblk(0, i * GIB, (i + 1) * GIB) for i in range(129)] == [0] * 128 + [-22]


@pytest.mark.parametrize("release", ["7.2", "7.3"])
def test_a_block_on_a_node_that_cannot_be_is_an_error_from_7_3_on(release: str) -> None:
    """``numa_add_memblk_to`` looks at the node before it looks at the range; ``numa_add_memblk`` notes the node."""
    memblks = Boot(release, [(0, 1)], []).memblks
    answers = [memblks.numa_add_memblk(*block) for block in [(64, GIB, GIB), (1, 0, GIB), (0, GIB, 0)]]
    if release == "7.2":
        assert answers == [0, 0, 0]
        assert memblks.log.lines == ["Warning: invalid memblk node 0 [mem 0x40000000-0xffffffffffffffff]"]
        assert memblks.state.parsed == set()
    else:
        assert answers == [-22, 0, 0]
        assert memblks.log.lines == [
            "Warning: invalid memblk node id 64 [mem 0x40000000-0x3fffffff]",
            "Warning: invalid memblk range for node 0 [mem 0x40000000-0xffffffffffffffff]",
        ]
        assert memblks.state.parsed == {0, 1}


@RELEASES
def test_soft_reserved_memory_inside_a_nodes_ram_keeps_the_node_from_being_unplugged(release: str) -> None:
    boot = Boot(release, [(0, 1), (4, 5), (6, 7)], [(0, 0, 1), (1, 4, 5), (2, 6, 7)])
    boot.memblock.reserve(4 * GIB, 0x1000)

    def method() -> int:
        boot.method()
        return boot.memblock.mark_hotplug(4 * GIB, 3 * GIB)

    assert boot.memblks.numa_memblks_init(method) == 0
    assert [region.flags for region in boot.memblock.memory] == [0, 0, MEMBLOCK_HOTPLUG]


@RELEASES
def test_a_failed_method_leaves_its_reserved_blocks_behind(release: str) -> None:
    boot = Boot(release, [(0, 4)], [(2, 8, 9), (0, 0, 3), (1, 2, 4)])
    assert boot.run() == -22
    boot.blocks = [(0, 0, 4)]
    assert boot.run() == 0
    assert boot.reserved == [(2, 8, 9)]


@RELEASES
def test_a_window_stretches_first_and_last_block_and_closes_gaps(release: str) -> None:
    boot = Boot(release, [(0, 1)], [(0, 2, 3), (1, 5, 6), (1, 20, 21)])
    boot.method()
    assert boot.memblks.numa_fill_memblks(1 * GIB, 8 * GIB) == 0
    assert boot.meminfo == [(0, 1, 3), (1, 3, 8), (1, 20, 21)]
    assert boot.memblks.numa_fill_memblks(30 * GIB, 31 * GIB) == -1


@RELEASES
def test_the_distance_table_reaches_to_the_highest_node_known_at_the_first_distance(release: str) -> None:
    boot = Boot(release, [(0, 1)], [(0, 0, 1), (3, 8, 9)])
    boot.method()
    boot.state.numa_set_distance(0, 3, 30)
    assert boot.log.lines == ["NUMA: Initialized distance table, cnt=4"]
    assert [boot.state.distance(0, 3), boot.state.distance(3, 0), boot.state.distance(0, 4)] == [30, 20, 20]


def test_an_older_kernel_forgets_blocks_without_ram() -> None:
    boot = Boot("5.5", [(0, 1)], [(0, 0, 2), (1, 4, 5)])
    assert boot.run() == 0
    assert (boot.meminfo, boot.reserved) == ([(0, 0, 1)], [])


small = st.integers(0, 12)


@given(
    release=st.sampled_from(["6.1", "6.12"]),
    ram=st.lists(st.tuples(small, st.integers(1, 4)), max_size=4),
    blocks=st.lists(st.tuples(st.integers(0, 3), small, small), max_size=8),
)
def test_what_was_told_about_ram_is_answered(
    release: str, ram: list[tuple[int, int]], blocks: list[tuple[int, int, int]]
) -> None:
    """After success, RAM in a block of one node alone belongs to that node, in memblock and when asked."""
    boot = Boot(release, [(start, start + size) for start, size in ram], blocks)
    if boot.run() == 0:
        for start, size in ram:
            for gib in range(start, start + size):
                tellers = {nid for nid, low, high in blocks if low <= gib < high}
                region = boot.memblock.memory.search(gib * GIB)
                assert region is not None
                if len(tellers) == 1:
                    assert region.nid in tellers


@given(st.lists(st.tuples(st.integers(0, 5), st.integers())), st.booleans())
def test_the_heap_sort_sorts(items: list[tuple[int, int]], pairs: bool) -> None:
    out = list(items)
    sort(out, lambda item: item[0], pairs=pairs)
    assert [item[0] for item in out] == sorted(item[0] for item in items)
    assert sorted(out) == sorted(items)


@pytest.mark.parametrize(("pairs", "expected"), [(False, ["b", "c", "a"]), (True, ["c", "b", "a"])])
def test_equal_elements_end_up_where_each_variant_puts_them(pairs: bool, expected: list[str]) -> None:
    """By hand: both swap the first to the end; the older one swaps the other two as well, the newer one does not."""
    items = ["a", "b", "c"]
    sort(items, lambda _: 0, pairs=pairs)
    assert items == expected
