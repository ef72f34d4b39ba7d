"""``softreserve sweep``: one machine with many questions, and other places for its memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import small_machines
from many_nodes import machine_text
from softreserve.cli import main
from softreserve.model.acpi.srat import MemoryAffinity, Srat
from softreserve.model.acpi.tables import Header
from softreserve.model.machine import Machine
from softreserve.testing.machines import SPECIFIC_PURPOSE, descriptor, sample_machine
from softreserve.views.fleet.layout import cost, relaid

M = 1 << 20
#: Addresses a gibibyte from each other.
A, B, C, D, E = (number << 30 for number in range(8, 13))


@pytest.fixture
def machine(tmp_path: Path) -> str:
    small_machines.need("x86_64")
    (tmp_path / "m.toml").write_text(machine_text("beta", 1, 1))
    return str(tmp_path / "m.toml")


def swept(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["sweep", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_sweep_asks_every_combination(machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    overs = ["--over", "kernel=6.12,7.3", "--over", "page_size=4K", "--over", "cmdline=+a=1,2", "--over", "cmdline=+"]
    found = swept(capsys, machine, *overs, "--kernel", "6.1", "-o", str(out))
    assert found["axes"] == {"kernel": ["6.12", "7.3"], "page-size": ["4K"], "cmdline": ["+a=1,2", "+"]}
    assert [row["question"] for row in found["rows"]] == [
        f"--kernel {kernel} --cmdline {cmdline} --page-size 4K"
        for kernel in ("6.12", "7.3")
        for cmdline in ("+a=1,2", "+")
    ]
    assert [row["release"] for row in found["rows"]] == ["6.12", "6.12", "7.3", "7.3"]
    assert [json.loads(line) for line in out.read_text().splitlines()] == found["rows"]
    assert found["layouts"] == []


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("kernels=7.3", "did you mean 'kernel'?"),
        ("kernel", "wanted AXIS=VALUES"),
        ("kernel=7.3,", "kernel: a value is missing"),
        ("kernel=new", "unknown kernel release 'new'"),
        ("userspace=udef", "did you mean 'udev'?"),
        ("layout=inwards:2M", "did you mean 'inward'?"),
        ("layout=inward", "wanted as-is, or steps of join, inward:SIZE"),
        ("layout=inward:2X", "wanted a size"),
        ("layout=inward:5", "no multiple of an EFI page"),
    ],
)
def test_what_cannot_be_varied_is_told_before_anything_is_asked(
    machine: str, over: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", machine, "--over", over]) == 2
    assert said in capsys.readouterr().err


def laid(*ranges: tuple[int, int]) -> Machine:
    """A machine with specific purpose ranges, a node each that the SRAT has."""
    machine = sample_machine("x86_64", above=[descriptor(a, b - a, attribute=SPECIFIC_PURPOSE) for a, b in ranges])
    entries = [MemoryAffinity(proximity_domain=n, base=a, size_bytes=b - a) for n, (a, b) in enumerate(ranges, 1)]
    srat = Srat(entries, header=Header(signature=b"SRAT", revision=3)).sealed()
    return attrs.evolve(machine, acpi={"SRAT": srat})


def places(machine: Machine) -> list[tuple[int, int]]:
    return [(d.start, d.start + d.size) for d in machine.efi_map or () if d.is_special_purpose]


@pytest.mark.parametrize(
    ("layout", "ranges", "wanted", "named"),
    [
        ("as-is", [(A + M, B)], [(A + M, B)], None),
        ("inward:2M", [(A + M, B - M)], [(A + 2 * M, B - 2 * M)], None),
        ("outward:2M", [(A + M, B - M)], [(A, B)], [(A, B)]),
        ("move:2M", [(A + M, B)], [(A + 2 * M, B + M)], [(A + 2 * M, B + M)]),
        ("move:2M", [(A + M, B), (B, C)], [(A + M, B), (B, C)], None),
        ("join", [(A, B), (B, C), (D, E)], [(A, C), (D, E)], None),
        ("split:1G", [(A + M, C)], [(A + M, B), (B, C)], None),
        ("apart:2M", [(A, B), (B, C)], [(A, B), (B + 2 * M, C)], None),
        ("join+inward:2M", [(A + M, B), (B, C - M)], [(A + 2 * M, C - 2 * M)], None),
    ],
)
def test_a_layout_moves_ranges_and_the_srat_follows(
    layout: str, ranges: list[tuple[int, int]], wanted: list[tuple[int, int]], named: list[tuple[int, int]] | None
) -> None:
    machine = laid(*ranges)
    found = relaid(machine, layout)
    assert places(found) == wanted
    srat = Srat.found_in(found.acpi)
    assert srat is not None
    entries = [(e.base, e.end) for e in srat.entries if isinstance(e, MemoryAffinity)]
    assert entries == (named or ranges)
    assert sum(found.acpi["SRAT"]) & 0xFF == 0
    # nothing of the memory is gone: what is no longer marked is RAM
    sizes = [sum(d.size for d in one.efi_map or ()) for one in (machine, found)]
    assert sizes[0] <= sizes[1]


def test_what_a_layout_costs_is_what_is_otherwise_in_the_map() -> None:
    machine = laid((A + M, B))
    assert cost(machine.efi_map, relaid(machine, "inward:2M").efi_map) == (M, 0)
    assert cost(machine.efi_map, relaid(machine, "move:2M").efi_map) == (2 * M, 0)
    assert cost(machine.efi_map, relaid(machine, "split:512M").efi_map) == (0, 1)


def test_a_search_finds_layouts_that_lose_less_and_shows_none_that_another_beats(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small_machines.need("x86_64")
    found = swept(capsys, "example:unaligned", "--over", "kernel=6.12,7.3", "--over", "layout=search")
    layouts = {one["layout"]: one for one in found["layouts"]}
    front = [one for one in found["layouts"] if one["on_front"]]
    assert len(layouts) > 20
    assert [one["on_front"] for one in found["layouts"]][: len(front)] == [True] * len(front)
    assert front[0]["lost"] < layouts["as-is"]["lost"] // 100
    keys = ("lost", "lost_as_system_ram", "changed", "descriptors")
    for one in front:
        for other in layouts.values():
            better = [other[key] <= one[key] for key in keys] + [other["total"] >= one["total"]]
            worse = [other[key] < one[key] for key in keys] + [other["total"] > one["total"]]
            assert not (all(better) and any(worse)), (one, other)
    assert main(["sweep", "example:unaligned", "--over", "layout=search"]) == 0
    assert "as-is" in capsys.readouterr().out
