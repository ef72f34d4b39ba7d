"""What plugins put into the sysfs tree: names, modes and functions that a file can have, each path once.

What a directory makes on demand is looked at when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from softreserve.kernel import border
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, SysfsTree, is_file_name
from softreserve.model.errors import shown
from softreserve.plugins.objects import answers_later

__all__ = ["Fixed", "change_problem", "owned"]

_ROOT: Final = "/sys/"
_MODES: Final = 0o777
_UPPER: Final = 5  # levels of directories that the kernel's own are in: /sys/devices/system/node/...
_DEEPEST: Final = 32  # directories; the kernel's own tree has half as many


def change_problem(path: object, node: object, before: object, own: Collection[object]) -> str | None:
    """What is wrong with a node that was added, or with one that was taken away.

    :param node: what is at the path now; ``None``: nothing.
    :param before: what was there; ``None``: nothing.
    :param own: nodes that the plugin itself added.
    """
    if not isinstance(path, str) or not path.startswith(_ROOT) or not all(map(is_file_name, path.split("/")[1:])):
        return f"{shown(path)} is no path below /sys"
    if node is None:
        return None if before in own else f"{path} is taken away, which it did not add"
    if before is not None:
        return f"{path} is there already"
    return next(_problems(path, node, 0), None)


def _problems(path: str, node: object, depth: int) -> Iterator[str]:
    name = path.rpartition("/")[2]
    if not is_file_name(name):
        yield f"{shown(path)} has a name that no file has"
    elif depth > _DEEPEST:
        yield f"{shown(path)} is in more than {_DEEPEST} directories"
    elif isinstance(node, Directory):
        if not isinstance(node.children, dict):
            yield f"{path} has {shown(node.children)} as children: a dictionary is wanted"
            return
        for name in ("names", "lookup"):
            problem = _function_problem(getattr(node, name))
            if problem:
                yield f"{path} has {problem} as {name}: a function is wanted"
        for child, below in node.children.items():
            if not is_file_name(child):
                yield f"{path} has a child {shown(child)}, which is no name of a file"
                return
            yield from _problems(f"{path}/{child}", below, depth + 1)
    elif isinstance(node, Attribute):
        yield from _attribute_problems(path, node)
    elif isinstance(node, Link):
        if not isinstance(node.target, str) or not node.target.startswith(_ROOT):
            yield f"{path} leads to {shown(node.target)}, which is no path below /sys"
    else:
        yield f"{path} is {shown(node)}: a Directory, an Attribute or a Link is wanted"


def _attribute_problems(path: str, node: Attribute) -> Iterator[str]:
    if type(node.mode) is not int or node.mode & ~_MODES:
        yield f"{path} has mode {shown(node.mode)}: permission bits are wanted, 0 to {_MODES:#o}"
    for name in ("show", "store"):
        problem = _function_problem(getattr(node, name))
        if problem:
            yield f"{path} has {problem} as {name}: a function is wanted"


def _function_problem(function: object) -> str:
    """What something is that is no function which answers at once; empty: it is one, or nothing."""
    if function is None or (callable(function) and not answers_later(function)):
        return ""
    return f"the generator or coroutine function {shown(function)}" if callable(function) else shown(function)


def owned(plugin: str, path: str, node: object) -> None:
    """Note whose functions a node has: they are called later. What they make is looked at then."""
    functions: tuple[object, ...] = ()
    if isinstance(node, Directory):
        if node.names is not None and not isinstance(node.names, _Guarded):
            node.names = _Names(plugin, path, node.names)
        if node.lookup is not None and not isinstance(node.lookup, _Guarded):
            node.lookup = _Lookup(plugin, path, node.lookup)
        for name, child in node.children.items():
            owned(plugin, f"{path}/{name}", child)
    elif isinstance(node, Attribute):
        functions = node.show, node.store
    for function in functions:
        if function is not None:
            border.note(function, plugin)


class _Guarded:
    """What a directory makes on demand, by a function of a plugin."""

    def __init__(self, plugin: str, path: str, function: Callable[..., Any]) -> None:
        self.plugin, self.path, self.function = plugin, path, function


class _Names(_Guarded):
    def __call__(self) -> list[str]:
        where = f"softreserve_sysfs: names of {self.path}"
        names = border.call(where, lambda: list(self.function()), plugin=self.plugin)
        if not all(map(is_file_name, names)):
            raise border.unsound(self.plugin, where, names, "names of files")
        return names


class _Lookup(_Guarded):
    def __call__(self, name: str) -> Node | None:
        path = f"{self.path}/{name}"
        found: Node | None = border.call(
            f"softreserve_sysfs: lookup of {path}", self.function, name, plugin=self.plugin
        )
        if found is not None:
            words = next(_problems(path, found, 0), None)
            if words is not None:
                raise border.refused(self.plugin, "softreserve_sysfs", words)
            owned(self.plugin, path, found)
        return found


class Fixed:
    """What is in the upper directories of a tree before a plugin has it: it may put names beside them, no more."""

    def __init__(self, tree: SysfsTree) -> None:
        self._known: list[tuple[str, Directory, dict[str, Node]]] = []
        level = [("", tree.root)]
        for _ in range(_UPPER):
            self._known += [(path, node, node.children.copy()) for path, node in level]
            level = [
                (f"{path}/{name}", child)
                for path, node in level
                for name, child in node.children.items()
                if type(child) is Directory
            ]

    def problem(self) -> str | None:
        """What was done by hand to what was there, in words; or ``None``."""
        for number, (path, directory, before) in enumerate(self._known):
            now = directory.children
            if now == before:
                continue
            for name, node in before.items():
                if now.get(name) is not node:
                    return f"{path}/{name} is not there any more, or replaced: put files beside those that are there"
            for name in now.keys() - before.keys():
                words = next(_problems(f"{path}/{name}" if is_file_name(name) else shown(name), now[name], 0), None)
                if words is not None:
                    return words
            self._known[number] = path, directory, now.copy()
        return None
