"""From the names of plugins to objects: the entry-point group ``softreserve.plugins``, and code that somebody named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from softreserve.kernel import border
from softreserve.model.errors import PluginError, UnknownPluginError, nearest, shown
from softreserve.plugins import api
from softreserve.plugins.entrypoints import EntryPoint, entry_points, mistakes

if TYPE_CHECKING:
    from softreserve.plugins.code import Source

__all__ = ["GROUP", "by_name", "installed", "load_plugin", "load_plugins", "unknown"]

GROUP = "softreserve.plugins"


def installed() -> dict[str, list[EntryPoint]]:
    """Installed plugins by name; more than one entry under a name means two distributions claim it."""
    return by_name(entry_points([GROUP]))


def by_name(entries: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    """Entries by name."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found


def load_plugins(names: Iterable[str], available: Mapping[str, Sequence[Source]]) -> list[tuple[str, Any]]:
    """Import plugins, each once, in the order of their names.

    :raises UnknownPluginError: one is not there, or twice.
    :raises PluginError: one cannot be imported, or is another one, too.
    """
    found: dict[int, tuple[str, Any]] = {}
    levels = entry_points([api.GROUP])
    for name in dict.fromkeys(names):
        plugin = load_plugin(name, available, levels)
        other, _ = found.setdefault(id(plugin), (name, plugin))
        if other != name:
            value = available[name][0].value
            raise PluginError(f"plugin {name!r} ({value}) is plugin {other!r}, too: leave one of them out")
    return list(found.values())


def unknown(name: str, available: Iterable[str]) -> str:
    """What is said of a plugin that is not installed."""
    have = ", ".join(sorted(available)) or "none"
    nor = ", and no module of that name is found" if "." in name else ""
    odd = [f"; {line}" for line in mistakes() if f"{name} =" in line] if name else []
    hint = odd[0] if odd else nearest(name, available)
    return f"no plugin {shown(name)} is installed{nor}; installed: {have}{hint}"


def load_plugin(
    name: str, available: Mapping[str, Sequence[Source]], levels: Iterable[EntryPoint] | None = None
) -> Any:
    """Import a plugin.

    :param levels: see :func:`softreserve.plugins.api.announced`.
    :raises UnknownPluginError: it is not there, or twice.
    :raises PluginError: it cannot be imported, or is for a newer core.
    """
    sources = available.get(name, ())
    if not sources:
        raise UnknownPluginError(unknown(name, available))
    if len(sources) > 1:
        owners = ", ".join(sorted(source.distribution for source in sources))
        raise UnknownPluginError(f"plugin {name!r} is installed more than once: {owners}")
    source = sources[0]
    api.announced(source, levels)
    try:
        return border.call("import", source.load, plugin=name)
    except PluginError as error:
        cause = error.__cause__ or error
        words = f"plugin {name!r} ({source.value}) cannot be imported: {border.reason(cause)}"
        raise PluginError(words[: border.LONGEST], name) from cause
