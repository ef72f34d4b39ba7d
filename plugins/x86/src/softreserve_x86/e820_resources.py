"""From e820 to memblock, ``/proc/iomem`` and ``/sys/firmware/memmap``. Linux: ``arch/x86/kernel/e820.c``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.e820 import E820_LISTING
from softreserve.kernel.resource import (
    IORES_DESC_ACPI_NV_STORAGE,
    IORES_DESC_ACPI_TABLES,
    IORES_DESC_NONE,
    IORES_DESC_PERSISTENT_MEMORY,
    IORES_DESC_PERSISTENT_MEMORY_LEGACY,
    IORES_DESC_RESERVED,
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    insert_resource,
    insert_resource_expand_to_fit,
    reserve_region_with_split,
)
from softreserve.model.e820 import RESOURCE_TEXT, UNKNOWN_RESOURCE
from softreserve.model.events import EventLog, Rule
from softreserve.model.units import U64_MAX, mem_text

from softreserve_x86 import behaviours, e820

if TYPE_CHECKING:
    from softreserve.kernel.firmware_memmap import FirmwareMemmap
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.model.kernel import Kernel

__all__ = ["E820Resources", "firmware_map_add", "memblock_setup", "register_nosave_regions", "setup_pci_gap"]

EARLY_RAM: Final = Rule("e820-ram", "RAM, for the early allocator")
RESERVED_EARLY: Final = Rule("e820-reserved-early", "soft reserved memory is reserved, and no memory to the allocator")
RESOURCE: Final = Rule("e820-resource", "e820: {}")
SOFT_RESERVED_RESOURCE: Final = Rule("e820-soft-reserved", "soft reserved memory is a resource that drivers may claim")
SOFT_RESERVED_APART: Final = Rule(
    "e820-soft-reserved-apart", "soft reserved memory is kept for drivers in a tree that /proc/iomem does not show"
)

#: What resources describe, by e820 type. Linux: ``e820_type_to_iores_desc``.
_DESCRIBES: Final = {
    e820.RESERVED: IORES_DESC_RESERVED,
    e820.ACPI: IORES_DESC_ACPI_TABLES,
    e820.NVS: IORES_DESC_ACPI_NV_STORAGE,
    e820.PMEM: IORES_DESC_PERSISTENT_MEMORY,
    e820.PRAM: IORES_DESC_PERSISTENT_MEMORY_LEGACY,
    e820.SOFT_RESERVED: IORES_DESC_SOFT_RESERVED,
}
#: Drivers may claim these; below 1 MiB (BIOS, ROM shadow) nothing is left to drivers.
_NOT_BUSY: Final = frozenset({e820.RESERVED, e820.SOFT_RESERVED, e820.PRAM, e820.PMEM})
_LEGACY_END: Final = 1 << 20
_PAGE_SIZE: Final = 4096
_SMALLEST_GAP: Final = 4 << 20


def _named(table: e820.E820Table, e820_type: int) -> tuple[str, int]:
    """Name and descriptor of a resource. Linux: ``e820_type_to_string``, ``e820_type_to_iores_desc``."""
    named = e820.RAM if e820_type in table.ram_types else e820_type
    return RESOURCE_TEXT.get(named, UNKNOWN_RESOURCE), _DESCRIBES.get(named, IORES_DESC_NONE)


def memblock_setup(table: e820.E820Table, memblock: Memblock, page_size: int) -> None:
    """Hand RAM to the early allocator, whole pages only. Linux: ``e820__memblock_setup``.

    Soft reserved memory is reserved and nothing else: it is no memory to the allocator.
    """
    memblock.allow_resize()
    for entry in table.entries:
        if entry.type == e820.SOFT_RESERVED:
            memblock.reserve(entry.start, entry.size, "e820__memblock_setup")
            memblock.log.record(
                RESERVED_EARLY,
                "arch/x86/kernel/e820.c: e820__memblock_setup",
                entry.start,
                entry.start + entry.size,
            )
        elif entry.type in table.ram_types:
            memblock.add(entry.start, entry.size, "e820__memblock_setup")
            memblock.log.record(
                EARLY_RAM,
                "arch/x86/kernel/e820.c: e820__memblock_setup",
                entry.start,
                entry.start + entry.size,
            )
    if memblock.marks_kernel:
        memblock.mark_kho_scratch(0, _LEGACY_END)  # until the trampoline has its place there
    memblock.trim_memory(page_size)
    memblock.dump_all()


def firmware_map_add(table: e820.E820Table, firmware_memmap: FirmwareMemmap) -> None:
    """Show the table as it came from firmware or loader, last part of ``e820__reserve_resources``."""
    for entry in table.entries:
        firmware_memmap.add_early(entry.start, (entry.end - 1) & U64_MAX, _named(table, entry.type)[0])


def register_nosave_regions(table: e820.E820Table, limit_pfn: int, kernel: Kernel, log: EventLog) -> None:
    """Print which pages hibernation leaves out: all that is no RAM, up to a page number (exclusive).

    Neighbours get a line each. Linux: ``e820__register_nosave_regions``, ``kernel/power/snapshot.c:
    register_nosave_region``.
    """
    words = "PM: hibernation:" if kernel.has(behaviours.PM_SAYS_HIBERNATION) else "PM:"
    by_ram = kernel.has(behaviours.NOSAVE_BETWEEN_RAM)
    spans = _between_ram(table, limit_pfn) if by_ram else _not_ram(table, limit_pfn)
    for start, end in spans:
        if start < end:
            log.printk(
                f"{words} Registered nosave memory: {mem_text(start * _PAGE_SIZE, end * _PAGE_SIZE)}",
                "kernel/power/snapshot.c: register_nosave_region",
            )


def _between_ram(table: e820.E820Table, limit_pfn: int) -> Iterator[tuple[int, int]]:
    """What lies between entries of RAM, parts of pages included; the last may end before it starts."""
    last = 0
    for entry in table.entries:
        if entry.type in table.ram_types:
            if last < entry.start:
                yield last // _PAGE_SIZE, -(-entry.start // _PAGE_SIZE)
            last = entry.end
    yield last // _PAGE_SIZE, limit_pfn


def _not_ram(table: e820.E820Table, limit_pfn: int) -> Iterator[tuple[int, int]]:
    """Gaps and entries one by one, up to the one that reaches the limit."""
    pfn = 0
    for entry in table.entries:
        first = -(-entry.start // _PAGE_SIZE)
        if pfn < first:
            yield pfn, first
        pfn = entry.end // _PAGE_SIZE
        if entry.type not in table.ram_types:
            yield first, pfn
        if pfn >= limit_pfn:
            return


def setup_pci_gap(table: e820.E820Table, max_pfn: int, log: EventLog) -> None:
    """Find room below 4 GiB for devices that the firmware did not place. Linux: ``e820__setup_pci_gap``."""
    found = table.search_gap(_SMALLEST_GAP)
    if found is None:
        log.printk("Cannot find an available gap in the 32-bit address range")
        log.printk("PCI devices with unassigned 32-bit BARs may not work!")
        found = ((max_pfn << 12) + (1 << 20) & U64_MAX, _SMALLEST_GAP)
    start, size = found
    what = f"[gap {start:#010x}-{start + size - 1:#010x}]" if table.reworked else mem_text(start, start + size)
    log.printk(f"{table.prefix}{what} available for PCI devices")


class E820Resources:
    """One resource per entry of the final table, inserted in two batches.

    What PCI devices might use is inserted late, when they have got theirs; soft reserved memory then goes into a tree
    of its own, where there is one.
    """

    __slots__ = ("_log", "_root", "_soft_reserved", "_table", "resources")

    def __init__(self, table: e820.E820Table, root: Resource, soft_reserved: Resource, log: EventLog) -> None:
        self._table = table
        self._root = root
        self._soft_reserved = soft_reserved
        self._log = log
        self.resources = [_resource(table, entry) for entry in table.entries]

    def reserve_resources(self) -> None:
        """Insert what no driver may claim; what does not fit stays out for now. Linux: ``e820__reserve_resources``."""
        for res, entry in zip(self.resources, self._table.entries, strict=True):
            if res.flags & IORESOURCE_BUSY:
                failed = insert_resource(self._root, res)
                self._record(entry, "no resource yet" if failed else res.name or "", "e820__reserve_resources")

    def reserve_resources_late(self) -> None:
        """Insert the rest, made larger where needed, and pad RAM ends. Linux: ``e820__reserve_resources_late``."""
        for res, entry in zip(self.resources, self._table.entries, strict=True):
            if res.parent is None and res.end:
                root = self._soft_reserved if entry.type == e820.SOFT_RESERVED else self._root
                insert_resource_expand_to_fit(root, res, self._log)
                after = "no resource" if res.parent is None else res.name or ""
                self._record(entry, after, "e820__reserve_resources_late", late=True)
        for entry in self._table.entries:
            if entry.type == e820.RAM:
                self._reserve_ram_buffer(entry.end)

    def _record(self, entry: e820.Entry, after: str, function: str, *, late: bool = False) -> None:
        rule = RESOURCE.of(e820.type_text(entry.type))
        if entry.type == e820.SOFT_RESERVED:
            rule = SOFT_RESERVED_APART if late and self._soft_reserved is not self._root else SOFT_RESERVED_RESOURCE
        self._log.record(rule, f"arch/x86/kernel/e820.c: {function}", entry.start, entry.end, after=after)

    def _reserve_ram_buffer(self, start: int) -> None:
        """RAM may go on, hidden, to a round address: keep devices away from there."""
        end = (start - 1) | (_ram_alignment(start) - 1)
        if start >= end:
            return
        words = "register RAM buffer resource" if self._table.reworked else "reserve RAM buffer"
        self._log.printk(f"e820: {words} {mem_text(start, end + 1)}", rule=E820_LISTING)
        reserve_region_with_split(self._root, start, end, "RAM buffer", self._log)


def _ram_alignment(address: int) -> int:
    if address < 1 << 20:
        return 64 << 10
    if address < 16 << 20:
        return 1 << 20
    return 64 << 20


def _resource(table: e820.E820Table, entry: e820.Entry) -> Resource:
    name, desc = _named(table, entry.type)
    flags = IORESOURCE_SYSTEM_RAM if entry.type in table.ram_types else IORESOURCE_MEM
    if entry.start < _LEGACY_END or entry.type not in _NOT_BUSY:
        flags |= IORESOURCE_BUSY
    return Resource(entry.start, (entry.end - 1) & U64_MAX, name, flags, desc)
