"""What alignment leaves of a range, kernel by kernel, and the page that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from softreserve.cli import main
from softreserve.plugins.selection import Selection

PAGE = Path(__file__).parents[1] / "docs" / "alignment.md"
MIB = 1 << 20
COMMANDS = re.findall(r"^\$ softreserve (align .*)$", PAGE.read_text(), re.MULTILINE)

pytestmark = pytest.mark.skipif(not {"x86_64", "arm64"} <= set(Selection().arches), reason="needs x86 and arm64")


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
    assert lost == {("arm64", "5.5"): 1022, ("arm64", "6.1"): 126, ("x86_64", "5.5"): 126}
    assert all(r["devdax"] == 0 for r in rows if r["page_size"] > 4096)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["4G", "0"], "an empty range"),
        (["here", "1G"], "wanted a size"),
        (["1G", "1G"], "must begin at 0x80000000 or above"),
        (["4G", "100"], "multiples of 4096"),
    ],
)
def test_ranges_that_cannot_be_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_on_a_terminal_the_table_fits_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["align", "0x880200000", "2046M"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert not any("|" in line for line in lines)
    assert "x86_64, 4K pages, RAM beyond 64 GiB  5.5 to 6.12" in lines
