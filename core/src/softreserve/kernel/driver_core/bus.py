"""Devices, drivers and the bus between them. Linux: ``drivers/base/{bus,dd,core}.c``.

A device belongs to one bus and has at most one driver. Whether a driver fits and what probing does is the business of
the bus: subclasses of :class:`Bus` say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from errno import EBUSY, ENODEV, ENXIO
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from softreserve.kernel.driver_core.uevent import uevent_file
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, c_text
from softreserve.model.behaviours import BIND_REPORTS_PROBE_ERRORS, PROBE_FAILURE_AS_DEVICE_MESSAGE

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState

__all__ = ["Bus", "Device", "Driver", "Registration"]

D = TypeVar("D", bound="Device")
R = TypeVar("R", bound="Driver")


class Driver(Protocol):
    """What every driver has."""

    name: str
    #: The module that registers it.
    module: str


class Device:
    """A device on a bus. ``path`` is its directory under ``/sys``; ``numa_node`` is -1 where there is none."""

    __slots__ = ("driver", "name", "numa_node", "path")

    def __init__(self, name: str, path: str, numa_node: int) -> None:
        self.name = name
        self.path = path
        self.numa_node = numa_node
        self.driver: Driver | None = None

    def driver_string(self, bus: str) -> str:
        """What begins a message about the device: its driver, or its bus. Linux: ``dev_driver_string``."""
        return self.driver.name if self.driver is not None else bus


class Registration(Generic[D, R]):
    """A driver on a bus: the devices bound to it, in the order of binding, and ids given to it at run time (keys)."""

    __slots__ = ("bound", "driver", "ids")

    def __init__(self, driver: R) -> None:
        self.driver = driver
        self.bound: dict[str, D] = {}
        self.ids: dict[str, None] = {}


class Bus(Generic[D, R]):
    """A bus: its devices and drivers, each in the order of registration."""

    def __init__(self, state: KernelState, name: str) -> None:
        self.state = state
        self.name = name
        self.path = f"/sys/bus/{name}"
        self.devices: dict[str, D] = {}
        self.drivers: dict[str, Registration[D, R]] = {}
        self.drivers_autoprobe = True
        #: Devices without a driver, by :meth:`kind` and name, in no order that counts.
        self.unbound: dict[object, dict[str, D]] = {}
        self._order: dict[str, int] = {}  # of the devices
        self._added = 0

    # --- what a bus decides

    def match(self, registration: Registration[D, R], device: D) -> bool:
        """Whether the driver fits the device."""
        raise AssertionError(f"bus {self.name} matches nothing")

    def probe(self, driver: R, device: D) -> int:
        """Bind: 0, or ``-errno`` with everything undone."""
        raise AssertionError(f"bus {self.name} probes nothing")

    def remove(self, driver: R, device: D) -> None:
        """Unbind; cannot fail."""
        raise AssertionError(f"bus {self.name} removes nothing")

    def kind(self, device: D) -> object:
        """What decides, beside the device's name, which drivers fit it."""
        return None

    def offered(self, registration: Registration[D, R]) -> Iterable[D]:
        """Devices without a driver that this one may fit, in any order; :meth:`match` decides."""
        return (device for devices in self.unbound.values() for device in devices.values())

    def driver_attributes(self, registration: Registration[D, R]) -> dict[str, Node]:
        """Further files in the directory of a driver. Linux: ``struct bus_type: drv_groups``."""
        return {}

    def uevent(self, device: D, words: Callable[[], Iterable[str]]) -> Attribute:
        """The file ``uevent`` of a device; ``words`` are its lines. Linux: ``drivers/base/core.c: uevent_show``."""
        return uevent_file(
            self.state,
            device.path,
            lambda: "".join(f"{word}\n" for word in words()),
            lambda: f"{device.driver_string(self.name)} {device.name}",
        )

    # --- devices come and go

    def device_add(self, device: D) -> None:
        """Put a device on the bus and look for a driver. Linux: ``device_add``, ``device_initial_probe``."""
        self.devices[device.name] = device
        self._added += 1
        self._order[device.name] = self._added
        self._waits(device)
        if self.drivers_autoprobe:
            self.device_attach(device)

    def device_del(self, device: D) -> None:
        """Unbind a device and take it off the bus."""
        self.device_release_driver(device)
        del self.devices[device.name], self._order[device.name], self.unbound[self.kind(device)][device.name]

    def device_attach(self, device: D) -> None:
        """Try the drivers in turn until one takes the device; one whose probe fails does not end the search."""
        if device.driver is not None:
            return
        for registration in list(self.drivers.values()):
            if self.match(registration, device) and self.really_probe(registration, device) == 0:
                return

    def device_release_driver(self, device: D) -> None:
        """Unbind a device from whatever driver it has."""
        if device.driver is None:
            return
        registration = self.drivers[device.driver.name]
        self.remove(registration.driver, device)
        del registration.bound[device.name]
        device.driver = None
        self._waits(device)

    def _waits(self, device: D) -> None:
        self.unbound.setdefault(self.kind(device), {})[device.name] = device

    # --- drivers come and go

    def driver_register(self, driver: R) -> int:
        """Add a driver and offer it every device: 0, or -EBUSY where one of that name is there."""
        if driver.name in self.drivers:
            self.state.printk(
                f"Error: Driver '{driver.name}' is already registered, aborting...",
                "drivers/base/driver.c: driver_register",
            )
            return -EBUSY
        registration: Registration[D, R] = Registration(driver)
        self.drivers[driver.name] = registration
        if self.drivers_autoprobe:
            self.driver_attach(registration)
        return 0

    def driver_unregister(self, driver: R) -> None:
        """Unbind all devices of a driver, the one bound last first, and take it off the bus."""
        registration = self.drivers[driver.name]
        for device in reversed(list(registration.bound.values())):
            self.device_release_driver(device)
        del self.drivers[driver.name]

    def driver_attach(self, registration: Registration[D, R]) -> None:
        """Offer a driver every device that has none; what fails is passed over."""
        for device in sorted(self.offered(registration), key=lambda device: self._order[device.name]):
            if device.driver is None and self.match(registration, device):
                self.really_probe(registration, device)

    def really_probe(self, registration: Registration[D, R], device: D) -> int:
        """Bind this driver to this device: 0 or ``-errno``. -ENODEV and -ENXIO are refusals, not worth a line."""
        driver = registration.driver
        device.driver = driver
        status = self.probe(driver, device)
        if status:
            device.driver = None
            if status not in (-ENODEV, -ENXIO):
                self._probe_failed(driver, device, status)
            return status
        registration.bound[device.name] = device
        del self.unbound[self.kind(device)][device.name]
        return 0

    def _probe_failed(self, driver: R, device: D, status: int) -> None:
        if self.state.kernel.has(PROBE_FAILURE_AS_DEVICE_MESSAGE):
            line = f"{driver.name} {device.name}: probe with driver {driver.name} failed with error {status}"
        else:
            line = f"{driver.name}: probe of {device.name} failed with error {status}"
        self.state.printk(line, "drivers/base/dd.c: call_driver_probe")

    # --- what user space writes

    def find(self, data: bytes) -> D | None:
        """The device that was named in a write. Linux: ``bus_find_device_by_name``."""
        return self.devices.get(c_text(data).removesuffix("\n"))

    def bind_store(self, registration: Registration[D, R], data: bytes) -> int:
        """Write to ``bind``: bytes taken, or ``-errno``."""
        device = self.find(data)
        if device is None or not self.match(registration, device):
            return -ENODEV
        reports = self.state.kernel.has(BIND_REPORTS_PROBE_ERRORS)
        if device.driver is not None:
            return -EBUSY if reports else -ENODEV
        status = self.really_probe(registration, device)
        if status:
            return status if reports else -ENODEV
        return len(data)

    def unbind_store(self, registration: Registration[D, R], data: bytes) -> int:
        """Write to ``unbind``: bytes taken, or -ENODEV where the device is not bound to this driver."""
        device = self.find(data)
        if device is None or device.driver is not registration.driver:
            return -ENODEV
        self.device_release_driver(device)
        return len(data)

    def drivers_probe_store(self, data: bytes) -> int:
        """Write to ``drivers_probe``: bytes taken, or -ENODEV where there is no such device."""
        device = self.find(data)
        if device is None:
            return -ENODEV
        self.device_attach(device)
        return len(data)

    def _autoprobe_store(self, data: bytes) -> int:
        self.drivers_autoprobe = data[:1] != b"0"
        return len(data)

    # --- /sys/bus/NAME

    def directory(self) -> Directory:
        """``/sys/bus/NAME``; what is in it is made when somebody looks."""
        return Directory(
            {
                "devices": Directory(names=lambda: list(self.devices), lookup=self._device_link),
                "drivers": Directory(names=lambda: list(self.drivers), lookup=self._driver_directory),
                "drivers_autoprobe": Attribute(
                    0o644, lambda: f"{int(self.drivers_autoprobe)}\n", self._autoprobe_store
                ),
                "drivers_probe": Attribute(0o200, store=self.drivers_probe_store),
                "uevent": uevent_file(self.state, self.path),
            }
        )

    def _device_link(self, name: str) -> Node | None:
        device = self.devices.get(name)
        return Link(device.path) if device is not None else None

    def _driver_directory(self, name: str) -> Node | None:
        registration = self.drivers.get(name)
        if registration is None:
            return None
        bound = registration.bound
        children: dict[str, Node] = {
            "uevent": uevent_file(self.state, f"{self.path}/drivers/{name}"),
            "module": Link(f"/sys/module/{registration.driver.module}"),
        }
        # Linux: struct device_driver: suppress_bind_attrs; few drivers have it
        if not getattr(registration.driver, "suppress_bind_attrs", False):
            children["bind"] = Attribute(0o200, store=_bound_store(self.bind_store, registration))
            children["unbind"] = Attribute(0o200, store=_bound_store(self.unbind_store, registration))
        children |= self.driver_attributes(registration)
        return Directory(
            children,
            names=lambda: list(bound),
            lookup=lambda name: Link(bound[name].path) if name in bound else None,
        )


def _bound_store(
    store: Callable[[Registration[D, R], bytes], int], registration: Registration[D, R]
) -> Callable[[bytes], int]:
    return lambda data: store(registration, data)
