"""Ranges that plugins offer to the dax bus are set aside, as if the firmware had told of them, and then offered.

A kernel has no such step: memory that is not soft reserved gets no hmem device. Linux: ``kernel/resource.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.dax import OFFER_NOT_FREE
from softreserve.kernel.numa.numa import NUMA_NO_NODE, format_list
from softreserve.kernel.resource import (
    IORES_DESC_CXL,
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_MEM,
    Resource,
    insert_resource,
)
from softreserve.model.events import Rule

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxOffer

__all__ = ["OFFER_SET_ASIDE", "OFFER_WITHOUT_NODE", "set_aside"]

OFFER_SET_ASIDE: Final = Rule("dax-offer", "set aside for the dax bus, brought by a plugin: {}")
OFFER_WITHOUT_NODE: Final = Rule("dax-offer-without-node", "brought by {} for a node that this kernel has not: {}")
_FUNCTION: Final = "kernel/resource.c: insert_resource"


def set_aside(system: System, tree: Resource, offers: list[DaxOffer]) -> dict[tuple[int, int], int]:
    """Make soft reserved memory of ranges that are free; returned is what to offer: node by first and last byte.

    A range that is soft reserved already - the plugin put it into the tree itself, or the firmware told of it - is
    offered as it stands. One that meets such a resource is offered, too: the kernel refuses what it was offered before.

    :param tree: where soft reserved memory is looked for.
    """
    found: dict[tuple[int, int], int] = {}
    for offer in offers:
        res = Resource(offer.start, offer.end - 1, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
        reserved = [known for known in system.find_soft_reserved() if _overlap(known, res)]
        covered = any(_contains(known, res) for known in reserved)
        reason = "" if covered else _set_aside(system, tree, offer, res)
        if not reason:
            system.dax_offers.append(offer)
        else:
            rule = OFFER_NOT_FREE.of(offer.plugin, offer.source, reason)
            system.log.record(rule, _FUNCTION, offer.start, offer.end, after="no dax device")
            if not reserved:
                continue
        found[res.start, res.end] = _node(system, offer)
    return found


def _overlap(one: Resource, other: Resource) -> bool:
    return one.start <= other.end and other.start <= one.end


def _contains(outer: Resource, inner: Resource) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _set_aside(system: System, tree: Resource, offer: DaxOffer, res: Resource) -> str:
    """Put a range into the tree where soft reserved memory is looked for; else what is in the way, in words."""
    for root in (system.iomem.root, system.soft_reserved.root):
        found = [child for child in root.children if _overlap(child, res)]
        while len(found) == 1 and found[0].desc == IORES_DESC_CXL and _contains(found[0], res):
            found = [child for child in found[0].children if _overlap(child, res)]
        if found:
            return f"{found[0].start:#x}-{found[0].end:#x} is {found[0].name}"
    insert_resource(tree, res)
    rule = OFFER_SET_ASIDE.of(offer.source)
    # whose a range is, is told by the stage in which resources are made, whenever a plugin brings it
    stage, system.log.stage = system.log.stage, "resources"
    system.log.record(rule, _FUNCTION, offer.start, offer.end, after=f"target node {offer.target_node}")
    system.log.stage = stage
    return ""


def _node(system: System, offer: DaxOffer) -> int:
    """The target node; none where this kernel was told to have no nodes."""
    possible = system.nodes.possible
    if offer.target_node in {NUMA_NO_NODE, *possible}:
        return offer.target_node
    rule = OFFER_WITHOUT_NODE.of(offer.source, format_list(possible))
    after = f"target node {NUMA_NO_NODE} in place of {offer.target_node}"
    system.log.record(rule, _FUNCTION, offer.start, offer.end, after=after)
    return NUMA_NO_NODE
