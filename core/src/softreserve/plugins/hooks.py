"""Finding, loading and calling plugins.

The configuration names the plugins. Just those are looked up in the entry-point group ``softreserve.plugins``, and
registered in a fresh manager per machine. Core code never calls pluggy's untyped ``hook.x()``: :class:`Hooks` has one
typed method per hook, which checks the answer and names the guilty plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import pluggy

from softreserve.kernel.initcalls import Initcall
from softreserve.model.errors import (
    PluginError,
    PluginResultError,
    SoftReserveError,
    shown,
)
from softreserve.plugins import api, hookspecs
from softreserve.plugins.loading import GROUP, installed, load_plugins

if TYPE_CHECKING:
    import click

    from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.modules import Module
    from softreserve.kernel.system import System
    from softreserve.model.arch import ArchInfo
    from softreserve.model.dax import DaxCapacity, DaxDriver, DaxOffer
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.model.nodes import NodeOffer
    from softreserve.model.outcome import Outcome
    from softreserve.model.placement import Placement
    from softreserve.model.ranges import PhysRange
    from softreserve.plugins.code import Source
    from softreserve.plugins.extensions import Emitter, Importer, Lane, MachineSection

T = TypeVar("T")

__all__ = ["GROUP", "Hooks", "callback", "failed", "hooks_of", "installed", "load"]


class _Manager(pluggy.PluginManager):
    """Looks closely only at what is marked: the same care for the rest of a module would cost as much as a boot."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """How a hook is implemented; ``None``: this is none."""
        return super().parse_hookimpl_opts(plugin, name) if _may_be_marked(plugin, name, "impl") else None

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> pluggy.HookspecOpts | None:
        """How a hook is specified; ``None``: this is none."""
        marked = _may_be_marked(module_or_class, name, "spec")
        return super().parse_hookspec_opts(module_or_class, name) if marked else None


def _may_be_marked(holder: object, name: str, kind: str) -> bool:
    """Whether something in a plugin may have a mark of pluggy's; of modules it is known."""
    return not isinstance(holder, ModuleType) or hasattr(vars(holder).get(name), f"softreserve_{kind}")


def load(
    names: Iterable[str],
    *,
    extra: Sequence[tuple[str, object]] = (),
    available: Mapping[str, Sequence[Source]] | None = None,
) -> Hooks:
    """Load the named plugins, in that order, into a fresh manager.

    :param extra: objects that are already there (``(name, plugin)``): for tests and in-process users.
    :param available: what is installed, where that is known already.

    :raises UnknownPluginError: a name is not installed, or twice.
    :raises PluginError: a plugin could not be imported, implements a hook that does not exist, or needs a newer core.
    """
    manager = _Manager("softreserve")
    manager.add_hookspecs(hookspecs)
    if available is None:
        available = installed()
    chosen = load_plugins(names, available)
    name = ""
    try:
        for name, plugin in (*chosen, *extra):
            api.level(name, plugin)
            manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        guilty = manager.get_name(error.plugin) or name  # one that was refused has no name
        raise PluginError(f"plugin {guilty}: {_one_line(error)}") from error
    for name, plugin in manager.list_name_plugin():
        for caller in manager.get_hookcallers(plugin) or []:
            if any(impl.wrapper or impl.hookwrapper for impl in caller.get_hookimpls() if impl.plugin is plugin):
                raise PluginError(f"plugin {name}: {caller.name}: hook wrappers are not supported")
    return Hooks(manager)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def hooks_of(system: System) -> Hooks:
    """The plugins of a system; to be asked by the core, and by plugins of one another."""
    hooks = system.hooks
    assert isinstance(hooks, Hooks)
    return hooks


