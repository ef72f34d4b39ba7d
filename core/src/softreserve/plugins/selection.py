"""Which plugins a machine needs, where nobody names them.

The core knows no plugin by name. A distribution declares what its plugin is good for in two more entry-point groups,
whose entries point to the same object as its entry in ``softreserve.plugins``:

- ``softreserve.arches``: the entry's name is an architecture that the plugin boots;
- ``softreserve.defaults``: the plugin is wanted on every architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from softreserve.model.errors import MachineError, UnknownPluginError, nearest, shown
from softreserve.plugins import hooks
from softreserve.plugins.entrypoints import EntryPoint, entry_points

if TYPE_CHECKING:
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks

__all__ = ["ARCHES", "DEFAULTS", "Selection"]

ARCHES = "softreserve.arches"
DEFAULTS = "softreserve.defaults"

#: Before a plugin's name: do not load it.
WITHOUT = "no:"


class Selection:
    """The choice of plugins: what is installed, what a person asked for.

    :param wanted: names to load besides the ones that the architecture asks for; ``no:NAME`` leaves one out.
    :param exactly: names to load instead of those that the architecture asks for (a machine file's ``plugins``).
    """

    def __init__(self, wanted: Iterable[str] = (), exactly: Sequence[str] | None = None) -> None:
        wanted = tuple(wanted)
        self.wanted = tuple(name for name in wanted if not name.startswith(WITHOUT))
        self.without = frozenset(name.removeprefix(WITHOUT) for name in wanted if name.startswith(WITHOUT))
        self.exactly = exactly
        entries = entry_points([hooks.GROUP, ARCHES, DEFAULTS])
        self._plugins = hooks.by_name(entry for entry in entries if entry.group == hooks.GROUP)
        self._arches = self._declared(entry for entry in entries if entry.group == ARCHES)
        #: Plugins that are wanted on every architecture.
        everywhere = self._declared(entry for entry in entries if entry.group == DEFAULTS)
        self.defaults = sorted({name for names in everywhere.values() for name in names})

    def _declared(self, entries: Iterable[EntryPoint]) -> dict[str, list[str]]:
        """Plugin names by declared name, found through the object that both entries point to."""
        owners = {entry.value: name for name, found in self._plugins.items() for entry in found}
        declared: dict[str, list[str]] = {}
        for entry in entries:
            if entry.value in owners:
                declared.setdefault(entry.name, []).append(owners[entry.value])
        return declared

    @property
    def installed(self) -> Mapping[str, list[EntryPoint]]:
        """Installed plugins by name."""
        return self._plugins

    @property
    def arches(self) -> dict[str, tuple[str, ...]]:
        """Architectures that can be booted, and the plugins that do it."""
        return {arch: tuple(sorted(set(names))) for arch, names in sorted(self._arches.items())}

    def arch(self, name: str) -> str:
        """An architecture from its name or from the name of a plugin that boots exactly one.

        :raises MachineError: no installed plugin knows it.
        """
        if name in self._arches:
            return name
        of_plugin = [arch for arch, names in self._arches.items() if name in names]
        if len(of_plugin) == 1:
            return of_plugin[0]
        known = ", ".join(self.arches) or "none"
        hint = nearest(name, self.arches)
        raise MachineError(f"no installed plugin boots architecture {shown(name)}; known: {known}{hint}")

    def names(self, arch: str) -> tuple[str, ...]:
        """The plugins to load for an architecture, in the order of loading.

        :raises MachineError: no installed plugin boots it.
        :raises UnknownPluginError: several do, and nobody said which.
        """
        if self.exactly is not None:
            first: Sequence[str] = self.exactly
        else:
            first = (self._booting(arch), *self.defaults)
        return tuple(name for name in dict.fromkeys((*first, *self.wanted)) if name not in self.without)

    def _booting(self, arch: str) -> str:
        able = [name for name in self.arches[self.arch(arch)] if name not in self.without]
        named = [name for name in able if name in self.wanted] or able
        if len(named) == 1:
            return named[0]
        if not able:
            raise MachineError(f"every plugin that boots {arch} was left out")
        raise UnknownPluginError(f"{arch} is booted by several plugins: {', '.join(named)}; name one with -p")

    def hooks_for(self, machine: Machine) -> Hooks:
        """A fresh set of plugins for a machine.

        :raises PluginError: a plugin cannot be imported.
        """
        return hooks.load(self.names(machine.arch), available=self._plugins)
