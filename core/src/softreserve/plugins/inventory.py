"""What there is of plugins, and what each brings, as far as it can be told without a boot.

Each is imported in a process of its own: one that hangs, prints, or ends the process is told like any other.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from select import select
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from softreserve.model.errors import SoftReserveError
from softreserve.plugins import api
from softreserve.plugins.arches import arches_of
from softreserve.plugins.entrypoints import mistakes
from softreserve.plugins.hooks import load
from softreserve.plugins.loading import load_plugin
from softreserve.plugins.selection import OPTION, Selection

if TYPE_CHECKING:
    from softreserve.plugins.code import Source
    from softreserve.plugins.hooks import Hooks

__all__ = ["KINDS", "Row", "inventory", "remarks"]

#: What a plugin is, by the hooks that it has.
KINDS: Final = {
    "architecture": ("arch_info", "stub_handoff", "stub_place_image", "early_reserve"),
    "numa": ("numa_info", "nodes"),
    "dax": ("dax_devices", "dax_drivers", "dax_region", "dax_claimed", "dax_capacity"),
    "modules": ("modules", "sysfs", "register_resources"),
    "policy": ("memory_block_size", "online_policy", "memory_added"),
    "kexec": ("kexec_policies", "kexec_load", "kexec_hardware"),
    "lint": ("lint",),
    "report": ("report_lanes",),
    "section": ("machine_sections",),
    "importer": ("importers",),
    "emitter": ("emitters",),
    "command": ("cli",),
}
#: What every architecture is, too.
_OF_ARCHITECTURES: Final = ("numa", "modules", "policy")
_PREFIX: Final = "softreserve_"
#: Seconds that a plugin has to say what it brings.
_PATIENCE: Final = 10.0
#: Characters of what it prints that are told.
_SHOWN: Final = 200


class Row(NamedTuple):
    """A plugin, as it is installed; one that is there twice has two.

    :param distribution: the wheel that brings it; ``None``: none, it is code that somebody named, or not there at all.
    :param value: the object that is the plugin.
    :param arches: architectures that it boots; ``everywhere``: it is wanted on all of them.
    :param named: where somebody asks for it by name, or leaves it out.
    :param left_out: whether somebody leaves it out.
    :param api: the level of the interface that it is written for.
    :param brings: what it adds, by kind: names of commands, importers and so on.
    :param prints: what it printed meanwhile.
    :param error: why it cannot be loaded, or does not say what it brings.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    value: str | None = None
    arches: tuple[str, ...] = ()
    everywhere: bool = False
    named: str | None = None
    left_out: bool = False
    kinds: tuple[str, ...] = ()
    api: int | None = None
    hooks: tuple[str, ...] = ()
    brings: dict[str, list[str]] = {}  # noqa: RUF012 - of a tuple
    prints: str = ""
    error: str | None = None


def inventory(selection: Selection) -> list[Row]:
    """All plugins that are installed or named, by name; where the command line names some, just these.

    :raises UnknownPluginError: what is left out is not installed.
    """
    selection.check()
    names = [name for name in selection.wanted if selection.said[name].place == OPTION]
    rows = []
    for name in names or sorted({*selection.installed, *selection.wanted}):
        said = selection.said.get(name)
        row = Row(
            name,
            arches=tuple(sorted({arch for arch, names in selection.declared.items() if name in names})),
            everywhere=name in selection.defaults,
            named=said.place if said is not None else None,
            left_out=said is not None and not said.wanted,
        )
        sources = selection.installed.get(name, ())
        rows += [_looked_at(row, source, len(sources) > 1, selection) for source in sources]
        if not sources:
            rows.append(row._replace(error=_error(name, selection)))
    return rows


def remarks(selection: Selection) -> list[str]:
    """What is odd about all of them: metadata that cannot be read, or that point to nothing; no clear choice."""
    several = [
        f"{arch} is booted by several plugins: {', '.join(sorted(set(names)))}; name one with -p"
        for arch, names in sorted(selection.declared.items())
        if len(set(names) - selection.without) > 1 and not set(names) & set(selection.wanted)
    ]
    values: dict[str, list[str]] = {}
    for name, sources in selection.installed.items():
        for source in sources:
            values.setdefault(source.value, []).append(name)
    same = [
        f"plugins {', '.join(names)} are one object, {value}: only one of them can be loaded"
        for value, names in values.items()
        if len(set(names)) > 1
    ]
    return [*mistakes(), *selection.astray(), *several, *same]


