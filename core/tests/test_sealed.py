"""Words of strangers: what they can use, and that nothing of the host is in their reach."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from softreserve.kernel.system import System
from softreserve.live.shell import Session, SessionError

pytestmark = pytest.mark.fuse

TOY = "/sys/devices/toy0"


@pytest.fixture
def sealed(toy: System, open_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A sealed session on the toy system."""
    monkeypatch.setenv("SECRET_TOKEN", "abracadabra")
    with open_session(toy, sealed=True) as found:
        yield found


def test_the_machine_is_there_to_be_changed(sealed: Session) -> None:
    assert sealed.run(f"echo 17 > {TOY}/value; cat {TOY}/value") == (0, "17\n")
    assert sealed.run("modprobe kmem; lsmod | wc -l") == (0, "2\n")
    assert sealed.run("cat /proc/cmdline; stat -c %F /dev/toy0") == (0, "quiet toy=1\ncharacter special file\n")
    assert sealed.run("echo x > /dev/null; head -c 3 /dev/zero | wc -c; cat /proc/self/comm") == (0, "3\ncat\n")


@pytest.mark.parametrize("where", ["/", "/etc", "/usr/local/lib", "/var/lib"])
def test_the_host_s_files_can_only_be_read(sealed: Session, where: str) -> None:
    status, output = sealed.run(f"ls {where} > /dev/null && touch {where}/softreserve-was-here")

    assert status != 0
    assert "Read-only file system" in output or "Permission denied" in output
    assert not Path(where, "softreserve-was-here").exists()
    status, output = sealed.run("echo evil > /proc/sys/kernel/core_pattern")
    assert status != 0


@pytest.mark.parametrize(
    "words",
    [
        "mount -o remount,rw /",
        "mount -o remount,rw,bind /usr",
        "umount /tmp",
        "umount -l /sys",
        "umount /proc/iomem",
        "mount -t tmpfs none /mnt",
        "mknod /tmp/disk b 8 0",
        "hostname elsewhere",
        "unshare -m true",
        "unshare -Urm mount -o remount,rw,bind /",
        "nsenter -t 1 -m true",
        "chroot / true",
        ": > /dev/tty",
    ],
)
def test_there_is_no_way_out(sealed: Session, words: str) -> None:
    assert sealed.run(words)[0] != 0
    assert sealed.run("touch /etc/softreserve-was-here")[0] != 0


def test_no_capability_is_left_and_none_is_to_be_had(sealed: Session) -> None:
    _, output = sealed.run("grep -E 'Cap|NoNewPrivs' /proc/self/status")

    assert [line.split()[1].lstrip("0") for line in output.splitlines()] == [""] * 5 + ["1"]


def test_what_belongs_to_people_is_out_of_sight(sealed: Session) -> None:
    places = {"/tmp", "/var/tmp", "/run", "/home", "/root", str(Path.home())}

    for place in sorted(places):
        if Path(place).is_dir():
            assert sealed.run(f"ls -A {place}") == (0, ""), place
    assert sealed.run("env; cat /proc/1/environ")[1].count("abracadabra") == 0


def test_temporary_files_are_its_own_and_go_with_it(sealed: Session) -> None:
    name = f"/tmp/softreserve-test-{os.getpid()}"
    assert sealed.run(f"echo here > {name} && cat {name}") == (0, "here\n")
    assert not Path(name).exists()


def test_there_is_no_network(sealed: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}"
        assert subprocess.run(["bash", "-c", words], check=False).returncode == 0

        assert sealed.run(f"bash -c '{words}'")[0] != 0
        assert sealed.run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") == (0, "lo\n")


def test_services_that_listen_on_a_file_are_out_of_reach(sealed: Session, toy: System) -> None:
    """Reading is all that a read-only mount leaves of a file; but anybody can talk to a socket on one."""
    with (
        TemporaryDirectory(dir="/var/lib" if os.geteuid() == 0 else Path.cwd()) as seen,
        socket.socket(socket.AF_UNIX) as service,
    ):
        service.bind(f"{seen}/socket")
        os.chmod(seen, 0o755)
        with Session(toy, sealed=True) as later:
            assert later.run(f"stat -c %F {seen}/socket") == (0, "character special file\n")


def test_nothing_else_that_runs_can_be_seen_or_ended(sealed: Session) -> None:
    assert sealed.run("ls -d /proc/[0-9]* | wc -l")[1] in ("3\n", "4\n")  # the holder, sh, ls, wc
    with subprocess.Popen(["sleep", "1000"]) as other:
        sealed.run(f"kill -9 {other.pid}; kill -9 {sealed._process.pid}; kill -9 -1")
        assert other.poll() is None
        other.kill()
    assert sealed.run("echo alive") == (0, "alive\n")


def test_what_was_left_running_ends_with_the_session(sealed: Session) -> None:
    marker = f"10{os.getpid()}"
    sealed.run(f"setsid sleep {marker} > /dev/null 2>&1 &")
    assert _runs(marker)

    sealed.close()

    assert not _runs(marker)


def test_everything_ends_when_the_holder_of_the_namespace_is_killed(sealed: Session) -> None:
    marker = f"11{os.getpid()}"
    sealed.run(f"sleep {marker} > /dev/null 2>&1 &")
    sealed._process.kill()
    sealed._process.wait()  # a loaded machine takes its time

    with pytest.raises(SessionError):
        sealed.run("true")

    assert not _runs(marker)


def _runs(marker: str) -> bool:
    """Whether ``sleep <marker>`` runs, in a moment at the latest."""
    time.sleep(0.3)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if path.read_bytes() == f"sleep\0{marker}\0".encode():
                return True
    return False
