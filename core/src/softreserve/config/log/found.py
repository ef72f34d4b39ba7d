"""A map from the memory that a kernel says it found, where no line tells what its firmware said of it.

Linux: ``mm/mm_init.c: free_area_init()`` prints memblock's regions of memory, those that it must not map included:
``node   0: [mem 0x...-0x...]``. Regions that touch, on one node, are two because one of them is mapped and the other is
not; which one, the lines do not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from softreserve.config.log.messages import Messages, ends
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.ranges import PhysRange
from softreserve.model.units import EFI_PAGE_SIZE

__all__ = ["NodeRange", "map_of_found", "read_dma_reach", "read_node_ranges"]

#: A node, and a range of memory on it.
NodeRange = tuple[int, PhysRange]

_NODE_RANGE: Final = re.compile(r"node +(\d+): \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
_DMA: Final = re.compile(r"DMA +\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
_WB: Final = int(EfiAttribute.WB)


def read_node_ranges(log: Messages) -> list[NodeRange]:
    """Memory as the kernel found it, in the order of addresses in which it prints it."""
    return log.each(_NODE_RANGE, lambda found: (int(found[1]), PhysRange(*ends(found[2], found[3]))))


def read_dma_reach(log: Messages, ranges: Sequence[NodeRange]) -> int | None:
    """First byte above zone DMA, where it is below 4 GiB and there is memory behind it."""
    found = log.each(_DMA, lambda found: ends(found[1], found[2])[1])
    last = max((range_.end for _, range_ in ranges), default=0)
    return found[0] if found and found[0] < min(last, 4 << 30) else None


def map_of_found(ranges: Sequence[NodeRange]) -> EfiMemoryMap:
    """A firmware's map from which the kernel would find this memory.

    Where ranges touch, every other one is memory that is not mapped: those that are fewer bytes together.
    """
    return EfiMemoryMap(
        EfiDescriptor(type_, range_.start, range_.size // EFI_PAGE_SIZE, _WB)
        for run in _runs(ranges)
        for type_, range_ in zip(_types(run), run, strict=False)
    )


def _runs(ranges: Sequence[NodeRange]) -> Iterator[list[PhysRange]]:
    """Ranges that touch, node by node."""
    run: list[PhysRange] = []
    before: NodeRange | None = None
    for node, range_ in ranges:
        if before is not None and (before[0] != node or before[1].end != range_.start):
            yield run
            run = []
        run.append(range_)
        before = node, range_
    if run:
        yield run


def _types(run: Sequence[PhysRange]) -> list[int]:
    """The types of ranges that touch."""
    first, second = (sum(range_.size for range_ in run[at::2]) for at in (0, 1))
    kinds = [int(EfiType.CONVENTIONAL), int(EfiType.RUNTIME_SERVICES_DATA)]
    if first < second:
        kinds.reverse()
    return [kinds[at % 2] for at in range(len(run))]
