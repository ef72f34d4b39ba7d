"""The device_dax driver: memory for programs to map through ``/dev/daxR.M``. Linux: ``drivers/dax/device.c``."""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENXIO
from typing import TYPE_CHECKING, Final

from softreserve.kernel.resource import (
    IORES_DESC_NONE,
    IORESOURCE_SYSTEM_RAM,
    REGION_DISJOINT,
    Resource,
    region_intersects,
    release_resource,
    request_region,
)
from softreserve.kernel.state import StashKey
from softreserve.model.events import Rule

from softreserve_hmem import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxDevice

__all__ = ["LEFT_BEHIND", "NOT_RESERVED", "DeviceDaxDriver", "FsdevDaxDriver"]

#: What device_dax prints about a device.
LEFT_BEHIND: Final = Rule("device-dax-left-behind", "refused by device_dax: it failed before")
NOT_RESERVED: Final = Rule("device-dax-not-reserved", "refused by device_dax: its range is not free as a whole")

_FILE: Final = "drivers/dax/device.c"
_LEFT_BEHIND: Final = StashKey["set[DaxDevice]"]("dax devices with a page map")
_SUBSECTION_SIZE: Final = 2 << 20


class DeviceDaxDriver:
    """``device_dax``, a driver of the dax bus; see :class:`softreserve.model.dax.DaxDriver`."""

    name = "device_dax"
    module = "device_dax"
    option = "DEV_DAX"
    source = _FILE
    init_name = "dax_init"
    type = "device"
    match_always = True
    _forgets_late = True

    def __init__(self, system: System) -> None:
        self._system = system
        self._claims: dict[str, list[Resource]] = {}
        #: Devices whose last probe failed: they still point to the page map of that time, whoever comes next.
        left_behind = system.stash.get(_LEFT_BEHIND)
        if left_behind is None:
            left_behind = system.stash[_LEFT_BEHIND] = set()
        self._left_behind = left_behind

    def probe(self, device: DaxDevice) -> int:
        """Claim all ranges and map them; a device that failed here once fails ever after. Linux: ``dev_dax_probe``.

        Only a successful probe arranges for the device to forget its page map (``kill_dev_dax``).
        """
        if device in self._left_behind:
            self._say(LEFT_BEHIND, device, "dynamic-dax with pre-populated page map")
            return -EINVAL
        claims: list[Resource] = []
        status = self._claim(device, claims) or self._memremap_pages(device)
        if status:
            _release(claims)
            if self._forgets_late:
                self._left_behind.add(device)
        else:
            self._claims[device.name] = claims
        return status

    def remove(self, device: DaxDevice) -> None:
        """Give everything back; the Device zone keeps its span."""
        _release(self._claims.pop(device.name))

    def _claim(self, device: DaxDevice, claims: list[Resource]) -> int:
        for number, (start, end) in enumerate(device.ranges):
            found = request_region(self._system.iomem.root, start, end + 1 - start, device.name)
            if found is None:
                self._say(NOT_RESERVED, device, f"mapping{number}: {start:#x}-{end:#x} could not reserve range")
                return -EBUSY
            claims.append(found)
        return 0

    def _memremap_pages(self, device: DaxDevice) -> int:
        """Make struct pages for the ranges: 0 or ``-errno``. Linux: ``mm/memremap.c: memremap_pages``."""
        if not self._system.kernel.builtin("ZONE_DEVICE"):
            return -ENXIO
        page = self._system.kernel.page_size
        nid = max(device.numa_node, 0)
        for start, end in device.ranges:
            status = self._pagemap_range(start, end + 1 - start)
            if status:
                return status
            self._system.memory.zones.move_pfn_range_to_device_zone(nid, start // page, (end + 1 - start) // page)
        return 0

    def _pagemap_range(self, start: int, size: int) -> int:
        """Whether one range (bytes) can be mapped: 0 or ``-errno``. Linux: ``mm/memremap.c: pagemap_range``."""
        root = self._system.iomem.root
        below = self._system.kernel.has(behaviours.REGION_INTERSECTS_LOOKS_BELOW)
        ram = region_intersects(root, start, size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE, looks_below=below)
        if ram != REGION_DISJOINT:
            return -ENXIO
        if not self._system.memory.mhp_range_allowed(start, size):
            return -EINVAL
        # Memory maps come in pieces of this size; only starts can be off, by way of `mapping`.
        return -EINVAL if (start | size) % _SUBSECTION_SIZE else 0

    def _say(self, rule: Rule, device: DaxDevice, text: str) -> None:
        line = f"{self.name} {device.name}: {text}"
        self._system.log.printk(line, f"{_FILE}: dev_dax_probe", rule, device.name)


class FsdevDaxDriver(DeviceDaxDriver):
    """``fsdev_dax``: memory for file systems. It takes only what ``new_id`` names. Linux: ``drivers/dax/fsdev.c``."""

    name = "fsdev_dax"
    module = "fsdev_dax"
    option = "DEV_DAX_FSDEV"
    source = "drivers/dax/fsdev.c"
    type = "fsdev"
    match_always = False
    _forgets_late = False


def _release(claims: list[Resource]) -> None:
    for res in reversed(claims):
        release_resource(res)
