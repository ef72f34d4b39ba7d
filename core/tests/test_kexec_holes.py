"""Where segments go. Addresses with a comment are those that the real kexec 2.0.25 printed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.kexec.holes import KernelHoles, NoHoleError, ToolHoles
from softreserve.kernel.kexec.ranges import RAM, RESERVED, MemoryRange

PAGE = 4096
G = 1 << 30

TABLE = [
    MemoryRange(0x400, 0x9FBFF, RAM),
    MemoryRange(0x100000, 0xBFFFFFFF, RAM),
    MemoryRange(0x100000000, 0x23FFFFFFF, RAM),
    MemoryRange(0x240000000, 0x43FFFFFFF, RAM),
]


def place(holes: ToolHoles) -> tuple[int, int, int]:
    purgatory = holes.add(0x9000, PAGE, 0x3000, top_down=True)
    setup = holes.add(0x2000, 16, 0x3000, top_down=True)
    kernel = holes.add(0x3000000, 0x200000, 0x100000, top_down=True)
    return purgatory, setup, kernel


@pytest.mark.parametrize(
    ("table", "mem_max", "wanted"),
    [
        ([*TABLE, MemoryRange(0x440000000, 0x4FFFFFFFF, RAM)], 2**64 - 1, (0x4FFFF7000, 0x4FFFF5000, 0x4FCE00000)),
        ([*TABLE, MemoryRange(0x440000000, 0x440000FFF, RESERVED)], 2**64 - 1, (0x43FFF7000, 0x43FFF5000, 0x43CE00000)),
        ([*TABLE, MemoryRange(0x440000000, 0x4FFFFFFFF, RAM)], 0x23FFFFFFF, (0x23FFF7000, 0x23FFF5000, 0x23CE00000)),
    ],
    ids=["RAM above", "specific purpose memory as top of RAM", "--mem-max below it"],
)
def test_big_segments_go_to_the_top_as_the_real_program_put_them(
    table: list[MemoryRange], mem_max: int, wanted: tuple[int, int, int]
) -> None:
    assert place(ToolHoles(table, 0, mem_max)) == wanted


def test_setup_data_goes_to_the_bottom_one_after_the_other() -> None:
    holes = ToolHoles(TABLE)
    assert [holes.add(size, PAGE, 0x100000, top_down=False) for size in (0x70, 0x50, 0x30)] == [
        0x100000,
        0x101000,
        0x102000,
    ]


def test_arm64_fills_the_lowest_holes() -> None:
    table = [
        MemoryRange(0x40000000, 0x41FFFFFF, RAM),
        MemoryRange(0x42520000, 0x47FFFFFF, RAM),
        MemoryRange(0x48010000, 0x13BBFFFFF, RAM),
    ]
    holes = ToolHoles(table)
    assert holes.add(0x2000000, 0x200000, top_down=False) == 0x40000000
    assert holes.add(32 << 20, 0, 0x42000000, top_down=False) == 0x42520000
    assert holes.add(PAGE, 0, 0x42000000, top_down=False) == 0x44520000


def test_a_buffer_never_spans_two_ranges_even_if_they_touch() -> None:
    holes = ToolHoles([MemoryRange(0, 0xFFFF, RAM), MemoryRange(0x10000, 0x1FFFF, RAM)])
    with pytest.raises(NoHoleError, match="0x11000 bytes"):
        holes.add(0x11000, top_down=False)


def test_the_kernel_before_6_8_starts_one_alignment_lower() -> None:
    ranges = [(0x70000000, 0x7FFFFFFF)]
    assert KernelHoles(ranges, exact_top=False).add(PAGE, top_down=True) == 0x7FFFE000
    assert KernelHoles(ranges, exact_top=True).add(PAGE, top_down=True) == 0x7FFFF000


def test_the_kernel_takes_the_first_range_of_its_walk_that_fits() -> None:
    ascending = [(0x100000, 3 * G - 1), (4 * G, 9 * G - 1)]
    size, align = 64 << 20, 0x200000
    assert KernelHoles(ascending, exact_top=False).add(size, align, 0x100000, top_down=True) == 0xBBE00000
    descending = ascending[::-1]
    assert KernelHoles(descending, exact_top=True).add(size, align, 0x100000, top_down=True) == 9 * G - size


sizes = st.integers(1, 64).map(lambda pages: pages * PAGE)


@given(st.lists(st.tuples(sizes, st.booleans()), max_size=30))
def test_segments_never_overlap_and_stay_in_ram(requests: Any) -> None:
    ranges = [MemoryRange(0x1000, 0x3FFFF, RAM), MemoryRange(0x80000, 0xBFFFF, RAM)]
    tool, kernel = ToolHoles(ranges), KernelHoles([(r.start, r.end) for r in ranges], exact_top=True)
    for size, top_down in requests:
        for holes in (tool, kernel):
            try:
                at = holes.add(size, top_down=top_down)
            except NoHoleError:
                continue
            assert at % PAGE == 0
            assert any(r.start <= at and at + size - 1 <= r.end for r in ranges)
    for holes in (tool, kernel):
        for before, after in zip(holes.segments, holes.segments[1:], strict=False):
            assert before.end <= after.start
