"""A kernel with soft reserved memory, and devices to hand to its kmem driver."""

from __future__ import annotations

import attrs
from softreserve.kernel.initcalls import Initcall
from softreserve.kernel.resource import Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing.memory import boot_memory
from softreserve_hmem import memory_tiers
from softreserve_hmem.kmem import KmemDriver

GIB = 1 << 30
SOFT_RESERVED_START = 4 * GIB
TIERS = "/sys/devices/virtual/memory_tiering"


class TiersOnly:
    @hookimpl
    def softreserve_register_resources(self, system: System) -> list[Initcall]:
        return memory_tiers.setup(system)

    @hookimpl
    def softreserve_sysfs(self, system: System) -> None:
        memory_tiers.publish(system)


@attrs.define
class Device:
    """What the driver asks of a dax device; ends of ``ranges`` are inclusive."""

    ranges: list[tuple[int, int]]
    target_node: int = 1
    numa_node: int = 0
    memmap_on_memory: bool = False
    name: str = "dax0.0"


def kernel(
    release: str = "6.12", policy: str = "offline", *, tiers: bool = True, **options: str
) -> tuple[System, KmemDriver]:
    """A kernel with 2 GiB of RAM in node 0 and 4 GiB of soft reserved memory at 4 GiB."""
    plugins = [("tiers", TiersOnly())] if tiers else []
    system = boot_memory(release=release, config=options, plugins=plugins)
    system.memory.default_online_type = policy
    insert_resource(system.iomem.root, Resource(SOFT_RESERVED_START, 8 * GIB - 1, "Soft Reserved", 0x200, 8))
    return system, KmemDriver(system)


def tiers_of(system: System) -> dict[str, str]:
    """Nodes of each memory tier, as they are listed."""
    names = system.sysfs.listdir(TIERS)
    assert isinstance(names, list)
    lists = {name: system.sysfs.read(f"{TIERS}/{name}/nodelist") for name in names}
    return {name: nodes.decode().strip() for name, nodes in lists.items() if isinstance(nodes, bytes)}
