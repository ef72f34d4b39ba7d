"""Directories and files that appear whole or not at all.

What is written goes into an unfinished directory or file, whose name says so, and takes its place by renaming when all
of it is on the disk. A failure, or a signal that ends the process, takes what is unfinished away.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import secrets
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from softreserve.live.claims import located, mounts
from softreserve.model.errors import InputError, shown

__all__ = ["UNFINISHED", "new_file", "sync_directory", "whole_directory", "whole_file"]

#: What the name of a directory begins with that is still being written, or was when its writer was killed.
UNFINISHED = ".softreserve-unfinished-"

#: Why a directory must stay as it is, in words; ``None``: it may be replaced.
Stays = Callable[[str], str | None]

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_AT_FDCWD = -100
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
#: What file systems say that have no second names.
_WITHOUT_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextlib.contextmanager
def whole_directory(target: str | os.PathLike[str], *, replaces: Stays | None = None, hint: str = "") -> Iterator[Path]:
    """A directory to write into, which becomes ``target`` at the end of the block.

    A ``target`` that is missing is made, with its parents; one that is empty is filled, and stays the same directory.

    :param replaces: looks at a ``target`` that holds something; without it that is refused.
    :param hint: what to do about a directory that holds something.
    :raises InputError: ``target`` must stay as it is, or cannot be written.
    """
    try:
        path = located(os.fspath(target))
        place = _place(path, target, replaces, hint)
        with _Unfinished(place) as unfinished:
            unfinished.make()
            yield Path(unfinished.path)
            unfinished.finish()
    except OSError as error:
        # The file that it failed on mostly lies in the unfinished directory, whose name tells nobody anything.
        raise InputError(f"cannot be written: {error.strerror or error}", path=target) from error


def new_file(
    target: str | os.PathLike[str], data: bytes, *, replaces: Callable[[bytes], bool] | None = None, hint: str = ""
) -> None:
    """Write a file, which appears with all of its content; its directory is there.

    :param replaces: see :func:`whole_file`; ``hint`` likewise.
    :raises InputError: there is something of that name that stays, or it cannot be written.
    """
    # so little is to be done that a signal can wait for it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with whole_file(target, replaces=replaces, hint=hint) as file:
            file.write(data)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def whole_file(
    target: str | os.PathLike[str], *, replaces: Callable[[bytes], bool] | None = None, hint: str = ""
) -> Iterator[IO[bytes]]:
    """A file to write into, which becomes ``target`` at the end of the block; its directory is there.

    :param replaces: looks at the first kilobyte of a file of that name, and says whether its place may be taken;
        without it nobody's is.
    :param hint: what to do about a file that is there.
    :raises InputError: there is something of that name that stays, or it cannot be written.
    """
    try:
        path = located(os.fspath(target))
        put: Callable[[str, str], None] = _give_name
        if replaces is not None and os.path.lexists(path):
            why = _file_stays(path, replaces)
            if why is not None:
                raise InputError(why, path=target)
            put = os.rename
        elif os.path.lexists(path):
            raise FileExistsError
        with _beside(path, put) as file:
            yield file
    except FileExistsError:
        raise InputError(f"is there already, and stays as it is{hint}", path=target) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in its name
        raise InputError(f"cannot be written: {getattr(error, 'strerror', None) or error}", path=target) from None


def _give_name(file: str, name: str) -> None:
    """Give a file a name that nobody has: unlike renaming, this fails where somebody has it."""
    try:
        os.link(file, name)
    except OSError as error:
        libc = ctypes.CDLL(None, use_errno=True)
        if error.errno not in _WITHOUT_LINKS or not hasattr(libc, "renameat2"):
            raise
        if libc.renameat2(_AT_FDCWD, os.fsencode(file), _AT_FDCWD, os.fsencode(name), _RENAME_NOREPLACE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name) from None


def _file_stays(path: str, replaces: Callable[[bytes], bool]) -> str | None:
    """Why a file, or what has its name, must stay as it is, in words."""
    if os.path.islink(path):
        return f"is a link; what it leads to is {os.path.realpath(path)}"
    if not os.path.isfile(path):
        return "is no file"
    with open(path, "rb") as file:
        return None if replaces(file.read(1024)) else "is there already, was written by something else, and stays"


@contextlib.contextmanager
def _beside(path: str, put: Callable[[str, str], None]) -> Iterator[IO[bytes]]:
    """An unfinished file beside ``path``, which is put there at the end."""
    unfinished = os.path.join(os.path.dirname(path), UNFINISHED + secrets.token_hex(8))
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put(unfinished, path)
        sync_directory(os.path.dirname(path))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


# --- where it goes


class _New:
    """A name that nobody has."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.beside = os.path.dirname(path)
        self._made: list[str] = []

    def prepare(self) -> None:
        missing = self.beside
        while not os.path.lexists(missing):
            self._made.append(missing)
            missing = os.path.dirname(missing)
        os.makedirs(self.beside, exist_ok=True)

    def put(self, unfinished: str) -> None:
        # Somebody who made a directory of that name by now keeps it, if anything is in it.
        os.rename(unfinished, self.path)

    def give_up(self) -> None:
        for directory in self._made:
            with contextlib.suppress(OSError):
                os.rmdir(directory)


