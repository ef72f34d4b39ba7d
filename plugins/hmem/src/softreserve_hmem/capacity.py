"""What alignment leaves of a range: the filters of the bus and of kmem, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve.model.dax import DaxCapacity
from softreserve.model.ranges import PhysRange

from softreserve_hmem.hmem_device import HMEM_DEVICES
from softreserve_hmem.kmem import dax_kmem_range
from softreserve_hmem.region import is_aligned

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["dax_capacity"]


def dax_capacity(system: System, where: PhysRange) -> DaxCapacity:
    """The bus takes a range whole or not at all, if it is told of it; kmem takes the whole memory blocks in it."""
    devices = system.stash.get(HMEM_DEVICES)
    if devices is not None and devices.looks_elsewhere(0, 1 << 64):
        return DaxCapacity(None, None)
    if not is_aligned(system.kernel, where.start, where.size):
        return DaxCapacity(None, None)
    blocks = dax_kmem_range(system, where.start, where.last)
    return DaxCapacity(where, None if blocks is None else PhysRange.from_resource(*blocks))
