"""What a plugin puts into sysfs: beside what is there, by names that are names."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from softreserve.kernel import border
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, is_file_name
from softreserve.kernel.system import System
from softreserve.testing.promises.every import exercised
from softreserve.testing.watch import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softreserve.testing.apart import Board
    from softreserve.testing.subject import Subject

__all__ = ["puts_files_beside_those_that_are_there"]

_HOOK: Final = "softreserve_sysfs"


def puts_files_beside_those_that_are_there(subject: Subject, board: Board) -> None:
    """It replaces and removes nothing, and what it adds is below ``/sys``: files, directories and links with names."""
    there: dict[str, Node] = {}
    seen: list[System] = []

    def begin(where: str, arguments: tuple[Any, ...]) -> None:
        seen[:] = [argument for argument in arguments if isinstance(argument, System)]
        there.clear()
        if where == _HOOK and seen:
            there.update(_fixed(seen[0]))

    def look(where: str, answer: object) -> None:
        if where != _HOOK or not seen:
            return
        now = dict(_fixed(seen[0]))
        for path, node in there.items():
            if now.get(path) is not node:
                verb = "replaced" if path in now else "removed"
                raise subject.broken(_HOOK, f"{verb} {path}, which was there already")

    for machine in exercised(subject):
        with watched(board, subject.name, look, begin=begin):
            system = subject.boot(machine)
        outside = sorted(name for name in system.sysfs.root.children if name != "sys")
        if outside:
            raise subject.broken(_HOOK, f"put /{outside[0]} outside of /sys: wanted a path that begins with /sys/")
        for path, found in system.sysfs.walk("/sys"):
            problem = _problem(subject, path, found, system.kernel.page_size)
            if problem:
                raise subject.broken(_HOOK, f"{path}: {problem}")


def _fixed(system: System) -> Iterator[tuple[str, Node]]:
    """Everything that is there before anybody looks, by its path."""
    todo: list[tuple[str, Node]] = [("/sys", node) for node in [system.sysfs.node("/sys")] if node is not None]
    while todo:
        path, node = todo.pop()
        yield path, node
        if isinstance(node, Directory):
            todo += [(f"{path}/{name}", child) for name, child in node.children.items()]


def _problem(subject: Subject, path: str, node: object, page_size: int) -> str | None:
    """Why something is no file, directory or link of sysfs, or ``None``."""
    for name in node.listing() if isinstance(node, Directory) else ():
        if not is_file_name(name):
            return f"{name!r} is no name of a file"
    if isinstance(node, Link):
        inside = isinstance(node.target, str) and posixpath.normpath(node.target).startswith("/sys/")
        return None if inside else f"the link leads to {node.target!r}, outside of /sys"
    if not isinstance(node, Attribute):
        return None if isinstance(node, Directory) else f"wanted a file, a directory or a link, not {node!r}"
    if type(node.mode) is not int or not 0 <= node.mode <= 0o777:
        return f"{node.mode!r} is no mode: wanted permission bits"
    if node.show is not None and border.brought_by(node.show) == subject.name:
        shown = node.read(path)
        if isinstance(shown, bytes) and len(shown) > page_size:
            return f"shows {len(shown)} bytes, wanted at most a page of {page_size}"
    return None
