"""Wrong plugins: whatever is wrong with one, a command says so in a line; right ones of every kind are left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from softreserve.cli import main
from softreserve.plugins.selection import Selection
from softreserve.testing import first_problem
from wrong import Row, install, plugin_of, toy
from wrong.corpus import KIT, ROWS, UNTOLD

#: A small machine of the toy: all kinds of memory, two nodes.
MACHINE = f"""
cpus = 2
kernel = {{ arch = "{toy.ARCH}", release = "6.12" }}
image = {{ code = {{ start = "32M", size = "16M" }}, data = {{ start = "64M", size = "4M" }} }}
efi_map = [
    {{ start = 0, size = "640K" }},
    {{ start = "1M", size = "255M" }},
    {{ type = "boot services data", start = "256M", size = "16M" }},
    {{ type = "runtime services data", start = "272M", size = "1M", attributes = "RUNTIME|WB" }},
    {{ type = "reserved", start = "273M", size = "15M" }},
    {{ start = "512M", size = "512M" }},
    {{ start = "4G", size = "256M", attributes = "WB|SP" }},
    {{ start = "5G", size = "128M" }},
]

[acpi.srat]
cpus = [{{ domain = 0, count = 1 }}, {{ domain = 1, count = 1 }}]
memory = [{{ domain = 0, start = 0, size = "1G" }}, {{ domain = 1, start = "4G", size = "2G" }}]
"""

#: Kinds whose plugins are asked by the dax bus.
_ON_THE_BUS = {"dax", "driver", "capacity", "claim"}


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong plugins write files where the program was started: that is nobody's repository, whoever runs this."""
    monkeypatch.chdir(tmp_path)


def skip_without_its_bus(row: Row) -> None:
    """Skip a plugin that nobody asks where no memory becomes a dax device, or is added by a driver of one."""
    asked = row.kind in _ON_THE_BUS or "memory_added" in row.hooks or row.name == "module-of-the-cores"
    if asked and "hmem" not in Selection().installed:
        pytest.skip("nothing asks this plugin without a dax bus: pip install ./plugins/hmem")


def carry_out(row: Row, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Install a plugin, and give the command at which it shows; returns the exit code."""
    skip_without_its_bus(row)
    beside = [] if row.kind == "arch" else [ROWS["arch"]]
    if "kexec" not in Selection().installed:
        beside.append(ROWS["toy-kexec"])
    for one in {each.name: each for each in (row, *beside)}.values():
        install(one, folder)
    monkeypatch.syspath_prepend(folder)
    if row.name == "toy-kexec" and "kexec" in Selection().installed:
        monkeypatch.setenv("SOFTRESERVE_PLUGINS", "no:kexec")
    # the one that is tried is loaded last: it is asked first
    named = [word for one in (*beside, row) if one.kind != "arch" for word in ("-p", one.name)]
    machine = folder / "toy.toml"
    machine.write_text(MACHINE + ('\n[toy]\nsize = "4G"\n' if row.kind == "section" else ""))
    command, *options = row.at.split()
    place = "toy:place" if row.kind == "importer" else str(machine)
    words = {
        "boot": ["boot", place],
        "lint": ["lint", place],
        "kaslr": ["kaslr", place],
        "kexec": ["kexec", place, "--syscall", "kexec_load"],
        "export": ["export", place, str(folder / "exported")],
    }
    if command not in words:
        return main(["-p", row.name, command, *options])
    return main([*words[command], *named, *options])


def rows(seen: str) -> list[Row]:
    return [row for row in ROWS.values() if row.how and row.seen == seen and row.name not in UNTOLD]


@pytest.mark.parametrize("row", rows("commands") + rows("pair"), ids=lambda row: row.name)
def test_a_command_says_in_a_line_what_is_wrong_with_a_plugin(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = carry_out(row, tmp_path, monkeypatch)
    *_, line = capsys.readouterr().err.splitlines() or [""]
    assert code == 3, f"{row.how}: exit code {code}; {line}"
    assert len(line) <= 500
    assert line.startswith("softreserve: ")
    assert row.name in line
    assert re.search("|".join(row.says), line, re.IGNORECASE), f"{row.how}: {line}"


@pytest.mark.parametrize("row", [row for row in ROWS.values() if not row.how], ids=lambda row: row.name)
def test_a_right_plugin_is_left_alone(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carry_out(row, tmp_path, monkeypatch) in (0, 1)
    assert "softreserve: plugin" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", KIT)
def test_the_kit_turns_red_and_names_plugin_and_hook(name: str) -> None:
    row = ROWS[name]
    skip_without_its_bus(row)
    arch = toy.ARCH if row.kind == "arch" else None
    told = first_problem(plugin_of(row), arch, limit=2, fresh=False)
    assert told is not None, row.how
    assert name in told
    assert "softreserve_" in told


@pytest.mark.parametrize("name", ["offer", "toy-kexec", "importer", "cli"])
def test_the_kit_leaves_alone_what_is_right(name: str) -> None:
    """What offers a range beside another device; what loads kernels beside another plugin that does."""
    skip_without_its_bus(ROWS[name])
    assert first_problem(plugin_of(ROWS[name]), fresh=False) is None
