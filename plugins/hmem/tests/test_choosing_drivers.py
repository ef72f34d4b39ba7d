"""A driver of a plugin's own: which devices it gets beside kmem and device_dax, by the order of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from errno import EBUSY, ENODEV

import pytest
from softreserve.kernel.system import System
from softreserve.model.dax import DaxDevice, DaxDriver, DaxOffer
from softreserve.model.errors import PluginResultError
from softreserve.plugins.hookspecs import hookimpl

GIB = 1 << 30
Boot = Callable[..., System]
RELEASES = ["6.1", "6.12", "6.18", "7.3"]
OFFER = DaxOffer(40 * GIB, 42 * GIB, 1, "a card")
BUS = "/sys/bus/dax"


class Driver:
    """A driver that is built apart from the kernel, and keeps what it was asked."""

    name = module = "accel"
    option = ""
    source = "drivers/accel/accel.c"
    match_always = False

    def __init__(self, type: str = "device", answer: int = 0) -> None:
        self.type = type
        self.bound: list[str] = []
        self.asked: list[str] = []
        self._answer = answer

    def probe(self, device: DaxDevice) -> int:
        self.asked.append(device.name)
        if not self._answer:
            self.bound.append(device.name)
        return self._answer

    def remove(self, device: DaxDevice) -> None:
        self.bound.remove(device.name)


class Choosing(Driver):
    """One that knows its own memory."""

    def match(self, device: DaxDevice) -> bool:
        return all(OFFER.start <= start and end < OFFER.end for start, end in device.ranges)


class Card:
    def __init__(self, driver: DaxDriver) -> None:
        self._driver = driver

    @hookimpl
    def softreserve_dax_devices(self) -> list[DaxOffer]:
        return [OFFER]

    @hookimpl
    def softreserve_dax_drivers(self) -> list[DaxDriver]:
        return [self._driver]


def driver_of(system: System, name: str) -> str | None:
    link = system.sysfs.readlink(f"{BUS}/devices/{name}")
    assert isinstance(link, str)
    found = system.sysfs.resolve(f"{BUS}/devices/{name}/driver")
    return None if found is None else found.rpartition("/")[2]


def write(system: System, path: str, text: str) -> int:
    return system.sysfs.write(f"{BUS}/{path}", text.encode())


@pytest.mark.parametrize("release", RELEASES)
def test_a_driver_that_chooses_gets_its_own_device_and_no_other(boot_hmem: Boot, release: str) -> None:
    driver = Choosing()
    system = boot_hmem(release, others=[Card(driver)])
    system.modules.coldplug()
    assert driver.bound == driver.asked == ["dax1.0"]
    assert driver_of(system, "dax1.0") == "accel"
    # dax_bus_match: device_dax takes everything before 6.3; then hmem devices are for kmem
    assert driver_of(system, "dax0.0") == ("device_dax" if release == "6.1" else "kmem")


def test_its_module_is_loaded_before_those_that_take_what_comes(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", others=[Card(Choosing())], modules=["dax_hmem", "kmem"])
    assert system.modules.live() == ["dax_hmem", "accel", "kmem"]
    assert system.sysfs.readlink(f"{BUS}/drivers/accel/module") == "../../../../module/accel"
    assert system.modules.unload("accel") == 0
    assert driver_of(system, "dax1.0") is None  # nobody offers it to kmem, which was there all the time
    assert write(system, "drivers_probe", "dax1.0") == 6
    assert driver_of(system, "dax1.0") == "kmem"
    # it comes back, and the device has a driver
    assert system.modules.load("accel") == 0
    assert driver_of(system, "dax1.0") == "kmem"
    assert write(system, "drivers/kmem/unbind", "dax1.0") == 6
    assert write(system, "drivers/accel/bind", "dax1.0") == 6


def test_drivers_that_are_built_in_are_there_first(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", others=[Card(Choosing())], config={"DEV_DAX_KMEM": "y", "DEV_DAX_HMEM": "y"})
    system.modules.coldplug()
    assert driver_of(system, "dax1.0") == "kmem"


def test_it_can_be_told_of_another_device_by_name(boot_hmem: Boot) -> None:
    driver = Choosing()
    system = boot_hmem("6.12", others=[Card(driver)], modules=["dax_hmem", "accel"])
    assert write(system, "drivers/accel/bind", "dax0.0") == -ENODEV
    assert write(system, "drivers/accel/new_id", "dax0.0") == 6
    assert driver.bound == ["dax1.0", "dax0.0"]
    assert write(system, "drivers/accel/bind", "dax0.0") == -EBUSY


@pytest.mark.parametrize("release", RELEASES)
def test_a_driver_that_only_has_a_type_comes_when_it_is_registered(boot_hmem: Boot, release: str) -> None:
    """As a driver of Linux: it is asked first where it was loaded first, and may leave a device to the next."""
    driver = Driver("kmem", -ENODEV)
    system = boot_hmem(release, others=[Card(driver)], modules=["dax_hmem", "accel", "device_dax", "kmem"])
    assert driver.asked == ([] if release == "6.1" else ["dax0.0", "dax1.0"])
    assert driver_of(system, "dax1.0") == ("device_dax" if release == "6.1" else "kmem")
    assert not [line for line in system.log.lines if "accel" in line]


def test_where_it_comes_last_it_gets_what_is_left(boot_hmem: Boot) -> None:
    driver = Driver("kmem")
    system = boot_hmem("6.12", others=[Card(driver)])
    system.modules.coldplug()
    assert driver.asked == []
    write(system, "drivers/kmem/unbind", "dax1.0")
    assert driver.asked == []  # unbinding offers a device to nobody
    assert write(system, "drivers/accel/bind", "dax1.0") == 6


@pytest.mark.parametrize("answer", [None, 1, "no"])
def test_a_match_that_is_no_answer_names_plugin_and_driver(boot_hmem: Boot, answer: object) -> None:
    driver = Choosing()
    driver.match = lambda device: answer  # type: ignore[method-assign, assignment, return-value]
    words = r"plugin other0: softreserve_dax_drivers: match of driver accel answered .*, wanted True or False"
    with pytest.raises(PluginResultError, match=words):
        boot_hmem("6.12", others=[Card(driver)], modules=["dax_hmem", "accel"])
