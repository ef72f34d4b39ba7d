"""What is left of a soft reserved range when alignment has taken its share.

Two filters, one after the other. The dax bus takes a range whole or not at all: start and length must be multiples of
what one PMD maps (Linux: ``drivers/dax/bus.c: alloc_dax_region``). kmem rounds what it got inward to whole memory
blocks (``drivers/dax/kmem.c: dax_kmem_range``). Addresses and sizes are bytes, ranges half open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["Capacity", "Granules", "capacity", "soft_reserved_capacity"]


@attrs.frozen
class Granules:
    """Sizes that decide: the page, what the dax bus aligns to (PMD_SIZE), and the memory block."""

    page: int
    dax_align: int
    memory_block: int

    @classmethod
    def of(cls, system: System) -> Granules:
        """Those of a booted system."""
        return cls(system.kernel.page_size, system.kernel.pmd_size, system.memory.block_size)


@attrs.frozen
class Capacity:
    """A range and what can be used of it; ``None``: nothing. ``kmem`` is never more than ``devdax``."""

    range: PhysRange
    devdax: PhysRange | None
    kmem: PhysRange | None

    @property
    def lost_devdax(self) -> int:
        """Bytes that no dax device can have."""
        return self.range.size - (self.devdax.size if self.devdax else 0)

    @property
    def lost_kmem(self) -> int:
        """Bytes that cannot become system RAM."""
        return self.range.size - (self.kmem.size if self.kmem else 0)


def capacity(range_: PhysRange, granules: Granules) -> Capacity:
    """What the two filters leave of a range."""
    if range_.start % granules.dax_align or range_.size % granules.dax_align:
        return Capacity(range_, None, None)
    block = granules.memory_block
    start, end = -(-range_.start // block) * block, range_.end // block * block
    return Capacity(range_, range_, PhysRange(start, end) if start < end else None)


def soft_reserved_capacity(system: System) -> list[Capacity]:
    """The capacity of every ``Soft Reserved`` resource of a booted system, by address."""
    granules = Granules.of(system)
    return [
        capacity(PhysRange.from_resource(res.start, res.end), granules)
        for _, res in system.iomem.walk()
        if res.name == "Soft Reserved"
    ]
