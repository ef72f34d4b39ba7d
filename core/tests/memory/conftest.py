"""What the tests of zones and memory hotplug need."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from softreserve.kernel.page_alloc import free_area_init
from softreserve.kernel.resource import IORESOURCE_BUSY, IORESOURCE_SYSTEM_RAM, Resource, insert_resource
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins import load
from softreserve.system import System

GIB = 1 << 30

#: Zones and hotplug as a distribution builds them.
CONFIG = {
    "NUMA": "y",
    "ZONE_DMA": "y",
    "ZONE_DMA32": "y",
    "ZONE_DEVICE": "y",
    "MEMORY_HOTREMOVE": "y",
    "MHP_MEMMAP_ON_MEMORY": "y",
    "DEFERRED_STRUCT_PAGE_INIT": "y",
}

BootMemory = Callable[..., System]


@pytest.fixture
def boot_memory() -> BootMemory:
    """Boots the memory side of a kernel: nodes, zones, memory blocks; no architecture, no plugin.

    ``ranges`` are System RAM as (first byte, end, node); node 0 has the CPUs; ``possible`` are the ids of all nodes.
    """

    def boot(
        ranges: Iterable[tuple[int, int, int]] = ((0, 2 * GIB, 0),),
        *,
        release: str = "6.12",
        cmdline: str = "",
        config: dict[str, str] | None = None,
        possible: Iterable[int] = (0, 1),
        page_size: int = 4096,
        cpus: int = 2,
    ) -> System:
        kernel = Kernel(release, "x86_64", page_size=page_size, config=CONFIG | (config or {}))
        machine = Machine("test", kernel=kernel, cmdline=CommandLine(cmdline), cpus=cpus)
        system = System(machine, load([]))
        system.nodes.possible = set(possible)
        system.nodes.online = {0}
        for start, end, nid in ranges:
            system.memblock.add_node(start, end - start, nid)
            system.nodes.online.add(nid)
            ram = Resource(start, end - 1, "System RAM", IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY)
            insert_resource(system.iomem.root, ram)
        for cpu in range(cpus):
            system.nodes.set_cpu_node(cpu, 0)
        top = system.memblock.end_of_dram() // page_size
        dma, dma32 = (16 << 20) // page_size, (4 << 30) // page_size
        free_area_init(system, {"DMA": min(dma, top), "DMA32": min(dma32, top), "Normal": top})
        system.memory.build_all_zonelists_init()
        system.nodes.smp_init()
        system.memory.memory_dev_init()
        system.nodes.node_dev_init()
        system.booting = False
        return system

    return boot
