"""Nodes as devices. Expected texts: captures of ``/sys/devices/system/node``, and ``drivers/base/node.c``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.kernel.numa.node import AccessCoordinate, NodeCache, Nodes
from softreserve.kernel.numa.numa import NumaState, format_list
from softreserve.kernel.system import System
from softreserve.model.cmdline import CommandLine
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load

ROOT = "/sys/devices/system/node"
KERNEL = Kernel("6.12", "x86_64", config={"NUMA": "y", "NODES_SHIFT": 6})


def running(*online: int, possible: set[int] | None = None, cpus: int = 2, cmdline: str = "") -> System:
    """A system whose nodes are devices; CPUs are on the first node."""
    system = System(Machine("test", KERNEL, CommandLine(cmdline), cpus=cpus), load([]))
    nodes = system.nodes
    nodes.online.clear()
    nodes.online.update(online)
    nodes.possible.clear()
    nodes.possible.update(possible or set(online))
    nodes.smp_init()
    nodes.node_dev_init()
    return system


def text(system: System, path: str) -> str:
    data = system.sysfs.read(f"{ROOT}/{path}")
    assert isinstance(data, bytes), data
    return data.decode()


@pytest.mark.parametrize(
    ("online", "cpus", "line"),
    [
        ((0,), 2, "smp: Brought up 1 node, 2 CPUs"),
        ((0, 1), 1, "smp: Brought up 2 nodes, 1 CPU"),
    ],
)
def test_the_kernel_says_what_it_brought_up(online: tuple[int, ...], cpus: int, line: str) -> None:
    assert line in running(*online, cpus=cpus).log.lines


@pytest.mark.parametrize(("cmdline", "cpus"), [("nosmp", 1), ("maxcpus=0", 1), ("maxcpus=3", 3), ("nr_cpus=2", 2)])
def test_the_command_line_can_keep_cpus_down(cmdline: str, cpus: int) -> None:
    system = running(0, cpus=4, cmdline=cmdline)
    assert len(system.nodes.cpumask(0)) == cpus


def test_masks_are_files_in_list_form() -> None:
    system = running(0, 2, possible={0, 1, 2})
    system.nodes.has_memory.add(0)
    names = ("possible", "online", "has_memory", "has_normal_memory", "has_cpu", "has_generic_initiator")
    assert [text(system, name) for name in names] == ["0-2\n", "0,2\n", "0\n", "\n", "0\n", "\n"]


def test_a_node_shows_its_cpus_and_its_distances_to_online_nodes() -> None:
    system = running(0, 1)
    system.nodes.numa_alloc_distance(3)
    system.nodes.numa_set_distance(1, 0, 21)
    assert (text(system, "node0/cpulist"), text(system, "node1/cpulist")) == ("0-1\n", "\n")
    assert (text(system, "node0/cpumap"), text(system, "node1/cpumap")) == ("3\n", "0\n")
    assert (text(system, "node0/distance"), text(system, "node1/distance")) == ("10 20\n", "21 10\n")


def test_distances_of_nodes_without_node_0_begin_with_a_blank() -> None:
    """The kernel puts the blank before every node but node 0."""
    assert text(running(1, 2), "node1/distance") == " 10 20\n"


def test_a_cpu_map_of_more_than_32_cpus_has_words() -> None:
    assert text(running(0, cpus=40), "node0/cpumap") == "ff,ffffffff\n"


def test_a_node_has_no_huge_pages_of_the_size_that_a_pmd_maps() -> None:
    """Numastat asks for the directory and for three files in it."""
    names = ("free_hugepages", "nr_hugepages", "surplus_hugepages")
    assert [text(running(0), f"node0/hugepages/hugepages-2048kB/{name}") for name in names] == ["0\n"] * 3


def test_nodes_come_and_go_with_their_directories() -> None:
    system = running(0, possible={0, 1})
    assert system.sysfs.listdir("/sys/bus/node/devices") == ["node0"]
    system.nodes.node_set_online(1)
    assert text(system, "online") == "0-1\n"
    assert text(system, "node0/distance") == "10 20\n"
    assert system.sysfs.readlink("/sys/bus/node/devices/node1") == "../../../devices/system/node/node1"
    system.nodes.node_set_offline(1)
    assert system.sysfs.node(f"{ROOT}/node1") is None
    assert text(system, "online") == "0\n"


def test_blocks_and_cpus_are_links() -> None:
    class Blocks:
        def node_block_ids(self, nid: int) -> list[int]:
            return [8, 9] if nid == 0 else []

        def node_has_block(self, nid: int, block_id: int) -> bool:
            return block_id in self.node_block_ids(nid)

    system = running(0)
    system.nodes.memory_blocks = Blocks()
    names = system.sysfs.listdir(f"{ROOT}/node0")
    assert isinstance(names, list)
    assert {"memory8", "memory9", "cpu0", "cpu1"} < set(names)
    assert system.sysfs.readlink(f"{ROOT}/node0/memory8") == "../../memory/memory8"
    assert system.sysfs.readlink(f"{ROOT}/node0/cpu1") == "../../cpu/cpu1"
    assert system.sysfs.node(f"{ROOT}/node0/memory7") is None
    assert system.sysfs.node(f"{ROOT}/node0/cpu2") is None


def test_initiators_and_targets_are_linked_to_each_other() -> None:
    system = running(0, 1)
    nodes = system.nodes
    assert nodes.register_memory_node_under_compute_node(1, 0, 0) == 0
    assert system.sysfs.readlink(f"{ROOT}/node1/access0/initiators/node0") == "../../../node0"
    assert system.sysfs.readlink(f"{ROOT}/node0/access0/targets/node1") == "../../../node1"
    assert system.sysfs.listdir(f"{ROOT}/node1/access0") == ["initiators", "targets", "uevent"]
    assert nodes.register_memory_node_under_compute_node(1, 0, 0) == -17
    assert nodes.register_memory_node_under_compute_node(2, 0, 0) == -19


def test_performance_is_shown_with_the_initiators() -> None:
    system = running(0, 1)
    values = AccessCoordinate(read_bandwidth=4096, write_bandwidth=2048, read_latency=300, write_latency=0)
    system.nodes.node_set_perf_attrs(1, values, 1)
    names = system.sysfs.listdir(f"{ROOT}/node1/access1/initiators")
    assert names == ["read_bandwidth", "read_latency", "write_bandwidth", "write_latency"]
    assert [text(system, f"node1/access1/initiators/{name}") for name in names] == ["4096\n", "300\n", "2048\n", "0\n"]


def test_setting_performance_again_changes_the_values_with_a_complaint() -> None:
    system = running(0)
    system.nodes.node_set_perf_attrs(0, AccessCoordinate(read_latency=1), 0)
    system.nodes.node_set_perf_attrs(0, AccessCoordinate(read_latency=2), 0)
    assert text(system, "node0/access0/initiators/read_latency") == "2\n"
    assert system.log.lines[-1] == "failed to add performance attribute to node 0"


def test_values_change_where_they_are_shown_and_nowhere_else() -> None:
    """``node_update_perf_attrs``: a class that is only linked remembers them, and has no files."""
    system = running(0)
    nodes = system.nodes
    nodes.node_set_perf_attrs(0, AccessCoordinate(read_latency=1), 0)
    assert nodes.register_memory_node_under_compute_node(0, 0, 1) == 0
    for access in range(3):
        nodes.node_update_perf_attrs(0, AccessCoordinate(read_latency=2), access)
    nodes.node_update_perf_attrs(1, AccessCoordinate(read_latency=2), 0)
    assert text(system, "node0/access0/initiators/read_latency") == "2\n"
    assert system.sysfs.listdir(f"{ROOT}/node0/access1/initiators") == ["node0"]
    assert system.sysfs.node(f"{ROOT}/node0/access2") is None
    nodes.node_set_perf_attrs(0, AccessCoordinate(read_latency=3), 1)
    assert not any("failed to add" in line for line in system.log.lines)


def test_a_cache_is_shown_once_per_level() -> None:
    system = running(0)
    system.nodes.node_add_cache(0, NodeCache(1, 1 << 30, 64, 0, 1))
    system.nodes.node_add_cache(0, NodeCache(1, 2 << 30, 64, 0, 1))
    names = system.sysfs.listdir(f"{ROOT}/node0/memory_side_cache/index1")
    assert names == ["indexing", "line_size", "size", "write_policy"]
    assert text(system, "node0/memory_side_cache/index1/size") == "1073741824\n"
    assert system.log.lines[-1] == "node node0: attempt to add duplicate cache level:1"


def test_what_is_said_about_an_offline_node_is_not_shown() -> None:
    system = running(0, possible={0, 1})
    system.nodes.node_add_cache(1, NodeCache(1, 1, 1, 1, 1))
    system.nodes.node_set_perf_attrs(1, AccessCoordinate(), 0)
    assert system.sysfs.node(f"{ROOT}/node1") is None


# --- without devices


def state(**config: str) -> NumaState:
    return NumaState(EventLog(), Kernel("6.1", "arm64", config={"NUMA": "y"} | config))


def test_without_an_answer_of_the_architecture_memory_is_of_node_0_with_one_line_each() -> None:
    numa = state()
    assert [numa.phys_to_target_node(0x4000_0000), numa.phys_to_target_node(0x8000_0000)] == [0, 0]
    assert numa.memory_add_physaddr_to_nid(0x8000_0000) == 0
    assert numa.log.lines == [
        "Unknown target node for memory at 0x40000000, assuming node 0",
        "Unknown online node for memory at 0x80000000, assuming node 0",
    ]


def test_a_kernel_without_numa_says_nothing() -> None:
    numa = state(NUMA="n")
    assert numa.phys_to_target_node(0) == numa.memory_add_physaddr_to_nid(0) == 0
    assert numa.numa_map_to_online_node(3) == -1
    assert numa.log.lines == []


def test_the_nearest_online_node_stands_in_for_an_offline_one() -> None:
    numa = state()
    numa.online = {0, 1, 2}
    numa.numa_alloc_distance(4)
    for other, distance in ((0, 30), (1, 15), (2, 15)):
        numa.numa_set_distance(3, other, distance)
    assert [numa.numa_map_to_online_node(nid) for nid in (3, 2, -1)] == [1, 2, -1]


def test_absurd_distances_are_ignored_with_one_warning_of_each_kind() -> None:
    numa = state()
    numa.distance_prefix = "NUMA: "
    numa.numa_set_distance(0, 1, 20)
    numa.numa_alloc_distance(2)
    for from_, to, distance in ((0, 2, 20), (2, 0, 20), (0, 0, 11), (0, 1, 256)):
        numa.numa_set_distance(from_, to, distance)
    assert numa.log.lines == [
        "NUMA: Warning: distance table not allocated yet",
        "NUMA: Warning: node ids are out of bound, from=0 to=2 distance=20",
        "NUMA: Warning: invalid distance parameter, from=0 to=0 distance=11",
    ]
    assert [numa.distance(0, 0), numa.distance(0, 1)] == [10, 20]


@given(st.sets(st.integers(0, 80)))
def test_a_list_names_every_number_once(numbers: set[int]) -> None:
    found: list[int] = []
    for part in format_list(numbers).split(",") if numbers else []:
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    assert found == sorted(numbers)


def test_nodes_are_a_numa_state() -> None:
    assert issubclass(Nodes, NumaState)
