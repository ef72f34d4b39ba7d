"""The node view: what it says of nodes, and that all of it can be read."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import cases
import pytest
import small_machines
from many_nodes import machine_text
from small_machines import GIB
from softreserve.config import load
from softreserve.machine.boot import boot
from softreserve.model.machine import Machine
from softreserve.plugins.selection import Selection
from softreserve.views.picture.node_svg import node_svg
from softreserve.views.picture.nodes import NodePicture, NodeView, Table, node_tables, node_view, speed
from softreserve.views.report import report

SVG = "{http://www.w3.org/2000/svg}"


def view(machine: Machine) -> NodeView:
    small_machines.need(machine.arch)
    system = boot(machine, Selection().hooks_for(machine), userspace="udev")
    return node_view(system, report(system))


def of_file(tmp_path: Path, text: str) -> NodeView:
    path = tmp_path / "machine.toml"
    path.write_text(text)
    return view(load(path).machine)


def memory(found: NodePicture) -> list[tuple[str, int]]:
    return [(memory.kind, memory.size) for memory in found.memory]


def table(found: NodeView, title: str) -> Table:
    return next(table for table in node_tables(found) if table.title.startswith(title))


def test_a_xeon_max_has_dram_hbm_tiers_and_demotion() -> None:
    found = view(load("example:xeon-max").machine)
    assert [[memory.kind for memory in node.memory] for node in found.nodes] == [["dram"]] * 2 + [["hbm"]] * 2
    assert memory(found.nodes[2]) == [("hbm", 64 * GIB)]
    assert found.nodes[2].memory[0].why == "faster than DRAM: reads 512 GB/s, DRAM 256 GB/s"
    assert [(node.now.tier, node.now.demotes_to, node.near) for node in found.nodes] == [
        (4, (), 0),
        (4, (), 1),
        (2, (0,), 0),
        (2, (1,), 1),
    ]
    assert [(access.number, access.initiators) for access in found.nodes[3].access] == [(0, (1,)), (1, (1,))]


def test_each_way_to_memory_is_told_not_only_the_best() -> None:
    """Values of the machine file: node 1 reads node 2 by 96 GB/s in 210 ns, writes by 48 GB/s."""
    found = view(load("example:xeon-max").machine)
    assert found.ways[1, 2] == {
        "read_bandwidth": 96000,
        "write_bandwidth": 48000,
        "read_latency": 210,
        "write_latency": 210,
    }
    rows = table(found, "What the firmware").rows
    assert rows[1] == (
        "node 1",
        "96 GB/s / 48 GB/s, 190 ns",
        "256 GB/s / 128 GB/s, 110 ns",
        "96 GB/s / 48 GB/s, 210 ns",
        "512 GB/s / 256 GB/s, 130 ns",
    )


def test_memory_in_a_cxl_window_is_cxl_and_other_slow_memory_is_unknown() -> None:
    silent = small_machines.machine(tables={"HMAT": small_machines.hmat()})
    assert memory(view(silent).nodes[1]) == [("unknown", 2 * GIB)]
    assert view(silent).nodes[1].memory[0].why == "no faster than DRAM: reads 100 GB/s, DRAM 100 GB/s"
    partly = small_machines.machine(tables={"CEDT": small_machines.cedt(7 * GIB, 8 * GIB)})
    assert memory(view(partly).nodes[1]) == [("cxl", GIB), ("unknown", GIB)]


@pytest.mark.parametrize("name", ["x86-7.3-tables", "arm64-6.18-mem-four-nodes", "x86-6.12-cxl-committed"])
def test_memory_of_a_node_is_its_ram_and_its_specific_purpose_memory(tmp_path: Path, name: str) -> None:
    """In the first two a dax device without a driver reaches over RAM, and over what is no memory."""
    for node in view(load(cases.unpack(name, tmp_path)).machine).nodes:
        assert sum(size for _, size in memory(node)) == node.now.ram + node.now.special


def test_a_cxl_table_that_the_kernel_does_not_look_at_may_be_broken() -> None:
    broken = small_machines.cedt(7 * GIB, 8 * GIB)[:40]
    found = view(small_machines.machine(release="5.4", tables={"CEDT": broken}))
    assert [kind for kind, _ in memory(found.nodes[0])] == ["dram"]


@pytest.mark.parametrize(
    ("megabytes", "words"),
    [
        (0, ""),
        (999, "999 MB/s"),
        (1000, "1 GB/s"),
        (12800, "12.8 GB/s"),
        (20480, "20.48 GB/s"),
        (20_000_000, "20000 GB/s"),
    ],
)
def test_bandwidth_is_told_in_decimal_units(megabytes: int, words: str) -> None:
    assert speed({"read_bandwidth": megabytes}) == words


def test_where_no_table_says_how_fast_memory_is_nobody_guesses(tmp_path: Path) -> None:
    found = of_file(tmp_path, machine_text("silent", 1, 1, numbers=False))
    assert [memory(node) for node in found.nodes] == [[("dram", found.nodes[0].now.ram)], [("unknown", 16 * GIB)]]
    assert found.nodes[1].memory[0].why == "no table says how fast it is beside DRAM"
    assert not found.ways
    assert [table.title for table in node_tables(found)] == ["Nodes", "Distances"]


def test_a_kernel_without_memory_tiers_says_so(tmp_path: Path) -> None:
    found = of_file(tmp_path, machine_text("old", 2, 2, release="5.4"))
    assert not found.tiered
    assert [memory.kind for memory in found.nodes[3].memory] == ["hbm"]
    assert ">no tiers<" in node_svg(found)


def test_the_table_of_nodes_says_in_words_what_the_picture_shows() -> None:
    nodes = table(view(load("example:xeon-max").machine), "Nodes")
    assert dict(zip(nodes.headings, nodes.rows[2], strict=True)) == {
        "node": "2",
        "CPUs": "-",
        "memory": "64 GiB HBM (faster than DRAM: reads 512 GB/s, DRAM 256 GB/s)",
        "tier": "2",
        "demotes to": "0",
        "bandwidth, latency": "512 GB/s / 256 GB/s, 130 ns",
        "best initiators": "node 0",
        "cache": "-",
    }


@pytest.mark.parametrize(
    ("processors", "hbm", "slow"), [(1, 0, 0), (2, 0, 0), (1, 0, 20), (8, 8, 0), (16, 16, 32), (3, 5, 9), (40, 1, 2)]
)
def test_every_node_has_a_box_that_covers_no_other(tmp_path: Path, processors: int, hbm: int, slow: int) -> None:
    found = of_file(tmp_path, machine_text("many", processors, hbm, slow))
    picture = ElementTree.fromstring(node_svg(found))
    boxes = picture.findall(f"{SVG}g")
    assert sorted(int(box.get("data-node", "")) for box in boxes) == list(range(processors + hbm + slow))
    rects = [
        [float(rect.get(name, "")) for name in ("x", "y", "width", "height")] for rect in picture.iter(f"{SVG}rect")
    ]
    assert not [
        (one, other)
        for one, other in combinations(rects, 2)
        if abs(one[0] - other[0]) < one[2] and abs(one[1] - other[1]) < one[3]
    ]
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    assert max(x + w for x, _, w, _ in rects) <= width
    assert max(y + h for _, y, _, h in rects) <= height
    assert width <= 1300, "two or three such boxes would be unreadable beside each other"


def test_demotion_is_an_arrow_and_words(tmp_path: Path) -> None:
    found = of_file(tmp_path, machine_text("snc4", 8, 8))
    picture = node_svg(found)
    assert picture.count('class="demotion"') == 8
    assert [f"cold pages to {node}<" in picture for node in range(8)] == [True] * 8


def test_memory_that_is_not_online_says_what_it_will_be() -> None:
    found = view(small_machines.machine())
    assert (found.nodes[1].now.tier, found.nodes[1].then.tier) == (None, 4)
    assert ">tier 4 once online<" in node_svg(found)
    row = dict(zip(table(found, "Nodes").headings, table(found, "Nodes").rows[1], strict=True))
    assert row["tier"] == "none; 4 once all dax memory is online"
    assert row["memory"].startswith("2 GiB of unknown kind (")


def test_of_no_node_the_picture_says_so() -> None:
    assert "no node is known" in node_svg(NodeView((), False, {}))
