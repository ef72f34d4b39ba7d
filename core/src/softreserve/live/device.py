"""The server's end of ``/dev/fuse``: requests of the kernel are read, asked of :class:`LiveFiles`, and answered.

Spoken here and not by a library, because of what a library cannot know: which names may have changed. The kernel may
keep a name for a moment (``_KEPT``); whenever the machine was changed, those of them that now mean something else are
taken back from it before the change is answered. What a name is (its type, mode, target) never changes while its number
stays: another file of the same name gets another number.

Linux: ``include/uapi/linux/fuse.h``, ``fs/fuse/dev.c``, ``fs/fuse/dir.c``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import select
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from itertools import takewhile

from softreserve.kernel.sysfs import Directory, Link, Node
from softreserve.live.files import LiveFiles, Opened
from softreserve.live.rootfs import BinaryFile, DeviceNode, inode_of

__all__ = ["Server"]

_ROOT = 1
_MAJOR, _MINOR = 7, 31
#: Bytes that one WRITE carries, and that one request is read with.
_WRITE_MAX = 1 << 17
_REQUEST_MAX = _WRITE_MAX + (1 << 12)

#: Seconds for which the next request is looked for before we sleep: a program asks again at once, and to wake a
#: processor that idles takes longer than an answer.
_AWAKE = 1e-4
#: Nanoseconds that the kernel keeps a name; and seconds after which we no longer expect it to, however late it began.
_KEPT, _FORGOTTEN = 50_000_000, 0.2
#: Names that it keeps at the most: each is looked at again when the machine is changed.
_KEPT_MOST = 4096
#: Seconds after a change before the kernel keeps names again of what is made when somebody looks: that costs something.
_CALM = 1.0
_FOREVER = 1 << 32

_ASYNC_READ, _ATOMIC_O_TRUNC, _BIG_WRITES, _READDIRPLUS, _READDIRPLUS_AUTO = 1 << 0, 1 << 3, 1 << 5, 1 << 13, 1 << 14
_PARALLEL_DIROPS, _CACHE_SYMLINKS = 1 << 18, 1 << 23
_WANTED = (
    _ASYNC_READ | _ATOMIC_O_TRUNC | _BIG_WRITES | _READDIRPLUS | _READDIRPLUS_AUTO | _PARALLEL_DIROPS | _CACHE_SYMLINKS
)

_LOOKUP, _FORGET, _GETATTR, _SETATTR, _READLINK, _SYMLINK, _MKNOD, _MKDIR = 1, 2, 3, 4, 5, 6, 8, 9
_UNLINK, _RMDIR, _RENAME, _LINK, _OPEN, _READ, _WRITE, _STATFS, _RELEASE = 10, 11, 12, 13, 14, 15, 16, 17, 18
_INIT, _OPENDIR, _READDIR, _RELEASEDIR, _CREATE, _DESTROY = 26, 27, 28, 29, 35, 38
_BATCH_FORGET, _READDIRPLUS_OP, _RENAME2 = 42, 44, 45
_NOTIFY_INVAL_ENTRY = 3
_FATTR_MODE, _FATTR_UID, _FATTR_GID = 1, 2, 4
_FOPEN_DIRECT_IO, _FOPEN_NONSEEKABLE = 1, 4

_IN = struct.Struct("=IIQQ16x")  # length, operation, number of the request, of the node
_OUT = struct.Struct("=IiQ")
_ATTRIBUTES = struct.Struct("=6Q10I")
_ENTRY = struct.Struct("=4Q2I")
_ATTR_OUT = struct.Struct("=QII")
_DIRENT = struct.Struct("=QQII")
_FILE = struct.Struct("=QQI")  # of READ, WRITE and READDIR: handle, offset, size
_U32, _TWO_U32, _U64, _TWO_U64 = struct.Struct("=I"), struct.Struct("=II"), struct.Struct("=Q"), struct.Struct("=QQ")
_OPEN_OUT = struct.Struct("=QII")
_NOTIFY = struct.Struct("=QII")
_INIT_IN, _INIT_OUT = struct.Struct("=4I"), struct.Struct("=4IHHII36x")
_STATFS_OUT = struct.Struct("=5Q3I28x")
_WRITE_IN = 40
_ENTRY_SIZE = _ENTRY.size + _ATTRIBUTES.size
_NAME_MAX = 255


_Answer = Callable[[int, memoryview], bytes | int | None]


class _Known:
    """A file that the kernel knows by ``number``; ``lookups``: how often it was told, and has not forgotten yet.

    ``fixed``: neither it nor a directory that it is in is made when somebody looks.
    """

    __slots__ = ("attributes", "fixed", "kept_until", "likeness", "lookups", "name", "number", "parent", "path")

    def __init__(self, number: int, parent: _Known | None, name: str, likeness: object, attributes: bytes) -> None:
        self.number = number
        self.parent = parent
        self.name = name
        self.path: str = "/" if parent is None else parent.path_of(name)
        self.likeness = likeness
        self.attributes = attributes
        self.fixed = True
        self.lookups = 0
        self.kept_until = 0.0

    def path_of(self, name: str) -> str:
        """Where a file of that name in this directory is."""
        return f"/{name}" if self.parent is None else f"{self.path}/{name}"


def _likeness(node: Node) -> object:
    """What is the same as long as this is the same file to the kernel."""
    if isinstance(node, Directory):
        return "directory"
    if isinstance(node, Link):
        return "link", node.target
    if isinstance(node, DeviceNode):
        return node.mode, node.major, node.minor
    return (node.mode, len(node.data)) if isinstance(node, BinaryFile) else node.mode


class Server:
    """Answers one connection, request after request, as they change one system.

    :param connection: an open ``/dev/fuse`` that something is mounted of. It is ours to close.
    :param until: a file that can be read when it is time to end. A request that is begun is finished.
    """

    def __init__(self, files: LiveFiles, connection: int, until: int | None = None) -> None:
        self._files = files
        self._live = files.live
        self._connection = connection
        self._root = _Known(_ROOT, None, "", "directory", self._attributes("/"))
        self._known = {_ROOT: self._root}
        self._by_path = {"/": self._root}
        self._number = _ROOT
        #: What the kernel may still keep, those first that it forgets first.
        self._kept: dict[int, _Known] = {}
        self._opened: dict[int, tuple[str, Opened]] = {}
        self._listings: dict[int, list[tuple[str, Node]]] = {}
        self._listing = 0
        #: As of when names were looked at again, and when that was.
        self._generation = self._live.rootfs.generation
        self._changed_at = -_CALM
        self._back: queue.SimpleQueue[tuple[list[bytes], Callable[[], object]] | None] = queue.SimpleQueue()
        self._taker: threading.Thread | None = None
        self._ended = False
        os.set_blocking(connection, False)
        self._ready = select.poll()
        for file in (connection,) if until is None else (connection, until):
            self._ready.register(file, select.POLLIN)
        refuse = dict.fromkeys((_SYMLINK, _MKNOD, _MKDIR, _UNLINK, _RMDIR, _RENAME, _LINK), self._refuse)
        self._answers: dict[int, _Answer] = {
            **refuse,
            _RENAME2: self._refuse,
            _CREATE: lambda number, body: -errno.EACCES,
            _INIT: self._init,
            _LOOKUP: self._lookup,
            _FORGET: self._forget,
            _BATCH_FORGET: self._forget_many,
            _GETATTR: self._getattr,
            _SETATTR: self._setattr,
            _READLINK: self._readlink,
            _OPEN: self._open,
            _READ: self._read,
            _WRITE: self._write,
            _RELEASE: self._release,
            _OPENDIR: self._opendir,
            _READDIR: self._readdir,
            _READDIRPLUS_OP: self._readdirplus,
            _RELEASEDIR: self._releasedir,
            _STATFS: self._statfs,
            _DESTROY: lambda number, body: b"",
        }

    # --- the loop

    def serve(self) -> None:
        """Answer until nothing is mounted any more, or it is time to end."""
        buffer = bytearray(_REQUEST_MAX)
        view = memoryview(buffer)
        try:
            while size := self._next(buffer):
                if size >= _IN.size:  # less is no request, and of nobody who could be answered
                    self._answer(view[:size])
        finally:
            self._close()

    def _next(self, buffer: bytearray) -> int:
        """Bytes of the next request; 0: there is none any more."""
        awake_until = time.monotonic() + _AWAKE
        while time.monotonic() < awake_until or not self._is_over():
            try:
                return os.readv(self._connection, [buffer])
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EAGAIN):  # whoever asked is gone, and not what is mounted
                    break
        return 0

    def _is_over(self) -> bool:
        """Wait for a request, or for the end; whether that came."""
        return any(file != self._connection for file, _ in self._ready.poll())

    def _answer(self, request: memoryview) -> None:
        _, operation, unique, number = _IN.unpack_from(request)
        with self._live.lock:
            result = self._result(self._answers.get(operation), number, request[_IN.size :])
            stale = self._changed()
            if stale:
                self._take_back(stale, lambda: self._reply(unique, result))
                return
        self._reply(unique, result)

    def _result(self, answer: _Answer | None, number: int, body: memoryview) -> bytes | int | None:
        try:
            return -errno.ENOSYS if answer is None else answer(number, body)
        except OSError as error:
            return -(error.errno or errno.EIO)
        except Exception as error:  # a failure of ours must not look like an answer of the machine
            print(f"softreserve: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return -errno.EIO

    def _reply(self, unique: int, result: bytes | int | None) -> None:
        """Answer a request; ``None``: nobody waits for it."""
        if isinstance(result, bytes) and not self._send(_OUT.pack(_OUT.size + len(result), 0, unique) + result):
            result = -errno.EIO  # a plugin's link that is longer than a path can be
        if isinstance(result, int):
            self._send(_OUT.pack(_OUT.size, result, unique))

    def _send(self, message: bytes) -> bool:
        """Whether the kernel takes it. Whoever asked may be gone, and what was kept as well: that is no matter."""
        try:
            os.write(self._connection, message)
        except OSError as error:
            return error.errno != errno.EINVAL
        return True

    def _close(self) -> None:
        with self._live.lock:
            self._ended = True
        if self._taker is not None:
            self._back.put(None)
            self._taker.join(timeout=1)
            if self._taker.is_alive():
                return  # it still writes there
        os.close(self._connection)

    # --- names that changed

    def refresh(self) -> None:
        """Take names back from the kernel that mean something else since the machine was changed; on any thread."""
        done = threading.Event()
        with self._live.lock:
            if self._ended:
                return
            self._take_back(self._changed(), done.set)
        done.wait()

    def _changed(self) -> list[bytes]:
        """What to tell the kernel of names that mean something else since this was last asked."""
        generation = self._live.rootfs.generation
        if generation == self._generation:
            return []
        self._generation, self._changed_at = generation, time.monotonic()
        nodes: dict[int, Node | None] = {_ROOT: self._live.rootfs.tree.root}

        def node(known: _Known) -> Node | None:
            if known.number not in nodes:
                assert known.parent is not None
                above = node(known.parent)
                nodes[known.number] = None
                with contextlib.suppress(Exception):  # a plugin's, that is told whoever looks it up
                    nodes[known.number] = above.get(known.name) if isinstance(above, Directory) else None
            return nodes[known.number]

        stale = []
        for known in [known for known in self._kept.values() if known.kept_until > self._changed_at]:
            here = node(known)
            if here is None or _likeness(here) != known.likeness:
                assert known.parent is not None
                name = known.name.encode("utf-8", "surrogateescape")
                body = _NOTIFY.pack(known.parent.number, len(name), 0) + name + b"\0"
                stale.append(_OUT.pack(_OUT.size + len(body), _NOTIFY_INVAL_ENTRY, 0) + body)
                del self._kept[known.number]
        return stale

    def _take_back(self, stale: list[bytes], then: Callable[[], object]) -> None:
        """Tell the kernel on a thread of its own: it waits for those who look into these directories, and they for us.

        Linux: ``fs/fuse/dir.c: fuse_reverse_inval_entry``.
        """
        if self._taker is None:
            self._taker = threading.Thread(target=self._take, name="softreserve-names", daemon=True)
            self._taker.start()
        self._back.put((stale, then))

    def _take(self) -> None:
        while (work := self._back.get()) is not None:
            stale, then = work
            for message in stale:
                self._send(message)
            then()

    # --- files

    def _attributes(self, path: str) -> bytes:
        found = self._files.getattr(path)
        born, of_second = divmod(found["st_mtime"], 10**9)
        size = found["st_size"]
        return _ATTRIBUTES.pack(
            found["st_ino"], size, -(-size // 512), born, born, born, of_second, of_second, of_second,
            found["st_mode"], found["st_nlink"], found["st_uid"], found["st_gid"], _device(found["st_rdev"]), 4096, 0,
        )  # fmt: skip

    def _entry(self, parent: _Known, name: str, node: Node) -> bytes:
        """Tell the kernel of a file: it has to forget it again."""
        path = parent.path_of(name)
        known = self._by_path.get(path)
        likeness = _likeness(node)
        if known is None or known.likeness != likeness:
            self._number += 1
            known = _Known(self._number, parent, name, likeness, self._attributes(path))
            above = self._live.rootfs.node(parent.path)
            known.fixed = parent.fixed and isinstance(above, Directory) and name in above.children
            self._known[known.number] = self._by_path[path] = known
        known.lookups += 1
        kept = _KEPT if isinstance(node, Directory | Link | DeviceNode) and self._keep(known) else 0
        return _ENTRY.pack(known.number, 0, 0, _FOREVER, kept, 0) + known.attributes

    def _keep(self, known: _Known) -> bool:
        """Whether the kernel may keep a name for a moment."""
        now = time.monotonic()
        for old in [*takewhile(lambda old: old.kept_until <= now, self._kept.values())]:
            del self._kept[old.number]
        if not known.fixed and now < self._changed_at + _CALM:
            return False
        if self._kept.pop(known.number, None) is None and len(self._kept) >= _KEPT_MOST:
            return False
        self._kept[known.number] = known
        known.kept_until = now + _FORGOTTEN
        return True

    def _lookup(self, number: int, body: memoryview) -> bytes | int:
        parent = self._known[number]
        name = _name(body)
        node = self._files.node(parent.path_of(name))
        return self._entry(parent, name, node)

    def _forget(self, number: int, body: memoryview) -> None:
        self._forget_one(number, *_U64.unpack_from(body))

    def _forget_many(self, number: int, body: memoryview) -> None:
        for place in range(8, 8 + 16 * _U32.unpack_from(body)[0], 16):
            self._forget_one(*_TWO_U64.unpack_from(body, place))

    def _forget_one(self, number: int, lookups: int) -> None:
        known = self._known.get(number)
        if known is None or known is self._root:
            return
        known.lookups -= lookups
        if known.lookups <= 0:
            del self._known[number]
            self._kept.pop(number, None)
            if self._by_path.get(known.path) is known:
                del self._by_path[known.path]

    def _getattr(self, number: int, body: memoryview) -> bytes:
        return _ATTR_OUT.pack(_FOREVER, 0, 0) + self._known[number].attributes

    def _setattr(self, number: int, body: memoryview) -> bytes | int:
        if _U32.unpack_from(body)[0] & (_FATTR_MODE | _FATTR_UID | _FATTR_GID):
            return -errno.EPERM
        self._files.truncate(self._known[number].path)
        return self._getattr(number, body)

    def _readlink(self, number: int, body: memoryview) -> bytes:
        return self._files.readlink(self._known[number].path).encode("utf-8", "surrogateescape")

    def _open(self, number: int, body: memoryview) -> bytes:
        path = self._known[number].path
        opened = Opened(*_U32.unpack_from(body))
        self._files.open(path, opened)
        self._opened[opened.fh] = path, opened
        flags = _FOPEN_DIRECT_IO * opened.direct_io | _FOPEN_NONSEEKABLE * opened.nonseekable
        return _OPEN_OUT.pack(opened.fh, flags, 0)

    def _read(self, number: int, body: memoryview) -> bytes:
        handle, offset, size = _FILE.unpack_from(body)
        path, opened = self._opened[handle]
        return self._files.read(path, size, offset, opened)

    def _write(self, number: int, body: memoryview) -> bytes:
        handle, offset, size = _FILE.unpack_from(body)
        path, opened = self._opened[handle]
        data = bytes(body[_WRITE_IN : _WRITE_IN + size])
        return _TWO_U32.pack(self._files.write(path, data, offset, opened), 0)

    def _release(self, number: int, body: memoryview) -> bytes:
        path, opened = self._opened.pop(*_U64.unpack_from(body))
        self._files.release(path, opened)
        return b""

    # --- directories

    def _opendir(self, number: int, body: memoryview) -> bytes:
        self._listing += 1
        self._listings[self._listing] = []
        return _OPEN_OUT.pack(self._listing, 0, 0)

    def _readdir(self, number: int, body: memoryview) -> bytes:
        return self._list(self._known[number], body, plus=False)

    def _readdirplus(self, number: int, body: memoryview) -> bytes:
        return self._list(self._known[number], body, plus=True)

    def _list(self, here: _Known, body: memoryview, *, plus: bool) -> bytes:
        """As much of a directory as there is room for; ``plus``: each name with all that a lookup would tell."""
        handle, offset, room = _FILE.unpack_from(body)
        if offset == 0:  # it is read from its beginning
            self._listings[handle] = self._files.readdir(here.path)
        parts: list[bytes] = []
        for place, (name, node) in enumerate(self._listings[handle][offset:], start=offset + 1):
            encoded = name.encode("utf-8", "surrogateescape")
            padding = -len(encoded) % 8
            room -= _DIRENT.size + len(encoded) + padding + plus * _ENTRY_SIZE
            if room < 0:
                break
            dots = name in (".", "..")
            if plus:
                # since the listing was begun it may have become another file
                now = None if dots else self._live.rootfs.node(here.path_of(name))
                parts.append(bytes(_ENTRY_SIZE) if now is None else self._entry(here, name, now))
            inode = inode_of(here.path if dots else here.path_of(name))
            parts += (_DIRENT.pack(inode, place, len(encoded), _kind(node)), encoded, bytes(padding))
        return b"".join(parts)

    def _releasedir(self, number: int, body: memoryview) -> bytes:
        del self._listings[_U64.unpack_from(body)[0]]
        return b""

    # --- the rest

    def _init(self, number: int, body: memoryview) -> bytes:
        _, minor, readahead, flags = _INIT_IN.unpack_from(body)
        self._files.init()
        # 12 and 9: how many requests may wait that nobody waits for, and from where on that is many
        return _INIT_OUT.pack(_MAJOR, min(minor, _MINOR), readahead, flags & _WANTED, 12, 9, _WRITE_MAX, 1)

    def _statfs(self, number: int, body: memoryview) -> bytes:
        return _STATFS_OUT.pack(0, 0, 0, 0, 0, 512, _NAME_MAX, 0)

    def _refuse(self, number: int, body: memoryview) -> int:
        """Nothing is made, moved or removed. Linux: ``fs/kernfs/dir.c: kernfs_dir_iops``."""
        return -errno.EPERM


def _name(body: memoryview) -> str:
    return bytes(body).partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _kind(node: Node) -> int:
    """The type of a file as in ``struct dirent``."""
    if isinstance(node, Directory):
        return stat.S_IFDIR >> 12
    if isinstance(node, Link):
        return stat.S_IFLNK >> 12
    return (stat.S_IFCHR if isinstance(node, DeviceNode) else stat.S_IFREG) >> 12


def _device(number: int) -> int:
    """A device number as the kernel takes it. Linux: ``include/linux/kdev_t.h: new_encode_dev``."""
    minor = os.minor(number)
    return (minor & 0xFF) | os.major(number) << 8 | (minor & ~0xFF) << 12
