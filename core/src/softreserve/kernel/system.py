"""A running kernel: the only thing that changes, and only through its subsystems' methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from softreserve.kernel.initcalls import Initcall
from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.resource import ResourceTree
from softreserve.kernel.sysfs import SysfsTree
from softreserve.model.cmdline import CommandLine
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine

if TYPE_CHECKING:
    from softreserve.kernel.firmware_memmap import FirmwareMemmap
    from softreserve.kernel.mm.memory_hotplug import MemoryHotplug
    from softreserve.kernel.modules import Modules
    from softreserve.kernel.numa.node import Nodes
    from softreserve.machine.kexec import KexecImage, KexecRequest
    from softreserve.model.handoff import Handoff
    from softreserve.plugins.hooks import Hooks

__all__ = ["Stash", "StashKey", "System"]

T = TypeVar("T")


class StashKey(Generic[T]):
    """A typed key for a plugin's own state on a :class:`System`; make one per piece of state, at module level."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Stash:
    """Per-plugin state, by typed key, so that plugins cannot collide."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[StashKey[Any], Any] = {}

    def __setitem__(self, key: StashKey[T], value: T) -> None:
        self._values[key] = value

    def __getitem__(self, key: StashKey[T]) -> T:
        value: T = self._values[key]
        return value

    def get(self, key: StashKey[T]) -> T | None:
        """The value, or ``None`` where it was not set."""
        return self._values.get(key)


class System:
    """One kernel, from its first instruction on.

    Subsystems that the arch-neutral kernel has are attributes; everything else is in :attr:`stash`.
    """

    def __init__(self, machine: Machine, hooks: Hooks, *, recording: bool = True) -> None:
        from softreserve.kernel.firmware_memmap import FirmwareMemmap
        from softreserve.kernel.mm.memory_hotplug import MemoryHotplug
        from softreserve.kernel.modules import Modules
        from softreserve.kernel.numa.node import Nodes

        self.machine = machine
        self.hooks = hooks
        self.log = EventLog(recording=recording)
        self.stash = Stash()
        self.sysfs = SysfsTree(machine.kernel.page_size)
        #: ``/proc/iomem``. Linux: ``kernel/resource.c: iomem_resource``.
        self.iomem = ResourceTree(self.log)
        #: Linux: ``mm/memblock.c``.
        self.memblock = Memblock(self.log, self.kernel)
        #: ``/sys/firmware/memmap``. Linux: ``drivers/firmware/memmap.c``.
        self.firmware_memmap: FirmwareMemmap = FirmwareMemmap()
        #: Node states, distances, pxm map, address to node. Linux: ``mm/numa*.c``, ``drivers/base/node.c``.
        self.nodes: Nodes = Nodes(self)
        #: Zones, memory blocks, hot add and remove. Linux: ``mm/memory_hotplug.c``, ``drivers/base/memory.c``.
        self.memory: MemoryHotplug = MemoryHotplug(self)
        #: Loadable and built-in modules with their parameters.
        self.modules: Modules = Modules(self)
        self.initcalls: list[Initcall] = []
        #: What stub or loader handed over; set by the first stage.
        self.handoff: Handoff
        #: True until user space runs. Linux: ``system_state < SYSTEM_RUNNING``.
        self.booting = True

    @property
    def kernel(self) -> Kernel:
        """The kernel that runs."""
        return self.machine.kernel

    @property
    def cmdline(self) -> CommandLine:
        """Its command line."""
        return self.machine.cmdline

    def kexec(self, request: KexecRequest) -> KexecImage:
        """Load a second kernel; its ``machine`` is what the next kernel sees.

        :raises MachineError: no loaded plugin can, or the policy is unknown.
        """
        from softreserve.machine.kexec import load

        return load(self, request)

    def printk(self, text: str, function: str = "") -> None:
        """Print a line into the kernel log."""
        self.log.printk(text, function)
