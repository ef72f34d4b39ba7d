"""One way to name a machine, and one user space, for every command."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import cases
import pytest
from softreserve.cli import main
from softreserve.plugins.hooks import installed

MISSING = sorted({"x86", "hmem", "kexec"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

LOG = """\
[    0.000000] Linux version 6.12.0 (x)
[    0.000000] Command line: quiet
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] soft reserved
"""
TOML = """
cmdline = "quiet"
words = "after the log of Linux version 6.12.0"
[[e820]]
start = 0
size = "640K"
[[e820]]
start = "1M"
size = "2047M"
[[e820]]
start = "4G"
size = "2G"
type = "soft reserved"
"""
#: What to give each command besides a machine. ``serve`` and ``shell`` need FUSE; their help is looked at.
COMMANDS = {
    "boot": ["--emit", "iomem"],
    "diff": ["--cmdline", "+memmap=1G!4G"],
    "explain": ["4G"],
    "export": ["{tmp}/tree"],
    "kaslr": [],
    "kexec": [],
    "lint": [],
    "observe": ["--out", "{tmp}/out"],
    "run": ["{tmp}/steps.toml"],
}
FORMS = {
    "TOML file": ["{tmp}/machine.toml"],
    "TOML on standard input": ["-"],
    "log": ["dmesg:{tmp}/boot.log"],
    "log by what stands in it": ["{tmp}/boot.log"],
    "log by the old option": ["--from-dmesg", "{tmp}/boot.log"],
    "log by the old option, joined": ["--from-dmesg={tmp}/boot.log"],
    "log on standard input": ["-"],
    "log on standard input, by name": ["dmesg:-"],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_machine_in_every_form(
    name: str,
    form: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "boot.log").write_text(LOG)
    (tmp_path / "machine.toml").write_text(TOML)
    (tmp_path / "steps.toml").write_text('[[step]]\nname = "one"\nwrites = []\n')
    stdin = TOML if form.startswith("TOML") else LOG
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    words = [word.format(tmp=tmp_path) for word in (*FORMS[form], *COMMANDS[name])]
    status, err = main([name, *words]), capsys.readouterr().err
    assert status in (0, 1) or (name == "kaslr" and "no [image]" in err), err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither a kernel log nor a machine file (TOML)"),
        ("hello\n", "neither a kernel log nor a machine file (TOML)"),
        ("\x7fELF\x02\x01\n", "neither a kernel log nor a machine file (TOML)"),
        ("[kernel]\nrelase = '6.12'\n", "line 2: kernel.relase: unknown key"),
        ("cmdline = 'x\n", "line 1: "),
        ("??? BIOS-e820: [mem 0x0-0xfff] usable\n", "line 1: a line of a memory map that cannot be read"),
        ("BIOS-e820: [mem 0x0-0xfff] usable\n", "no line 'Linux version ...' in it"),
    ],
)
def test_what_is_neither_a_log_nor_a_machine_is_said_to_be_so(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    for name in (str(tmp_path / "file"), "-"):
        assert main(["boot", name]) == 2
        first = capsys.readouterr().err.splitlines()[0]
        assert first.startswith(f"softreserve: {name if name != '-' else 'standard input'}: {said}")


@pytest.mark.parametrize("spec", ["{tmp}/fifo", "/dev/zero", "/dev/null", "dmesg:{tmp}/fifo", "dmesg:/dev/zero"])
def test_only_regular_files_are_opened(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert main(["boot", spec.format(tmp=tmp_path)]) == 2
    path = spec.removeprefix("dmesg:").format(tmp=tmp_path)
    said = f"softreserve: {path}: not a regular file (- reads a pipe from standard input)\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("name", ["large.toml", "large.log"])
def test_a_file_larger_than_any_description_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(3 << 30)
    assert main(["boot", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.endswith(f"{name}: larger than 64 MiB, the most that is read\n")


def test_standard_input_without_an_end_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/zero") as zeros:
        monkeypatch.setattr("sys.stdin", zeros)
        assert main(["boot", "-"]) == 2
    assert capsys.readouterr().err == "softreserve: standard input: larger than 64 MiB, the most that is read\n"


# ---------------------------------------------------------------------------------------------------------- user space


@pytest.mark.parametrize("command", [["boot", "--emit", "dax"], ["run", "{steps}", "--emit", "dax"]])
def test_people_and_programs_see_a_machine_after_udev(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = tmp_path / "steps.toml"
    steps.write_text('[[step]]\nname = "one"\nwrites = []\n')
    name, *more = (word.format(steps=steps) for word in command)
    for words, there in (([], True), (["--userspace", "udev"], True), (["--userspace", "none"], False)):
        assert main([name, "example:two-node", *more, *words]) == 0
        assert ("dax0.0" in capsys.readouterr().out) == there


def test_an_export_is_of_a_machine_after_udev(tmp_path: Path) -> None:
    assert main(["export", "example:two-node", str(tmp_path / "tree")]) == 0
    assert (tmp_path / "tree/sys/bus/dax/devices/dax0.0").exists()
    assert main(["export", "example:two-node", str(tmp_path / "bare"), "--userspace", "none"]) == 0
    assert not (tmp_path / "bare/sys/bus/dax/devices/dax0.0").exists()


def test_the_kernels_own_files_of_a_recorded_boot_are_those_before_udev(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = cases.unpack("x86-6.12-two-node-hmat", tmp_path)
    assert main(["boot", str(case), "--emit", "dax"]) == 0
    assert "dax0.0" not in capsys.readouterr().out
    assert main(["boot", str(case), "--emit", "dax", "--userspace", "udev"]) == 0
    assert "dax0.0" in capsys.readouterr().out


def test_the_heading_says_what_user_space_did(capsys: pytest.CaptureFixture[str]) -> None:
    main(["boot", "example:two-node"])
    assert "userspace: udev, cxl_acpi, dax_hmem, device_dax, kmem loaded" in capsys.readouterr().out
    main(["boot", "example:two-node", "--userspace", "none"])
    assert "userspace: none, no module loaded" in capsys.readouterr().out
    main(["boot", "example:two-node", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["userspace"], found["modules"][:1]) == ("udev", ["cxl_acpi"])
