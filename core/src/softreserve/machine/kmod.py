"""The module tools of the emulated machine: what ``modprobe`` and its relatives answer there.

Messages and exit codes are those of kmod 30. The real tools would talk to the host's kernel; these only know
:attr:`softreserve.kernel.system.System.modules`.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence
from errno import EBUSY, ENOENT
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from softreserve.kernel.modules import Module
    from softreserve.kernel.system import System

__all__ = ["TOOLS", "Reply", "run"]


@attrs.frozen
class Reply:
    """What a tool said (``text``, on stderr if ``status`` is not 0) and whether it can have changed anything."""

    status: int
    text: str = ""
    changes: bool = False


def run(system: System, argv: Sequence[str]) -> Reply:
    """Run a tool. ``argv[0]`` is one of :data:`TOOLS` or ``kmod``, with or without a directory."""
    tool, arguments = _tool(argv)
    if tool not in TOOLS:
        return Reply(1, f"{tool}: not known to the emulated machine\n")
    return TOOLS[tool](system, arguments)


def changing_words(argv: Sequence[str]) -> str:
    """The words of a tool that can change something, to be run again by them; empty for one that only looks."""
    tool, arguments = _tool(argv)
    return shlex.join([tool, *arguments]) if tool in _CHANGING else ""


def _tool(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    tool, *arguments = argv
    tool = posixpath.basename(tool)
    if tool == "kmod" and arguments:
        tool, *arguments = arguments
        tool = _KMOD_COMMANDS.get(tool, tool)
    return tool, arguments


def _split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Letters of all short options and first letters of long ones, joined; and the other words."""
    letters, words = "", []
    for argument in arguments:
        if argument.startswith("--"):
            letters += _LONG.get(argument[2:], "")
        elif argument.startswith("-") and len(argument) > 1:
            letters += argument[1:]
        else:
            words.append(argument)
    return letters, words


def _modprobe(system: System, arguments: Sequence[str]) -> Reply:
    letters, words = _split(arguments)
    if not words:
        return Reply(1, "modprobe: ERROR: missing parameters. See -h.\n")
    if "r" in letters:
        return _modprobe_remove(system, letters, words)
    names = words if "a" in letters else words[:1]
    parameters = {} if "a" in letters else _parameters(words[1:])
    for name in names:
        module = system.modules.get(name)
        if "b" in letters and module is not None and module.name in system.denied.by_alias:
            continue
        if "n" in letters:
            status = 0 if module else -ENOENT
        else:
            status = system.modules.load(name, parameters)
        if module is None:
            text = f"modprobe: FATAL: Module {name} not found in directory {_directory(system)}\n"
            return Reply(1, "" if "q" in letters else text, changes=True)
        if status:
            return Reply(1, f"modprobe: ERROR: could not insert '{_under(name)}': {_error(status)}\n", changes=True)
    return Reply(0, changes="n" not in letters)


def _modprobe_remove(system: System, letters: str, names: Sequence[str]) -> Reply:
    for name in names:
        module = system.modules.get(name)
        if module is None:
            return Reply(1, "" if "q" in letters else f"modprobe: FATAL: Module {name} not found.\n")
        status = system.modules.unload(name)
        if status == -EBUSY:
            why = "is in use" if module.name in system.modules.live() else "is builtin"
            return Reply(1, f"modprobe: FATAL: Module {module.name} {why}.\n", changes=True)
        # A module that is not loaded is nothing to complain of.
    return Reply(0, changes=True)


def _insmod(system: System, arguments: Sequence[str]) -> Reply:
    _, words = _split(arguments)
    if not words:
        return Reply(1, "insmod: ERROR: missing filename.\n")
    name = posixpath.basename(words[0]).split(".")[0]
    module = system.modules.get(name)
    if module is None:
        return Reply(1, f"insmod: ERROR: could not load module {words[0]}: No such file or directory\n")
    status = system.modules.insert(name, _parameters(words[1:]))
    if status:
        error = "Unknown symbol in module" if status == -ENOENT else _error(status)
        return Reply(1, f"insmod: ERROR: could not insert module {words[0]}: {error}\n", changes=True)
    return Reply(0, changes=True)


