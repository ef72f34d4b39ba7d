"""What every subsystem of a running kernel starts from: the machine, the log, what is there before any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from softreserve.kernel.denied import Denied
from softreserve.kernel.firmware_memmap import FirmwareMemmap
from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.resource import IORES_DESC_SOFT_RESERVED, Resource, ResourceTree
from softreserve.kernel.sysfs import SysfsTree
from softreserve.model import behaviours
from softreserve.model.cmdline import acpi_disabled
from softreserve.model.events import EventLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from softreserve.kernel.initcalls import Initcall
    from softreserve.model.arch import ArchInfo
    from softreserve.model.cmdline import CommandLine
    from softreserve.model.dax import DaxOffer
    from softreserve.model.handoff import Handoff
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine
    from softreserve.model.userspace import Userspace

__all__ = ["KernelState", "Stash", "StashKey"]

T = TypeVar("T")


class StashKey(Generic[T]):
    """A typed key for a plugin's own state on a :class:`System`; make one per piece of state, at module level."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"StashKey({self.name!r})"


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


class KernelState:
    """State without behaviour: what a subsystem is made from.

    Who needs other subsystems too takes a :class:`softreserve.kernel.system.System`, or just those.
    """

    def __init__(self, machine: Machine, arch: ArchInfo, *, recording: bool = True) -> None:
        self.machine = machine
        #: What its architecture is.
        self.arch = arch
        self.log = EventLog(recording=recording)
        #: Nobody reads ACPI tables; an architecture that has rules of its own says it again. Linux: ``acpi_disabled``.
        self.acpi_disabled = machine.devicetree or acpi_disabled(machine.cmdline)
        #: How many processors run.
        self.cpus = machine.cpus
        self.stash = Stash()
        self.sysfs = SysfsTree(machine.kernel.page_size)
        #: ``/proc/iomem``. Linux: ``kernel/resource.c: iomem_resource``.
        self.iomem = ResourceTree(self.log, levels=8 if self.kernel.has(behaviours.IOMEM_DEPTH_8) else 5)
        #: What hmem takes for soft reserved memory, in kernels that keep it apart; shown nowhere.
        #: Linux: ``kernel/resource.c: soft_reserve_resource``.
        self.soft_reserved = ResourceTree(self.log, "Soft Reserved", IORES_DESC_SOFT_RESERVED)
        #: What plugins brought to the dax bus, as far as it is soft reserved.
        self.dax_offers: list[DaxOffer] = []
        #: Linux: ``mm/memblock.c``.
        self.memblock = Memblock(self.log, self.kernel)
        #: ``/sys/firmware/memmap``. Linux: ``drivers/firmware/memmap.c``.
        self.firmware_memmap = FirmwareMemmap()
        self.initcalls: list[Initcall] = []
        #: What the command line keeps from running.
        self.denied = Denied.of(self.cmdline, self.kernel)
        #: What stub or loader handed over; set by the first stage.
        self.handoff: Handoff
        #: True until user space runs. Linux: ``system_state < SYSTEM_RUNNING``.
        self.booting = True
        #: What has run since: nothing, or udev with somebody's rules.
        self.userspace: Userspace = "none"
        #: How many lines the log had when user space began.
        self.boot_lines = 0

    @property
    def kernel(self) -> Kernel:
        """The kernel that runs."""
        return self.machine.kernel

    @property
    def cmdline(self) -> CommandLine:
        """Its command line."""
        return self.machine.cmdline

    @property
    def acpi(self) -> Mapping[str, bytes]:
        """The ACPI tables that it reads, whole, by signature; none where ACPI is off."""
        return {} if self.acpi_disabled else self.machine.acpi

    def find_soft_reserved(self) -> list[Resource]:
        """What the kernel has set aside, ascending: in ``/proc/iomem``, or in the tree that it keeps for that."""
        name = self.soft_reserved.root.name or ""
        return sorted([*self.iomem.find(name), *self.soft_reserved.find(name)], key=lambda res: res.start)

    def find_boot_ram(self) -> list[Resource]:
        """RAM that was there from boot on, ascending; RAM that is added later lies in the resource of its device."""
        return [res for res in self.iomem.root.children if res.name == "System RAM"]

    def printk(self, text: str, function: str = "") -> None:
        """Print a line into the kernel log."""
        self.log.printk(text, function)
