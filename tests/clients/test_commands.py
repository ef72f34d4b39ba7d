"""``softreserve export``, ``serve``, ``shell`` and ``run`` as a person calls them."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hosts import Host, need, said, unavailable
from jsonschema import Draft202012Validator

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

#: What nohup starts ignores SIGHUP, and so would what its tests start.
PROGRAM = """
import signal, sys
from softreserve.cli import main
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(main())
"""
SOFTRESERVE = [sys.executable, "-c", PROGRAM]
MACHINE = "example:two-node"
OLD = ["--kernel", "6.1.0-56-amd64"]
POLICY = "sys/devices/system/memory/auto_online_blocks"
PATIENCE = 10


def softreserve(*arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, *SOFTRESERVE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.fixture(autouse=True)
def _able(hosts: Callable[..., Host]) -> None:
    """Skip, or fail, where there are no sessions."""
    hosts(MACHINE).ok("true")


def mounted(directory: Path) -> bool:
    return f" {directory} " in Path("/proc/self/mounts").read_text()


@contextmanager
def serving(directory: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    if not mounted(directory):
        directory.mkdir(exist_ok=True)
    command = [*SOFTRESERVE, "serve", MACHINE, str(directory), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines = []
        for line in server.stderr:
            lines.append(line)
            if "is at" in line:
                break
        else:
            unavailable("".join(lines))
        try:
            yield server
        finally:
            server.terminate()
            server.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while mounted(directory):
        assert time.monotonic() < end, f"{directory} is still mounted"
        time.sleep(0.02)


def test_shell_ends_with_the_command_s_status() -> None:
    assert softreserve("shell", MACHINE, "--", "sh", "-c", "exit 9").returncode == 9
    assert softreserve("shell", MACHINE, "--", "sh", "-c", "kill -9 $$").returncode == 137
    found = softreserve("shell", MACHINE, "no-such-program")
    assert (found.returncode, found.stderr) == (127, "softreserve: no-such-program: No such file or directory\n")


def test_shell_runs_daxctl_on_the_machine_that_was_asked_for() -> None:
    need("daxctl")
    words = "modprobe dax_hmem && modprobe device_dax && daxctl list"

    assert '"mode":"devdax"' in softreserve("shell", MACHINE, *OLD, "--", "sh", "-c", words).stdout


def test_shell_works_without_privileges_where_user_namespaces_do() -> None:
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        before = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
    words = "modprobe -a dax_hmem device_dax; echo offline > /sys/bus/dax/devices/dax0.0/size; ls -d /dev/dax0.0; id -u"

    found = softreserve("shell", MACHINE, *OLD, "--", "sh", "-c", words, before=before)

    if "user namespaces" in found.stderr:
        unavailable(found.stderr)
    assert (found.returncode, found.stdout) == (0, "/dev/dax0.0\n0\n")


def test_an_interactive_shell_says_where_one_is() -> None:
    terminal, theirs = pty.openpty()
    # setsid -c makes the terminal the one that signals come from
    command = ["setsid", "-c", *SOFTRESERVE, "shell", MACHINE]
    environment = {**os.environ, "SHELL": "/bin/sh"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as shell:
        os.close(theirs)
        assert "(two-node: 6.12.117+deb12-amd64) # " in said(terminal, "# ", PATIENCE)
        os.write(terminal, b"sleep 1000\n")
        time.sleep(0.3)
        os.write(terminal, b"\x03")  # only what runs is interrupted
        os.write(terminal, b"exit 5\n")
        said(terminal, None, PATIENCE)
        assert shell.wait(PATIENCE) == 5
    os.close(terminal)


def test_serve_tells_programs_that_the_machine_is_mounted(tmp_path: Path) -> None:
    with serving(tmp_path / "root", "--json") as server:
        server.terminate()
        assert server.stdout is not None
        told = json.load(server.stdout)
    assert (told["machine"], told["directory"]) == ("two-node", str(tmp_path / "root"))
    schema = json.loads(softreserve("schema", "serve").stdout)
    Draft202012Validator(schema).validate(told)


def test_serve_is_live_and_ends_with_its_signal(tmp_path: Path) -> None:
    with serving(tmp_path / "root"):
        policy = tmp_path / "root" / POLICY
        assert policy.read_text() == "online\n"
        policy.write_text("offline")
        assert policy.read_text() == "offline\n"
        with pytest.raises(OSError, match="Invalid argument"):
            policy.write_text("nonsense")
        assert (tmp_path / "root/proc/cmdline").read_text().startswith("console=ttyS0")


def test_serve_ends_when_its_directory_is_unmounted(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as server:
        program = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
        subprocess.run([*program, str(tmp_path / "root")], check=True)
        assert server.wait(PATIENCE) == 0


def test_root_mounts_and_unmounts_without_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: all others mount by fusermount3")
    monkeypatch.setenv("PATH", str(tmp_path))  # no fusermount3
    with serving(tmp_path / "root"):
        assert (tmp_path / "root" / POLICY).read_text() == "online\n"
    before = (str(shutil.which("setpriv", path=os.defpath)), "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
    found = softreserve("serve", MACHINE, str(tmp_path / "root"), before=before)
    assert found.returncode == 2
    assert f"cannot mount at {tmp_path}/root: mounting on {tmp_path}/root is not allowed here" in found.stderr


def test_a_killed_server_leaves_no_mount_and_goes_on_from_its_record(tmp_path: Path) -> None:
    root, record = tmp_path / "root", tmp_path / "steps.toml"
    with serving(root, "--record", str(record)) as server:
        (root / POLICY).write_text("online_movable")
        server.send_signal(signal.SIGKILL)
        server.wait(PATIENCE)

    with serving(root, "--record", str(record)):
        assert (root / POLICY).read_text() == "online_movable\n"
    assert softreserve("run", MACHINE, str(record)).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_ends_without_a_word(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path / "root") as server:
        server.send_signal(number)
        assert server.stderr is not None
        assert server.wait(PATIENCE) == 0
        assert server.stderr.read() == ""


@pytest.mark.parametrize("place", ["root", "root/", "root/../root", "link", "."])
def test_a_second_server_is_told_who_serves(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    (tmp_path / "link").symlink_to("root")
    with serving(root) as server:
        if place == ".":
            monkeypatch.chdir(root)
        where = "." if place == "." else f"{tmp_path}/{place}"
        found = softreserve("serve", MACHINE, where)
        monkeypatch.undo()
        assert found.returncode == 2
        assert f"is being served by process {server.pid}\n" in found.stderr
        assert (root / POLICY).read_text() == "online\n"


@pytest.mark.parametrize("place", ["root", "link"])
def test_a_server_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to("root")
    with serving(tmp_path / "root") as server:
        server.send_signal(signal.SIGSTOP)
        try:
            found = softreserve("serve", MACHINE, str(tmp_path / place))
        finally:
            server.send_signal(signal.SIGCONT)
        assert f"is being served by process {server.pid}\n" in found.stderr


def test_a_second_server_is_told_who_records(tmp_path: Path) -> None:
    record, other = tmp_path / "steps.toml", tmp_path / "other"
    other.mkdir()
    with serving(tmp_path / "root", "--record", str(record)) as server:
        found = softreserve("serve", MACHINE, str(other), "--record", str(record))
        said = f"softreserve: {record}: is being recorded by process {server.pid}\n"
        assert (found.returncode, found.stderr) == (2, said)
        (tmp_path / "root" / POLICY).write_text("offline")
    assert "offline" in record.read_text()


def test_a_server_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    root, record = tmp_path / "root", tmp_path / "steps.toml"
    with serving(root, "--record", str(record)) as server:
        server.kill()
        with serving(root, "--record", str(record)):
            assert (root / POLICY).read_text() == "online\n"


def test_what_keeps_a_mount_from_being_made_is_said_in_one_line(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, and setpriv: apt install util-linux")
    before = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
    (tmp_path / "root").mkdir()

    found = softreserve("serve", MACHINE, str(tmp_path / "root"), before=before)

    assert found.returncode == 2
    said = "fusermount3: mount failed: Operation not permitted"
    assert found.stderr == f"softreserve: cannot mount at {tmp_path}/root: {said}\n"


def test_serve_wants_a_directory(tmp_path: Path) -> None:
    found = softreserve("serve", MACHINE, str(tmp_path / "absent"))

    assert found.returncode == 2
    assert found.stderr == f"softreserve: {tmp_path}/absent: is no directory; make it first\n"


def test_export_writes_what_lsmem_reads(tmp_path: Path) -> None:
    need("lsmem")
    for userspace, total in (("udev", "4G"), ("none", "2G")):
        export = softreserve("export", MACHINE, str(tmp_path / "root"), "--replace", "--userspace", userspace)
        assert export.returncode == 0
        found = subprocess.run(["lsmem", "-s", str(tmp_path / "root")], check=True, capture_output=True, text=True)
        assert f"Total online memory:       {total}" in found.stdout
    again = softreserve("export", MACHINE, str(tmp_path / "root"))
    assert again.returncode == 2
    assert "root: is not empty, it holds" in again.stderr
    assert softreserve("export", MACHINE, str(tmp_path / "root"), "--replace").returncode == 0


def test_a_record_of_a_session_is_run_again(tmp_path: Path) -> None:
    need("daxctl")
    record = tmp_path / "steps.toml"
    words = "modprobe -a dax_hmem device_dax && daxctl disable-device dax0.0 && daxctl reconfigure-device -s 1G dax0.0"
    softreserve("shell", MACHINE, *OLD, "--record", str(record), "--", "sh", "-c", words)

    found = softreserve("run", MACHINE, str(record), *OLD, "--emit", "dax")

    assert found.returncode == 0
    assert "/sys/devices/platform/hmem.0/dax0.0/size = 1073741824" in found.stdout
