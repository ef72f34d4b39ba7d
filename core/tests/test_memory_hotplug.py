"""Memory blocks and hotplug. Expected values: by hand from ``mm/memory_hotplug.c`` and ``drivers/base/memory.c``."""

from __future__ import annotations

import itertools
from errno import E2BIG, EBUSY, EEXIST, EINVAL, EPERM

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from softreserve.kernel.mm.memory_block import BlockRange, BlockTable
from softreserve.kernel.mm.memory_hotplug import MHP_MEMMAP_ON_MEMORY, MHP_NID_IS_MGID, MemoryHotplug, Notifier
from softreserve.kernel.system import System
from softreserve.testing.memory import boot_memory

MIB = 1 << 20
GIB = 1 << 30
BLOCK = 128 * MIB
KMEM = "System RAM (kmem)"


def read(system: System, block: int, name: str) -> str:
    value = system.sysfs.read(f"/sys/devices/system/memory/memory{block}/{name}")
    assert isinstance(value, bytes)
    return value.decode().strip()


def write(system: System, block: int, text: str, name: str = "state") -> int:
    return system.sysfs.write(f"/sys/devices/system/memory/memory{block}/{name}", text.encode())


def zones(system: System, first: int, end: int) -> list[str]:
    return [read(system, block, "valid_zones") for block in range(first, end)]


def add(system: System, start: int = 4 * GIB, size: int = GIB, nid: int = 1) -> int:
    return system.memory.add_memory_driver_managed(nid, start, size, KMEM)


def policy(system: System, text: str) -> None:
    assert system.sysfs.write("/sys/devices/system/memory/auto_online_blocks", text.encode()) == len(text)


# --- boot memory


def test_boot_memory_is_online_and_a_block_of_two_zones_names_none() -> None:
    system = boot_memory()
    assert zones(system, 0, 2) == ["none", "DMA32"]
    assert (read(system, 15, "state"), read(system, 15, "phys_index"), read(system, 15, "removable")) == (
        "online",
        "0000000f",
        "1",
    )
    assert system.sysfs.node("/sys/devices/system/memory/memory16") is None
    assert system.sysfs.readlink("/sys/devices/system/memory/memory3/node0") == "../../node/node0"
    assert system.sysfs.readlink("/sys/devices/system/node/node0/memory3") == "../../memory/memory3"


def test_a_block_of_two_nodes_links_to_both_and_names_no_zone() -> None:
    system = boot_memory([(0, GIB + 64 * MIB, 0), (GIB + 64 * MIB, 2 * GIB, 1)])
    block = system.sysfs.listdir("/sys/devices/system/memory/memory8")
    assert isinstance(block, list)
    assert {"node0", "node1"} <= set(block)
    assert read(system, 8, "valid_zones") == "none"
    assert write(system, 8, "offline") == -EINVAL


@pytest.mark.parametrize(("deferred", "nodes"), [("y", (0, 1)), ("n", (1,))])
def test_a_hole_in_a_section_belongs_to_the_first_node_or_to_what_follows(
    deferred: str, nodes: tuple[int, ...]
) -> None:
    """Node 1 has all of block 8 but its first 64 MiB; node 0 spans that block because it has memory above."""
    ranges = [(0, GIB, 0), (GIB + 64 * MIB, 2 * GIB, 1), (2 * GIB, 3 * GIB, 0)]
    system = boot_memory(ranges, config={"DEFERRED_STRUCT_PAGE_INIT": deferred})
    blocks = system.memory.blocks.find(8)
    assert blocks is not None
    assert blocks.nodes == nodes


def test_boot_memory_with_a_hole_cannot_go_offline() -> None:
    system = boot_memory([(0, 2 * GIB, 0), (4 * GIB, 4 * GIB + 200 * MIB, 0)])
    assert read(system, 33, "valid_zones") == "Normal"
    assert write(system, 33, "offline") == -EINVAL


