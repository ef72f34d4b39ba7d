"""The memory side of a kernel without an architecture: nodes, zones, memory blocks, System RAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from softreserve.kernel.resource import IORESOURCE_BUSY, IORESOURCE_SYSTEM_RAM, Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.machine.boot import ask_for_nodes, late
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load

if TYPE_CHECKING:
    from softreserve.model.cxl import CxlHostBridge, CxlRoot

__all__ = ["CONFIG", "boot_memory"]

#: No plugin boots it: everything is as on most architectures.
_ARCH: Final = "memory-only"

#: Options as a distribution sets them.
CONFIG: Final[Mapping[str, str]] = {
    "NUMA": "y",
    "ZONE_DMA": "y",
    "ZONE_DMA32": "y",
    "ZONE_DEVICE": "y",
    "MEMORY_HOTPLUG": "y",
    "MEMORY_HOTREMOVE": "y",
    "MHP_MEMMAP_ON_MEMORY": "y",
    "DEFERRED_STRUCT_PAGE_INIT": "y",
}


def boot_memory(
    ranges: Iterable[tuple[int, int, int]] = ((0, 2 << 30, 0),),
    *,
    release: str = "6.12",
    cmdline: str = "",
    config: Mapping[str, str] | None = None,
    possible: Iterable[int] = (0, 1),
    page_size: int = 4096,
    cpus: int = 2,
    plugins: Sequence[tuple[str, object]] = (),
    acpi: Mapping[str, bytes] | None = None,
    cxl: tuple[CxlHostBridge, ...] = (),
    cxl_root: CxlRoot | None = None,
    reserved: Iterable[tuple[int, int]] = (),
) -> System:
    """Boot a kernel that has memory and nodes and nothing else.

    :param ranges: System RAM as (first byte, end, node); nodes with memory are online.
    :param config: options beside :data:`CONFIG`.
    :param possible: ids of all nodes; node 0 is always online and has the CPUs.
    :param page_size: bytes.
    :param plugins: ``(name, plugin)`` that are asked for initcalls, modules and sysfs, but know of no architecture.
    :param acpi: tables, by signature.
    :param cxl: CXL host bridges.
    :param cxl_root: the CXL root device, where something is said of it.
    :param reserved: what is in use already, as (first byte, end).
    """
    kernel = Kernel(release, _ARCH, page_size=page_size, config={**CONFIG, **(config or {})})
    machine = Machine(
        "test",
        kernel=kernel,
        cmdline=CommandLine(cmdline),
        cpus=cpus,
        acpi=acpi or {},
        cxl=cxl,
        cxl_root=cxl_root,
    )
    hooks = load([], extra=plugins)
    system = System(machine, hooks)
    _place(system, ranges, possible)
    for start, end in reserved:
        system.memblock.reserve(start, end - start)
    top = system.memblock.end_of_dram() // page_size
    limits = {"DMA": (16 << 20) // page_size, "DMA32": (4 << 30) // page_size, "Normal": top}
    system.memory.zones.free_area_init({name: min(pfn, top) for name, pfn in limits.items()})
    ask_for_nodes(system)
    system.initcalls += hooks.register_resources(system)
    late(system)
    return system


def _place(system: System, ranges: Iterable[tuple[int, int, int]], possible: Iterable[int]) -> None:
    """Put memory and nodes where the early boot would have."""
    system.nodes.possible = set(possible)
    system.nodes.online = {0}
    for start, end, nid in ranges:
        system.memblock.add_node(start, end - start, nid)
        system.nodes.online.add(nid)
        ram = Resource(start, end - 1, "System RAM", IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY)
        insert_resource(system.iomem.root, ram)
    for cpu in range(system.machine.cpus):
        system.nodes.set_cpu_node(cpu, 0)
