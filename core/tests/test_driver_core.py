"""The driver core and the platform bus. Expected values: by hand from ``drivers/base``."""

from __future__ import annotations

from errno import EBUSY, EIO, ENODEV

import attrs
import pytest
from softreserve.kernel.driver_core.platform import PlatformBus, PlatformDevice, platform_bus
from softreserve.kernel.resource import IORESOURCE_BUSY, IORESOURCE_MEM, Resource
from softreserve.kernel.system import System
from softreserve.testing.memory import boot_memory

GIB, MIB = 1 << 30, 1 << 20
DRIVERS = "/sys/bus/platform/drivers"


@attrs.define
class Driver:
    """A driver of devices of its name; ``answers`` are what its probes end with, one after the other, then 0."""

    name: str = "toy"
    module: str = "toy"
    answers: list[int] = attrs.field(factory=list)
    bound: list[str] = attrs.field(factory=list)

    def probe(self, device: PlatformDevice) -> int:
        status = self.answers.pop(0) if self.answers else 0
        if status == 0:
            self.bound.append(device.name)
        return status

    def remove(self, device: PlatformDevice) -> None:
        self.bound.remove(device.name)


@pytest.fixture
def system() -> System:
    return boot_memory()


@pytest.fixture
def bus(system: System) -> PlatformBus:
    return platform_bus(system)


def memory(start: int, size: int) -> Resource:
    return Resource(start, start + size - 1, "", IORESOURCE_MEM | IORESOURCE_BUSY)


def test_a_driver_is_there_once(bus: PlatformBus, system: System) -> None:
    assert bus.driver_register(Driver()) == 0
    assert bus.driver_register(Driver()) == -EBUSY
    assert system.log.lines[-1] == "Error: Driver 'toy' is already registered, aborting..."


def test_drivers_and_devices_find_each_other_whoever_comes_first(bus: PlatformBus) -> None:
    driver = Driver()
    bus.platform_device_add(PlatformDevice("toy", 1))
    bus.driver_register(driver)
    bus.platform_device_add(PlatformDevice("toy", 0))
    bus.platform_device_add(PlatformDevice("other", 0))
    assert driver.bound == ["toy.1", "toy.0"]
    bus.driver_unregister(driver)
    assert driver.bound == []


def test_without_autoprobe_somebody_has_to_ask(bus: PlatformBus, system: System) -> None:
    driver = Driver()
    assert system.sysfs.write("/sys/bus/platform/drivers_autoprobe", b"0\n") == 2
    bus.driver_register(driver)
    bus.platform_device_add(PlatformDevice("toy", 0))
    assert driver.bound == []
    assert system.sysfs.write("/sys/bus/platform/drivers_probe", b"toy.1") == -ENODEV
    assert system.sysfs.write("/sys/bus/platform/drivers_probe", b"toy.0\n") == 6
    assert system.sysfs.write("/sys/bus/platform/drivers_probe", b"toy.0\n") == 6  # it has a driver, and keeps it
    assert driver.bound == ["toy.0"]


def test_a_refusal_is_silent_and_a_failure_is_not(bus: PlatformBus, system: System) -> None:
    before = len(system.log.lines)
    bus.driver_register(Driver(answers=[-ENODEV, -EIO]))
    bus.platform_device_add(PlatformDevice("toy", 0))
    assert len(system.log.lines) == before
    assert system.sysfs.write("/sys/bus/platform/drivers_probe", b"toy.0") == 5
    assert system.log.lines[before:] == ["toy toy.0: probe with driver toy failed with error -5"]
    assert system.sysfs.write(f"{DRIVERS}/toy/bind", b"toy.0") == 5
    assert system.sysfs.write(f"{DRIVERS}/toy/unbind", b"toy.0") == 5
    assert system.sysfs.write(f"{DRIVERS}/toy/unbind", b"toy.0") == -ENODEV


def test_an_override_decides_alone_until_it_is_taken_back(bus: PlatformBus, system: System) -> None:
    toy, other = Driver(), Driver("other", "other")
    bus.driver_register(toy)
    bus.driver_register(other)
    device = PlatformDevice("toy", 0)
    bus.platform_device_add(device)
    override = f"{device.path}/driver_override"
    assert system.sysfs.write(override, b"other\n") == 6
    assert system.sysfs.read(override) == b"other\n"
    assert system.sysfs.write(f"{DRIVERS}/toy/unbind", b"toy.0") == 5
    assert system.sysfs.write(f"{DRIVERS}/toy/bind", b"toy.0") == -ENODEV
    assert system.sysfs.write(f"{DRIVERS}/other/bind", b"toy.0") == 5
    assert system.sysfs.write(override, b"\n") == 1
    assert system.sysfs.read(override) == b"(null)\n"
    assert (toy.bound, other.bound) == ([], ["toy.0"])


def test_a_device_whose_resource_is_taken_is_not_added_and_claims_nothing(bus: PlatformBus, system: System) -> None:
    assert bus.platform_device_add(PlatformDevice("toy", 0, resources=(memory(9 * GIB, GIB),))) == 0
    clash = PlatformDevice("toy", 1, resources=(memory(8 * GIB, MIB), memory(9 * GIB + MIB, GIB)))
    assert bus.platform_device_add(clash) == -EBUSY
    assert system.log.lines[-1] == "platform toy.1: failed to claim resource 1: [mem 0x240100000-0x2800fffff]"
    assert [res.name for _, res in system.iomem.walk() if res.start >= 8 * GIB] == ["toy.0"]
    assert system.sysfs.node(clash.path) is None


def test_a_device_that_goes_leaves_nothing(bus: PlatformBus, system: System) -> None:
    driver = Driver()
    bus.driver_register(driver)
    parent = PlatformDevice("parent", 0)
    child = PlatformDevice("toy", 0, numa_node=1, resources=(memory(9 * GIB, GIB),), parent=parent)
    bus.platform_device_add(parent)
    bus.platform_device_add(child)
    assert system.sysfs.read(f"{parent.path}/toy.0/numa_node") == b"1\n"
    bus.platform_device_unregister(child)
    bus.platform_device_unregister(parent)
    assert driver.bound == []
    assert system.sysfs.node(parent.path) is None
    assert [res.name for _, res in system.iomem.walk() if res.start >= 8 * GIB] == []
