"""Weights by which pages are dealt out to nodes. Linux: ``mm/mempolicy.c``, ``/sys/kernel/mm/mempolicy``."""

from __future__ import annotations

from errno import EINVAL, ENODEV
from functools import partial
from math import gcd
from typing import TYPE_CHECKING, Final

from softreserve.kernel.sysfs import Attribute, c_text, number_in
from softreserve.model import behaviours
from softreserve.model.units import U32_MAX, kstrtoull

if TYPE_CHECKING:
    from softreserve.kernel.numa.numa import NumaState

__all__ = ["WeightedInterleave"]

#: The sum of all weights before they are reduced. Linux: ``weightiness``.
_WEIGHTINESS: Final = 32
_U8_MAX: Final = 255


class WeightedInterleave:
    """The weights of one kernel; from 6.16 on they follow from bandwidths until somebody writes others."""

    def __init__(self, nodes: NumaState) -> None:
        self._nodes = nodes
        self._tunes_itself = nodes.kernel.has(behaviours.WEIGHTED_INTERLEAVE_AUTO)
        misnamed = nodes.kernel.has(behaviours.WEIGHTED_INTERLEAVE_MISNAMED)
        self._auto_name = "__auto_type" if misnamed else "auto"
        self._bandwidths: dict[int, int] | None = None
        self._weights: dict[int, int] = {}
        #: ``None``: nothing was said yet, which counts as true.
        self._auto: bool | None = None

    def set_node_perf(self, nid: int, read_bandwidth: int, write_bandwidth: int) -> None:
        """The CPUs' bandwidth to a node is known (MB/s). Linux: ``mempolicy_set_node_perf``."""
        if not self._tunes_itself:
            return
        self._bandwidths = {**(self._bandwidths or {}), nid: min(read_bandwidth, write_bandwidth)}
        if self._auto is not False:
            self._auto = True
            self._reduce(self._bandwidths)

    def _reduce(self, bandwidths: dict[int, int]) -> None:
        """Linux: ``reduce_interleave_weights``."""
        nodes = sorted(self._nodes.has_memory)
        total = sum(bandwidths.get(nid, 0) for nid in nodes)
        weights, divisor = {}, 0
        for nid in nodes:
            scaled = _WEIGHTINESS * bandwidths.get(nid, 0) & U32_MAX
            weights[nid] = scaled // total & _U8_MAX if bandwidths.get(nid) and total < scaled else 1
            divisor = gcd(divisor or weights[nid], weights[nid])
        self._weights = {nid: weight // divisor for nid, weight in weights.items()}

    # --- files

    def names(self) -> list[str]:
        """Files: one for every node; from 6.16 on for those with memory, and ``auto``."""
        nodes = self._nodes.has_memory if self._tunes_itself else self._nodes.possible
        return [*([self._auto_name] if self._tunes_itself else []), *(f"node{nid}" for nid in sorted(nodes))]

    def file(self, name: str) -> Attribute | None:
        """The file of that name."""
        if name not in self.names():
            return None
        if name == self._auto_name:
            return Attribute(0o664, lambda: "false\n" if self._auto is False else "true\n", self._store_auto)
        nid = number_in(name, "node")
        assert nid is not None
        return Attribute(0o644, lambda: f"{self._weights.get(nid) or 1}\n", partial(self._store, nid))

    def _store(self, nid: int, data: bytes) -> int:
        """A weight from 1 to 255; before 6.16 an empty line and 0 stand for 1. Linux: ``node_store``."""
        text = c_text(data)
        empty = text in ("", "\n")
        weight = 0 if empty else kstrtoull(text)
        if not 0 <= weight <= _U8_MAX or (self._tunes_itself and not weight):
            return -EINVAL
        self._weights[nid] = weight
        self._auto = False
        return len(data)

    def _store_auto(self, data: bytes) -> int:
        """Linux: ``weighted_interleave_auto_store``."""
        wanted = self._nodes.kernel.kstrtobool(c_text(data))
        if wanted is None:
            return -EINVAL
        if self._auto is wanted:
            return len(data)
        if wanted:
            if self._bandwidths is None:
                return -ENODEV
            self._reduce(self._bandwidths)
        self._auto = wanted
        return len(data)
