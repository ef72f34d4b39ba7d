"""The whole view that programs have of a machine, as one tree: ``/sys``, files of ``/proc``, device nodes of ``/dev``.

The ``/sys`` part *is* the system's sysfs tree, not a copy: the exported directory and the mounted file system show and
change the one system.
"""

from __future__ import annotations

import errno
import functools
import itertools
import posixpath
import stat
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from softreserve.kernel import cpu_sysfs, kmsg, procfs
from softreserve.kernel.kernfs import in_readdir_order
from softreserve.kernel.kexec import sysfs as kexec_sysfs
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, SysfsTree

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["BinaryFile", "DeviceNode", "RecordFile", "RootFs", "Stat", "inode_of"]


_FOUND_MOST = 1 << 16


class DeviceNode(Attribute):
    """A character device: it can be looked at, not opened. ``major`` and ``minor`` are its number."""

    __slots__ = ("major", "minor")

    def __init__(self, major: int, minor: int) -> None:
        super().__init__(0o600)
        self.major = major
        self.minor = minor


class BinaryFile(Attribute):
    """A file that holds ``data`` and never changes."""

    __slots__ = ("data",)

    def __init__(self, mode: int, data: bytes) -> None:
        super().__init__(mode, lambda: data)
        self.data = data


class RecordFile(Attribute):
    """A file that gives one record per read(): ``record`` is called with numbers from 0, until it gives ``None``."""

    __slots__ = ("record",)

    def __init__(self, mode: int, record: Callable[[int], bytes | None], store: Callable[[bytes], int]) -> None:
        super().__init__(mode, lambda: b"".join(iter(map(record, itertools.count()).__next__, None)), store)
        self.record = record


class Stat(NamedTuple):
    """What ``lstat()`` says: ``mode`` with the type bits, ``size`` in bytes, ``device`` as (major, minor)."""

    mode: int
    size: int = 0
    device: tuple[int, int] = (0, 0)


