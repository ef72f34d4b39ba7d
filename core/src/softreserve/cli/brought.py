"""Commands that plugins bring, and the plugins that a command line names.

Plugins are loaded for it only where the core has no such command, and for the list of all. What a default plugin does
wrong is told then, and nothing else breaks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import click

from softreserve.cli.terminal import tell
from softreserve.config import PREFIXES
from softreserve.config.preferences import personal
from softreserve.kernel.border import unsound
from softreserve.model.errors import PluginError
from softreserve.plugins.brought import by_name, taken, who_brings
from softreserve.plugins.commands import Collected
from softreserve.plugins.hooks import Hooks, load
from softreserve.plugins.selection import OPTION, Layer, Selection, asking
from softreserve.views.emit import EMITTERS

__all__ = [
    "Brought",
    "bringing",
    "brought",
    "check_names",
    "commands_of",
    "declares_plugins",
    "in_the_name_of",
    "named_plugins",
    "without_plugins",
]

_HOOK = "softreserve_cli"
_SHORT, _LONG = "-p", "--plugin"


class Brought(NamedTuple):
    """A command, the plugin that brings it, and why it cannot be used, if it cannot."""

    plugin: str
    command: click.Command
    wrong: PluginError | None = None


def brought(own: Collection[str], named: Sequence[str], *, quiet: bool = False) -> dict[str, Brought]:
    """Commands of plugins that are wanted everywhere, and of those that are named.

    :param own: names of the core's commands.
    :param named: as given with ``-p``.
    :param quiet: whether nothing is told of plugins that nobody named, and that are broken.
    :raises UnknownPluginError: a plugin is not installed.
    :raises PluginError: one that was named is broken.
    """
    with in_the_name_of(named):
        selection = Selection()
    found: dict[str, Brought] = {}
    for name in selection.names(""):
        try:
            commands = commands_of(load([name], available=selection.installed), own)
        except PluginError as error:
            if name in selection.wanted:
                raise
            if not quiet:
                tell(str(error))
            continue
        for word, command in commands.items():
            first = found.get(word)
            wrong = taken(name, _HOOK, f"command {word!r}", f"plugin {first.plugin}") if first is not None else None
            found[word] = Brought(name, command, wrong)
    return found


def check_names(selection: Selection, context: click.Context) -> None:
    """See that plugins that somebody names bring nothing under a name of the core's: nobody would ever get to it.

    :param context: of the command that they are named for.
    :raises PluginError: one does, or fails.
    """
    own: Collection[str] = getattr(context.find_root(), "own", ())
    for name in selection.wanted:
        if name not in selection.installed:
            continue
        hooks = load([name], available=selection.installed)
        commands_of(hooks, own)
        by_name(hooks.emitters(), EMITTERS)
        by_name(hooks.importers(), PREFIXES)
        if hooks.machine_sections():
            from softreserve.config.machine_file import OWN_KEYS
            from softreserve.config.sections import sections_of

            sections_of(hooks, OWN_KEYS)


def in_the_name_of(named: Sequence[str]) -> AbstractContextManager[None]:
    """Do something in the name of whoever gives a command that is not parsed yet.

    :param named: as given with ``-p``.
    """
    return asking(personal(Layer(OPTION, tuple(named))))


def bringing(context: click.Context, name: str) -> str:
    """What a message adds where a plugin that is not loaded has a command; else nothing."""
    with in_the_name_of(named_plugins(context)):
        return who_brings(lambda hooks: name in commands_of(hooks), "has it")


def commands_of(hooks: Hooks, own: Collection[str] = ()) -> dict[str, click.Command]:
    """Commands of a plugin, by name.

    :param hooks: that plugin, and no other.
    :raises PluginError: it fails, or has a command of the core's.
    """
    group = Collected()
    hooks.cli(group)
    for word, command in group.commands.items():
        if not isinstance(command, click.Command):  # put there without asking the group
            raise unsound(hooks.names[0], f"{_HOOK}: command {word!r}", command, "a click command")
        if word in own:
            raise taken(hooks.names[0], _HOOK, f"command {word!r}", "softreserve")
    return dict(group.commands)


def named_plugins(context: click.Context) -> tuple[str, ...]:
    """What ``-p`` says anywhere on the command line, parsed or not yet."""
    arguments: Sequence[str] = getattr(context.find_root(), "arguments", ())
    return tuple(dict.fromkeys(name for name, _ in _named(arguments)))


def declares_plugins(command: click.Command) -> bool:
    """Whether a command, or one below it, has an option of its own that is written as ours is."""
    if isinstance(command, click.Group):
        return any(map(declares_plugins, command.commands.values()))
    return any(word in (_SHORT, _LONG) for parameter in command.params for word in parameter.opts)


def without_plugins(arguments: Sequence[str]) -> list[str]:
    """Arguments without ``-p NAME``."""
    left_out = {number for _, numbers in _named(arguments) for number in numbers}
    return [argument for number, argument in enumerate(arguments) if number not in left_out]


def _named(arguments: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each name that ``-p`` gives, and the numbers of the arguments that say so."""
    skip = False
    for number, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument == "--":
            return
        elif argument in (_SHORT, _LONG):
            skip = True
            if number + 1 < len(arguments):
                yield arguments[number + 1], (number, number + 1)
        elif argument.startswith(f"{_LONG}="):
            yield argument.partition("=")[2], (number,)
        elif argument.startswith(_SHORT) and not argument.startswith("--"):
            yield argument.removeprefix(_SHORT), (number,)
