"""The kmem driver and memory tiers. Expected values: by hand from ``drivers/dax/kmem.c`` and ``mm/memory-tiers.c``."""

from __future__ import annotations

from errno import E2BIG, EBUSY, EINVAL, EIO, ENOENT

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kmem_machine import GIB, SOFT_RESERVED_START, Device, TiersOnly, kernel, tiers_of
from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.kernel.resource import IORESOURCE_BUSY, Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.testing.memory import boot_memory
from softreserve_hmem.kmem import KmemDriver
from softreserve_hmem.memory_tiers import MEMORY_TIERS, MemoryTiers

MIB = 1 << 20


def whole(start: int, size: int) -> tuple[int, int]:
    return start, start + size - 1


def said(system: System, mark: int) -> list[str]:
    return [line for line in system.log.lines_since(mark) if line.startswith("kmem ")]


# --- kmem


def test_memory_is_added_in_whole_blocks_inside_a_resource_of_the_device() -> None:
    system, kmem = kernel()
    assert kmem.probe(Device([whole(SOFT_RESERVED_START + 2 * MIB, GIB)])) == 0
    assert system.iomem.lines()[-3:] == [
        "100000000-1ffffffff : Soft Reserved",
        "  108000000-13fffffff : dax0.0",
        "    108000000-13fffffff : System RAM (kmem)",
    ]
    (dax,) = system.iomem.root.children[-1].children
    assert not dax.flags & IORESOURCE_BUSY
    assert dax.children[0].flags & IORESOURCE_BUSY
    assert list(system.memory.node_block_ids(1)) == list(range(33, 40))
    lost = [(event.start, event.end) for event in system.log if event.function.endswith("dax_kmem_range")]
    assert lost == [
        (SOFT_RESERVED_START + 2 * MIB, SOFT_RESERVED_START + 128 * MIB),
        (5 * GIB, 5 * GIB + 2 * MIB),
    ]


def test_a_device_without_a_node_is_rejected() -> None:
    system, kmem = kernel()
    assert kmem.probe(Device([whole(SOFT_RESERVED_START, GIB)], target_node=-1)) == -EINVAL
    assert system.log.lines[-1] == "kmem dax0.0: rejecting DAX region with invalid node: -1"


def test_ranges_too_small_for_a_block_are_named_and_skipped() -> None:
    system, kmem = kernel()
    small = whole(SOFT_RESERVED_START + 2 * MIB, 130 * MIB)
    mark = len(system.log)
    assert kmem.probe(Device([small, whole(5 * GIB, GIB)])) == 0
    assert said(system, mark) == ["kmem dax0.0: mapping0: 0x100200000-0x1083fffff too small after alignment"]
    system, kmem = kernel()
    mark = len(system.log)
    assert kmem.probe(Device([small])) == -EINVAL
    assert said(system, mark) == [
        "kmem dax0.0: mapping0: 0x100200000-0x1083fffff too small after alignment",
        "kmem dax0.0: rejecting DAX region without any memory after alignment",
    ]
    assert system.nodes.online == {0}


def test_the_first_range_that_cannot_be_had_refuses_the_device_a_later_one_does_not() -> None:
    system, kmem = kernel()
    taken = Device([whole(5 * GIB, GIB)], name="dax0.1")
    assert kmem.probe(taken) == 0
    mark = len(system.log)
    assert kmem.probe(Device([whole(5 * GIB, GIB), whole(6 * GIB, GIB)])) == -EBUSY
    assert said(system, mark) == ["kmem dax0.0: mapping0: 0x140000000-0x17fffffff could not reserve region"]
    assert len(system.memory.groups) == 1
    mark = len(system.log)
    assert kmem.probe(Device([whole(6 * GIB, GIB), whole(5 * GIB, GIB)])) == 0
    assert said(system, mark) == ["kmem dax0.0: mapping1: 0x140000000-0x17fffffff could not reserve region"]


def test_memory_beyond_the_direct_map_takes_the_resource_back() -> None:
    system, kmem = kernel()
    system.memory.physmem_end = 5 * GIB - 1
    before = system.iomem.lines()
    assert kmem.probe(Device([whole(5 * GIB, GIB)])) == -E2BIG
    assert system.log.lines[-1] == "kmem dax0.0: mapping0: 0x140000000-0x17fffffff memory add failed"
    assert system.iomem.lines() == before


def test_offline_memory_goes_with_the_driver_and_so_does_its_node() -> None:
    system, kmem = kernel()
    before = system.iomem.lines()
    device = Device([whole(SOFT_RESERVED_START, GIB)])
    assert kmem.probe(device) == 0
    assert system.nodes.online == {0, 1}
    kmem.remove(device)
    assert system.iomem.lines() == before
    assert system.nodes.online == {0}
    assert system.memory.groups == {}


def test_memory_that_is_online_stays_until_the_next_reboot() -> None:
    system, kmem = kernel(policy="online")
    device = Device([whole(SOFT_RESERVED_START, GIB)])
    assert kmem.probe(device) == 0
    mark = len(system.log)
    kmem.remove(device)
    assert system.log.lines_since(mark) == [
        "removing memory fails, because memory [0x0000000100000000-0x0000000107ffffff] is onlined",
        "kmem dax0.0: mapping0: 0x100000000-0x13fffffff cannot be hotremoved until the next reboot",
    ]
    assert "    100000000-13fffffff : System RAM (kmem)" in system.iomem.lines()
    assert kmem.probe(device) == -EBUSY


def test_each_range_is_removed_for_itself() -> None:
    system, kmem = kernel()
    device = Device([whole(SOFT_RESERVED_START, GIB), whole(6 * GIB, GIB)])
    assert kmem.probe(device) == 0
    system.sysfs.write("/sys/devices/system/memory/memory48/state", b"online")
    kmem.remove(device)
    assert system.sysfs.node("/sys/devices/system/memory/memory32") is None
    assert system.sysfs.node("/sys/devices/system/memory/memory49") is not None


def test_without_hotremove_the_driver_leaves_everything() -> None:
    system, kmem = kernel(MEMORY_HOTREMOVE="n")
    device = Device([whole(SOFT_RESERVED_START, GIB)])
    assert kmem.probe(device) == 0
    before = system.iomem.lines()
    kmem.remove(device)
    assert system.iomem.lines() == before


def test_before_5_8_kmem_memory_is_like_any_other() -> None:
    system, kmem = kernel("5.5")
    assert kmem.probe(Device([whole(SOFT_RESERVED_START, GIB)])) == 0
    assert system.iomem.lines()[-1] == "    100000000-13fffffff : System RAM"
    assert system.firmware_memmap.lines() == ["0 0x100000000 0x13fffffff System RAM"]


def test_the_memory_map_goes_onto_the_memory_only_where_the_device_can_say_so() -> None:
    for release, wanted in (("6.1", False), ("6.12", True)):
        system, kmem = kernel(release)
        system.memory.memmap_mode = "Y"
        assert kmem.probe(Device([whole(SOFT_RESERVED_START, GIB)], memmap_on_memory=True)) == 0
        blocks = system.memory.blocks.find(32)
        assert blocks is not None
        assert blocks.on_memory is wanted


# --- tiers


def test_memory_of_kmem_is_a_tier_of_its_own_while_its_node_has_memory() -> None:
    """576 >> 7 is 4, 2880 >> 7 is 22."""
    for release in ("6.1", "6.12"):
        system, kmem = kernel(release, policy="online")
        assert tiers_of(system) == {"memory_tier4": "0"}
        device = Device([whole(SOFT_RESERVED_START, GIB)])
        assert kmem.probe(device) == 0
        assert tiers_of(system) == {"memory_tier22": "1", "memory_tier4": "0"}
        for block in range(32, 40):
            system.sysfs.write(f"/sys/devices/system/memory/memory{block}/state", b"offline")
        assert tiers_of(system) == {"memory_tier4": "0"}


def test_a_node_that_has_memory_already_keeps_its_tier() -> None:
    system, kmem = kernel(policy="online")
    assert kmem.probe(Device([whole(SOFT_RESERVED_START, GIB)], target_node=0)) == 0
    assert tiers_of(system) == {"memory_tier4": "0"}


def test_demotion_targets_are_printed_by_6_12_whenever_a_node_changes() -> None:
    system, kmem = kernel(policy="online")
    lines = [line for line in system.log.lines if line.startswith("Demotion")]
    assert lines == ["Demotion targets for Node 0: null"]
    mark = len(system.log)
    assert kmem.probe(Device([whole(SOFT_RESERVED_START, GIB)])) == 0
    assert [line for line in system.log.lines_since(mark) if line.startswith("Demotion")] == [
        "Demotion targets for Node 0: preferred: 1, fallback: 1",
        "Demotion targets for Node 1: null",
    ]
    assert not any(line.startswith("Demotion") for line in kernel("6.1")[0].log.lines)
    # before tiers came at the end of boot, too
    assert [line for line in kernel("6.9")[0].log.lines if line.startswith("Demotion")] == lines


def test_equally_near_nodes_of_the_next_tier_share_demotion() -> None:
    system = boot_memory(possible=range(4), plugins=[("tiers", TiersOnly())])
    system.memory.default_online_type = "online"
    kmem = KmemDriver(system)
    for nid in (1, 2, 3):
        start = (nid + 3) * GIB
        insert_resource(system.iomem.root, Resource(start, start + GIB - 1, "Soft Reserved", 0x200, 8))
        assert kmem.probe(Device([whole(start, GIB)], target_node=nid, name=f"dax{nid}.0")) == 0
    assert "Demotion targets for Node 0: preferred: 1-3, fallback: 1-3" in system.log.lines


def test_the_algorithm_that_answers_first_decides_the_tier() -> None:
    system, kmem = kernel(policy="online")
    tiers = system.stash[MEMORY_TIERS]
    tiers.register_mt_adistance_algorithm(lambda node: 1000 if node == 1 else None)
    tiers.register_mt_adistance_algorithm(lambda node: 2000)
    assert kmem.probe(Device([whole(SOFT_RESERVED_START, GIB)])) == 0
    assert tiers_of(system) == {"memory_tier4": "0", "memory_tier7": "1"}


def test_demotion_can_be_switched_on_and_off() -> None:
    system, _ = kernel()
    path = "/sys/kernel/mm/numa/demotion_enabled"
    assert system.sysfs.read(path) == b"false\n"
    assert system.sysfs.write(path, b"1\n") == 2
    assert system.sysfs.read(path) == b"true\n"
    assert system.sysfs.write(path, b"maybe") == -EINVAL


# --- abstract distances


@pytest.fixture
def tiers() -> MemoryTiers:
    return kernel()[0].stash[MEMORY_TIERS]


def test_abstract_distance_grows_with_latency_and_shrinks_with_bandwidth(tiers: MemoryTiers) -> None:
    dram = AccessCoordinate(read_bandwidth=10000, write_bandwidth=10000, read_latency=100, write_latency=100)
    slow = AccessCoordinate(read_bandwidth=5000, write_bandwidth=5000, read_latency=300, write_latency=300)
    assert tiers.mt_perf_to_adistance(slow) == (-ENOENT, 0)
    assert tiers.mt_set_default_dram_perf(0, dram, "ACPI HMAT") == 0
    assert tiers.mt_perf_to_adistance(slow) == (0, 3456)
    assert tiers.mt_perf_to_adistance(slow._replace(read_bandwidth=0, write_bandwidth=0)) == (-EINVAL, 0)


def test_reference_nodes_that_differ_by_more_than_a_tenth_end_the_algorithm(tiers: MemoryTiers) -> None:
    dram = AccessCoordinate(10000, 10000, 100, 100)
    assert tiers.mt_set_default_dram_perf(0, AccessCoordinate(0, 0, 100, 100), "ACPI HMAT") == -EINVAL
    assert tiers.mt_set_default_dram_perf(0, dram, "ACPI HMAT") == 0
    assert tiers.mt_set_default_dram_perf(1, dram._replace(read_latency=110), "ACPI HMAT") == 0
    assert tiers.mt_set_default_dram_perf(1, dram._replace(read_latency=111), "ACPI HMAT") == -EINVAL
    assert tiers.mt_set_default_dram_perf(2, dram, "ACPI HMAT") == -EIO
    assert tiers.mt_perf_to_adistance(dram) == (-EIO, 0)


def test_the_mismatch_is_told_in_full() -> None:
    system, _ = kernel()
    tiers = system.stash[MEMORY_TIERS]
    mark = len(system.log)
    for nid, latency in ((0, 100), (2, 200)):
        tiers.mt_set_default_dram_perf(nid, AccessCoordinate(10, 20, latency, latency + 1), "ACPI HMAT")
    assert system.log.lines_since(mark) == [
        "memory-tiers: the performance of DRAM node 2 mismatches that of the reference",
        "DRAM node 0.",
        "  performance of reference DRAM node 0 from ACPI HMAT:",
        "    read_latency: 100, write_latency: 101, read_bandwidth: 10, write_bandwidth: 20",
        "  performance of DRAM node 2 from ACPI HMAT:",
        "    read_latency: 200, write_latency: 201, read_bandwidth: 10, write_bandwidth: 20",
        "  disable default DRAM node performance based abstract distance algorithm.",
    ]


u32 = st.integers(0, (1 << 32) - 1)
coordinates = st.builds(AccessCoordinate, u32, u32, u32, u32)


@given(reference=coordinates, perf=coordinates)
def test_any_performance_gives_a_distance_or_an_error(reference: AccessCoordinate, perf: AccessCoordinate) -> None:
    tiers = MemoryTiers(_SYSTEM)
    assert tiers.mt_set_default_dram_perf(0, reference, "x") in (0, -EINVAL)
    status, distance = tiers.mt_perf_to_adistance(perf)
    assert (status == 0 and -(1 << 31) <= distance < 1 << 31) or (status in (-EINVAL, -ENOENT) and distance == 0)


_SYSTEM = kernel()[0]
