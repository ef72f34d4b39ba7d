"""Files of a running Linux by their path: the live ones, a directory with copies, or what somebody packed.

Only looking: nothing is written, nothing waits, and no link leads out of the tree.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from abc import ABC, abstractmethod
from typing import Final, NamedTuple

from softreserve.config.account import told

__all__ = ["LARGEST_FILE", "WRITE_ONLY", "DirectoryTree", "Entry", "LiveTree", "Tree"]

#: What :meth:`Tree.read` gives for a file that is only for writing, as read() does then.
WRITE_ONLY: Final = -errno.EBADF
#: Bytes of the largest file that is read.
LARGEST_FILE: Final = 64 << 20
#: Links in a row that Linux follows. Linux: ``include/linux/namei.h: MAXSYMLINKS``.
_LINKS_MAX: Final = 40
#: Bytes of a record of the kernel's log; records of the largest log.
_RECORD_MAX: Final = 16384
_RECORDS_MAX: Final = 1 << 20
#: Seconds that a journal may take.
_PATIENCE: Final = 60


class Entry(NamedTuple):
    """What a name stands for, by itself: ``kind`` is ``"file"``, ``"link"`` or ``"directory"``.

    ``mode`` has the permission bits, ``target`` is a link's.
    """

    kind: str
    mode: int = 0o444
    target: str = ""


class Tree(ABC):
    """A tree of files below ``/``. Who makes one says what a path holds, and what a file has; links are followed here.

    :param name: what messages call it.
    """

    #: Whether it is the system that this runs on, and what that tells by system calls: ``uname -m``, bytes of a page.
    live = False
    machine = ""
    page_size: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    # --- what the kinds of trees say

    @abstractmethod
    def entry(self, path: str) -> Entry | None:
        """What is at a path none of whose parts before the last is a link."""

    @abstractmethod
    def listing(self, path: str) -> list[str]:
        """Names in a directory, without an order."""

    @abstractmethod
    def content(self, path: str) -> bytes | int:
        """Bytes of a file, or ``-errno``."""

    def ring_buffer(self) -> bytes | int:
        """What the kernel itself still has of its log, as records of ``/dev/kmsg``; ``-errno``."""
        return self.read("/dev/kmsg")

    def journal(self) -> bytes | int:
        """What a daemon kept of the kernel's log of this boot; ``-errno``."""
        return -errno.ENOENT

    # --- what they have in common

    def names(self, path: str) -> list[str]:
        """Names in a directory, links to it followed; none where there is no such directory."""
        found = self.resolved(path)
        return [] if found is None or self._kind(found) != "directory" else self.listing(found)

    def link(self, path: str) -> str | None:
        """The target of a link, as it stands there; ``None`` where there is none."""
        parent = self.resolved(posixpath.dirname(path))
        found = None if parent is None else self.entry(posixpath.join(parent, posixpath.basename(path)))
        return found.target if found is not None and found.kind == "link" else None

    def is_directory(self, path: str) -> bool:
        """Whether a path is a directory, or leads to one."""
        found = self.resolved(path)
        return found is not None and self._kind(found) == "directory"

    def read(self, path: str) -> bytes | int:
        """Bytes of a file, or ``-errno``; :data:`WRITE_ONLY` where it is only for writing."""
        found = self.resolved(path)
        entry = None if found is None else self.entry(found)
        if found is None or entry is None:
            return -errno.ENOENT
        if entry.kind != "file":
            return -errno.EISDIR
        if not entry.mode & 0o444:
            return WRITE_ONLY if entry.mode & 0o222 else -errno.EACCES
        data = self.content(found)
        if not isinstance(data, int) and (account := told()) is not None:
            account.files[path] = None
        return data

    def text(self, path: str) -> str | None:
        """The text of a file without blanks around it; ``None`` where it cannot be read."""
        data = self.read(path)
        return None if isinstance(data, int) else data.decode("utf-8", "replace").strip()

    def resolved(self, path: str) -> str | None:
        """A path without links and ``..``; ``None`` where it leads nowhere. ``/`` is as far up as it goes."""
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        at, links = "/", 0
        while todo:
            part = todo.pop()
            if part == "..":
                at = posixpath.dirname(at)
                continue
            here = posixpath.join(at, part)
            entry = self.entry(here)
            if entry is None:
                return None
            if entry.kind == "link":
                links += 1
                if links > _LINKS_MAX:
                    return None
                at = "/" if entry.target.startswith("/") else at
                todo += [name for name in reversed(entry.target.split("/")) if name not in ("", ".")]
                continue
            if todo and entry.kind != "directory":
                return None
            at = here
        return at

    def _kind(self, path: str) -> str | None:
        entry = Entry("directory") if path == "/" else self.entry(path)
        return None if entry is None else entry.kind


