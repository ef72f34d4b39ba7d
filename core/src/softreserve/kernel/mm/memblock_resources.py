"""``/proc/iomem`` made from memblock: System RAM, the kernel, and what is reserved. Ends are inclusive, in bytes.

Linux: ``request_standard_resources()`` and ``reserve_memblock_reserved_regions()`` in ``setup.c`` of the architectures
whose memory comes straight from EFI or a device tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.resource import (
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    insert_resource,
    reserve_region_with_split,
)
from softreserve.model.events import EventLog, Rule

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock, Region
    from softreserve.kernel.resource import ResourceTree
    from softreserve.kernel.state import KernelState
    from softreserve.model.machine import KernelImage

__all__ = [
    "kernel_resources",
    "request_standard_resources",
    "reserve_memblock_reserved_regions",
    "reserved_regions_initcall",
]

NOT_MAPPED: Final = Rule("memblock-not-mapped", "memory that cannot be mapped")
IN_MEMBLOCK: Final = Rule("memblock-memory", "memory in memblock")


def kernel_resources(
    image: KernelImage, parts: Iterable[str], flags: int = IORESOURCE_SYSTEM_RAM, *, whole: bool = False
) -> list[Resource]:
    """What becomes visible of the image: ``Kernel code`` and so on.

    :param parts: fields of the image that the architecture shows, in its order.
    :param whole: whether these lie in a ``Kernel image``, from the first to the last of them.
    """
    spans = [*([("image", image.span)] if whole else []), *((part, getattr(image, part)) for part in parts)]
    return [Resource(span.start, span.last, f"Kernel {part}", flags) for part, span in spans if span is not None]


def request_standard_resources(
    iomem: ResourceTree, memblock: Memblock, kernel: Iterable[Resource], source: str, reserved: str = "reserved"
) -> list[Resource]:
    """Insert the kernel image, then one resource per memory region; the latter are returned, inserted or not.

    :param source: the file of the architecture.
    :param reserved: what the architecture calls memory that cannot be mapped.
    """
    for resource in kernel:
        insert_resource(iomem.root, resource)
    resources = [_standard_resource(region, memblock.kernel.page_size, reserved) for region in memblock.memory]
    for resource in resources:
        failed = insert_resource(iomem.root, resource)
        rule = NOT_MAPPED if resource.name == reserved else IN_MEMBLOCK
        after = "no resource: it overlaps others in part" if failed else resource.name or ""
        iomem.log.record(rule, f"{source}: request_standard_resources", resource.start, resource.end + 1, after=after)
    return resources


def _standard_resource(region: Region, page: int, reserved: str) -> Resource:
    """What cannot be mapped is rounded outward, System RAM inward."""
    if region.is_nomap:
        start, end = region.base & -page, -(-region.end // page) * page
        return Resource(start, end - 1, reserved, IORESOURCE_MEM)
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


def reserved_regions_initcall(state: KernelState, standard: list[Resource], source: str) -> Initcall:
    """The initcall that shows what memblock has reserved.

    :param standard: as :func:`request_standard_resources` returned them.
    """
    name = "reserve_memblock_reserved_regions"
    return Initcall(
        Level.ARCH, source, name, lambda: reserve_memblock_reserved_regions(standard, state.memblock, state.log)
    )
