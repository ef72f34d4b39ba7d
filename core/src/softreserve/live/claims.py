"""What others hold on this host: locks on files, and what is mounted where.

Locks are of the open file (``flock``), so that none outlives its owner, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Mount", "TakenError", "located", "mounts", "take"]

#: Of ``/proc/locks``: kind, mode, access, process, ``major:minor:inode`` (numbers of the device in hexadecimal).
_LOCK = re.compile(r"\d+: FLOCK +\S+ +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")
_ESCAPED = re.compile(rb"\\([0-7]{3})")


class TakenError(Exception):
    """Somebody else has the lock: the process ``owner``, or ``None`` where the system does not say which."""

    def __init__(self, owner: int | None) -> None:
        self.owner = owner
        super().__init__(f"process {owner}" if owner is not None else "another process")


def take(file: int) -> None:
    """Lock an open file or directory until it is closed.

    :raises TakenError: it is locked.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TakenError(_owner(file)) from None


def _owner(file: int) -> int | None:
    found = os.fstat(file)
    device = (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            for owner, major, minor, inode in _LOCK.findall(locks.read()):
                # a process of another namespace has no number here
                if (int(major, 16), int(minor, 16), int(inode)) == device and int(owner) > 0:
                    return int(owner)
    except OSError:
        pass
    return None


def located(path: str) -> str:
    """An absolute path whose last part alone may be a link: ``..`` means what it means to the kernel.

    What lies there is not touched: it may be a mount whose server does not answer.
    """
    head, tail = os.path.split(path.rstrip("/") or "/")
    if tail in ("", ".", ".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(head), tail)


class Mount(NamedTuple):
    """A mount: where (an absolute path without links), of what kind, and what is said to be mounted."""

    point: str
    kind: str
    source: str


def mounts() -> Iterator[Mount]:
    """All mounts that this process sees, in the order in which they were made. Touches none of them.

    Linux: ``fs/proc_namespace.c: show_mountinfo``.
    """
    with open("/proc/self/mountinfo", "rb") as file:
        yield from map(_mount, file)


def _mount(line: bytes) -> Mount:
    before, _, after = line.partition(b" - ")
    kind, source = after.split(b" ")[:2]
    return Mount(*map(_word, (before.split(b" ")[4], kind, source)))


def _word(escaped: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), escaped))
