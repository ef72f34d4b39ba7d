"""Dax regions and the devices that share them out. Linux: ``drivers/dax/bus.c``, ``drivers/dax/dax-private.h``.

A region is a range of memory; each device owns some of it, as ranges in the order in which they were added. Ends are
inclusive in resources and in :class:`DaxRange`, as in the kernel. Only dynamic regions are modelled: static ones belong
to persistent memory namespaces.

Store functions take the bytes of one write and return how many of them were taken, or ``-errno``.
"""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENOMEM, ENOSPC, ENXIO, EOPNOTSUPP
from typing import Final

from softreserve.kernel.driver_core.bus import Device
from softreserve.kernel.driver_core.ida import Ida
from softreserve.kernel.resource import (
    IORESOURCE_MEM,
    Resource,
    adjust_resource,
    release_resource,
    request_region,
)
from softreserve.kernel.sysfs import c_text
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX, kstrtoint, kstrtoull

from softreserve_hmem import behaviours
from softreserve_hmem.gaps import Gaps

__all__ = ["DaxLimits", "DaxRange", "DaxRegion", "DevDax", "RegionOwner", "alloc_dax_region", "is_aligned"]

#: Linux: ``include/linux/mmzone.h: SUBSECTION_SIZE``, which is what ``memremap_compat_align()`` answers.
_SUBSECTION_SIZE: Final = 2 << 20


