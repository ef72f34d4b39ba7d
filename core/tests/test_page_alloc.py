"""Zones at boot and zone lists. Expected values: by hand from ``mm/mm_init.c`` and ``mm/page_alloc.c``."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softreserve.kernel.system import System
from softreserve.testing.memory import boot_memory

MIB = 1 << 20
GIB = 1 << 30


def spans(system: System, nid: int) -> dict[str, tuple[int, int]]:
    """Spans of the populated zones in bytes."""
    zones = system.memory.zones.node_data(nid).zones
    return {zone.name: (zone.start_pfn * 4096, zone.end_pfn * 4096) for zone in zones if zone.populated}


def test_zones_are_cut_at_the_limits_of_the_architecture() -> None:
    system = boot_memory([(MIB, 2 * GIB, 0), (4 * GIB, 6 * GIB, 0)])
    assert spans(system, 0) == {
        "DMA": (MIB, 16 * MIB),
        "DMA32": (16 * MIB, 4 * GIB),
        "Normal": (4 * GIB, 6 * GIB),
    }
    assert system.memory.zones.node_data(0).zone("DMA32").present_pages == (2 * GIB - 16 * MIB) // 4096


def test_the_report_names_zones_ranges_and_nodes() -> None:
    lines = boot_memory([(MIB, 2 * GIB, 0)]).log.lines
    assert lines[:10] == [
        "Zone ranges:",
        "  DMA      [mem 0x0000000000100000-0x0000000000ffffff]",
        "  DMA32    [mem 0x0000000001000000-0x000000007fffffff]",
        "  Normal   empty",
        "  Device   empty",
        "Movable zone start for each node",
        "Early memory node ranges",
        "  node   0: [mem 0x0000000000100000-0x000000007fffffff]",
        "Initmem setup node 0 [mem 0x0000000000100000-0x000000007fffffff]",
        "Initmem setup node 1 as memoryless",
    ]


def test_6_1_announces_offline_nodes_and_lists_them_as_their_own_first_fallback() -> None:
    old, new = (boot_memory(release=release).log.lines for release in ("6.1", "6.12"))
    assert "Initializing node 1 as memoryless" in old
    assert "Fallback order for Node 1: 1 0 " in old
    assert "Initializing node 1 as memoryless" not in new
    assert "Fallback order for Node 1: 0 " in new


def test_the_page_count_at_boot_is_exact() -> None:
    """6.1 takes the memory map off: 64 bytes for each of 4096 pages make 64 pages, for 524288 - 4096 pages 8128."""
    ranges = [(0, 2 * GIB, 0)]
    assert "Built 1 zonelists, mobility grouping on.  Total pages: 524288" in boot_memory(ranges).log.lines
    assert (
        "Built 1 zonelists, mobility grouping on.  Total pages: 516096" in boot_memory(ranges, release="6.1").log.lines
    )


def test_a_small_machine_does_not_group_pages_by_mobility() -> None:
    lines = boot_memory([(0, 8 * MIB, 0)]).log.lines
    assert "Built 1 zonelists, mobility grouping off.  Total pages: 2048" in lines
    assert "Policy zone: DMA" in lines


def test_nodes_fall_back_on_near_nodes_first_and_take_turns() -> None:
    """Three equally far nodes: the one after the asking node comes first, and load moves the next asker on."""
    ranges = [(0, GIB, 0), (GIB, 2 * GIB, 1), (2 * GIB, 3 * GIB, 2)]
    lines = [line for line in boot_memory(ranges, possible=range(3)).log.lines if line.startswith("Fallback")]
    assert lines == [
        "Fallback order for Node 0: 0 1 2 ",
        "Fallback order for Node 1: 1 2 0 ",
        "Fallback order for Node 2: 2 0 1 ",
    ]


def test_after_boot_nodes_without_cpus_are_preferred() -> None:
    ranges = [(0, GIB, 0), (GIB, 2 * GIB, 1), (2 * GIB, 3 * GIB, 2)]
    system = boot_memory(ranges, possible=range(3))
    mark = len(system.log)
    system.memory.zones.build_all_zonelists()
    assert system.log.lines_since(mark)[2] == "Fallback order for Node 2: 2 1 0 "


def test_movable_node_without_hotpluggable_memory_makes_no_movable_zone() -> None:
    system = boot_memory(cmdline="movable_node kernelcore=1G")
    assert "Movable" not in spans(system, 0)


def test_movablecore_is_rounded_up_to_the_largest_allocation() -> None:
    system = boot_memory(cmdline="movablecore=1000M")
    assert spans(system, 0)["Movable"] == (1048 * MIB, 2 * GIB)
    assert "  Node 0: 0x0000000041800000" in system.log.lines


def test_kernelcore_is_spread_evenly_over_nodes() -> None:
    """Movable can only lie in the highest zone that is used, here DMA32: what is below counts as kernel memory."""
    ranges = [(0, GIB, 0), (GIB, 2 * GIB, 1)]
    system = boot_memory(ranges, cmdline="kernelcore=50%")
    assert spans(system, 0)["Movable"] == (512 * MIB, GIB)
    assert spans(system, 1)["Movable"] == (GIB + 512 * MIB, 2 * GIB)


def test_kernelcore_of_all_memory_or_more_makes_no_movable_zone() -> None:
    assert "Movable" not in spans(boot_memory(cmdline="kernelcore=2G"), 0)


def test_kernelcore_mirror_is_refused_without_mirrored_memory_in_6_12_only() -> None:
    refusal = "The system has no mirror memory, ignore kernelcore=mirror."
    assert refusal in boot_memory(cmdline="kernelcore=mirror").log.lines
    assert refusal not in boot_memory(cmdline="kernelcore=mirror", release="6.1").log.lines


def test_a_device_mapping_keeps_a_node_spanned() -> None:
    zones = boot_memory().memory.zones
    zones.move_pfn_range_to_device_zone(1, 0x100000, 0x200)
    assert (zones.node_data(1).start_pfn, zones.node_data(1).spanned_pages) == (0x100000, 0x200)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), min_size=1, max_size=4),
    kernelcore=st.integers(0, 3000),
    release=st.sampled_from(["6.1", "6.12"]),
)
def test_every_page_of_memory_is_in_exactly_one_zone(
    sizes: list[tuple[int, int]], kernelcore: int, release: str
) -> None:
    """Holes of some 256 MiB before each node, then its memory; wherever Movable begins."""
    at, ranges = 0, []
    for nid, (gap, size) in enumerate(sizes):
        at += gap << 28
        ranges.append((at, at + (size << 28), nid))
        at += size << 28
    cmdline = f"kernelcore={kernelcore}M" if kernelcore else ""
    system = boot_memory(ranges, possible=range(len(ranges)), cmdline=cmdline, release=release)
    for start, end, nid in ranges:
        zones = [zone for zone in system.memory.zones.node_data(nid).zones if zone.populated]
        assert sum(zone.present_pages for zone in zones) == (end - start) // 4096
        early = sorted(piece for zone in zones for piece in zone.early)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(early))


@pytest.mark.parametrize(
    "text", ["kernelcore=", "kernelcore", "movablecore=x", "kernelcore=100%", "kernelcore=mirror,"]
)
def test_odd_core_sizes_do_no_harm(text: str) -> None:
    boot_memory(cmdline=text)


def test_pages_of_holes_count_to_the_zone_behind_them() -> None:
    """A section has 128 MiB, 32768 pages; one without memory has no page, and the last hole counts to the last zone."""
    ranges = [(MIB, 8 * MIB, 0), (9 * MIB, 250 * MIB, 0), (4 * GIB + MIB, 4 * GIB + 100 * MIB, 1)]
    said = [line for line in boot_memory(ranges).log.lines if "unavailable" in line]
    assert said == [
        "On node 0, zone DMA: 256 pages in unavailable ranges",
        "On node 0, zone DMA: 256 pages in unavailable ranges",
        "On node 1, zone Normal: 1792 pages in unavailable ranges",  # 6 MiB to 256 MiB, and 1 MiB above 4 GiB
        "On node 1, zone Normal: 7168 pages in unavailable ranges",
    ]


@pytest.mark.parametrize(
    ("release", "says"),
    [
        ("4.14", []),
        ("4.18.0-80.el8.x86_64", ["Zeroed struct page in unavailable ranges: 256 pages"]),
        ("5.4.19", ["Zeroed struct page in unavailable ranges: 256 pages"]),
        ("5.4.100", ["Zeroed struct page in unavailable ranges: 7936 pages"]),
        ("5.4.0-1092-gcp", ["  DMA zone: 28928 pages in", "  DMA32 zone: 7680 pages in"]),  # 28672 of them count again
        ("5.10.9", ["Zeroed struct page in unavailable ranges: 7936 pages"]),
        ("5.10.0-30-amd64", ["On node 0, zone DMA: 256 pages in", "On node 0, zone DMA32: 7680 pages in"]),
        ("5.11.22", ["  DMA zone: 28928 pages in", "  DMA32 zone: 7680 pages in"]),
        ("5.13.0", ["  DMA zone: 28928 pages in", "  DMA32 zone: 7680 pages in"]),
        ("5.13.19", ["On node 0, zone DMA: 256 pages in", "On node 0, zone DMA32: 7680 pages in"]),
        ("5.14", ["On node 0, zone DMA: 256 pages in", "On node 0, zone DMA32: 7680 pages in"]),
    ],
)
def test_each_release_counts_pages_of_holes_in_its_own_words(release: str, says: list[str]) -> None:
    lines = boot_memory([(MIB, 98 * MIB, 0)], release=release).log.lines
    said = [line for line in lines if "unavailable" in line]
    assert [line.removesuffix(" unavailable ranges") for line in said] == says
    if says and "Zeroed" in says[0]:
        assert lines.index(said[0]) < lines.index("Initmem setup node 0 [mem 0x0000000000100000-0x00000000061fffff]")


def test_reserved_pages_that_are_no_memory_were_counted_from_4_15_to_4_19() -> None:
    """Memory from 1 to 98 MiB of a section of 128; nothing else is reserved but what lies beside it."""
    reserved = [(0, 64 << 10), (97 * MIB, 99 * MIB)]
    boots = [boot_memory([(MIB, 98 * MIB, 0)], release=release, reserved=reserved) for release in ("4.15", "4.19")]
    assert "Reserved but unavailable: 272 pages" in boots[0].log.lines
    assert "Reserved but unavailable: 256 pages" in boots[1].log.lines  # the first MiB, and nothing behind 98 MiB


@pytest.mark.parametrize(("release", "batch"), [("5.12.1", 63), ("5.10.0-30-amd64", 63), ("4.18", 31)])
def test_zones_are_reported_before_5_14(release: str, batch: int) -> None:
    lines = boot_memory([(MIB, 2 * GIB, 0)], release=release, possible=[0]).log.lines
    first = lines.index("On node 0 totalpages: 524032")
    assert lines[first - 1] == "Initmem setup node 0 [mem 0x0000000000100000-0x000000007fffffff]"
    assert [line for line in lines[first + 1 : first + 8] if "unavailable" not in line][:5] == [
        "  DMA zone: 60 pages used for memmap",
        "  DMA zone: 0 pages reserved",
        "  DMA zone: 3840 pages, LIFO batch:0",
        "  DMA32 zone: 8128 pages used for memmap",
        f"  DMA32 zone: 520192 pages, LIFO batch:{batch}",
    ]
    assert "totalpages" not in "".join(boot_memory(release="5.14").log.lines)


def test_nodes_that_are_offline_are_laid_out_from_5_18_on() -> None:
    old, new = (boot_memory(release=release).log.lines for release in ("5.17", "5.18"))
    assert not [line for line in old if "node 1" in line.lower()]
    assert [line for line in new if "node 1" in line.lower()] == [
        "Initializing node 1 as memoryless",
        "Initmem setup node 1 as memoryless",
        "Fallback order for Node 1: 1 0 ",
    ]


def test_processors_are_counted_from_4_13_on() -> None:
    words = (boot_memory(release=release).log.lines for release in ("4.12", "4.13"))
    assert ["smp: Brought up 1 node, 2 CPUs" in lines for lines in words] == [False, True]


def test_zone_lists_had_an_order_before_4_14() -> None:
    words = (boot_memory(release=release).log.lines for release in ("4.13", "4.14"))
    said = [line.partition(",")[0] for lines in words for line in lines if line.startswith("Built")]
    assert said == ["Built 1 zonelists in Node order", "Built 1 zonelists"]
