"""Ranges of memory with their nodes, as the firmware tells them, and what becomes of them.

Linux: ``mm/numa_memblks.c``; before 6.12 ``arch/x86/mm/numa.c``. Two lists of blocks: ``meminfo`` describes RAM, and
``reserved_meminfo`` what is no RAM now but may be hot-added, soft reserved memory above all. Bytes; ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL
from typing import Final, Protocol

from softreserve.kernel.mm.memblock import NOT_COVERED, Memblock
from softreserve.kernel.numa.numa import NODES_OVERLAP, NUMA_NO_MEMBLK, NUMA_NO_NODE, NumaState
from softreserve.kernel.sort import sort
from softreserve.model import behaviours
from softreserve.model.events import Rule
from softreserve.model.units import U64_MAX, mem_text

__all__ = ["Emulation", "NumaBlock", "NumaMemblks"]

NO_RAM_IN_BLOCK: Final = Rule("numa-block-without-ram", "numa block without RAM")
BLOCK_ABOVE_RAM: Final = Rule("numa-block-above-ram", "numa block above RAM")
_FILE: Final = "mm/numa_memblks.c"


class NumaBlock:
    """A range and its node."""

    __slots__ = ("end", "nid", "start")

    def __init__(self, nid: int, start: int, end: int) -> None:
        self.nid = nid
        self.start = start
        self.end = end

    def __repr__(self) -> str:
        return f"<NumaBlock node {self.nid} {mem_text(self.start, self.end)}>"


class Emulation(Protocol):
    """What replaces physical nodes by emulated ones."""

    def numa_emulation(self, memblks: NumaMemblks) -> None:
        """Change ``memblks`` as the command line asks."""


class NumaMemblks:
    """The two lists and the functions on them. Implements :class:`~softreserve.kernel.numa.numa.AddressToNode`.

    :param state: masks and distances of the kernel; its distance table is sized by the blocks known here.
    :param memblock: what is RAM.
    :param end_of_ram: first byte after the last page of RAM, asked for when blocks are cleaned up. Kernels before 6.12
        cut there (``max_pfn``); later ones look at ``memblock``.
    :param emulation: what ``numa=fake=`` asks for.
    """

    def __init__(
        self,
        state: NumaState,
        memblock: Memblock,
        end_of_ram: int,
        emulation: Emulation | None = None,
    ) -> None:
        self.state = state
        self.log = state.log
        self.kernel = state.kernel
        self.memblock = memblock
        self.end_of_ram = end_of_ram
        self.emulation = emulation
        self.meminfo: list[NumaBlock] = []
        self.reserved_meminfo: list[NumaBlock] = []
        self.max_blocks = 2 * state.max_numnodes
        #: Whether this is the code that architectures share; before 6.12 it was x86's own.
        self.generic = self.kernel.has(behaviours.NUMA_MEMBLKS_GENERIC)
        self._bad_node_fails = self.kernel.has(behaviours.NUMA_BAD_NODE_FAILS)
        # What blk[0] of an empty list holds: zeros at first, then what the clean-up left.
        self._empty_nid = 0
        state.distance_size = self._distance_size

    # --- adding

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """Add a block: 0, or -EINVAL when there are too many. Empty and absurd ones are ignored.

        From 7.3 on it is the node's mention, too, and -EINVAL for one that cannot be.
        """
        status = self._add_to(self.meminfo, nid, start, end)
        if not status and self._bad_node_fails:
            self.state.parsed.add(nid)
        return status

    def numa_add_reserved_memblk(self, nid: int, start: int, end: int) -> int:
        """Add a block of what is no RAM now; as :meth:`numa_add_memblk`."""
        return self._add_to(self.reserved_meminfo, nid, start, end)

    def _add_to(self, blocks: list[NumaBlock], nid: int, start: int, end: int) -> int:
        known = 0 <= nid < self.state.max_numnodes
        if not known and self._bad_node_fails:
            self._warn(f"invalid memblk node id {nid} {mem_text(start, end)}")
            return -EINVAL
        if start == end:
            return 0
        if start > end or not known:
            what = "range for node" if self._bad_node_fails else "node"
            self._warn(f"invalid memblk {what} {nid} {mem_text(start, end)}")
            return 0
        if len(blocks) >= self.max_blocks:
            self.log.printk("too many memblk ranges", f"{_FILE}: numa_add_memblk_to")
            return -EINVAL
        blocks.append(NumaBlock(nid, start, end))
        return 0

    def _warn(self, text: str) -> None:
        self.log.printk(f"Warning: {text}", f"{_FILE}: numa_add_memblk_to", NOT_COVERED)

    def numa_fill_memblks(self, start: int, end: int) -> int:
        """Stretch the blocks in a window until they cover it: 0, or -1 (``NUMA_NO_MEMBLK``) where there is none."""
        found = [block for block in self.meminfo if start < block.end and block.start < end]
        if not found:
            return NUMA_NO_MEMBLK
        sort(found, lambda block: block.start, pairs=self.kernel.has(behaviours.SORT_TAKES_PAIRS))
        found[0].start = min(found[0].start, start)
        found[-1].end = max(found[-1].end, end)
        covered = found[0].end
        for block in found[1:]:
            if covered < block.start:
                block.start = covered
                covered = block.end
            else:
                covered = max(covered, block.end)
        return 0

    # --- the whole run

    def numa_memblks_init(self, init_func: Callable[[], int]) -> int:
        """Let ``init_func`` add blocks, clean them up, and give ``memblock.memory`` its nodes: 0 or -errno.

        Blocks that an earlier attempt found to be no RAM stay in ``reserved_meminfo``. 6.1: the first part of
        ``numa_init()`` in ``arch/x86/mm/numa.c``.
        """
        state, memblock = self.state, self.memblock
        state.parsed.clear()
        state.possible.clear()
        state.online.clear()
        self.meminfo.clear()
        self._empty_nid = 0
        none = NUMA_NO_NODE if self.generic else state.max_numnodes
        memblock.set_node(0, U64_MAX, memblock.memory, none)
        memblock.set_node(0, U64_MAX, memblock.reserved, none)
        memblock.clear_hotplug(0, U64_MAX)
        state.numa_reset_distance()
        status = init_func()
        if status < 0:
            return status
        status = self.numa_cleanup_meminfo(self.meminfo)
        if status < 0:
            return status
        if self.emulation is not None:
            self.emulation.numa_emulation(self)
        return self._register_meminfo()

    def numa_cleanup_meminfo(self, blocks: list[NumaBlock]) -> int:
        """Sort out what is no RAM, cut at the ends of RAM, join neighbours: 0, or -EINVAL if two nodes overlap."""
        self._trim(blocks)
        at = 0
        while at < len(blocks):
            if self._join_later(blocks, at) < 0:
                return -EINVAL
            at += 1
        self._empty_nid = NUMA_NO_NODE
        return 0

    def _trim(self, blocks: list[NumaBlock]) -> None:
        """First pass: what has no RAM goes to ``reserved_meminfo``, and so does what lies above the end of RAM."""
        memblock = self.memblock
        low, high = 0, self.end_of_ram
        if self.generic:
            low, high = memblock.start_of_dram(), memblock.end_of_dram()
        keeps = self.kernel.has(behaviours.NUMA_KEEPS_RESERVED_BLOCKS)
        kept: list[NumaBlock] = []
        for block in blocks:
            if not memblock.overlaps_region(memblock.memory, block.start, block.end - block.start):
                if keeps:
                    self.reserved_meminfo.append(block)
                    self._record(NO_RAM_IN_BLOCK, block)
                continue
            block.start = max(block.start, low)
            if block.end > high:
                if keeps:
                    self.numa_add_reserved_memblk(block.nid, high, block.end)
                    self._record(BLOCK_ABOVE_RAM, NumaBlock(block.nid, high, block.end))
                block.end = high
            if block.start < block.end:
                kept.append(block)
        blocks[:] = kept

    def _record(self, rule: Rule, block: NumaBlock) -> None:
        function = f"{_FILE}: numa_cleanup_meminfo"
        self.log.record(rule, function, block.start, block.end, after=f"node {block.nid}, reserved block")

    def _join_later(self, blocks: list[NumaBlock], at: int) -> int:
        """Join later blocks of the same node to the block at a position, unless another node lies between."""
        block = blocks[at]
        later = at + 1
        while later < len(blocks):
            other = blocks[later]
            if block.end > other.start and block.start < other.end and self._overlap(block, other) < 0:
                return -EINVAL
            start, end = min(block.start, other.start), max(block.end, other.end)
            if block.nid != other.nid or any(b.nid != block.nid and start < b.end and end > b.start for b in blocks):
                later += 1
                continue
            self.log.printk(
                f"NUMA: Node {block.nid} {mem_text(block.start, block.end)} + {mem_text(other.start, other.end)}"
                f" -> {mem_text(start, end)}",
                f"{_FILE}: numa_cleanup_meminfo",
            )
            block.start, block.end = start, end
            del blocks[later]
        return 0

    def _overlap(self, block: NumaBlock, other: NumaBlock) -> int:
        """Complain about two blocks that overlap: 0 within a node, else -EINVAL."""
        function = f"{_FILE}: numa_cleanup_meminfo"
        this = f"node {block.nid} {mem_text(block.start, block.end)}"
        if block.nid != other.nid:
            text = f"{this} overlaps with node {other.nid} {mem_text(other.start, other.end)}"
            self.log.printk(text, function, NODES_OVERLAP)
            return -EINVAL
        self.log.printk(f"Warning: {this} overlaps with itself {mem_text(other.start, other.end)}", function)
        return 0

    # --- giving memblock its nodes

    def _register_meminfo(self) -> int:
        """Linux: ``numa_register_meminfo``; before 6.12 the first part of ``numa_register_memblks``."""
        self.state.possible.clear()
        self.state.possible |= self.state.parsed | {block.nid for block in self.meminfo}
        if not self.state.possible:
            return -EINVAL
        for block in self.meminfo:
            self.memblock.set_node(block.start, block.end - block.start, self.memblock.memory, block.nid)
        self._clear_kernel_node_hotplug()
        return 0

    def _clear_kernel_node_hotplug(self) -> None:
        """A node with anything reserved cannot be unplugged, soft reserved memory included.

        Linux: ``numa_clear_kernel_node_hotplug``.
        """
        memblock = self.memblock
        for block in self.meminfo:
            memblock.set_node(block.start, block.end - block.start, memblock.reserved, block.nid)
        used = {region.nid for region in memblock.reserved}
        if not used and memblock.has_dummy:
            used = {memblock.reserved.empty_nid}
        for block in self.meminfo:
            if block.nid in used:
                memblock.clear_hotplug(block.start, block.end - block.start)

    # --- distances

    def _distance_size(self) -> int:
        """Linux: ``numa_alloc_distance``."""
        return max(self.state.parsed | {block.nid for block in self.meminfo}, default=0) + 1

    # --- questions

    def phys_to_target_node(self, addr: int) -> int:
        """Node of an address (bytes): of RAM, or of what may become RAM; -1 where no block says."""
        nid = _node_of(self.meminfo, addr)
        reserved = _node_of(self.reserved_meminfo, addr)
        if nid != NUMA_NO_NODE and (not self.generic or reserved == NUMA_NO_NODE):
            return nid
        return reserved

    def memory_add_physaddr_to_nid(self, addr: int) -> int:
        """Node of the RAM block that holds an address (bytes), else of the first block."""
        nid = _node_of(self.meminfo, addr)
        if nid == NUMA_NO_NODE:
            nid = self.meminfo[0].nid if self.meminfo else self._empty_nid
        return nid

    def borders(self) -> set[int]:
        """Where blocks begin and end."""
        return {border for block in (*self.meminfo, *self.reserved_meminfo) for border in (block.start, block.end)}


def _node_of(blocks: list[NumaBlock], addr: int) -> int:
    for block in blocks:
        if block.start <= addr < block.end:
            return block.nid
    return NUMA_NO_NODE
