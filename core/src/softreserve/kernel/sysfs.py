"""The one sysfs tree: directories, links and attributes, made on demand. Linux: ``fs/sysfs``, ``fs/kernfs``.

In-process steps, the exported directory and the mounted file system all go through :class:`SysfsTree`: a change of the
system is a write here, and its answer is a number of bytes or ``-errno``. Paths are absolute and begin with ``/sys``.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from softreserve.kernel import border

__all__ = ["Attribute", "Directory", "Link", "Node", "SysfsTree", "c_text", "is_file_name", "number_in"]

Show = Callable[[], str | bytes | int]
Store = Callable[[bytes], int]

_MAX_LINKS = 40

#: Bytes of a name, and of a path with its final zero. Linux: ``include/uapi/linux/limits.h``.
_NAME_MAX = 255
_PATH_MAX = 4096

#: Bytes that an attribute shows at the most: a page, wherever pages are largest. Linux: ``fs/sysfs/file.c``.
_SHOWN_MAX = 1 << 16

_DIGITS = 20  # of the largest 64-bit number


def number_in(name: str, prefix: str = "") -> int | None:
    """The number in a name like ``memory12``, written as the kernel prints it; ``None`` where it is another name."""
    digits = name.removeprefix(prefix)
    if (prefix and digits == name) or not digits.isdecimal() or len(digits) > _DIGITS:
        return None
    number = int(digits)
    return number if str(number) == digits else None


def is_file_name(name: object) -> bool:
    """Whether something can be the name of a file here: one part of a path that can be shown, and no way out of it."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or not name.isprintable():
        return False
    return len(name) <= _NAME_MAX and (name.isascii() or len(os.fsencode(name)) <= _NAME_MAX)


def c_text(data: bytes) -> str:
    """What a store function sees of the bytes written: up to the first NUL."""
    return data.split(b"\0", 1)[0].decode("latin-1")


class Attribute:
    """A file. ``show`` gives its text (newline included) or ``-errno``; ``store`` gives bytes taken or ``-errno``.

    ``mode`` is the permission bits. As in kernfs, opening in a direction that neither mode nor operations allow fails
    with EACCES even for root.
    """

    __slots__ = ("mode", "show", "store")

    def __init__(self, mode: int, show: Show | None = None, store: Store | None = None) -> None:
        self.mode = mode
        self.show = show
        self.store = store

    def read(self, path: str = "an attribute") -> bytes | int:
        """What ``cat`` gives: bytes, or ``-errno`` of open() or read().

        :param path: where it stands, for a message.
        :raises PluginError: it is a plugin's, and failed, or showed what is neither.
        """
        if not self.mode & 0o444 or self.show is None:
            return -errno.EACCES
        value = border.call(f"softreserve_sysfs: show of {path}", self.show)
        wanted = "text, bytes or a negative errno"
        if isinstance(value, (str, bytes)) and len(value) > _SHOWN_MAX and border.brought_by(self.show):
            wanted = f"at most a page, which has {_SHOWN_MAX} bytes where it is largest, not {len(value)}"
        elif isinstance(value, str):
            with suppress(UnicodeEncodeError):
                return value.encode()
        elif isinstance(value, bytes) or (value and border.status_problem(value) is None):
            return value
        plugin = border.brought_by(self.show)
        raise border.unsound(plugin, f"softreserve_sysfs: show of {path}", value, wanted)

    def write(self, data: bytes, path: str = "an attribute") -> int:
        """One write(): bytes taken, or ``-errno`` of open() or write().

        :param path: where it stands, for a message.
        :raises PluginError: it is a plugin's, and failed, or answered neither.
        """
        if not self.mode & 0o222 or self.store is None:
            return -errno.EACCES
        if not data:
            return 0
        taken = border.call(f"softreserve_sysfs: store of {path}", self.store, data)
        if border.status_problem(taken) is None or (type(taken) is int and 0 < taken <= len(data)):
            return taken
        plugin = border.brought_by(self.store)
        raise border.unsound(
            plugin, f"softreserve_sysfs: store of {path}", taken, f"0 to {len(data)} bytes or a negative errno"
        )


