"""The memory is where ``[accel]`` of a machine file says; its driver, from outside of the kernel's tree, takes it."""

from __future__ import annotations

import attrs
import softreserve as sr


@attrs.frozen
class Accel:
    """The table ``[accel]``: where the memory is (bytes, half open), its node, and how far that is from node 0."""

    start: int
    end: int
    node: int
    distance: int = 80


class Driver:
    """Takes the accelerator's memory before kmem or device_dax can, and nothing else; see ``sr.DaxDriver``."""

    name = module = "accel_dax"
    option, source, type, match_always = "", "drivers/accel/dax.c", "device", False

    def __init__(self, system: sr.System, accel: Accel) -> None:
        self.root, self.accel, self.size = system.iomem.root, accel, accel.end - accel.start

    def match(self, device: sr.DaxDevice) -> bool:
        return device.target_node == self.accel.node

    def probe(self, device: sr.DaxDevice) -> int:
        claim = sr.request_region(self.root, self.accel.start, self.size, self.name)
        return 0 if claim else -16  # EBUSY

    def remove(self, device: sr.DaxDevice) -> None:
        sr.release_region(self.root, self.accel.start, self.size)


@sr.hookimpl
def softreserve_machine_sections() -> list[sr.MachineSection]:
    return [sr.MachineSection("accel", Accel, "coherent memory of an accelerator")]


@sr.hookimpl
def softreserve_nodes(system: sr.System) -> list[sr.NodeOffer]:
    a = system.machine.sections.get("accel")
    return [sr.NodeOffer(a.node, "accel", (sr.PhysRange(a.start, a.end),), {0: a.distance})] if a else []


@sr.hookimpl
def softreserve_dax_devices(system: sr.System) -> list[sr.DaxOffer]:
    a = system.machine.sections.get("accel")
    return [sr.DaxOffer(a.start, a.end, a.node, "accel")] if a else []


@sr.hookimpl
def softreserve_dax_drivers(system: sr.System) -> list[sr.DaxDriver]:
    return [Driver(system, a)] if (a := system.machine.sections.get("accel")) else []