class Hooks:
    """The loaded plugins, and one typed call per hook."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self.manager = manager
        #: Called with one line per hook call, when set.
        self.trace: Callable[[str], None] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded plugins, in the order of loading."""
        return tuple(name for name, plugin in self.manager.list_name_plugin() if plugin is not None)

    # --- one typed call per hook, in boot order

    def machine_sections(self) -> list[MachineSection]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_machine_sections`."""
        from softreserve.plugins.extensions import MachineSection

        return self._owned("softreserve_machine_sections", MachineSection)

    def importers(self) -> list[Importer]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_importers`."""
        from softreserve.plugins.extensions import Importer

        return self._owned("softreserve_importers", Importer)

    def arch_info(self, arch: str) -> ArchInfo | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_arch_info`."""
        from softreserve.model.arch import ArchInfo

        return self._first(
            "softreserve_arch_info", ArchInfo, lambda found: found.name == arch, f"one of {arch}", arch=arch
        )

    def stub_handoff(self, machine: Machine) -> Handoff | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_stub_handoff`."""
        from softreserve.model.handoff import Handoff

        return self._first("softreserve_stub_handoff", Handoff, machine=machine)

    def stub_place_image(self, machine: Machine, seed: int | None) -> Placement | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_stub_place_image`."""
        from softreserve.model.placement import Placement

        return self._first("softreserve_stub_place_image", Placement, machine=machine, seed=seed)

    def early_reserve(self, system: System) -> bool | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_early_reserve`."""
        return self._first("softreserve_early_reserve", bool, system=system)

    def numa_info(self, system: System) -> bool | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_numa_info`."""
        return self._first("softreserve_numa_info", bool, system=system)

    def nodes(self, system: System) -> list[NodeOffer]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_nodes`."""
        if not self._is_answered("softreserve_nodes"):
            return []
        from softreserve.model.nodes import NodeOffer
        from softreserve.plugins.offers import NodeChecks

        checks = NodeChecks(system)
        found = self._all("softreserve_nodes", NodeOffer, checks.problem, system=system)
        guilty = checks.distance_problem()
        if guilty is not None:
            raise PluginResultError(f"plugin {guilty[0]}: softreserve_nodes: {guilty[1]}")
        return found

    def register_resources(self, system: System) -> list[Initcall]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_register_resources`."""
        return self._all("softreserve_register_resources", Initcall, system=system)

    def modules(self, system: System) -> list[Module]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_modules`."""
        from softreserve.kernel.modules import Module

        return self._all("softreserve_modules", Module, system=system)

    def dax_devices(self, system: System) -> list[DaxOffer]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_devices`."""
        if not self._is_answered("softreserve_dax_devices"):
            return []
        from softreserve.model.dax import DaxOffer
        from softreserve.plugins.offers import dax_problem

        return self._all(
            "softreserve_dax_devices", DaxOffer, lambda plugin, offer: dax_problem(system, offer), system=system
        )

    def dax_drivers(self, system: System) -> list[DaxDriver]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_drivers`."""
        from softreserve.model.dax import DaxDriver

        return self._all("softreserve_dax_drivers", DaxDriver, system=system)  # type: ignore[type-abstract]

    def memory_block_size(self, system: System) -> int | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_memory_block_size`."""
        section = system.memory.section_size

        def sound(size: int) -> bool:
            return size >= section and size.bit_count() == 1

        words = f"a power of two from {section} on"
        return self._first("softreserve_memory_block_size", int, sound, words, system=system)

    def online_policy(self, system: System) -> str | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_online_policy`."""
        from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES

        words = f"one of {', '.join(ONLINE_TYPES)}"
        return self._first("softreserve_online_policy", str, ONLINE_TYPES.__contains__, words, system=system)

    def memory_added(self, system: System, nid: int, start: int, size: int) -> str | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_memory_added`."""
        from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES

        words = f"one of {', '.join(ONLINE_TYPES)}"
        return self._first(
            "softreserve_memory_added",
            str,
            ONLINE_TYPES.__contains__,
            words,
            system=system,
            nid=nid,
            start=start,
            size=size,
        )

    def sysfs(self, system: System) -> None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_sysfs`."""
        self._tell("softreserve_sysfs", system=system)

    def dax_region(self, system: System, request: DaxRegionRequest) -> DaxRegionMade | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_region`."""
        from softreserve.kernel.dax import DaxRegionMade

        return self._first("softreserve_dax_region", DaxRegionMade, system=system, request=request)

    def dax_claimed(self, system: System, where: PhysRange) -> str | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_claimed`."""
        return self._first("softreserve_dax_claimed", str, system=system, where=where)

    def kexec_policies(self, system: System) -> list[KexecPolicy]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_kexec_policies`."""
        from softreserve.kernel.kexec import KexecPolicy

        return self._all("softreserve_kexec_policies", KexecPolicy, system=system)

    def kexec_load(self, system: System, request: KexecRequest) -> KexecImage | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_kexec_load`."""
        from softreserve.model.kexec import KexecImage

        return self._first("softreserve_kexec_load", KexecImage, system=system, request=request)

    def kexec_hardware(self, system: System, machine: Machine) -> Machine | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_kexec_hardware`."""
        from softreserve.model.machine import Machine

        return self._first("softreserve_kexec_hardware", Machine, system=system, machine=machine)

    def lint(self, system: System, outcome: Outcome, onlined: Outcome) -> list[Finding]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_lint`."""
        from softreserve.model.findings import Finding

        return self._all("softreserve_lint", Finding, system=system, outcome=outcome, onlined=onlined)

    def dax_capacity(self, system: System, where: PhysRange) -> DaxCapacity | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_capacity`."""
        from softreserve.model.dax import DaxCapacity

        return self._first("softreserve_dax_capacity", DaxCapacity, system=system, where=where)

    def report_lanes(self, system: System) -> list[Lane]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_report_lanes`."""
        if not self._is_answered("softreserve_report_lanes"):
            return []
        from softreserve.plugins.extensions import Lane

        return self._owned("softreserve_report_lanes", Lane, system=system)

    def emitters(self) -> list[Emitter]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_emitters`."""
        from softreserve.plugins.extensions import Emitter

        return self._owned("softreserve_emitters", Emitter)

    def cli(self, group: click.Group) -> None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_cli`."""
        self._tell("softreserve_cli", group=group)

    # --- calling

    def _first(
        self, hook: str, wanted: type[T], sound: Callable[[T], bool] | None = None, words: str = "", /, **arguments: Any
    ) -> T | None:
        """Ask plugins, the last loaded first, until one answers with something other than ``None``.

        :param sound: whether an answer of the right type is one that the hook allows; ``words`` say which ones are.
        """
        for impl in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            answer = self._call(hook, impl, arguments)
            if answer is None:
                continue
            found = self._checked(hook, impl, answer, wanted)
            if sound is not None and not sound(found):
                raise PluginResultError(f"plugin {impl.plugin_name}: {hook} answered {shown(found)}, wanted {words}")
            return found
        return None

    def _is_answered(self, hook: str) -> bool:
        """Whether any plugin has the hook: what its answers are need not be imported where none has."""
        return bool(getattr(self.manager.hook, hook).get_hookimpls())

    def _all(
        self,
        hook: str,
        wanted: type[T],
        problem: Callable[[str, T], str | None] = lambda plugin, item: None,
        /,
        **arguments: Any,
    ) -> list[T]:
        """Ask every plugin in the order of loading; answers are lists of items, joined.

        :param problem: what is wrong with an item of a plugin, in words; ``None``: nothing.
        """
        found: list[T] = []
        for impl in getattr(self.manager.hook, hook).get_hookimpls():
            answer = self._call(hook, impl, arguments)
            if answer is None:
                continue
            if not isinstance(answer, (list, tuple)):
                raise PluginResultError(_wrong(hook, impl, answer, "a list"))
            for item in answer:
                found.append(self._checked(hook, impl, item, wanted))
                wrong = problem(impl.plugin_name, found[-1])
                if wrong is not None:
                    raise PluginResultError(f"plugin {impl.plugin_name}: {hook}: {wrong}")
        return found

    def _owned(self, hook: str, wanted: type[T], /, **arguments: Any) -> list[T]:
        """As :meth:`_all`, and each item knows its plugin."""
        owners: list[str] = []
        items = self._all(hook, wanted, lambda plugin, item: owners.append(plugin), **arguments)
        return [attrs.evolve(item, plugin=owner) for item, owner in zip(items, owners, strict=True)]  # type: ignore[misc]

    def _tell(self, hook: str, /, **arguments: Any) -> None:
        """Call every plugin in the order of loading; there is no answer."""
        for impl in getattr(self.manager.hook, hook).get_hookimpls():
            answer = self._call(hook, impl, arguments)
            if answer is not None:
                raise PluginResultError(_wrong(hook, impl, answer, "None"))

    def _call(self, hook: str, impl: Any, arguments: dict[str, Any]) -> Any:
        try:
            answer = impl.function(*(arguments[name] for name in impl.argnames))
        except SoftReserveError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"plugin {impl.plugin_name}: {hook} failed: {_one_line(error)}") from error
        if self.trace is not None:
            self.trace(f"{hook} {impl.plugin_name} -> {answer!r}")
        return answer

    @staticmethod
    def _checked(hook: str, impl: Any, answer: Any, wanted: type[T]) -> T:
        if not isinstance(answer, wanted) or (wanted is int and isinstance(answer, bool)):
            raise PluginResultError(_wrong(hook, impl, answer, wanted.__name__))
        return answer


def _wrong(hook: str, impl: Any, answer: object, wanted: str) -> str:
    return f"plugin {impl.plugin_name}: {hook} answered {type(answer).__name__}, wanted {wanted}"


def callback(
    plugin: str,
    what: str,
    function: Callable[..., T],
    /,
    *arguments: Any,
    allowed: tuple[type[BaseException], ...] = (),
) -> T:
    """Call something that a plugin brought.

    :param what: what it is, in words.
    :param allowed: errors that it may raise.
    :raises PluginError: it raised something else.
    """
    try:
        return function(*arguments)
    except BaseException as error:
        if isinstance(error, (*allowed, KeyboardInterrupt)):
            raise
        raise failed(plugin, what, error) from error


def failed(plugin: str, what: str, error: BaseException) -> PluginError:
    """What is told of an error that something raised which a plugin brought."""
    return PluginError(f"plugin {plugin}: {what} failed: {_one_line(error)}")
