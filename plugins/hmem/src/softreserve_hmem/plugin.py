"""Hooks of the hmem plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.plugins.hookspecs import hookimpl

from softreserve_hmem import behaviours, memory_tiers, wiring
from softreserve_hmem.device_dax import DeviceDaxDriver, FsdevDaxDriver
from softreserve_hmem.kmem import KmemDriver

if TYPE_CHECKING:
    from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.modules import Module
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxCapacity, DaxDriver
    from softreserve.model.findings import Finding
    from softreserve.model.outcome import Outcome
    from softreserve.model.ranges import PhysRange

__all__ = [
    "softreserve_dax_capacity",
    "softreserve_dax_drivers",
    "softreserve_dax_region",
    "softreserve_lint",
    "softreserve_modules",
    "softreserve_register_resources",
    "softreserve_sysfs",
]


@hookimpl
def softreserve_register_resources(system: System) -> Sequence[Initcall]:
    """Set memory tiers, HMAT and the dax bus up."""
    return [*memory_tiers.setup(system), *wiring.setup(system)]


@hookimpl
def softreserve_modules(system: System) -> Sequence[Module]:
    """Bring the modules around the dax bus."""
    return wiring.modules(system)


@hookimpl
def softreserve_dax_drivers(system: System) -> Sequence[DaxDriver]:
    """Bring the drivers, in the order in which they are linked."""
    found: list[DaxDriver] = [DeviceDaxDriver(system), KmemDriver(system)]
    if system.kernel.has(behaviours.DAX_FSDEV):
        found.append(FsdevDaxDriver(system))
    return found


@hookimpl
def softreserve_dax_region(system: System, request: DaxRegionRequest) -> DaxRegionMade | None:
    """Make a region for another driver."""
    from softreserve_hmem.made import made_region

    return made_region(system, request)


@hookimpl
def softreserve_sysfs(system: System) -> None:
    """Show memory tiers."""
    memory_tiers.publish(system)


@hookimpl
def softreserve_lint(system: System, outcome: Outcome, onlined: Outcome) -> Sequence[Finding]:
    """Soft reserved memory that does not get where it should, and what is wrong with the HMAT."""
    from softreserve_hmem import lint

    return lint.lint(system, outcome, onlined)


@hookimpl
def softreserve_dax_capacity(system: System, where: PhysRange) -> DaxCapacity:
    """What the bus and kmem take of a range."""
    from softreserve_hmem import capacity

    return capacity.dax_capacity(system, where)
