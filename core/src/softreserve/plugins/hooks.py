"""Finding, loading and calling plugins.

The configuration names the plugins. Just those are looked up in the entry-point group ``softreserve.plugins``, and
registered in a manager. Core code never calls pluggy's untyped ``hook.x()``: :class:`Hooks` has one
typed method per hook, which checks the answer and names the guilty plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pluggy

from softreserve.kernel import border
from softreserve.model.errors import (
    MachineError,
    PluginError,
    shown,
)
from softreserve.plugins import answers, api, hookspecs
from softreserve.plugins.given import Given
from softreserve.plugins.loading import GROUP, installed, load_plugins
from softreserve.plugins.objects import as_it_was, hook_problem, modules_of, object_problem

if TYPE_CHECKING:
    import click

    from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
    from softreserve.kernel.initcalls import Initcall
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
_Plugins = tuple[tuple[str, object], ...]

__all__ = ["GROUP", "Hooks", "Tracer", "hooks_of", "installed", "load", "tracing"]

#: What a hook may raise: a machine that does not boot as described.
_PASSES: Final[dict[str, tuple[type[BaseException], ...]]] = dict.fromkeys(
    (
        "softreserve_stub_handoff",
        "softreserve_stub_place_image",
        "softreserve_early_reserve",
        "softreserve_numa_info",
        "softreserve_register_resources",
        "softreserve_kexec_load",
    ),
    (MachineError,),
)


#: Answers that subclasses could lie about.
_EXACT: Final[dict[type, Callable[[object], bool]]] = {int: answers.is_number, str: answers.is_text}


def _always(answer: object) -> bool:
    return True


class _Manager(pluggy.PluginManager):
    """Looks closely only at what is marked: the same care for the rest of a module would cost as much as a boot."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """How a hook is implemented; ``None``: this is none."""
        if isinstance(plugin, ModuleType):
            value = vars(plugin).get(name)
            if isinstance(value, FunctionType):
                return _mark(value, "softreserve_impl")  # type: ignore[no-any-return]
            if not hasattr(value, "softreserve_impl"):
                return None
        return super().parse_hookimpl_opts(plugin, name)

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> pluggy.HookspecOpts | None:
        """How a hook is specified; ``None``: this is none."""
        return _mark(vars(module_or_class).get(name), "softreserve_spec")  # type: ignore[no-any-return]


def _mark(value: object, mark: str) -> Any:
    """What pluggy noted of a function; ``None``: nothing."""
    found = getattr(value, mark, None)
    return found if isinstance(found, dict) else None


def load(
    names: Iterable[str],
    *,
    extra: Sequence[tuple[str, object]] = (),
    available: Mapping[str, Sequence[Source]] | None = None,
) -> Hooks:
    """Load the named plugins, in that order.

    :param extra: objects that are already there (``(name, plugin)``): for tests and in-process users.
    :param available: what is installed, where that is known already.

    :raises UnknownPluginError: a name is not installed, or twice.
    :raises PluginError: a plugin could not be imported, implements a hook that does not exist, or needs a newer core.
    """
    if available is None:
        available = installed()
    plugins = (*load_plugins(names, available), *extra)
    border.register((name, module) for name, plugin in plugins for module in modules_of(plugin))
    key = tuple((name, id(plugin)) for name, plugin in plugins)
    if key in _registered and all(as_it_was(plugin) for _, plugin in plugins):
        return Hooks(*_registered[key])
    manager = _manager_of(plugins)
    if all(as_it_was(plugin) for _, plugin in plugins):
        if len(_registered) >= _MOST:
            _registered.clear()
        _registered[key] = plugins, manager
    return Hooks(plugins, manager)


#: Modules that were loaded together and found sound, by names and objects, with their manager: who boots one machine
#: boots others.
_registered: Final[dict[tuple[tuple[str, int], ...], tuple[_Plugins, pluggy.PluginManager]]] = {}
_MOST: Final = 64


def _manager_of(plugins: _Plugins) -> pluggy.PluginManager:
    """A manager with plugins that were looked at."""
    manager = _Manager("softreserve")
    manager.add_hookspecs(hookspecs)
    hooks = _hook_names()
    for name, plugin in plugins:
        border.call("the object with its hooks", _register, manager, name, plugin, hooks, plugin=name)
    for hook in hooks:
        for impl in getattr(manager.hook, hook).get_hookimpls():
            wrapper = impl.wrapper or impl.hookwrapper
            problem = "hook wrappers are not supported" if wrapper else hook_problem(impl.function)
            if problem is not None:
                raise PluginError(border.one_line(impl.plugin_name, hook, problem), impl.plugin_name)
    return manager


def _register(manager: pluggy.PluginManager, name: str, plugin: object, hooks: Collection[str]) -> None:
    """Add a plugin.

    :raises PluginError: it is no object with hooks, has one that does not exist, or is there already.
    """
    problem = object_problem(plugin, hooks)
    if problem is None and (name in (taken := dict(manager.list_name_plugin())) or plugin in taken.values()):
        problem = "it is there twice, under this name or another"
    if problem is None:
        api.level(name, plugin)
        try:
            manager.register(plugin, name=name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            problem = border.reason(error)
    if problem is not None:
        raise PluginError(border.one_line(name, "", problem), name)


def _hook_names() -> tuple[str, ...]:
    """All hooks that there are."""
    return tuple(name for name, value in vars(hookspecs).items() if hasattr(value, "softreserve_spec"))


def hooks_of(system: System) -> Hooks:
    """The plugins of a system; to be asked by the core, and by plugins of one another."""
    hooks = system.hooks
    assert isinstance(hooks, Hooks)
    return hooks


#: Gets the hook, the plugin and the answer.
Tracer = Callable[[str, str, object], None]

#: What plugins that are loaded at present tell of their calls.
_tracer: Tracer | None = None


@contextmanager
def tracing(tracer: Tracer) -> Iterator[None]:
    """Tell each call of a hook of the plugins that are loaded meanwhile."""
    global _tracer
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before


class Hooks:
    """The loaded plugins, and one typed call per hook."""

    def __init__(self, plugins: _Plugins, manager: pluggy.PluginManager) -> None:
        self._plugins = plugins
        #: Those who load the same plugins have it, too: it is not for others to change.
        self._manager = manager
        #: Told of each call, when set.
        self.trace = _tracer
        #: Who answered last, by hook, where one plugin does.
        self.answered: dict[str, str] = {}
        #: What they were given last, as it was.
        self._given: Given | None = None

    @cached_property
    def manager(self) -> pluggy.PluginManager:
        """What pluggy knows of these plugins; who changes it changes nothing elsewhere."""
        self._manager = _manager_of(self._plugins)
        return self._manager

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded plugins, in the order of loading."""
        return tuple(name for name, plugin in self._manager.list_name_plugin() if plugin is not None)

    @contextmanager
    def untraced(self) -> Iterator[None]:
        """Tell nothing meanwhile: of copies of a machine, which nobody asked for."""
        tracer, self.trace = self.trace, None
        try:
            yield
        finally:
            self.trace = tracer

    def answering(self, hook: str) -> list[str]:
        """Names of the plugins that have a hook, in the order of loading: where none has, nothing need be imported."""
        return [impl.plugin_name for impl in getattr(self._manager.hook, hook).get_hookimpls()]

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
        from softreserve.plugins.guards import guarded_arch

        info = self._first("softreserve_arch_info", ArchInfo, arch=arch)
        return None if info is None else guarded_arch(self.answered["softreserve_arch_info"], info, arch)

    def stub_handoff(self, machine: Machine) -> Handoff | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_stub_handoff`."""
        from softreserve.model.handoff import Handoff

        def problem(handoff: Handoff) -> str | None:
            return answers.handoff_problem(handoff, machine)

        return self._first("softreserve_stub_handoff", Handoff, problem, machine=machine)

    def stub_place_image(self, machine: Machine, seed: int | None) -> Placement | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_stub_place_image`."""
        from softreserve.model.placement import Placement

        def problem(placement: Placement) -> str | None:
            return answers.placement_problem(placement, machine)

        return self._first("softreserve_stub_place_image", Placement, problem, machine=machine, seed=seed)

    def early_reserve(self, system: System) -> bool | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_early_reserve`."""
        return self._first("softreserve_early_reserve", bool, answers.done_problem, system=system)

    def numa_info(self, system: System) -> bool | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_numa_info`."""
        return self._first("softreserve_numa_info", bool, answers.done_problem, system=system)

    def nodes(self, system: System) -> list[NodeOffer]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_nodes`."""
        if not self.answering("softreserve_nodes"):
            return []
        from softreserve.model.nodes import NodeOffer
        from softreserve.plugins.offers import NodeChecks

        checks = NodeChecks(system)
        self._all("softreserve_nodes", NodeOffer, checked=checks.problem, system=system)
        guilty = checks.distance_problem()
        if guilty is not None:
            raise border.refused(guilty[0], "softreserve_nodes", guilty[1])
        return checks.offers

    def register_resources(self, system: System) -> list[Initcall]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_register_resources`."""
        from softreserve.kernel.initcalls import Initcall

        found = self._all("softreserve_register_resources", Initcall, answers.initcall_problem, system=system)
        return [Initcall(i.level, i.source, i.name, i.call, plugin) for plugin, i in found]

    def modules(self, system: System) -> list[Module]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_modules`."""
        from softreserve.kernel.modules import Module

        found = self._all(
            "softreserve_modules", Module, answers.module_problem, lambda m: [f"module {m.name}"], system=system
        )
        for plugin, module in found:
            module.owner = plugin
        circle = answers.circle_problem([module for _, module in found])
        if circle is not None:
            name, words = circle
            plugin = next(plugin for plugin, module in found if module.name == name)
            raise border.refused(plugin, "softreserve_modules", words)
        return [module for _, module in found]

    def dax_devices(self, system: System) -> list[DaxOffer]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_devices`."""
        if not self.answering("softreserve_dax_devices"):
            return []
        from softreserve.model.dax import DaxOffer
        from softreserve.plugins.offers import DaxChecks

        checks = DaxChecks(system)
        self._all("softreserve_dax_devices", DaxOffer, checked=checks.problem, system=system)
        return checks.offers

    def dax_drivers(self, system: System) -> list[DaxDriver]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_drivers`."""

        def names(driver: DaxDriver) -> list[str]:
            return [f"driver {driver.name}", f"driver of module {driver.module}"]

        driver: type[Any] = object  # a Protocol takes long to ask
        found = self._all("softreserve_dax_drivers", driver, answers.driver_problem, names, system=system)
        for plugin, brought in found:
            border.note(brought, plugin)
        return [brought for _, brought in found]

    def memory_block_size(self, system: System) -> int | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_memory_block_size`."""
        section = system.memory.section_size

        end = system.memory.physmem_end

        def problem(size: int) -> str | None:
            good = section <= size <= end and size.bit_count() == 1
            return None if good else f"a power of two from {section} to {(end + 1) // 2}"

        return self._first("softreserve_memory_block_size", int, problem, system=system)

    def online_policy(self, system: System) -> str | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_online_policy`."""
        from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES

        return self._first("softreserve_online_policy", str, answers.one_of(ONLINE_TYPES), system=system)

    def memory_added(self, system: System, nid: int, start: int, size: int) -> str | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_memory_added`."""
        from softreserve.kernel.mm.memory_hotplug import ONLINE_TYPES

        return self._first(
            "softreserve_memory_added",
            str,
            answers.one_of(ONLINE_TYPES),
            system=system,
            nid=nid,
            start=start,
            size=size,
        )

    def sysfs(self, system: System) -> None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_sysfs`."""
        from softreserve.plugins import trees

        tree, hook = system.sysfs, "softreserve_sysfs"
        impls = getattr(self._manager.hook, hook).get_hookimpls()
        fixed = trees.Fixed(tree) if impls else None
        for impl in impls:
            with tree.noting() as changes:
                self._told(hook, impl, system=system)
            own = [node for _, node, _ in changes]
            for path, node, before in changes:
                words = trees.change_problem(path, node, before, own)
                if words is not None:
                    raise border.refused(impl.plugin_name, hook, words)
                if node is not None:
                    trees.owned(impl.plugin_name, path, node)
            words = None if fixed is None else fixed.problem()
            if words is not None:
                raise border.refused(impl.plugin_name, hook, words)

    def dax_region(self, system: System, request: DaxRegionRequest) -> DaxRegionMade | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_region`."""
        from softreserve.kernel.dax import DaxRegionMade

        return self._first(
            "softreserve_dax_region", DaxRegionMade, answers.region_problem, system=system, request=request
        )

    def dax_claimed(self, system: System, where: PhysRange) -> str | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_claimed`."""
        return self._first("softreserve_dax_claimed", str, answers.claim_problem, system=system, where=where)

    def kexec_policies(self, system: System) -> list[KexecPolicy]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_kexec_policies`."""
        from softreserve.kernel.kexec import KexecPolicy
        from softreserve.plugins.guards import guarded_policy

        found = self._all(
            "softreserve_kexec_policies",
            KexecPolicy,
            answers.policy_problem,
            lambda policy: [f"policy {policy.name}"],
            system=system,
        )
        return [guarded_policy(plugin, policy) for plugin, policy in found]

    def kexec_load(self, system: System, request: KexecRequest) -> KexecImage | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_kexec_load`."""
        from softreserve.model.kexec import KexecImage
        from softreserve.plugins.kexec_answers import image_problem

        found = self._first("softreserve_kexec_load", KexecImage, system=system, request=request)
        words = None if found is None else image_problem(system, request, found)
        if words is not None:
            plugin = self.answered["softreserve_kexec_load"]
            raise border.refused(plugin, "softreserve_kexec_load", words)
        return found

    def kexec_hardware(self, system: System, machine: Machine) -> Machine | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_kexec_hardware`."""
        from softreserve.model.machine import Machine
        from softreserve.plugins.kexec_answers import hardware_problem

        return self._first(
            "softreserve_kexec_hardware",
            Machine,
            lambda found: hardware_problem(machine, found),
            system=system,
            machine=machine,
        )

    def lint(self, system: System, outcome: Outcome, onlined: Outcome) -> list[Finding]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_lint`."""
        from softreserve.model.findings import Finding

        found = self._all(
            "softreserve_lint", Finding, answers.finding_problem, system=system, outcome=outcome, onlined=onlined
        )
        self._check_findings(found)
        return [finding for _, finding in found]

    def dax_capacity(self, system: System, where: PhysRange) -> DaxCapacity | None:
        """See :func:`softreserve.plugins.hookspecs.softreserve_dax_capacity`."""
        from softreserve.model.dax import DaxCapacity

        return self._first(
            "softreserve_dax_capacity",
            DaxCapacity,
            lambda capacity: answers.capacity_problem(capacity, where),
            system=system,
            where=where,
        )

    def report_lanes(self, system: System) -> list[Lane]:
        """See :func:`softreserve.plugins.hookspecs.softreserve_report_lanes`."""
        if not self.answering("softreserve_report_lanes"):
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
        self, hook: str, wanted: type[T], problem: Callable[[T], str | None] | None = None, /, **arguments: Any
    ) -> T | None:
        """Ask plugins, the last loaded first, until one answers with something other than ``None``.

        :param problem: what was wanted, where an answer of the right type is not what the hook allows.
        """
        for impl in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            answer = self._call(hook, impl, arguments)
            if answer is not None:
                self.answered[hook] = impl.plugin_name
                plugin = impl.plugin_name
                if problem is None:
                    return _sound(hook, plugin, answer, wanted, None)
                sound: T = border.call(hook, _sound, hook, plugin, answer, wanted, problem, plugin=plugin)
                return sound
        return None

    def _all(
        self,
        hook: str,
        wanted: type[T],
        problem: Callable[[T], str | None] | None = None,
        names: Callable[[T], Iterable[str]] | None = None,
        /,
        checked: Callable[[str, T], str | None] | None = None,
        **arguments: Any,
    ) -> list[tuple[str, T]]:
        """Ask every plugin in the order of loading; answers are lists of items, joined, each with its plugin.

        :param problem: what was wanted, where an item of the right type is not what the hook allows.
        :param names: by which names an item is known, in words: no other may have them.
        :param checked: what is wrong with an item of a plugin, beside those before it, in words.
        """
        found: list[tuple[str, T]] = []
        owners: dict[str, str] = {}

        def look(plugin: str, answer: Iterable[Any]) -> None:
            for item in tuple(answer):
                found.append((plugin, _sound(hook, plugin, item, wanted, problem)))
                words = None if checked is None else checked(plugin, item)
                for name in names(item) if names is not None else ():
                    if name in owners:
                        words = f"there is a {name} already, of plugin {owners[name]}"
                    owners[name] = plugin
                if words is not None:
                    raise border.refused(plugin, hook, words)

        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            plugin = impl.plugin_name
            answer = self._call(hook, impl, arguments)
            if answer is None:
                continue
            if not isinstance(answer, (list, tuple)):
                raise border.wrong(plugin, hook, answer, "a list")
            border.call(hook, look, plugin, answer, plugin=plugin)
        return found

    def _owned(self, hook: str, wanted: type[T], /, **arguments: Any) -> list[T]:
        """As :meth:`_all`, and each item knows its plugin."""
        import attrs

        return [attrs.evolve(item, plugin=plugin) for plugin, item in self._all(hook, wanted, **arguments)]  # type: ignore[misc]

    @staticmethod
    def _check_findings(found: Iterable[tuple[str, Finding]]) -> None:
        """See that no finding is there twice, and no rule of two plugins."""
        seen: set[Finding] = set()
        rules: dict[str, str] = {}
        for plugin, finding in found:
            owner = rules.setdefault(finding.rule, plugin)
            words = f"there is a rule {finding.rule} already, of plugin {owner}" if owner != plugin else ""
            if not words and finding in seen:
                words = f"rule {finding.rule} found the same twice: {shown(finding.message)}"
            if words:
                raise border.refused(plugin, "softreserve_lint", words)
            seen.add(finding)

    def _tell(self, hook: str, /, **arguments: Any) -> None:
        """Call every plugin in the order of loading; there is no answer."""
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            self._told(hook, impl, **arguments)

    def _told(self, hook: str, impl: Any, /, **arguments: Any) -> None:
        answer = self._call(hook, impl, arguments)
        if answer is not None:
            raise border.wrong(impl.plugin_name, hook, answer, "None")

    def _call(self, hook: str, impl: Any, arguments: dict[str, Any]) -> Any:
        if self.trace is None:
            return self._answer(hook, impl, arguments)
        tracer = self.trace
        with self.untraced():  # what a plugin asks others meanwhile, of copies perhaps, is its own business
            answer = self._answer(hook, impl, arguments)
        tracer(hook, impl.plugin_name, answer)
        return answer

    def _answer(self, hook: str, impl: Any, arguments: dict[str, Any]) -> Any:
        given = arguments.get("system") or arguments.get("machine")
        before = self._given
        if given is not None and (before is None or before.value is not given):
            before = self._given = Given(given)
        if given is not None and before is not None:
            before.before(impl.function)
        answer = border.call(
            hook,
            impl.function,
            *[arguments[name] for name in impl.argnames],
            plugin=impl.plugin_name,
            passes=_PASSES.get(hook, ()),
        )
        changed = None if given is None or before is None else before.change(impl.function)
        if changed is not None:
            self._given = None
            raise border.refused(impl.plugin_name, hook, changed)
        return answer


def _sound(hook: str, plugin: str, answer: Any, wanted: type[T], problem: Callable[[T], str | None] | None) -> T:
    """An answer that was looked at: what it says of itself is a plugin's code, too."""
    if not isinstance(answer, wanted) or not _EXACT.get(wanted, _always)(answer):
        raise border.wrong(plugin, hook, answer, wanted.__name__)
    found = problem(answer) if problem is not None else None
    if found is not None:
        raise border.unsound(plugin, hook, answer, found)
    return answer
