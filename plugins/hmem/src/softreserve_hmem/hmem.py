"""The dax_hmem module: regions, and in newer kernels hmem devices too. Linux: ``drivers/dax/hmem/hmem.c``."""

from __future__ import annotations

from errno import ENOMEM
from typing import TYPE_CHECKING, Final

from softreserve.kernel.driver_core.ida import memregion_ids
from softreserve.kernel.driver_core.platform import PlatformDevice, platform_bus
from softreserve.kernel.resource import (
    IORES_DESC_CXL,
    IORESOURCE_MEM,
    REGION_DISJOINT,
    Resource,
    region_intersects,
)
from softreserve.model.events import Rule
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import hooks_of

from softreserve_hmem import behaviours
from softreserve_hmem.bus import DaxBus, dax_bus
from softreserve_hmem.dax_sysfs import region_contents
from softreserve_hmem.hmem_device import HMEM_MADE, NOT_SOFT_RESERVED, NOWHERE_SOFT_RESERVED, HmemDevice, HmemDevices
from softreserve_hmem.made import drop_region, make_region
from softreserve_hmem.region import DaxRegion, is_aligned

if TYPE_CHECKING:
    from softreserve.kernel.modules import Parameter
    from softreserve.kernel.system import System

__all__ = ["LEFT_TO_CXL", "NO_REGION", "REGION_MADE", "TAKEN_BY_CXL", "DaxHmem"]

_FILE: Final = "drivers/dax/hmem/hmem.c"

#: The rule under which the log keeps ranges that get no device because they lie in a CXL window.
LEFT_TO_CXL: Final = Rule("hmem-left-to-cxl", "left to CXL")
#: And under which those are kept that a region of CXL has.
TAKEN_BY_CXL: Final = Rule("hmem-taken-by-cxl", "taken by CXL")
NO_REGION: Final = Rule("dax-region-refused", "no region: not aligned to large pages")
REGION_MADE: Final = Rule("dax-region-made", "dax region made")


class HmemDriver:
    """Makes a dax region of an hmem device, with one dax device of all of it."""

    name = "hmem"
    module = "dax_hmem"

    def __init__(self, system: System, bus: DaxBus, region_idle: Parameter) -> None:
        self._system = system
        self._bus = bus
        self._region_idle = region_idle
        self._regions: dict[str, DaxRegion] = {}

    def probe(self, device: PlatformDevice) -> int:
        """Make the region: 0, or -ENOMEM where it is not aligned. Linux: ``dax_hmem_probe``."""
        if not isinstance(device, HmemDevice):
            return -ENOMEM
        idle = self._region_idle.value
        kernel = self._system.kernel
        kmem = kernel.has(behaviours.DAX_MATCH_BY_TYPE) and not idle
        region = make_region(self._bus, device, device.id, device.span, device.target_node, kmem=kmem)
        if region is None:
            if not is_aligned(kernel, device.span[0], device.span[1] + 1 - device.span[0]):
                self._record(device, NO_REGION, "no dax device")
            return -ENOMEM
        self._record(device, REGION_MADE, f"region {device.id}, for {'kmem' if kmem else 'device_dax'}")
        self._regions[device.name] = region
        device.contents = region_contents(self._bus, region)
        region.create_dev_dax(0 if idle else region.res.size)
        return 0

    def _record(self, device: HmemDevice, rule: Rule, after: str) -> None:
        start, last = device.span
        self._system.log.record(rule, f"{_FILE}: dax_hmem_probe", start, last + 1, device.name, after)

    def remove(self, device: PlatformDevice) -> None:
        """Take the region away with all its devices."""
        drop_region(self._regions.pop(device.name))
        device.contents = None


