"""``softreserve run`` and ``observe``: what steps expect, and what they may not do unasked."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hosts import booted, said, unavailable
from softreserve import config
from softreserve.cli import main
from softreserve.live import fuse
from softreserve.live.fuse import FuseError
from softreserve.live.shell import SessionError, runner
from softreserve.plugins.selection import Selection

pytestmark = pytest.mark.skipif(
    not {"x86", "hmem"} <= set(Selection().installed), reason="not installed here: softreserve-x86, softreserve-hmem"
)

MACHINE = "example:two-node"
OLD = ["--kernel", "6.1"]
MACHINES = Path(config.__file__).with_name("examples")
PATIENCE = 60

RECORD = """
[[step]]
name = "0001"
writes = [["/sys/bus/dax/drivers/device_dax/unbind", "dax0.0"]]
result = 0

[[step]]
name = "0002"
run = "modprobe kmem"
status = 0

[[step]]
name = "0003"
writes = [["/sys/bus/dax/devices/dax0.0/size", "1"], ["/sys/bus/dax/devices/dax0.0/size", "0x40000000"]]
result = ["-EINVAL", 0]
"""
PROGRAMS = """
[[step]]
name = "01-policy"
run = "echo offline > /sys/devices/system/memory/auto_online_blocks"

[[step]]
name = "02-programs"
run = "touch {0}/was-here /etc/softreserve-was-here; cat /sys/devices/system/memory/auto_online_blocks"

[kexec]

