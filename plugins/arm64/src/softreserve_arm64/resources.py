"""System RAM, reserved and Soft Reserved. Linux: ``arch/arm64/kernel/setup.c``, ``drivers/firmware/efi/arm-runtime.c``.

Resources have inclusive ends, in bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.resource import (
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    insert_resource,
    reserve_region_with_split,
)
from softreserve.model.units import U64_MAX

from softreserve_arm64 import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.mm.memblock import Memblock, Region
    from softreserve.kernel.resource import ResourceTree
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.events import EventLog
    from softreserve.model.kernel import Kernel
    from softreserve.model.ranges import PhysRange

__all__ = [
    "arm_enable_runtime_services",
    "register_soft_reserved",
    "request_standard_resources",
    "reserve_memblock_reserved_regions",
]

_STANDARD: Final = "arch/arm64/kernel/setup.c: request_standard_resources"
_RUNTIME: Final = "drivers/firmware/efi/arm-runtime.c: arm_enable_runtime_services"


def request_standard_resources(
    iomem: ResourceTree, memblock: Memblock, code: PhysRange | None, data: PhysRange | None
) -> list[Resource]:
    """Insert the kernel image, then one resource per memory region; the latter are returned, inserted or not."""
    for name, part in (("Kernel code", code), ("Kernel data", data)):
        if part is not None:
            insert_resource(iomem.root, Resource(part.start, part.last, name, IORESOURCE_SYSTEM_RAM))
    resources = [_standard_resource(region, memblock.kernel.page_size) for region in memblock.memory]
    for resource in resources:
        failed = insert_resource(iomem.root, resource)
        rule = "memory that cannot be mapped" if resource.name == "reserved" else "memory in memblock"
        after = "no resource: it overlaps others in part" if failed else resource.name or ""
        iomem.log.record(rule, _STANDARD, resource.start, resource.end + 1, after=after)
    return resources


def _standard_resource(region: Region, page: int) -> Resource:
    """What cannot be mapped is rounded outward, System RAM inward."""
    if region.is_nomap:
        start, end = region.base & -page, -(-region.end // page) * page
        return Resource(start, end - 1, "reserved", IORESOURCE_MEM)
    start, end = -(-region.base // page) * page, region.end & -page
    return Resource(start, end - 1, "System RAM", IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY)


def reserve_memblock_reserved_regions(standard: list[Resource], memblock: Memblock, log: EventLog) -> None:
    """Show what memblock has reserved as ``reserved``, in the gaps between the children of each standard resource."""
    page = memblock.kernel.page_size
    for resource in standard:
        if not memblock.is_region_reserved(resource.start, resource.size):
            continue
        regions = memblock.reserved.regions
        for at in range(memblock.reserved.above(resource.start & -page), len(regions)):
            start = max(regions[at].base & -page, resource.start)
            end = min(-(-regions[at].end // page) * page - 1, resource.end)
            if start > resource.end:
                break
            if end >= resource.start:
                reserve_region_with_split(resource, start, end, "reserved", log)


def register_soft_reserved(iomem: ResourceTree, efi: Efi, kernel: Kernel, log: EventLog) -> None:
    """Insert ``Soft Reserved`` for each specific purpose descriptor, exactly as the firmware gives it.

    No rounding, no merging, and no word where a descriptor overlaps something in part: then there is no resource, and
    no dax device.
    """
    for descriptor in efi.memmap or ():
        if not descriptor.is_special_purpose:
            continue
        end = _last(descriptor, kernel)
        new = Resource(descriptor.start, end, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
        failed = insert_resource(iomem.root, new)
        log.record(
            "specific purpose memory is registered" if not failed else "specific purpose memory cannot be registered",
            _RUNTIME,
            descriptor.start,
            descriptor.start + descriptor.size,
            "EFI_MEMORY_SP",
            "no resource: it overlaps others in part, or its size is lost" if failed else f"Soft Reserved to {end:#x}",
        )


def _last(descriptor: EfiDescriptor, kernel: Kernel) -> int:
    """The last byte as this release computes it, modulo 2**64."""
    size = descriptor.size
    if kernel.has(behaviours.ARM64_SOFT_RESERVED_SIZE_IS_INT):
        size &= 0xFFFF_FFFF
        size -= (size & 0x8000_0000) << 1
    return (descriptor.start + size - 1) & U64_MAX


def arm_enable_runtime_services(iomem: ResourceTree, efi: Efi, kernel: Kernel, log: EventLog) -> None:
    """An early initcall: soft reserved memory is registered even where runtime services stay off."""
    if efi.soft_reserve_enabled:
        register_soft_reserved(iomem, efi, kernel, log)
    if efi.runtime_disabled:
        log.printk("EFI runtime services will be disabled.", _RUNTIME)
    else:
        log.printk("Remapping and enabling EFI services.", _RUNTIME)
