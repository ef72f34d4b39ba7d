from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.config import load
from softreserve.config.log import read_log
from softreserve.model.errors import ConfigError, MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.names import name_problem, plain_name, release_problem

#: What means something to a shell, its prompt, a terminal, a path or a format string.
SPECIAL = set("$`\\!%#;&|<>(){}[]*?'\"/^") | set(map(chr, range(0x20))) | {"\x7f", "\x9b", "\u202e", "\udcff"}
EVIL = "$(touch x)"


@pytest.mark.parametrize("name", ["two-node", "my server", "rack_7.node+2", "b1:eth0", "büro", "x" * 255, ".hidden"])
def test_what_people_call_machines_is_a_name(name: str) -> None:
    assert name_problem(name) is None
    assert plain_name(name) == name


@given(st.text() | st.builds("a{}b".format, st.sampled_from(sorted(SPECIAL))))
def test_nothing_in_a_name_means_anything_to_a_shell_or_a_terminal(text: str) -> None:
    assert name_problem(text) is not None or not SPECIAL & set(text)
    assert not (SPECIAL - {"?"}) & set(plain_name(text))
    assert release_problem(text) is not None or not SPECIAL & set(text)


@pytest.mark.parametrize("name", ["", "-x", " x", EVIL, "x" * 256])
def test_no_machine_is_made_with_another_name(name: str) -> None:
    with pytest.raises(MachineError, match=r"wanted .*, not "):
        Machine(name, Kernel("6.1", "x86_64"))


@pytest.mark.parametrize("release", ["6.1.0`x`", "6.1 x", "6.1\n", "6.1/../..", "6.1" + "x" * 62])
def test_no_kernel_is_made_with_another_release(release: str) -> None:
    assert Kernel("6.12.117+deb12-amd64~rc1", "x86_64").base == "6.12"
    with pytest.raises(MachineError, match=r"wanted .*, not "):
        Kernel(release, "x86_64")


MACHINE = 'efi_map = [{ start = 0, size = "1G" }]\n'
KERNEL = "kernel.arch = 'x86_64'\n"


def test_a_name_in_a_machine_file_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "evil.toml"
    file.write_text(f"{MACHINE}name = '{EVIL}'\n[kernel]\nrelease = '6.1{EVIL}'\narch = 'x86_64'\n")

    with pytest.raises(ConfigError) as refused:
        load(file)

    release, name = refused.value.problems
    assert name.startswith(f"{file}: line 2: name: wanted letters, digits")
    assert release.startswith(f"{file}: line 4: kernel.release: wanted letters, digits")


def test_a_file_s_or_directory_s_name_is_refused_where_it_would_be_the_machine_s(tmp_path: Path) -> None:
    file = tmp_path / f"{EVIL}.toml"
    file.write_text(MACHINE + KERNEL)
    with pytest.raises(ConfigError, match=r"without `name` the file's name is the machine's: wanted"):
        load(file)
    file.write_text(f"{MACHINE}{KERNEL}name = 'good'\n")
    assert load(file).machine.name == "good"

    capture = tmp_path / EVIL / "input"
    capture.mkdir(parents=True)
    (capture / "efi-memmap.txt").write_text(
        "efi: mem00: [Conventional|  |  |  |  |  |  |  |  |   |WB|  |  |  ] range=[0x0-0xfff] (0MB)\n"
    )
    (capture / "cmdline.txt").write_text("")
    (capture / "kernel.toml").write_text('release = "6.12"\narch = "x86_64"\n')
    for where in (capture, capture.parent):
        with pytest.raises(ConfigError, match=r"\$\(touch x\): the directory's name is the machine's: wanted"):
            load(where)

    log = tmp_path / f"{EVIL}.log"
    log.write_text("Linux version 6.12\nBIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n")
    assert read_log(str(log)).machine.name == "log"  # which nobody chose
