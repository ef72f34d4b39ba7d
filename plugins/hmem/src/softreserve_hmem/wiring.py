"""Where the parts of this plugin meet: what runs at boot, and which modules there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.modules import Module, Parameter
from softreserve.kernel.sysfs import Directory
from softreserve.model.behaviours import CXL_UPDATES_NODES
from softreserve.plugins.hooks import hooks_of

from softreserve_hmem import behaviours
from softreserve_hmem.hmem_device import (
    DAX_CORE_INIT,
    HMEM_DEVICE_FILE,
    HMEM_DEVICES,
    HmemDevices,
    has_hmem_devices,
    hmem_devices,
)
from softreserve_hmem.memory_tiers import MEMORY_TIERS

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxDriver

    from softreserve_hmem.bus import DaxBus
    from softreserve_hmem.hmem import DaxHmem

__all__ = ["modules", "setup"]

#: Linux: ``include/linux/memory.h: HMAT_CALLBACK_PRI``; CXL's is between them.
_HMAT_CALLBACK_PRIORITY: Final = 2
_HMAT_CALLBACK_PRIORITY_BEFORE_CXL: Final = 6


def setup(system: System) -> list[Initcall]:
    """Make what is offered to the dax bus; returned are the initcalls that fill it."""
    devices = system.stash[HMEM_DEVICES] = hmem_devices(system)
    found = []
    if system.kernel.builtin("ACPI_HMAT"):
        found.append(Initcall(devices.hmat_level, "drivers/acpi/numa/hmat.c", "hmat_init", lambda: _hmat_init(system)))
    if not has_hmem_devices(system.kernel):
        # what plugins bring is soft reserved memory of which nobody makes devices
        level, name = devices.init_level, "offers of plugins"
        found.append(Initcall(level, HMEM_DEVICE_FILE, name, lambda: _set_offers_aside(devices)))
    return found


def _set_offers_aside(devices: HmemDevices) -> None:
    devices.ask_plugins()


def _hmat_init(system: System) -> None:
    # Without SRAT nothing happens, and what reads HMATs need not be imported.
    if "SRAT" not in system.acpi:
        return
    from softreserve_hmem.hmat import HMAT, HmatState

    devices = system.stash[HMEM_DEVICES]
    hmat = HmatState(system.kernel, system.log, system.nodes, devices.register, system.stash.get(MEMORY_TIERS))
    if hmat.hmat_init(system.acpi):
        system.stash[HMAT] = system.nodes.performance = hmat
        before_cxl = system.kernel.has(CXL_UPDATES_NODES)
        priority = _HMAT_CALLBACK_PRIORITY_BEFORE_CXL if before_cxl else _HMAT_CALLBACK_PRIORITY
        system.memory.register_memory_notifier(hmat.callback, priority)


def modules(system: System) -> list[Module]:
    """All modules: the bus, hmem devices, dax_hmem, and one for every driver that a plugin brings."""
    devices = system.stash[HMEM_DEVICES]
    found = [
        Module(
            "dax",
            "DAX",
            "drivers/dax/super.c",
            init=lambda: _publish(system),
            level=Level.SUBSYS,
            init_name=DAX_CORE_INIT,
        ),
        _dax_hmem(system, devices),
        *_driver_modules(system, hooks_of(system).dax_drivers(system)),
    ]
    if has_hmem_devices(system.kernel):
        found.append(
            Module(
                "device_hmem",
                "DAX",
                HMEM_DEVICE_FILE,
                devices.hmem_init,
                level=devices.init_level,
                parameters=(devices.disable,),
                init_name="hmem_init",
            )
        )
    return found


def _bus(system: System) -> DaxBus:
    from softreserve_hmem.bus import dax_bus

    return dax_bus(system)


def _publish(system: System) -> int:
    """Show the bus in sysfs; what is in it is made when somebody looks. Linux: ``dax_bus_init``."""

    @cache
    def contents() -> Directory:
        return _bus(system).directory()

    system.sysfs.add(
        "/sys/bus/dax",
        Directory(names=lambda: contents().listing(), lookup=lambda name: contents().get(name)),
    )
    return 0


def _dax_hmem(system: System, devices: HmemDevices) -> Module:
    """The module, made when it is loaded."""
    kernel = system.kernel
    region_idle = Parameter("region_idle")

    @cache
    def dax_hmem() -> DaxHmem:
        from softreserve_hmem.hmem import DaxHmem

        return DaxHmem(system, devices, region_idle)

    waits = kernel.has(behaviours.HMEM_DEFERS_TO_CXL) and kernel.config.get("CXL_ACPI") == "m"
    return Module(
        "dax_hmem",
        "DEV_DAX_HMEM",
        "drivers/dax/hmem/hmem.c",
        lambda: dax_hmem().init(),
        lambda: dax_hmem().exit(),
        parameters=(region_idle,),
        depends=("dax",),
        soft_depends=("cxl_acpi",) if waits else (),
        init_name="" if devices.waits_for_module else "dax_hmem_driver_init",
    )


def _driver_modules(system: System, drivers: Sequence[DaxDriver]) -> Iterator[Module]:
    """A module for each driver; those that choose their devices are loaded before those that take what comes.

    ``modprobe.d`` says that: the package of such a driver has a line ``softdep kmem pre: NAME`` there.
    """
    choosing = tuple(driver.module for driver in drivers if hasattr(driver, "match"))
    for driver in drivers:
        yield Module(
            driver.module,
            driver.option,
            driver.source,
            partial(_register, system, driver),
            partial(_unregister, system, driver),
            depends=("dax",),
            soft_depends=() if driver.module in choosing else choosing,
            init_name=getattr(driver, "init_name", ""),
        )


def _register(system: System, driver: DaxDriver) -> int:
    return _bus(system).driver_register(driver)


def _unregister(system: System, driver: DaxDriver) -> None:
    _bus(system).driver_unregister(driver)
