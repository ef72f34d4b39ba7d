"""Regions as drivers make them: of hmem devices, and of what other plugins ask for. Linux: ``drivers/dax/bus.c``."""

from __future__ import annotations

from errno import ENOMEM
from typing import TYPE_CHECKING, Final

from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
from softreserve.kernel.resource import release_resource, request_resource
from softreserve.kernel.sysfs import Directory
from softreserve.model.events import Rule
from softreserve.model.units import mem_text

from softreserve_hmem import behaviours
from softreserve_hmem.bus import DaxBus, dax_bus
from softreserve_hmem.dax_sysfs import region_contents
from softreserve_hmem.region import DaxRegion, alloc_dax_region

if TYPE_CHECKING:
    from softreserve.kernel.driver_core.bus import Device
    from softreserve.kernel.system import System

__all__ = ["REGION_CONFLICT", "drop_region", "made_region", "make_region"]

REGION_CONFLICT: Final = Rule("dax-region-conflict", "no region: another one has part of the memory")
REGION_ASKED: Final = Rule("dax-region-asked", "dax region made for another driver")


def make_region(
    bus: DaxBus, parent: Device, number: int, span: tuple[int, int], target_node: int, *, kmem: bool
) -> DaxRegion | None:
    """A region of ``span`` (bytes, end inclusive); ``None``: it is not aligned, or another one has part of it."""
    kernel = bus.system.kernel
    region = alloc_dax_region(kernel, bus, parent, number, span, target_node, kmem=kmem)
    if region is None or not kernel.has(behaviours.DAX_REGIONS_EXCLUSIVE):
        return region
    if request_resource(bus.regions, region.res) == 0:
        return region
    text = f"{parent.name}: dax_region resource conflict for {mem_text(span[0], span[1] + 1)}"
    bus.system.printk(f"{parent.driver_string('cxl')} {text}", "drivers/dax/bus.c: alloc_dax_region")
    bus.system.log.record(
        REGION_CONFLICT, "drivers/dax/bus.c: alloc_dax_region", span[0], span[1] + 1, parent.name, "no dax device"
    )
    return None


def drop_region(region: DaxRegion) -> None:
    """Take a region away with all its devices."""
    region.unregister()
    if region.res.parent is not None:
        release_resource(region.res)


def made_region(system: System, request: DaxRegionRequest) -> DaxRegionMade:
    """A region with one device of all of it, for whoever asks; its memory is for kmem."""
    bus = dax_bus(system)
    kmem = bus.matches_by_type
    span = (request.start, request.end - 1)
    region = make_region(bus, request.parent, request.id, span, request.target_node, kmem=kmem)
    if region is None:
        return DaxRegionMade(-ENOMEM, Directory(), lambda: None)
    words = f"region {request.id}, for {'kmem' if kmem else 'device_dax'}"
    function = "drivers/dax/bus.c: alloc_dax_region"
    system.log.record(REGION_ASKED, function, request.start, request.end, request.parent.name, words)
    region.create_dev_dax(region.res.size, memmap_on_memory=request.memmap_on_memory)
    return DaxRegionMade(0, region_contents(bus, region), lambda: drop_region(region))