def test_what_memblock_reserved_keeps_a_block_online() -> None:
    system = boot_memory()
    system.memblock.reserve(GIB, 4096)
    assert write(system, 8, "offline") == -EBUSY
    assert write(system, 9, "offline") == len("offline")


def test_the_kernel_keeps_both_ends_of_every_node_and_the_bounce_buffers_below_4_gib() -> None:
    """Node 1 has blocks 36 to 47; block 0 is in two zones; the highest 64 MiB below 4 GiB are in block 15."""
    system = boot_memory([(0, 2 * GIB, 0), (4 * GIB + 512 * MIB, 6 * GIB, 1)])
    busy = [block for block in (1, 14, 15, 36, 37, 46, 47) if write(system, block, "offline") == -EBUSY]
    assert busy == [15, 36, 47]


def test_an_architecture_can_refuse_to_take_boot_memory_offline() -> None:
    system = boot_memory()
    system.arch = system.arch._replace(boot_memory_stays=True)
    assert write(system, 9, "offline") == -EPERM
    assert system.log.lines[-1] == "Boot memory [48000000 50000000] offlining attempted"


# --- adding


def test_added_memory_is_offline_on_a_node_that_came_online() -> None:
    system = boot_memory()
    mark = len(system.log)
    assert add(system) == 0
    assert system.nodes.online == {0, 1}
    assert system.nodes.has_memory == {0}
    assert (read(system, 32, "state"), read(system, 32, "valid_zones")) == ("offline", "Normal Movable")
    assert system.log.lines_since(mark)[0] == "Fallback order for Node 1: 0 "
    assert system.log.lines_since(mark)[1].startswith("Built 1 zonelists, mobility grouping on.")
    assert "100000000-13fffffff : System RAM (kmem)" in system.iomem.lines()


@pytest.mark.parametrize(
    ("start", "size", "name", "status", "line"),
    [
        (4 * GIB, GIB, "Some RAM", -EINVAL, None),
        (4 * GIB, GIB, "System RAM (kmem", -EINVAL, None),
        (GIB, GIB, KMEM, -EEXIST, None),
        (
            4 * GIB + 4096,
            BLOCK,
            KMEM,
            -EINVAL,
            "Block size [0x8000000] unaligned hotplug range: start 0x100001000, size 0x8000000",
        ),
        (
            1 << 52,
            BLOCK,
            KMEM,
            -E2BIG,
            "Hotplug memory [0x10000000000000-0x10000008000000] exceeds maximum addressable range "
            "[0x0-0xfffffffffffff]",
        ),
    ],
)
def test_memory_that_cannot_be_added_leaves_nothing_behind(
    start: int, size: int, name: str, status: int, line: str | None
) -> None:
    system = boot_memory()
    before = system.iomem.lines()
    mark = len(system.log)
    assert system.memory.add_memory_driver_managed(1, start, size, name) == status
    assert system.iomem.lines() == before
    assert system.nodes.online == {0}
    assert system.log.lines_since(mark) == ([line] if line else [])


def test_memory_outside_the_direct_map_cannot_be_added() -> None:
    system = boot_memory()
    system.memory.mappable_range = (GIB, 4 * GIB - 1)
    assert add(system) == -E2BIG
    assert system.log.lines[-1].endswith("exceeds maximum addressable range [0x40000000-0xffffffff]")


def test_mem_limits_what_is_added_only_while_booting() -> None:
    system = boot_memory()
    system.memory.max_mem_size = 4 * GIB
    system.booting = True
    assert add(system) == -E2BIG
    system.booting = False
    assert add(system) == 0


def test_only_plain_system_ram_goes_into_the_firmware_map() -> None:
    system = boot_memory()
    assert add(system) == 0
    assert system.firmware_memmap.lines() == []
    assert system.memory.add_memory(1, 8 * GIB, GIB) == 0
    assert system.firmware_memmap.lines() == ["0 0x200000000 0x23fffffff System RAM"]
    assert system.memory.remove_memory(8 * GIB, GIB) == 0
    assert system.firmware_memmap.lines() == []


