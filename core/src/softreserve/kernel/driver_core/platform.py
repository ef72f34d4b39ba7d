"""The platform bus. Linux: ``drivers/base/platform.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from softreserve.kernel.driver_core.bus import Bus, Device, Registration
from softreserve.kernel.driver_core.uevent import uevent_file
from softreserve.kernel.resource import Resource, insert_resource, release_resource
from softreserve.kernel.state import StashKey
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, c_text
from softreserve.model.units import mem_text

if TYPE_CHECKING:
    from softreserve.kernel.state import KernelState

__all__ = ["PLATFORM_BUS", "PlatformBus", "PlatformDevice", "PlatformDriver", "platform_bus"]

_ROOT: Final = "/sys/devices/platform"


class PlatformDevice(Device):
    """A platform device ``KIND.ID``; ``resources`` are its claims on ``/proc/iomem``, not linked yet."""

    __slots__ = ("children", "contents", "driver_override", "id", "kind", "parent", "resources")

    def __init__(
        self,
        kind: str,
        number: int,
        numa_node: int = -1,
        resources: tuple[Resource, ...] = (),
        parent: PlatformDevice | None = None,
    ) -> None:
        name = f"{kind}.{number}"
        super().__init__(name, f"{_ROOT if parent is None else parent.path}/{name}", numa_node)
        self.kind = kind
        self.id = number
        self.resources = resources
        self.parent = parent
        #: Directories of devices below it, by name.
        self.children: dict[str, Directory] = {}
        self.driver_override: str | None = None
        #: What a driver shows in the directory of the device, while it is bound.
        self.contents: Directory | None = None


class PlatformDriver(Protocol):
    """A driver of platform devices."""

    name: str
    module: str

    def probe(self, device: PlatformDevice) -> int:
        """Bind: 0, or ``-errno`` with everything undone."""

    def remove(self, device: PlatformDevice) -> None:
        """Unbind; cannot fail."""


class PlatformBus(Bus["PlatformDevice", "PlatformDriver"]):
    """The platform bus, as far as devices that plugins make are on it."""

    def __init__(self, state: KernelState) -> None:
        super().__init__(state, "platform")
        state.sysfs.add(self.path, self.directory())
        parent = "/sys/devices/platform"
        state.sysfs.add(f"{parent}/uevent", uevent_file(state, parent, lambda: "", lambda: " platform"))

    def match(self, registration: Registration[PlatformDevice, PlatformDriver], device: PlatformDevice) -> bool:
        """Whether device and driver have the same name; an override decides alone."""
        return (device.driver_override or device.kind) == registration.driver.name

    def probe(self, driver: PlatformDriver, device: PlatformDevice) -> int:
        """Bind."""
        return driver.probe(device)

    def remove(self, driver: PlatformDriver, device: PlatformDevice) -> None:
        """Unbind."""
        driver.remove(device)

    def platform_device_add(self, device: PlatformDevice) -> int:
        """Claim the resources of a device and put it on the bus: 0, or ``-errno`` with nothing claimed."""
        for number, res in enumerate(device.resources):
            res.name = device.name
            status = insert_resource(self.state.iomem.root, res)
            if status:
                where = mem_text(res.start, res.end + 1)
                self.state.printk(
                    f"platform {device.name}: failed to claim resource {number}: {where}",
                    "drivers/base/platform.c: platform_device_add",
                )
                for claimed in device.resources[:number]:
                    release_resource(claimed)
                return status
        directory = Directory(names=lambda: self._names(device), lookup=lambda name: self._lookup(device, name))
        if device.parent is None:
            self.state.sysfs.add(device.path, directory)
        else:
            device.parent.children[device.name] = directory
        self.device_add(device)
        return 0

    def platform_device_unregister(self, device: PlatformDevice) -> None:
        """Unbind a device and take it away with its resources."""
        self.device_del(device)
        if device.parent is None:
            self.state.sysfs.remove(device.path)
        else:
            del device.parent.children[device.name]
        for res in device.resources:
            release_resource(res)

    # --- /sys/devices/platform/NAME

    def _names(self, device: PlatformDevice) -> list[str]:
        contents = device.contents.listing() if device.contents is not None else ()
        return [*self._own_files(device), *device.children, *contents]

    def _lookup(self, device: PlatformDevice, name: str) -> Node | None:
        if name in device.children:
            return device.children[name]
        found = device.contents.get(name) if device.contents is not None else None
        return found if found is not None else self._own_files(device).get(name)

    def _own_files(self, device: PlatformDevice) -> dict[str, Node]:
        found: dict[str, Node] = {
            "driver_override": Attribute(
                0o644,
                lambda: f"{device.driver_override or '(null)'}\n",
                lambda data: _override_store(device, data),
            ),
            "modalias": Attribute(0o444, lambda: f"platform:{device.kind}\n"),
            "subsystem": Link(self.path),
            "uevent": self.uevent(device, lambda: _uevent(device)),
        }
        if device.numa_node >= 0:
            found["numa_node"] = Attribute(0o444, lambda: f"{device.numa_node}\n")
        if device.driver is not None:
            found["driver"] = Link(f"{self.path}/drivers/{device.driver.name}")
        return found


def _uevent(device: PlatformDevice) -> list[str]:
    driver = [f"DRIVER={device.driver.name}"] if device.driver is not None else []
    return [*driver, f"MODALIAS=platform:{device.kind}"]


def _override_store(device: PlatformDevice, data: bytes) -> int:
    """Write to ``driver_override``; an empty line takes it back. Linux: ``driver_set_override``."""
    device.driver_override = c_text(data).split("\n", 1)[0] or None
    return len(data)


PLATFORM_BUS: Final = StashKey[PlatformBus]("platform bus")


def platform_bus(state: KernelState) -> PlatformBus:
    """The platform bus of a system, made on first use."""
    bus = state.stash.get(PLATFORM_BUS)
    if bus is None:
        bus = state.stash[PLATFORM_BUS] = PlatformBus(state)
    return bus
