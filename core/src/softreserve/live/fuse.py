"""A live system as a mounted file system: every read asks it, every write changes it, every errno is its own.

mfusepy (extra ``fuse``) and libfuse3 do the talking; they are only looked for when something is mounted. Attribute
caching is off and ``direct_io`` on, because what a file holds changes under its readers.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from softreserve.kernel.sysfs import Attribute, Directory, Node
from softreserve.live.server import LiveSystem
from softreserve.model.errors import SoftReserveError

__all__ = ["Conversation", "FuseError", "LiveFiles", "check_fuse", "mount"]

#: What still works where nothing can be mounted.
WITHOUT = "`softreserve export MACHINE DIR` writes a tree to read without it"
_LIBRARIES = ("libfuse3.so.3", "libfuse3.so.4")


class FuseError(SoftReserveError):
    """Mounting is not possible here; the message says what is missing and what works without it."""


class Conversation(Attribute):
    """A file that is written to and then answers, each opener by itself: ``answer`` gets all that was written."""

    __slots__ = ("answer",)

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        super().__init__(0o666, lambda: b"", len)
        self.answer = answer


class _Open:
    """An open file: what it showed when it was last read from its beginning, or what was said so far."""

    __slots__ = ("node", "path", "said", "shown")

    def __init__(self, path: str, node: Attribute) -> None:
        self.path = path
        self.node = node
        self.shown: bytes | None = None
        self.said = b""


class LiveFiles:
    """The operations that mfusepy calls; paths are those of :class:`softreserve.live.rootfs.RootFs`.

    Failures leave as :class:`OSError`, whose errno is the answer.
    """

    #: Times are integers of nanoseconds (mfusepy asks for this name).
    use_ns = True

    def __init__(self, live: LiveSystem, on_start: Callable[[], object] = lambda: None) -> None:
        self._live = live
        self._on_start = on_start
        self._files: dict[int, _Open] = {}
        self._next = 1
        self._born = time.time_ns()
        #: Whether the kernel has spoken to us.
        self.started = False
        self._uid, self._gid = 0, 0

    def owned_by(self, uid: int, gid: int) -> LiveFiles:
        """Show this owner instead of root: for an ordinary user who mounts outside a user namespace."""
        self._uid, self._gid = uid, gid
        return self

    def init(self, path: str) -> None:
        """The kernel knows us."""
        self.started = True
        self._on_start()

    # --- looking

    def getattr(self, path: str, fh: object = None) -> dict[str, int]:
        """``lstat()``."""
        with self._live.lock:
            return self._stat(path, self._node(path))

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        """Names in the kernel's order, with type and inode."""
        with self._live.lock:
            children = self._live.rootfs.listing(path)
            if isinstance(children, int):
                raise _error(children)
            dots = [(name, {"st_mode": stat.S_IFDIR, "st_ino": _inode(path)}, 0) for name in (".", "..")]
            prefix = "" if path == "/" else path
            return dots + [(name, self._stat(f"{prefix}/{name}", child), 0) for name, child in children]

    def readlink(self, path: str) -> str:
        """The relative target."""
        with self._live.lock:
            target = self._live.rootfs.tree.readlink(path)
            if isinstance(target, int):
                raise _error(target)
            return target

    # --- files

    def open(self, path: str, info: Any) -> int:
        """Refused, as in ``fs/kernfs/file.c: kernfs_fop_open``, in a direction that the attribute does not have."""
        with self._live.lock:
            node = self._node(path)
            if not isinstance(node, Attribute):
                raise _error(-errno.EISDIR if isinstance(node, Directory) else -errno.ELOOP)
            wanted = info.flags & os.O_ACCMODE
            if wanted != os.O_RDONLY and not (node.mode & 0o222 and node.store):
                raise _error(-errno.EACCES)
            if wanted != os.O_WRONLY and not (node.mode & 0o444 and node.show):
                raise _error(-errno.EACCES)
            info.direct_io = 1
            info.nonseekable = int(isinstance(node, Conversation))
            info.fh = self._next
            self._files[self._next] = _Open(path, node)
            self._next += 1
            return 0

    def read(self, path: str, size: int, offset: int, info: Any) -> bytes:
        """Part of what the file showed when this opener last read from its beginning."""
        file = self._files[info.fh]
        if isinstance(file.node, Conversation):
            if file.shown is None:
                file.shown = file.node.answer(file.said)
            piece, file.shown = file.shown[:size], file.shown[size:]
            return piece
        if offset == 0 or file.shown is None:
            value = self._live.read(file.path)
            if isinstance(value, int):
                raise _error(value)
            file.shown = value
        return file.shown[offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, info: Any) -> int:
        """One write() is one store."""
        file = self._files[info.fh]
        if isinstance(file.node, Conversation):
            file.said += data
            return len(data)
        result = self._live.write(file.path, data)
        if result < 0:
            raise _error(result)
        return result

    def release(self, path: str, info: Any) -> int:
        """The last opener is gone."""
        self._files.pop(info.fh, None)
        return 0

    def truncate(self, path: str, length: int, fh: object = None) -> int:
        """``> file`` comes by here before it writes; sysfs lets it and does nothing."""
        with self._live.lock:
            self._node(path)
        return 0

    # --- what sysfs refuses. Linux: fs/kernfs/dir.c: kernfs_dir_iops

    def create(self, path: str, mode: int, info: object) -> int:
        """No new files."""
        raise _error(-errno.EACCES)

    def mkdir(self, path: str, mode: int) -> int:
        """No new directories."""
        raise _error(-errno.EPERM)

    def mknod(self, path: str, mode: int, device: int) -> int:
        """No new nodes."""
        raise _error(-errno.EPERM)

    def symlink(self, path: str, target: str) -> int:
        """No new links."""
        raise _error(-errno.EPERM)

    def unlink(self, path: str) -> int:
        """Nothing is removed."""
        raise _error(-errno.EPERM)

    def rmdir(self, path: str) -> int:
        """No directory is removed."""
        raise _error(-errno.EPERM)

    def rename(self, old: str, new: str) -> int:
        """Nothing is renamed."""
        raise _error(-errno.EPERM)

    # --- helpers

    def _node(self, path: str) -> Node:
        node = self._live.rootfs.tree.node(path)
        if node is None:
            raise _error(-errno.ENOENT)
        return node

    def _stat(self, path: str, node: Node) -> dict[str, int]:
        found = self._live.rootfs.stat_node(path, node)
        return {
            "st_mode": found.mode,
            "st_size": found.size,
            "st_rdev": os.makedev(*found.device),
            "st_ino": _inode(path),
            "st_nlink": 1,
            "st_uid": self._uid,
            "st_gid": self._gid,
            "st_atime": self._born,
            "st_mtime": self._born,
            "st_ctime": self._born,
        }


