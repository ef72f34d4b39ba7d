"""The machine as a plain directory tree, for programs that take another root: ``lsmem -s``, ``lstopo`` ..."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from softreserve.kernel.sysfs import Directory, Link, Node
from softreserve.live.rootfs import DeviceNode, RootFs
from softreserve.model.errors import InputError

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["export"]


def export(system: System, directory: Path, *, replace: bool = False) -> int:
    """Write the tree of a system into ``directory``, which appears whole or not at all; returns the number of files.

    Attributes keep their modes; one that cannot be read right now is an empty file of mode 000. Device nodes are empty
    files: their numbers would mean another device on this host.

    :param replace: take the place of a directory that holds something.
    :raises InputError: the directory holds something, or cannot be written.
    """
    directory = Path(os.path.abspath(directory))
    try:
        if directory.exists() and not replace and (not directory.is_dir() or any(directory.iterdir())):
            raise InputError("is there already; --replace takes its place", path=directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            count = _Writer(RootFs(system)).write(beside)
            _put_in_place(beside, directory)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        # The file that it failed on mostly lies in the tree beside, whose name tells nobody anything.
        raise InputError(f"cannot export: {error.strerror or error}", path=directory) from error
    return count


def _put_in_place(new: Path, directory: Path) -> None:
    """Rename; what was there before goes away afterwards."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        new.rename(directory)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    directory.rename(old / directory.name)
    new.rename(directory)
    shutil.rmtree(old)


class _Writer:
    def __init__(self, rootfs: RootFs) -> None:
        self._rootfs = rootfs
        self._count = 0

    def write(self, target: Path) -> int:
        self._directory("/", self._rootfs.tree.root, str(target))
        return self._count

    def _directory(self, path: str, node: Directory, target: str) -> None:
        prefix = "" if path == "/" else path
        for name in node.listing():
            child = node.get(name)
            if child is not None:
                self._node(f"{prefix}/{name}", child, f"{target}/{name}")
        os.chmod(target, 0o755)

    def _node(self, path: str, node: Node, target: str) -> None:
        if isinstance(node, Directory):
            os.mkdir(target)
            self._directory(path, node, target)
            return
        self._count += 1
        if isinstance(node, Link):
            os.symlink(str(self._rootfs.tree.readlink(path)), target)
            return
        mode, data = node.mode, b""
        if not isinstance(node, DeviceNode) and mode & 0o444 and node.show is not None:
            shown = self._rootfs.tree.read(path)
            mode, data = (0, b"") if isinstance(shown, int) else (mode, shown)
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
