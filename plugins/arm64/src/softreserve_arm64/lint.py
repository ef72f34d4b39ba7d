"""What a person should know about soft reserved memory on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve import capacity
from softreserve.kernel.efi import EFI
from softreserve.lint import Finding

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["lint"]


def lint(system: System) -> list[Finding]:
    """Ranges that never became a resource, and capacity that alignment takes."""
    return [*_unregistered(system), *capacity.findings(system)]


def _unregistered(system: System) -> list[Finding]:
    """Specific purpose descriptors that no ``Soft Reserved`` resource shows whole: the kernel says nothing of them."""
    efi = system.stash.get(EFI)
    if efi is None or not efi.soft_reserve_enabled:
        return []
    known = {(res.start, res.end) for _, res in system.iomem.walk() if res.name == "Soft Reserved"}
    found = []
    for descriptor in efi.memmap or ():
        start, last = descriptor.start, descriptor.last
        if descriptor.is_special_purpose and descriptor.size and (start, last) not in known:
            message = (
                f"specific purpose memory {start:#x}-{last:#x}: not registered as a whole, and so no dax device;"
                " it overlaps other memory in part, or this release loses its size"
            )
            found.append(Finding("error", "soft-reserved-lost", message, start, start + descriptor.size))
    return found
