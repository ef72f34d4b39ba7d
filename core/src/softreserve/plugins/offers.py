"""What is wrong with nodes and ranges that plugins offer: reasons in words, ``None`` where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.node_offers import nodes_are_off
from softreserve.kernel.numa.numa import LOCAL_DISTANCE, format_list
from softreserve.model.errors import shown
from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxOffer
    from softreserve.model.nodes import NodeOffer

__all__ = ["NodeChecks", "dax_problem"]

#: Distances are bytes.
_FARTHEST: Final = 255


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _source_problem(source: object) -> str | None:
    if isinstance(source, str) and source.strip() and source.isprintable():
        return None
    return f"source is {shown(source)}: a few printable words are wanted"


def dax_problem(system: System, offer: DaxOffer) -> str | None:
    """What is wrong with a range for the dax bus."""
    start, end, node, source = offer
    if not (_is_int(start) and _is_int(end)):
        return f"start and end are {shown((start, end))}: bytes as integers are wanted"
    if not 0 <= start < end:
        return f"start {start:#x}, end {end:#x}: no range, which is half open and ascending"
    if end - 1 > system.memory.physmem_end:
        return f"{start:#x}-{end - 1:#x} ends behind {system.memory.physmem_end:#x}, the last byte that can be memory"
    if not _is_int(node) or node < -1:
        return f"{start:#x}-{end - 1:#x} is of node {shown(node)}: a node, or -1 for none, is wanted"
    if node not in {-1, *system.nodes.possible} and not nodes_are_off(system):
        possible = format_list(system.nodes.possible)
        return f"{start:#x}-{end - 1:#x} is of node {node}, which is not possible; possible are {possible}"
    return _source_problem(source)


class NodeChecks:
    """Looks at all nodes that are offered in one boot."""

    def __init__(self, system: System) -> None:
        nodes = system.nodes
        self._max_numnodes = nodes.max_numnodes
        self._last = system.memory.physmem_end
        self._possible = set(nodes.possible)
        # as long as no table of the firmware was read, every node is possible
        nobody_knows = len(nodes.possible) == nodes.max_numnodes
        self._taken = nodes.online | nodes.parsed if nobody_knows else self._possible
        self._offered: dict[int, tuple[str, NodeOffer]] = {}
        self._ranges: list[tuple[PhysRange, str]] = []

    def problem(self, plugin: str, offer: NodeOffer) -> str | None:
        """What is wrong with a node as it stands, and beside those that were looked at before."""
        found = self._number_problem(offer.nid) or self._values_problem(offer) or _source_problem(offer.source)
        if found is None:
            found = self._ranges_problem(plugin, offer)
            self._offered[offer.nid] = plugin, offer
        return found

    def distance_problem(self) -> tuple[str, str] | None:
        """The first wrong distance of all that were offered, and the plugin that says it."""
        known = self._possible | self._offered.keys()
        for nid, (plugin, offer) in self._offered.items():
            for other, distance in offer.distances.items():
                where = f"node {nid}: distance {shown(distance)} to node {shown(other)}"
                if not _is_int(other) or other not in known:
                    return plugin, f"{where}, which is not possible; possible are {format_list(known)}"
                if not _is_int(distance) or not LOCAL_DISTANCE <= distance <= _FARTHEST:
                    return plugin, f"{where}: {LOCAL_DISTANCE} to {_FARTHEST} are wanted"
                if (distance == LOCAL_DISTANCE) != (other == nid):
                    return plugin, f"{where}: a node is at {LOCAL_DISTANCE} from itself, and from no other"
                back = self._offered[other][1].distances.get(nid, distance) if other in self._offered else distance
                if back != distance:
                    return plugin, f"{where}, and {shown(back)} the other way"
        return None

    def _number_problem(self, nid: object) -> str | None:
        if not isinstance(nid, int) or isinstance(nid, bool):
            return f"node {shown(nid)}: a number is wanted"
        if not 0 <= nid < self._max_numnodes:
            return f"node {nid}: this kernel has nodes 0 to {self._max_numnodes - 1} (CONFIG_NODES_SHIFT)"
        if nid in self._offered:
            return f"node {nid} is brought by plugin {self._offered[nid][0]} already"
        if nid in self._taken:
            return f"node {nid} is taken; the kernel has nodes {format_list(self._taken)}"
        return None

    @staticmethod
    def _values_problem(offer: NodeOffer) -> str | None:
        ranges: object = offer.ranges
        if not isinstance(ranges, (tuple, list)) or not all(isinstance(span, PhysRange) for span in ranges):
            return f"node {offer.nid}: ranges are {shown(ranges)}: a tuple of PhysRange is wanted"
        if not all(_is_int(span.start) and _is_int(span.end) for span in offer.ranges):
            return f"node {offer.nid}: ranges are wanted in bytes, as integers"
        if not isinstance(offer.distances, Mapping):
            return f"node {offer.nid}: distances are {shown(offer.distances)}: distances by node are wanted"
        return None

    def _ranges_problem(self, plugin: str, offer: NodeOffer) -> str | None:
        for span in offer.ranges:
            where = f"node {offer.nid}: {span.start:#x}-{span.last:#x}"
            if span.last > self._last:
                return f"{where} ends behind {self._last:#x}, the last byte that can be memory"
            for other, owner in self._ranges:
                if span.overlaps(other):
                    return f"{where} overlaps {other.start:#x}-{other.last:#x} of plugin {owner}"
            self._ranges.append((span, plugin))
        return None