class Link:
    """A symbolic link; ``target`` is the absolute path under ``/sys`` that it means (shown as a relative one).

    ``devname``: below ``/sys/dev``, what the device is called below ``/dev``, where that is not its own name.
    """

    __slots__ = ("devname", "target")

    def __init__(self, target: str, devname: str | None = None) -> None:
        self.target = target
        self.devname = devname

    def text(self, path: str) -> str:
        """The relative target that the link shows where it stands at ``path``.

        The way leads up to where the *parent* of the target branches off, even if the link lies below the target.
        Linux: ``fs/kernfs/symlink.c: kernfs_get_target_path``.
        """
        up, down = path.split("/")[1:-1], self.target.split("/")[1:]
        same = 0
        for here, there in zip(up, down[:-1], strict=False):
            if here != there:
                break
            same += 1
        return "../" * (len(up) - same) + "/".join(down[same:])


class Directory:
    """A directory: fixed children, and optionally children made on demand.

    ``names`` lists what is made on demand and ``lookup`` makes one (``None``: no such child). A directory of half a
    million memory blocks costs nothing until somebody looks. ``in_order`` says that ``names`` gives them sorted,
    numbers as numbers (``memory2`` before ``memory10``), and never the name of a fixed child.
    """

    __slots__ = ("children", "in_order", "lookup", "names")

    def __init__(
        self,
        children: dict[str, Node] | None = None,
        *,
        names: Callable[[], Iterable[str]] | None = None,
        lookup: Callable[[str], Node | None] | None = None,
        in_order: bool = False,
    ) -> None:
        self.children: dict[str, Node] = children if children is not None else {}
        self.names = names
        self.in_order = in_order
        self.lookup = lookup

    def get(self, name: str) -> Node | None:
        """The child of that name, or ``None``."""
        node = self.children.get(name)
        if node is None and self.lookup is not None:
            node = self.lookup(name)
        return node

    def listing(self) -> list[str]:
        """Names of all children; fixed ones first, each once."""
        found = list(self.children)
        if self.names is not None:
            found += [name for name in self.names() if name not in self.children]
        return found


Node = Directory | Link | Attribute


