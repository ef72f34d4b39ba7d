"""What alignment takes from a soft reserved range. Expected values: reckoned by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.system import System
from softreserve.model.dax import DaxCapacity
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import load

MIB, GIB = 1 << 20, 1 << 30


def capacity(where: PhysRange, page: int = 4096, block: int = 128 * MIB) -> DaxCapacity:
    """What the plugin answers, on a kernel with such pages and memory blocks (bytes)."""
    hooks = load(["hmem"])
    system = System(Machine("test", Kernel("6.12", "any", page)), hooks)
    system.memory.block_size = block
    found = hooks.dax_capacity(system, where)
    assert found is not None
    return found


def test_the_dax_bus_takes_all_or_nothing() -> None:
    assert capacity(PhysRange(8 * GIB + MIB, 9 * GIB)) == DaxCapacity(None, None)
    assert capacity(PhysRange(8 * GIB, 9 * GIB - MIB)) == DaxCapacity(None, None)


def test_kmem_gets_whole_blocks_only() -> None:
    where = PhysRange(8 * GIB + 2 * MIB, 9 * GIB - 2 * MIB)
    assert capacity(where) == DaxCapacity(where, PhysRange(8 * GIB + 128 * MIB, 9 * GIB - 128 * MIB))


def test_a_range_inside_one_block_gives_no_memory() -> None:
    where = PhysRange(8 * GIB + 2 * MIB, 8 * GIB + 64 * MIB)
    assert capacity(where) == DaxCapacity(where, None)


@given(st.integers(0, 3000), st.integers(1, 3000), st.sampled_from([(4096, 128 * MIB), (65536, 512 * MIB)]))
def test_what_is_left_lies_inside_aligned_and_loses_less_than_two_blocks(
    start: int, size: int, sizes: tuple[int, int]
) -> None:
    where, block = PhysRange.from_size(start * MIB, size * MIB), sizes[1]
    device, memory = capacity(where, *sizes)
    if device is not None:
        assert device == where
        assert where.size - (memory.size if memory is not None else 0) < 2 * block
    if memory is not None:
        assert where.contains(memory)
        assert memory.start % block == memory.size % block == 0
