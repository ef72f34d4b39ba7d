"""What x86 does with the EFI memory map. Linux: ``arch/x86/platform/efi/efi.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiType
from softreserve.model.events import EventLog, Rule
from softreserve.model.units import U64_MAX

from softreserve_x86 import behaviours, e820
from softreserve_x86.efi_memmap import efi_clean_memmap, efi_print_memmap
from softreserve_x86.stub import USABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.model.kernel import Kernel
    from softreserve.model.ranges import PhysRange

__all__ = [
    "arch_mem_reserve",
    "do_add_efi_memmap",
    "do_efi_soft_reserve",
    "init",
    "remove_e820_mmio",
    "reserve_boot_services",
]

IMPORTED: Final = Rule("efi-imported", "specific purpose memory is imported from the EFI map")
_WB: Final = int(EfiAttribute.WB)
_BOOT_SERVICES: Final = (int(EfiType.BOOT_SERVICES_CODE), int(EfiType.BOOT_SERVICES_DATA))
_RUNTIME: Final = int(EfiAttribute.RUNTIME)
#: MMIO descriptors of at least this many bytes are taken out of e820.
_LARGE_MMIO: Final = 256 << 10

#: e820 types of an import; everything that is neither here nor usable is reserved.
_IMPORTED_TYPES: Final = {
    int(EfiType.ACPI_RECLAIM): e820.ACPI,
    int(EfiType.ACPI_NVS): e820.NVS,
    int(EfiType.UNUSABLE): e820.UNUSABLE,
    int(EfiType.PERSISTENT): e820.PMEM,
}


def do_efi_soft_reserve(efi: Efi) -> bool:
    """Whether there is specific purpose memory to set aside: reason enough to import the whole EFI map."""
    return efi.soft_reserve_enabled and any(
        d.type == EfiType.CONVENTIONAL and d.is_special_purpose for d in efi.memmap or ()
    )


def do_add_efi_memmap(efi: Efi, table: e820.E820Table, log: EventLog) -> None:
    """Add every descriptor to the e820 table, and sanitise. Nothing is taken away, the highest type wins.

    Unlike the stub this looks at write-back, and takes unknown types for reserved.
    """
    if efi.memmap is None:
        return
    for descriptor in efi.memmap:
        e820_type = _imported_type(descriptor, efi.soft_reserve_enabled)
        table.range_add(descriptor.start, descriptor.size, e820_type)
        if log.recording and descriptor.is_special_purpose:
            log.record(
                IMPORTED,
                "arch/x86/platform/efi/efi.c: do_add_efi_memmap",
                descriptor.start,
                descriptor.start + descriptor.size,
                after=e820.type_text(e820_type),
            )
    table.update_table()


def _imported_type(descriptor: EfiDescriptor, soft_reserve: bool) -> int:
    if descriptor.type not in USABLE:
        return _IMPORTED_TYPES.get(descriptor.type, e820.RESERVED)
    if soft_reserve and descriptor.is_special_purpose:
        return e820.SOFT_RESERVED
    return e820.RAM if descriptor.attribute & _WB else e820.RESERVED


def init(
    efi: Efi, table: e820.E820Table, kernel: Kernel, log: EventLog, mmio: Iterable[tuple[int, PhysRange]] = ()
) -> None:
    """Clean and print the map; without runtime services it is unmapped instead. Linux: ``efi_init``.

    An import has taken place before and is not undone. ``mmio`` is what is known of a map that is not at hand.
    """
    removes = kernel.has(behaviours.EFI_REMOVE_E820_MMIO)
    if efi.memmap is None:
        if removes:
            _remove_mmio(((at, it.start, it.size) for at, it in mmio), table, log)
        return
    if efi.runtime_disabled:
        efi.memmap = None
        return
    efi.memmap = efi_clean_memmap(efi.memmap, kernel, log)
    if removes:
        remove_e820_mmio(efi, table, log)
    if efi.dbg:
        efi_print_memmap(efi.memmap, kernel, log)


def remove_e820_mmio(efi: Efi, table: e820.E820Table, log: EventLog) -> None:
    """Take large MMIO descriptors out of e820, so that PCI may use the space. Linux: ``efi_remove_e820_mmio``."""
    numbered = enumerate(efi.memmap or ())
    _remove_mmio(((at, d.start, d.size) for at, d in numbered if d.type == EfiType.MMIO), table, log)


def _remove_mmio(mmio: Iterable[tuple[int, int, int]], table: e820.E820Table, log: EventLog) -> None:
    """The same, of numbers, starts and sizes."""
    for index, start, size in mmio:
        what = f"mem{index:02}: MMIO range=[0x{start:08x}-0x{(start + size - 1) & U64_MAX:08x}]"
        if size >= _LARGE_MMIO:
            log.printk(f"efi: Remove {what} ({size >> 20}MB) from e820 map")
            table.range_remove(start, size, e820.RESERVED, check_type=True)
        else:
            log.printk(f"efi: Not removing {what} ({size >> 10}KB) from e820 map")


def arch_mem_reserve(kept: Iterable[PhysRange], memblock: Memblock, table: e820.E820Table) -> None:
    """Keep pages of the firmware, which become reserved in e820. Linux: ``quirks.c: efi_arch_mem_reserve``."""
    for range_ in kept:
        if not memblock.is_region_reserved(range_.start, range_.size):
            memblock.reserve(range_.start, range_.size, "efi_mem_reserve")
        table.range_update(range_.start, range_.size, e820.RAM, e820.RESERVED)
        table.update_table()


def reserve_boot_services(efi: Efi, memblock: Memblock, table: e820.E820Table, kernel: PhysRange | None) -> None:
    """Keep boot services memory until the firmware has let go of it, specific purpose or not.

    What was in use already, or is not the kernel's to give back, becomes runtime memory in the map: so it stays there,
    and a kernel started by kexec sees it. ``kernel`` is where the kernel lies, its brk included, if that is known.

    Linux: ``arch/x86/platform/efi/quirks.c: efi_reserve_boot_services``.
    """
    if efi.memmap is None:
        return
    found = []
    for descriptor in efi.memmap:
        start, size = descriptor.start, descriptor.size
        if descriptor.type in _BOOT_SERVICES:
            ours = not memblock.is_region_reserved(start, size)
            if ours:
                memblock.reserve(start, size, "efi_reserve_boot_services")
            in_kernel = kernel is not None and start + size > kernel.start and start <= kernel.end
            if not ours or in_kernel or not table.mapped_all(start, start + size, e820.RAM):
                attribute = descriptor.attribute | _RUNTIME
                descriptor = EfiDescriptor(descriptor.type, start, descriptor.pages, attribute, descriptor.virt)
        found.append(descriptor)
    efi.memmap = efi.memmap.replaced(found)
