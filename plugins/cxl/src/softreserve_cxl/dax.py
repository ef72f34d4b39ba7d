"""From a region to the dax bus. Linux: ``drivers/dax/cxl.c``, ``drivers/cxl/core/region_dax.c``."""

from __future__ import annotations

from errno import ENOMEM
from typing import TYPE_CHECKING, Final

from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
from softreserve.plugins.hooks import hooks_of

from softreserve_cxl.bus import CxlDevice
from softreserve_cxl.topology import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from softreserve.kernel.sysfs import Node
    from softreserve.kernel.system import System

__all__ = ["CxlDaxRegionDriver", "add_dax_region"]

DEVICE_DAX_REGION: Final = 8


class DaxRegionDevice(CxlDevice):
    """``dax_regionN``: the memory of a region, for the dax bus."""

    devtype = "cxl_dax_region"
    number = DEVICE_DAX_REGION

    def __init__(self, region: Region) -> None:
        super().__init__(region.bus, f"dax_region{region.id}", region.path)
        assert region.res is not None
        self.id = region.id
        #: Bytes, the end included.
        self.span = (region.res.start, region.res.end)


def add_dax_region(region: Region) -> Callable[[], None]:
    """Make the device; what is returned takes it away. Linux: ``devm_cxl_add_dax_region``."""
    device = DaxRegionDevice(region)
    region.bus.register(device, region)
    return lambda: region.bus.unregister(device, region)


class CxlDaxRegionDriver:
    """``cxl_dax_region``: makes a dax region with one device of all of it, which kmem takes."""

    name = "cxl_dax_region"
    module = "dax_cxl"
    number = DEVICE_DAX_REGION
    #: User space cannot bind it or take it away.
    suppress_bind_attrs = True

    def __init__(self, system: System) -> None:
        self._system = system
        self._made: dict[str, DaxRegionMade] = {}

    def probe(self, device: CxlDevice) -> int:
        """Bind: 0, or -ENOMEM where the dax bus has none, or has the memory already."""
        assert isinstance(device, DaxRegionDevice)
        start, last = device.span
        nid = self._system.nodes.phys_to_target_node(start)
        if nid < 0:
            nid = self._system.nodes.memory_add_physaddr_to_nid(start)
        request = DaxRegionRequest(device, device.id, start, last + 1, nid, memmap_on_memory=True)
        made = hooks_of(self._system).dax_region(self._system, request)
        if made is None or made.status:
            return made.status if made is not None else -ENOMEM
        self._made[device.name] = made
        device.more = lambda: _files(made)
        return 0

    def remove(self, device: CxlDevice) -> None:
        """Take the region away with its devices."""
        device.more = dict
        self._made.pop(device.name).unregister()


def _files(made: DaxRegionMade) -> dict[str, Node]:
    contents = made.contents
    found = ((name, contents.get(name)) for name in contents.listing())
    return {name: node for name, node in found if node is not None}
