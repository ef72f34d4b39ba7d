"""``softreserve show-input``: what was understood of an input, what was taken for granted, what was left aside."""

from __future__ import annotations

import json
import lzma
import re
import shutil
from pathlib import Path
from typing import Any

import cases
import pytest
from softreserve.cli import main
from softreserve.config.account import told
from softreserve.plugins.hooks import installed
from test_host_archives import FILES
from test_importers import packed

MISSING = sorted({"x86", "hmem"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

#: Lines 2 to 6 and 9 tell something; 7 and 8 speak of memory; 1 and 10 do not even that.
LOG = """\
some words before
Linux version 6.12.0
Command line: quiet
BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff] usable
Memory: 4096000K/4194304K available
Node 0 said something that nobody has heard before
RAMDISK: [mem 0x36000000-0x37ffffff]
usb 1-1: new high-speed device
"""


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """The answer for programs."""
    status = main(["show-input", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    found: dict[str, Any] = json.loads(captured.out)
    return found


def states(parts: list[dict[str, str]]) -> dict[str, str]:
    return {part["name"].rpartition("/")[2]: part["state"] for part in parts}


def test_of_a_log_it_is_known_which_lines_told_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "boot.txt").write_text(LOG)
    found = shown(capsys, tmp_path / "boot.txt")
    assert found["kind"] == "a kernel log"
    (log,) = found["logs"]
    assert (log["boots"], log["messages"], log["used"]) == (1, 10, 6)
    assert log["used_lines"] == [[2, 6], [9, 9]]
    assert [number for number, _ in log["unused"]] == [7, 8]
    assert "the EFI memory map" in [gap["missing"] for gap in found["gaps"]]


def test_every_line_of_the_maps_of_a_recorded_log_told_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = lzma.decompress((Path(__file__).with_name("data") / "logs/x86-6.12-plain.txt.xz").read_bytes())
    (tmp_path / "log.txt").write_bytes(data)
    (log,) = shown(capsys, tmp_path / "log.txt")["logs"]
    unused = [message for _, message in log["unused"]]
    assert not [message for message in unused if re.match(r"BIOS-e820:|efi: mem\d|SRAT:|Command line", message)]
    assert "DMI: Memory slots populated: 1/1" in unused


def test_of_a_log_with_several_boots_the_last_one_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "boot.txt").write_text(LOG + LOG)
    (log,) = shown(capsys, tmp_path / "boot.txt")["logs"]
    assert log["boots"] == 2
    assert log["used_lines"] == [[12, 16], [19, 19]]


def test_of_tables_it_is_known_which_the_kernel_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = cases.unpack("x86-6.12-two-node-hmat", tmp_path)
    tables = case / "input/acpi"
    assert states(shown(capsys, case)["tables"]) == {
        "APIC": "ignored",  # on this architecture
        "HMAT": "used",
        "SLIT": "used",
        "SRAT": "used",
    }
    slit = bytearray((tables / "SLIT.bin").read_bytes())
    slit[44] = 11  # no node is at 11 from itself
    (tables / "SLIT.bin").write_bytes(slit)
    (tables / "BGRT.bin").write_bytes(b"BGRT" + (36).to_bytes(4, "little") + bytes(28))
    found = {part["name"]: part for part in shown(capsys, case)["tables"]}
    assert found["SLIT"]["state"] == "ignored"
    assert "a domain is not at 10 from itself" in found["SLIT"]["words"]
    assert "its checksum is wrong" in found["SLIT"]["words"]
    assert found["BGRT"] == {
        "name": "BGRT",
        "state": "ignored",
        "words": "36 B; it says nothing that decides about memory",
    }
    assert "2 cpu affinity" in found["SRAT"]["words"]
    srat = bytearray((tables / "SRAT.bin").read_bytes())
    srat[49 + 16] = 0  # the length of the second entry
    (tables / "SRAT.bin").write_bytes(srat)
    (tables / "HMAT.bin").write_bytes((tables / "HMAT.bin").read_bytes()[:39])
    slit[36] = 200  # more localities than it has room for
    (tables / "SLIT.bin").write_bytes(slit)
    assert main(["show-input", str(case)]) == 2  # a file that is cut off is no table
    assert "HMAT cut off" in capsys.readouterr().err
    (tables / "HMAT.bin").unlink()
    found = {part["name"]: part for part in shown(capsys, case)["tables"]}
    assert found["SLIT"]["state"] == "broken"
    assert "1 cpu affinity; its last 176 bytes are no whole entry" in found["SRAT"]["words"]


def test_of_a_capture_it_is_known_which_files_were_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = cases.unpack("x86-6.12-two-node-hmat", tmp_path)
    (case / "input/notes.txt").write_text("mine")
    with open(case / "input/kernel.toml", "a") as file:
        file.write('\n[later]\nsomething = "new"\n')
    found = shown(capsys, case)
    assert found["kind"] == "a capture of a recorded boot"
    files = states(found["files"])
    assert (files["efi-memmap.txt"], files["kernel.toml"], files["steps.toml"]) == ("used", "used", "used")
    assert (files["notes.txt"], files["expected"]) == ("ignored", "ignored")
    assert [key.partition(": ")[2] for key in found["ignored"]] == [f"later of {case}/input/kernel.toml"]


def test_of_a_machine_file_it_is_known_what_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.toml").write_text('[kernel]\nrelease = "6.1"\n[[efi_map]]\nstart = 0\nsize = "2G"\n')
    found = shown(capsys, tmp_path / "my.toml")
    assert found["kind"] == "a machine file"
    taken = {default["name"]: default["value"] for default in found["defaults"]}
    assert taken == {
        "cmdline": "empty",
        "phys_bits": "46",
        "hypervisor": "false",
        "la57": "false",
        "cpu_vendor": "AuthenticAMD",
        "kernel.arch": "x86_64",
        "kernel.page_size": "4096",
    }
    assert {fact["name"]: fact["value"] for fact in found["facts"]}["EFI memory map"] == (
        "1 descriptors, none specific purpose memory"
    )


def test_of_a_hosts_files_it_is_known_which_were_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed(tmp_path / "host.tar.gz", {**FILES, "etc/motd": "hello\n"})
    found = shown(capsys, tmp_path / "host.tar.gz")
    assert found["kind"] == "a tar archive of a host's files"
    names = [part["name"] for part in found["files"] if part["state"] == "used"]
    assert {"/proc/cmdline", "/sys/firmware/memmap/0/start"} <= set(names)
    assert not [name for name in names if "motd" in name or "/input/" in name]


def test_a_plugin_that_reads_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bank.py").write_text(
        "import softreserve as sr\nfrom softreserve.plugins.extensions import Importer\n"
        "@sr.hookimpl\ndef softreserve_importers():\n"
        "    return [Importer('lab', lambda place: sr.load('example:two-node'))]\n"
    )
    found = shown(capsys, "lab:one", "-p", tmp_path / "bank.py")
    assert "bank" in found["kind"]
    assert found["kind"].startswith("what the plugin ")


def test_people_are_shown_the_same_and_not_more_than_a_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = lzma.decompress((Path(__file__).with_name("data") / "logs/x86-6.12-plain.txt.xz").read_bytes())
    (tmp_path / "log.txt").write_bytes(data)
    assert main(["show-input", str(tmp_path / "log.txt")]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path}/log.txt: a kernel log\n" in out
    assert "others speak of memory; nothing was taken of them" in out
    assert "more (--all)" in out
    assert len(out.splitlines()) < 50
    assert main(["show-input", str(tmp_path / "log.txt"), "--all"]) == 0
    assert "more (--all)" not in capsys.readouterr().out


def test_an_input_that_cannot_be_read_is_told_as_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.toml").write_text("efi_map = 1\n")
    status = main(["show-input", str(tmp_path / "bad.toml")])
    first = capsys.readouterr()
    assert (status, first.out) == (2, "")
    assert main(["boot", str(tmp_path / "bad.toml")]) == 2
    assert capsys.readouterr().err == first.err
    assert told() is None


def test_a_machine_that_nobody_boots_here_is_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(Path(__file__).parents[1] / "core/src/softreserve/config/examples/two-node.toml", tmp_path / "m.toml")
    assert main(["show-input", str(tmp_path / "m.toml"), "-p", "no:x86"]) == 0
    assert re.search("^SRAT +used ", capsys.readouterr().out, re.MULTILINE)
