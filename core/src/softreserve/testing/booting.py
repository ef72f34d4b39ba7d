"""Booting a machine with a plugin that need not be installed: for tests of its author."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Final

from softreserve.machine.boot import boot
from softreserve.plugins.hooks import load
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import sample_machine
from softreserve.testing.toy import TOY, ToyArch, ToyKexec

if TYPE_CHECKING:
    from softreserve.kernel.state import Userspace
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks

__all__ = ["PluginLike", "boot_with", "hooks_with", "plugin_name"]

#: A plugin: its name, where it is installed; or a module or an object with hooks.
PluginLike = object

_KEXEC: Final = "softreserve_kexec_load"


def plugin_name(plugin: PluginLike) -> str:
    """What a plugin is called in messages: its name, or that of the module or the class."""
    if isinstance(plugin, str):
        return plugin
    if isinstance(plugin, ModuleType):
        return plugin.__name__
    return getattr(plugin, "name", None) or type(plugin).__name__


def hooks_with(plugin: PluginLike, arch: str = TOY) -> Hooks:
    """A fresh set of plugins: those that a machine of an architecture asks for, and this one.

    Where the architecture is the toy, it is among them; so is kexec, where no other plugin brings it.

    :param plugin: the name of an installed one, a module, or an object.
    :raises SoftReserveError: a plugin is unknown, cannot be imported or is refused.
    """
    selection = Selection()
    own = _installed_as(plugin, selection)
    others = selection.defaults if arch not in selection.arches else selection.names(arch)
    names = [name for name in others if name != own]
    extra: list[tuple[str, object]] = []
    if arch == TOY:
        extra.append((TOY, ToyArch()))
        found = load([*names, *([own] if own else [])], available=selection.installed)
        brought = hasattr(plugin, _KEXEC) or found.manager.hook.softreserve_kexec_load.get_hookimpls()
        if not brought:
            extra.append((f"{TOY}-kexec", ToyKexec()))
    if own is not None:
        names.append(own)
    else:
        extra.append((plugin_name(plugin), plugin))
    return load(names, extra=extra, available=selection.installed)


def _installed_as(plugin: PluginLike, selection: Selection) -> str | None:
    """The name under which a plugin is installed; ``None``: it is an object of its own."""
    if isinstance(plugin, str):
        return plugin
    where = getattr(plugin, "__name__", None) if isinstance(plugin, ModuleType) else None
    return next((name for name, entries in selection.installed.items() if entries[0].value == where), None)


def boot_with(plugin: PluginLike, machine: Machine | None = None, *, userspace: Userspace = "udev") -> System:
    """Boot a machine with a plugin, and with what else its architecture asks for.

    >>> boot_with("hmem").sysfs.listdir("/sys/bus/dax/devices")
    ['dax0.0']

    :param plugin: the name of an installed one, a module, or an object with hooks.
    :param machine: what to boot; a sample machine of the toy architecture where it is not given.
    :param userspace: ``"udev"`` loads modules as udev does; ``"none"`` stops before.
    :raises SoftReserveError: the machine does not boot, or a plugin failed.
    """
    machine = machine or sample_machine(TOY)
    return boot(machine, hooks_with(plugin, machine.arch), userspace=userspace)
