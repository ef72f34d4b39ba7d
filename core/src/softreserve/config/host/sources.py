"""From what a person names to a tree of a host's files: this machine, a directory, or an archive."""

from __future__ import annotations

import os
import tomllib
from typing import Final

from softreserve.config.account import told
from softreserve.config.host import Case, collect
from softreserve.config.host.sections import MARK, SectionTree
from softreserve.config.host.tree import DirectoryTree, LiveTree, Tree
from softreserve.model.errors import InputError

__all__ = ["hidden_of", "host_case", "host_tree", "is_host"]

#: What is at the top of a host's files, or of what a collector of reports made of them.
_TOP: Final = frozenset({"proc", "sys", "sos_commands", "dmesg", "input", MARK[1:]})


def host_tree(sysroot: str | None = None) -> Tree:
    """The running system's files, also for ``/``; with ``sysroot`` those in a directory or a tar archive.

    :raises InputError: there is no such directory or archive, or it cannot be read.
    """
    if sysroot is None or os.path.realpath(sysroot) == "/":
        return LiveTree()
    if os.path.isdir(sysroot):
        directory = DirectoryTree(sysroot)
        at = _root(directory)
        found: Tree = DirectoryTree(sysroot + at, sysroot) if at else directory
    else:
        if not os.path.exists(sysroot):
            raise InputError("no such directory or archive", path=sysroot)
        from softreserve.config.host.archive import read_archive

        archive = read_archive(sysroot)
        found = archive.rooted(_root(archive))
    return SectionTree(found) if found.entry(MARK) is not None else found


def _root(tree: Tree) -> str:
    """Where the host's files begin: at the top, or below the only directory there."""
    at = ""
    for _ in range(3):
        names = tree.listing(at or "/")
        if _TOP & set(names):
            return at
        directories = [name for name in names if (entry := tree.entry(f"{at}/{name}")) and entry.kind == "directory"]
        if len(directories) != 1:
            break
        at = f"{at}/{directories[0]}"
    return ""


def is_host(directory: str) -> bool:
    """Whether a directory has a host's files, and is no capture."""
    try:
        names = set(os.listdir(directory))
    except OSError:
        return False
    return bool(names & {"proc", "sys", "sos_commands", MARK[1:]}) and not names & {"kernel.toml", "efi-memmap.txt"}


def host_case(path: str) -> Case:
    """The case in a directory or an archive: of a host whose files are there, or one that somebody packed.

    :raises InputError: there is no such directory or archive, it cannot be read, or says nothing of a host.
    """
    tree = host_tree(path)
    files = _packed(tree)
    case = collect(tree) if files is None else Case(files, hidden_of(files.get("capture.toml", b"")), for_root=False)
    if (account := told()) is not None:
        account.hidden.update(case.hidden)
        account.collected = files is None
        if files is not None:  # whoever reads them tells which
            account.files.clear()
    return case


def hidden_of(about: bytes) -> dict[str, str]:
    """What ``capture.toml`` says that is not known, and why; nothing where it cannot be read."""
    try:
        hidden = tomllib.loads(about.decode("utf-8", "replace")).get("hidden")
    except (ValueError, RecursionError):
        return {}
    return {name: str(why) for name, why in hidden.items()} if isinstance(hidden, dict) else {}


def _packed(tree: Tree) -> dict[str, bytes] | None:
    """The files of a capture that somebody packed, by name; ``None`` where it is none."""
    if not {"kernel.toml", "log.txt"} & set(tree.names("/input")):
        return None
    files: dict[str, bytes] = {}
    todo = ["/input", "/expected", "/capture.toml"]
    while todo:
        path = todo.pop()
        entry = tree.entry(path)
        if entry is not None and entry.kind == "directory":
            todo += [f"{path}/{name}" for name in tree.listing(path)]
        elif entry is not None and isinstance(data := tree.read(path), bytes):
            files[path[1:]] = data
    return files
