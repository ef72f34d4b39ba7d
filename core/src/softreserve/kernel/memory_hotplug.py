"""Hot adding, onlining, offlining and removing memory. Linux: ``mm/memory_hotplug.c``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from softreserve.initcalls import Initcall

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["MemoryHotplug", "Notifier"]

#: ``(action, start_pfn, nr_pages, status_change_nid)``; action is ``"online"`` or ``"offline"``, node -1: no change.
Notifier = Callable[[str, int, int, int], None]


class _Zones:
    def free_area_init(self, max_zone_pfns: Mapping[str, int]) -> None:
        """Lay out zones."""


class MemoryHotplug:
    """Memory blocks of a system and what can be done with them."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.zones = _Zones()
        self.block_size = 128 << 20
        self._notifiers: list[tuple[int, Notifier]] = []

    def build_all_zonelists_init(self) -> None:
        """Build the zone lists at boot. Linux: ``mm/page_alloc.c: build_all_zonelists_init``."""

    def memory_dev_init(self) -> None:
        """Make the memory blocks of the memory found at boot. Linux: ``drivers/base/memory.c: memory_dev_init``."""

    def initcalls(self) -> list[Initcall]:
        """Initcalls of memory hotplug."""
        return []

    def register_memory_notifier(self, notifier: Notifier, priority: int = 0) -> None:
        """Call ``notifier`` when memory goes online or offline, higher priority first."""
        self._notifiers.append((priority, notifier))
        self._notifiers.sort(key=lambda entry: -entry[0])
