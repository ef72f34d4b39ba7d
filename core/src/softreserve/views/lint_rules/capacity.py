"""Soft reserved memory that is lost to alignment, or that hotplug cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.views.capacity import Granules, soft_reserved_capacity

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.views.capacity import Capacity

__all__ = ["check"]


def check(system: System) -> Iterator[Finding]:
    """Look at every ``Soft Reserved`` resource."""
    granules = Granules.of(system)
    first, last = system.memory.mhp_get_pluggable_range()
    for got in soft_reserved_capacity(system):
        start, end = got.range.start, got.range.end
        if start < first or got.range.last > last:
            message = f"memory can only be added from {first:#x} to {last:#x}; no driver gets this range: move it"
            yield Finding("error", "beyond-hotplug", message, start, end)
        elif got.devdax is None:
            align = granules.dax_align >> 20
            message = (
                f"no dax device, all {_mib(got.range.size)} are lost: start or size is no multiple of {align} MiB; "
                "align both in the firmware's map"
            )
            yield Finding("error", "dax-alignment", message, start, end)
        elif got.kmem is None:
            yield Finding("warning", "kmem-too-small", _too_small(granules), start, end)
        elif got.lost_kmem:
            yield Finding("warning", "kmem-alignment", _partly(got, granules), start, end)


def _too_small(granules: Granules) -> str:
    block = _mib(granules.memory_block)
    return (
        f"usable as devdax only: it holds no whole memory block of {block}, and kmem refuses it; "
        f"make it a multiple of {block} on such a border"
    )


def _partly(got: Capacity, granules: Granules) -> str:
    block = _mib(granules.memory_block)
    return (
        f"{_mib(got.lost_kmem)} of {_mib(got.range.size)} cannot be system RAM, and stay unused under kmem: "
        f"memory blocks have {block}; align start and size to that"
    )


def _mib(size: int) -> str:
    return f"{size >> 20} MiB" if not size % (1 << 20) else f"{size >> 10} KiB"