class DaxLimits:
    """What the memory management of a kernel allows; sizes in bytes. ``aligns`` are those that a device may have.

    Linux: ``drivers/dax/dax-private.h: dax_align_valid``.
    """

    __slots__ = ("aligns", "compat_align", "page_size", "pmd_size")

    def __init__(self, kernel: Kernel) -> None:
        page = kernel.page_size
        self.page_size = page
        self.pmd_size = kernel.pmd_size
        self.compat_align = _SUBSECTION_SIZE
        self.aligns = {page}
        if kernel.config.get("TRANSPARENT_HUGEPAGE", "y") == "y":
            self.aligns.add(self.pmd_size)
            default = "y" if kernel.arch == "x86_64" else "n"
            if kernel.config.get("HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD", default) == "y":
                self.aligns.add(self.pmd_size * (self.pmd_size // page))


class DaxRange:
    """One range of a device: bytes, ``end`` INCLUSIVE; ``pgoff`` in pages; ``mapping`` numbers its directory."""

    __slots__ = ("end", "mapping", "pgoff", "resource", "start")

    def __init__(self, resource: Resource, pgoff: int, mapping: int) -> None:
        self.resource = resource
        self.start = resource.start
        self.end = resource.end
        self.pgoff = pgoff
        self.mapping = mapping

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start + 1


class RegionOwner:
    """What a region tells the outside: devices that come and go, and broken assumptions of the kernel.

    This one keeps everything to itself; the bus replaces it.
    """

    def device_add(self, device: DevDax) -> None:
        """A device was made."""

    def device_del(self, device: DevDax) -> None:
        """A device goes away; its ranges are still there."""

    def warn_once(self, device: DevDax, text: str) -> None:
        """The kernel warns with a stack trace, the first time. Linux: ``dev_WARN_ONCE``."""

    def mhp_supports_memmap_on_memory(self) -> bool:
        """Whether a memory map can lie in hot-added memory."""
        return False


class DaxRegion:
    """A region: bytes ``res.start`` to ``res.end`` INCLUSIVE. Linux: ``struct dax_region``."""

    def __init__(
        self,
        kernel: Kernel,
        owner: RegionOwner,
        parent: Device,
        region_id: int,
        span: tuple[int, int],
        target_node: int,
        *,
        kmem: bool = False,
    ) -> None:
        """Make a region of ``span`` (bytes, end inclusive) whose devices are children of ``parent``.

        ``kmem``: devices go to the kmem driver unless told otherwise (IORESOURCE_DAX_KMEM).
        """
        self.owner = owner
        self.kernel = kernel
        self.limits = DaxLimits(kernel)
        self.subdivides = kernel.has(behaviours.DAX_SUBDIVISION)
        self.mapping_ignores_misaligned = kernel.has(behaviours.DAX_MAPPING_IGNORES_MISALIGNED)
        self.parent = parent
        self.id = region_id
        self.target_node = target_node
        self.kmem = kmem
        self.align = self.limits.pmd_size
        self.res = Resource(span[0], span[1], None, IORESOURCE_MEM)
        self.available_size = self.res.size
        self.gaps = Gaps(span[0], span[1] + 1)
        self.ida = Ida()
        self.devices: dict[str, DevDax] = {}
        self.seed: DevDax | None = None
        self.youngest: DevDax | None = None

    # --- devices

    def create_dev_dax(self, size: int, *, memmap_on_memory: bool = False) -> DevDax:
        """Make a device of ``size`` bytes at the start of the region: an empty one, or the first with all of it.

        Linux: ``devm_create_dev_dax``.
        """
        device = DevDax(self, self.ida.alloc())
        device.memmap_on_memory = memmap_on_memory
        device.alloc_range(self.res.start, size)
        self.devices[device.name] = device
        self.owner.device_add(device)
        return device

    def unregister_dev_dax(self, device: DevDax) -> None:
        """Unbind a device and take it away with all its ranges."""
        self.owner.device_del(device)
        while device.spans:
            device.trim_range()
        del self.devices[device.name]

    def unregister(self) -> None:
        """Take all devices away, the newest first: the driver of the parent is unbound."""
        for device in reversed(list(self.devices.values())):
            self.unregister_dev_dax(device)

    # --- dax_region/{create,delete,seed}

    def create_store(self, data: bytes) -> int:
        """Write to ``create``: only the number 1 makes a device."""
        status, value = kstrtoint(c_text(data))
        if status or value != 1:
            return status or -EINVAL
        if not self.available_size:
            return -ENOSPC
        device = self.create_dev_dax(0)
        # Devices wait to be filled one after the other: only the first of them is announced as the seed.
        if self.seed is None:
            self.seed = device
        self.youngest = device
        return len(data)

    def delete_store(self, data: bytes) -> int:
        """Write to ``delete``: an empty, unbound device goes; the first one of a region never does."""
        victim = self.devices.get(c_text(data).removesuffix("\n"))
        if victim is None:
            return -ENXIO
        if victim.driver is not None or victim.size or victim.id == 0:
            return -EBUSY
        self.ida.free(victim.id)
        if self.seed is victim:
            self.seed = None
        if self.youngest is victim:
            self.youngest = None
        self.unregister_dev_dax(victim)
        return len(data)

    # --- space

    def request(self, start: int, size: int, name: str) -> Resource | None:
        """Take a range of the region, or ``None`` where it is not free."""
        found = request_region(self.res, start, size, name)
        if found is not None:
            self.available_size -= size
            self.gaps.take(start, start + size)
        return found

    def release(self, resource: Resource) -> None:
        """Give a range back."""
        release_resource(resource)
        self.available_size += resource.size
        self.gaps.give(resource.start, resource.end + 1)

    def adjust(self, resource: Resource, size: int) -> int:
        """Move the end of a range: 0 or ``-errno``."""
        before = resource.end + 1
        status = adjust_resource(resource, resource.start, size)
        if status:
            return status
        after = resource.end + 1
        self.available_size += before - after
        if after > before:
            self.gaps.take(before, after)
        else:
            self.gaps.give(after, before)
        return 0


def is_aligned(kernel: Kernel, start: int, size: int) -> bool:
    """Whether a range (bytes) can be a region: its start and its length are multiples of the PMD size."""
    return not (start | size) & (DaxLimits(kernel).pmd_size - 1)


def dax_regions() -> Resource:
    """What regions are part of where they must not overlap: all memory but for the last byte below 2**64.

    Linux: ``drivers/dax/bus.c: dax_regions``.
    """
    return Resource(0, U64_MAX - 1, "DAX Regions", IORESOURCE_MEM)


def alloc_dax_region(
    kernel: Kernel,
    owner: RegionOwner,
    parent: Device,
    region_id: int,
    span: tuple[int, int],
    target_node: int,
    *,
    kmem: bool = False,
) -> DaxRegion | None:
    """A region, or ``None`` where it is not aligned.

    For the parameters see :class:`DaxRegion`.
    """
    if not is_aligned(kernel, span[0], span[1] + 1 - span[0]):
        return None
    return DaxRegion(kernel, owner, parent, region_id, span, target_node, kmem=kmem)


class DevDax(Device):
    """A device: a share of its region. Linux: ``struct dev_dax``."""

    __slots__ = ("align", "id", "ida", "memmap_on_memory", "minor", "region", "spans")

    def __init__(self, region: DaxRegion, number: int) -> None:
        name = f"dax{region.id}.{number}"
        super().__init__(name, f"{region.parent.path}/{name}", region.parent.numa_node)
        self.region = region
        self.id = number
        self.align = region.align
        self.memmap_on_memory = False
        #: Ranges in the order in which they were added, which is that of their page offsets.
        self.spans: list[DaxRange] = []
        self.ida = Ida()
        #: Minor number of the character device.
        self.minor = -1

    @property
    def size(self) -> int:
        """Bytes in all ranges. Linux: ``dev_dax_size``."""
        return sum(span.size for span in self.spans)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Ranges in bytes, ends inclusive, in the order in which they were added."""
        return [(span.start, span.end) for span in self.spans]

    @property
    def target_node(self) -> int:
        """Node that the memory would be, or -1."""
        return self.region.target_node

    @property
    def resource(self) -> int:
        """Where the device begins; the start of the region while it has no range. Linux: ``resource_show``."""
        return self.spans[0].start if self.spans else self.region.res.start

    def alloc_is_aligned(self, size: int) -> bool:
        """Whether a device of this align may grow or shrink by ``size`` bytes."""
        return not size & (max(self.align, self.region.limits.compat_align) - 1)

    # --- ranges

    def alloc_range(self, start: int, size: int) -> int:
        """Add a range: 0, or ``-errno``. Linux: ``alloc_dev_dax_range``."""
        if not size:
            if self.spans:
                self.region.owner.warn_once(self, "0-size allocation must be first")
                return -EBUSY
            return 0
        resource = self.region.request(start, size, self.name)
        if resource is None:
            return -ENOMEM
        self.spans.append(DaxRange(resource, self.size // self.region.limits.page_size, self.ida.alloc()))
        return 0

    def trim_range(self) -> None:
        """Drop the last range and its mapping. Linux: ``trim_dev_dax_range``, ``unregister_dax_mapping``."""
        span = self.spans.pop()
        self.ida.free(span.mapping)
        self.region.release(span.resource)

    def _adjust_last(self, size: int) -> int:
        """Move the end of the last range. Linux: ``adjust_dev_dax_range``."""
        span = self.spans[-1]
        status = self.region.adjust(span.resource, size)
        span.end = span.resource.end
        return status

    def _shrink(self, size: int) -> int:
        """Give back from the end until ``size`` bytes are left. Linux: ``dev_dax_shrink``."""
        surplus = self.size - size
        while surplus:
            length = self.spans[-1].size
            if surplus < length:
                return self._adjust_last(length - surplus)
            self.trim_range()
            surplus -= length
        return 0

    def _grow(self, surplus: int) -> int:
        """Take the lowest free space, again and again. Linux: the second half of ``dev_dax_resize``.

        Space at the very start of the region always becomes a range of its own. Other space follows some allocation;
        if that is the last range of this device, it is extended: page offsets stay in order only that way.
        """
        region = self.region
        while surplus:
            start, end = region.gaps.first()
            size = min(end - start, surplus)
            if start != region.res.start and self.spans and self.spans[-1].end + 1 == start:
                status = self._adjust_last(self.spans[-1].size + size)
            else:
                status = self.alloc_range(start, size)
            if status:
                return status
            surplus -= size
        return 0

    def resize(self, size: int) -> int:
        """Grow or shrink to ``size`` bytes: 0 or ``-errno``. Linux: ``dev_dax_resize``."""
        if self.driver is not None:
            return -EBUSY
        now = self.size
        if size <= now:
            return self._shrink(size)
        if size - now > self.region.available_size:
            return -ENOSPC
        return self._grow(size - now)

    # --- store functions

    def size_store(self, data: bytes) -> int:
        """Write to ``size``."""
        value = kstrtoull(c_text(data))
        if value < 0:
            return value
        if not self.alloc_is_aligned(value):
            return -EINVAL
        return self.resize(value) or len(data)

    def mapping_store(self, data: bytes) -> int:
        """Write to ``mapping``: ``START-END``, hexadecimal, end inclusive. A bound device is not refused."""
        first, dash, last = c_text(data).partition("-")
        if not dash:
            return -EINVAL
        start = kstrtoull(first, 16)
        if start < 0:
            return start
        end = kstrtoull(last, 16)
        if end < 0:
            return end
        size = (end - start + 1) & U64_MAX
        if not self.alloc_is_aligned(size):
            return len(data) if self.region.mapping_ignores_misaligned else -ENXIO
        return self.alloc_range(start, size) or len(data)

    def align_store(self, data: bytes) -> int:
        """Write to ``align``; a number that cannot be read is -ENXIO here."""
        value = kstrtoull(c_text(data))
        if value < 0:
            return -ENXIO
        if value not in self.region.limits.aligns:
            return -EINVAL
        if self.driver is not None:
            return -EBUSY
        before, self.align = self.align, value
        if not all(self.alloc_is_aligned(span.size) for span in self.spans):
            self.align = before
            return -EINVAL
        return len(data)

    def memmap_on_memory_store(self, data: bytes) -> int:
        """Write to ``memmap_on_memory``."""
        value = self.region.kernel.kstrtobool(c_text(data))
        if value is None:
            return -EINVAL
        if value and not self.region.owner.mhp_supports_memmap_on_memory():
            return -EOPNOTSUPP
        if value != self.memmap_on_memory and getattr(self.driver, "type", None) == "kmem":
            return -EBUSY
        self.memmap_on_memory = value
        return len(data)
