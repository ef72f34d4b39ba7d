"""The level of the interface that plugins are written for, and the words that announce that something of it goes.

The level rises when hooks are added or when one means more than it did; what older levels have keeps working. A plugin
says which one it was written for in its metadata, where it can be read before anything of it is imported::

    [project.entry-points."softreserve.api"]
    NAME = "2"

or as ``softreserve_api = 2`` in the object that has its hooks. One that says nothing was written for level 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from softreserve.model.errors import PluginError, shown
from softreserve.plugins.entrypoints import entry_points

if TYPE_CHECKING:
    from softreserve.plugins.code import Source
    from softreserve.plugins.entrypoints import EntryPoint

__all__ = ["API", "ATTRIBUTE", "GROUP", "announced", "deprecated", "level"]

#: The level that this core has.
API: Final = 2

#: Where metadata says a plugin's level, and what says it in the plugin.
GROUP: Final = "softreserve.api"
ATTRIBUTE: Final = "softreserve_api"

#: That of a plugin that does not say.
_FIRST: Final = 1


def announced(entry: Source, levels: Iterable[EntryPoint] | None = None) -> int:
    """The level that a plugin's metadata says it was written for; nothing of it is imported.

    :param levels: the entries of all plugins that say one, where they are known already.
    :raises PluginError: it says no number, or a level that is newer than ours.
    """
    for found in entry_points([GROUP]) if levels is None else levels:
        if (found.name, found.distribution) == (entry.name, entry.distribution):
            return _known(entry.name, _number(found.value))
    return _FIRST


def level(name: str, plugin: object, least: int = _FIRST) -> int:
    """The level that a plugin was written for, as it says itself.

    :param least: what its metadata says.
    :raises PluginError: it says no number, or a level that is newer than ours.
    """
    return max(least, _known(name, getattr(plugin, ATTRIBUTE, _FIRST)))


def deprecated(name: str, instead: str, until: str) -> DeprecationWarning:
    """The warning that a hook (``hookspec(warn_on_impl=...)``) or a public name gives while it is on its way out.

    :param instead: what to use in its place, in words.
    :param until: the first version without it.
    """
    return DeprecationWarning(f"{name} goes with softreserve {until}; use {instead}")


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and len(text) < 10 else text


def _known(name: str, said: object) -> int:
    if not isinstance(said, int) or isinstance(said, bool) or said < _FIRST:
        raise PluginError(f"plugin {name}: {ATTRIBUTE} is {shown(said)}, wanted a level such as {API}", name)
    if said > API:
        raise PluginError(
            f"plugin {name}: it was written for level {shown(said)} of the plugin interface, and this softreserve has"
            f" level {API}: it needs a newer softreserve",
            name,
        )
    return said