class _Empty:
    """An empty directory. It may be a mount point, or somebody's current directory: it stays, and gets the entries."""

    def __init__(self, path: str) -> None:
        self.path = self.beside = os.path.realpath(path)

    def prepare(self) -> None:
        pass

    def put(self, unfinished: str) -> None:
        others = [name for name in os.listdir(self.path) if name != os.path.basename(unfinished)]
        if others:
            raise InputError(f"somebody else put {shown(others[0])} there", path=self.path)
        moved: list[str] = []
        try:
            for name in sorted(os.listdir(unfinished)):
                os.rename(f"{unfinished}/{name}", f"{self.path}/{name}")
                moved.append(name)
        except OSError:
            for name in moved:
                os.rename(f"{self.path}/{name}", f"{unfinished}/{name}")
            raise
        os.rmdir(unfinished)

    def give_up(self) -> None:
        pass


class _Taken:
    """A directory that may be replaced: what holds it last is looked at again when it has lost its name."""

    def __init__(self, path: str, stays: Stays) -> None:
        self.path = path
        self.beside = os.path.dirname(path)
        self._stays = stays

    def prepare(self) -> None:
        pass

    def put(self, unfinished: str) -> None:
        _exchange(unfinished, self.path)
        why = self._stays(unfinished)
        if why is not None:
            _exchange(unfinished, self.path)
            raise InputError(why, path=self.path)
        sync_directory(self.beside)
        _remove(unfinished)
        if os.path.lexists(unfinished):
            raise InputError(f"is in place; what was there before cannot be removed: {unfinished}", path=self.path)

    def give_up(self) -> None:
        pass


def _place(path: str, target: str | os.PathLike[str], stays: Stays | None, hint: str) -> _New | _Empty | _Taken:
    if not os.path.lexists(path):
        return _New(path)
    if not os.path.isdir(path):
        raise InputError("is a link to no directory" if os.path.islink(path) else "is no directory", path=target)
    names = sorted(os.listdir(path))
    if not names:
        return _Empty(path)
    if stays is None:
        raise InputError(f"is not empty, it holds {shown(names[0])}{hint}", path=target)
    why = _never_replaced(path) or stays(path)
    if why is not None:
        raise InputError(why, path=target)
    return _Taken(path, stays)


def _never_replaced(path: str) -> str | None:
    """Why nothing may take the place of a directory, whatever it holds."""
    if os.path.islink(path):
        return f"is a link; what it leads to is {os.path.realpath(path)}"
    if path == "/":
        return "is the root directory"
    if path in map(os.path.realpath, _homes()):
        return "is a home directory"
    with contextlib.suppress(FileNotFoundError):  # a current directory that is gone is in nobody's way
        if f"{os.getcwd()}/".startswith(f"{path}/"):
            return "is the current directory, or above it"
    for mount in mounts():
        if mount.point == path:
            return "is a mount point"
        if mount.point.startswith(f"{path}/"):
            return f"has a mount point in it, {mount.point}"
    return None


def _homes() -> Iterator[str]:
    yield os.path.expanduser("~")
    with contextlib.suppress(KeyError):
        yield pwd.getpwuid(os.getuid()).pw_dir


# --- writing


class _Unfinished:
    """A directory that is being written: as long as it is, whatever ends the process takes it away."""

    def __init__(self, place: _New | _Empty | _Taken) -> None:
        self._place = place
        self.path = os.path.join(place.beside, UNFINISHED + secrets.token_hex(8))
        self._finishing = False
        self._came: int | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> _Unfinished:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                before = signal.getsignal(number)
                # One that is ignored (nohup) or seen to already is none of ours.
                if before in (signal.SIG_DFL, signal.default_int_handler):
                    self._handlers[number] = before
                    signal.signal(number, self._end)
        return self

    def __exit__(self, *what: object) -> None:
        self._clean()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def make(self) -> None:
        self._place.prepare()
        os.mkdir(self.path)

    def finish(self) -> None:
        """Put it in its place; a signal waits until that is done."""
        _sync_all(self.path)
        self._finishing = True
        try:
            self._place.put(self.path)
        finally:
            self._finishing = False
        sync_directory(self._place.beside)
        if self._came is not None:
            self._end(self._came, None)

    def _clean(self) -> None:
        if os.path.lexists(self.path):
            _remove(self.path)
        self._place.give_up()

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self._finishing:
            self._came = number
            return
        self._clean()
        handler = self._handlers[number]
        if callable(handler):
            handler(number, frame)
            return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _remove(directory: str) -> None:
    """Remove a directory as far as that is allowed. No link is followed, and directories need not be writable."""
    for _, directories, files, fd in os.fwalk(directory, topdown=False):
        with contextlib.suppress(OSError):
            os.fchmod(fd, stat.S_IRWXU)
        for name in (*files, *directories):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
                    os.rmdir(name, dir_fd=fd)
                else:
                    os.unlink(name, dir_fd=fd)
    with contextlib.suppress(OSError):
        os.rmdir(directory)


def _exchange(one: str, other: str) -> None:
    """Exchange two names at once; where the file system cannot, one after the other."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if hasattr(libc, "renameat2") and libc.renameat2(*words) == 0:
        return
    aside = f"{one}-aside"
    os.rename(other, aside)
    try:
        os.rename(one, other)
    except OSError:
        os.rename(aside, other)
        raise
    os.rename(aside, one)


def _sync_all(directory: str) -> None:
    """What was written is on the disk: one call for thousands of files."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(file) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(file)


def sync_directory(directory: str) -> None:
    """The names in a directory are on the disk."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to say for a directory
            raise
    finally:
        os.close(file)
