"""Hooks of the hmem plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.hookspecs import hookimpl

from softreserve_hmem import memory_tiers
from softreserve_hmem.kmem import KmemDriver

if TYPE_CHECKING:
    from softreserve.dax import DaxDriver
    from softreserve.initcalls import Initcall
    from softreserve.system import System

__all__ = ["softreserve_dax_drivers", "softreserve_register_resources", "softreserve_sysfs"]


@hookimpl
def softreserve_register_resources(system: System) -> Sequence[Initcall]:
    """Set memory tiers up."""
    return memory_tiers.setup(system)


@hookimpl
def softreserve_dax_drivers(system: System) -> Sequence[DaxDriver]:
    """Bring kmem."""
    return [KmemDriver(system)]


@hookimpl
def softreserve_sysfs(system: System) -> None:
    """Show memory tiers."""
    memory_tiers.publish(system)
