"""Which node an address is on, asked of a booted system without leaving a trace in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from softreserve.model.ranges import span_at

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["NodeMap"]


class NodeMap:
    """Nodes by address (bytes): of RAM as the early allocator has it, of everything else as the kernel looks it up."""

    def __init__(self, system: System, known: Iterable[tuple[int, int, int]] = ()) -> None:
        """Take the answers of a system.

        :param known: ranges (start, end, node; half open, disjoint) whose node is known better than by looking it up.
        """
        nodes = system.nodes
        self._lookup = nodes.address_to_node
        # a kernel that cannot look nodes up takes everything for node 0
        self._otherwise = 0 if self._lookup is None else -1
        self._spans: list[tuple[int, int, int]] = []
        borders: set[int] = set(self._lookup.borders()) if self._lookup is not None else set()
        if system.kernel.builtin("NUMA"):
            self._spans = [(r.base, r.end, r.nid) for r in system.memblock.memory if r.nid in nodes.possible]
        self._known = sorted(known)
        self._brought = nodes.brought
        borders.update(at for spans in (self._spans, self._known, self._brought) for span in spans for at in span[:2])
        self._borders = sorted(borders)

    def at(self, address: int) -> int:
        """Node of an address, or -1."""
        for spans in (self._known, self._spans, self._brought):
            found = span_at(spans, address)
            if found is not None:
                return found[2]
        return self._lookup.phys_to_target_node(address) if self._lookup is not None else self._otherwise

    def split(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """A range (half open, not empty) cut where the node changes: (start, end, node), ascending."""
        first = bisect_right(self._borders, start)
        cuts = [start, *self._borders[first : bisect_right(self._borders, end - 1)], end]
        found: list[tuple[int, int, int]] = []
        for low, high in pairwise(cuts):
            node = self.at(low)
            if found and found[-1][2] == node:
                found[-1] = (found[-1][0], high, node)
            else:
                found.append((low, high, node))
        return found
