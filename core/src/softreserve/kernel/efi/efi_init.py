"""From the EFI memory map to memblock, where there is no table in between. Linux: ``drivers/firmware/efi/efi-init.c``.

``drivers/of/fdt.c: early_init_dt_add_memory_arch`` is here, too: it is what adds the memory.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from softreserve.model import behaviours
from softreserve.model.efi import EfiAttribute, EfiType
from softreserve.model.efi_text import native_line
from softreserve.model.events import EventLog, Rule
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.kernel import Kernel

__all__ = ["early_init_dt_add_memory_arch", "efi_init", "is_memory", "is_usable_memory", "reserve_regions"]

NOT_CACHEABLE: Final = Rule("efi-not-cacheable", "not memory: no cacheable mapping")
SET_ASIDE: Final = Rule("efi-set-aside", "specific purpose memory is set aside")
NOT_USABLE: Final = Rule("efi-not-usable", "memory that is not usable")
EARLY_RAM: Final = Rule("efi-ram", "RAM, for the early allocator")
ACPI_KEPT: Final = Rule("efi-acpi-kept", "ACPI tables are kept")

_FILE: Final = "drivers/firmware/efi/efi-init.c"
_WB: Final = int(EfiAttribute.WB)
_CACHEABLE: Final = int(EfiAttribute.WB | EfiAttribute.WT | EfiAttribute.WC)
_ACPI_RECLAIM: Final = int(EfiType.ACPI_RECLAIM)
_USABLE_TYPES: Final = frozenset(
    int(type_)
    for type_ in (
        EfiType.LOADER_CODE,
        EfiType.LOADER_DATA,
        EfiType.ACPI_RECLAIM,
        EfiType.BOOT_SERVICES_CODE,
        EfiType.BOOT_SERVICES_DATA,
        EfiType.CONVENTIONAL,
        EfiType.PERSISTENT,
    )
)


def is_memory(descriptor: EfiDescriptor) -> bool:
    """Whether a descriptor is memory at all: it can be mapped in some cacheable way, whatever its type."""
    return bool(descriptor.attribute & _CACHEABLE)


def is_usable_memory(descriptor: EfiDescriptor) -> bool:
    """Whether memory can be System RAM: free after the firmware has left, and write-back cacheable."""
    return descriptor.type in _USABLE_TYPES and bool(descriptor.attribute & _WB)


def _memrange_efi_to_native(descriptor: EfiDescriptor, page: int) -> tuple[int, int]:
    """Start and size rounded outward to the kernel's pages, modulo 2**64."""
    last = (descriptor.start + descriptor.size + page - 1) & U64_MAX
    pages = last // page - descriptor.start // page
    return descriptor.start & -page, pages * page & U64_MAX


def early_init_dt_add_memory_arch(memblock: Memblock, base: int, size: int, log: EventLog) -> None:
    """Add memory, rounded inward to pages; what is smaller than the rest of its page is ignored with a warning."""
    page = memblock.kernel.page_size
    in_page = base & (page - 1)
    if size < page - in_page:
        end = (base + size) & U64_MAX
        log.printk(f"OF: fdt: Ignoring memory block {base:#x} - {end:#x}", "drivers/of/fdt.c")
        return
    if in_page:
        size -= page - in_page
        base = (base + page - in_page) & U64_MAX
    memblock.add(base, size & -page, "early_init_dt_add_memory_arch")


def reserve_regions(memblock: Memblock, efi: Efi, kernel: Kernel, log: EventLog) -> None:
    """Replace all memory by what the EFI map says, descriptor by descriptor in the firmware's order.

    Specific purpose memory is left out while soft reservation is on; releases with ``efi-soft-reserved-nomap`` add it
    as memory that cannot be mapped.
    """
    function = f"{_FILE}: reserve_regions"
    if efi.dbg:
        log.printk("efi: Processing EFI memory map:", function)
    memblock.dump_all()
    memblock.remove(0, U64_MAX, "reserve_regions")
    for descriptor in efi.memmap or ():
        if efi.dbg:
            log.printk_later(partial(native_line, descriptor, kernel), function)
        if is_memory(descriptor):
            _add_memory(memblock, descriptor, efi.soft_reserve_enabled, kernel, log)
        else:
            _record(log, descriptor, NOT_CACHEABLE, "nothing")


def _add_memory(
    memblock: Memblock, descriptor: EfiDescriptor, soft_reserve: bool, kernel: Kernel, log: EventLog
) -> None:
    soft_reserved = soft_reserve and descriptor.is_special_purpose
    if soft_reserved and not kernel.has(behaviours.EFI_SOFT_RESERVED_NOMAP):
        _record(log, descriptor, SET_ASIDE, "not in memblock")
        return
    base, size = _memrange_efi_to_native(descriptor, kernel.page_size)
    early_init_dt_add_memory_arch(memblock, base, size, log)
    if soft_reserved or not is_usable_memory(descriptor):
        memblock.mark_nomap(base, size)
        _record(log, descriptor, NOT_USABLE, "memory, not mapped")
    else:
        _record(log, descriptor, EARLY_RAM, "memory")
    if descriptor.type == _ACPI_RECLAIM:
        memblock.reserve(base, size, "reserve_regions")
        _record(log, descriptor, ACPI_KEPT, "memory, reserved")


def _record(log: EventLog, descriptor: EfiDescriptor, rule: Rule, after: str) -> None:
    end = descriptor.start + descriptor.size
    log.record(rule, f"{_FILE}: reserve_regions", descriptor.start, end, f"EFI type {descriptor.type}", after)


def efi_init(memblock: Memblock, efi: Efi, kernel: Kernel, log: EventLog) -> None:
    """Everything between the hand-over and the linear map that changes memblock.

    Left out are reservations at addresses that only firmware and stub know: the configuration tables and the buffer
    of the map itself.
    """
    reserve_regions(memblock, efi, kernel, log)
    efi.find_mirror(memblock)
