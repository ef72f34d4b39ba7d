"""Faked nodes: ``numa=fake=``. Linux: ``mm/numa_emulation.c``; before 6.12 ``arch/x86/mm/numa_emulation.c``.

RAM of the physical nodes is dealt out to emulated ones. Bytes; ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.numa.numa import LOCAL_DISTANCE, NUMA_NO_NODE, REMOTE_DISTANCE, NumaState
from softreserve.kernel.numa.numa_memblks import NumaBlock, NumaMemblks
from softreserve.model.errors import MachineError
from softreserve.model.units import U64_MAX, mem_text, signed

__all__ = ["NumaEmulation", "fix_pxm_node_maps"]

_FILE: Final = "mm/numa_emulation.c"
_MIN_SIZE: Final = 32 << 20


class NumaEmulation:
    """What ``numa=fake=`` asks for.

    :param text: the value after ``fake=``; what was read of it is gone when a second method is tried.
    :param dma_end: end of the memory below 4 GiB, in bytes: no node shall end just before it.
    :param update_cpus: called with emulated node to physical node, so that CPUs follow.
    """

    def __init__(self, text: str, dma_end: int, update_cpus: Callable[[dict[int, int]], None]) -> None:
        self.text = text
        self.dma_end = dma_end
        self._update_cpus = update_cpus

    def numa_emulation(self, memblks: NumaMemblks) -> None:
        """Replace the physical nodes of ``memblks`` by emulated ones; they stay where that fails.

        :raises MachineError: the kernel dies: without a SLIT, some domain has no emulated node (6.12).
        """
        state = memblks.state
        physical = set(state.parsed)
        state.emu_nid_to_phys.clear()
        split = _Split(memblks, self.dma_end)
        if not self._split(split, memblks) or not self._commit(split, memblks):
            state.parsed.clear()
            state.parsed |= physical
            state.emu_nid_to_phys.clear()

    def _split(self, split: _Split, memblks: NumaMemblks) -> bool:
        """Deal RAM out as the text asks: whether that worked."""
        end = memblks.end_of_ram
        text = self.text
        if "U" in text:
            count, self.text = memblks.state.kernel.simple_strtoull(text)
            done = split.each_node(count, memblks.state.parsed)
        elif "M" in text or "G" in text:
            size, self.text = memblks.state.kernel.memparse(text)
            done = split.by_size(size, end) >= 0
        else:
            count, self.text = memblks.state.kernel.simple_strtoull(text)
            done = split.interleave(count, end)
        self.text = self.text.removeprefix(":")
        if done and memblks.numa_cleanup_meminfo(split.emulated) < 0:
            text = "NUMA: Warning: constructed meminfo invalid, disabling emulation"
            memblks.log.printk(text, f"{_FILE}: numa_emulation")
            done = False
        return done

    def _commit(self, split: _Split, memblks: NumaMemblks) -> bool:
        """Make the emulated nodes the nodes; False where the proximity domains cannot follow."""
        state = memblks.state
        count = state.distance_count
        physical = [state.distance(i, j) for i in range(count) for j in range(count)]
        emu = split.emu_nid_to_phys
        max_nid = max(emu, default=0)
        default = emu[min(emu)] if emu else NUMA_NO_NODE
        state.parsed.clear()
        state.parsed |= {block.nid for block in split.emulated}
        if memblks.generic and fix_pxm_node_maps(state, emu, max_nid) < 0:
            return False
        memblks.meminfo[:] = split.emulated
        self._update_cpus(emu)
        for nid in range(max_nid + 1 if memblks.generic else state.max_numnodes):
            emu.setdefault(nid, default)
        state.emu_nid_to_phys.update(emu)
        self._set_distances(state, max_nid, physical, count)
        if memblks.generic:
            self._set_other_distances(state, max_nid, physical, count)
        return True

    def _set_distances(self, state: NumaState, max_nid: int, physical: list[int], count: int) -> None:
        """Distances of the emulated nodes: those given in the text, else those of their physical nodes.

        :param physical: distances of the physical nodes, row after row of ``count``.
        :raises MachineError: the kernel dies here.
        """
        emu = state.emu_nid_to_phys
        state.numa_reset_distance()
        for i in range(max_nid + 1):
            for j in range(max_nid + 1):
                found, distance, self.text = state.kernel.get_option(self.text)
                if found != 2:
                    distance = LOCAL_DISTANCE if emu[i] == emu[j] else REMOTE_DISTANCE
                    if emu[i] < count and emu[j] < count:
                        distance = physical[emu[i] * count + emu[j]]
                state.numa_set_distance(i, j, distance)

    @staticmethod
    def _set_other_distances(state: NumaState, max_nid: int, physical: list[int], count: int) -> None:
        """Distances of the ids that domains without an emulated node have got.

        Where the kernel reads behind its copy of the physical distances, the default distance stays here.
        """
        emu = state.emu_nid_to_phys
        for i in range(state.distance_count):
            for j in range(state.distance_count):
                if i in emu and j in emu:
                    continue
                if not physical:
                    raise MachineError("kernel panic: numa=fake= reads physical distances that there are none of")
                at = emu.get(i, i - max_nid) * count + emu.get(j, j - max_nid)
                if at < len(physical):
                    state.numa_set_distance(i, j, physical[at])


class _Split:
    """Deals the blocks of the physical nodes (``left``) out to ``emulated`` ones."""

    def __init__(self, memblks: NumaMemblks, dma_end: int) -> None:
        self.log = memblks.log
        self.memblock: Memblock = memblks.memblock
        self.page = memblks.kernel.page_size
        self.max_numnodes = memblks.state.max_numnodes
        self.max_blocks = memblks.max_blocks
        self.parsed = memblks.state.parsed
        self.dma_end = dma_end
        self.left = [NumaBlock(block.nid, block.start, block.end) for block in memblks.meminfo]
        self.emulated: list[NumaBlock] = []
        self.emu_nid_to_phys: dict[int, int] = {}
        # What the first slot of the array holds, also when no block is left.
        self._first = self.left[0] if self.left else NumaBlock(NUMA_NO_NODE, 0, 0)

    # --- the three ways

    def interleave(self, wanted: int, max_addr: int) -> bool:
        """``wanted`` nodes of equal size, in turn over the physical nodes. Linux: ``split_nodes_interleave``."""
        count = signed(wanted)
        if count <= 0:
            return False
        if count > self.max_numnodes:
            self._print(f"numa=fake={count} too large, reducing to {self.max_numnodes}")
            count = self.max_numnodes
        size = (max_addr - self._hole(0, max_addr)) // self.page // count * self.page
        big = size % _MIN_SIZE * count // _MIN_SIZE
        size -= size % _MIN_SIZE
        if not size:
            self._print("Not enough memory for each node.  NUMA emulation disabled.")
            return False

        def end_of(start: int, limit: int, number: int) -> int:
            end = start + size + (_MIN_SIZE if number < big else 0)
            return self._to_the_end(self._grown(start, end, limit, size), limit, size)

        return self._deal(set(self.parsed), 0, count, end_of) >= 0

    def by_size(self, size: int, max_addr: int) -> int:
        """Nodes of at least ``size`` bytes: the next node id or -1. Linux: ``split_nodes_size_interleave``."""
        if not size:
            return -1
        ram = max_addr - self._hole(0, max_addr)
        return self._by_size(
            size, ram // self.page // self.max_numnodes * self.page, set(self.parsed), 0, uniform=False
        )

    def each_node(self, count: int, physical: set[int]) -> bool:
        """Each physical node in ``count`` parts, holes ignored."""
        done = False
        nid = 0
        for phys in sorted(physical):
            first = self.left[0] if self.left else self._first
            parts = signed(count)
            if parts == 0:
                return False
            size = (first.end // self.page - first.start // self.page) // (parts % (1 << 64)) * self.page
            after = self._by_size(size, size, {first.nid}, nid, uniform=True)
            if after < 0:
                return False
            done = True
            if after != nid and after - nid < count:
                created = after - nid
                self._print(f"numa_emulation: phys: {phys} only got {created} of {count} nodes, failing")
                return False
            nid = after
        return done

    def _by_size(self, size: int, min_size: int, nodes: set[int], number: int, *, uniform: bool) -> int:
        """Linux: ``split_nodes_size_interleave_uniform``."""
        min_size = -(-max(min_size, _MIN_SIZE) // _MIN_SIZE) * _MIN_SIZE
        if size < min_size:
            self._print(f"Fake node size {size >> 20}MB too small, increasing to {min_size >> 20}MB")
            size = min_size
        size -= size % _MIN_SIZE

        def end_of(start: int, limit: int, _number: int) -> int:
            if uniform:
                return self._to_the_end(start + size, limit, 0)
            return self._to_the_end(self._grown(start, start + size, limit, size), limit, size)

        return self._deal(nodes, number, self.max_numnodes, end_of)

    # --- one node after the other

    def _deal(self, physical: set[int], number: int, count: int, end_of: Callable[[int, int, int], int]) -> int:
        """Go round the physical nodes until no block is left: the number of the next emulated node, or -1.

        :param number: of the first emulated node; ids begin again after ``count`` of them.
        :param end_of: the end for a start, the end of its block, and the number.
        """
        while physical:
            for phys in sorted(physical):
                block = next((block for block in self.left if block.nid == phys), None)
                if block is None:
                    physical.discard(phys)
                    continue
                end = min(end_of(block.start, block.end, number), block.end)
                if not self._take(block, number % count, end):
                    return -1
                number += 1
        return number

    def _take(self, block: NumaBlock, nid: int, end: int) -> bool:
        """Give a block up to ``end`` to an emulated node; False: there are too many. Linux: ``emu_setup_memblk``."""
        if len(self.emulated) >= self.max_blocks:
            self._print("NUMA: Too many emulated memblks, failing emulation")
            return False
        start = block.start
        self.emulated.append(NumaBlock(nid, start, end))
        self.emu_nid_to_phys.setdefault(nid, block.nid)
        block.start = end
        if block.start >= block.end:
            self.left.remove(block)
            self._first = block
        text = f"Faking node {nid} at {mem_text(start, end, wide=True)} ({(end - start) >> 20}MB)"
        self.log.printk(text, f"{_FILE}: emu_setup_memblk")
        return True

    def _grown(self, start: int, end: int, limit: int, size: int) -> int:
        """``end`` moved up until there are ``size`` bytes of RAM below it, or ``limit`` is reached."""
        while end - start - self._hole(start, end) < size:
            end += _MIN_SIZE
            if end > limit:
                return limit
        return end

    def _to_the_end(self, end: int, limit: int, size: int) -> int:
        """``end`` moved to 4 GiB or to the end of the block where less than ``size`` would be left before it."""
        if end < self.dma_end and self.dma_end - end - self._hole(end, self.dma_end) < _MIN_SIZE:
            end = self.dma_end
        # unsigned in the kernel: an end beyond the block leaves plenty
        if (limit - end - self._hole(end, limit)) & U64_MAX < size:
            end = limit
        return end

    def _hole(self, start: int, end: int) -> int:
        """Bytes in a range that are no RAM. Linux: ``mem_hole_size``."""
        first, last = -(-start // self.page), end // self.page
        if first >= last:
            return 0
        present = sum(max(min(e, last) - max(s, first), 0) for s, e, _ in self.memblock.mem_pfn_ranges())
        return (last - first - present) * self.page

    def _print(self, text: str) -> None:
        self.log.printk(text, _FILE)


def fix_pxm_node_maps(state: NumaState, emu_nid_to_phys: dict[int, int], max_nid: int) -> int:
    """Let proximity domains name the emulated nodes: 0 or -1. Linux: ``drivers/acpi/numa/srat.c``.

    Domains whose node has no emulated node get the lowest free ids, and those nodes become possible.
    """
    if state.numa_off:
        return -1
    if state.srat_disabled:
        return 0
    domains = state.node_pxms()
    fixed = {nid: domains[phys] for nid, phys in emu_nid_to_phys.items() if phys in domains}
    if not fixed:
        return 0
    if max(fixed) != max_nid:
        return -1
    for nid in sorted(domains):
        if nid in emu_nid_to_phys.values():
            continue
        free = next((other for other in range(state.max_numnodes) if other not in fixed), None)
        if free is None:
            return -1
        fixed[free] = domains[nid]
        state.parsed.add(free)
    state.set_pxm_node_maps(fixed)
    return 0
