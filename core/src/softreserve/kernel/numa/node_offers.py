"""Nodes that plugins bring beside those of the firmware's tables.

A kernel makes such nodes of CXL windows that no SRAT describes: possible from boot on, known by address, without memory
until some is added. Linux: ``drivers/acpi/numa/srat.c: acpi_parse_cfmws``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.numa import NUMA_NO_NODE, PXM_INVAL
from softreserve.model.events import Rule
from softreserve.model.ranges import span_at

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.nodes import NodeOffer
    from softreserve.model.ranges import PhysRange

__all__ = ["NODE_BROUGHT", "NODE_LEFT_OUT", "NODE_RANGE_KNOWN", "bring_nodes", "nodes_are_off"]

NODE_BROUGHT: Final = Rule("node-brought", "on a node that a plugin brings: {}")
NODE_LEFT_OUT: Final = Rule("node-left-out", "this kernel has no nodes beside node 0, so this one is left out: {}")
NODE_RANGE_KNOWN: Final = Rule(
    "node-range-known", "plugin {}: softreserve_nodes: {} is not heard: the firmware gives the range another node"
)
_FUNCTION: Final = "drivers/acpi/numa/srat.c: acpi_parse_cfmws"


def nodes_are_off(system: System) -> bool:
    """Whether this kernel has node 0 only: it is built so, or was told so by ``numa=off``."""
    told = any((value or "").startswith("off") for value in system.cmdline.all("numa"))
    return told or not system.kernel.builtin("NUMA")


def bring_nodes(system: System, offers: Iterable[NodeOffer]) -> None:
    """Make nodes possible that were found to be free, and let their addresses and distances be known.

    What the firmware names - as RAM, in the SRAT, as a CXL window - stays on the node that it has, as the kernel leaves
    CXL windows alone that the SRAT describes.
    """
    nodes, log = system.nodes, system.log
    for offer in offers:
        if nodes_are_off(system):
            for span in offer.ranges:
                log.record(NODE_LEFT_OUT.of(offer.source), _FUNCTION, span.start, span.end, after="no node")
            continue
        nodes.set_possible(offer.nid)
        nodes.numa_extend_distance(offer.nid, {to: far for to, far in offer.distances.items() if to != offer.nid})
        for start, end, known in (piece for span in offer.ranges for piece in _pieces(system, span)):
            if known == NUMA_NO_NODE:
                nodes.brought.append((start, end, offer.nid))
                log.record(NODE_BROUGHT.of(offer.source), _FUNCTION, start, end, after=f"node {offer.nid}")
            else:
                rule = NODE_RANGE_KNOWN.of(offer.plugin, offer.source)
                log.record(rule, _FUNCTION, start, end, after=f"node {known}")
        system.memory.zones.lay_out_offline_node(offer.nid)
    nodes.brought.sort()


def _pieces(system: System, span: PhysRange) -> Iterator[tuple[int, int, int]]:
    """A range cut where the firmware's answer changes: (start, end, node), half open; -1: the firmware says nothing.

    A node without a proximity domain is none of the firmware's: it was made up to have one.
    """
    nodes = system.nodes
    lookup = nodes.address_to_node
    ram = [(region.base, region.end, region.nid) for region in system.memblock.memory]
    borders = {at for region in ram for at in region[:2]} | set(lookup.borders() if lookup is not None else ())
    cuts = [span.start, *sorted(at for at in borders if span.start < at < span.end), span.end]
    for start, end in pairwise(cuts):
        region = span_at(ram, start)
        named = lookup.phys_to_target_node(start) if lookup is not None else NUMA_NO_NODE
        if nodes.node_to_pxm(named) == PXM_INVAL:
            named = NUMA_NO_NODE
        yield start, end, named if region is None else max(region[2], 0)