def _rmmod(system: System, arguments: Sequence[str]) -> Reply:
    _, words = _split(arguments)
    if not words:
        return Reply(1, "rmmod: ERROR: missing module name.\n")
    for word in words:
        module = system.modules.get(posixpath.basename(word).split(".")[0])
        if module is None or not module.live:
            return Reply(1, f"rmmod: ERROR: Module {_under(word)} is not currently loaded\n")
        if system.modules.unload(module.name):
            users = " ".join(_users(system, module))
            why = f"is in use by: {users}" if users else "is builtin."
            return Reply(1, f"rmmod: ERROR: Module {module.name} {why}\n", changes=True)
    return Reply(0, changes=True)


def _lsmod(system: System, arguments: Sequence[str]) -> Reply:
    lines = ["Module                  Size  Used by"]
    for name in reversed(system.modules.live()):
        module = system.modules.get(name)
        assert module is not None
        users = _users(system, module)
        lines.append(f"{name:19} {_SIZE:8}  {len(users)} {','.join(users)}".rstrip())
    return Reply(0, "\n".join(lines) + "\n")


def _modinfo(system: System, arguments: Sequence[str]) -> Reply:
    only, arguments = _wanted_field(arguments)
    _, words = _split(arguments)
    if not words:
        return Reply(1, "modinfo: ERROR: missing module or filename.\n")
    lines: list[tuple[str, str]] = []
    for word in words:
        module = system.modules.get(word)
        if module is None:
            return Reply(1, f"modinfo: ERROR: Module {word} not found.\n")
        builtin = system.kernel.builtin(module.option)
        file = posixpath.join(posixpath.dirname(module.source), f"{module.name}.ko")
        path = "(builtin)" if builtin else f"{_directory(system)}/kernel/{file}"
        lines += [("name", module.name) if builtin else ("filename", path)]
        depends = ",".join(_loadable(system, module.depends))
        lines += [("filename", path) if builtin else ("depends", depends)]
        lines += [] if builtin else [("name", module.name)]
        lines += [("parm", f"{parameter.name}:bool") for parameter in module.parameters]
    if only:
        return Reply(0, "".join(f"{value}\n" for name, value in lines if name == only))
    return Reply(0, "".join(f"{name + ':':15} {value}\n" for name, value in lines))


def _wanted_field(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The one field that is asked for (``-F name``, ``--field=name``), if any; and the other arguments."""
    for at, argument in enumerate(arguments):
        if argument in ("-F", "--field") and at + 1 < len(arguments):
            return arguments[at + 1], [*arguments[:at], *arguments[at + 2 :]]
        for option in ("--field=", "-F"):
            if argument.startswith(option) and argument != option:
                return argument.removeprefix(option), [*arguments[:at], *arguments[at + 1 :]]
    return "", arguments


def _loadable(system: System, names: Sequence[str]) -> list[str]:
    """Those that are no part of the kernel's image: what a module's file says that it needs."""
    modules = (system.modules.get(name) for name in names)
    return [module.name for module in modules if module is not None and not system.kernel.builtin(module.option)]


def _depmod(system: System, arguments: Sequence[str]) -> Reply:
    return Reply(0)


def _parameters(words: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        found[_under(name)] = value if equals else None
    return found


def _users(system: System, module: Module) -> list[str]:
    live = (system.modules.get(name) for name in system.modules.live())
    return [other.name for other in live if other is not None and module.name in other.depends]


def _under(name: str) -> str:
    return name.replace("-", "_")


def _directory(system: System) -> str:
    return f"/lib/modules/{system.kernel.release}"


def _error(status: int) -> str:
    import os

    return os.strerror(-status)


#: A loaded module's size in bytes is not modelled; lsmod shows this one.
_SIZE = 16384
_LONG = {"remove": "r", "all": "a", "quiet": "q", "dry-run": "n", "show": "n", "force": "f", "use-blacklist": "b"}
_CHANGING = ("modprobe", "insmod", "rmmod")
_KMOD_COMMANDS = {"list": "lsmod", "insert": "modprobe", "remove": "rmmod"}
TOOLS = {
    "modprobe": _modprobe,
    "insmod": _insmod,
    "rmmod": _rmmod,
    "lsmod": _lsmod,
    "modinfo": _modinfo,
    "depmod": _depmod,
}