class HmemPlatformDriver:
    """Makes an hmem device of every range that was remembered at boot."""

    name = "hmem_platform"
    module = "dax_hmem"

    def __init__(self, system: System, devices: HmemDevices) -> None:
        self._system = system
        self._offered = devices
        self._made: dict[str, list[HmemDevice]] = {}
        #: Ranges in CXL windows, until it is known that no region is made there.
        self._waiting: list[tuple[PlatformDevice, Resource]] = []
        kernel = system.kernel
        self._decides_late = kernel.has(behaviours.HMEM_DECIDES_AFTER_CXL)
        self._minds_windows = self._decides_late or kernel.has(behaviours.HMEM_DEFERS_TO_CXL)

    def probe(self, device: PlatformDevice) -> int:
        """Walk the ranges, lowest first. Linux: ``dax_hmem_platform_probe``."""
        self._made[device.name] = []
        for res in list(self._offered.active.children):
            self._hmem_register_device(device, res)
        return 0

    def process_defer_work(self) -> None:
        """Decide on what was put off, once every driver had its chance. Linux: the same function."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._offered.cxl_decided:
            return
        self._offered.cxl_decided = True
        host, _ = waiting[0]
        for _, res in waiting:
            owner = hooks_of(self._system).dax_claimed(self._system, PhysRange(res.start, res.end + 1))
            if owner is None:
                self._register(host, res)
            else:
                self._note(res, TAKEN_BY_CXL, f"no hmem device: {owner} has it")

    def remove(self, device: PlatformDevice) -> None:
        """Take the devices away, the last one first."""
        self._waiting.clear()
        for made in reversed(self._made.pop(device.name)):
            platform_bus(self._system).platform_device_unregister(made)
            memregion_ids(self._system).free(made.id)

    def _hmem_register_device(self, host: PlatformDevice, res: Resource) -> None:
        if self._is_in_window(res):
            if self._decides_late and not self._offered.cxl_decided:
                self._waiting.append((host, res))
            else:
                self._note(res, LEFT_TO_CXL, "no hmem device")
            return
        self._register(host, res)

    def _register(self, host: PlatformDevice, res: Resource) -> None:
        """Make the device. Linux: ``hmem_register_device``, from 7.1 on ``__hmem_register_device``."""
        if not self._offered.is_soft_reserved(res):
            elsewhere = self._offered.looks_elsewhere(res.start, res.end + 1)
            rule = NOWHERE_SOFT_RESERVED if elsewhere else NOT_SOFT_RESERVED
            self._note(res, rule, "no hmem device")
            return
        target_nid = res.desc
        numa_node = self._system.nodes.numa_map_to_online_node(target_nid)
        number = memregion_ids(self._system).alloc()
        parent = host if self._system.kernel.has(behaviours.HMEM_BELOW_ITS_PLATFORM) else None
        made = HmemDevice(number, numa_node, (res.start, res.end), target_nid, claims=None, parent=parent)
        self._note(res, HMEM_MADE.of(made.name), f"target node {target_nid}")
        self._made[host.name].append(made)
        platform_bus(self._system).platform_device_add(made)

    def _note(self, res: Resource, rule: Rule, after: str) -> None:
        function = f"{_FILE}: hmem_register_device"
        self._system.log.record(rule, function, res.start, res.end + 1, "hmem range", after)

    def _is_in_window(self, res: Resource) -> bool:
        """Whether the CXL driver may take a range."""
        if not self._minds_windows:
            return False
        root = self._system.iomem.root
        return region_intersects(root, res.start, res.size, IORESOURCE_MEM, IORES_DESC_CXL) != REGION_DISJOINT


class DaxHmem:
    """The module: both drivers."""

    def __init__(self, system: System, devices: HmemDevices, region_idle: Parameter) -> None:
        self._platform = platform_bus(system)
        self._hmem = HmemDriver(system, dax_bus(system), region_idle)
        self._hmem_platform = HmemPlatformDriver(system, devices)
        self._has_platform = devices.waits_for_module
        #: Modules that it asks for when it is loaded.
        self._requests = ("cxl_acpi", "cxl_pci") if system.kernel.has(behaviours.HMEM_DECIDES_AFTER_CXL) else ()
        self._modules = system.modules

    def init(self) -> int:
        """Register the drivers: 0 or ``-errno``. Linux: ``dax_hmem_init``."""
        for module in self._requests:
            if self._modules.get(module) is not None:
                self._modules.load(module)
        if self._has_platform:
            self._platform.driver_register(self._hmem_platform)
        status = self._platform.driver_register(self._hmem)
        self._hmem_platform.process_defer_work()
        return status

    def exit(self) -> None:
        """Undo :meth:`init`."""
        self._platform.driver_unregister(self._hmem)
        if self._has_platform:
            self._platform.driver_unregister(self._hmem_platform)
