"""A NUMA node that a plugin brings. Frozen."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from softreserve.model.ranges import PhysRange

__all__ = ["NodeOffer"]


@attrs.frozen
class NodeOffer:
    """A node beside those of the firmware's tables: possible from boot on, online when memory is added to it.

    :param nid: its number.
    :param ranges: what would be on it if it were added (bytes, half open): the answers to ``phys_to_target_node``.
    :param distances: SLIT distances to other nodes, both ways; 10 is the node itself. Those left out are 20.
    :param source: where it comes from, in a few words.
    :param plugin: whose it is; known when it was asked for.
    """

    nid: int
    source: str
    ranges: tuple[PhysRange, ...] = ()
    distances: Mapping[int, int] = attrs.field(factory=dict)
    plugin: str = ""
