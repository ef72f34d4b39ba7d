"""What alignment leaves of a range, kernel by kernel, and the page that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from softreserve.cli import main
from softreserve.model.errors import MachineError
from softreserve.model.ranges import PhysRange
from softreserve.model.release import RELEASES
from softreserve.plugins.selection import Selection
from softreserve.views.alignment import answer

PAGE = Path(__file__).parents[1] / "docs" / "alignment.md"
MIB = 1 << 20
COMMANDS = re.findall(r"^\$ softreserve (align .*)$", PAGE.read_text(), re.MULTILINE)

pytestmark = pytest.mark.skipif(
    not {"x86", "arm64", "hmem"} <= set(Selection().installed),
    reason="needs the plugins x86, arm64 and hmem: install them",
)


@pytest.fixture(autouse=True)
def _arches_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another plugin may boot more."""
    both = {arch: names for arch, names in Selection().arches.items() if arch in ("x86_64", "arm64")}
    monkeypatch.setattr(Selection, "arches", property(lambda self: both))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_holds_what_the_program_prints(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 0
    assert f"$ softreserve {command}\n```\n\n{capsys.readouterr().out}\n" in PAGE.read_text()


def test_the_page_shows_a_range_at_least() -> None:
    assert COMMANDS


def test_a_label_of_2_mib_costs_what_was_said_in_january_2021(capsys: pytest.CaptureFixture[str]) -> None:
    """1022 MiB with memory blocks of 1 GiB; with 128 MiB it is the rest of one block."""
    assert main(["align", "0x880200000", "2046M", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    lost = {
        (r["arch"], r["releases"][0]): 2046 - r["kmem"] // MIB
        for r in rows
        if r["page_size"] == 4096 and not r["large"]
    }
    assert lost == {("arm64", "5.5"): 1022, ("arm64", "6.1"): 126, ("arm64", "7.0"): 2046, ("x86_64", "5.5"): 126}
    assert all(r["devdax"] == 0 for r in rows if r["page_size"] > 4096)


def test_kernels_that_have_the_blocks_already_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """``drivers/firmware/efi/efi-init.c`` of 5.10: soft reserved memory is in memblock, unmapped, with sections."""
    assert main(["align", "0x8a0000000", "1536M", "--json"]) == 0
    refused = json.loads(capsys.readouterr().out)["refused"]
    named = [line.partition(": ")[0] for line in refused]
    assert named == [f"arm64, {size}K pages, 5.5 to 5.10" for size in (4, 16, 64)]
    assert main(["align", "0x8a0000000", "1536M"]) == 0
    assert capsys.readouterr().out.endswith("\n\n" + "\n\n".join(refused) + "\n")


@pytest.mark.parametrize(
    ("start", "release", "page", "lost"),
    [
        (0x200200000, "6.12", 4096, 126 * MIB),
        (0x200200000, "6.12", 65536, 4094 * MIB),
        (0x208000000, "6.12", 65536, 3968 * MIB),
        (0x220000000, "6.12", 65536, 0),
        (0x200100000, "6.12", 4096, 4095 * MIB),
    ],
)
def test_what_alignment_takes_from_a_range_up_to_12_gib(start: int, release: str, page: int, lost: int) -> None:
    where = PhysRange(start, 0x300000000)
    (row,) = (
        r
        for r in answer(where, Selection()).rows
        if (r.arch, r.page_size, r.large) == ("arm64", page, False) and release in r.releases
    )
    assert where.size - row.kmem == lost


def test_without_a_dax_bus_there_is_no_answer() -> None:
    with pytest.raises(MachineError, match="no installed plugin has a dax bus"):
        answer(PhysRange(0x200000000, 0x300000000), Selection(["no:hmem"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["4G", "0"], "an empty range"),
        (["here", "1G"], "wanted a size"),
        (["1G", "1G"], "must begin at 0x80000000 or above"),
        (["4G", "100"], "multiples of 4096"),
        (["0xfffffffff0000000", "512M"], "the range ends at 0x10000000010000000; addresses have 64 bits"),
        (["4G", "100000000000000000000"], "does not fit into 64 bits"),
        (
            ["2G", "100P"],
            "no kernel can have memory at 0x19000007fffffff: arm64, 4K pages, up to {newest}: memory ends at",
        ),
    ],
)
def test_ranges_that_cannot_be_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", *arguments]) == 2
    err = capsys.readouterr().err
    assert said.format(newest=RELEASES[-1]) in err
    assert err.count("\n") == 1


def test_kernels_that_cannot_address_a_range_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", "64T", "1G", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert {row["arch"] for row in found["rows"]} == {"arm64"}
    assert found["left_out"] == [f"x86_64, 4K pages, up to {RELEASES[-1]}: memory ends at 0x400000000000"]
    assert err == f"softreserve: left out: {found['left_out'][0]}\n"


@pytest.mark.parametrize(("start", "size"), [("63T", "1T"), ("4G", "60T"), ("65G", "1G"), ("64G", "65472G")])
def test_ranges_up_to_the_last_address_are_answered(start: str, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", start, size, "--json"]) == 0
    out, err = capsys.readouterr()
    assert "x86_64" in {row["arch"] for row in json.loads(out)["rows"]}
    assert err == ""


def test_large_sizes_are_told_to_the_last_mebibyte(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", "4G", "3145730M"]) == 0
    assert "| 3145728 MiB | 2 MiB |" in capsys.readouterr().out


def test_on_a_terminal_the_table_fits_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["align", "0x880200000", "2046M"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert not any("|" in line for line in lines)
    assert f"x86_64, 4K pages, RAM beyond 64 GiB  5.5 to {RELEASES[-1]}" in lines
