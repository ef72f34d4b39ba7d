"""Memory blocks: what user space can take online and offline. Linux: ``drivers/base/memory.c``.

A machine may have half a million blocks, so blocks are kept as ranges of neighbours that are alike.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import attrgetter

from softreserve.kernel.mm.zones import Zone

__all__ = ["BlockRange", "BlockTable", "MemoryGroup"]

_first = attrgetter("first")


class MemoryGroup:
    """Memory of one device that goes online together; sizes in pages. Linux: ``struct memory_group`` (static ones)."""

    __slots__ = ("max_pages", "nid", "present_kernel_pages", "present_movable_pages")

    def __init__(self, nid: int, max_pages: int) -> None:
        self.nid = nid
        self.max_pages = max_pages
        self.present_kernel_pages = 0
        self.present_movable_pages = 0


class BlockRange:
    """Memory blocks ``first`` to ``end`` (exclusive; block numbers) that are alike. Linux: ``struct memory_block``.

    ``nid`` is the node that was registered last, -1 for none; ``nodes`` are all nodes that link to the blocks.
    ``zone`` is ``None`` where the block is offline or holds pages of several zones. ``online_type`` is what the next
    write to ``online`` takes the block online as. ``on_memory`` says that the memory map lies on the block itself;
    ``early`` that it was there at boot.
    """

    __slots__ = ("early", "end", "first", "group", "nid", "nodes", "on_memory", "online", "online_type", "zone")

    def __init__(
        self,
        first: int,
        end: int,
        *,
        nodes: tuple[int, ...] = (),
        online: bool = False,
        zone: Zone | None = None,
        group: MemoryGroup | None = None,
        early: bool = False,
        on_memory: bool = False,
    ) -> None:
        self.first = first
        self.end = end
        self.nodes = nodes
        self.nid = nodes[-1] if nodes else -1
        self.online = online
        self.online_type = "offline"
        self.zone = zone
        self.group = group
        self.early = early
        self.on_memory = on_memory

    def alike(self, other: BlockRange) -> bool:
        """Whether blocks of the two ranges differ in nothing but their number."""
        return (
            self.online == other.online
            and self.zone is other.zone
            and self.group is other.group
            and self.nodes == other.nodes
            and self.early == other.early
            and self.on_memory == other.on_memory
            and self.online_type == other.online_type
        )

    def split(self, at: int) -> BlockRange:
        """Cut this range at block ``at``; the upper part is returned."""
        upper = BlockRange(
            at,
            self.end,
            nodes=self.nodes,
            online=self.online,
            zone=self.zone,
            group=self.group,
            early=self.early,
            on_memory=self.on_memory,
        )
        upper.online_type = self.online_type
        self.end = at
        return upper


class BlockTable:
    """All blocks, as sorted disjoint ranges."""

    def __init__(self) -> None:
        self._ranges: list[BlockRange] = []

    def __iter__(self) -> Iterator[BlockRange]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return sum(blocks.end - blocks.first for blocks in self._ranges)

    def _at(self, block: int) -> int:
        """Position of the first range that ends after ``block``."""
        at = bisect_right(self._ranges, block, key=_first)
        return at - 1 if at and self._ranges[at - 1].end > block else at

    def find(self, block: int) -> BlockRange | None:
        """The range that holds the block, or ``None``: no such block."""
        at = self._at(block)
        return self._ranges[at] if at < len(self._ranges) and self._ranges[at].first <= block else None

    def between(self, first: int, end: int) -> list[BlockRange]:
        """Ranges that have a block in ``first`` to ``end`` (exclusive), in order."""
        at = self._at(first)
        return self._ranges[at : bisect_left(self._ranges, end, at, key=_first)]

    def isolate(self, first: int, end: int) -> list[BlockRange]:
        """As :meth:`between`, with ranges cut so that what is returned holds no block outside; see :meth:`join`."""
        for cut in (first, end):
            at = self._at(cut)
            if at < len(self._ranges) and self._ranges[at].first < cut:
                self._ranges.insert(at + 1, self._ranges[at].split(cut))
        return self.between(first, end)

    def insert(self, new: BlockRange) -> None:
        """Add blocks that are not there yet."""
        self._ranges.insert(self._at(new.first), new)
        self.join(new.first, new.end)

    def remove(self, first: int, end: int) -> None:
        """Take blocks away; absent ones are no error."""
        gone = self.isolate(first, end)
        if gone:
            at = self._at(gone[0].first)
            del self._ranges[at : at + len(gone)]

    def join(self, first: int, end: int) -> None:
        """Put neighbours back together that have become alike, from just before ``first`` to just after ``end``."""
        at = max(self._at(first) - 1, 0)
        while at + 1 < len(self._ranges) and self._ranges[at].first <= end:
            this, after = self._ranges[at], self._ranges[at + 1]
            if this.end == after.first and this.alike(after):
                this.end = after.end
                del self._ranges[at + 1]
            else:
                at += 1
