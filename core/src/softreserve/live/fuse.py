"""A live system as a mounted file system: every read asks it, every write changes it, every errno is its own.

mfusepy (extra ``fuse``) and libfuse3 do the talking; they are only looked for when something is mounted. Attribute
caching is off and ``direct_io`` on, because what a file holds changes under its readers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from softreserve.kernel.sysfs import Attribute, Directory, Node
from softreserve.live.claims import Mount, TakenError, located, mounts, take
from softreserve.live.rootfs import RecordFile
from softreserve.live.server import LiveSystem
from softreserve.model.errors import SoftReserveError

__all__ = ["Conversation", "FuseError", "LiveFiles", "check_fuse", "mount"]

#: What still works where nothing can be mounted.
WITHOUT = "`softreserve export MACHINE DIR` writes a tree to read without it"
_NAME = "softreserve"
#: What stands as the source of our mounts: the server's process is in it.
_SOURCE = re.compile(rf"{_NAME}(-\d+)?")
#: Seconds that ``fusermount3`` has to take away the mount of a server that was killed.
_PATIENCE = 2
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
    """An open file: what it showed when it was last read from its beginning, or what was said or taken so far."""

    __slots__ = ("node", "path", "records", "said", "shown")

    def __init__(self, path: str, node: Attribute) -> None:
        self.path = path
        self.node = node
        self.shown: bytes | None = None
        self.said = b""
        self.records = 0


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
            info.nonseekable = int(isinstance(node, Conversation | RecordFile))
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
        if isinstance(file.node, RecordFile):
            with self._live.lock:
                record = file.node.record(file.records)
            if record is not None and len(record) > size:
                raise _error(-errno.EINVAL)
            file.records += 1
            return record or b""
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
        if isinstance(file.node, RecordFile):
            with self._live.lock:  # a log is no state: what is written there is in no record
                result = file.node.write(data, path)
        else:
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


@contextlib.contextmanager
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
            default_permissions=True,
            **options,
        )
    except RuntimeError as error:
        # A signal that ends the service is an error to libfuse, too.
        if not files.started:
            raise FuseError(f"cannot mount at {where}") from error


def mount(live: LiveSystem, directory: Path, on_start: Callable[[], object] = lambda: None) -> None:
    """Serve a live system at ``directory`` until it is unmounted or a signal comes.

    The mount goes away even if this process is killed: ``fusermount3`` waits for its end. Without that program only
    root can mount, and has to unmount what a killed server leaves.

    :raises FuseError: something that mounting needs is missing, or the directory cannot be mounted on: another server
        may be there.
    """
    check_fuse()
    automatic = shutil.which("fusermount3") is not None
    options: dict[str, Any] = {"auto_unmount": automatic, "subtype": _NAME, "fsname": f"{_NAME}-{os.getpid()}"}
    if os.geteuid() == 0:
        options["allow_other"] = True
    elif not automatic:
        raise FuseError(f"mounting needs fusermount3 for all but root: apt install fuse3; {WITHOUT}")
    with _claimed(str(directory)) as where, _MountersWords() as words:

        def started() -> None:
            words.end()
            on_start()

        files = LiveFiles(live, started)
        if os.geteuid() != 0:
            files.owned_by(os.getuid(), os.getgid())
        try:
            serve_at(files, where, **options)
        except FuseError as error:
            raise FuseError(f"{error}: {words.end() or 'it is not said why'}") from error


class _MountersWords:
    """What libfuse and its programs say on standard error until the mount is made.

    ``fusermount3`` keeps what it has been given to the end: then it complains that there is nothing left to unmount.
    """

    def __enter__(self) -> _MountersWords:
        self._file = os.memfd_create("mounting", os.MFD_CLOEXEC)
        self._stderr: int | None = None
        with contextlib.suppress(OSError):  # it is closed
            self._stderr = os.dup(2)
            os.dup2(self._file, 2)
        return self

    def end(self) -> str:
        """Give standard error back; the last line that was said."""
        if self._stderr is not None:
            os.dup2(self._stderr, 2)
            os.close(self._stderr)
            self._stderr = None
        said = os.pread(self._file, os.fstat(self._file).st_size, 0).decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(said) if line.strip()), "")

    def __exit__(self, *what: object) -> None:
        self.end()
        os.close(self._file)


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
