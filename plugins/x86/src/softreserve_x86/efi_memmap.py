"""Checking and printing the EFI memory map. Linux: ``arch/x86/platform/efi/efi.c``."""

from __future__ import annotations

from functools import partial
from typing import Final

from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.efi_text import numbered_line, typeattr_format
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX

__all__ = ["efi_clean_memmap", "efi_memmap_entry_valid", "efi_print_memmap"]

_PAGE_SHIFT: Final = 12
_PAGES_MAX: Final = U64_MAX >> _PAGE_SHIFT
_HIGH_BIT: Final = 1 << 63


def efi_memmap_entry_valid(descriptor: EfiDescriptor) -> bool:
    """Whether a descriptor has pages and ends inside the 64-bit address space. Linux: the same function."""
    pages = descriptor.pages
    return 0 < pages <= _PAGES_MAX and _PAGES_MAX - pages >= descriptor.start >> _PAGE_SHIFT


def _invalid_line(index: int, descriptor: EfiDescriptor, kernel: Kernel) -> str:
    """How an invalid entry is shown: an empty one ends at 0, an overflowing end has its further digits in front."""
    end, end_high = 0, 0
    if descriptor.pages:
        end = descriptor.last
        end_high = descriptor.pages >> (64 - _PAGE_SHIFT)
        if descriptor.start & _HIGH_BIT and not end & _HIGH_BIT:
            end_high += 1
    high = f"{end_high:x}" if end_high else ""
    where = f"range=[0x{descriptor.start:016x}-0x{high}{end:016x}]"
    return f"efi: mem{index:02}: {typeattr_format(descriptor, kernel)} {where} (invalid)"


def efi_clean_memmap(efi_map: EfiMemoryMap, kernel: Kernel, log: EventLog) -> EfiMemoryMap:
    """The map without invalid descriptors; each of them is logged with its number in the original map.

    Linux: the same function, and ``efi_memmap_entry_valid`` for the lines.
    """
    kept: list[EfiDescriptor] = []
    function = "arch/x86/platform/efi/efi.c: efi_clean_memmap"
    removed = 0
    for index, descriptor in enumerate(efi_map):
        if efi_memmap_entry_valid(descriptor):
            kept.append(descriptor)
            continue
        if not removed:
            log.printk("efi: [Firmware Bug]: Invalid EFI memory map entries:", function)
        log.printk(_invalid_line(index, descriptor, kernel), function)
        removed += 1
    if not removed:
        return efi_map
    log.printk(f"efi: Removing {removed} invalid memory map entries.", function)
    return efi_map.replaced(kept)


def efi_print_memmap(efi_map: EfiMemoryMap, kernel: Kernel, log: EventLog) -> None:
    """Print every descriptor in the map's order. Linux: the same function."""
    for index, descriptor in enumerate(efi_map):
        line = partial(numbered_line, index, descriptor, kernel)
        log.printk_later(line, "arch/x86/platform/efi/efi.c: efi_print_memmap")
