"""The CXL bus: its devices with their directories, and their drivers. Linux: ``drivers/cxl/core/port.c``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from softreserve.kernel.driver_core.bus import Bus, Device, Registration
from softreserve.kernel.driver_core.ida import Ida
from softreserve.kernel.state import StashKey
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel

__all__ = ["CXL_BUS", "CxlBus", "CxlDevice", "CxlDriver", "cxl_bus", "option", "shown"]


def option(kernel: Kernel, name: str) -> str:
    """What an option is; those that a configuration does not name follow CONFIG_CXL_BUS, as in Kconfig."""
    found = kernel.config.get(name, kernel.config.get("CXL_BUS", "n"))
    return "" if found == "n" else str(found)


def shown(text: object) -> Attribute:
    """A file that shows one value, which does not change while the file is there."""
    return Attribute(0o444, lambda: f"{text}\n")


class CxlDevice(Device):
    """A device of the bus: a port, a decoder, a memory device, a region."""

    #: What ``devtype`` says.
    devtype: ClassVar[str]
    #: What decides which driver takes it. Linux: ``drivers/cxl/cxl.h: CXL_DEVICE_*``.
    number: int = 0

    def __init__(self, bus: CxlBus, name: str, parent: str, numa_node: int = -1) -> None:
        """``parent`` is the directory that it is in."""
        super().__init__(name, f"{parent}/{name}", numa_node)
        self.bus = bus
        #: Directories of devices below it, by name.
        self.below: dict[str, Directory] = {}
        #: Further files, of whoever made it.
        self.more: Callable[[], dict[str, Node]] = dict

    def files(self) -> dict[str, Node]:
        """What is in its directory, beside devices below it."""
        found: dict[str, Node] = {
            "devtype": shown(self.devtype),
            "modalias": shown(f"cxl:t{self.number}"),
            "subsystem": Link(self.bus.path),
            "uevent": self.bus.uevent(self, self._uevent),
        }
        if self.driver is not None:
            found["driver"] = Link(f"{self.bus.path}/drivers/{self.driver.name}")
        return found

    def uevent_words(self) -> list[str]:
        """What ``uevent`` shows before the driver."""
        return [f"DEVTYPE={self.devtype}"]

    def _uevent(self) -> list[str]:
        driver = [f"DRIVER={self.driver.name}"] if self.driver is not None else []
        return [*self.uevent_words(), *driver, f"MODALIAS=cxl:t{self.number}"]

    def directory(self) -> Directory:
        """Its directory; what is in it is made when somebody looks."""
        return Directory(names=lambda: [*self.files(), *self.more(), *self.below], lookup=self._lookup)

    def _lookup(self, name: str) -> Node | None:
        return self.below[name] if name in self.below else (self.files() | self.more()).get(name)


class CxlDriver(Protocol):
    """A driver of the bus."""

    name: str
    module: str
    #: Devices of this number are its own.
    number: int

    def probe(self, device: CxlDevice) -> int:
        """Bind: 0, or ``-errno`` with everything undone."""

    def remove(self, device: CxlDevice) -> None:
        """Unbind; cannot fail."""


class CxlBus(Bus["CxlDevice", "CxlDriver"]):
    """The CXL bus of a system."""

    def __init__(self, system: System) -> None:
        super().__init__(system, "cxl")
        self.system = system
        self.port_ids = Ida()
        self.memdev_ids = Ida()
        self._work: list[Callable[[], None]] = []
        self._releasing = 0
        directory = self.directory()
        directory.children["flush"] = Attribute(0o200, store=len)
        system.sysfs.add(self.path, directory)

    def match(self, registration: Registration[CxlDevice, CxlDriver], device: CxlDevice) -> bool:
        """Whether a driver takes a device. Linux: ``cxl_bus_match``."""
        return device.number == registration.driver.number

    def probe(self, driver: CxlDriver, device: CxlDevice) -> int:
        """Bind."""
        return driver.probe(device)

    def remove(self, driver: CxlDriver, device: CxlDevice) -> None:
        """Unbind."""
        driver.remove(device)

    def device_release_driver(self, device: CxlDevice) -> None:
        """Unbind a device; when that is done, what was put off until then."""
        self._releasing += 1
        super().device_release_driver(device)
        self._releasing -= 1
        while self._work and not self._releasing:
            self._work.pop(0)()

    def queue_work(self, work: Callable[[], None]) -> None:
        """Do something when what is being unbound now is done with. Linux: ``cxl_bus_wq``."""
        self._work.append(work)

    def register(self, device: CxlDevice, parent: CxlDevice | None = None) -> None:
        """Put a device on the bus, into the directory of its parent or where its path says."""
        if parent is not None:
            parent.below[device.name] = device.directory()
        else:
            self.system.sysfs.add(device.path, device.directory())
        self.device_add(device)

    def unregister(self, device: CxlDevice, parent: CxlDevice | None = None) -> None:
        """Unbind a device and take it away."""
        self.device_del(device)
        if parent is not None:
            del parent.below[device.name]
        else:
            self.system.sysfs.remove(device.path)

    def rescan(self) -> None:
        """Look for drivers again: the root of the topology has come. Linux: ``cxl_bus_rescan``."""
        for device in list(self.devices.values()):
            self.device_attach(device)


CXL_BUS: Final = StashKey[CxlBus]("cxl bus")


def cxl_bus(system: System) -> CxlBus:
    """The bus of a system, made on first use."""
    bus = system.stash.get(CXL_BUS)
    if bus is None:
        bus = system.stash[CXL_BUS] = CxlBus(system)
    return bus
