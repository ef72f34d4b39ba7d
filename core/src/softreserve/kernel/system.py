"""A running kernel: the only thing that changes, and only through its subsystems' methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from softreserve.kernel.mm.added_memory import Written
from softreserve.kernel.mm.memory_hotplug import MemoryHotplug
from softreserve.kernel.modules import Modules
from softreserve.kernel.numa.node import Nodes
from softreserve.kernel.state import KernelState
from softreserve.model.arch import ArchInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from softreserve.model.machine import Machine

__all__ = ["Plugins", "System"]


class Plugins(Protocol):
    """What a kernel asks its plugins by itself; :func:`softreserve.plugins.hooks.hooks_of` gives the rest."""

    @property
    def answered(self) -> Mapping[str, str]:
        """Which plugin answered a hook last, by the hook's name."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded plugins, in the order of loading."""
        ...

    def arch_info(self, arch: str) -> ArchInfo | None:
        """What the architecture is; ``None``: as most are."""
        ...

    def memory_block_size(self, system: System) -> int | None:
        """The size of a memory block in bytes; ``None``: one section."""
        ...

    def online_policy(self, system: System) -> str | None:
        """What happens to memory blocks as they are added; ``None``: what the kernel is configured for."""
        ...

    def memory_added(self, system: System, nid: int, start: int, size: int) -> str | None:
        """What user space does with memory that was added (bytes); ``None``: nothing."""
        ...


class System(KernelState):
    """One kernel, from its first instruction on.

    Subsystems that the arch-neutral kernel has are attributes; everything else is in :attr:`stash`.
    """

    def __init__(self, machine: Machine, hooks: Plugins, *, recording: bool = True) -> None:
        super().__init__(machine, hooks.arch_info(machine.arch) or ArchInfo(machine.arch), recording=recording)
        self.hooks = hooks
        #: Node states, distances, pxm map, address to node. Linux: ``mm/numa*.c``, ``drivers/base/node.c``.
        self.nodes = Nodes(self, lambda nid: self.memory.zones.present_kilobytes(nid))
        #: Zones, memory blocks, hot add and remove. Linux: ``mm/memory_hotplug.c``, ``drivers/base/memory.c``.
        self.memory = MemoryHotplug(
            self,
            self.nodes,
            ask_block_size=lambda: hooks.memory_block_size(self),
            ask_online_policy=lambda: hooks.online_policy(self),
            ask_user_space=self._ask_user_space,
        )
        #: Loadable and built-in modules with their parameters.
        self.modules = Modules(self)
        self.sysfs.system_call = self.modules.system_call = self.memory.added

    def _ask_user_space(self, nid: int, start: int, size: int) -> Written | None:
        """What plugins say that user space does with memory that was added (bytes)."""
        answer = self.hooks.memory_added(self, nid, start, size)
        if answer is None:
            return None
        return Written(answer, f"plugin {self.hooks.answered['softreserve_memory_added']}")

    @property
    def srat_turned_off(self) -> str:
        """The word of the command line that keeps the kernel from using the SRAT; empty: none does."""
        if self.acpi_disabled and not self.machine.devicetree:
            return "acpi=off"
        values = [value for value in self.cmdline.all("numa") if value is not None]
        if any(value.startswith("off") for value in values):
            return "numa=off"
        return "numa=noacpi" if self.nodes.srat_disabled and "noacpi" in values else ""