def test_a_node_that_is_not_possible_is_refused() -> None:
    system = boot_memory()
    assert add(system, nid=5) == -EINVAL
    assert system.memory.memory_group_register_static(5, 1) == -EINVAL


def test_group_numbers_are_the_lowest_free_ones_and_full_groups_stay() -> None:
    memory = boot_memory().memory
    assert [memory.memory_group_register_static(1, 100) for _ in range(3)] == [0, 1, 2]
    assert memory.memory_group_unregister(1) == 0
    assert memory.memory_group_unregister(1) == -EINVAL
    assert memory.memory_group_register_static(1, 100) == 1
    assert memory.add_memory_driver_managed(1, 4 * GIB, BLOCK, KMEM, MHP_NID_IS_MGID) == 0
    assert memory.memory_group_unregister(1) == -EBUSY


def test_memblock_is_kept_in_step_where_the_kernel_keeps_it() -> None:
    system = boot_memory(config={"ARCH_KEEP_MEMBLOCK": "y"})
    assert add(system) == 0
    region = system.memblock.memory.regions[-1]
    assert (region.base, region.size, region.nid, region.flags) == (4 * GIB, GIB, 1, 0x8)
    assert system.memory.remove_memory(4 * GIB, GIB) == 0
    assert system.memblock.end_of_dram() == 2 * GIB


# --- policies