def _inode(path: str) -> int:
    """A number that stays with a path and is never 0: readers skip entries whose inode is 0."""
    return int.from_bytes(blake2b(path.encode(), digest_size=6).digest(), "big") + 2


def _error(result: int) -> OSError:
    return OSError(-result, os.strerror(-result))


def check_fuse() -> Any:
    """The module mfusepy, ready to mount.

    :raises FuseError: mfusepy, libfuse3 or ``/dev/fuse`` is missing.
    """
    try:
        with _libfuse3():
            import mfusepy
    except ImportError as error:
        raise FuseError(f"mounting needs mfusepy: pip install 'softreserve[fuse]'; {WITHOUT}") from error
    except OSError as error:
        raise FuseError(f"mounting needs libfuse3: apt install fuse3; {WITHOUT}") from error
    if not os.path.exists("/dev/fuse"):
        raise FuseError(f"mounting needs /dev/fuse: modprobe fuse, or give the container --device /dev/fuse; {WITHOUT}")
    return mfusepy


@contextmanager
def _libfuse3() -> Iterator[None]:
    """Let mfusepy take libfuse3 by its name: its own search prefers libfuse2 and starts a compiler to find it."""
    if "FUSE_LIBRARY_PATH" in os.environ or "mfusepy" in sys.modules:
        yield
        return
    import ctypes

    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        os.environ["FUSE_LIBRARY_PATH"] = name
        break
    else:
        raise OSError("no libfuse3")
    try:
        yield
    finally:
        del os.environ["FUSE_LIBRARY_PATH"]


def serve_at(files: LiveFiles, where: str, **options: Any) -> None:
    """Serve ``files`` at ``where`` (a directory, or ``/dev/fd/N`` for a connection made elsewhere) until unmounted.

    One thread serves: requests are answered one after the other, as they change one system.

    :raises FuseError: mounting failed.
    """
    mfusepy = check_fuse()
    try:
        mfusepy.FUSE(
            files,
            where,
            raw_fi=True,
            foreground=True,
            nothreads=True,
            use_ino=True,
            direct_io=True,
            attr_timeout=0,
            entry_timeout=0,
            negative_timeout=0,
            fsname="softreserve",
            default_permissions=True,
            **options,
        )
    except RuntimeError as error:
        # A signal that ends the service is an error to libfuse, too.
        if not files.started:
            # It has said why on stderr.
            raise FuseError(f"cannot mount at {where}") from error


def mount(live: LiveSystem, directory: Path, on_start: Callable[[], object] = lambda: None) -> None:
    """Serve a live system at ``directory`` until it is unmounted or a signal comes.

    The mount goes away even if this process is killed: ``fusermount3`` waits for its end. Without that program only
    root can mount, and has to unmount what a killed server leaves.

    :raises FuseError: something that mounting needs is missing, or the directory cannot be mounted on.
    """
    check_fuse()
    if not directory.is_dir():
        raise FuseError(f"{directory}: is no directory; make it first")
    files = LiveFiles(live, on_start)
    options: dict[str, Any] = {"auto_unmount": shutil.which("fusermount3") is not None}
    if os.geteuid() == 0:
        options["allow_other"] = True
    elif options["auto_unmount"]:
        files.owned_by(os.getuid(), os.getgid())
    else:
        raise FuseError(f"mounting needs fusermount3 for all but root: apt install fuse3; {WITHOUT}")
    serve_at(files, str(directory.resolve()), **options)
