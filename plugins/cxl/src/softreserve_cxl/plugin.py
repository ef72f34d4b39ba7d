"""Hooks of the CXL plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from softreserve.kernel.modules import Module
    from softreserve.kernel.system import System
    from softreserve.model.findings import Finding
    from softreserve.model.machine import Machine
    from softreserve.model.ranges import PhysRange

__all__ = ["softreserve_dax_claimed", "softreserve_kexec_hardware", "softreserve_lint", "softreserve_modules"]


@hookimpl
def softreserve_modules(system: System) -> Sequence[Module]:
    """Bring the modules of CXL."""
    from softreserve_cxl import wiring

    return wiring.modules(system)


@hookimpl
def softreserve_dax_claimed(system: System, where: PhysRange) -> str | None:
    """A region that is committed, and holds all of the range."""
    if "CEDT" not in system.acpi:
        return None
    from softreserve_cxl.region import committed_regions

    for region in committed_regions(system):
        if region.res is not None and region.res.start <= where.start and where.end <= region.res.end + 1:
            return f"CXL {region.name}"
    return None


@hookimpl
def softreserve_kexec_hardware(system: System, machine: Machine) -> Machine | None:
    """Decoders keep what this kernel has programmed."""
    if not machine.cxl:
        return None
    import attrs

    from softreserve_cxl.hardware import hardware

    return attrs.evolve(machine, cxl=tuple(bridge.frozen() for bridge in hardware(system)))


@hookimpl
def softreserve_lint(system: System) -> Sequence[Finding]:
    """Windows, regions and devices that do not fit each other."""
    if "CEDT" not in system.acpi:
        return []
    from softreserve_cxl import lint

    return list(lint.lint(system))
