"""What alignment takes from a soft reserved range. Expected values: reckoned by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.ranges import PhysRange
from softreserve.views.capacity import Granules, capacity

MIB, GIB = 1 << 20, 1 << 30
X86 = Granules(4096, 2 * MIB, 128 * MIB)


def test_the_dax_bus_takes_all_or_nothing() -> None:
    got = capacity(PhysRange(8 * GIB + MIB, 9 * GIB), X86)
    assert (got.devdax, got.kmem) == (None, None)
    assert got.lost_devdax == got.lost_kmem == GIB - MIB


def test_kmem_gets_whole_blocks_only() -> None:
    got = capacity(PhysRange(8 * GIB + 2 * MIB, 9 * GIB - 2 * MIB), X86)
    assert got.lost_devdax == 0
    assert got.kmem == PhysRange(8 * GIB + 128 * MIB, 9 * GIB - 128 * MIB)


def test_a_range_inside_one_block_gives_no_memory() -> None:
    assert capacity(PhysRange(8 * GIB + 2 * MIB, 8 * GIB + 64 * MIB), X86).kmem is None


@given(st.integers(0, 3000), st.integers(1, 3000), st.sampled_from([X86, Granules(65536, 512 * MIB, 512 * MIB)]))
def test_what_is_left_lies_inside_aligned_and_loses_less_than_two_blocks(
    start: int, size: int, granules: Granules
) -> None:
    range_ = PhysRange.from_size(start * MIB, size * MIB)
    got = capacity(range_, granules)
    if got.devdax is not None:
        assert got.devdax == range_
        assert got.lost_kmem < 2 * granules.memory_block
    if got.kmem is not None:
        assert range_.contains(got.kmem)
        assert got.kmem.start % granules.memory_block == got.kmem.size % granules.memory_block == 0
