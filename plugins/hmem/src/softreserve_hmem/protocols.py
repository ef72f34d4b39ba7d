"""What parts of this plugin ask of each other, for type checkers: never imported at run time, where it would cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from softreserve.kernel.numa.node import AccessCoordinate, NodeCache

__all__ = ["HmatNodes", "HmatTiers"]


class HmatNodes(Protocol):
    """What the HMAT asks nodes and tells them; see :class:`softreserve.kernel.numa.node.Nodes`."""

    online: set[int]
    has_cpu: set[int]
    max_numnodes: int
    srat_disabled: bool
    hmat_disabled: bool

    def pxm_to_node(self, pxm: int) -> int:
        """Node of a proximity domain, or -1."""

    def node_to_pxm(self, nid: int) -> int:
        """Proximity domain of a node, or -1."""

    def register_memory_node_under_compute_node(self, mem_nid: int, cpu_nid: int, access: int) -> int:
        """Link a memory node and an initiator."""

    def node_set_perf_attrs(self, nid: int, coordinate: AccessCoordinate, access: int) -> None:
        """Show performance values."""

    def node_add_cache(self, nid: int, cache: NodeCache) -> None:
        """Show a cache."""


class HmatTiers(Protocol):
    """What the HMAT tells memory tiers; see :class:`softreserve_hmem.memory_tiers.MemoryTiers`."""

    default_dram_nodes: set[int]

    def mt_set_default_dram_perf(self, nid: int, perf: AccessCoordinate, source: str) -> int:
        """Give the performance of ordinary DRAM."""

    def mt_perf_to_adistance(self, perf: AccessCoordinate) -> tuple[int, int]:
        """Turn performance into an abstract distance."""

    def register_mt_adistance_algorithm(self, algorithm: Callable[[int], int | None]) -> None:
        """Ask us for abstract distances."""
