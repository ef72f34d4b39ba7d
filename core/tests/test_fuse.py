from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from softreserve.live import fuse
from softreserve.live.claims import Mount
from softreserve.live.fuse import FuseError

HERE = "/srv/machine"


def mounted(monkeypatch: pytest.MonkeyPatch, *answers: list[Mount]) -> None:
    """What is mounted, look after look; the last answer stays."""
    left = list(answers)
    monkeypatch.setattr(fuse, "mounts", lambda: left.pop(0) if len(left) > 1 else left[0])


def ours(source: str) -> Mount:
    return Mount(HERE, "fuse.softreserve", source)


def ended() -> int:
    """The number of a process that was."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_directory_that_is_served_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for source, owner in {
        f"softreserve-{os.getpid()}": f"process {os.getpid()}",
        "softreserve": "another process",
    }.items():
        mounted(monkeypatch, [Mount("/", "ext4", "/dev/vda"), ours(source)])
        with pytest.raises(FuseError, match=f"^dir: is being served by {owner}$"):
            fuse._check_unserved(HERE, "dir")


def test_other_mounts_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Mount("/srv/other", "fuse.softreserve", f"softreserve-{os.getpid()}")
    mounted(monkeypatch, [Mount(HERE, "tmpfs", "tmpfs"), Mount(HERE, "fuse.x", "softreserve-x"), elsewhere])
    fuse._check_unserved(HERE, "dir")


def test_the_mount_of_a_killed_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [ours(f"softreserve-{ended()}")]
    mounted(monkeypatch, left, left, [])
    fuse._check_unserved(HERE, "dir")


def test_a_mount_that_nobody_takes_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ended()
    monkeypatch.setattr(fuse, "_PATIENCE", 0.1)
    mounted(monkeypatch, [ours(f"softreserve-{owner}")])
    with pytest.raises(FuseError, match=f"^dir: process {owner} was killed and left its mount: umount dir$"):
        fuse._check_unserved(HERE, "dir")


def test_a_directory_that_somebody_else_is_about_to_mount_at_is_refused(tmp_path: Path) -> None:
    with (
        fuse._claimed(str(tmp_path)),
        pytest.raises(FuseError, match=f"is being served by process {os.getpid()}$"),
        fuse._claimed(f"{tmp_path}/."),
    ):
        raise AssertionError("twice")


def mounter(directory: Path, *lines: str) -> str:
    """A program in the place of ``fusermount3``."""
    program = directory / "fusermount3"
    program.write_text("\n".join(("#!/bin/sh", *lines, "")))
    program.chmod(0o755)
    return str(program)


def test_what_keeps_from_mounting_is_told_by_its_last_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = mounter(tmp_path, "echo fuse: first >&2", "echo 'fusermount3: no permission' >&2", "echo >&2", "exit 1")
    with (
        pytest.raises(FuseError, match=r"^cannot mount at /x: fusermount3: no permission$"),
        fuse._mounted_by(said, "/x"),
    ):
        raise AssertionError("mounted")
    silent = mounter(tmp_path, "exit 1")
    with pytest.raises(FuseError, match=r"^cannot mount at /x: it is not said why$"), fuse._mounted_by(silent, "/x"):
        raise AssertionError("mounted")
    assert capfd.readouterr().err == ""


def test_what_the_mounter_says_at_the_end_is_kept_from_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It waits for the end of who asked it, and complains where somebody has unmounted before."""
    send = "import os, socket; s = socket.socket(fileno=int(os.environ['_FUSE_COMMFD']));"
    send += "socket.send_fds(s, [b'x'], [0]); s.recv(1); os.write(2, b'not mounted')"
    program = mounter(tmp_path, f'exec {sys.executable} -c "{send}"')
    with fuse._mounted_by(program, "/x") as connection:
        assert os.fstat(connection).st_rdev == os.stat(os.devnull).st_rdev  # its standard input
        os.close(connection)
    assert capfd.readouterr().err == ""
