"""Which plugins a machine needs, and which people ask for or leave out.

The core knows no plugin by name. A distribution declares what its plugin is good for in two more entry-point groups,
whose entries point to the same object as its entry in ``softreserve.plugins``:

- ``softreserve.arches``: the entry's name is an architecture that the plugin boots;
- ``softreserve.defaults``: the plugin is wanted on every architecture.

People say in several places what is different from that. A later place has the last word on each plugin that it names,
and within a place the last of its words: the user configuration, the machine file, the environment, the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from softreserve.model.errors import MachineError, UnknownPluginError, nearest, shown
from softreserve.model.value import NamedTuple
from softreserve.plugins import hooks
from softreserve.plugins.arches import arches_of
from softreserve.plugins.entrypoints import entry_points, mistakes
from softreserve.plugins.loading import by_name, load_plugin, unknown

if TYPE_CHECKING:
    from softreserve.model.machine import Machine
    from softreserve.plugins.code import Code, Source
    from softreserve.plugins.hooks import Hooks

__all__ = [
    "ARCHES",
    "DEFAULTS",
    "NOTHING",
    "OPTION",
    "WITHOUT",
    "Layer",
    "Said",
    "Selection",
    "Wishes",
    "asking",
    "wishes",
]

ARCHES = "softreserve.arches"
DEFAULTS = "softreserve.defaults"

#: Before a plugin's name: do not load it.
WITHOUT = "no:"

#: The command line, as messages name it.
OPTION: Final = "-p"
_MACHINE: Final = "the machine's plugins"


class Layer(NamedTuple):
    """What one place says.

    :param place: as messages name it.
    :param words: names of plugins, or code; ``no:NAME`` leaves one out.
    :param folder: which paths in it are relative to; empty: the current directory.
    """

    place: str
    words: tuple[str, ...]
    folder: str = ""


class Wishes(NamedTuple):
    """What people say, apart from the machine's own description.

    :param below: places that a machine file overrules.
    :param above: places that overrule it, the last one all others.
    :param only_named: who says that no plugin is loaded that nobody names; empty: nobody.
    """

    below: tuple[Layer, ...] = ()
    above: tuple[Layer, ...] = ()
    only_named: str = ""


NOTHING: Final = Wishes()

#: What people say in whose name things are done at present. A selection that nobody tells anything else goes by it.
_current = NOTHING


def wishes() -> Wishes:
    """What people say, in whose name this is carried out."""
    return _current


@contextmanager
def asking(asked: Wishes) -> Iterator[None]:
    """Carry out something in the name of people who say this."""
    global _current
    before, _current = _current, asked
    try:
        yield
    finally:
        _current = before


class Said(NamedTuple):
    """The last word on a plugin, and the place where it stands."""

    place: str
    wanted: bool


class Selection:
    """The choice of plugins: what is installed, what people ask for, and what the machine does.

    :param wanted: names to load besides the ones that the architecture asks for; ``no:NAME`` leaves one out.
    :param exactly: names to load instead of those that the architecture asks for (a machine file's ``plugins``); where
        all of them are ``no:NAME``, just these are left out.
    :raises UnknownPluginError: a word means no code, or code that is not there.
    """

    def __init__(self, wanted: Iterable[str] = (), exactly: Sequence[str] | None = None) -> None:
        self._wishes = wishes()
        entries = entry_points([hooks.GROUP, ARCHES, DEFAULTS])
        self._plugins: dict[str, Sequence[Source]] = {**by_name(e for e in entries if e.group == hooks.GROUP)}
        self._declarations = [entry for entry in entries if entry.group != hooks.GROUP]
        #: Architectures that metadata say can be booted, and by which plugins.
        self.declared = self._declared(ARCHES)
        #: Plugins that are wanted on every architecture.
        everywhere = self._declared(DEFAULTS)
        self.defaults = sorted({name for names in everywhere.values() for name in names})
        #: Code that somebody named, by the name that it goes by.
        self.code: dict[str, Code] = {}
        #: The last word on each plugin, in the order in which they were named first.
        self.said: dict[str, Said] = {}
        for layer in self._wishes.below:
            self._hear(layer)
        self._replaced = exactly is not None and (not exactly or any(not word.startswith(WITHOUT) for word in exactly))
        if self._replaced:
            self.said.clear()
        for word in exactly or ():  # a machine may be a stranger's, and means no code
            self._note(word, _MACHINE)
        for layer in (*self._wishes.above, Layer(OPTION, tuple(wanted))):
            self._hear(layer)

    def _hear(self, layer: Layer) -> None:
        """Note what one place says."""
        for word in layer.words:
            self._note(word if word.startswith(WITHOUT) else self._name(word, layer), layer.place)

    def _note(self, word: str, place: str) -> None:
        self.said[word.removeprefix(WITHOUT)] = Said(place, wanted=not word.startswith(WITHOUT))

    def _name(self, word: str, layer: Layer) -> str:
        """The name of the plugin that a word means: the word itself, or that of the code."""
        if word in self._plugins:
            return word
        from softreserve.plugins.code import code_of, is_code, is_module

        if not (is_code(word) or is_module(word)):
            return word
        code = code_of(word, layer.folder)
        other = self._plugins.get(code.name, [code])[0]
        if other != code and not word.startswith(f"{code.name}:"):
            another = f"write {code.name}:{word} to put it in its place, or NAME:{word}"
            raise UnknownPluginError(f"{layer.place}: {word}: there is a plugin {code.name!r} already; {another}")
        self.code[code.name] = code
        self._plugins[code.name] = [code]
        return code.name

    def _declared(self, group: str) -> dict[str, list[str]]:
        """Plugin names by declared name, found through the object that both entries point to."""
        owners = {entry.value: name for name, found in self._plugins.items() for entry in found}
        declared: dict[str, list[str]] = {}
        for entry in self._declarations:
            if entry.group == group and entry.value in owners:
                declared.setdefault(entry.name, []).append(owners[entry.value])
        return declared

    @property
    def installed(self) -> Mapping[str, Sequence[Source]]:
        """Plugins by name: those that are installed, and code that somebody named."""
        return self._plugins

    @property
    def only_named(self) -> str:
        """Who says that no plugin is loaded that nobody names; empty: nobody."""
        return self._wishes.only_named

    @property
    def wanted(self) -> tuple[str, ...]:
        """Plugins that somebody asks for by name, in that order."""
        return tuple(name for name, said in self.said.items() if said.wanted)

    @property
    def without(self) -> frozenset[str]:
        """Plugins that somebody leaves out."""
        return frozenset(name for name, said in self.said.items() if not said.wanted)

    @cached_property
    def arches(self) -> dict[str, tuple[str, ...]]:
        """Architectures that can be booted, and the plugins that do it.

        :raises PluginError: code that somebody named cannot be imported.
        """
        found = {arch: set(names) for arch, names in self.declared.items()}
        for name in self.code:
            for arch in arches_of(load_plugin(name, self._plugins)):
                found.setdefault(arch, set()).add(name)
        return {arch: tuple(sorted(names)) for arch, names in sorted(found.items())}

    def arch(self, name: str) -> str:
        """An architecture from its name or from the name of a plugin that boots exactly one.

        :raises MachineError: no installed plugin knows it.
        """
        if name in self.arches:
            return name
        of_plugin = [arch for arch, names in self.arches.items() if name in names]
        if len(of_plugin) == 1:
            return of_plugin[0]
        if len(of_plugin) > 1:
            raise MachineError(f"plugin {name} boots several architectures: {', '.join(of_plugin)}; name one of them")
        if any(name in self.wanted for name in self.code):  # code says only by what it answers what it boots
            return name
        self._check_wanted()
        known = ", ".join(self.arches) or "none"
        astray = [f"; {words}" for words in (*self.astray(name), *mistakes())]
        hint = astray[0] if astray else nearest(name, self.arches)
        raise MachineError(f"no installed plugin boots architecture {shown(name)}; known: {known}{hint}")

    def astray(self, name: str = "") -> list[str]:
        """What is wrong with entries that declare architectures and defaults, in words; ``name``: with those of one."""
        values = {source.value for sources in self._plugins.values() for source in sources}
        return [
            f"{entry.group}: {entry.name} of {entry.distribution} points to {shown(entry.value)}, which is no plugin"
            for entry in self._declarations
            if entry.value not in values and name in ("", entry.name)
        ]

    def names(self, arch: str) -> tuple[str, ...]:
        """The plugins to load for an architecture, in the order of loading.

        :param arch: empty where there is no machine yet: its description is about to be read, a command is looked for.
        :raises MachineError: no installed plugin boots it.
        :raises UnknownPluginError: several do, and nobody said which; or what was left out is not installed.
        """
        self.check()
        if self._replaced:
            return self.wanted
        if self.only_named and arch and not self.wanted:
            raise UnknownPluginError(f"no plugin is loaded: {self.only_named} is set, and nobody names one (-p NAME)")
        first = () if self.only_named else (*(self._booting(arch) if arch else ()), *self.defaults)
        return tuple(name for name in dict.fromkeys((*first, *self.wanted)) if name not in self.without)

    def check(self) -> None:
        """See that what is left out is there: a typing error would have no effect.

        :raises UnknownPluginError: it is not.
        """
        for name, said in self.said.items():
            if not said.wanted and name not in self._plugins:
                raise UnknownPluginError(f"{said.place}: {WITHOUT}{name}: {unknown(name, self._plugins)}")

    def _booting(self, arch: str) -> tuple[str, ...]:
        known = self.arches.get(self.arch(arch), ())
        able = [name for name in known if name not in self.without]
        named = [name for name in able if name in self.wanted] or able
        if len(named) == 1 or not known:
            return tuple(named)
        if not able:
            by = ", ".join(dict.fromkeys(self.said[name].place for name in known))
            raise MachineError(f"every plugin that boots {arch} was left out ({', '.join(known)}; by {by})")
        raise UnknownPluginError(f"{arch} is booted by several plugins: {', '.join(named)}; name one with -p")

    def hooks_for(self, machine: Machine) -> Hooks:
        """A fresh set of plugins for a machine.

        :raises UnknownPluginError: a plugin is not installed.
        :raises PluginError: a plugin cannot be imported.
        """
        return self.hooks(machine.arch)

    def hooks(self, arch: str = "") -> Hooks:
        """A fresh set of plugins; see :meth:`names`.

        :raises UnknownPluginError: a plugin is not installed.
        :raises PluginError: a plugin cannot be imported.
        """
        names = self.names(arch)
        self._check_wanted()
        return hooks.load(names, available=self._plugins)

    def _check_wanted(self) -> None:
        for name in self.wanted:
            if name not in self._plugins:
                place = self.said[name].place
                words = "" if place == OPTION else f"{place}: "
                raise UnknownPluginError(f"{words}{unknown(name, self._plugins)}")
