"""Nodes that plugins bring are as the kernel makes those of CXL windows that no SRAT describes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from softreserve.kernel.numa.node_offers import NODE_BROUGHT, NODE_LEFT_OUT, NODE_RANGE_KNOWN
from softreserve.kernel.system import System
from softreserve.model.errors import PluginResultError
from softreserve.model.nodes import NodeOffer
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing.memory import boot_memory
from softreserve.views.node_map import NodeMap

GIB = 1 << 30
WHERE = PhysRange(16 * GIB, 18 * GIB)


def bringer(*offers: object) -> SimpleNamespace:
    @hookimpl
    def softreserve_nodes(system: System) -> object:
        return offers

    return SimpleNamespace(softreserve_nodes=softreserve_nodes)


def booted(*offers: object, release: str = "6.12", **more: Any) -> System:
    return boot_memory(release=release, plugins=[("accel", bringer(*offers))], **more)


def read(system: System, path: str) -> str:
    value = system.sysfs.read(f"/sys/devices/system/node/{path}")
    assert isinstance(value, bytes)
    return value.decode().strip()


@pytest.mark.parametrize("release", ["6.1", "6.12", "6.18", "7.3"])
def test_a_node_is_possible_from_boot_on_and_online_with_its_first_memory(release: str) -> None:
    system = booted(NodeOffer(2, "an accelerator", (WHERE,), {0: 80}), release=release)
    assert (read(system, "possible"), read(system, "online"), read(system, "has_memory")) == ("0-2", "0", "0")
    nodes = system.nodes
    assert [nodes.phys_to_target_node(at) for at in (WHERE.start, WHERE.last)] == [2, 2]
    assert system.memory.add_memory(2, WHERE.start, GIB) == 0
    assert (read(system, "online"), read(system, "has_memory")) == ("0,2", "0")
    # node_read_distance: to those that are online
    assert (read(system, "node0/distance"), read(system, "node2/distance")) == ("10 80", "80 10")
    assert system.memory.online_blocks(WHERE.start, GIB, "online_movable")
    assert read(system, "has_memory") == "0,2"
    assert nodes.distance(2, 1) == 20
    (event,) = system.log.of(NODE_BROUGHT)
    assert (event.start, event.end, event.after) == (WHERE.start, WHERE.end, "node 2")
    assert "an accelerator" in event.rule


@pytest.mark.parametrize(
    ("release", "lines"),
    # free_area_init: up to 5.17 it lays out what is online, from 5.18 on all; until 6.5 it says so beforehand
    [("5.15", []), ("6.1", ["Initializing node 2 as memoryless", "Initmem setup node 2 as memoryless"])]
    + [(release, ["Initmem setup node 2 as memoryless"]) for release in ("6.12", "7.3")],
)
def test_it_is_laid_out_as_a_node_without_memory(release: str, lines: list[str]) -> None:
    system = booted(NodeOffer(2, "an accelerator"), release=release)
    assert [line for line in system.log.lines if "node 2" in line] == lines


def test_distances_of_the_firmware_stay() -> None:
    class Slit:
        @hookimpl
        def softreserve_nodes(self, system: System) -> list[NodeOffer]:
            system.nodes.numa_alloc_distance(2)
            system.nodes.numa_set_distance(0, 1, 31)
            return [NodeOffer(3, "far", (), {1: 99}), NodeOffer(2, "near", (), {3: 12, 2: 10})]

    nodes = boot_memory(plugins=[("slit", Slit())]).nodes
    found = {(a, b): nodes.distance(a, b) for a in range(4) for b in range(4) if nodes.distance(a, b) not in (10, 20)}
    assert found == {(0, 1): 31, (1, 3): 99, (3, 1): 99, (2, 3): 12, (3, 2): 12}
    assert all(nodes.distance(a, a) == 10 for a in range(4))


def test_what_is_ram_of_another_node_stays_there_and_that_is_said() -> None:
    system = booted(NodeOffer(2, "greedy", (PhysRange(GIB, 3 * GIB),)))
    assert NodeMap(system).split(GIB, 3 * GIB) == [(GIB, 2 * GIB, 0), (2 * GIB, 3 * GIB, 2)]
    told = [(e.start, e.end, e.after) for e in system.log.of(NODE_RANGE_KNOWN, NODE_BROUGHT)]
    assert told == [(GIB, 2 * GIB, "node 0"), (2 * GIB, 3 * GIB, "node 2")]


@pytest.mark.parametrize("more", [{"cmdline": "numa=off"}, {"config": {"NUMA": "n"}}])
def test_a_kernel_without_nodes_takes_none(more: dict[str, Any]) -> None:
    system = booted(NodeOffer(2, "an accelerator", (WHERE,)), **more)
    assert 2 not in system.nodes.possible
    (event,) = system.log.of(NODE_LEFT_OUT)
    assert (event.start, event.end) == (WHERE.start, WHERE.end)


SOURCE = "a card"
WRONG: list[tuple[list[object], str]] = [
    ([NodeOffer(1, SOURCE)], r"node 1 is taken; the kernel has nodes 0-1"),
    ([NodeOffer(-1, SOURCE)], r"node -1: this kernel has nodes 0 to 63 \(CONFIG_NODES_SHIFT\)"),
    ([NodeOffer(64, SOURCE)], r"node 64: this kernel has nodes 0 to 63"),
    ([NodeOffer(True, SOURCE)], r"node True: a number is wanted"),
    ([NodeOffer(2, SOURCE), NodeOffer(2, SOURCE)], r"node 2 is brought by plugin accel already"),
    ([NodeOffer(2, "")], r"source is '': a few printable words"),
    ([NodeOffer(2, SOURCE, ((1, 2),))], r"node 2: ranges are \(\(1, 2\),\): a tuple of PhysRange"),  # type: ignore[arg-type]
    ([NodeOffer(2, SOURCE, (PhysRange(0, 1 << 64),))], r"node 2: 0x0-0xf{16} ends behind 0x"),
    ([NodeOffer(2, SOURCE, (WHERE,)), NodeOffer(3, SOURCE, (WHERE,))], r"node 3: 0x400000000-0x47.* overlaps .*accel"),
    ([NodeOffer(2, SOURCE, (), {0: 9})], r"node 2: distance 9 to node 0: 10 to 255 are wanted"),
    ([NodeOffer(2, SOURCE, (), {0: 256})], r"distance 256 to node 0: 10 to 255"),
    ([NodeOffer(2, SOURCE, (), {0: 10})], r"distance 10 to node 0: a node is at 10 from itself, and from no other"),
    ([NodeOffer(2, SOURCE, (), {2: 20})], r"distance 20 to node 2: a node is at 10 from itself"),
    ([NodeOffer(2, SOURCE, (), {5: 20})], r"distance 20 to node 5, which is not possible; possible are 0-2"),
    ([NodeOffer(2, SOURCE, (), {3: 20}), NodeOffer(3, SOURCE, (), {2: 30})], r"20 to node 3, and 30 the other way"),
    ([NodeOffer(2, SOURCE, (), [20])], r"node 2: distances are \[20\]: distances by node"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("offers", "words"), WRONG)
def test_what_is_wrong_with_an_offer_is_said_in_words(offers: list[object], words: str) -> None:
    with pytest.raises(PluginResultError, match=rf"^plugin accel: softreserve_nodes: .*{words}") as error:
        booted(*offers)
    assert len(str(error.value)) <= 500


def test_a_node_of_two_plugins_names_both() -> None:
    plugins = [("one", bringer(NodeOffer(2, SOURCE))), ("two", bringer(NodeOffer(2, SOURCE)))]
    with pytest.raises(PluginResultError, match=r"plugin two: softreserve_nodes: node 2 is brought by plugin one"):
        boot_memory(plugins=plugins)
