"""The early memory allocator: what is memory, what of it is in use. Linux: ``mm/memblock.c``.

Two sorted lists of disjoint regions, ``memory`` and ``reserved``. Addresses and sizes are bytes; ranges are given as
base and size as in the kernel, ends (``Region.end``) are exclusive. A size that would wrap is cut at the top of the
address space. Methods carry the name of the kernel function without ``memblock_`` and return 0 or ``-errno``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from errno import ENOMEM
from operator import attrgetter
from typing import Final

from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.model import behaviours
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog, Rule
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX, round_up

__all__ = [
    "MEMBLOCK_ALLOC_ACCESSIBLE",
    "MEMBLOCK_DRIVER_MANAGED",
    "MEMBLOCK_HOTPLUG",
    "MEMBLOCK_KHO_SCRATCH",
    "MEMBLOCK_MIRROR",
    "MEMBLOCK_NOMAP",
    "MEMBLOCK_RSRV_KERN",
    "MEMBLOCK_RSRV_NOINIT",
    "NOT_COVERED",
    "Memblock",
    "MemblockType",
    "Region",
]

MEMBLOCK_HOTPLUG: Final = 0x1
MEMBLOCK_MIRROR: Final = 0x2
MEMBLOCK_NOMAP: Final = 0x4
MEMBLOCK_DRIVER_MANAGED: Final = 0x8
MEMBLOCK_RSRV_NOINIT: Final = 0x10
MEMBLOCK_RSRV_KERN: Final = 0x20
MEMBLOCK_KHO_SCRATCH: Final = 0x40

#: Lines that say that memory is on no node, and nodes are not set up for it.
NOT_COVERED: Final = Rule("numa-not-covered", "memory is on no node")
#: A range was dropped, or kept whole where it was to be cut.
TABLE_FULL: Final = Rule("memblock-full", "refused: the table of {} is full, and cannot grow yet")

#: As the end of an allocation: as far as :attr:`Memblock.current_limit`.
MEMBLOCK_ALLOC_ACCESSIBLE: Final = 0
_MEMBLOCK_ALLOC_NOLEAKTRACE: Final = 1

_INIT_MEMBLOCK_REGIONS: Final = 128
#: ``sizeof(struct memblock_region)``: what growing an array takes from memory.
_REGION_BYTES: Final = 24
_SMP_CACHE_BYTES: Final = 64

_base = attrgetter("base")


class Region:
    """One region: ``base`` and ``size`` in bytes, ``flags`` (MEMBLOCK_*), ``nid`` (MAX_NUMNODES: not known)."""

    __slots__ = ("base", "flags", "nid", "size")

    def __init__(self, base: int, size: int, flags: int, nid: int) -> None:
        self.base = base
        self.size = size
        self.flags = flags
        self.nid = nid

    @property
    def end(self) -> int:
        """First byte after the region."""
        return self.base + self.size

    @property
    def is_nomap(self) -> bool:
        """Whether the kernel may not map it. Linux: ``memblock_is_nomap``."""
        return bool(self.flags & MEMBLOCK_NOMAP)

    def __repr__(self) -> str:
        return f"<Region {self.base:#x}+{self.size:#x} flags {self.flags:#x} nid {self.nid}>"


class MemblockType:
    """One of the two lists. ``total_size`` is the kernel's own running sum, which trimming does not correct.

    ``capacity`` is how many regions fit before the array must grow; ``array`` is the memory of a grown one.
    """

    __slots__ = ("array", "capacity", "empty_nid", "name", "regions", "split", "total_size")

    def __init__(self, name: str) -> None:
        self.name = name
        self.regions: list[Region] = []
        self.total_size = 0
        self.capacity = _INIT_MEMBLOCK_REGIONS
        self.array: int | None = None
        #: Node of the dummy entry that stands for an empty list; the static one has node 0.
        self.empty_nid = 0
        #: Whether neighbours that could be joined may have been left apart.
        self.split = False

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    def __len__(self) -> int:
        return len(self.regions)

    def above(self, addr: int) -> int:
        """Position of the first region that ends after ``addr``."""
        at = bisect_right(self.regions, addr, key=_base)
        return at - 1 if at and self.regions[at - 1].end > addr else at

    def search(self, addr: int) -> Region | None:
        """The region that holds ``addr``. Linux: ``memblock_search``."""
        at = self.above(addr)
        return self.regions[at] if at < len(self.regions) and self.regions[at].base <= addr else None

    def gaps(self, base: int, end: int) -> list[tuple[int, int, int]]:
        """The parts of ``base`` to ``end`` in no region: (position of the region after it, start, end)."""
        found = []
        regions = self.regions
        at = self.above(base)
        while at < len(regions) and regions[at].base < end:
            region = regions[at]
            if region.base > base:
                found.append((at, base, region.base))
            base = min(region.base + region.size, end)
            at += 1
        if base < end:
            found.append((at, base, end))
        return found

    def insert(self, at: int, region: Region) -> None:
        """Linux: ``memblock_insert_region``."""
        self.regions.insert(at, region)
        self.total_size = self.total_size + region.size & U64_MAX

    def delete(self, start: int, end: int, max_numnodes: int) -> None:
        """Drop the regions at positions ``start`` to ``end`` (exclusive). Linux: ``memblock_remove_region``."""
        self.total_size = self.total_size - sum(region.size for region in self.regions[start:end]) & U64_MAX
        del self.regions[start:end]
        if not self.regions:
            self.empty_nid = max_numnodes

    def merge(self, start: int, end: int) -> None:
        """Join neighbours alike among positions ``start - 1`` to ``end``. Linux: ``memblock_merge_regions``."""
        regions = self.regions
        at = max(start - 1, 0)
        end = min(end, len(regions) - 1)
        while at < end:
            this, after = regions[at], regions[at + 1]
            if this.base + this.size != after.base or this.nid != after.nid or this.flags != after.flags:
                at += 1
                continue
            this.size += after.size
            del regions[at + 1]
            end -= 1


class Memblock:
    """``struct memblock`` and its functions.

    :param log: where printed lines go.
    :param kernel: page size, number of nodes, behaviours.
    """

    def __init__(self, log: EventLog, kernel: Kernel) -> None:
        self.log = log
        self.kernel = kernel
        self.max_numnodes = kernel.max_numnodes
        self.memory = MemblockType("memory")
        self.reserved = MemblockType("reserved")
        self.bottom_up = False
        self.current_limit = U64_MAX
        #: ``movable_node`` on the command line.
        self.movable_node = False
        #: ``kernelcore=mirror`` on the command line.
        self.mirrored_kernelcore = False
        #: ``memblock=debug`` on the command line.
        self.debug = False
        #: Only scratch memory of a kexec handover is given out.
        self.kho_scratch_only = False
        self._has_mirror = False
        self._can_resize = False
        #: An empty list shows one entry of size 0.
        self.has_dummy = not kernel.has(behaviours.MEMBLOCK_EMPTY_WITHOUT_DUMMY)
        self._merges_locally = kernel.has(behaviours.MEMBLOCK_MERGE_LOCAL)
        #: What the kernel takes for itself has a flag; memory below 1 MiB can be scratch.
        self.marks_kernel = kernel.has(behaviours.MEMBLOCK_MARKS_KERNEL)
        self._unknown_nid = NUMA_NO_NODE if self.marks_kernel else self.max_numnodes

    def scratch(self) -> Memblock:
        """A copy to try allocations on, which prints nothing."""
        found = Memblock(EventLog(recording=False), self.kernel)
        found.current_limit, found.bottom_up = self.current_limit, self.bottom_up
        found.movable_node, found._has_mirror, found._can_resize = self.movable_node, self._has_mirror, True
        for own, copy in ((self.memory, found.memory), (self.reserved, found.reserved)):
            copy.regions = [Region(region.base, region.size, region.flags, region.nid) for region in own]
            copy.total_size, copy.capacity = own.total_size, own.capacity
        return found

    # --- adding and removing; ``caller`` is the function that ``memblock=debug`` names

    def add(self, base: int, size: int, caller: str = "") -> int:
        """Add memory whose node is not known yet."""
        if self.debug:
            self._dbg("memblock_add", base, size, caller)
        return self._add_range(self.memory, base, size, self.max_numnodes, 0)

    def add_node(self, base: int, size: int, nid: int, flags: int = 0, caller: str = "") -> int:
        """Add memory of a node; what is memory already keeps its node and flags."""
        if self.debug:
            self._dbg("memblock_add_node", base, size, f"nid={nid} flags={flags:x} {caller}")
        return self._add_range(self.memory, base, size, nid, flags)

    def reserve(self, base: int, size: int, caller: str = "") -> int:
        """Mark a range as in use, memory or not."""
        return self._reserve(base, size, self._unknown_nid, 0, caller)

    def reserve_kern(self, base: int, size: int, nid: int = NUMA_NO_NODE, caller: str = "") -> int:
        """Mark a range as in use by the kernel itself; older kernels do not tell it from others."""
        if not self.marks_kernel:
            return self.reserve(base, size, caller)
        return self._reserve(base, size, nid, MEMBLOCK_RSRV_KERN, caller)

    def _reserve(self, base: int, size: int, nid: int, flags: int, caller: str) -> int:
        if self.debug and self.marks_kernel:
            self._dbg("__memblock_reserve", base, size, f"nid={nid} flags={flags:x} {caller}")
        elif self.debug:
            self._dbg("memblock_reserve", base, size, caller)
        return self._add_range(self.reserved, base, size, nid, flags)

    def remove(self, base: int, size: int, caller: str = "") -> int:
        """Take a range out of memory."""
        if self.debug:
            self._dbg("memblock_remove", base, size, caller)
        return self._remove_range(self.memory, base, size)

    def free(self, base: int, size: int, caller: str = "") -> int:
        """Take a range out of what is in use. Linux: ``memblock_phys_free``."""
        if self.debug:
            self._dbg("memblock_phys_free", base, size, caller)
        return self._remove_range(self.reserved, base, size)

    def _dbg(self, function: str, base: int, size: int, rest: str) -> None:
        """Say what is asked for, which is for ``memblock=debug``. The kernel adds a place to the caller's name."""
        span = f"[{base:#018x}-{(base + size - 1) & U64_MAX:#018x}]"
        self.log.printk(f"{function}: {span} {rest}".rstrip(), f"mm/memblock.c: {function}")

    def _add_range(self, type_: MemblockType, base: int, size: int, nid: int, flags: int) -> int:
        end = base + min(size, U64_MAX - base)
        if end == base:
            return 0
        if not type_.regions:
            type_.regions.append(Region(base, end - base, flags, nid))
            type_.total_size = end - base
            return 0
        at = type_.above(base)
        alone = at == len(type_.regions) or type_.regions[at].base >= end  # as most are
        gaps = [(at, base, end)] if alone else type_.gaps(base, end)
        if not gaps:
            return 0
        if len(type_) + len(gaps) > type_.capacity:
            wanted = len(gaps)
            while len(type_) + wanted > type_.capacity:
                if self._double_array(type_, base, end - base) < 0:
                    self.log.record(TABLE_FULL.of(type_.name), "mm/memblock.c: memblock_add_range", base, end)
                    return -ENOMEM
            gaps = type_.gaps(base, end)
        for inserted, (at, start, stop) in enumerate(gaps):
            type_.insert(at + inserted, Region(start, stop - start, flags, nid))
        if gaps:
            self._merge(type_, gaps[0][0], gaps[-1][0] + len(gaps))
        return 0

    def _merge(self, type_: MemblockType, start: int, end: int) -> None:
        """Join what a change touched; older kernels look at the whole list, and so find what was left apart before."""
        if type_.split and not self._merges_locally:
            start, end = 0, len(type_)
            type_.split = False
        type_.merge(start, end)

    def _isolate_range(self, type_: MemblockType, base: int, size: int) -> tuple[int, int, int]:
        """Cut regions at both ends of a range: (0 or -errno, first position inside, position after the last).

        Linux: ``memblock_isolate_range``.
        """
        end = base + min(size, U64_MAX - base)
        if end == base:
            return 0, 0, 0
        while len(type_) + 2 > type_.capacity:
            if self._double_array(type_, base, end - base) < 0:
                self.log.record(TABLE_FULL.of(type_.name), "mm/memblock.c: memblock_isolate_range", base, end)
                return -ENOMEM, 0, 0
        regions = type_.regions
        at = start = type_.above(base)
        if at < len(regions) and regions[at].base < base:
            self._split(regions, at, base)
            at = start = at + 1
        while at < len(regions) and regions[at].base < end:
            if regions[at].end > end:
                self._split(regions, at, end)
            at += 1
        return (0, start, at) if at > start else (0, 0, 0)

    @staticmethod
    def _split(regions: list[Region], at: int, addr: int) -> None:
        upper = regions[at]
        regions.insert(at, Region(upper.base, addr - upper.base, upper.flags, upper.nid))
        upper.size = upper.end - addr
        upper.base = addr

    def _remove_range(self, type_: MemblockType, base: int, size: int) -> int:
        status, start, end = self._isolate_range(type_, base, size)
        if not status and end > start:
            type_.delete(start, end, self.max_numnodes)
        return status

    def allow_resize(self) -> None:
        """From now on the arrays can grow, by taking memory."""
        self._can_resize = True

    def _double_array(self, type_: MemblockType, new_start: int, new_size: int) -> int:
        """Make room for twice as many regions: 0, or -1. Linux: ``memblock_double_array``.

        :raises MachineError: the kernel panics, because it does not know yet what it may overwrite.
        """
        if not self._can_resize:
            if self.kernel.has(behaviours.MEMBLOCK_PANICS_WHEN_FULL):
                raise MachineError(f"kernel panic: memblock: cannot resize {type_.name} array")
            return -1
        page = self.kernel.page_size
        old_size = type_.capacity * _REGION_BYTES
        size = -(-old_size * 2 // page) * page
        if type_ is not self.reserved:
            new_start = new_size = 0
        addr = self._find_in_range(new_start + new_size, self.current_limit, size, page)
        if not addr and new_size:
            addr = self._find_in_range(0, min(new_start, self.current_limit), size, page)
        if not addr:
            before, after = type_.capacity, type_.capacity * 2
            self.log.printk(f"memblock: Failed to double {type_.name} array from {before} to {after} entries !")
            return -1
        type_.capacity *= 2
        if type_.array is not None:
            self.free(type_.array, -(-old_size // page) * page)
        type_.array = addr
        self.reserve_kern(addr, size)
        return 0

    # --- flags and nodes

    def _setclr_flag(self, type_: MemblockType, base: int, size: int, on: int, off: int) -> int:
        status, start, end = self._isolate_range(type_, base, size)
        if status:
            return status
        for region in type_.regions[start:end]:
            region.flags = (region.flags | on) & ~off
        self._merge(type_, start, end)
        return 0

    def mark_hotplug(self, base: int, size: int) -> int:
        """Mark memory that can be taken out of the machine."""
        return self._setclr_flag(self.memory, base, size, MEMBLOCK_HOTPLUG, 0)

    def clear_hotplug(self, base: int, size: int) -> int:
        """Undo :meth:`mark_hotplug`."""
        return self._setclr_flag(self.memory, base, size, 0, MEMBLOCK_HOTPLUG)

    def mark_mirror(self, base: int, size: int) -> int:
        """Mark mirrored memory; nothing without ``kernelcore=mirror``."""
        if not self.mirrored_kernelcore:
            return 0
        self._has_mirror = True
        return self._setclr_flag(self.memory, base, size, MEMBLOCK_MIRROR, 0)

    def mark_nomap(self, base: int, size: int) -> int:
        """Mark memory that the kernel may not map."""
        return self._setclr_flag(self.memory, base, size, MEMBLOCK_NOMAP, 0)

    def clear_nomap(self, base: int, size: int) -> int:
        """Undo :meth:`mark_nomap`."""
        return self._setclr_flag(self.memory, base, size, 0, MEMBLOCK_NOMAP)

    def mark_kho_scratch(self, base: int, size: int) -> int:
        """Mark memory that the kernel before this one left free for it to start with."""
        return self._setclr_flag(self.memory, base, size, MEMBLOCK_KHO_SCRATCH, 0)

    def clear_kho_scratch(self, base: int, size: int) -> int:
        """Undo :meth:`mark_kho_scratch`."""
        return self._setclr_flag(self.memory, base, size, 0, MEMBLOCK_KHO_SCRATCH)

    def reserved_mark_noinit(self, base: int, size: int) -> int:
        """Mark reserved memory whose pages somebody else sets up."""
        return self._setclr_flag(self.reserved, base, size, MEMBLOCK_RSRV_NOINIT, 0)

    def reserved_mark_kern(self, base: int, size: int) -> int:
        """Mark reserved memory as the kernel's own."""
        return self._setclr_flag(self.reserved, base, size, MEMBLOCK_RSRV_KERN, 0)

    def set_node(self, base: int, size: int, type_: MemblockType, nid: int) -> int:
        """Give all regions of a list in a range a node."""
        status, start, end = self._isolate_range(type_, base, size)
        if status:
            return status
        for region in type_.regions[start:end]:
            region.nid = nid
        self._merge(type_, start, end)
        return 0

    # --- limits

    def trim_memory(self, align: int) -> None:
        """Cut memory regions to multiples of ``align``, a power of two; ``total_size`` is not corrected."""
        at = 0
        regions = self.memory.regions
        while at < len(regions):
            region = regions[at]
            start, end = round_up(region.base, align), region.end & -align
            if start >= end and (start != region.base or end != region.end):
                self.memory.delete(at, at + 1, self.max_numnodes)
                continue
            region.base, region.size = start, end - start
            at += 1

    def _find_max_addr(self, limit: int) -> int | None:
        """The address below which there are ``limit`` bytes of memory; ``None`` where there is less than that."""
        for region in self.memory:
            if limit <= region.size:
                return region.base + limit if region.base + limit != U64_MAX else None
            limit -= region.size
        return None

    def enforce_memory_limit(self, limit: int) -> None:
        """Keep the first ``limit`` bytes of memory (0: all)."""
        max_addr = self._find_max_addr(limit) if limit else None
        if max_addr is not None:
            self._remove_range(self.memory, max_addr, U64_MAX)
            self._remove_range(self.reserved, max_addr, U64_MAX)

    def cap_memory_range(self, base: int, size: int) -> None:
        """Remove all memory outside a range except what may not be mapped; cut ``reserved`` to the range."""
        if not size:
            return
        if not self.memory.total_size:
            self.log.printk("memblock_cap_memory_range: No memory registered yet")
            return
        status, start, end = self._isolate_range(self.memory, base, size)
        if status:
            return
        self.memory.split = True
        regions = self.memory.regions
        for at in [*range(len(regions) - 1, end - 1, -1), *range(start - 1, -1, -1)]:
            if not regions[at].is_nomap:
                self.memory.delete(at, at + 1, self.max_numnodes)
        self._remove_range(self.reserved, 0, base)
        self._remove_range(self.reserved, (base + size) & U64_MAX, U64_MAX)

    def mem_limit_remove_map(self, limit: int) -> None:
        """Keep the first ``limit`` bytes of memory (0: all), and whatever may not be mapped."""
        max_addr = self._find_max_addr(limit) if limit else None
        if max_addr is not None:
            self.cap_memory_range(0, max_addr)

    # --- allocation

    def alloc_range_nid(self, size: int, align: int, start: int, end: int, nid: int, exact_nid: bool = False) -> int:
        """Reserve ``size`` bytes of free memory in ``start`` to ``end``: the address, or 0.

        From the top unless :attr:`bottom_up`; from node ``nid`` first, and from any unless ``exact_nid``.
        """
        align = align or _SMP_CACHE_BYTES
        flags = self._choose_flags()
        while True:
            for node in (nid,) if exact_nid or not self.valid_node(nid) else (nid, NUMA_NO_NODE):
                found = self._find_in_range_node(size, align, start, end, node, flags)
                if found and not self.reserve_kern(found, size, node):
                    return found
            if not flags & MEMBLOCK_MIRROR:
                return 0
            flags &= ~MEMBLOCK_MIRROR
            self._warn_no_mirror(size)

    def valid_node(self, nid: int) -> bool:
        """Whether a region's ``nid`` names a node. Linux: ``numa_valid_node``."""
        return 0 <= nid < self.max_numnodes

    def _choose_flags(self) -> int:
        """Linux: ``choose_memblock_flags``."""
        if self.kho_scratch_only:
            return MEMBLOCK_KHO_SCRATCH
        return MEMBLOCK_MIRROR if self._has_mirror else 0

    def _warn_no_mirror(self, size: int) -> None:
        self.log.printk(f"Could not allocate {size:#018x} bytes of mirrored memory")

    def _find_in_range(self, start: int, end: int, size: int, align: int) -> int:
        flags = self._choose_flags()
        found = self._find_in_range_node(size, align, start, end, NUMA_NO_NODE, flags)
        if not found and flags & MEMBLOCK_MIRROR:
            self._warn_no_mirror(size)
            found = self._find_in_range_node(size, align, start, end, NUMA_NO_NODE, 0)
        return found

    def _find_in_range_node(self, size: int, align: int, start: int, end: int, nid: int, flags: int) -> int:
        """Linux: ``memblock_find_in_range_node``. The first page of the machine is never given out."""
        if end in (MEMBLOCK_ALLOC_ACCESSIBLE, _MEMBLOCK_ALLOC_NOLEAKTRACE):
            end = self.current_limit
        start = max(start, self.kernel.page_size)
        end = max(start, end)
        for low, high in self._free_ranges(nid, flags):
            low, high = min(max(low, start), end), min(max(high, start), end)
            if self.bottom_up:
                found = round_up(low, align)
                if found < high and high - found >= size:
                    return found
            elif high >= size:
                found = (high - size) & -align
                if found >= low:
                    return found
        return 0

    def _free_ranges(self, nid: int, flags: int) -> Iterator[tuple[int, int]]:
        """Memory that is not reserved, in the direction of allocation: start and end (exclusive)."""
        step = 1 if self.bottom_up else -1
        for region in self.memory.regions[::step]:
            if not self._skipped(region, nid, flags):
                yield from [(start, end) for _, start, end in self.reserved.gaps(region.base, region.end)][::step]

    def free_mem_ranges(self) -> Iterator[tuple[int, int]]:
        """Memory that is not reserved, ascending, as (start, end) in bytes, half open.

        Memory that is not mapped or belongs to a driver is left out.

        Linux: ``for_each_free_mem_range`` with ``MEMBLOCK_NONE`` on any node.
        """
        for region in self.memory.regions:
            if not self._skipped(region, NUMA_NO_NODE, 0):
                yield from ((start, end) for _, start, end in self.reserved.gaps(region.base, region.end))

    def _skipped(self, region: Region, nid: int, flags: int) -> bool:
        """Linux: ``should_skip_region``."""
        return (
            (self.valid_node(nid) and nid != region.nid)
            or (self.movable_node and bool(region.flags & MEMBLOCK_HOTPLUG))
            or (bool(flags & MEMBLOCK_MIRROR) and not region.flags & MEMBLOCK_MIRROR)
            or bool(region.flags & (MEMBLOCK_NOMAP | MEMBLOCK_DRIVER_MANAGED))
            or (bool(flags & MEMBLOCK_KHO_SCRATCH) and not region.flags & MEMBLOCK_KHO_SCRATCH)
        )

    # --- questions

    def phys_mem_size(self) -> int:
        """Bytes of memory, unmappable memory included."""
        return self.memory.total_size

    def start_of_dram(self) -> int:
        """First byte of memory; 0 where there is none. Linux: ``memblock_start_of_DRAM``."""
        return self.memory.regions[0].base if self.memory.regions else 0

    def end_of_dram(self) -> int:
        """First byte after the last memory; 0 where there is none. Linux: ``memblock_end_of_DRAM``."""
        return self.memory.regions[-1].end if self.memory.regions else 0

    def is_memory(self, addr: int) -> bool:
        """Whether a byte is memory."""
        return self.memory.search(addr) is not None

    def is_map_memory(self, addr: int) -> bool:
        """Whether a byte is memory that the kernel may map."""
        region = self.memory.search(addr)
        return region is not None and not region.is_nomap

    def is_reserved(self, addr: int) -> bool:
        """Whether a byte is in use."""
        return self.reserved.search(addr) is not None

    def is_region_memory(self, base: int, size: int) -> bool:
        """Whether one memory region holds the whole range."""
        region = self.memory.search(base)
        return region is not None and region.end >= base + min(size, U64_MAX - base)

    def is_region_reserved(self, base: int, size: int) -> bool:
        """Whether anything of a range is in use."""
        return self.overlaps_region(self.reserved, base, size)

    def overlaps_region(self, type_: MemblockType, base: int, size: int) -> bool:
        """Whether a range and a list have a byte in common."""
        end = base + min(size, U64_MAX - base)
        at = type_.above(base)
        return at < len(type_) and type_.regions[at].base < end

    def mem_pfn_ranges(self, nid: int = NUMA_NO_NODE) -> Iterator[tuple[int, int, int]]:
        """Whole pages of memory, of one node or of all: (first pfn, pfn after the last, node of the region).

        Memory that begins in the last page below 2**64 seems to begin at 0.

        Linux: ``for_each_mem_pfn_range``.
        """
        page = self.kernel.page_size
        for region in self.memory:
            start, end = round_up(region.base, page) // page, region.end // page
            if start < end and (not self.valid_node(nid) or nid == region.nid):
                yield start, end, region.nid

    def validate_numa_coverage(self, threshold: int) -> bool:
        """Whether at most ``threshold`` bytes of memory have no node; prints where there are more."""
        page = self.kernel.page_size
        pages = sum(end - start for start, end, nid in self.mem_pfn_ranges() if not self.valid_node(nid))
        lost = page * pages & U64_MAX
        if lost <= threshold:
            return True
        text = f"NUMA: no nodes coverage for {lost >> 20}MB of {self.phys_mem_size() >> 20}MB RAM"
        self.log.printk(text, rule=NOT_COVERED)
        return False

    # --- text

    def dump_all(self) -> None:
        """Print both lists, with ``memblock=debug`` only."""
        if self.debug:
            for line in self.dump():
                self.log.printk(line)

    def dump(self) -> list[str]:
        """Both lists as ``memblock=debug`` prints them. Linux: ``__memblock_dump_all``."""
        sizes = f" memory size = {self.memory.total_size:#018x} reserved size = {self.reserved.total_size:#018x}"
        return ["MEMBLOCK configuration:", sizes, *self._dump(self.memory), *self._dump(self.reserved)]

    def _dump(self, type_: MemblockType) -> list[str]:
        regions = type_.regions
        if not regions and self.has_dummy:
            regions = [Region(0, 0, 0, type_.empty_nid)]
        lines = [f" {type_.name}.cnt  = {len(regions):#x}"]
        for at, region in enumerate(regions):
            last = (region.end - 1) & U64_MAX
            node = f" on node {region.nid}" if self._prints_node(region.nid) else ""
            span = f"[{region.base:#018x}-{last:#018x}], {region.size:#018x} bytes"
            lines.append(f" {type_.name}[{at:#x}]\t{span}{node} flags: {region.flags:#x}")
        return lines

    def _prints_node(self, nid: int) -> bool:
        if self.has_dummy:
            return nid != self.max_numnodes
        return self.valid_node(nid)
