"""Which modules there are."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from softreserve.kernel.initcalls import Level
from softreserve.kernel.modules import Module

from softreserve_cxl import behaviours

if TYPE_CHECKING:
    from collections.abc import Callable

    from softreserve.kernel.system import System

__all__ = ["modules"]

_Pair = tuple["Callable[[], int]", "Callable[[], object]"]


def modules(system: System) -> list[Module]:
    """The modules of CXL. On a machine without a CEDT nothing is there for them to bind to."""
    kernel = system.kernel
    if not kernel.has(behaviours.CXL_ACPI_WINDOWS):
        return []
    ram_regions = kernel.has(behaviours.CXL_RAM_REGIONS)
    nothing: _Pair = (_nothing, _nothing)
    acpi = pci = mem = dax = port = nothing
    if "cxl_core_init" in system.denied.initcalls:  # there is no bus: no root, and no driver of CXL's own
        mem = dax = (_without_bus, _nothing)
    elif "CEDT" in system.acpi:
        acpi, pci, mem, dax, port = _drivers(system, assembles=ram_regions)
    level = Level.SUBSYS if kernel.has(behaviours.CXL_ACPI_EARLY) else Level.DEVICE
    mem_first = kernel.has(behaviours.CXL_PCI_NEEDS_MEM)
    needs = ("cxl_core",)
    found = [
        Module("cxl_core", "CXL_BUS", "drivers/cxl/core/port.c", *port, level=Level.SUBSYS),
        Module("cxl_acpi", "CXL_ACPI", "drivers/cxl/acpi.c", *acpi, level=level, depends=needs),
        Module("cxl_mem", "CXL_MEM", "drivers/cxl/mem.c", *mem, depends=needs, init_name="cxl_mem_driver_init"),
        Module(
            "cxl_pci",
            "CXL_PCI",
            "drivers/cxl/pci.c",
            *pci,
            depends=(*needs, *("cxl_mem",) * mem_first),
            init_name="cxl_pci_driver_init",
        ),
    ]
    if ram_regions:
        waits = kernel.has(behaviours.DAX_CXL_WAITS_FOR_HMEM)
        depends = (*("dax_hmem",) * waits, *needs)
        init_name = "cxl_dax_region_init" if waits else "cxl_dax_region_driver_init"
        found.append(Module("dax_cxl", "DEV_DAX_CXL", "drivers/dax/cxl.c", *dax, depends=depends, init_name=init_name))
    for module in found:
        module.has_device = "CEDT" in system.acpi
    return found


def _nothing() -> int:
    return 0


def _without_bus() -> int:
    """What ``driver_register`` answers for a bus that was not set up."""
    return -EINVAL


def _drivers(system: System, *, assembles: bool) -> list[_Pair]:
    """What modules do when they come and go: cxl_acpi, cxl_pci, cxl_mem, dax_cxl, cxl_core with cxl_port."""
    from softreserve_cxl.acpi import CxlAcpi
    from softreserve_cxl.bus import CxlDriver, cxl_bus, option
    from softreserve_cxl.dax import CxlDaxRegionDriver, add_dax_region
    from softreserve_cxl.memdev import CxlMemDriver, CxlPci, CxlPortDriver
    from softreserve_cxl.region import CxlRegionDriver

    def of(*drivers: CxlDriver) -> _Pair:
        def init() -> int:
            return next(filter(None, [cxl_bus(system).driver_register(driver) for driver in drivers]), 0)

        def leave() -> None:
            for driver in reversed(drivers):
                cxl_bus(system).driver_unregister(driver)

        return init, leave

    acpi, pci = CxlAcpi(system), CxlPci(system)
    core: list[CxlDriver] = [CxlPortDriver(assembles=assembles)] if option(system.kernel, "CXL_PORT") else []
    if option(system.kernel, "CXL_REGION"):
        core.append(CxlRegionDriver(system, add_dax_region))
    return [
        (acpi.init, acpi.exit),
        (pci.init, pci.exit),
        of(CxlMemDriver()),
        of(CxlDaxRegionDriver(system)),
        of(*core),
    ]
