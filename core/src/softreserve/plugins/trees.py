"""What plugins put into the sysfs tree: names, modes and functions that a file can have, each path once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from softreserve.kernel import border
from softreserve.kernel.sysfs import Attribute, Directory, Link, is_file_name
from softreserve.model.errors import shown

__all__ = ["change_problem", "owned"]

_ROOT: Final = "/sys/"
_MODES: Final = 0o777
_DEEPEST: Final = 32  # directories; the kernel's own tree has half as many


def change_problem(path: object, node: object, before: object, own: Collection[object]) -> str | None:
    """What is wrong with a node that was added, or with one that was taken away.

    What a directory makes on demand is looked at when it is read.

    :param node: what is at the path now; ``None``: nothing.
    :param before: what was there; ``None``: nothing.
    :param own: nodes that the plugin itself added.
    """
    if not isinstance(path, str) or not path.startswith(_ROOT):
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
        function = getattr(node, name)
        if function is not None and not callable(function):
            yield f"{path} has {shown(function)} as {name}: a function is wanted"


def owned(plugin: str, node: object) -> None:
    """Note whose functions a node has: they are called later."""
    functions: tuple[object, ...] = ()
    if isinstance(node, Directory):
        functions = node.names, node.lookup
        for child in node.children.values():
            owned(plugin, child)
    elif isinstance(node, Attribute):
        functions = node.show, node.store
    for function in functions:
        if function is not None:
            border.note(function, plugin)
