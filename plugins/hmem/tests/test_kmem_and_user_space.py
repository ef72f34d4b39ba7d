"""Memory that kmem adds, and what user space does with it: it has its turn when the device is bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from softreserve.kernel.system import System
from softreserve.live.server import LiveSystem
from softreserve.plugins.hookspecs import hookimpl

GIB = 1 << 30
Boot = Callable[..., System]
BUS = "/sys/bus/dax"


class Udev:
    """Keeps how the machine was each time that it was told of memory."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, int]] = []
        self.drivers: set[str | None] = set()

    @hookimpl
    def softreserve_memory_added(self, system: System, nid: int, start: int, size: int) -> str:
        self.told.append((nid, start, size))
        self.drivers.add(system.sysfs.resolve(f"{BUS}/devices/dax0.0/driver"))
        return "online_movable"


def states(system: System) -> set[bytes | int]:
    found = [n for b in system.memory.blocks for n in range(b.first, b.end) if not b.early]
    return {system.sysfs.read(f"/sys/devices/system/memory/memory{number}/state") for number in found}


@pytest.mark.parametrize("release", ["6.1", "6.12", "6.18", "7.3"])
def test_a_bind_by_echo_is_over_when_user_space_has_its_turn(boot_hmem: Boot, release: str) -> None:
    udev = Udev()
    system = boot_hmem(release, modules=["dax_hmem", "device_dax"], others=[udev])
    live = LiveSystem(system)
    if release != "6.1":
        assert udev.told == []
        system.modules.load("kmem")
    else:
        # device_dax has it: match_always
        system.modules.load("kmem")
        assert live.write(f"{BUS}/drivers/device_dax/unbind", b"dax0.0") == 6
        assert live.write(f"{BUS}/drivers/kmem/new_id", b"dax0.0") == 6
    assert udev.told == [(1, 9 * GIB, 8 * GIB)]
    assert udev.drivers == {f"{BUS}/drivers/kmem"}
    assert states(system) == {b"online\n"}
    assert system.sysfs.read("/sys/devices/system/node/has_memory") == b"0-1\n"


def test_each_range_of_a_device_is_told_when_all_are_added(boot_hmem: Boot) -> None:
    udev = Udev()
    system = boot_hmem("6.12", modules=["dax_hmem"], cmdline="dax_hmem.region_idle=1", others=[udev])
    device = "/sys/bus/dax/devices/dax0.0"
    for where in (b"0x240000000-0x27fffffff", b"0x2c0000000-0x2ffffffff"):
        assert system.sysfs.write(f"{device}/mapping", where) == len(where)
    system.modules.load("kmem")
    assert system.sysfs.write(f"{BUS}/drivers/kmem/new_id", b"dax0.0") == 6
    assert udev.told == [(1, 9 * GIB, GIB), (1, 11 * GIB, GIB)]
    assert udev.drivers == {f"{BUS}/drivers/kmem"}


def test_what_kmem_has_as_a_built_in_driver_is_told_when_udev_begins(boot_hmem: Boot) -> None:
    udev = Udev()
    system = boot_hmem("6.12", config={"DEV_DAX_KMEM": "y", "DEV_DAX_HMEM": "y"}, others=[udev])
    assert (udev.told, states(system)) == ([], {b"offline\n"})
    system.memory.added.user_space_begins()
    assert udev.told == [(1, 9 * GIB, 8 * GIB)]
    assert states(system) == {b"online\n"}
