"""Files of a live system as programs open them: every read asks it, every write changes it, every errno is its own."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable

from softreserve.kernel.sysfs import Attribute, Directory, Node
from softreserve.live.rootfs import RecordFile, inode_of
from softreserve.live.server import LiveSystem

__all__ = ["Conversation", "LiveFiles", "Opened"]


class Opened:
    """What passes between the kernel and an open file: ``flags`` comes in, the rest is set by who opens."""

    __slots__ = ("direct_io", "fh", "flags", "nonseekable")

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.fh = self.direct_io = self.nonseekable = 0


class Conversation(Attribute):
    """A file that is written to and then answers, each opener by itself: ``answer`` gets all that was written."""

    __slots__ = ("answer",)

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        super().__init__(0o666, lambda: b"", len)
        self.answer = answer


class _Open:
    """An open file: what it showed when it was last read from its beginning, or what was said or taken so far."""

    __slots__ = ("node", "path", "records", "said", "shown")

    def __init__(self, path: str, node: Attribute) -> None:
        self.path = path
        self.node = node
        self.shown: bytes | None = None
        self.said = b""
        self.records = 0


class LiveFiles:
    """What can be done with files; paths are those of :class:`softreserve.live.rootfs.RootFs`.

    Failures leave as :class:`OSError`, whose errno is the answer.
    """

    def __init__(self, live: LiveSystem, on_start: Callable[[], object] = lambda: None) -> None:
        self.live = live
        self._on_start = on_start
        self._files: dict[int, _Open] = {}
        self._next = 1
        self._born = time.time_ns()
        self._uid, self._gid = 0, 0

    def owned_by(self, uid: int, gid: int) -> LiveFiles:
        """Show this owner instead of root: for an ordinary user who mounts outside a user namespace."""
        self._uid, self._gid = uid, gid
        return self

    def init(self) -> None:
        """The kernel knows us."""
        self._on_start()

    # --- looking

    def getattr(self, path: str) -> dict[str, int]:
        """``lstat()``."""
        with self.live.lock:
            found = self.live.rootfs.stat_node(path, self.node(path))
        return {
            "st_mode": found.mode,
            "st_size": found.size,
            "st_rdev": os.makedev(*found.device),
            "st_ino": inode_of(path),
            "st_nlink": 1,
            "st_uid": self._uid,
            "st_gid": self._gid,
            "st_atime": self._born,
            "st_mtime": self._born,
            "st_ctime": self._born,
        }

    def node(self, path: str) -> Node:
        """What is there."""
        node = self.live.rootfs.node(path)
        if node is None:
            raise _error(-errno.ENOENT)
        return node

    def readdir(self, path: str) -> list[tuple[str, Node]]:
        """Names in the kernel's order, and what they are."""
        with self.live.lock:
            children = self.live.rootfs.listing(path)
            if isinstance(children, int):
                raise _error(children)
            here = self.node(path)
            return [(".", here), ("..", here), *children]

    def readlink(self, path: str) -> str:
        """The relative target."""
        with self.live.lock:
            target = self.live.rootfs.tree.readlink(path)
            if isinstance(target, int):
                raise _error(target)
            return target

    # --- files

    def open(self, path: str, info: Opened) -> int:
        """Refused, as in ``fs/kernfs/file.c: kernfs_fop_open``, in a direction that the attribute does not have."""
        with self.live.lock:
            node = self.node(path)
            if not isinstance(node, Attribute):
                raise _error(-errno.EISDIR if isinstance(node, Directory) else -errno.ELOOP)
            wanted = info.flags & os.O_ACCMODE
            if wanted != os.O_RDONLY and not (node.mode & 0o222 and node.store):
                raise _error(-errno.EACCES)
            if wanted != os.O_WRONLY and not (node.mode & 0o444 and node.show):
                raise _error(-errno.EACCES)
            info.direct_io = 1
            info.nonseekable = int(isinstance(node, Conversation | RecordFile))
            info.fh = self._next
            self._files[self._next] = _Open(path, node)
            self._next += 1
            return 0

    def read(self, path: str, size: int, offset: int, info: Opened) -> bytes:
        """Part of what the file showed when this opener last read from its beginning."""
        file = self._files[info.fh]
        if isinstance(file.node, Conversation):
            if file.shown is None:
                file.shown = file.node.answer(file.said)
            piece, file.shown = file.shown[:size], file.shown[size:]
            return piece
        if isinstance(file.node, RecordFile):
            with self.live.lock:
                record = file.node.record(file.records)
            if record is not None and len(record) > size:
                raise _error(-errno.EINVAL)
            file.records += 1
            return record or b""
        if offset == 0 or file.shown is None:
            value = self.live.read(file.path)
            if isinstance(value, int):
                raise _error(value)
            file.shown = value
        return file.shown[offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, info: Opened) -> int:
        """One write() is one store."""
        file = self._files[info.fh]
        if isinstance(file.node, Conversation):
            file.said += data
            return len(data)
        if isinstance(file.node, RecordFile):
            with self.live.lock:  # a log is no state: what is written there is in no record
                result = file.node.write(data, path)
        else:
            result = self.live.write(file.path, data)
        if result < 0:
            raise _error(result)
        return result

    def release(self, path: str, info: Opened) -> int:
        """The last opener is gone."""
        self._files.pop(info.fh, None)
        return 0

    def truncate(self, path: str) -> None:
        """``> file`` comes by here before it writes; sysfs lets it and does nothing."""
        with self.live.lock:
            self.node(path)


def _error(result: int) -> OSError:
    return OSError(-result, os.strerror(-result))
