"""From what a person names to a tree of a host's files."""

from __future__ import annotations

import os

from softreserve.config.host.tree import DirectoryTree, LiveTree, Tree
from softreserve.model.errors import InputError

__all__ = ["host_tree"]


def host_tree(sysroot: str | None = None) -> Tree:
    """The running system's files; with ``sysroot`` those in a directory or a tar archive.

    :raises InputError: there is no such directory or archive, or it cannot be read.
    """
    if sysroot is None:
        return LiveTree()
    if os.path.isdir(sysroot):
        return _below(sysroot)
    raise InputError("no such directory" if not os.path.exists(sysroot) else "no directory", path=sysroot)


def _below(directory: str) -> DirectoryTree:
    """The tree in a directory, or in the only directory in it."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise InputError(error.strerror or str(error), path=directory) from None
    inner = [name for name in names if os.path.isdir(os.path.join(directory, name))]
    if not {"proc", "sys", "dmesg"} & set(names) and len(inner) == 1:
        return DirectoryTree(os.path.join(directory, inner[0]), directory)
    return DirectoryTree(directory)