class SysfsTree:
    """The tree below ``/sys``.

    :param page_size: the most bytes that one write() hands to an attribute.
    """

    def __init__(self, page_size: int = 4096) -> None:
        self._page_size = page_size
        self.root = Directory({"sys": Directory()})
        self._changed: list[tuple[str, Node | None, Node | None]] | None = None
        #: Counts what may have changed which files there are: what was found before may be gone.
        self.changes = 0
        #: What a write() stands in: it notices when that is over.
        self.system_call: AbstractContextManager[None] = nullcontext()

    # --- building

    def directory(self, path: str) -> Directory:
        """The fixed directory at ``path``, made with its parents where missing.

        :raises ValueError: something that is no directory is in the way (our mistake).
        """
        here = self.root
        for part in _parts(path):
            child = here.get(part)
            if child is None:
                child = here.children[part] = Directory()
            if not isinstance(child, Directory):
                raise ValueError(f"{path}: {part} is no directory")
            here = child
        return here

    def add(self, path: str, node: Node) -> None:
        """Put a node at ``path``; parents are made, an existing node is replaced."""
        parent, _, name = path.rpartition("/")
        children = self.directory(parent).children
        if self._changed is not None:
            self._changed.append((path, node, children.get(name)))
        children[name] = node
        self.changes += 1

    @contextmanager
    def noting(self) -> Iterator[list[tuple[str, Node | None, Node | None]]]:
        """Note what is added or taken away meanwhile: its path, what is there now, and what was there before."""
        found: list[tuple[str, Node | None, Node | None]] = []
        self._changed = found
        try:
            yield found
        finally:
            self._changed = None

    def remove(self, path: str) -> None:
        """Take a fixed node away with all below it; absent ones are no error."""
        parent, name = posixpath.split(path)
        here = self.node(parent)
        if isinstance(here, Directory):
            gone = here.children.pop(name, None)
            self.changes += 1
            if self._changed is not None and gone is not None:
                self._changed.append((path, None, gone))

    # --- looking

    def node(self, path: str, *, follow: bool = False) -> Node | None:
        """The node at ``path``; links on the way are followed, one at the end only with ``follow``."""
        found = self._walk(path, follow)
        return None if isinstance(found, int) else found[1]

    def resolve(self, path: str) -> str | None:
        """The path with every link followed (``realpath``); ``None`` where it leads nowhere."""
        found = self._walk(path, True)
        return None if isinstance(found, int) else found[0]

    def readlink(self, path: str) -> str | int:
        """The relative target of a link as the kernel shows it, or ``-errno``."""
        found = self._walk(path, False)
        if isinstance(found, int):
            return found
        where, node = found
        return node.text(where) if isinstance(node, Link) else -errno.EINVAL

    def listdir(self, path: str) -> list[str] | int:
        """Names in a directory, sorted, or ``-errno``."""
        found = self._walk(path, True)
        if isinstance(found, int):
            return found
        if not isinstance(found[1], Directory):
            return -errno.ENOTDIR
        return sorted(found[1].listing())

    def walk(self, path: str) -> Iterator[tuple[str, Node]]:
        """Every node at and below ``path`` (links not followed), depth first, names sorted."""
        node = self.node(path)
        if node is None:
            return
        yield path, node
        if isinstance(node, Directory):
            for name in sorted(node.listing()):
                yield from self.walk(f"{path}/{name}")

    # --- reading and writing

    def read(self, path: str) -> bytes | int:
        """What ``cat`` gives: bytes, or ``-errno`` of open() or read()."""
        found = self._attribute(path)
        return found if isinstance(found, int) else found.read(path)

    def write(self, path: str, data: bytes) -> int:
        """One open(O_WRONLY) and one write(): bytes taken, or ``-errno`` of either.

        Writing nothing returns 0 and does not reach the attribute; of more than a page only the first page does.
        Linux: ``fs/kernfs/file.c: kernfs_fop_write_iter``.
        """
        found = self._attribute(path)
        if isinstance(found, int):
            return found
        try:
            with self.system_call:
                return found.write(data[: self._page_size], path)
        finally:
            self.changes += 1

    def _attribute(self, path: str) -> Attribute | int:
        """What a path leads to, as open() finds it: a file, or ``-errno``."""
        found = self._walk(path, True)
        if isinstance(found, int):
            return found
        node = found[1]
        if isinstance(node, Directory):
            return -errno.EISDIR
        assert isinstance(node, Attribute)
        return node

    def _walk(self, path: str, follow: bool) -> tuple[str, Node] | int:
        if len(path) > _NAME_MAX and len(os.fsencode(path)) >= _PATH_MAX:
            return -errno.ENAMETOOLONG
        here: Node = self.root
        done = ""
        todo = _parts(path)[::-1]
        links = 0
        while todo:
            if not isinstance(here, Directory):
                return -errno.ENOTDIR
            name = todo.pop()
            child = here.get(name)
            if child is None:
                return -errno.ENAMETOOLONG if len(os.fsencode(name)) > _NAME_MAX else -errno.ENOENT
            if isinstance(child, Link) and (todo or follow):
                links += 1
                if links > _MAX_LINKS:
                    return -errno.ELOOP
                todo += _parts(child.target)[::-1]
                here, done = self.root, ""
                continue
            here, done = child, f"{done}/{name}"
        return done or "/", here


def _parts(path: str) -> list[str]:
    """Path components; ``.`` and doubled slashes vanish, ``..`` goes up textually."""
    found = path.removeprefix("/").split("/")
    if not ("" in found or "." in found or ".." in found):
        return found
    parts: list[str] = []
    for part in found:
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts
