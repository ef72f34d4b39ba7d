"""Booting a machine with a plugin that need not be installed: for tests of its author."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from softreserve.machine.boot import boot
from softreserve.plugins.hooks import load
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import sample_machine
from softreserve.testing.toy import TOY, ToyArch, ToyKexec

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.model.userspace import Userspace
    from softreserve.plugins.hooks import Hooks

__all__ = ["PluginLike", "boot_with", "hooks_alone", "hooks_with", "plugin_name", "selection_of", "word_of"]

#: A plugin: its name, where it is installed, or code as ``-p`` takes it; or a module or an object with hooks.
PluginLike = object
#: What no name of code has.
_NO_NAME: Final = re.compile(r"[^\w-]")


def selection_of(plugin: PluginLike) -> Selection:
    """The choice of plugins, in which code that is not installed has a name, too.

    :raises UnknownPluginError: it names code that is not there.
    """
    return Selection([plugin] if isinstance(plugin, str) else ())


def plugin_name(plugin: PluginLike) -> str:
    """What a plugin is called in messages: its name, or that of the code, the module or the class."""
    if isinstance(plugin, str):
        return next(iter(selection_of(plugin).code), plugin)
    if isinstance(plugin, ModuleType):
        return plugin.__name__
    return getattr(plugin, "name", None) or type(plugin).__name__


def word_of(plugin: PluginLike) -> str | None:
    """How another process is told which plugin is meant: a name, or code as ``-p`` takes it; ``None``: it cannot be.

    A module has a file, and so has an object that a module knows under some name.
    """
    if isinstance(plugin, str):
        return plugin
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str) or not file.endswith(".py"):
        return None
    word = f"{_NO_NAME.sub('-', plugin_name(plugin))}:{file}"
    if module is plugin:
        return word
    known = next((name for name, value in vars(module).items() if value is plugin and name.isidentifier()), None)
    return None if known is None else f"{word}:{known}"


def hooks_alone(plugin: PluginLike) -> Hooks:
    """A fresh set with just this plugin.

    :param plugin: the name of an installed one, code as ``-p`` takes it, a module, or an object.
    :raises SoftReserveError: it is unknown, cannot be imported or is refused.
    """
    selection = selection_of(plugin)
    own = _named(plugin, selection)
    extra = [] if own is not None else [(plugin_name(plugin), plugin)]
    return load([own] if own is not None else [], extra=extra, available=selection.installed)


def hooks_with(plugin: PluginLike, arch: str = TOY) -> Hooks:
    """A fresh set of plugins: those that a machine of an architecture asks for, and this one.

    Where the architecture is the toy, it is among them; so is kexec, where no other plugin brings it. What loads
    kernels takes the place of others that do, as it would with ``no:NAME``: their policies have the same names.

    :param plugin: the name of an installed one, code as ``-p`` takes it, a module, or an object.
    :raises SoftReserveError: a plugin is unknown, cannot be imported or is refused.
    """
    selection = selection_of(plugin)
    own = _named(plugin, selection)
    others = selection.names(arch) if arch in selection.arches else selection.defaults
    names = [*(name for name in others if name != own), *([own] if own is not None else [])]
    extra: list[tuple[str, object]] = [(TOY, ToyArch())] if arch == TOY else []
    if own is None:
        extra.append((plugin_name(plugin), plugin))
    found = load(names, extra=extra, available=selection.installed)
    loaders = found.answering("softreserve_kexec_load")
    mine = plugin_name(plugin)
    if mine in loaders and len(loaders) > 1:
        names = [name for name in names if name == mine or name not in loaders]
        found = load(names, extra=extra, available=selection.installed)
    if loaders:
        return found
    return load(names, extra=[(f"{TOY}-kexec", ToyKexec()), *extra], available=selection.installed)


def _named(plugin: PluginLike, selection: Selection) -> str | None:
    """The name by which a plugin can be loaded; ``None``: it is an object of its own."""
    if isinstance(plugin, str):
        return next(iter(selection.code), plugin)
    where = plugin.__name__ if isinstance(plugin, ModuleType) else None
    return next((name for name, entries in selection.installed.items() if entries[0].value == where), None)


def boot_with(plugin: PluginLike, machine: Machine | None = None, *, userspace: Userspace = "udev") -> System:
    """Boot a machine with a plugin, and with what else its architecture asks for.

    >>> boot_with("hmem").sysfs.listdir("/sys/bus/dax/devices")
    ['dax0.0']

    :param plugin: the name of an installed one, code as ``-p`` takes it, a module, or an object with hooks.
    :param machine: what to boot; a sample machine of the toy architecture where it is not given.
    :param userspace: ``"udev"`` loads modules as udev does; ``"none"`` stops before.
    :raises SoftReserveError: the machine does not boot, or a plugin failed.
    """
    machine = machine or sample_machine(TOY)
    return boot(machine, hooks_with(plugin, machine.arch), userspace=userspace)
