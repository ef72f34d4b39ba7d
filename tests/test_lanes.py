"""Lanes of recorded machines: every byte once, and nothing that the kernel does not show."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import cases
import pytest
from small_machines import ARM64, GIB, RAM, X86, machine, need, settled, sp
from softreserve import config
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiType
from softreserve.model.ranges import merged
from softreserve.plugins.extensions import Bar, Lane
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor
from softreserve.views.outcome import dax_ranges, outcome
from softreserve.views.picture.axis import Axis
from softreserve.views.picture.lanes import KINDS, Stage, cuts, lanes, overview, spans

CASES = [name for name in cases.names() if name.startswith(("x86-6.18", "x86-6.1-", "arm64-"))][::3]


def lanes_of(system: System, *brought: Lane) -> dict[str, Stage]:
    return {stage.key: stage for stage in lanes(system, outcome(system), brought)}


def covered(stage: Stage) -> list[tuple[int, int]]:
    return merged((stretch.start, stretch.end) for stretch in stage.stretches)


def bytes_of(spans: Iterable[tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans)


@pytest.mark.parametrize("name", CASES)
def test_every_byte_of_a_recorded_machine_is_in_each_lane_once(name: str, tmp_path: Path) -> None:
    described = config.load(cases.unpack(name, tmp_path), with_steps=False).machine
    if described.arch not in Selection().arches:
        pytest.skip(f"no plugin boots {described.arch}: pip install it")
    system = boot(described, Selection().hooks_for(described), userspace="udev")
    found = lanes_of(system)
    for stage in found.values():
        assert all(a.end <= b.start for a, b in pairwise(stage.stretches)), stage.key
        assert all(stretch.start < stretch.end and stretch.kind in KINDS for stretch in stage.stretches), stage.key
        assert bytes_of(covered(stage)) == sum(stretch.size for stretch in stage.stretches)
    top = [(int(a, 16), int(b, 16) + 1) for a, b in (line.split(" : ")[0].split("-") for line in _top(system))]
    assert covered(found["iomem"]) == merged(top)
    blocks = system.memory.blocks
    assert bytes_of(covered(found["blocks"])) == len(blocks) * system.memory.block_size
    devices = covered(found["dax"]) if "dax" in found else []
    assert devices == merged((start, end) for start, end, _ in dax_ranges(system))
    special = found["outcome"].stretches if "outcome" in found else ()
    assert sum(stretch.size for stretch in special) == outcome(system).total
    if described.efi_map is not None:
        assert covered(found["efi"]) == merged((d.start, d.start + d.size) for d in described.efi_map if d.size)
    axis = Axis.over(cuts(found.values()), spans(found.values()))
    assert {at for stage in found.values() for s in stage.stretches for at in (s.start, s.end)} == {
        at for piece in axis.pieces for at in (piece.start, piece.end)
    }
    whole = overview(found.values())
    assert all(a.end <= b.start for a, b in pairwise(whole))
    assert merged((s.start, s.end) for s in whole) == merged(
        [*covered(found["iomem"]), *((s.start, s.end) for s in special)]
    )


def _top(system: System) -> list[str]:
    return [line for line in system.iomem.lines() if not line.startswith(" ")]


def test_tables_that_are_alike_are_one_lane() -> None:
    need(X86)
    found = lanes_of(settled(machine()))
    tables = [(stage.title, stage.words) for key, stage in found.items() if key.startswith("e820")]
    # the kernel's own keeps the first page, and what is between EBDA and 1 MiB
    assert tables == [("e820 firmware, kexec", "for firmware and kexec"), ("e820 kernel", "for kernel")]
    own = found["e820-kernel"].stretches
    assert (own[0].start, own[0].end, own[0].label) == (0, 4096, "reserved")
    assert "memblock" not in found


def test_without_e820_the_early_allocators_memory_is_shown() -> None:
    need(ARM64)
    found = lanes_of(settled(machine(arch=ARM64)))
    assert not [key for key in found if key.startswith("e820")]
    last = found["memblock"].stretches[-1]
    assert (last.start, last.end, last.label, last.node) == (6 * GIB, 8 * GIB, "memory", 1)


def test_descriptors_that_overlap_are_said_to() -> None:
    need(X86)
    above = [RAM, sp(6 * GIB, 8 * GIB), descriptor(7 * GIB, 2 * GIB, EfiType.RESERVED)]
    efi = lanes_of(settled(machine(above=above)))["efi"].stretches
    assert [(s.start // GIB, s.end // GIB, s.label, s.kind) for s in efi[-3:]] == [
        (6, 7, "specific purpose, conventional", "special"),
        (7, 8, "specific purpose, conventional / reserved", "conflict"),
        (8, 9, "reserved", "reserved"),
    ]


def test_what_became_of_it_is_told_as_elsewhere() -> None:
    need(X86)
    system = settled(machine(above=[RAM, sp(6 * GIB + 4096, 8 * GIB)], tables={"HMAT": None}))
    (stretch,) = lanes_of(system)["outcome"].stretches
    assert (stretch.label, stretch.kind) == ("soft reserved, no dax device", "lost")


def test_a_plugins_lane_comes_last_as_it_is() -> None:
    need(X86)
    lane = Lane("thermal", (Bar(GIB, 2 * GIB, "hot"),), words="where it is hot", plugin="heat")
    stage = list(lanes_of(settled(machine()), lane).values())[-1]
    assert (stage.title, stage.words, stage.plugin) == ("thermal", "where it is hot", "heat")
    assert [(s.start, s.end, s.label, s.kind) for s in stage.stretches] == [(GIB, 2 * GIB, "hot", "other")]


def test_offline_memory_is_no_memory_in_use() -> None:
    need(X86)
    found = lanes_of(settled(machine(cmdline="memhp_default_state=offline")))
    kinds = {stretch.label.partition(": ")[2]: stretch.kind for stretch in found["blocks"].stretches}
    assert kinds["offline"] == "offline"
    assert [s.kind for s in found["outcome"].stretches] == ["offline"]
