"""Modules, built in or loadable, with parameters. Linux: ``kernel/module``, ``kernel/params.c``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from errno import EBUSY, EEXIST, EINVAL, ENOENT, EPERM
from functools import partial
from typing import TYPE_CHECKING

from softreserve.kernel import border
from softreserve.kernel.denied import MODULE_DENIED
from softreserve.kernel.driver_core.uevent import uevent_file
from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.sysfs import Attribute, Directory, Node, c_text
from softreserve.model.errors import MachineError
from softreserve.model.value import define

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState
    from softreserve.model.kernel import Kernel

__all__ = ["Module", "Modules", "Parameter"]


class Parameter:
    """A bool parameter of a module. Linux: ``kernel/params.c: param_set_bool``."""

    __slots__ = ("_default", "mode", "name", "value")

    def __init__(self, name: str, value: bool = False, mode: int = 0o644) -> None:
        self.name = name
        self.value = value
        self.mode = mode
        self._default = value

    def reset(self) -> None:
        """Go back to the value that it was made with."""
        self.value = self._default

    def set(self, text: str | None, kernel: Kernel) -> int:
        """Set from text (``None``: given without a value, true): 0 or -EINVAL."""
        value = kernel.kstrtobool("y" if text is None else text)
        if value is None:
            return -EINVAL
        self.value = value
        return 0

    def show(self) -> str:
        """As in ``/sys/module/M/parameters/P``."""
        return "Y\n" if self.value else "N\n"


def _nothing() -> int:
    return 0


@define(eq=False)
class Module:
    """A module. ``option`` decides: ``y`` built in, ``m`` loadable, anything else: not there.

    An empty ``option`` is that of a module which is built apart from the kernel: it can always be loaded. ``source`` is
    the file that it stands in; among what is built in it decides the order. ``init`` returns 0 or ``-errno``; ``exit``
    undoes it. ``depends`` are modules that must be there first. Linux: ``include/linux/module.h``.
    """

    name: str
    option: str
    source: str
    init: Callable[[], int] = _nothing
    exit: Callable[[], object] = _nothing
    level: Level = Level.DEVICE
    parameters: tuple[Parameter, ...] = ()
    depends: tuple[str, ...] = ()
    #: Modules that are loaded before, where they are to be had, and may go again. Linux: ``MODULE_SOFTDEP("pre: ..")``.
    soft_depends: tuple[str, ...] = ()
    #: Whether there is a device that it is for, so that udev loads it.
    has_device: bool = True
    live: bool = False
    #: The plugin that brought it.
    owner: str = ""
    #: The kernel's function that starts it, where that is not ``NAME_init``. Linux: what ``module_init()`` is given.
    init_name: str = ""

    def __init__(
        self,
        name: str,
        option: str,
        source: str,
        init: Callable[[], int] = _nothing,
        exit: Callable[[], object] = _nothing,
        level: Level = Level.DEVICE,
        parameters: tuple[Parameter, ...] = (),
        depends: tuple[str, ...] = (),
        soft_depends: tuple[str, ...] = (),
        has_device: bool = True,
        live: bool = False,
        owner: str = "",
        init_name: str = "",
    ) -> None:
        self.name, self.option, self.source, self.init, self.exit = name, option, source, init, exit
        self.level, self.parameters, self.depends, self.soft_depends = level, parameters, depends, soft_depends
        self.has_device, self.live, self.owner, self.init_name = has_device, live, owner, init_name

    @property
    def starts_by(self) -> str:
        """The name of the function that starts it."""
        return self.init_name or f"{self.name}_init"


class Modules:
    """All modules of a system, by name (``-`` and ``_`` are the same)."""

    def __init__(self, state: KernelState) -> None:
        self._state = state
        self._modules: dict[str, Module] = {}
        #: In the order of loading.
        self._started: list[Module] = []
        #: What loading or unloading stands in: it notices when that is over.
        self.system_call: AbstractContextManager[None] = nullcontext()

    def add(self, modules: Sequence[Module]) -> None:
        """Make modules known, and give them the parameters of the command line (``module.parameter=value``)."""
        for module in modules:
            if module.option and not self._state.kernel.enabled(module.option):
                continue
            self._modules[module.name] = module
            self._set_from_cmdline(module)
        self._state.sysfs.add("/sys/module", Directory(names=self._names, lookup=self._lookup))

    def _set_from_cmdline(self, module: Module) -> None:
        """Give a module fresh parameters: one that was unloaded remembers nothing."""
        for parameter in module.parameters:
            parameter.reset()
            for value in self._state.cmdline.all(f"{module.name}.{parameter.name}"):
                parameter.set(value, self._state.kernel)

    def initcalls(self) -> list[Initcall]:
        """Initcalls of what is built in."""
        return [
            Initcall(module.level, module.source, module.starts_by, partial(self._start_builtin, module))
            for module in self._modules.values()
            if self._builtin(module)
        ]

    def get(self, name: str) -> Module | None:
        """The module of that name, loaded or not."""
        return self._modules.get(name.replace("-", "_"))

    def load(self, name: str, parameters: dict[str, str | None] | None = None) -> int:
        """``modprobe NAME``: dependencies first; 0 or ``-errno``; already there is success, unknown is -ENOENT.

        What a module needs must come, what is only loaded before need not. kmod: ``kmod_module_probe_insert_module``.
        """
        module = self.get(name)
        if module is None:
            return -ENOENT
        if module.live or self._builtin(module):
            return 0
        with self.system_call:
            for wanted in module.soft_depends:
                self.load(wanted)
            for needed in module.depends:
                status = self.load(needed) if self.get(needed) is not None else 0
                if status:
                    return status
            return self._load(module, parameters or {})

    def insert(self, name: str, parameters: dict[str, str | None] | None = None) -> int:
        """``insmod``: one module and nothing for it; 0 or ``-errno``, -ENOENT where it needs symbols of another.

        Linux: ``kernel/module/main.c: load_module``.
        """
        module = self.get(name)
        if module is None:
            return -ENOENT
        if module.live or self._builtin(module):
            return -EEXIST
        if module.name not in self._state.denied.modules and not all(map(self._has_symbols, module.depends)):
            return -ENOENT
        with self.system_call:
            return self._load(module, parameters or {})

    def _has_symbols(self, name: str) -> bool:
        """Whether a module is there for others to use; one that is not known is nobody's to miss."""
        module = self.get(name)
        return module is None or module.live or self._builtin(module)

    def _load(self, module: Module, parameters: Mapping[str, str | None]) -> int:
        """Start a module whose dependencies are there: 0 or ``-errno``, -EPERM where the command line is against it."""
        if module.name in self._state.denied.modules:
            said = f"Module {module.name} is blacklisted"
            self._state.log.printk(said, "kernel/module/main.c: load_module", MODULE_DENIED, module.name)
            return -EPERM
        self._set_from_cmdline(module)
        for parameter in module.parameters:
            if parameter.name in parameters:
                status = parameter.set(parameters[parameter.name], self._state.kernel)
                if status:
                    return status
        self._complain_of_unknown(module, parameters)
        return self._start(module)

    def _complain_of_unknown(self, module: Module, given: Mapping[str, str | None]) -> None:
        """Modprobe hands over what the command line has for a module; the kernel names what the module lacks.

        Linux: ``kernel/module/main.c: unknown_module_param_cb``.
        """
        prefix = f"{module.name}."
        asked = [p.canonical.removeprefix(prefix) for p in self._state.cmdline if p.canonical.startswith(prefix)]
        known = {"async_probe", "dyndbg", *(parameter.name for parameter in module.parameters)}
        for name in (*asked, *given):
            if name not in known:
                self._state.printk(f"{module.name}: unknown parameter '{name}' ignored", "kernel/module/main.c")

    def coldplug(self) -> None:
        """Load every loadable module that has a device, as udev does; one without would change nothing.

        udev passes over those of ``modprobe.blacklist=``; where another needs one, it comes all the same.
        """
        for name in self.names():
            if self._modules[name].has_device and name not in self._state.denied.by_alias:
                self.load(name)

    def kept_back(self, name: str) -> str:
        """The word of the command line that keeps udev from loading a module, or the kernel from starting it.

        Empty: none does. Of what is built in only a function can be named.
        """
        module = self.get(name)
        if module is None:
            return ""
        denied = self._state.denied
        if self._builtin(module):
            denied = denied._replace(modules=(), by_alias=())
        return denied.word(module.name, module.starts_by)

    def unload(self, name: str) -> int:
        """``rmmod NAME``: 0, -ENOENT where it is not loaded, -EBUSY where it is built in or another needs it."""
        module = self.get(name)
        if module is None or not module.live:
            return -ENOENT
        users = [m for m in self._modules.values() if m.live and module.name in m.depends]
        if self._builtin(module) or users:
            return -EBUSY
        border.call(f"softreserve_modules: module {module.name} exit", module.exit, plugin=module.owner)
        self._stop(module)
        return 0

    def names(self) -> list[str]:
        """Names of all modules that this kernel has, built in, loaded or not."""
        return list(self._modules)

    def live(self) -> list[str]:
        """Names of loadable modules that are loaded, newest last."""
        return [m.name for m in self._started if not self._builtin(m)]

    def _builtin(self, module: Module) -> bool:
        return self._state.kernel.builtin(module.option)

    def _start_builtin(self, module: Module) -> None:
        self._start(module)

    def _start(self, module: Module) -> int:
        if not self._builtin(module) and self._state.denied.skips(module.starts_by, self._state.log):
            return -EPERM
        module.live = True
        self._started.append(module)
        where = f"softreserve_modules: module {module.name} init"
        try:
            status = border.call(where, module.init, plugin=module.owner, passes=(MachineError,))
        finally:
            self._state.sysfs.changes += 1
        problem = border.status_problem(status)
        if problem is not None:
            raise border.unsound(module.owner, where, status, problem)
        if status:
            self._stop(module)
        return status

    def _stop(self, module: Module) -> None:
        module.live = False
        self._started.remove(module)
        self._state.sysfs.changes += 1

    # --- /sys/module

    def _names(self) -> list[str]:
        return [m.name for m in self._modules.values() if self._is_shown(m)]

    def _is_shown(self, module: Module) -> bool:
        """What is built in only shows where it has parameters. Linux: ``kernel/params.c: param_sysfs_builtin``."""
        return module.live and (bool(module.parameters) or not self._builtin(module))

    def _lookup(self, name: str) -> Node | None:
        module = self._modules.get(name)
        if module is None or not self._is_shown(module):
            return None
        children: dict[str, Node] = {"uevent": uevent_file(self._state, f"/sys/module/{name}")}
        if not self._builtin(module):
            children["initstate"] = Attribute(0o444, lambda: "live\n")
        if module.parameters:
            children["parameters"] = Directory({p.name: _parameter(p, self._state.kernel) for p in module.parameters})
        return Directory(children)


def _parameter(parameter: Parameter, kernel: Kernel) -> Attribute:
    def store(data: bytes) -> int:
        status = parameter.set(c_text(data), kernel)
        return status or len(data)

    return Attribute(parameter.mode, parameter.show, store if parameter.mode & 0o222 else None)
