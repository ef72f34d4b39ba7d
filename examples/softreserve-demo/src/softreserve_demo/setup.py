"""Early boot. Linux: ``arch/riscv/kernel/setup.c``, ``arch/riscv/mm/init.c``, ``drivers/firmware/efi/efi-init.c``.

Left out: the device tree, NUMA, and everything that has nothing to do with memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softreserve.kernel.early_param import common_handlers, parse_early_param
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.resource import (
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    insert_resource,
)
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiType
from softreserve.model.errors import MachineError
from softreserve.model.events import Rule
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["early_reserve", "init_resources", "misc_mem_init"]

#: Why a range became what it is, for ``explain``: a name for programs, and words for people.
SET_ASIDE = Rule("demo-set-aside", "specific purpose memory is set aside")

_DMA32_LIMIT = 1 << 32
_USABLE = {
    EfiType.LOADER_CODE,
    EfiType.LOADER_DATA,
    EfiType.ACPI_RECLAIM,
    EfiType.BOOT_SERVICES_CODE,
    EfiType.BOOT_SERVICES_DATA,
    EfiType.CONVENTIONAL,
    EfiType.PERSISTENT,
}


def early_reserve(system: System) -> None:
    """Memory is what the EFI map says; specific purpose memory is left out while soft reservation is on.

    :raises MachineError: there is no EFI map: where memory is would be in a device tree.
    """
    if system.handoff.efi_map is None:
        raise MachineError(f"{system.machine.name}: a riscv64 machine needs an EFI memory map")
    efi = Efi(system.kernel, system.log)
    efi.memmap = system.handoff.efi_map
    system.stash[EFI] = efi
    parse_early_param(system.cmdline, common_handlers(efi, system.memblock), system.log)
    for descriptor in efi.memmap:
        if not descriptor.attribute & EfiAttribute.WB or not descriptor.size:
            continue
        if descriptor.is_special_purpose and efi.soft_reserve_enabled:
            _set_aside(system, descriptor)
            continue
        system.memblock.add(descriptor.start, descriptor.size)
        if descriptor.type not in _USABLE:
            system.memblock.mark_nomap(descriptor.start, descriptor.size)


def _set_aside(system: System, descriptor: EfiDescriptor) -> None:
    system.log.record(
        SET_ASIDE,
        "drivers/firmware/efi/efi-init.c: reserve_regions",
        descriptor.start,
        descriptor.start + descriptor.size,
        "EFI_MEMORY_SP",
        "not in memblock",
    )


def misc_mem_init(system: System) -> None:
    """All memory is on node 0; two zones."""
    memblock, page_size = system.memblock, system.kernel.page_size
    memblock.set_node(0, U64_MAX, memblock.memory, 0)
    end = memblock.end_of_dram() // page_size
    system.memory.zones.free_area_init({"DMA32": min(_DMA32_LIMIT // page_size, end), "Normal": end})


def init_resources(system: System) -> None:
    """Insert System RAM with the kernel image in it, then what is soft reserved, as the firmware gives it."""
    root, image = system.iomem.root, system.machine.image
    for name, part in (("Kernel code", image.code), ("Kernel rodata", image.rodata), ("Kernel data", image.data)):
        if part is not None:
            insert_resource(root, Resource(part.start, part.last, name, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY))
    for region in system.memblock.memory:
        name, flags = ("Reserved", IORESOURCE_MEM) if region.is_nomap else ("System RAM", IORESOURCE_SYSTEM_RAM)
        insert_resource(root, Resource(region.base, region.end - 1, name, flags | IORESOURCE_BUSY))
    efi = system.stash[EFI]
    for descriptor in efi.memmap or ():
        if descriptor.is_special_purpose and efi.soft_reserve_enabled:
            new = Resource(descriptor.start, descriptor.last, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
            insert_resource(root, new)