def _looked_at(row: Row, source: Source, twice: bool, selection: Selection) -> Row:
    """With what one wheel, or code, says and brings."""
    row = row._replace(
        distribution=source.distribution or None, version=source.version or None, value=source.value, error=None
    )
    found, printed = _in_a_process(lambda: _brought(row.name, source))
    row = row._replace(prints=" ".join(printed.split())[:_SHOWN], **found)
    row = row._replace(kinds=_kinds(row))
    if twice and row.error is None:
        row = row._replace(error=_error(row.name, selection))
    return row


def _kinds(row: Row) -> tuple[str, ...]:
    hooks = {hook.removeprefix(_PREFIX) for hook in row.hooks}
    kinds = [kind for kind, own in KINDS.items() if hooks & set(own)]
    if "architecture" in kinds:
        names = f"architecture {', '.join(row.arches)}".strip()
        kinds = [names, *(kind for kind in kinds[1:] if kind not in _OF_ARCHITECTURES)]
    return tuple(kinds)


def _brought(name: str, source: Source) -> dict[str, Any]:
    """Load one plugin, and ask it for what it brings."""
    level = api.announced(source)
    hooks = load([name], available={name: [source]})
    plugin = hooks.manager.get_plugin(name)
    found: dict[str, Any] = {"api": api.level(name, plugin, level)}
    found["hooks"] = sorted(caller.name for caller in hooks.manager.get_hookcallers(plugin) or ())
    if not source.distribution:
        found["arches"] = sorted(arches_of(plugin))
    found["brings"] = brings = {}
    for what, ask in _QUESTIONS.items():
        try:
            names = [str(item) for item in ask(hooks)]
        except SoftReserveError as error:
            found["error"] = str(error)
            continue
        if names:
            brings[what] = names
    return found


def _commands(hooks: Hooks) -> Iterable[str]:
    from softreserve.plugins.commands import Collected

    group = Collected()
    hooks.cli(group)
    return group.commands


#: What can be asked without a machine.
_QUESTIONS: Final[dict[str, Callable[[Hooks], Iterable[str]]]] = {
    "sections": lambda hooks: (section.name for section in hooks.machine_sections()),
    "importers": lambda hooks: (importer.prefix for importer in hooks.importers()),
    "emitters": lambda hooks: (emitter.name for emitter in hooks.emitters()),
    "commands": _commands,
}


def _error(name: str, selection: Selection) -> str | None:
    """What is said where a plugin is not there, or twice: nothing of it is imported."""
    try:
        load_plugin(name, selection.installed)
    except SoftReserveError as error:
        return str(error)
    return None


# --- a process for each


def _in_a_process(function: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """What a function finds in a copy of this process, and what is printed there.

    Where it finds nothing, an ``error`` says why.
    """
    pipe, answer = os.pipe()
    printed = os.memfd_create("printed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # no other thread of ours holds a lock that imports take
        child = os.fork()
    if child == 0:
        _answer(function, answer, printed)
    os.close(answer)
    try:
        data, late = _line(pipe)
    finally:
        os.close(pipe)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if data.endswith(b"\n"):
        found: dict[str, Any] = json.loads(data)
    elif late:
        found = {"error": f"it hangs: it has not said within {_PATIENCE:g} s what it brings"}
    else:
        found = {"error": f"it ends the process, with {status if status >= 0 else signal.Signals(-status).name}"}
    with open(printed, "rb") as file:
        file.seek(0)
        return found, file.read(_SHOWN * 4).decode("utf-8", "replace")


def _answer(function: Callable[[], dict[str, Any]], answer: int, printed: int) -> NoReturn:
    """In the copy: say what is found, on one line, and end."""
    try:
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.stdout = sys.stderr = open(printed, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        try:
            found = function()
        except SoftReserveError as error:
            found = {"error": str(error)}
        sys.stdout.flush()
        with open(answer, "w") as file:
            file.write(json.dumps(found) + "\n")
    finally:
        os._exit(0)


def _line(pipe: int) -> tuple[bytes, bool]:
    """What comes until the end of a line, or until there is nobody who could write more; and whether time ran out."""
    data, end = b"", time.monotonic() + _PATIENCE
    while not data.endswith(b"\n"):
        if not select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
            return data, True
        more = os.read(pipe, 1 << 16)
        if not more:
            return data, False
        data += more
    return data, False