class DirectoryTree(Tree):
    """A directory that holds copies of a system's files. What a link in it leads to is looked for in it."""

    def __init__(self, root: str, name: str | None = None) -> None:
        super().__init__(root if name is None else name)
        self._root = root.rstrip("/")

    def entry(self, path: str) -> Entry | None:
        """See :meth:`Tree.entry`. What is neither of the three kinds is not there."""
        try:
            found = os.lstat(self._root + path)
            if stat.S_ISLNK(found.st_mode):
                return Entry("link", target=os.readlink(self._root + path))
        except (OSError, ValueError):
            return None
        if stat.S_ISDIR(found.st_mode):
            return Entry("directory")
        return Entry("file", found.st_mode & 0o777) if stat.S_ISREG(found.st_mode) else None

    def listing(self, path: str) -> list[str]:
        """See :meth:`Tree.listing`; one that may not be looked at is empty."""
        try:
            return os.listdir(self._root + path)
        except OSError:
            return []

    def content(self, path: str) -> bytes | int:
        """See :meth:`Tree.content`."""
        return _content(self._root + path)


class LiveTree(DirectoryTree):
    """The system that this runs on."""

    live = True

    def __init__(self) -> None:
        super().__init__("/", "this machine")
        self.machine = os.uname().machine
        self.page_size = os.sysconf("SC_PAGE_SIZE")

    def resolved(self, path: str) -> str | None:
        """See :meth:`Tree.resolved`."""
        return os.path.realpath(path) if os.path.exists(path) else None

    def content(self, path: str) -> bytes | int:
        """See :meth:`Tree.content`."""
        return _content(path)

    def ring_buffer(self) -> bytes | int:
        """See :meth:`Tree.ring_buffer`: each read() gives one record, until there is no more."""
        records: list[bytes] = []
        try:
            file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return -(error.errno or errno.EIO)
        try:
            while len(records) < _RECORDS_MAX:
                try:
                    record = os.read(file, _RECORD_MAX)
                except BrokenPipeError:  # what was to come next was overwritten meanwhile
                    continue
                if not record:
                    break
                records.append(record)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return -(error.errno or errno.EIO)
        finally:
            os.close(file)
        return b"".join(records)

    def journal(self) -> bytes | int:
        """See :meth:`Tree.journal`: systemd's, which is read by its own program."""
        import subprocess

        words = ["journalctl", "-k", "-b", "-q", "--no-pager", "-o", "short-monotonic"]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
        except OSError as error:
            return -(error.errno or errno.EIO)
        except subprocess.TimeoutExpired:
            return -errno.ETIMEDOUT
        return done.stdout if done.returncode == 0 else -errno.ENODATA


def _content(path: str) -> bytes | int:
    """Read a regular file without waiting for anybody."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return -errno.EINVAL
            data = file.read(LARGEST_FILE + 1) or b""
    except OSError as error:
        return -(error.errno or errno.EIO)
    return data if len(data) <= LARGEST_FILE else -errno.EFBIG
