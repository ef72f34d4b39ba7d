"""The dax bus: which driver takes which device, and device numbers. Linux: ``drivers/dax/{bus,super}.c``.

What devices are made of is in :mod:`softreserve_hmem.region`; what they show in :mod:`softreserve_hmem.dax_sysfs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EINVAL, ENXIO
from typing import TYPE_CHECKING, Final

from softreserve.kernel import border
from softreserve.kernel.driver_core.bus import Bus, Registration
from softreserve.kernel.driver_core.ida import Ida
from softreserve.kernel.state import StashKey
from softreserve.kernel.sysfs import Attribute, Link, Node, c_text
from softreserve.model.behaviours import PWM_CHARACTER_DEVICES
from softreserve.model.errors import MachineError
from softreserve.model.events import Rule

from softreserve_hmem import behaviours
from softreserve_hmem.hmem_device import DAX_CORE_INIT
from softreserve_hmem.region import DevDax, RegionOwner, dax_regions

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxDriver

__all__ = ["DaxBus", "dax_bus"]

BOUND: Final = Rule("dax-bound", "bound to a driver")
#: Whoever asks for any major number gets the highest free one, from 254 down; before dax ask GPIO chips and TPMs.
_MAJOR: Final = 252
_INT_LIMIT: Final = 1 << 31
_INT_DIGITS: Final = 10


class DaxBus(Bus["DevDax", "DaxDriver"], RegionOwner):
    """The dax bus of a system."""

    def __init__(self, system: System) -> None:
        super().__init__(system, "dax")
        self.system = system
        self._minors = Ida()
        kernel = system.kernel
        #: Of the devices' files. Linux: ``fs/char_dev.c: find_dynamic_major``.
        self.major = _MAJOR - kernel.has(PWM_CHARACTER_DEVICES) - kernel.builtin("SERIAL_MVEBU_UART")
        #: Memory of all regions, in kernels where they must not overlap. Linux: ``drivers/dax/bus.c: dax_regions``.
        self.regions = dax_regions()
        self._warned: set[str] = set()
        self.matches_by_type = system.kernel.has(behaviours.DAX_MATCH_BY_TYPE)

        self._initialized = DAX_CORE_INIT not in system.denied.initcalls

    def driver_register(self, driver: DaxDriver) -> int:
        """Add a driver: 0, -EBUSY where one of that name is there, -EINVAL where the bus was never set up."""
        if not self._initialized:
            what = f"Driver '{driver.name}' was unable to register with bus_type '{self.name}'"
            why = "because the bus was not initialized."
            self.system.printk(f"{what} {why}", "drivers/base/driver.c: driver_register")
            return -EINVAL
        return super().driver_register(driver)

    # --- matching

    def match(self, registration: Registration[DevDax, DaxDriver], device: DevDax) -> bool:
        """Whether a driver takes a device: by name, or by what the region is for. Linux: ``dax_bus_match``.

        A driver that says itself which devices are its own is asked in place of the latter.
        """
        if device.name in registration.ids:
            return True
        driver = registration.driver
        chooses = getattr(driver, "match", None)
        if chooses is None:
            return self._fits(driver, self.kind(device))
        where, plugin = f"softreserve_dax_drivers: match of driver {driver.name}", border.brought_by(driver)
        found = border.call(where, chooses, device, plugin=plugin)
        if not isinstance(found, bool):
            raise border.unsound(plugin, where, found, "True or False")
        return found

    def kind(self, device: DevDax) -> bool:
        """Whether the region is for kmem."""
        return device.region.kmem

    def _fits(self, driver: DaxDriver, for_kmem: object) -> bool:
        if not self.matches_by_type:
            return driver.match_always
        if driver.type == ("kmem" if for_kmem else "device"):
            return True
        return driver.type == "device" and not self.system.kernel.enabled("DEV_DAX_KMEM")

    def offered(self, registration: Registration[DevDax, DaxDriver]) -> Iterator[DevDax]:
        """All devices of the kinds that the driver takes, and those of others whose names it was given."""
        chooses = hasattr(registration.driver, "match")
        for kind, devices in self.unbound.items():
            if chooses or self._fits(registration.driver, kind):
                yield from devices.values()
            else:
                yield from (devices[name] for name in devices.keys() & registration.ids.keys())

    def probe(self, driver: DaxDriver, device: DevDax) -> int:
        """Bind; a device without memory is refused. Linux: ``dax_bus_probe``."""
        if not device.size:
            return -ENXIO
        where = f"softreserve_dax_drivers: probe of driver {driver.name}"
        before = device.ranges
        status = border.call(where, driver.probe, device, plugin=border.brought_by(driver))
        if device.ranges != before:
            raise border.refused(border.brought_by(driver), where, f"changed the ranges of {device.name}")
        problem = border.status_problem(status)
        if problem is not None:
            raise border.unsound(border.brought_by(driver), where, status, problem)
        if status:
            return status
        if device.region.seed is device:
            device.region.seed = None
        for start, end in device.ranges:
            self.system.log.record(
                BOUND,
                "drivers/dax/bus.c: dax_bus_probe",
                start,
                end + 1,
                device.name,
                f"{device.name}, {driver.name}",
            )
        return 0

    def remove(self, driver: DaxDriver, device: DevDax) -> None:
        """Unbind."""
        where = f"softreserve_dax_drivers: remove of driver {driver.name}"
        border.call(where, driver.remove, device, plugin=border.brought_by(driver))

    # --- ids given at run time

    def driver_attributes(self, registration: Registration[DevDax, DaxDriver]) -> dict[str, Node]:
        """``new_id`` and ``remove_id``."""
        return {
            "new_id": Attribute(0o200, store=lambda data: self.new_id_store(registration, data)),
            "remove_id": Attribute(0o200, store=lambda data: self.remove_id_store(registration, data)),
        }

    def new_id_store(self, registration: Registration[DevDax, DaxDriver], data: bytes) -> int:
        """Let a driver take a device by name; then offer it *every* device that fits and has no driver."""
        name = _device_name(data)
        if name is None:
            return -EINVAL
        registration.ids.setdefault(name)
        self.driver_attach(registration)
        return len(data)

    def remove_id_store(self, registration: Registration[DevDax, DaxDriver], data: bytes) -> int:
        """Take a name back; one that is not there is no error, and nothing is unbound."""
        name = _device_name(data)
        if name is None:
            return -EINVAL
        registration.ids.pop(name, None)
        return len(data)

    # --- devices of regions

    def device_add(self, device: DevDax) -> None:
        """Give a device its number, and look for a driver.

        :raises MachineError: the kernel never made the file system that devices need (``alloc_dax``).
        """
        if not self._initialized:
            message = f"the kernel crashes where it makes {device.name}: initcall_blacklist= names {DAX_CORE_INIT}"
            raise MachineError(message)
        device.minor = self._minors.alloc()
        self.system.sysfs.add(f"/sys/dev/char/{self.major}:{device.minor}", Link(device.path))
        super().device_add(device)

    def device_del(self, device: DevDax) -> None:
        """Unbind a device and take it off the bus; its number is free again."""
        super().device_del(device)
        self.system.sysfs.remove(f"/sys/dev/char/{self.major}:{device.minor}")
        self._minors.free(device.minor)

    def warn_once(self, device: DevDax, text: str) -> None:
        """Print a warning of the kernel, the first time."""
        if text not in self._warned:
            self._warned.add(text)
            self.system.printk(f"{device.driver_string(self.name)} {device.name}: {text}", "drivers/dax/bus.c")

    def mhp_supports_memmap_on_memory(self) -> bool:
        """Whether a memory map can lie in hot-added memory."""
        return self.system.memory.mhp_supports_memmap_on_memory()


def _device_name(data: bytes) -> str | None:
    """The name in a write to ``new_id``: ``dax%d.%d``, exactly as the kernel would print it. Linux: ``do_id_store``."""
    text = c_text(data).removesuffix("\n")
    region, dot, number = text.removeprefix("dax").partition(".")
    sound = text.startswith("dax") and dot and _is_int(region) and _is_int(number)
    return text if sound else None


def _is_int(text: str) -> bool:
    """Whether reading a 32-bit number and printing it gives the same text."""
    digits = text.removeprefix("-")
    if len(digits) > _INT_DIGITS or not digits.isascii() or not digits.isdecimal() or str(int(text)) != text:
        return False
    return -_INT_LIMIT <= int(text) < _INT_LIMIT


_DAX_BUS: Final = StashKey[DaxBus]("dax bus")


def dax_bus(system: System) -> DaxBus:
    """The dax bus; it is there from the first question on, and most boots end before one."""
    bus = system.stash.get(_DAX_BUS)
    if bus is None:
        bus = system.stash[_DAX_BUS] = DaxBus(system)
    return bus