class RootFs:
    """The tree below ``/`` that belongs to the machine."""

    def __init__(self, system: System, hidden: Mapping[str, Node] | None = None) -> None:
        """``hidden`` are nodes right below ``/sys`` that can be opened but are not listed."""
        self.system = system
        cpu_sysfs.publish(system)
        kexec_sysfs.publish(system)
        if system.acpi:
            for name in ("data", "dynamic"):  # of what is in there no description of a machine tells
                system.sysfs.directory(f"/sys/firmware/acpi/tables/{name}")
        for name, table in system.acpi.items():
            system.sysfs.add(f"/sys/firmware/acpi/tables/{name}", BinaryFile(0o400, table))
        sys = system.sysfs.node("/sys")
        assert isinstance(sys, Directory)
        if hidden is not None:
            sys = _with_hidden(sys, hidden)
        #: Placeholders in ``/dev`` for devices of the host, which stay usable beside the machine's.
        self.host_devices: dict[str, Node] = {}
        self._numbers: dict[str, str] = {}
        #: What was found by its path since the machine was changed last.
        self._found: dict[str, Node] = {}
        self._found_in = -1
        self.tree = SysfsTree(system.kernel.page_size)
        self.tree.system_call = system.sysfs.system_call
        self.tree.root.children = {
            "sys": sys,
            "proc": Directory(),
            "dev": Directory(names=self._devices, lookup=self._device),
        }
        for path, file in procfs.files(system):
            self.tree.add(f"/proc/{path}", file)
        for path, target in procfs.links(system):
            self.tree.add(f"/proc/{path}", Link(target))
        self._kmsg = RecordFile(0o644, functools.partial(kmsg.record, system), functools.partial(kmsg.write, system))

    @property
    def generation(self) -> int:
        """Another number as soon as anything may be elsewhere, or another file."""
        return self.system.sysfs.changes + self.tree.changes

    def node(self, path: str) -> Node | None:
        """The node at ``path``, or ``None``; a link is not followed. The same one until the machine is changed."""
        if self._found_in != self.generation or len(self._found) > _FOUND_MOST:
            self._found = {"/": self.tree.root}
            self._found_in = self.generation
        node = self._found.get(path)
        if node is None:
            above, _, name = path.rpartition("/")
            parent = self.node(above) if above else self.tree.root
            node = parent.get(name) if isinstance(parent, Directory) else None
            if node is None:
                node = self.tree.node(path)
            if node is not None:
                self._found[path] = node
        return node

    def stat(self, path: str) -> Stat | int:
        """``lstat()``, or ``-errno``."""
        node = self.node(path)
        return -errno.ENOENT if node is None else self.stat_node(path, node)

    def stat_node(self, path: str, node: Node) -> Stat:
        """``lstat()`` of a node that is at hand."""
        if isinstance(node, Directory):
            return Stat(stat.S_IFDIR | 0o755)
        if isinstance(node, Link):
            return Stat(stat.S_IFLNK | 0o777)
        if isinstance(node, DeviceNode):
            return Stat(stat.S_IFCHR | node.mode, device=(node.major, node.minor))
        if isinstance(node, BinaryFile):
            return Stat(stat.S_IFREG | node.mode, len(node.data))
        # An attribute of sysfs is a page long whatever it holds; a file of /proc is empty until it is read.
        return Stat(stat.S_IFREG | node.mode, self.system.kernel.page_size if path.startswith("/sys/") else 0)

    def listing(self, path: str) -> list[tuple[str, Node]] | int:
        """Children of a directory in the order in which the kernel lists them, or ``-errno``."""
        node = self.tree.node(path, follow=True)
        if node is None:
            return -errno.ENOENT
        if not isinstance(node, Directory):
            return -errno.ENOTDIR
        found = ((name, node.get(name)) for name in in_readdir_order(node.listing()))
        return [(name, child) for name, child in found if child is not None]

    # --- /dev: what /sys/dev/char names

    def _links(self) -> Directory:
        char = self.system.sysfs.node("/sys/dev/char")
        assert isinstance(char, Directory)
        return char

    def _find_devices(self) -> dict[str, str]:
        """Names of device nodes to their ``major:minor``."""
        links = self._links()
        found = ((link, number) for number in links.listing() if isinstance(link := links.get(number), Link))
        self._numbers = {_devname(link): number for link, number in found}
        return self._numbers

    def _is_still(self, name: str, number: str) -> bool:
        link = self._links().get(number)
        return isinstance(link, Link) and _devname(link) == name

    def _devices(self) -> list[str]:
        found = dict.fromkeys(name.partition("/")[0] for name in self._find_devices())
        return ["kmsg", *found, *self.host_devices]

    def _device(self, name: str) -> Node | None:
        if name == "kmsg":
            return self._kmsg
        if name in self.host_devices:
            return self.host_devices[name]
        number = self._numbers.get(name)
        if number is None or not self._is_still(name, number):
            number = self._find_devices().get(name)
        if number is None:
            return self._device_directory(name)
        major, _, minor = number.partition(":")
        return DeviceNode(int(major), int(minor))

    def _device_directory(self, name: str) -> Directory | None:
        """A directory of devices: ``cxl`` of ``cxl/mem0``."""
        below = [found.removeprefix(f"{name}/") for found in self._numbers if found.startswith(f"{name}/")]
        return Directory(names=lambda: below, lookup=lambda found: self._device(f"{name}/{found}")) if below else None


def inode_of(path: str) -> int:
    """A number that stays with a path and is never 0: readers skip entries whose inode is 0."""
    return int.from_bytes(blake2b(path.encode(), digest_size=6).digest(), "big") + 2


def _devname(link: Link) -> str:
    return link.devname or posixpath.basename(link.target)


def _with_hidden(directory: Directory, hidden: Mapping[str, Node]) -> Directory:
    return Directory(directory.children, names=directory.names, lookup=lambda name: hidden.get(name))
