"""What a refusal leaves behind: nothing but a line or an event that says exactly which memory it was about."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EBUSY, EINVAL

import pytest
from kmem_machine import GIB, Device, kernel, tiers_of
from softreserve.kernel.resource import (
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    Resource,
    insert_resource,
)
from softreserve.kernel.sysfs import Attribute
from softreserve.kernel.system import System
from softreserve.model.dax import DaxOffer
from softreserve_hmem.hmem_device import HMEM_DEVICES

Boot = Callable[..., System]
MIB = 1 << 20
BLOCK = 128 * MIB

#: Rule, first byte, byte after the last, what came of it.
Told = tuple[str, int | None, int | None, str]


def told(system: System, function: str) -> list[Told]:
    """What was recorded by a function of the kernel."""
    return [
        (e.rule, e.start, e.end, e.after) for e in system.log if e.function.endswith(f": {function}") and not e.text
    ]


# --- ranges that are offered


def test_a_range_is_recorded_with_its_bounds(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", ranges=((9 * GIB, 17 * GIB, 1),))
    ((_, start, end, after),) = told(system, "hmem_register_resource")
    assert (start, end, after) == (9 * GIB, 17 * GIB, "hmem, target node 1")


def test_a_range_that_overlaps_one_before_is_refused_with_its_own_bounds(boot_hmem: Boot) -> None:
    offers = [DaxOffer(16 * GIB, 18 * GIB, 0, "test")]
    for release, function in (("6.12", "hmem_register_resource"), ("6.1", "hmem_register_device")):
        system = boot_hmem(release, offers=offers)
        (_, start, end, after) = told(system, function)[-1]
        assert (start, end, after) == (16 * GIB, 18 * GIB, "")
        assert len(system.stash[HMEM_DEVICES].active.children) == 1


def test_a_device_is_recorded_with_its_bounds_and_name(boot_hmem: Boot) -> None:
    ((rule, start, end, after),) = told(boot_hmem("6.1"), "hmem_register_device")
    assert ("hmem.0" in rule, start, end, after) == (True, 9 * GIB, 17 * GIB, "hmem, target node 1")


def test_the_platform_device_is_made_for_the_first_range_only(boot_hmem: Boot) -> None:
    """A second one of that name could not be added, and the kernel would say so."""
    system = boot_hmem("6.12", ranges=((9 * GIB, 10 * GIB, 1), (11 * GIB, 12 * GIB, 1)))
    names = system.sysfs.listdir("/sys/devices/platform")
    assert isinstance(names, list)
    assert names.count("hmem_platform.0") == 1
    assert not [line for line in system.log.lines if "hmem_platform" in line]


def test_a_device_whose_resource_does_not_fit_is_undone(boot_hmem: Boot) -> None:
    """Number and range are free again: the next device gets the number, and the range can be offered again."""
    system = boot_hmem("6.1", ranges=())
    devices = system.stash[HMEM_DEVICES]
    soft = Resource(5 * GIB, 6 * GIB - 1, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
    assert insert_resource(system.iomem.root, soft) == 0
    half = Resource(4 * GIB + 512 * MIB, 5 * GIB + 512 * MIB - 1, "", IORESOURCE_MEM)
    for _ in range(2):
        mark = len(system.log)
        devices.register(1, half)
        assert system.log.lines_since(mark) == [
            "platform hmem.0: failed to claim resource 0: [mem 0x120000000-0x15fffffff]",
            "platform hmem.0: device add failed for [mem 0x120000000-0x15fffffff flags 0x200]",
        ]
    assert devices.active.children == []
    devices.register(1, soft)
    assert [child.name for child in devices.active.children] == ["hmem.0"]


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_the_parameter_that_disables_ranges_can_be_read_and_not_written(boot_hmem: Boot, release: str) -> None:
    system = boot_hmem(release, cmdline="device_hmem.disable=1")
    path = "/sys/module/device_hmem/parameters/disable"
    node = system.sysfs.node(path)
    assert isinstance(node, Attribute)
    assert node.mode == 0o444
    assert system.sysfs.read(path) == b"Y\n"
    assert system.sysfs.write(path, b"0") == -EACCES
    assert system.stash[HMEM_DEVICES].active.children == []


# --- kmem


def add_elsewhere(system: System, nid: int) -> None:
    """Memory of a node that no driver says anything of."""
    assert system.memory.add_memory(nid, 64 * GIB, BLOCK) == 0


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_node_keeps_no_memory_type_of_a_probe_that_failed(release: str) -> None:
    system, kmem = kernel(release, "online")
    blocked = Resource(4 * GIB, 4 * GIB + MIB - 1, "in the way", IORESOURCE_MEM | IORESOURCE_BUSY)
    assert insert_resource(system.iomem.root, blocked) == 0
    assert kmem.probe(Device([(4 * GIB, 5 * GIB - 1)])) == -EBUSY
    add_elsewhere(system, 1)
    assert tiers_of(system) == {"memory_tier4": "0-1"}


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_node_keeps_no_memory_type_of_memory_that_was_removed(release: str) -> None:
    system, kmem = kernel(release, "online")
    device = Device([(4 * GIB, 4 * GIB + BLOCK - 1)])
    assert kmem.probe(device) == 0
    assert tiers_of(system) == {"memory_tier4": "0", "memory_tier22": "1"}
    assert system.memory.device_offline(4 * GIB // BLOCK) == 0
    kmem.remove(device)
    add_elsewhere(system, 1)
    assert tiers_of(system) == {"memory_tier4": "0-1"}


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_node_keeps_the_type_while_another_device_of_it_is_there(release: str) -> None:
    """Of two devices one fails, or goes: the node stays in the slow tier."""
    system, kmem = kernel(release, "online")
    assert kmem.probe(Device([(4 * GIB, 4 * GIB + BLOCK - 1)])) == 0
    assert kmem.probe(Device([(4 * GIB, 4 * GIB + BLOCK - 1)], name="dax1.0")) == -EBUSY
    second = Device([(5 * GIB, 5 * GIB + BLOCK - 1)], name="dax2.0")
    assert kmem.probe(second) == 0
    assert system.memory.device_offline(5 * GIB // BLOCK) == 0
    kmem.remove(second)
    assert system.memory.device_offline(4 * GIB // BLOCK) == 0
    assert system.memory.device_online(4 * GIB // BLOCK) == 0
    assert tiers_of(system) == {"memory_tier4": "0", "memory_tier22": "1"}


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_drivers_work_where_there_are_no_tiers(release: str) -> None:
    system, kmem = kernel(release, "online", tiers=False)
    device = Device([(4 * GIB, 4 * GIB + BLOCK - 1)])
    blocked = Resource(6 * GIB, 6 * GIB + MIB - 1, "in the way", IORESOURCE_MEM | IORESOURCE_BUSY)
    assert insert_resource(system.iomem.root, blocked) == 0
    assert kmem.probe(Device([(6 * GIB, 7 * GIB - 1)], name="dax1.0")) == -EBUSY
    assert kmem.probe(device) == 0
    assert system.memory.device_offline(4 * GIB // BLOCK) == 0
    kmem.remove(device)
    assert "dax0.0" not in " ".join(system.iomem.lines())


def test_what_has_no_target_node_is_refused_range_by_range() -> None:
    system, kmem = kernel(policy="online")
    device = Device([(4 * GIB, 5 * GIB - 1), (6 * GIB, 7 * GIB - 1)], target_node=-1)
    assert kmem.probe(device) == -EINVAL
    found = [(start, end) for _, start, end, _ in told(system, "dev_dax_kmem_probe")]
    assert found == [(4 * GIB, 5 * GIB), (6 * GIB, 7 * GIB)]


def test_what_alignment_cuts_off_is_recorded_on_both_sides_and_nowhere_else() -> None:
    system, kmem = kernel(policy="online")
    odd = (4 * GIB + 2 * MIB, 4 * GIB + 3 * BLOCK - 2 * MIB - 1)
    even = (5 * GIB, 5 * GIB + BLOCK - 1)
    assert kmem.probe(Device([odd, even])) == 0
    assert [(start, end) for _, start, end, _ in told(system, "dax_kmem_range")] == [
        (4 * GIB + 2 * MIB, 4 * GIB + BLOCK),
        (4 * GIB + 2 * BLOCK, 4 * GIB + 3 * BLOCK - 2 * MIB),
    ]
    added = [line.strip() for line in system.iomem.lines() if line.endswith("dax0.0")]
    assert added == ["108000000-10fffffff : dax0.0", "140000000-147ffffff : dax0.0"]


def test_a_range_one_byte_short_of_a_block_is_too_small() -> None:
    _, kmem = kernel(policy="online")
    assert kmem.probe(Device([(4 * GIB, 4 * GIB + BLOCK - 2)])) == -EINVAL
    assert kmem.probe(Device([(4 * GIB, 4 * GIB + BLOCK - 1)])) == 0


def test_a_group_may_bring_as_many_pages_as_are_kept() -> None:
    """Two ranges, three blocks in all, from which alignment took two half ones."""
    system, kmem = kernel(policy="online")
    half = BLOCK // 2
    assert (
        kmem.probe(Device([(4 * GIB - half + BLOCK, 4 * GIB + 3 * BLOCK + half - 1), (6 * GIB, 6 * GIB + BLOCK - 1)]))
        == 0
    )
    (group,) = system.memory.groups.values()
    assert (group.nid, group.max_pages) == (1, 3 * BLOCK // 4096)


def test_a_node_that_cannot_be_is_refused_and_reserves_nothing() -> None:
    system, kmem = kernel(policy="online")
    assert kmem.probe(Device([(4 * GIB, 5 * GIB - 1)], target_node=5)) == -EINVAL
    assert "dax0.0" not in " ".join(system.iomem.lines())
    assert system.memory.groups == {}


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_memory_stays_until_every_range_can_go(release: str) -> None:
    """The first range is too small and was never added, the third is still online.

    All is movable: the third range's memory map would lie on the second range.
    """
    system, kmem = kernel(release, "online_movable")
    device = Device([(4 * GIB, 4 * GIB + MIB - 1), (5 * GIB, 5 * GIB + BLOCK - 1), (6 * GIB, 6 * GIB + BLOCK - 1)])
    assert kmem.probe(device) == 0
    assert system.memory.device_offline(5 * GIB // BLOCK) == 0
    mark = len(system.log)
    kmem.remove(device)
    assert [line for line in system.log.lines_since(mark) if line.startswith("kmem")] == [
        "kmem dax0.0: mapping2: 0x180000000-0x187ffffff cannot be hotremoved until the next reboot"
    ]
    assert len(system.memory.groups) == 1
    lines = [line.strip() for line in system.iomem.lines() if "dax0.0" in line]
    assert lines == ["180000000-187ffffff : dax0.0"]
