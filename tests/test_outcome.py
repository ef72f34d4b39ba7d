"""What became of specific purpose memory is read off the booted system, and every byte of it is somewhere."""

from __future__ import annotations

from typing import Any

import pytest
from small_machines import ARM64, GIB, LOW, MIB, NODE_1, RAM, X86, hmat, machine, memory, need, settled, sp, srat
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiType
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor
from softreserve.views.outcome import outcome
from softreserve.views.what_if import as_devdax, as_system_ram

BOTH = "memhp_default_state=offline"
OFF = (6 * GIB + 2 * MIB, 8 * GIB)

#: What the machine is like, and how many MiB of it are put to which use.
FATES: list[tuple[dict[str, Any], dict[str, float]]] = [
    ({}, {"kmem": 2048}),
    ({"release": "6.1"}, {"devdax": 2048}),
    ({"arch": ARM64}, {"kmem": 2048}),
    ({"release": "5.8"}, {"devdax": 2048}),
    ({"cmdline": "efi=nosoftreserve"}, {"ram": 2048}),
    ({"config": {"EFI_SOFT_RESERVE": "n"}}, {"ram": 2048}),
    ({"above": [RAM, sp(6 * GIB, 8 * GIB, EfiType.RESERVED)]}, {"lost": 2048}),
    ({"above": [RAM, sp(6 * GIB + 4096, 8 * GIB)], "tables": {"HMAT": None}}, {"no-device": 2048 - 1 / 256}),
    ({"above": [RAM, sp(*OFF)], "tables": {"HMAT": None}}, {"kmem": 1920, "unused": 126}),
    ({"tables": {"SRAT": srat(*LOW), "HMAT": None}}, {"unused": 2048}),
    ({"tables": {"SRAT": srat(*LOW), "HMAT": None}, "release": "6.1"}, {"devdax": 2048}),
    ({"tables": {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB))}}, {"kmem": 1024, "no-device": 1024}),
    ({"cmdline": "dax_hmem.region_idle=1"}, {"no-device": 2048}),
    ({"config": {"DEV_DAX_HMEM": "n"}}, {"no-device": 2048}),
    ({"config": {"DEV_DAX": "n", "DEV_DAX_KMEM": "n"}}, {"unused": 2048}),
    ({"above": [RAM, sp(6 * GIB, 7 * GIB + 4 * MIB), sp(7 * GIB, 8 * GIB)], "release": "6.1"}, {"unused": 2048}),
]


@pytest.mark.parametrize(("changes", "wanted"), FATES, ids=range(len(FATES)))
def test_every_byte_is_counted_where_it_is(changes: dict[str, Any], wanted: dict[str, float]) -> None:
    found = outcome(settled(machine(**changes)))
    assert {use: size / MIB for use, size in found.totals.items() if size} == wanted
    for marked in found.ranges:
        borders = [marked.start, *(part.end for part in marked.parts)]
        assert [*(part.start for part in marked.parts), marked.end] == borders


def test_without_modules_nothing_is_a_dax_device_yet() -> None:
    need(X86)
    described = machine()
    system = boot(described, Selection().hooks_for(described))
    assert outcome(system).totals["no-device"] == 2 * GIB
    system.modules.coldplug()
    assert outcome(system).totals["kmem"] == 2 * GIB


def test_memory_that_the_command_line_sets_aside_counts_too() -> None:
    found = outcome(settled(machine(cmdline="memmap=512M%4G-1+0xefffffff")))
    assert [(m.start, m.end, m.by) for m in found.ranges] == [
        (4 * GIB, 4 * GIB + 512 * MIB, "kernel"),
        (6 * GIB, 8 * GIB, "firmware"),
    ]


def test_descriptors_that_overlap_count_once() -> None:
    found = outcome(settled(machine(above=[RAM, sp(6 * GIB, 8 * GIB), sp(7 * GIB, 9 * GIB)])))
    assert found.total == 3 * GIB


def nodes(system: System) -> list[tuple[int, int | None, tuple[int, ...]]]:
    return [(row.node, row.tier, row.demotes_to) for row in outcome(system).nodes]


def test_what_would_be_is_done_on_a_copy() -> None:
    system = settled(machine(release="6.1"))
    assert nodes(system) == [(0, 4, ()), (1, None, ())]
    copy = as_system_ram(system)
    assert outcome(copy).totals["kmem"] == 2 * GIB
    assert nodes(copy) == [(0, 4, (1,)), (1, 22, ())]
    assert {part.zone for part in outcome(copy).parts} == {"Movable"}
    assert outcome(system).totals["devdax"] == 2 * GIB
    assert outcome(as_devdax(settled(machine(cmdline="")))).totals["devdax"] == 2 * GIB


def test_drivers_that_are_built_in_are_moved_in_the_copy() -> None:
    for cmdline in ("", BOTH):
        system = settled(machine(cmdline=cmdline, config={"DEV_DAX": "y", "DEV_DAX_KMEM": "y", "DEV_DAX_HMEM": "y"}))
        online = outcome(as_system_ram(system))
        assert [(part.use, part.online) for part in online.parts] == [("kmem", True)]
        assert outcome(as_devdax(system)).totals["devdax"] == 2 * GIB


@pytest.mark.parametrize(("arch", "release"), [(X86, "6.1"), (X86, "6.12"), (ARM64, "6.1"), (ARM64, "6.12")])
def test_memory_is_counted_on_its_nodes(arch: str, release: str) -> None:
    tables = {"SRAT": srat(memory(0, 0, 2 * GIB), memory(1, 4 * GIB, 6 * GIB), memory(2, 8 * GIB, 9 * GIB))}
    above = [descriptor(4 * GIB, 2 * GIB), sp(8 * GIB, 9 * GIB)]
    rows = outcome(settled(machine(arch, release, above=above, tables={**tables, "HMAT": hmat(domain=2)}))).nodes
    assert [row.node for row in rows] == [0, 1, 2]
    assert rows[1].ram == 2 * GIB
    assert (rows[2].ram, rows[2].special) == (0, GIB)
    assert rows[0].cpus == "0-1"
    assert not rows[2].cpus


def test_a_range_over_two_nodes_is_told_in_two_parts() -> None:
    tables = {"SRAT": srat(*LOW, memory(1, 6 * GIB, 7 * GIB), memory(2, 7 * GIB, 8 * GIB)), "HMAT": None}
    found = outcome(settled(machine(tables=tables, config={"DEV_DAX_HMEM": "n"})))
    assert [(part.start, part.end, part.node) for part in found.parts] == [
        (6 * GIB, 7 * GIB, 1),
        (7 * GIB, 8 * GIB, 2),
    ]


def test_looking_leaves_no_line_in_the_log() -> None:
    system = settled(machine(ARM64, "6.1", tables={"SRAT": srat(*LOW, NODE_1), "HMAT": None}, config={"DAX": "m"}))
    before = system.log.lines
    outcome(system)
    assert system.log.lines == before
