"""The plugin that is tested, and what of a plugin can be tested."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from softreserve.machine.boot import boot
from softreserve.model.errors import PluginError, SoftReserveError
from softreserve.plugins.arches import arches_of
from softreserve.testing.apart import BrokenError
from softreserve.testing.booting import PluginLike, hooks_alone, hooks_with, plugin_name, selection_of
from softreserve.testing.machines import sample_machines
from softreserve.testing.toy import TOY

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks
    from softreserve.testing.apart import Board

__all__ = ["KINDS", "Subject"]

#: What makes a plugin one of a kind: one of these hooks, without their prefix.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "arch": ("stub_handoff", "stub_place_image", "early_reserve", "numa_info"),
    "numa": ("nodes",),
    "dax": ("dax_devices", "dax_drivers", "dax_region", "dax_claimed", "dax_capacity"),
    "policy": ("online_policy", "memory_added", "memory_block_size"),
    "kexec": ("kexec_policies", "kexec_load", "kexec_hardware"),
    "lint": ("lint",),
    "cli": ("cli",),
    "importer": ("importers", "machine_sections"),
    "emitter": ("emitters", "report_lanes"),
    "module": ("modules", "register_resources", "sysfs"),
}
_PREFIX: Final = "softreserve_"


class Subject:
    """A plugin, and the machines that it is tested with.

    :param plugin: the name of an installed one, a module, or an object with hooks.
    :param arch: the architecture whose machines it is tested with; where it is not given: the one that it boots, or the
        toy.
    :param machines: what to boot, by what is special about each; sample machines of the architecture otherwise.
    """

    def __init__(
        self, plugin: PluginLike, arch: str | None = None, machines: Mapping[str, Machine] | None = None
    ) -> None:
        self.plugin = plugin
        #: What it is called in messages.
        self.name = plugin_name(plugin)
        self._arch = arch
        self._machines = machines
        #: What is being done with it, where it is tested in a process of its own.
        self.board: Board | None = None

    @cached_property
    def hooks(self) -> frozenset[str]:
        """The hooks that it implements, without their prefix.

        :raises BrokenError: it cannot be loaded.
        """
        manager = self.alone().manager
        callers = manager.get_hookcallers(manager.get_plugin(self.name)) or []
        return frozenset(caller.name.removeprefix(_PREFIX) for caller in callers)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it is, by the hooks that it implements."""
        return tuple(kind for kind, hooks in KINDS.items() if self.hooks.intersection(hooks))

    @cached_property
    def arch(self) -> str:
        """The architecture of the machines that it is tested with."""
        if self._arch is not None:
            return self._arch
        if "arch" not in self.kinds:
            return TOY
        found = [arch for arch, names in selection_of(self.plugin).arches.items() if self.name in names]
        found += [] if isinstance(self.plugin, str) else sorted(arches_of(self.plugin))
        if not found:
            raise self.broken(
                f"{_PREFIX}{self._first('arch')}",
                "it answers for an architecture and does not declare one: wanted an entry in the group "
                "softreserve.arches, whose name is the architecture",
            )
        return found[0]

    def _first(self, kind: str) -> str:
        return next(hook for hook in KINDS[kind] if hook in self.hooks)

    @cached_property
    def machines(self) -> Mapping[str, Machine]:
        """What is booted with it, by what is special about each."""
        if self._machines is not None:
            return self._machines
        info = None if self.arch == TOY else self.alone().arch_info(self.arch)
        return sample_machines(self.arch, info)

    def alone(self) -> Hooks:
        """A fresh set with just this plugin.

        :raises BrokenError: it cannot be loaded.
        """
        try:
            return hooks_alone(self.plugin)
        except SoftReserveError as error:
            raise self.because(error) from error

    def among_others(self, arch: str | None = None) -> Hooks:
        """A fresh set with what a machine asks for.

        :raises BrokenError: it cannot be loaded.
        """
        try:
            return hooks_with(self.plugin, arch or self.arch)
        except SoftReserveError as error:
            raise self.because(error) from error

    def boot(self, machine: Machine, hooks: Hooks | None = None, *, words: str = "") -> System:
        """Boot with udev.

        :param words: what is special about the machine.
        :raises BrokenError: it does not boot.
        """
        hooks = hooks or self.among_others(machine.arch)
        try:
            return boot(machine, hooks, userspace="udev")
        except SoftReserveError as error:
            raise self.because(error, f" (machine: {words or machine.name})") from error

    def broken(self, where: str, words: str) -> BrokenError:
        """The message about a promise that was not kept.

        :param where: the hook or callback; empty: the plugin as a whole.
        """
        text = f"{where}: {words}" if where else words
        return BrokenError(f"plugin {self.name}: {text}", self.name)

    def because(self, error: SoftReserveError, more: str = "") -> BrokenError:
        """The same for an error that was told in words already."""
        text = str(error)
        begin = f"plugin {self.name}"
        if isinstance(error, BrokenError) and text.startswith(begin):
            return error
        if text.startswith(begin):
            return BrokenError(f"{text}{more}", self.name)
        doing = self.board.doing if self.board is not None else ""
        if isinstance(error, PluginError) or not doing:
            return BrokenError(f"{begin}: with it, {text}{more}", self.name)
        return BrokenError(f"{begin}: {doing}: {text}{more}", self.name)
