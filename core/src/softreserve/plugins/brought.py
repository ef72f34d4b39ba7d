"""What plugins bring under a name of its own: sections, importers, emitters, lanes, commands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from softreserve.kernel import border
from softreserve.model.errors import PluginError, PluginResultError
from softreserve.plugins.extensions import Emitter, Importer, Lane, MachineSection
from softreserve.plugins.hooks import Hooks, load
from softreserve.plugins.selection import Selection, wishes

__all__ = ["by_name", "taken", "who_brings"]

T = TypeVar("T", Emitter, Importer, Lane, MachineSection)

_WORDS = {
    Emitter: ("softreserve_emitters", "emitter"),
    Importer: ("softreserve_importers", "importer"),
    Lane: ("softreserve_report_lanes", "lane"),
    MachineSection: ("softreserve_machine_sections", "section"),
}


def by_name(items: Iterable[T], own: Collection[str] = ()) -> dict[str, T]:
    """What plugins bring, by its name: each name is there once.

    :param own: names that the core has.
    :raises PluginResultError: it is not.
    """
    found: dict[str, T] = {}
    for item in items:
        name = item.prefix if isinstance(item, Importer) else item.name
        hook, word = next(words for kind, words in _WORDS.items() if isinstance(item, kind))
        first = "softreserve" if name in own else f"plugin {found[name].plugin}" if name in found else None
        if first is not None:
            raise taken(item.plugin, hook, f"{word} {name!r}", first)
        found[name] = item
    return found


def taken(plugin: str, hook: str, what: str, first: str) -> PluginResultError:
    """What is told where a plugin brings something that another one has, or it itself."""
    other = "it brings that twice" if first == f"plugin {plugin}" else f"{first} has that already"
    return border.refused(plugin, hook, f"{what}: {other}")


def who_brings(brings: Callable[[Hooks], bool], what: str) -> str:
    """What a message adds: ``; plugin 'NAME' WHAT: -p NAME``, or nothing.

    All that is installed is loaded for it, unless plugins are only loaded where somebody names them.

    :param brings: whether a plugin does; those that fail do not.
    """
    if wishes().only_named:
        return ""
    installed = Selection().installed
    for name in sorted(installed):
        try:
            if brings(load([name], available=installed)):
                return f"; plugin {name!r} {what}: -p {name}"
        except PluginError:
            continue
    return ""
