"""The EFI map that x86 keeps once the firmware runs in virtual mode, and hands to the next kernel.

Linux: ``arch/x86/platform/efi/efi.c: __efi_enter_virtual_mode``, ``arch/x86/platform/efi/quirks.c:
efi_unmap_boot_services``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kernel.efi.efi import EFI
from softreserve.kernel.kernfs import in_readdir_order
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["as_listed", "runtime_map"]

#: The window that the firmware's regions are mapped into, bytes, from the top down.
_VA_START: Final = (1 << 64) - (4 << 30)
_VA_END: Final = (1 << 64) - (68 << 30)
_PMD_SIZE: Final = 2 << 20
_RUNTIME: Final = int(EfiAttribute.RUNTIME)
_BOOT_SERVICES: Final = frozenset({int(EfiType.BOOT_SERVICES_CODE), int(EfiType.BOOT_SERVICES_DATA)})


def runtime_map(system: System) -> EfiMemoryMap | None:
    """``efi.memmap`` of a running x86 kernel; ``None`` where there are no runtime services.

    A kernel that was itself started by kexec keeps the map that it was handed.
    """
    efi = system.stash.get(EFI)
    if efi is None or efi.memmap is None or not system.kernel.builtin("EFI"):
        return None
    if system.machine.boot == "kexec":
        return efi.memmap
    merged = reversed(_merge_regions(efi.memmap.descriptors))
    kept = list(_mapped(d for d in merged if _should_map_region(d)))
    if not efi.dbg:
        # boot services are let go of, unless somebody may want to look at them
        kept = [d for d in kept if d.attribute & _RUNTIME or d.type not in _BOOT_SERVICES]
    return efi.memmap.replaced(kept)


def _merge_regions(descriptors: tuple[EfiDescriptor, ...]) -> list[EfiDescriptor]:
    """Join neighbours in the list of one type and attribute. Linux: ``efi_merge_regions``."""
    merged: list[EfiDescriptor] = []
    at: int | None = None
    for descriptor in descriptors:
        before = merged[at] if at is not None else None
        if (
            at is not None
            and before is not None
            and (before.type, before.attribute) == (descriptor.type, descriptor.attribute)
            and before.start + before.size == descriptor.start
        ):
            merged[at] = attrs.evolve(before, pages=before.pages + descriptor.pages)
            # what was joined stays in the list as something that nobody maps
            merged.append(attrs.evolve(descriptor, type=int(EfiType.RESERVED), attribute=0))
        else:
            at = len(merged)
            merged.append(descriptor)
    return merged


def _should_map_region(descriptor: EfiDescriptor) -> bool:
    return bool(descriptor.attribute & _RUNTIME) or descriptor.type in _BOOT_SERVICES


def _mapped(descriptors: Iterable[EfiDescriptor]) -> Iterator[EfiDescriptor]:
    """Each region with its virtual address: downwards, and at the same place in a huge page as it has in memory.

    One that the window has no room for keeps the address that it had. Linux: ``efi_map_region``.
    """
    at = _VA_START
    for descriptor in descriptors:
        at -= descriptor.size
        offset = descriptor.start % _PMD_SIZE
        at -= (at - offset) % _PMD_SIZE
        yield attrs.evolve(descriptor, virt=at) if at >= _VA_END else descriptor


def as_listed(efi_map: EfiMemoryMap) -> tuple[EfiDescriptor, ...]:
    """Descriptors in the order in which ``/sys/firmware/efi/runtime-map`` is listed: not that of the map."""
    order = in_readdir_order(str(index) for index in range(len(efi_map)))
    return tuple(efi_map.descriptors[int(name)] for name in order)