[[kexec.step]]
name = "01-evil"
run = "rm -rf {0} \\u001b[2K"
"""


def run(
    *arguments: str, capsys: pytest.CaptureFixture[str], command: str = "run", machine: str = MACHINE
) -> tuple[int, str, list[str]]:
    status = main([command, machine, *arguments])
    out, err = capsys.readouterr()
    return status, out, err.splitlines()


def steps(tmp_path: Path, text: str) -> str:
    path = tmp_path / "steps.toml"
    path.write_text(text)
    return str(path)


def test_a_record_gives_the_same_again_on_its_own_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(steps(tmp_path, RECORD), *OLD, capsys=capsys)

    assert (status, err) == (0, [])
    assert "size <- 1 : -EINVAL\n" in out
    assert "differs" not in out


def test_a_record_of_another_kernel_tells_what_goes_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = steps(tmp_path, RECORD)
    status, out, err = run(file, capsys=capsys)

    unbind = "/sys/bus/dax/drivers/device_dax/unbind <- dax0.0 : -ENODEV, expected 0"
    size = "/sys/bus/dax/devices/dax0.0/size <- 0x40000000 : -EBUSY, expected 0"
    assert status == 1
    assert re.findall(r"\[differs\] (.*)", out) == [unbind, size]
    assert err == [f"softreserve: {file}: 2 of 3 steps went otherwise than they say; the first: step 0001: {unbind}"]


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        ('run = "modprobe nix"\nstatus = 0', "status 1, expected 0"),
        ('run = "modprobe nix"\nstatus = 1', None),
        (
            'run = "lsmod"\noutput = "Module                  Size  Used by\\nnix\\n"',
            "line 2 of the output is 'kmem                   16384  0', expected 'nix'",
        ),
        ('run = "modprobe kmem"\noutput = "x\\n"', "line 1 of the output is nothing more, expected 'x'"),
        ('run = "modprobe kmem"\noutput = ""', None),
        ('writes = [["/sys/x", "1"], ["/sys/y", "1"]]\nresult = -2', None),
        ('writes = [["/sys/x", "1"]]\nresult = 3', "/sys/x <- 1 : -ENOENT, expected short 3"),
    ],
)
def test_what_a_step_expects_decides_the_exit_code(
    words: str, differs: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(steps(tmp_path, f"[[step]]\n{words}\n"), capsys=capsys)

    assert status == (0 if differs is None else 1)
    assert (f"[differs] {differs}\n" in out) == (differs is not None)


def test_without_an_expectation_the_last_step_s_status_is_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(steps(tmp_path, '[[step]]\nrun = "insmod"\n'), capsys=capsys)[0] == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ('writes = [["/sys/x", "1"]]\nresult = "EBUSY"', "line 3: step[0].result: wanted 0, a number of bytes, -errno"),
        ('writes = [["/sys/x", "1"]]\nresult = "-ENIX"', "line 3: step[0].result: wanted 0, a number of bytes, -errno"),
        ('writes = [["/sys/x", "1"]]\nresult = true', "line 3: step[0].result: wanted 0, a number of bytes, -errno"),
        ('writes = [["/sys/x", "1"]]\nresult = [0, 0]', "line 3: step[0].result: wanted 1 answers, one for each write"),
        ('writes = [["/sys/x", "1"]]\nstatus = 0', "line 3: step[0].status: goes with run"),
        ('run = "lsmod"\nresult = 0', "line 3: step[0].result: goes with writes"),
        ('run = "lsmod"\nstatus = "0"', "line 3: step[0].status: wanted a whole number"),
    ],
)
def test_an_expectation_that_cannot_be_met_is_a_mistake_with_its_line(
    words: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = steps(tmp_path, f"[[step]]\n{words}\n")
    status, _, err = run(file, capsys=capsys)

    assert status == 2
    assert err[0].startswith(f"softreserve: {file}: {problem}")


# --- programs


@pytest.fixture
def evil(tmp_path: Path) -> str:
    """Steps with programs that would do harm."""
    return steps(tmp_path, PROGRAMS.format(tmp_path))


def test_programs_of_a_file_do_not_run_unasked(evil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(evil, capsys=capsys)

    assert (status, out) == (2, "")
    assert err[0] == f"softreserve: {evil}: these steps run programs, which takes --run-programs:"
    assert err[1].startswith(f"softreserve: step 02-programs: touch {tmp_path}/was-here")
    assert len(err) == 2
    assert not (tmp_path / "was-here").exists()


def test_steps_can_be_left_out(evil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(evil, "--skip-unrunnable", capsys=capsys)

    assert status == 0
    assert "# 01-policy: 0\n" in out
    assert err[0].startswith("softreserve: step 02-programs not run: needs programs: touch ")
    assert not (tmp_path / "was-here").exists()


def test_a_step_that_cannot_be_run_is_a_failure(
    evil: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuse, "_DEVICE", "/dev/fuse-of-tomorrow")

    status, _, err = run(evil, "--run-programs", capsys=capsys)

    assert status == 1
    assert err[0].startswith("softreserve: mounting needs /dev/fuse-of-tomorrow: modprobe fuse")
    assert err[1].startswith("softreserve: step 02-programs not run: needs programs: ")
    assert "1 of 2 steps went otherwise than they say; the first: step 02-programs: not run" in err[2]
    assert run(evil, "--run-programs", "--skip-unrunnable", capsys=capsys)[0] == 0


def test_observe_leaves_programs_out_unasked_and_says_so(
    tmp_path: Path, evil: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = tmp_path / "machine.toml"
    machine.write_text((MACHINES / "two-node.toml").read_text() + Path(evil).read_text())
    out = tmp_path / "out"

    status, _, err = run("--out", str(out), command="observe", machine=str(machine), capsys=capsys)

    assert status == 0
    assert [line.partition(": needs")[0] for line in err] == [
        "softreserve: not run: step 02-programs",
        "softreserve: not run: step 01-evil",
        "softreserve: steps that name programs take --run-programs",
    ]
    assert (out / "steps/01-policy/status").read_text() == "0\n"
    assert not (out / "steps/02-programs/status").exists()
    assert tmp_path.exists()


@pytest.fixture
def able() -> None:
    """Skip, or fail, where there are no sealed sessions."""
    try:
        with runner(booted(MACHINE)) as run:
            assert run("true") == (0, "")
    except (FuseError, SessionError) as error:
        unavailable(str(error))


@pytest.mark.fuse
@pytest.mark.usefixtures("able")
def test_programs_that_were_agreed_to_see_the_machine_and_leave_the_host_alone(
    evil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(evil, "--run-programs", capsys=capsys)

    assert (status, err) == (0, [])
    assert out.endswith("offline\n")
    assert "touch: cannot touch '/etc/softreserve-was-here'" in out
    assert not (tmp_path / "was-here").exists()
    assert not Path("/etc/softreserve-was-here").exists()


@pytest.mark.fuse
@pytest.mark.usefixtures("able")
def test_a_program_that_is_missing_is_a_step_that_could_not_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = steps(tmp_path, '[[step]]\nname = "go"\nrun = "no-such-program -x"\n')
    status, _, err = run(file, "--run-programs", capsys=capsys)

    assert status == 1
    assert re.fullmatch(r"softreserve: step go not run: a program is missing: .*no-such-program: not found", err[0])
    assert run(file, "--run-programs", "--skip-unrunnable", capsys=capsys)[0] == 0
    Path(file).write_text(Path(file).read_text() + "status = 127\n")
    assert run(file, "--run-programs", capsys=capsys)[0] == 0


@pytest.mark.fuse
@pytest.mark.usefixtures("able")
def test_programs_after_a_kexec_are_sealed_off_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = tmp_path / "marker"
    marker.write_text("here")
    machine = tmp_path / "machine.toml"
    words = (MACHINES / "two-node.toml").read_text()
    machine.write_text(f'{words}\n[kexec]\n[[kexec.step]]\nrun = "uname -s; rm -rf {tmp_path}; ls {tmp_path}"\n')
    out = tmp_path / "out"

    status, _, err = run("--run-programs", "--out", str(out), command="observe", machine=str(machine), capsys=capsys)

    assert (status, err) == (0, [])
    assert "No such file" in (out / "kexec/steps/01/output.txt").read_text()
    assert marker.read_text() == "here"


@pytest.mark.fuse
@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 2), ("", 2)])
def test_on_a_terminal_a_person_is_shown_the_words_and_asked(answer: str, status: int, tmp_path: Path) -> None:
    file = steps(tmp_path, '[[step]]\nrun = "echo hidden\\u001b[8m; cat /proc/cmdline"\n')
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-c", "import sys; from softreserve.cli import main; sys.exit(main())"]
    with subprocess.Popen([*command, "run", MACHINE, file], stdin=theirs, stdout=theirs, stderr=theirs) as person:
        os.close(theirs)
        shown = said(terminal, "[y/N]: ", PATIENCE)
        assert "step 01: echo hidden\\x1b[8m; cat /proc/cmdline" in shown
        os.write(terminal, f"{answer}\n".encode())
        after = said(terminal, None, PATIENCE)
        assert person.wait(PATIENCE) == status
    os.close(terminal)
    assert ("console=ttyS0" in after) == (status == 0)
