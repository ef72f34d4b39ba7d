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


def test_what_is_said_while_mounting_is_kept_from_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with fuse._MountersWords() as words:
        inherited = os.dup(2)
        os.write(2, b"fuse: first\nfusermount3: no permission\n\n")
        assert words.end() == "fusermount3: no permission"
        os.write(2, b"heard\n")
    os.write(inherited, b"not mounted\n")
    os.close(inherited)
    assert capfd.readouterr().err == "heard\n"
