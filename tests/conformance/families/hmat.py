"""``hmat``: ``hmat_init()`` and what follows when nodes get memory. Linux: ``drivers/acpi/numa/hmat.c``."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any, cast

from softreserve.kernel.numa.node import AccessCoordinate, NodeCache
from softreserve.kernel.resource import Resource
from softreserve.model import behaviours
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.release import Release
from softreserve_hmem.hmat import HmatState
from softreserve_hmem.memory_tiers import MemoryTiers

from families._common import RELEASES, by_release, kernel


class _Nodes:
    """Nodes that write down what they are told."""

    srat_disabled = False
    hmat_disabled = False
    max_numnodes = 64

    def __init__(self, given: dict[str, Any], kernel: Kernel) -> None:
        self._shows_address_mode = kernel.has(behaviours.CACHE_ADDRESS_MODE)
        self.online = set(given["online_nodes"])
        self.has_cpu = set(given["cpu_nodes"])
        self._nodes = {int(pxm): nid for pxm, nid in given["pxm_to_node"].items()}
        self._caches: set[tuple[int, int]] = set()
        self.told: dict[str, list[dict[str, Any]]] = {"initiator_links": [], "caches": [], "perf": []}

    def pxm_to_node(self, pxm: int) -> int:
        found: int = self._nodes.get(pxm, -1)
        return found

    def node_to_pxm(self, nid: int) -> int:
        return min((pxm for pxm, node in self._nodes.items() if node == nid), default=-1)

    def register_memory_node_under_compute_node(self, mem_nid: int, cpu_nid: int, access: int) -> int:
        if mem_nid in self.online and cpu_nid in self.online:
            self.told["initiator_links"].append({"target_node": mem_nid, "initiator_node": cpu_nid, "access": access})
        return 0

    def node_set_perf_attrs(self, nid: int, coordinate: AccessCoordinate, access: int) -> None:
        self.told["perf"].append({"node": nid, "access": access} | coordinate._asdict())

    def node_add_cache(self, nid: int, cache: NodeCache) -> None:
        duplicate = (nid, cache.level) in self._caches
        self._caches.add((nid, cache.level))
        fields = cache._asdict()
        if not self._shows_address_mode:
            del fields["address_mode"]
        self.told["caches"].append({"node": nid} | fields | {"duplicate": duplicate})


class _Run:
    """One boot of one release."""

    def __init__(self, given: dict[str, Any], release: str) -> None:
        self.given = given
        self.log = EventLog()
        self._mark = 0
        config = kernel(release, DEV_DAX_HMEM="y")
        self.nodes = _Nodes(given, config)
        self.ranges: list[dict[str, Any]] = []
        system = SimpleNamespace(printk=self.log.printk)
        tiers = MemoryTiers(cast("Any", system))
        tiers.default_dram_nodes = set(given["default_dram_nodes"])
        self.hmat = HmatState(config, self.log, self.nodes, self._offer, tiers)
        tables = {name.upper(): base64.b64decode(given[name]) for name in ("srat", "hmat") if given[name] is not None}
        self.valid = self.hmat.hmat_init(tables) and bool(self.hmat.targets)
        self.distances_known = bool(tiers._algorithms)
        self.init = self._report()

    def _offer(self, nid: int, res: Resource) -> None:
        self.ranges.append({"node": nid, "start": hex(res.start), "end": hex(res.end)})

    def _report(self) -> dict[str, Any]:
        """What happened since the last report."""
        found: dict[str, Any] = {"hmem_ranges": self.ranges[:]}
        found |= {key: items[:] for key, items in self.nodes.told.items()}
        lines = self.log.lines_since(self._mark)
        if "release" not in self.given:
            # The build behind the oldest vectors gives lib/fw_table.c a prefix that a 6.12 kernel does not print.
            lines = ["ACPI: " + x if x.startswith("[HMAT:") else x for x in lines]
        found["log"] = lines
        self.ranges.clear()
        for items in self.nodes.told.values():
            items.clear()
        self._mark = len(self.log)
        return found

    def online(self) -> list[dict[str, Any]]:
        """Bring the later nodes online, one after the other."""
        reports = []
        for nid in self.given["online_later"]:
            self.nodes.online.add(nid)
            self.hmat.callback("online", 0, 0, nid)
            reports.append({"node": nid, **self._report()})
        return reports

    def adistances(self) -> list[dict[str, Any]] | None:
        """Answers for all nodes; ``None`` where nobody would ask."""
        if not self.distances_known:
            return None
        nids = sorted(self.given["pxm_to_node"].values())
        return [{"node": nid, "adistance": self.hmat.calculate_adistance(nid)} for nid in nids]


def compute(given: dict[str, Any]) -> dict[str, Any]:
    """Results for both releases, and the distances of 6.12; for one release, the distances among the rest."""
    distances: dict[str, Any] = {}

    def run(release: str) -> dict[str, Any]:
        boot = _Run(given, release)
        distances[release] = boot.adistances()
        return {"init": boot.init, "valid": boot.valid, "online": boot.online()}

    found = by_release(given, run)
    if "release" not in given:
        return {**found, "adistance_6.12": distances[RELEASES[-1]]}
    if Release.parse(given["release"]) >= Release.parse(RELEASES[-1]):
        found["out"]["adistance"] = distances[given["release"]]
    return found
