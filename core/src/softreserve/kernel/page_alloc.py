"""Nodes' zones and zone lists. Linux: ``mm/mm_init.c``, ``mm/page_alloc.c``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["free_area_init"]


def free_area_init(system: System, max_zone_pfns: Mapping[str, int]) -> None:
    """Lay out the zones of every node and print them. Linux: ``mm/mm_init.c: free_area_init``.

    :param max_zone_pfns: zone name (``"DMA"``, ``"DMA32"``, ``"Normal"``) to the first pfn above the zone, for the zones
        that the kernel is configured with; called by the architecture when nodes are known and ``system.memblock`` is
        complete.
    """
    system.memory.zones.free_area_init(max_zone_pfns)
