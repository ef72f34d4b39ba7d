"""What a running Linux shows of its memory, in the form of a capture's ``expected/``.

The forms are those of :mod:`softreserve.machine.snapshot`, which shows emulated machines.
"""

from __future__ import annotations

import errno
import posixpath
import re
from collections.abc import Iterator
from typing import Final

from softreserve.config.host.tree import WRITE_ONLY, Tree
from softreserve.model.sysfs_text import NOISE, attribute_line, natural

__all__ = ["ONLY_FOR_ROOT", "firmware_memmap", "iomem", "partly_there", "sysfs_files"]

#: What an answer is when a file is there, but not for this user.
ONLY_FOR_ROOT: Final = frozenset({-errno.EACCES, -errno.EPERM})
#: What every kernel that has the directory of a dump has in it.
_OF_ALL: Final = {
    "memory-blocks.txt": ("/sys/devices/system/memory/block_size_bytes",),
    "nodes.txt": ("/sys/devices/system/node/online", "/sys/devices/system/node/possible"),
}
_PLATFORM: Final = "/sys/devices/platform"
_DAX: Final = "/sys/bus/dax"
#: Counters, which say nothing of what a boot decides.
_COUNTERS: Final = frozenset({"meminfo", "numastat", "vmstat"})
_ZEROED: Final = re.compile(rb"(?: *0+-0+ : [^\n]*\n?)*")


def iomem(tree: Tree) -> bytes | int:
    """``/proc/iomem``, or ``-errno``: ``-EPERM`` where its addresses are zero, as those are that not everybody sees."""
    data = tree.read("/proc/iomem")
    if isinstance(data, bytes) and data and _ZEROED.fullmatch(data):
        return -errno.EPERM
    return data


def firmware_memmap(tree: Tree) -> str | int:
    """``index start end type`` for each entry of ``/sys/firmware/memmap``, ends inclusive; ``-errno``."""
    lines = []
    root = "/sys/firmware/memmap"
    for name in sorted(filter(str.isdecimal, tree.names(root)), key=natural):
        values = [tree.read(f"{root}/{name}/{field}") for field in ("start", "end", "type")]
        for value in values:
            if isinstance(value, int):
                return value
        words = [value.decode("utf-8", "replace").strip() for value in values if isinstance(value, bytes)]
        lines.append(f"{name} {' '.join(words)}\n")
    return "".join(lines) if lines else -errno.ENOENT


def sysfs_files(tree: Tree) -> Iterator[tuple[str, str, int]]:
    """Each file of ``expected/`` that is a dump of sysfs: its name, its text, and how many values only root may read.

    One whose directory the kernel does not have is empty; so is one of which reports have parts only.
    """
    for name, paths in {
        "dax.txt": [_DAX, *_regions(tree)],
        "memory-blocks.txt": ["/sys/devices/system/memory"],
        "nodes.txt": ["/sys/devices/system/node"],
        "memory-tiers.txt": ["/sys/devices/virtual/memory_tiering"],
    }.items():
        dump = _Dump(tree)
        whole = all(tree.entry(path) is not None for path in _OF_ALL.get(name, ()))
        text = "".join(f"{line}\n" for path in paths for line in dump.lines(path)) if whole else ""
        yield name, text, dump.only_for_root


def partly_there(tree: Tree) -> Iterator[str]:
    """The names of dumps that are empty because somebody copied parts of their directories only."""
    for name, paths in _OF_ALL.items():
        there = [tree.entry(path) is not None for path in paths]
        if not all(there) and tree.is_directory(posixpath.dirname(paths[0])):
            yield name


def _regions(tree: Tree) -> Iterator[str]:
    """Devices that regions of dax devices belong to, and dax devices of other regions."""
    for name in sorted(tree.names(_PLATFORM), key=natural):
        if name.startswith("hmem"):
            yield f"{_PLATFORM}/{name}"
    for name in sorted(tree.names(f"{_DAX}/devices"), key=natural):
        where = tree.resolved(f"{_DAX}/devices/{name}")
        if where is not None and not where.startswith(f"{_PLATFORM}/hmem"):
            yield where


class _Dump:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.only_for_root = 0

    def lines(self, path: str) -> Iterator[str]:
        """Lines for a path and everything below it, no link followed; none where nothing is there."""
        entry = self._tree.entry(path)
        if entry is None:
            return
        if entry.kind == "link":
            yield f"{path} -> {entry.target}"
        elif entry.kind == "directory":
            yield f"{path}/"
            for name in sorted(self._tree.listing(path), key=natural):
                if name not in NOISE and name not in _COUNTERS:
                    yield from self.lines(f"{path}/{name}")
        else:
            value = self._tree.read(path)
            self.only_for_root += value in ONLY_FOR_ROOT if isinstance(value, int) else 0
            yield attribute_line(path, None if value == WRITE_ONLY else value)
