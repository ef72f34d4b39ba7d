"""Hot adding, onlining, offlining and removing memory. Linux: ``mm/memory_hotplug.c``, ``drivers/base/memory.c``.

Addresses and sizes are bytes, ranges of addresses have a start and a size; pfn and pages are named so. Functions with a
kernel name return what it returns: 0 or ``-errno``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from errno import E2BIG, EBUSY, EEXIST, EINVAL, EPERM
from typing import TYPE_CHECKING, Final

from softreserve.kernel import resource
from softreserve.kernel.mm.added_memory import AddedMemory, Written
from softreserve.kernel.mm.kernel_pages import KernelPages
from softreserve.kernel.mm.memblock import MEMBLOCK_DRIVER_MANAGED
from softreserve.kernel.mm.memory_block import BlockRange, BlockTable, MemoryGroup
from softreserve.kernel.mm.page_alloc import STRUCT_PAGE, PageAllocator
from softreserve.kernel.mm.zone_policy import ZonePolicy
from softreserve.kernel.mm.zones import Zone
from softreserve.kernel.resource import (
    IORESOURCE_BUSY,
    IORESOURCE_SYSRAM_DRIVER_MANAGED,
    IORESOURCE_SYSTEM_RAM,
    Resource,
)
from softreserve.model import behaviours
from softreserve.model.events import Rule
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.numa.node import Nodes
    from softreserve.kernel.state import KernelState

__all__ = [
    "MEMORY_ADDED",
    "MEMORY_ONLINE",
    "MEMORY_REMOVED",
    "MHP_MEMMAP_ON_MEMORY",
    "MHP_MERGE_RESOURCE",
    "MHP_NID_IS_MGID",
    "ONLINE_TYPES",
    "MemoryHotplug",
    "Notifier",
    "online_type_from_str",
]

MEMORY_ADDED: Final = Rule("memory-added", "memory added")
MEMORY_REMOVED: Final = Rule("memory-removed", "memory removed")
MEMORY_ONLINE: Final = Rule("memory-online", "online in zone {} of node {}")

MHP_MERGE_RESOURCE: Final = 0x1
MHP_MEMMAP_ON_MEMORY: Final = 0x2
MHP_NID_IS_MGID: Final = 0x4

#: What can be written to ``state`` and ``auto_online_blocks``.
ONLINE_TYPES: Final = ("offline", "online", "online_kernel", "online_movable")

#: ``(action, start_pfn, nr_pages, status_change_nid)``: ``"online"`` or ``"offline"`` has happened to these pages, and
#: the node (-1: none) got its first memory or lost its last. Neighbouring blocks may be reported together, but the
#: one that changes a node's status always comes alone.
Notifier = Callable[[str, int, int, int], None]

_MISSING: Final = "memory block vanished"


def online_type_from_str(text: str) -> str | None:
    """One of :data:`ONLINE_TYPES`, with or without a newline; else ``None``. Linux: ``mhp_online_type_from_str``."""
    word = text.removesuffix("\n")
    return word if word in ONLINE_TYPES else None


class MemoryHotplug:
    """Memory of a running kernel: zones, memory blocks, groups, and everything that changes them.

    :param ask_block_size: gives the size of a memory block in bytes; ``None``: one section. Asked once.
    :param ask_online_policy: gives one of :data:`ONLINE_TYPES`; ``None``: as the kernel is configured. Asked once.
    :param ask_user_space: what it does with memory that was added; see :class:`AddedMemory`.
    """

    def __init__(
        self,
        state: KernelState,
        nodes: Nodes,
        ask_block_size: Callable[[], int | None],
        ask_online_policy: Callable[[], str | None],
        ask_user_space: Callable[[int, int, int], Written | None] = lambda nid, start, size: None,
    ) -> None:
        self._state = state
        self._nodes = nodes
        self._ask_block_size = ask_block_size
        self._ask_online_policy = ask_online_policy
        self.zones = PageAllocator(state, nodes)
        self.policy = ZonePolicy(state, self.zones)
        self.blocks = BlockTable()
        self.groups: dict[int, MemoryGroup] = {}
        self._free_groups: list[int] = []  # a heap: the lowest number is taken first
        #: ``auto_online_blocks``: one of :data:`ONLINE_TYPES`.
        self.default_online_type = "offline"
        #: Bytes.
        self.section_size = state.arch.section_size(state.kernel)
        #: Bytes; known from :meth:`memory_block_size_bytes` on, which :meth:`memory_dev_init` calls at the latest.
        self.block_size = self.section_size
        #: First and last byte that the direct map can cover; ``None``: any. Linux: ``arch_get_mappable_range``.
        self.mappable_range: tuple[int, int] | None = None
        self._forgets_normal_memory = state.kernel.has(behaviours.HOTPLUG_FORGETS_NORMAL_MEMORY)
        self._kernel_pages = KernelPages(nodes, self.zones, self.zones.pageblock_pages * state.kernel.page_size)
        #: Last byte of physical memory that the kernel can address. Linux: ``PHYSMEM_END``.
        self.physmem_end = (1 << state.arch.physmem_bits(state.machine)) - 1
        #: ``mem=``: memory must not be added beyond it while booting. Linux: ``max_mem_size``.
        self.max_mem_size = U64_MAX
        #: ``memory_hotplug.memmap_on_memory``: ``"N"``, ``"Y"`` or ``"force"``.
        self.memmap_mode = "N"
        self._notifiers: list[tuple[int, Notifier]] = []
        self._block_size_is_known = False
        #: Blocks of boot memory in which the kernel itself lives on its nodes.
        self._kernel_blocks: set[int] = set()
        #: Memory that was added, and whom to tell.
        self.added = AddedMemory(state, ask_user_space, self.online_blocks)

    # --- boot

    def memory_block_size_bytes(self) -> int:
        """The size of a memory block in bytes; the architecture is asked, and may print it, once."""
        if not self._block_size_is_known:
            self._block_size_is_known = True
            self.block_size = self._ask_block_size() or self.section_size
        return self.block_size

    def memory_dev_init(self) -> None:
        """Make the memory blocks of the memory found at boot, where CONFIG_MEMORY_HOTPLUG is on.

        Linux: ``drivers/base/memory.c: memory_dev_init``.
        """
        if not self._state.kernel.builtin("MEMORY_HOTPLUG"):
            return
        from softreserve.kernel.mm.boot_blocks import BootBlocks

        page = self._state.kernel.page_size
        sizes = self.memory_block_size_bytes() // page, self.section_size // page
        found = BootBlocks(self._state, self._nodes, self.zones, *sizes, max_pfn=(self.physmem_end + 1) // page)
        for blocks in found:
            self.blocks.insert(blocks)
        self._kernel_blocks = set(found.kernel_blocks())
        self._nodes.memory_blocks = self
        self._set_default_online_type()

    def _set_default_online_type(self) -> None:
        """The configuration's policy, ``memhp_default_state=``, a policy plugin's: the last one wins.

        Linux: ``mhp_get_default_online_type``, ``setup_memhp_default_state``.
        """
        kernel = self._state.kernel
        if kernel.has(behaviours.MHP_ONLINE_TYPES_BY_CONFIG):
            for suffix, online_type in (
                ("OFFLINE", "offline"),
                ("ONLINE_AUTO", "online"),
                ("ONLINE_KERNEL", "online_kernel"),
                ("ONLINE_MOVABLE", "online_movable"),
            ):
                if kernel.builtin(f"MHP_DEFAULT_ONLINE_TYPE_{suffix}"):
                    self.default_online_type = online_type
                    break
        elif kernel.builtin("MEMORY_HOTPLUG_DEFAULT_ONLINE"):
            self.default_online_type = "online"
        for text in self._state.cmdline.all("memhp_default_state"):
            self.default_online_type = online_type_from_str(text or "") or self.default_online_type
        self.default_online_type = self._ask_online_policy() or self.default_online_type

    # --- notifiers and groups

    def register_memory_notifier(self, notifier: Notifier, priority: int = 0) -> None:
        """Call ``notifier`` when memory has gone online or offline; higher priority first."""
        self._notifiers.append((priority, notifier))
        self._notifiers.sort(key=lambda entry: -entry[0])

    def unregister_memory_notifier(self, notifier: Notifier) -> None:
        """Call it no more."""
        self._notifiers = [entry for entry in self._notifiers if entry[1] != notifier]

    def _notify(self, action: str, start_pfn: int, nr_pages: int, nid: int) -> None:
        for _, notifier in self._notifiers:
            notifier(action, start_pfn, nr_pages, nid)

    def memory_group_register_static(self, nid: int, max_pages: int) -> int:
        """Make a group for the memory of one device: its number, or -EINVAL. ``max_pages`` is all it may bring."""
        if nid not in self._nodes.possible or max_pages <= 0:
            return -EINVAL
        from heapq import heappop

        mgid = heappop(self._free_groups) if self._free_groups else len(self.groups)
        self.groups[mgid] = MemoryGroup(nid, max_pages)
        return mgid

    def memory_group_unregister(self, mgid: int) -> int:
        """Drop a group: 0, -EINVAL where there is none, -EBUSY while it has blocks."""
        group = self.groups.get(mgid)
        if group is None:
            return -EINVAL
        if any(blocks.group is group for blocks in self.blocks):
            return -EBUSY
        del self.groups[mgid]
        from heapq import heappush

        heappush(self._free_groups, mgid)
        return 0

    # --- adding

    def add_memory(self, nid: int, start: int, size: int, flags: int = 0) -> int:
        """Add memory of a node, named ``System RAM``."""
        return self._add_named(nid, start, size, "System RAM", flags)

    def add_memory_driver_managed(
        self, nid: int, start: int, size: int, resource_name: str, flags: int = 0, online_type: str | None = None
    ) -> int:
        """Add memory that only a driver knows how to detect. ``nid`` is a group with :data:`MHP_NID_IS_MGID`.

        :param online_type: what it goes online as; ``None``: the default.
        """
        if not resource_name.startswith("System RAM (") or not resource_name.endswith(")"):
            return -EINVAL
        return self._add_named(nid, start, size, resource_name, flags, online_type)

    def _add_named(self, nid: int, start: int, size: int, name: str, flags: int, online_type: str | None = None) -> int:
        with self.added:
            res = self._register_memory_resource(start, size, name)
            if isinstance(res, int):
                return res
            status = self._add_memory_resource(nid, res, flags, online_type or self.default_online_type)
            if status < 0:
                resource.release_resource(res)
            return status

    def mhp_get_pluggable_range(self) -> tuple[int, int]:
        """First and last byte at which memory with a direct map can be added."""
        first, last = self.mappable_range or (0, U64_MAX)
        if first > self.physmem_end:
            return 0, 0
        return first, min(last, self.physmem_end)

    def mhp_range_allowed(self, start: int, size: int) -> bool:
        """Whether memory with a direct map can be added there; if not, the log says so."""
        first, last = self.mhp_get_pluggable_range()
        end = (start + size) & U64_MAX
        if start < end and start >= first and end - 1 <= last:
            return True
        self._state.printk(
            f"Hotplug memory [{start:#x}-{end:#x}] exceeds maximum addressable range [{first:#x}-{last:#x}]",
            "mm/memory_hotplug.c: mhp_range_allowed",
        )
        return False

    def _register_memory_resource(self, start: int, size: int, name: str) -> Resource | int:
        """Linux: ``register_memory_resource``."""
        flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY
        if name != "System RAM":
            flags |= IORESOURCE_SYSRAM_DRIVER_MANAGED
        if not self.mhp_range_allowed(start, size):
            return -E2BIG
        if start + size > self.max_mem_size and self._state.booting:
            return -E2BIG
        return resource.request_region(self._state.iomem.root, start, size, name, flags) or -EEXIST

    def _check_hotplug_memory_range(self, start: int, size: int) -> int:
        if size and not start % self.block_size and not size % self.block_size:
            return 0
        self._state.printk(
            f"Block size [{self.block_size:#x}] unaligned hotplug range: start {start:#x}, size {size:#x}",
            "mm/memory_hotplug.c: check_hotplug_memory_range",
        )
        return -EINVAL

    def _add_memory_resource(self, nid: int, res: Resource, flags: int, online_type: str) -> int:
        """Linux: ``add_memory_resource``."""
        start, size = res.start, res.size
        status = self._check_hotplug_memory_range(start, size)
        if status:
            return status
        group = None
        if flags & MHP_NID_IS_MGID:
            group = self.groups.get(nid)
            if group is None:
                return -EINVAL
            nid = group.nid
        if nid not in self._nodes.possible:
            self._state.printk(f"node {nid} was absent from the node_possible_map")
            return -EINVAL
        keep_memblock = self._state.kernel.builtin("ARCH_KEEP_MEMBLOCK")
        if keep_memblock:
            managed = MEMBLOCK_DRIVER_MANAGED if res.flags & IORESOURCE_SYSRAM_DRIVER_MANAGED else 0
            self._state.memblock.add_node(start, size, nid, managed, "add_memory_resource")
        status = self._add_blocks(nid, group, start, size, flags)
        if status:
            if keep_memblock:
                self._state.memblock.remove(start, size, "add_memory_resource")
            return status
        if res.name == "System RAM":
            self._state.firmware_memmap.add_hotplug(start, start + size - 1, "System RAM")
        self._state.log.record(MEMORY_ADDED, "mm/memory_hotplug.c: add_memory_resource", start, start + size)
        if flags & MHP_MERGE_RESOURCE:
            resource.merge_system_ram_resource(res)
        if online_type != "offline":
            first = start // self.block_size
            self._online_blocks(first, first + size // self.block_size, online_type)
        self.added.note(nid, start, size, online_type)
        return 0

    def _add_blocks(self, nid: int, group: MemoryGroup | None, start: int, size: int, flags: int) -> int:
        """Bring the node up where it is new, and make the blocks, offline."""
        new_node = nid not in self._nodes.online
        if new_node:
            self.zones.node_data(nid).reset_for_hotadd()
            self.zones.build_all_zonelists(nid)
        on_memory = False
        if flags & MHP_MEMMAP_ON_MEMORY:
            on_memory = self.mhp_supports_memmap_on_memory(size)
            if not on_memory and not self.memmap_can_be_forced:
                return -EINVAL
        first = start // self.block_size
        end = first + size // self.block_size
        if self.blocks.between(first, end):
            return -EEXIST
        if not on_memory:
            self._kernel_pages.take_memory_map(nid, start, start + size, (end - first) * self._memmap_size())
        self.blocks.insert(BlockRange(first, end, nodes=(nid,), group=group, on_memory=on_memory))
        if new_node:
            self._nodes.node_set_online(nid)
        return 0

    @property
    def memmap_can_be_forced(self) -> bool:
        """Whether ``memory_hotplug.memmap_on_memory`` knows ``force``."""
        return self._state.kernel.has(behaviours.MEMMAP_ON_MEMORY_PER_BLOCK)

    def mhp_supports_memmap_on_memory(self, size: int | None = None) -> bool:
        """Whether the memory map can lie on the added memory itself.

        :param size: bytes to be added; counts only where no more than one block can be added so.
        """
        page = self._state.kernel.page_size
        if self.memmap_mode == "N" or not self._state.kernel.builtin("MHP_MEMMAP_ON_MEMORY"):
            return False
        memmap = self._memmap_size()
        pageblock = self.zones.pageblock_pages
        pmd_size = self._state.kernel.pmd_size
        if not self.memmap_can_be_forced:
            rest = self.block_size - memmap
            return size == self.block_size and not memmap % pmd_size and not rest % (pageblock * page)
        pages = self._memmap_on_memory_pages()
        return not (memmap % page or pages % pageblock or pages == self.block_size // page or memmap % pmd_size)

    def _memmap_size(self) -> int:
        """Bytes of memory map for one block."""
        return self.memory_block_size_bytes() // self._state.kernel.page_size * STRUCT_PAGE

    def _memmap_on_memory_pages(self) -> int:
        """Pages of a block that its memory map takes. Linux: ``memory_block_memmap_on_memory_pages``."""
        pages = -(-self._memmap_size() // self._state.kernel.page_size)
        pageblock = self.zones.pageblock_pages
        return -(-pages // pageblock) * pageblock if self.memmap_mode == "force" else pages

    def force_memmap_on_memory(self) -> None:
        """Let memory maps lie on the memory even where that wastes some of it. Linux: ``set_memmap_mode``."""
        self.memmap_mode = "force"
        waste = self._memmap_on_memory_pages() + -self._memmap_size() // self._state.kernel.page_size
        self._state.printk(f"Memory hotplug will waste {waste} pages in each memory block")

    # --- removing

    def remove_memory(self, start: int, size: int) -> int:
        """Remove memory all of whose blocks are offline: 0 or ``-errno``. Linux: ``try_remove_memory``."""
        first = start // self.block_size
        end = first + size // self.block_size
        gone = self.blocks.between(first, end)
        for blocks in gone:
            if blocks.online:
                self._print_onlined(max(blocks.first, first))
                return -EBUSY
        one_block_only = any(blocks.on_memory for blocks in gone) and not self.memmap_can_be_forced
        if one_block_only and size != self.block_size:
            self._state.printk(f"Refuse to remove {start:#x} - {start + size:#x},wrong granularity")
            return -EINVAL
        self._state.firmware_memmap.remove(start, start + size - 1, "System RAM")
        nid = gone[-1].nid if gone else -1
        self.blocks.remove(first, end)
        self._kernel_pages.give_memory_map_back(start, start + size)
        if self._state.kernel.builtin("ARCH_KEEP_MEMBLOCK"):
            self._state.memblock.remove(start, size, "try_remove_memory")
        hands_over = self._state.kernel.has(behaviours.SPLIT_RESOURCE_HANDS_OVER_CHILDREN)
        resource.release_mem_region_adjustable(self._state.iomem.root, start, size, hands_over=hands_over)
        self.added.gone(start, size)
        self._state.log.record(MEMORY_REMOVED, "mm/memory_hotplug.c: try_remove_memory", start, start + size)
        if nid >= 0:
            self.try_offline_node(nid)
        return 0

    def offline_and_remove_memory_ranges(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Take ranges (bytes, ends inclusive, whole blocks) offline and away, all of them or none: 0 or ``-errno``.

        Linux: the same function.
        """
        size = self.block_size
        taken: list[tuple[int, str]] = []
        for block in (n for first, last in ranges for n in range(first // size, (last + 1) // size)):
            blocks = self.blocks.find(block)
            movable = blocks is not None and blocks.zone is not None and blocks.zone.name == "Movable"
            status = self.device_offline(block)
            if status < 0:
                for offline, online_type in taken:
                    self.device_online(offline, online_type)
                return status
            if not status:
                taken.append((block, "online_movable" if movable else "online_kernel"))
        for first, last in ranges:
            self.remove_memory(first, last + 1 - first)
        return 0

    def _print_onlined(self, block: int) -> None:
        first = block * self.block_size
        last = first + self.block_size - 1
        self._state.printk(
            f"removing memory fails, because memory [{first:#018x}-{last:#018x}] is onlined",
            "mm/memory_hotplug.c: check_memblock_offlined_cb",
        )

    def try_offline_node(self, nid: int) -> None:
        """Take a node offline that spans no memory, has no block and no CPU."""
        nodes = self._nodes
        if self.zones.node_data(nid).spanned_pages or nid in nodes.has_cpu:
            return
        if any(blocks.nid == nid for blocks in self.blocks):
            return
        nodes.node_set_offline(nid)

    # --- looking

    def node_block_ids(self, nid: int) -> Iterator[int]:
        """Numbers of the blocks that link to a node, lowest first."""
        for blocks in self.blocks:
            if nid in blocks.nodes:
                yield from range(blocks.first, blocks.end)

    def node_has_block(self, nid: int, block_id: int) -> bool:
        """Whether a block links to a node."""
        blocks = self.blocks.find(block_id)
        return blocks is not None and nid in blocks.nodes

    def _pages(self, first: int, end: int) -> tuple[int, int]:
        """First pfn and number of pages of blocks."""
        per_block = self.block_size // self._state.kernel.page_size
        return first * per_block, (end - first) * per_block

    def zone_for_block(self, block: int, online_type: str) -> Zone:
        """The zone that a block would go online to as ``online_type``."""
        blocks = self.blocks.find(block)
        assert blocks is not None, _MISSING
        return self.policy.zone_for_pfn_range(online_type, blocks.nid, blocks.group, *self._pages(block, block + 1))

    # --- onlining

    def device_online(self, block: int, online_type: str | None = None) -> int:
        """Take one block online: 0, 1 where it is already, or ``-errno``. ``None``: as it was set last, or ``online``.

        Linux: ``drivers/base/core.c: device_online``, ``drivers/base/memory.c: memory_subsys_online``.
        """
        (blocks,) = self.blocks.isolate(block, block + 1)
        if online_type is not None:
            blocks.online_type = online_type
        already = blocks.online
        wanted = "online" if blocks.online_type == "offline" else blocks.online_type
        self.blocks.join(block, block + 1)
        if not already:
            self._online_blocks(block, block + 1, wanted)
        return int(already)

    def online_blocks(self, start: int, size: int, online_type: str) -> bool:
        """Take all blocks of a range (bytes, whole blocks) online that are offline: whether there were any."""
        first = start // self.block_size
        end = first + size // self.block_size
        offline = [
            (max(blocks.first, first), min(blocks.end, end))
            for blocks in self.blocks.between(first, end)
            if not blocks.online
        ]
        for low, high in offline:
            self._online_blocks(low, high, online_type)
        return bool(offline)

    def _online_blocks(self, first: int, end: int, online_type: str) -> None:
        """Take offline blocks of one group online, lowest first.

        Blocks that go to the same zone for the same reason are taken in one go: the choice can only change where a
        zone of the node begins or ends, but not at the moving end of the zone that grows.
        """
        while first < end:
            zone = self.zone_for_block(first, online_type)
            self._online_pages(zone, first, first + 1)
            first += 1
            if self.policy.online_policy == "auto-movable" and online_type == "online":
                continue
            if first < end and self.zone_for_block(first, online_type) is zone:
                stop = min([end, *(edge for edge in self._zone_edges(zone.nid) if edge > first)])
                self._online_pages(zone, first, stop)
                first = stop

    def _zone_edges(self, nid: int) -> list[int]:
        """Block numbers at which a zone of the node begins or ends within the block or at its start."""
        per_block = self.block_size // self._state.kernel.page_size
        pfns = [pfn for zone in self.zones.node_data(nid).zones for pfn in (zone.start_pfn, zone.end_pfn)]
        return [edge for pfn in pfns for edge in (pfn // per_block, -(-pfn // per_block))]

    def _online_pages(self, zone: Zone, first: int, end: int) -> None:
        """Take offline blocks online to a zone. Linux: ``memory_block_online``, ``online_pages``."""
        nodes = self._nodes
        start_pfn, nr_pages = self._pages(first, end)
        pgdat = self.zones.node_data(zone.nid)
        zone.resize(start_pfn, nr_pages)
        pgdat.resize(start_pfn, nr_pages)
        status_change_nid = -1 if zone.nid in nodes.has_memory else zone.nid
        rebuild = not zone.populated
        for blocks in self.blocks.isolate(first, end):
            self._adjust_present(zone, blocks, self._pages(blocks.first, blocks.end)[1])
            blocks.online, blocks.zone, blocks.online_type = True, zone, "offline"
        self.blocks.join(first, end)
        if zone in pgdat.kernel_zones and not self._forgets_normal_memory:
            nodes.has_normal_memory.add(zone.nid)
        nodes.has_memory.add(zone.nid)
        if rebuild:
            self.zones.build_all_zonelists()
        self._state.log.record(
            MEMORY_ONLINE.of(zone.name, zone.nid),
            "mm/memory_hotplug.c: online_pages",
            first * self.block_size,
            end * self.block_size,
        )
        self._notify("online", start_pfn, nr_pages, status_change_nid)
        threads = status_change_nid >= 0 and self._state.kernel.has(behaviours.NODE_THREADS_ON_THEIR_NODE)
        self._kernel_pages.went_online(zone, first * self.block_size, end * self.block_size, threads=threads)

    def _adjust_present(self, zone: Zone, blocks: BlockRange, nr_pages: int) -> None:
        """Linux: ``adjust_present_page_count``."""
        if blocks.early:
            zone.present_early_pages += nr_pages
        zone.present_pages += nr_pages
        self.zones.node_data(zone.nid).present_pages += nr_pages
        if blocks.group is not None:
            if zone.name == "Movable":
                blocks.group.present_movable_pages += nr_pages
            else:
                blocks.group.present_kernel_pages += nr_pages

    # --- offlining

    def device_offline(self, block: int) -> int:
        """Take one block offline: 0, 1 where it is already, or ``-errno``.

        Linux: ``drivers/base/core.c: device_offline``, ``drivers/base/memory.c: memory_block_offline``.
        """
        blocks = self.blocks.find(block)
        assert blocks is not None, _MISSING
        if not blocks.online:
            return 1
        if blocks.zone is None or self._has_holes(block):
            return -EINVAL
        if self._kernel_pages.has_any_of(block * self.block_size, (block + 1) * self.block_size):
            return -EBUSY
        if blocks.early:
            status = self._boot_memory_refuses(block)
            if status:
                return status
        self._offline_pages(blocks.zone, block)
        return 0

    def _has_holes(self, block: int) -> bool:
        """Whether part of the block is not System RAM: such a block can never go offline."""
        start = block * self.block_size
        pages = 0
        page = self._state.kernel.page_size

        def count(res: Resource) -> int:
            nonlocal pages
            pages += max((res.end + 1) // page - -(-res.start // page), 0)
            return 0

        resource.walk_system_ram_res(self._state.iomem.root, start, start + self.block_size - 1, count)
        return pages != self.block_size // page

    def _boot_memory_refuses(self, block: int) -> int:
        """Why boot memory does not go offline: 0, or ``-errno``.

        Only what the kernel took at boot is known to be in use; what it allocated later is not.
        """
        start = block * self.block_size
        if block in self._kernel_blocks or any(
            r.base < start + self.block_size and start < r.end for r in self._state.memblock.reserved.regions
        ):
            return -EBUSY
        if self._state.arch.boot_memory_stays:
            self._state.printk(f"Boot memory [{start:x} {start + self.section_size:x}] offlining attempted")
            return -EPERM
        return 0

    def _offline_pages(self, zone: Zone, block: int) -> None:
        """Linux: ``offline_pages``."""
        nodes = self._nodes
        pgdat = self.zones.node_data(zone.nid)
        start_pfn, nr_pages = self._pages(block, block + 1)
        kernel_pages = sum(z.present_pages for z in pgdat.kernel_zones)
        loses_normal = zone in pgdat.kernel_zones and nr_pages >= kernel_pages
        loses_all = nr_pages >= kernel_pages + pgdat.zone("Movable").present_pages
        (blocks,) = self.blocks.isolate(block, block + 1)
        self._adjust_present(zone, blocks, -nr_pages)
        nodes.dissolve_huge_pages(zone.nid)
        blocks.online, blocks.zone = False, None
        self.blocks.join(block, block + 1)
        self._kernel_pages.went_offline(zone, block * self.block_size, (block + 1) * self.block_size)

        def clear_states() -> None:
            if loses_normal and not self._forgets_normal_memory:
                nodes.has_normal_memory.discard(zone.nid)
            if loses_all:
                nodes.has_memory.discard(zone.nid)

        clears_first = self._state.kernel.has(behaviours.NODE_STATE_CLEARED_BEFORE_ZONELISTS)
        if clears_first:
            clear_states()
        if not zone.populated:
            self.zones.build_all_zonelists()
        if not clears_first:
            clear_states()
        self._notify("offline", start_pfn, nr_pages, zone.nid if loses_all else -1)
        self._shrink_zone_span(zone, start_pfn, start_pfn + nr_pages)
        pgdat.update_span()

    def _shrink_zone_span(self, zone: Zone, start_pfn: int, end_pfn: int) -> None:
        """Draw an end of a zone in after pages at that end went offline. Linux: ``shrink_zone_span``."""
        if zone.start_pfn == start_pfn:
            lowest = next(self._online_in_zone(zone, end_pfn, zone.end_pfn), None)
            zone.set_span(*((lowest[0], zone.end_pfn) if lowest else (0, 0)))
        elif zone.end_pfn == end_pfn:
            highest = next(self._online_in_zone(zone, zone.start_pfn, start_pfn, downwards=True), None)
            zone.set_span(*((zone.start_pfn, highest[1]) if highest else (0, 0)))

    def _online_in_zone(
        self, zone: Zone, start_pfn: int, end_pfn: int, *, downwards: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Parts of a pfn range that are online and in the zone, in order."""
        per_block = self.block_size // self._state.kernel.page_size
        found = self.blocks.between(start_pfn // per_block, -(-end_pfn // per_block))
        for blocks in reversed(found) if downwards else found:
            low, high = max(blocks.first * per_block, start_pfn), min(blocks.end * per_block, end_pfn)
            if blocks.online and blocks.zone is zone:
                yield low, high
            elif blocks.online and blocks.zone is None:
                parts = [(max(s, low), min(e, high)) for s, e in zone.early if s < high and low < e]
                yield from sorted(parts, reverse=downwards)
