"""A live system as a mounted file system, at a directory of its own. :mod:`softreserve.live.device` answers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from softreserve.live import namespace
from softreserve.live.claims import Mount, TakenError, located, mounts, take
from softreserve.live.device import Server
from softreserve.live.files import LiveFiles
from softreserve.live.server import LiveSystem
from softreserve.model.errors import SoftReserveError

__all__ = ["FuseError", "check_fuse", "mount"]

#: What still works where nothing can be mounted.
WITHOUT = "`softreserve export MACHINE DIR` writes a tree to read without it"
_NAME = "softreserve"
_DEVICE = "/dev/fuse"
#: What stands as the source of our mounts: the server's process is in it.
_SOURCE = re.compile(rf"{_NAME}(-\d+)?")
#: Seconds that ``fusermount3`` has to take away the mount of a server that was killed.
_PATIENCE = 2


class FuseError(SoftReserveError):
    """Mounting is not possible here; the message says what is missing and what works without it."""


def check_fuse() -> None:
    """See that there is something to mount with.

    :raises FuseError: there is no ``/dev/fuse``.
    """
    if not os.path.exists(_DEVICE):
        raise FuseError(f"mounting needs {_DEVICE}: modprobe fuse, or give the container --device /dev/fuse; {WITHOUT}")


def mount(live: LiveSystem, directory: Path, on_start: Callable[[], object] = lambda: None) -> None:
    """Serve a live system at ``directory`` until it is unmounted or a signal comes.

    The mount goes away even if this process is killed: ``fusermount3`` waits for its end. Without that program only
    root can mount, and has to unmount what a killed server leaves.

    :raises FuseError: something that mounting needs is missing, or the directory cannot be mounted on: another server
        may be there.
    """
    check_fuse()
    program = shutil.which("fusermount3")
    files = LiveFiles(live, on_start)
    if os.geteuid() != 0:
        if program is None:
            raise FuseError(f"mounting needs fusermount3 for all but root: apt install fuse3; {WITHOUT}")
        files.owned_by(os.getuid(), os.getgid())
    with (
        _claimed(str(directory)) as where,
        _signals() as signals,
        _mounted_by_root(where) if program is None else _mounted_by(program, where) as connection,
    ):
        Server(files, connection, until=signals).serve()


def _options() -> str:
    """Of a mount: who may look."""
    others = ",allow_other" if os.geteuid() == 0 else ""
    return f"default_permissions{others}"


def _source() -> str:
    return f"{_NAME}-{os.getpid()}"


@contextlib.contextmanager
def _mounted_by(program: str, where: str) -> Iterator[int]:
    """A connection that ``fusermount3`` mounts, and unmounts when the socket that it is asked through is closed.

    What it says is an answer only until it has mounted: then it complains that there is nothing left to unmount.
    """
    ours, theirs = socket.socketpair()
    with os.fdopen(os.memfd_create("mounting", os.MFD_CLOEXEC), "r+b") as words, ours:
        with theirs:
            process = subprocess.Popen(
                ["fusermount3", "-o", f"auto_unmount,subtype={_NAME},fsname={_source()},{_options()}", "--", where],
                executable=program,
                env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
            )
        _, files, _, _ = socket.recv_fds(ours, 1, 1)
        if not files:
            process.wait()
            words.seek(0)
            said = [line.strip() for line in words.read().decode("utf-8", "replace").split("\n") if line.strip()]
            raise FuseError(f"cannot mount at {where}: {said[-1] if said else 'it is not said why'}")
        os.set_inheritable(files[0], False)
        yield files[0]
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)


@contextlib.contextmanager
def _mounted_by_root(where: str) -> Iterator[int]:
    """A connection that this process mounts."""
    try:
        connection = namespace.mount_fuse(where, _source(), _options())
    except namespace.Refused as refused:
        raise FuseError(f"cannot mount at {where}: {refused}") from None
    try:
        yield connection
    finally:
        namespace.unmount(where)


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A file that can be read as soon as a signal has come that ends programs and that nobody ignores.

    A handler alone would not do: one that is called just before the program waits for something does not wake it.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before: dict[signal.Signals, Any] = {}
    ours = threading.current_thread() is threading.main_thread()  # others are not asked
    try:
        if ours:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # what a script starts in the background ignores SIGINT without having asked for that
                if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, lambda number, frame: None)
            signal.set_wakeup_fd(writing)
        yield reading
    finally:
        if ours:
            signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def _claimed(directory: str) -> Iterator[str]:
    """Where to mount, without links: a directory where no other server is, nor comes as long as this lasts."""
    where = located(directory)
    _check_unserved(where, directory)
    while os.path.islink(where):
        where = located(os.path.join(os.path.dirname(where), os.readlink(where)))
        _check_unserved(where, directory)
    try:
        file = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise FuseError(f"{directory}: is no directory; make it first") from None
    except OSError as error:
        raise FuseError(f"{directory}: cannot be mounted on: {error.strerror}") from None
    try:
        take(file)
        _check_unserved(where, directory)
        yield where
    except TakenError as error:
        raise FuseError(f"{directory}: is being served by {error}") from None
    finally:
        os.close(file)


def _check_unserved(where: str, directory: str) -> None:
    """See that no server of ours is mounted there; one that has ended may take a moment to go.

    :raises FuseError: there is one, or what a killed one left.
    """
    until = time.monotonic() + _PATIENCE
    while (served := _served(where)) is not None:
        owner = int(served.source.partition("-")[2] or 0)
        if owner == 0 or _is_alive(owner):
            raise FuseError(f"{directory}: is being served by {f'process {owner}' if owner else 'another process'}")
        if time.monotonic() > until:
            raise FuseError(f"{directory}: process {owner} was killed and left its mount: umount {directory}")
        time.sleep(0.05)


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"  # it has ended, and somebody is still to be told


def _served(where: str) -> Mount | None:
    ours = [mount for mount in mounts() if mount.point == where and _SOURCE.fullmatch(mount.source)]
    return ours[-1] if ours else None
