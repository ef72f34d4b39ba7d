"""The machine as a plain directory tree, for programs that take another root: ``lsmem -s``, ``lstopo`` ..."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softreserve.kernel import border
from softreserve.kernel.sysfs import Directory, Link, Node, is_file_name
from softreserve.live.rootfs import DeviceNode, RootFs
from softreserve.live.whole import whole_directory
from softreserve.model.errors import PluginResultError, shown

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["MARKER", "export"]

#: The file in an export that says what it is, and what belongs to it.
MARKER = ".softreserve-export.json"
_SCHEMA = {"schema": "softreserve.export", "version": 1}
_MARKER_MAX = 1 << 28  # bytes; 100 for each file of a machine with more memory blocks than Linux has


def export(system: System, directory: str | os.PathLike[str], *, replace: bool = False) -> int:
    """Write the tree of a system into ``directory``, which appears whole or not at all; returns the number of files.

    Attributes keep their modes; one that cannot be read right now is an empty file of mode 000. Device nodes are empty
    files: their numbers would mean another device on this host. A marker lists all that was written.

    :param replace: take the place of an earlier export in which nothing was added or changed.
    :raises InputError: the directory holds something that must stay, or cannot be written.
    """
    hint = "; --replace takes the place of an export"
    with whole_directory(directory, replaces=_stays if replace else None, hint=hint) as new:
        writer = _Writer(RootFs(system))
        writer.write(new)
        about = {**_SCHEMA, "machine": system.machine.name, "kernel": system.kernel.release}
        (new / MARKER).write_text(json.dumps({**about, "entries": writer.entries}, indent=0) + "\n", "utf-8")
    return writer.count


class _Writer:
    def __init__(self, rootfs: RootFs) -> None:
        self._rootfs = rootfs
        self.count = 0
        #: What each path is: size and digest of a file, the target of a link, ``None`` for a directory.
        self.entries: dict[str, list[int | str] | str | None] = {}

    def write(self, target: Path) -> None:
        self._directory("", self._rootfs.tree.root, str(target))

    def _directory(self, path: str, node: Directory, target: str) -> None:
        for name in node.listing():
            child = node.get(name)
            if child is None:
                continue
            if not is_file_name(name):
                raise _no_name(path, name, node, child)
            self._node(f"{path}/{name}", child, f"{target}/{name}")
        os.chmod(target, 0o755)

    def _node(self, path: str, node: Node, target: str) -> None:
        entry = path[1:]
        if isinstance(node, Directory):
            self.entries[entry] = None
            os.mkdir(target)
            self._directory(path, node, target)
            return
        self.count += 1
        if isinstance(node, Link):
            link = str(self._rootfs.tree.readlink(path))
            self.entries[entry] = link
            os.symlink(link, target)
            return
        mode, data = node.mode, b""
        if not isinstance(node, DeviceNode) and mode & 0o444 and node.show is not None:
            shown = self._rootfs.tree.read(path)
            mode, data = (0, b"") if isinstance(shown, int) else (mode, shown)
        self.entries[entry] = _words(data)
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)


def _no_name(path: str, name: object, node: Directory, child: Node) -> PluginResultError:
    """The error for a child that would be written elsewhere, or nowhere: no kernel has one, so a plugin brought it."""
    functions = (node.names, node.lookup, getattr(child, "show", None), getattr(child, "store", None))
    plugin = next(filter(None, map(border.brought_by, filter(None, functions))), "")
    words = f"{path or '/'} has a child {shown(name)}, which is no name"
    return border.refused(plugin, "softreserve_sysfs", words)


def _words(data: bytes) -> list[int | str]:
    return [len(data), blake2b(data, digest_size=16).hexdigest()]


# --- an export that is to be replaced


def _stays(directory: str) -> str | None:
    """Why a directory is not just what an export made: the first thing in it that is another's. ``None``: it is."""
    entries = _entries(f"{directory}/{MARKER}")
    if entries is None:
        return f"is no export: it has no {MARKER} that says what belongs to it"
    try:
        for name in _names(directory, ""):
            if name == MARKER:
                continue
            if name not in entries:
                return f"holds {shown(name)}, which no export made"
            if not _is_as_written(f"{directory}/{name}", entries[name]):
                return f"{shown(name)} was changed since it was exported"
    except OSError as error:
        return f"{shown(os.path.relpath(error.filename, directory))} cannot be looked at: {error.strerror}"
    return None


def _entries(marker: str) -> dict[str, Any] | None:
    """What a marker says that belongs to its export; ``None`` where it is none of ours."""
    try:
        with open(os.open(marker, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            said = json.loads(file.read(_MARKER_MAX))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or {key: said.get(key) for key in _SCHEMA} != _SCHEMA:
        return None
    entries = said.get("entries")
    return entries if isinstance(entries, dict) else None


def _names(directory: str, prefix: str) -> Iterator[str]:
    """Relative paths of all that is below a directory; no link is followed."""
    with os.scandir(directory) as found:
        for entry in found:
            yield prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _names(entry.path, f"{prefix}{entry.name}/")


def _is_as_written(path: str, written: object) -> bool:
    """Whether an entry is still what the marker says. A file is read only where its size leaves it open."""
    found = os.lstat(path)
    if stat.S_ISDIR(found.st_mode):
        return written is None
    if stat.S_ISLNK(found.st_mode):
        return written == os.readlink(path)
    if not stat.S_ISREG(found.st_mode) or not isinstance(written, list) or written[:1] != [found.st_size]:
        return False
    if found.st_size == 0:
        return True  # also those that nobody may read
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return written == _words(file.read(found.st_size + 1))
