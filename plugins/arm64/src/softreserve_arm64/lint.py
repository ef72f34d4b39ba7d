"""What a person should know about soft reserved memory on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve.capacity import soft_reserved_capacity
from softreserve.kernel.efi import EFI
from softreserve.lint import Finding

from softreserve_arm64.sizes import granules

if TYPE_CHECKING:
    from softreserve.model.efi import EfiDescriptor
    from softreserve.system import System

__all__ = ["lint"]


def lint(system: System) -> list[Finding]:
    """Ranges that never became a resource, and capacity that alignment takes."""
    return [*_unregistered(system), *_lost_capacity(system), *_unreachable(system)]


def _unregistered(system: System) -> list[Finding]:
    """Specific purpose descriptors without a ``Soft Reserved`` resource that begins where they begin."""
    efi = system.stash.get(EFI)
    if efi is None or not efi.soft_reserve_enabled:
        return []
    known = {(res.start, res.end) for _, res in system.iomem.walk() if res.name == "Soft Reserved"}
    return [
        _finding("error", "soft-reserved-lost", "the kernel cannot register it: no dax device, no system RAM", md)
        for md in efi.memmap or ()
        if md.is_special_purpose and md.size and (md.start, md.last) not in known
    ]


def _finding(severity: str, rule: str, message: str, descriptor: EfiDescriptor) -> Finding:
    end = descriptor.start + descriptor.size
    return Finding(severity, rule, f"specific purpose memory: {message}", descriptor.start, end)


def _lost_capacity(system: System) -> list[Finding]:
    sizes = granules(system.kernel)
    found = []
    for got in soft_reserved_capacity(system, sizes):
        if got.devdax is None:
            message = f"not a multiple of {sizes.dax_align >> 20} MiB in start and size: no dax device at all"
            found.append(Finding("warning", "dax-alignment", message, got.range.start, got.range.end))
        elif got.lost_kmem:
            message = (
                f"{got.lost_kmem >> 20} of {got.range.size >> 20} MiB cannot become system RAM:"
                f" not aligned to memory blocks of {sizes.memory_block >> 20} MiB"
            )
            found.append(Finding("warning", "kmem-alignment", message, got.range.start, got.range.end))
    return found


def _unreachable(system: System) -> list[Finding]:
    """Soft reserved memory outside the linear map: usable as devdax, refused by memory hotplug."""
    first, last = system.memory.mhp_get_pluggable_range()
    return [
        Finding(
            "warning",
            "outside-linear-map",
            f"cannot become system RAM: the linear map reaches from {first:#x} to {last:#x}",
            res.start,
            res.end + 1,
        )
        for _, res in system.iomem.walk()
        if res.name == "Soft Reserved" and (res.start < first or res.end > last)
    ]
