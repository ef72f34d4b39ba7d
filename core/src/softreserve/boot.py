"""From a machine to a running kernel: the stages, in order."""

from __future__ import annotations

import attrs

from softreserve.errors import MachineError
from softreserve.initcalls import Initcall, Level, sorted_initcalls
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.machine import E820Entry, KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.plugins import Hooks
from softreserve.system import System

__all__ = ["Handoff", "Placement", "SlotArea", "boot"]


@attrs.frozen
class Handoff:
    """What the kernel proper is handed by stub or loader.

    ``e820`` is the whole boot table (zero page, then extension), ``ext_entries`` how many of it are in the extension;
    ``None`` on architectures without e820.
    """

    efi_map: EfiMemoryMap | None
    e820: tuple[E820Entry, ...] | None = None
    ext_entries: int = 0


@attrs.frozen
class SlotArea:
    """One range of the map as a place for the image: ``slots`` addresses from ``first`` on; why, or why not."""

    range: PhysRange
    slots: int
    first: int | None
    why: str


@attrs.frozen
class Placement:
    """Where the image can go (bytes): ``address`` is where it goes (``None``: nowhere), ``align`` the slot distance.

    :param areas: every map range in map order; one that is cut by something to avoid gives several.
    :param fixed: why the seed is not asked; empty where it chooses.
    :param scaled: how it chooses: its low 32 bits scaled to the number of slots, or else the remainder of a division.
    """

    areas: tuple[SlotArea, ...]
    size: int
    align: int
    address: int | None
    virtual: int | None = None
    notes: tuple[str, ...] = ()
    fixed: str = ""
    scaled: bool = True

    @property
    def slots(self) -> int:
        """All candidate addresses."""
        return sum(area.slots for area in self.areas)

    def slot(self, seed: int) -> int:
        """The number of the slot that a seed chooses; there must be slots."""
        return (self.slots * (seed & 0xFFFFFFFF)) >> 32 if self.scaled else seed % self.slots

    def slot_address(self, slot: int) -> int:
        """The address of a slot, counted through the areas in their order.

        :raises IndexError: there is no such slot.
        """
        for area in self.areas:
            if slot < area.slots and area.first is not None:
                return area.first + slot * self.align
            slot -= area.slots
        raise IndexError(slot)


def boot(machine: Machine, hooks: Hooks, *, recording: bool = True) -> System:
    """Boot: run every stage once, in order, and return the running kernel.

    :raises MachineError: no loaded plugin knows the architecture, or the kernel dies; the message says why.
    """
    system = System(machine, hooks, recording=recording)
    _early(system)
    _late(system)
    system.booting = False
    return system


def _unanswered(system: System, stage: str) -> MachineError:
    loaded = ", ".join(system.hooks.names) or "none"
    return MachineError(f"no loaded plugin boots {system.machine.arch} ({stage}); loaded: {loaded}")


def _early(system: System) -> None:
    """``setup_arch()``: what happens before memory can be allocated."""
    hooks, log = system.hooks, system.log
    log.stage = "efi stub"
    handoff = hooks.stub_handoff(system.machine)
    if handoff is None:
        raise _unanswered(system, "efi stub")
    system.handoff = handoff
    log.stage = "early reservation"
    if hooks.early_reserve(system) is None:
        raise _unanswered(system, "early reservation")
    log.stage = "numa info"
    if hooks.numa_info(system) is None:
        raise _unanswered(system, "numa info")
    log.stage = "resources"
    system.initcalls += hooks.register_resources(system)


def _late(system: System) -> None:
    """``start_kernel()`` from the zone lists on, then the initcalls."""
    system.memory.build_all_zonelists_init()
    system.nodes.smp_init()
    system.modules.add(system.hooks.modules(system))
    system.memory.memory_dev_init()
    system.nodes.node_dev_init()
    calls: list[Initcall] = [*system.initcalls, *system.memory.initcalls(), *system.modules.initcalls()]
    for call in sorted_initcalls(calls):
        system.log.stage = "dax bus" if call.level >= Level.DEVICE else "resources"
        call.call()
    system.log.stage = "running"
    system.firmware_memmap.publish(system.sysfs)
    system.hooks.sysfs(system)


def placed(image: KernelImage, address: int) -> KernelImage:
    """The image moved so that its first part begins at ``address`` (bytes)."""
    parts = [part for part in (image.code, image.rodata, image.data, image.bss) if part is not None]
    if not parts:
        return image
    shift = address - min(part.start for part in parts)

    def moved(part: PhysRange | None) -> PhysRange | None:
        return None if part is None else PhysRange(part.start + shift, part.end + shift)

    return attrs.evolve(
        image, code=moved(image.code), rodata=moved(image.rodata), data=moved(image.data), bss=moved(image.bss)
    )
