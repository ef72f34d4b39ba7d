"""Weights of interleaving. Expected values: by hand from ``mm/mempolicy.c`` of 6.12 and 7.3."""

from __future__ import annotations

import errno

import pytest
from softreserve.kernel.numa.mempolicy import WeightedInterleave
from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.kernel.numa.numa import NumaState
from softreserve.kernel.system import System
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load

WHERE = "/sys/kernel/mm/mempolicy/weighted_interleave"


def weights(release: str = "7.1", /, **bandwidths: int) -> WeightedInterleave:
    """Nodes 0 to 2 have memory, node 3 is possible; ``n0`` and so on are bandwidths."""
    nodes = NumaState(EventLog(), Kernel(release, "x86_64", config={"NODES_SHIFT": 2}))
    nodes.has_memory |= {0, 1, 2}
    found = WeightedInterleave(nodes)
    for name, bandwidth in bandwidths.items():
        found.set_node_perf(int(name[1:]), bandwidth + 7, bandwidth)
    return found


def shown(found: WeightedInterleave) -> str:
    values = [file.read() for name in found.names() if (file := found.file(name)) is not None]
    return " ".join(value.decode().strip() if isinstance(value, bytes) else str(value) for value in values)


def write(found: WeightedInterleave, name: str, text: str) -> int:
    file = found.file(name)
    assert file is not None
    assert file.store is not None
    return file.store(text.encode())


@pytest.mark.parametrize(
    ("bandwidths", "expected"),
    [
        ({}, "true 1 1 1"),
        ({"n0": 300, "n1": 100}, "true 24 8 1"),  # no common divisor with the unknown one
        ({"n0": 300, "n1": 100, "n2": 400}, "true 3 1 4"),
        ({"n0": 200, "n1": 100, "n2": 1}, "true 21 10 1"),
        ({"n0": 1000, "n1": 1, "n2": 1000}, "true 15 1 15"),
        ({"n0": 0, "n1": 0, "n2": 0}, "true 1 1 1"),
        ({"n0": 1 << 27, "n1": 1, "n2": 1}, "true 1 1 1"),  # 32 times that is 0 in 32 bits
    ],
)
def test_weights_follow_from_bandwidths_from_6_16_on(bandwidths: dict[str, int], expected: str) -> None:
    found = weights(**bandwidths)
    assert shown(found) == expected


def test_written_weights_stay_until_bandwidths_count_again() -> None:
    found = weights(n0=300, n1=100, n2=400)
    for text in ("0", "256", "x", "-1", "\n"):
        assert write(found, "node1", text) == -errno.EINVAL
    assert write(found, "node1", "7\n") == 2
    found.set_node_perf(0, 10, 10)
    assert shown(found) == "false 3 7 4"
    assert write(found, "auto", "maybe") == -errno.EINVAL
    assert write(found, "auto", "Y") == 1
    assert shown(found) == "true 1 6 25"
    assert write(found, "auto", "0\n") == 2
    assert shown(found) == "false 1 6 25"


@pytest.mark.parametrize(("release", "result"), [("6.16", -errno.EINVAL), ("6.17", 7)])
def test_enabled_is_a_word_for_yes_from_6_17_on(release: str, result: int) -> None:
    assert write(weights(release, n0=1), "auto", "enabled") == result


def test_without_bandwidths_weights_cannot_follow_from_them() -> None:
    found = weights()
    assert write(found, "auto", "1") == -errno.ENODEV
    assert write(found, "auto", "0") == 1
    assert shown(found) == "false 1 1 1"


def test_before_6_16_every_possible_node_has_a_weight_and_0_stands_for_1() -> None:
    found = weights("6.12", n0=300, n1=100)
    assert found.names() == ["node0", "node1", "node2", "node3"]
    assert write(found, "node3", "255") == 3
    assert write(found, "node1", "9") == 1
    assert write(found, "node1", "\n") == write(found, "node0", "0") == 1
    assert write(found, "node0", "256") == -errno.EINVAL
    assert shown(found) == "1 1 1 255"


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("6.8", []),
        ("6.9", ["node0", "node1"]),
        ("6.15", ["node0", "node1"]),
        ("6.17", ["auto"]),
        ("6.18", ["__auto_type"]),
        ("7.0", ["__auto_type"]),
        ("7.1", ["auto"]),
    ],
)
def test_weights_came_with_6_9_and_are_called_as_they_are(release: str, names: list[str]) -> None:
    """Names and modes recorded on 6.12.117, 6.18.15 and 7.3.4; 7.0.13 and 7.1.13 by the words in their images."""
    kernel = Kernel(release, "x86_64", config={"NUMA": "y", "NODES_SHIFT": 1})
    system = System(Machine("test", kernel), load([]))
    system.nodes.node_dev_init()
    found = system.sysfs.listdir(WHERE)
    assert (found if isinstance(found, list) else []) == names


def test_weights_are_those_of_a_recorded_boot() -> None:
    """6.18.15 and 7.3.4, two nodes of 102400 and 20480 MB/s: 26 and 5."""
    found = weights("7.1")
    found.set_node_perf(0, 102400, 102400)
    found.set_node_perf(1, 20480, 20480)
    assert shown(found) == "true 26 5 1"
    auto = found.file("auto")
    assert auto is not None
    assert auto.mode == 0o664


def test_what_cpus_see_of_a_node_weighs_it() -> None:
    system = System(Machine("test", Kernel("6.18", "x86_64", config={"NUMA": "y", "NODES_SHIFT": 1})), load([]))
    nodes = system.nodes
    nodes.has_memory |= {0, 1}
    nodes.node_dev_init()
    nodes.node_set_online(1)
    for access in (0, 1):
        nodes.node_set_perf_attrs(0, AccessCoordinate(read_bandwidth=300, write_bandwidth=300 - access), access)
        nodes.node_set_perf_attrs(1, AccessCoordinate(read_bandwidth=100, write_bandwidth=100 - access), access)
    assert shown(nodes.interleave) == "true 24 7"  # 9568 / 398, 3168 / 398
