"""Tables of machine files that plugins understand: ``[NAME]`` becomes ``machine.sections[NAME]``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from softreserve.config.reader import parse_size
from softreserve.config.structure import exactly, structure, unreadable
from softreserve.kernel import border
from softreserve.model.errors import PluginResultError, nearest, shown
from softreserve.plugins.brought import by_name, who_brings
from softreserve.plugins.hooks import Hooks

if TYPE_CHECKING:
    from softreserve.config.reader import Document
    from softreserve.plugins.extensions import MachineSection

__all__ = ["VALUES", "read_sections", "sections_of", "unknown"]


def _number(value: object) -> int:
    return value if type(value) is int else parse_size(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"wanted a number, not {shown(value)}")
    return float(value)


#: How values become what a plugin's class says that they are.
VALUES: Final[Mapping[Any, Callable[[object], object]]] = {
    int: _number,
    float: _real,
    str: exactly(str, "a string"),
    bool: exactly(bool, "true or false"),
    Any: lambda value: value,
    object: lambda value: value,
}


def sections_of(hooks: Hooks, own: Collection[str]) -> dict[str, MachineSection]:
    """What loaded plugins understand, by name.

    :param own: keys that machine files have without plugins.
    :raises PluginError: a plugin does not answer as it should.
    """
    found = by_name(hooks.machine_sections(), own)
    for section in found.values():
        wrong = border.call(_where(section), unreadable, section.kind, VALUES, plugin=section.plugin)
        if wrong:
            raise PluginResultError(f"plugin {section.plugin}: softreserve_machine_sections: {section.name}: {wrong}")
    return found


def read_sections(
    document: Document, tables: Mapping[str, object], own: Collection[str], hooks: Hooks
) -> dict[str, Any]:
    """Read tables that the core does not know. What is wrong is noted in the document.

    :param own: keys that machine files have without plugins.
    :raises PluginError: a plugin does not answer as it should, or its class fails.
    """
    sections = sections_of(hooks, own)
    found = {}
    for name, values in tables.items():
        if name not in sections:
            document.problem((name,), unknown(name, values, (*own, *sections)))
            continue
        section = sections[name]
        made, wrong = border.call(_where(section), structure, values, section.kind, VALUES, plugin=section.plugin)
        for key, message in wrong:
            document.problem((name, *key), message)
        found[name] = made
    return found


def _where(section: MachineSection) -> str:
    return f"softreserve_machine_sections: section {section.name!r}"


def unknown(name: str, values: object, known: Collection[str]) -> str:
    """What a message says of a key that is not known; an installed plugin may know a table of that name."""
    hint = nearest(name, known)
    if not hint and isinstance(values, dict):
        hint = who_brings(
            lambda hooks: name in [section.name for section in hooks.machine_sections()], "understands it"
        )
    return f"unknown key; known: {', '.join(known) or 'none'}{hint}"