@pytest.mark.parametrize(
    ("release", "config", "cmdline", "wanted"),
    [
        ("6.12", {}, "", "offline"),
        ("6.12", {"MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "y"}, "", "online"),
        ("6.12", {"MHP_DEFAULT_ONLINE_TYPE_ONLINE_MOVABLE": "y"}, "", "online_movable"),
        ("6.12", {"MEMORY_HOTPLUG_DEFAULT_ONLINE": "y"}, "", "offline"),
        ("6.1", {"MEMORY_HOTPLUG_DEFAULT_ONLINE": "y"}, "", "online"),
        ("6.1", {"MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "y"}, "", "offline"),
        ("6.1", {}, "memhp_default_state=online_kernel", "online_kernel"),
        ("6.1", {}, "memhp_default_state=online memhp_default_state=bogus", "online"),
    ],
)
def test_the_auto_online_policy_of_a_kernel(release: str, config: dict[str, str], cmdline: str, wanted: str) -> None:
    system = boot_memory(release=release, config=config, cmdline=cmdline)
    assert system.sysfs.read("/sys/devices/system/memory/auto_online_blocks") == f"{wanted}\n".encode()


def test_the_policy_takes_the_four_words_and_nothing_else() -> None:
    system = boot_memory()
    path = "/sys/devices/system/memory/auto_online_blocks"
    assert system.sysfs.write(path, b"online_movable\n\0") == 16
    assert system.sysfs.write(path, b"online movable") == -EINVAL
    assert system.sysfs.write(path, b" online") == -EINVAL
    assert system.sysfs.read(path) == b"online_movable\n"


def test_memory_goes_online_as_it_is_added() -> None:
    system = boot_memory()
    policy(system, "online")
    assert add(system) == 0
    assert zones(system, 32, 40) == ["Normal"] * 8
    assert system.nodes.has_memory == system.nodes.has_normal_memory == {0, 1}
    assert "Fallback order for Node 0: 0 1 " in system.log.lines


def test_a_node_whose_memory_is_all_movable_has_no_normal_memory() -> None:
    system = boot_memory()
    policy(system, "online_movable")
    assert add(system) == 0
    assert zones(system, 32, 40) == ["Movable"] * 8
    assert (system.nodes.has_memory, system.nodes.has_normal_memory) == ({0, 1}, {0})


def test_blocks_follow_the_zone_that_spans_them() -> None:
    """Movable at blocks 33 and 38 spans 33 to 38; the block before and the one after are new ground."""
    system = boot_memory()
    assert add(system) == 0
    for block in (33, 38):
        assert write(system, block, "online_movable") > 0
    assert zones(system, 32, 40) == [
        "Normal Movable",
        "Movable",
        "Movable Normal",
        "Movable Normal",
        "Movable Normal",
        "Movable Normal",
        "Movable",
        "Normal Movable",
    ]
    assert write(system, 35, "online") > 0
    assert read(system, 35, "valid_zones") == "Movable"


def test_where_both_zones_span_a_block_it_goes_to_the_kernel_zone() -> None:
    system = boot_memory()
    assert add(system) == 0
    for block, text in ((32, "online_kernel"), (33, "online_movable"), (38, "online_kernel"), (39, "online_movable")):
        assert write(system, block, text) > 0
    assert read(system, 35, "valid_zones") == "Normal Movable"


def test_with_movable_node_new_ground_is_movable() -> None:
    system = boot_memory(cmdline="movable_node")
    assert add(system) == 0
    assert read(system, 32, "valid_zones") == "Movable Normal"


def test_auto_movable_wants_kernel_memory_on_the_same_node() -> None:
    """A memory-only node has none; without regard to nodes 2 GiB of boot memory allow 6 GiB and 20 MiB."""
    options = "memory_hotplug.online_policy=auto-movable"
    system = boot_memory(cmdline=options)
    policy(system, "online")
    assert add(system) == 0
    assert zones(system, 32, 33) == ["Normal"]
    system = boot_memory(cmdline=f"{options} memory_hotplug.auto_movable_numa_aware=0")
    policy(system, "online")
    assert add(system, size=7 * GIB) == 0
    assert zones(system, 32, 88) == ["Movable"] * 48 + ["Normal"] * 8


def test_auto_movable_takes_all_of_a_group_or_nothing() -> None:
    options = "memory_hotplug.online_policy=auto-movable memory-hotplug.auto_movable_numa_aware=off"
    system = boot_memory(cmdline=options)
    policy(system, "online")
    group = system.memory.memory_group_register_static(1, 7 * GIB // 4096)
    assert system.memory.add_memory_driver_managed(group, 4 * GIB, 7 * GIB, KMEM, MHP_NID_IS_MGID) == 0
    assert zones(system, 32, 88) == ["Normal"] * 56


# --- state and online


def test_states_that_are_already_there_are_refused_by_state_but_not_by_online() -> None:
    system = boot_memory()
    assert add(system) == 0
    assert write(system, 32, "offline") == -EINVAL
    assert write(system, 32, "0", "online") == 1
    assert write(system, 32, "online") == len("online")
    assert write(system, 32, "online_movable") == -EINVAL
    assert write(system, 32, "1", "online") == 1
    assert write(system, 32, "maybe") == write(system, 32, "maybe", "online") == -EINVAL
    assert (read(system, 32, "state"), read(system, 32, "online")) == ("online", "1")


def test_a_refused_word_is_what_online_uses_next() -> None:
    system = boot_memory()
    assert add(system) == 0
    assert write(system, 32, "online") > 0
    assert write(system, 32, "online_movable") == -EINVAL
    assert write(system, 32, "offline") > 0
    assert write(system, 32, "1", "online") == 1
    assert read(system, 32, "valid_zones") == "Movable"


@pytest.mark.parametrize(
    ("release", "order"), [("6.1", "Fallback order for Node 0: 0 1 "), ("6.12", "Fallback order for Node 0: 0 ")]
)
def test_the_last_block_to_go_offline_leaves_a_node_without_memory(release: str, order: str) -> None:
    system = boot_memory(release=release)
    assert add(system, size=2 * BLOCK) == 0
    write(system, 32, "online_movable")
    write(system, 33, "online")
    mark = len(system.log)
    assert write(system, 33, "offline") > 0
    assert (system.nodes.has_memory, system.nodes.has_normal_memory) == ({0, 1}, {0})
    assert write(system, 32, "offline") > 0
    assert system.nodes.has_memory == {0}
    assert system.log.lines_since(mark)[4] == order
    assert system.memory.zones.node_data(1).spanned_pages == 0


def test_notifiers_hear_of_blocks_and_of_nodes_that_change_by_priority() -> None:
    system = boot_memory()
    heard: list[tuple[str, str, int, int]] = []

    def listener(name: str) -> Notifier:
        return lambda action, pfn, pages, nid: heard.append((name, action, pfn // 32768, nid))

    system.memory.register_memory_notifier(listener("late"), 2)
    system.memory.register_memory_notifier(listener("early"), 100)
    policy(system, "online")
    assert add(system, size=3 * BLOCK) == 0
    assert heard == [
        ("early", "online", 32, 1),
        ("late", "online", 32, 1),
        ("early", "online", 33, -1),
        ("late", "online", 33, -1),
    ]
    heard.clear()
    for block in (32, 33, 34):
        write(system, block, "offline")
    assert [entry[1:] for entry in heard if entry[0] == "early"] == [
        ("offline", 32, -1),
        ("offline", 33, -1),
        ("offline", 34, 1),
    ]


# --- what the kernel takes for itself


def offline(system: System, *blocks: int) -> list[int]:
    """What becomes of the wish to take blocks offline."""
    return [min(write(system, block, "offline"), 0) for block in blocks]


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_memory_map_lies_on_memory_of_the_node_s_own_that_came_before(release: str) -> None:
    """The map of the second range, 4 sections of 2 MiB, is taken from where the first range begins."""
    system = boot_memory(release=release)
    policy(system, "online")
    assert add(system, 4 * GIB, GIB) == 0
    assert offline(system, 32) == [0]
    assert write(system, 32, "online") == 6
    assert add(system, 5 * GIB, GIB // 2) == 0
    # block 32 is the last in the order of coming online
    assert offline(system, *range(32, 44)) == [0, -EBUSY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert system.memory.remove_memory(5 * GIB, GIB // 2) == 0
    assert offline(system, 33) == [0]


def test_a_memory_map_lies_on_a_nearer_node_without_cpus_rather_than_with_the_kernel() -> None:
    system = boot_memory(possible=(0, 1, 2))
    policy(system, "online")
    assert (add(system, 4 * GIB, GIB, 1), add(system, 6 * GIB, GIB, 2)) == (0, 0)
    assert offline(system, 32, 33, 48) == [-EBUSY, 0, 0]


def test_a_memory_map_lies_on_no_movable_memory_and_not_where_it_is_on_its_own() -> None:
    system = boot_memory()
    policy(system, "online_movable")
    assert (add(system, 4 * GIB, GIB), add(system, 5 * GIB, GIB)) == (0, 0)
    assert offline(system, 32, 40) == [0, 0]
    policy(system, "online_kernel")
    system.memory.memmap_mode = "Y"
    assert add(system, 6 * GIB, GIB) == 0
    assert system.memory.add_memory_driver_managed(1, 7 * GIB, GIB, KMEM, MHP_MEMMAP_ON_MEMORY) == 0
    assert offline(system, 48, 56) == [0, 0]


def test_large_memory_maps_go_on_to_the_next_blocks() -> None:
    """A block has room for the maps of 64 blocks."""
    system = boot_memory()
    policy(system, "online")
    assert (add(system, 4 * GIB, GIB), add(system, 8 * GIB, 16 * GIB + BLOCK)) == (0, 0)
    assert offline(system, 32, 33, 34, 35, 64) == [-EBUSY, -EBUSY, -EBUSY, 0, 0]


@pytest.mark.parametrize(("release", "first"), [("6.12", 0), ("6.14", -EBUSY)])
def test_from_6_14_on_the_threads_of_a_node_lie_on_the_kernel_memory_that_it_gets_first(
    release: str, first: int
) -> None:
    system = boot_memory(release=release)
    policy(system, "online")
    assert add(system) == 0
    assert offline(system, 33, 32) == [0, first]


def test_the_threads_of_a_node_whose_first_memory_is_movable_lie_elsewhere() -> None:
    system = boot_memory(release="7.3")
    policy(system, "offline")
    assert add(system) == 0
    assert (write(system, 39, "online_movable"), write(system, 32, "online_kernel")) == (14, 13)
    assert offline(system, 32, 39) == [0, 0]


@pytest.mark.parametrize("release", ["6.1", "7.3"])
def test_what_runs_uses_a_zone_of_its_node_that_is_new_and_preferred(release: str) -> None:
    """All boot memory lies below 4 GiB, so that zone Normal of the node with the CPUs is new."""
    system = boot_memory(release=release)
    policy(system, "online")
    assert add(system, nid=0) == 0
    assert offline(system, 32, 33) == [-EBUSY, 0]


# --- removing


def test_memory_is_removed_only_when_all_of_it_is_offline() -> None:
    system = boot_memory()
    assert add(system) == 0
    write(system, 35, "online")
    assert system.memory.remove_memory(4 * GIB, GIB) == -EBUSY
    assert (
        system.log.lines[-1]
        == "removing memory fails, because memory [0x0000000118000000-0x000000011fffffff] is onlined"
    )
    write(system, 35, "offline")
    assert system.memory.remove_memory(4 * GIB, GIB) == 0
    assert system.sysfs.node("/sys/devices/system/memory/memory32") is None
    assert not any("kmem" in line for line in system.iomem.lines())
    assert system.nodes.online == {0}


def test_a_node_stays_online_while_it_has_blocks_or_spans_memory() -> None:
    system = boot_memory()
    assert add(system) == 0
    assert add(system, 8 * GIB) == 0
    assert system.memory.remove_memory(4 * GIB, GIB) == 0
    assert system.nodes.online == {0, 1}
    system.memory.zones.move_pfn_range_to_device_zone(1, 0x400000, 512)
    assert system.memory.remove_memory(8 * GIB, GIB) == 0
    assert system.nodes.online == {0, 1}


def test_the_memory_map_can_lie_on_the_memory_that_is_added() -> None:
    """6.1 takes only one block at a time, and gives back no more."""
    options = "memory_hotplug.memmap_on_memory=1"
    for release, status in (("6.1", -EINVAL), ("6.12", 0)):
        memory = boot_memory(cmdline=options, release=release).memory
        assert memory.add_memory_driver_managed(1, 4 * GIB, GIB, KMEM, MHP_MEMMAP_ON_MEMORY) == status
    system = boot_memory(cmdline=options, release="6.1")
    for start in (4 * GIB, 4 * GIB + BLOCK):
        assert system.memory.add_memory_driver_managed(1, start, BLOCK, KMEM, MHP_MEMMAP_ON_MEMORY) == 0
    assert system.memory.remove_memory(4 * GIB, 2 * BLOCK) == -EINVAL
    assert system.log.lines[-1] == "Refuse to remove 0x100000000 - 0x110000000,wrong granularity"
    assert system.memory.remove_memory(4 * GIB, BLOCK) == 0


@pytest.mark.parametrize(
    ("mode", "page_size", "supported"),
    [("Y", 4096, True), ("N", 4096, False), ("Y", 65536, False), ("force", 65536, False)],
)
def test_when_the_memory_map_fits_on_the_memory(mode: str, page_size: int, supported: bool) -> None:
    """128 MiB of 4 KiB pages have a map of 2 MiB, just a PMD; 512 MiB of 64 KiB pages one of 512 KiB, far less."""
    memory = boot_memory(cmdline=f"memory_hotplug.memmap_on_memory={mode}", page_size=page_size).memory
    assert memory.mhp_supports_memmap_on_memory() is supported


# --- blocks as ranges


def test_a_machine_of_64_tib_has_few_ranges() -> None:
    system = boot_memory([(0, 2 * GIB, 0), (4 * GIB, 48 << 40, 0)])
    policy(system, "online")
    assert add(system, 48 << 40, 16 << 40) == 0
    assert len(system.memory.blocks) == 524288 - 16
    assert len(list(system.memory.blocks)) < 8
    assert write(system, 500000, "offline") > 0
    assert read(system, 500001, "valid_zones") == "Normal"
    assert read(system, 500000, "valid_zones") == "Normal Movable"


class _Blocks(RuleBasedStateMachine):
    """The table against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.table = BlockTable()
        self.model: dict[int, bool] = {}

    @rule(first=st.integers(0, 30), size=st.integers(1, 8))
    def insert(self, first: int, size: int) -> None:
        if not self.table.between(first, first + size):
            self.table.insert(BlockRange(first, first + size))
            self.model |= dict.fromkeys(range(first, first + size), False)

    @rule(first=st.integers(0, 30), size=st.integers(1, 8))
    def remove(self, first: int, size: int) -> None:
        self.table.remove(first, first + size)
        for block in range(first, first + size):
            self.model.pop(block, None)

    @rule(first=st.integers(0, 30), size=st.integers(1, 8), online=st.booleans())
    def change(self, first: int, size: int, online: bool) -> None:
        for blocks in self.table.isolate(first, first + size):
            assert first <= blocks.first < blocks.end <= first + size
            blocks.online = online
            self.model |= dict.fromkeys(range(blocks.first, blocks.end), online)
        self.table.join(first, first + size)

    @invariant()
    def same(self) -> None:
        ranges = list(self.table)
        assert {b: r.online for r in ranges for b in range(r.first, r.end)} == self.model
        assert len(self.table) == len(self.model)
        for a, b in itertools.pairwise(ranges):
            assert a.end < b.first or (a.end == b.first and a.online != b.online)
        for block in range(40):
            found = self.table.find(block)
            assert (found is not None) == (block in self.model)


def test_the_table_of_blocks_is_a_dictionary_in_ranges() -> None:
    run_state_machine_as_test(_Blocks, settings=settings(max_examples=60, stateful_step_count=20, deadline=None))


class _Hotplug(RuleBasedStateMachine):
    """Onlining many blocks in one go is the same as one by one, and what zones count is what blocks say."""

    release = "6.12"

    def __init__(self) -> None:
        super().__init__()
        self.system = boot_memory([(0, 2 * GIB, 0), (5 * GIB, 5 * GIB + 2 * BLOCK, 1)], release=self.release)
        self.memory: MemoryHotplug = self.system.memory

    @rule(
        first=st.integers(32, 50), size=st.integers(1, 6), how=st.sampled_from(["offline", "online", "online_movable"])
    )
    def add(self, first: int, size: int, how: str) -> None:
        self.memory.default_online_type = "offline"
        if add(self.system, first * BLOCK, size * BLOCK) or how == "offline":
            return
        self.memory._online_blocks(first, first + size, how)

    @rule(block=st.integers(0, 55), how=st.sampled_from(["online", "online_kernel", "online_movable", "offline"]))
    def change(self, block: int, how: str) -> None:
        write(self.system, block, how)

    @rule(first=st.integers(32, 50), size=st.integers(1, 6))
    def remove(self, first: int, size: int) -> None:
        self.memory.remove_memory(first * BLOCK, size * BLOCK)

    @invariant()
    def zones_agree_with_blocks(self) -> None:
        for nid in (0, 1):
            for zone in self.memory.zones.node_data(nid).zones:
                own = [r for r in self.memory.blocks if r.online and r.zone is zone]
                assert all(zone.start_pfn <= r.first << 15 and r.end << 15 <= zone.end_pfn for r in own)
                hot = sum(r.end - r.first for r in own if not r.early) << 15
                assert zone.present_pages - zone.present_early_pages == hot
            pgdat = self.memory.zones.node_data(nid)
            assert (nid in self.system.nodes.has_memory) == any(zone.populated for zone in pgdat.zones)


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_zones_and_blocks_agree_whatever_is_done(release: str) -> None:
    machine = type("Machine", (_Hotplug,), {"release": release})
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=25, deadline=None))


@settings(max_examples=40, deadline=None)
@given(
    before=st.lists(st.tuples(st.integers(32, 63), st.sampled_from(["online_kernel", "online_movable"])), max_size=6),
    gaps=st.sets(st.integers(33, 62), max_size=4),
    movable_node=st.booleans(),
)
def test_many_blocks_at_once_go_where_they_would_go_one_by_one(
    before: list[tuple[int, str]], gaps: set[int], movable_node: bool
) -> None:
    """Some blocks of 32 to 63 are online already; the others, in runs between them, follow in order."""
    results = []
    for one_by_one in (False, True):
        system = boot_memory(cmdline="movable_node" if movable_node else "")
        for block, how in before:
            if block not in gaps and add(system, block * BLOCK, BLOCK) == 0:
                write(system, block, how)
        edges = sorted({block for block, _ in before if block not in gaps} | gaps | {31, 64})
        for low, high in itertools.pairwise(edges):
            size = high - low - 1
            policy(system, "offline" if one_by_one else "online")
            if size and add(system, (low + 1) * BLOCK, size * BLOCK) == 0 and one_by_one:
                for block in range(low + 1, high):
                    write(system, block, "online")
        results.append([zones(system, low + 1, high) for low, high in itertools.pairwise(edges)])
    assert results[0] == results[1]


def test_a_name_that_is_no_block_leads_nowhere() -> None:
    system = boot_memory()
    for name in ("memory16", "memory01", "memory", "memory-1", "memoryx", "memory²"):
        assert system.sysfs.node(f"/sys/devices/system/memory/{name}") is None
    assert system.sysfs.readlink("/sys/bus/memory/devices/memory3") == "../../../devices/system/memory/memory3"


def test_a_kernel_without_hotplug_has_no_blocks() -> None:
    system = boot_memory(config={"MEMORY_HOTPLUG": "n"})
    assert system.sysfs.node("/sys/devices/system/memory") is None
    assert list(system.memory.blocks) == []


def test_memory_is_probed_a_block_at_a_time() -> None:
    """``drivers/base/memory.c: probe_store``."""
    system = boot_memory(config={"ARCH_MEMORY_PROBE": "y"})
    probe = "/sys/devices/system/memory/probe"
    assert system.sysfs.write(probe, b"nonsense") == -EINVAL
    assert system.sysfs.write(probe, b"0x100001000") == -EINVAL
    assert system.sysfs.write(probe, b"0x100000000\n") == 12
    assert system.sysfs.write(probe, b"0x100000000\n") == -EEXIST
    assert system.iomem.lines()[-1] == "100000000-107ffffff : System RAM"


def test_only_known_policies_are_taken() -> None:
    system = boot_memory()
    path = "/sys/devices/system/memory/auto_online_blocks"
    assert system.sysfs.write(path, b"sometimes") == -EINVAL
    assert system.sysfs.write(path, b"online_movable\n") == 15
    assert system.sysfs.read(path) == b"online_movable\n"


def test_a_direct_map_that_begins_behind_all_memory_takes_none() -> None:
    """``mhp_get_pluggable_range``."""
    system = boot_memory()
    system.memory.mappable_range = (GIB, 4 * GIB - 1)
    system.memory.physmem_end = GIB - 1
    assert add(system) == -E2BIG
    assert system.log.lines[-1].endswith("exceeds maximum addressable range [0x0-0x0]")


def test_memory_of_a_group_that_nobody_registered_is_refused() -> None:
    """``add_memory_resource``; its line in /proc/iomem goes again."""
    system = boot_memory()
    before = system.iomem.lines()
    assert system.memory.add_memory_driver_managed(7, 4 * GIB, BLOCK, KMEM, MHP_NID_IS_MGID) == -EINVAL
    assert system.iomem.lines() == before
