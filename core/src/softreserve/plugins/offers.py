"""What is wrong with nodes and ranges that plugins offer: reasons in words, ``None`` where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.kernel.numa.node_offers import nodes_are_off
from softreserve.kernel.numa.numa import LOCAL_DISTANCE, NUMA_NO_NODE, format_list
from softreserve.model.errors import shown
from softreserve.model.ranges import PhysRange
from softreserve.plugins.answers import is_number, is_text

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxOffer
    from softreserve.model.nodes import NodeOffer

__all__ = ["DaxChecks", "NodeChecks"]

#: Distances are bytes.
_FARTHEST: Final = 255


def _source_problem(source: object) -> str | None:
    if is_text(source) and source.strip() and source.isprintable():
        return None
    return f"source is {shown(source)}: a few printable words are wanted"


def _physical_problem(system: System, last: int) -> str | None:
    if last <= system.memory.physmem_end:
        return None
    bits = system.memory.physmem_end.bit_length()
    return f"ends behind {system.memory.physmem_end:#x}, the last byte of addresses with {bits} bits"


class DaxChecks:
    """Looks at all ranges that are offered to the dax bus in one boot."""

    def __init__(self, system: System) -> None:
        self._system = system
        #: What nothing was wrong with, each with its plugin.
        self.offers: list[DaxOffer] = []

    def problem(self, plugin: str, offer: DaxOffer) -> str | None:
        """What is wrong with a range as it stands, and beside those that were looked at before."""
        found = self._range_problem(offer.start, offer.end) or _source_problem(offer.source)
        if found is None:
            where = f"{offer.start:#x}-{offer.end - 1:#x}"
            reason = self._node_problem(offer.target_node) or self._overlap_problem(offer)
            found = f"{where} {reason}" if reason else None
        self.offers.append(offer._replace(plugin=plugin))
        return found

    def _range_problem(self, start: object, end: object) -> str | None:
        if not (is_number(start) and is_number(end)):
            kinds = f"{type(start).__name__} and {type(end).__name__}"
            return f"start and end are {shown((start, end))} ({kinds}): bytes as integers are wanted"
        if not 0 <= start < end:
            return f"start {start:#x}, end {end:#x}: no range, which is half open and ascending"
        page = self._system.kernel.page_size
        if (start | end) % page:
            return f"{start:#x}-{end - 1:#x} is no number of whole pages of {page} bytes: align it"
        reason = _physical_problem(self._system, end - 1)
        return f"{start:#x}-{end - 1:#x} {reason}" if reason else None

    def _node_problem(self, node: object) -> str | None:
        possible = self._system.nodes.possible
        if not is_number(node) or node < NUMA_NO_NODE:
            return f"is of node {shown(node)}: a node, or {NUMA_NO_NODE} for none, is wanted"
        if node in {NUMA_NO_NODE, *possible} or nodes_are_off(self._system):
            return None
        return f"is of node {node}, which is not possible; possible are {format_list(possible)}"

    def _overlap_problem(self, offer: DaxOffer) -> str | None:
        for other in self.offers:
            if offer.start < other.end and other.start < offer.end:
                return f"overlaps {other.start:#x}-{other.end - 1:#x}, an offer of plugin {other.plugin}"
        return None


class NodeChecks:
    """Looks at all nodes that are offered in one boot."""

    def __init__(self, system: System) -> None:
        nodes = system.nodes
        self._max_numnodes = nodes.max_numnodes
        self._system = system
        self._possible = set(nodes.possible)
        # as long as no table of the firmware was read, every node is possible
        nobody_knows = len(nodes.possible) == nodes.max_numnodes
        self._taken = nodes.online | nodes.parsed if nobody_knows else self._possible
        self._offered: dict[int, tuple[str, NodeOffer]] = {}
        self._ranges: list[tuple[PhysRange, str]] = []

    @property
    def offers(self) -> list[NodeOffer]:
        """All, each with its plugin."""
        return [attrs.evolve(offer, plugin=plugin) for plugin, offer in self._offered.values()]

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
                if not is_number(other) or other not in known:
                    return plugin, f"{where}, which is not possible; possible are {format_list(known)}"
                if not is_number(distance) or not LOCAL_DISTANCE <= distance <= _FARTHEST:
                    return plugin, f"{where}: {LOCAL_DISTANCE} to {_FARTHEST} are wanted"
                if (distance == LOCAL_DISTANCE) != (other == nid):
                    return plugin, f"{where}: a node is at {LOCAL_DISTANCE} from itself, and from no other"
                back = self._offered[other][1].distances.get(nid, distance) if other in self._offered else distance
                if back != distance:
                    return plugin, f"{where}, and {shown(back)} the other way"
        return None

    def _number_problem(self, nid: object) -> str | None:
        if not is_number(nid):
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
        if not all(is_number(span.start) and is_number(span.end) for span in offer.ranges):
            return f"node {offer.nid}: ranges are wanted in bytes, as integers"
        if not isinstance(offer.distances, Mapping):
            return f"node {offer.nid}: distances are {shown(offer.distances)}: distances by node are wanted"
        return None

    def _ranges_problem(self, plugin: str, offer: NodeOffer) -> str | None:
        for span in offer.ranges:
            where = f"node {offer.nid}: {span.start:#x}-{span.last:#x}"
            reason = _physical_problem(self._system, span.last)
            if reason:
                return f"{where} {reason}"
            for other, owner in self._ranges:
                if span.overlaps(other):
                    return f"{where} overlaps {other.start:#x}-{other.last:#x} of plugin {owner}"
            self._ranges.append((span, plugin))
        return None
