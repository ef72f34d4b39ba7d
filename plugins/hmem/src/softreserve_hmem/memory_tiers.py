"""Memory tiers: nodes grouped by how far their memory is, and where pages are demoted to. Linux: ``mm/memory-tiers.c``.

An abstract distance is a number; smaller is faster, ordinary DRAM has :data:`MEMTIER_ADISTANCE_DRAM`. A tier is a chunk
of 128 of them. Nodes get a memory type (a distance) and join a tier when they have memory.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from errno import EINVAL, EIO, ENOENT
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from softreserve.kernel.driver_core.uevent import subsystem_files, uevent_file
from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.numa.node import AccessCoordinate, AdistanceAlgorithm
from softreserve.kernel.numa.numa import format_list
from softreserve.kernel.state import StashKey
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, c_text
from softreserve.model.units import U32_MAX, signed

from softreserve_hmem import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = [
    "MEMORY_TIERS",
    "MEMTIER_ADISTANCE_DRAM",
    "MEMTIER_DEFAULT_DAX_ADISTANCE",
    "MemoryTiers",
    "MemoryType",
    "publish",
    "setup",
    "tier_of_adistance",
]

_CHUNK_BITS: Final = 7
_CHUNK: Final = 1 << _CHUNK_BITS
#: Linux: ``include/linux/memory-tiers.h``.
MEMTIER_ADISTANCE_DRAM: Final = 4 * _CHUNK + (_CHUNK >> 1)
#: Of memory that kmem brings, where nothing better is known. Linux: ``drivers/dax/kmem.c``.
MEMTIER_DEFAULT_DAX_ADISTANCE: Final = MEMTIER_ADISTANCE_DRAM * 5
_HOTPLUG_PRIORITY: Final = 100
_ROOT: Final = "/sys/devices/virtual/memory_tiering"
_BUS: Final = "/sys/bus/memory_tiering"


def tier_of_adistance(adistance: int) -> int:
    """Number of the tier of an abstract distance, as in sysfs: without a sign."""
    return adistance >> _CHUNK_BITS & U32_MAX


class MemoryType:
    """Memory of one abstract distance, and the nodes in a tier that have it. Linux: ``struct memory_dev_type``."""

    __slots__ = ("adistance", "nodes")

    def __init__(self, adistance: int) -> None:
        self.adistance = adistance
        self.nodes: set[int] = set()


class _Tier:
    __slots__ = ("start", "types")

    def __init__(self, start: int) -> None:
        self.start = start
        self.types: list[MemoryType] = []

    @property
    def nodes(self) -> set[int]:
        return {node for kind in self.types for node in kind.nodes}


class MemoryTiers:
    """All tiers of a system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._tiers: list[_Tier] = []
        self._tier_of_node: dict[int, _Tier] = {}
        self._type_of_node: dict[int, MemoryType] = {}
        self._uses: dict[int, int] = {}
        self._default_types: list[MemoryType] = []
        self._default_dram_type = self.find_alloc_memory_type(MEMTIER_ADISTANCE_DRAM, self._default_types)
        self._algorithms: list[AdistanceAlgorithm] = []
        self._reference: tuple[int, AccessCoordinate, str] | None = None
        self._reference_broken = False
        #: Nodes with memory and CPUs when the tiers were set up.
        self.default_dram_nodes: set[int] = set()
        self._demotion_enabled = False

    # --- boot

    def init(self) -> None:
        """Linux: ``memory_tier_init``, subsys initcall."""
        nodes = self._system.nodes
        self.default_dram_nodes = nodes.has_memory & nodes.has_cpu
        self._init_nodes()
        self._system.memory.register_memory_notifier(self._hotplug_callback, _HOTPLUG_PRIORITY)

    def _init_nodes(self) -> None:
        for nid in sorted(self._system.nodes.has_memory):
            self._set_node_memory_tier(nid)
        self._establish_demotion_targets()

    def _hotplug_callback(self, action: str, start_pfn: int, nr_pages: int, nid: int) -> None:
        """Linux: ``memtier_hotplug_callback``."""
        if nid < 0:
            return
        if action == "online":
            self._set_node_memory_tier(nid)
            self._establish_demotion_targets()
        elif self._clear_node_memory_tier(nid):
            self._establish_demotion_targets()

    # --- memory types

    def find_alloc_memory_type(self, adistance: int, types: list[MemoryType]) -> MemoryType:
        """The type of that distance in a list, added where missing. Linux: ``mt_find_alloc_memory_type``."""
        for kind in types:
            if kind.adistance == adistance:
                return kind
        types.insert(0, MemoryType(adistance))
        return types[0]

    def init_node_memory_type(self, node: int, kind: MemoryType) -> None:
        """Say what memory a node has; the first to say so wins."""
        if self._type_of_node.setdefault(node, kind) is kind:
            self._uses[node] = self._uses.get(node, 0) + 1

    def clear_node_memory_type(self, node: int, kind: MemoryType | None) -> None:
        """Take back :meth:`init_node_memory_type`; ``None``: whatever type the node has."""
        if kind is None or self._type_of_node.get(node) is kind:
            self._uses[node] = self._uses.get(node, 0) - 1
        if not self._uses.get(node, 0):
            self._type_of_node.pop(node, None)

    # --- tiers

    def _set_node_memory_tier(self, node: int) -> None:
        """Put a node with memory into the tier of its type. Linux: ``set_node_memory_tier``."""
        if node not in self._system.nodes.has_memory:
            return
        self.init_node_memory_type(node, self._default_type(node))
        kind = self._type_of_node[node]
        kind.nodes.add(node)
        self._tier_of_node[node] = self._find_create_memory_tier(kind)

    def _default_type(self, node: int) -> MemoryType:
        """The type of a node of which no driver said anything: ordinary DRAM."""
        return self._default_dram_type

    def _find_create_memory_tier(self, kind: MemoryType) -> _Tier:
        start = kind.adistance & -_CHUNK
        tier = next((tier for tier in self._tiers if tier.start == start), None)
        if tier is None:
            tier = _Tier(start)
            insort(self._tiers, tier, key=attrgetter("start"))
        if kind not in tier.types:
            tier.types.insert(0, kind)
        return tier

    def _clear_node_memory_tier(self, node: int) -> bool:
        """Take a node out of its tier; empty tiers vanish. Linux: ``clear_node_memory_tier``."""
        tier = self._tier_of_node.pop(node, None)
        if tier is None:
            return False
        kind = self._type_of_node[node]
        kind.nodes.discard(node)
        if not kind.nodes:
            tier.types.remove(kind)
            if not tier.types:
                self._tiers.remove(tier)
        return True

    # --- demotion

    def _establish_demotion_targets(self) -> None:
        """Work out and print to which nodes pages go that a node has no room for."""
        if not self._system.kernel.has(behaviours.DEMOTION_TARGETS_PRINTED):
            return
        for node in sorted(self._system.nodes.has_memory):
            tier = self._tier_of_node.get(node)
            if tier is None:
                continue
            preferred = self.demotion_targets(node)
            targets = "null"
            if preferred:
                targets = f"preferred: {format_list(preferred)}, fallback: {format_list(self._lower_nodes(tier))}"
            self._system.printk(f"Demotion targets for Node {node}: {targets}", "mm/memory-tiers.c")

    def tier_of(self, nid: int) -> int | None:
        """Number of the tier that a node is in, as in sysfs; ``None``: in none."""
        tier = self._tier_of_node.get(nid)
        return None if tier is None else tier_of_adistance(tier.start)

    def demotion_targets(self, node: int) -> list[int]:
        """Equally near nodes of the next tier. Linux: ``establish_demotion_targets``."""
        tier = self._tier_of_node.get(node)
        below = self._tiers[self._tiers.index(tier) + 1 :] if tier is not None else []
        if not below:
            return []
        nodes = self._system.nodes
        used = nodes.has_memory - below[0].nodes
        preferred: list[int] = []
        while (target := self._system.memory.zones.find_next_best_node(node, used)) >= 0:
            if preferred and nodes.distance(node, target) != nodes.distance(node, preferred[0]):
                break
            preferred.append(target)
        return preferred

    def _lower_nodes(self, tier: _Tier) -> set[int]:
        """Nodes with memory in no tier down to this one."""
        upper = self._tiers[: self._tiers.index(tier) + 1]
        return self._system.nodes.has_memory - {node for above in upper for node in above.nodes}

    # --- abstract distances

    def register_mt_adistance_algorithm(self, algorithm: AdistanceAlgorithm) -> None:
        """Ask ``algorithm`` for abstract distances, before those registered later."""
        self._algorithms.append(algorithm)

    def unregister_mt_adistance_algorithm(self, algorithm: AdistanceAlgorithm) -> None:
        """Ask it no more."""
        self._algorithms.remove(algorithm)

    def calc_adistance(self, node: int, default: int) -> int:
        """Abstract distance of a node; ``default`` where no algorithm knows. Linux: ``mt_calc_adistance``."""
        for algorithm in self._algorithms:
            found = algorithm(node)
            if found is not None:
                return found
        return default

    def mt_set_default_dram_perf(self, nid: int, perf: AccessCoordinate, source: str) -> int:
        """Give the performance of a node of ordinary DRAM: 0, -EIO, or -EINVAL where it says nothing or differs."""
        if self._reference_broken:
            return -EIO
        if _incomplete(perf):
            return -EINVAL
        if self._reference is None:
            self._reference = (nid, perf, source)
            return 0
        if not any(_differs(a, b) for a, b in zip(_values(perf), _values(self._reference[1]), strict=True)):
            return 0
        self._reference_broken = True
        self._print_mismatch(nid, perf, source)
        return -EINVAL

    def _print_mismatch(self, nid: int, perf: AccessCoordinate, source: str) -> None:
        assert self._reference is not None
        reference_nid, reference, reference_source = self._reference
        for line in (
            f"memory-tiers: the performance of DRAM node {nid} mismatches that of the reference",
            f"DRAM node {reference_nid}.",
            f"  performance of reference DRAM node {reference_nid} from {reference_source}:",
            _attributes(reference),
            f"  performance of DRAM node {nid} from {source}:",
            _attributes(perf),
            "  disable default DRAM node performance based abstract distance algorithm.",
        ):
            self._system.printk(line, "mm/memory-tiers.c: mt_set_default_dram_perf")

    def mt_perf_to_adistance(self, perf: AccessCoordinate) -> tuple[int, int]:
        """Abstract distance for a performance: ``(0, distance)`` or ``(-errno, 0)``.

        In proportion to latency and against bandwidth, both relative to ordinary DRAM, in whole steps from left to
        right: sums are 32 bits wide, products 64 with a sign (the constant is a long), and what is stored is 32 again,
        with a sign.
        """
        if self._reference_broken:
            return -EIO, 0
        if _incomplete(perf):
            return -EINVAL, 0
        if self._reference is None:
            return -ENOENT, 0
        dram = self._reference[1]
        product = signed(MEMTIER_ADISTANCE_DRAM * _latency(perf) // _latency(dram) * _bandwidth(dram), 64)
        found = abs(product) // _bandwidth(perf)
        return 0, signed(found if product >= 0 else -found)

    # --- sysfs

    def publish(self) -> None:
        """Show tiers in sysfs; they come and go."""
        tree = self._system.sysfs
        uevent = uevent_file(self._system, _ROOT, lambda: "", lambda: " memory_tiering")
        tree.add(_ROOT, Directory({"uevent": uevent}, names=self._names, lookup=self._lookup))
        devices = Directory(
            names=self._names, lookup=lambda name: Link(f"{_ROOT}/{name}") if self._lookup(name) else None
        )
        tree.add(_BUS, Directory({"devices": devices, **subsystem_files(self._system, _BUS)}))
        tree.add(
            "/sys/kernel/mm/numa/demotion_enabled",
            Attribute(0o644, lambda: f"{str(self._demotion_enabled).lower()}\n", self._store_demotion_enabled),
        )

    def _names(self) -> Iterable[str]:
        return [f"memory_tier{tier_of_adistance(tier.start)}" for tier in self._tiers]

    def _lookup(self, name: str) -> Node | None:
        tier = next((tier for tier in self._tiers if name == f"memory_tier{tier_of_adistance(tier.start)}"), None)
        if tier is None:
            return None
        return Directory(
            {
                "nodelist": Attribute(0o444, lambda: f"{format_list(tier.nodes)}\n"),
                "subsystem": Link(_BUS),
                "uevent": uevent_file(self._system, f"{_ROOT}/{name}", lambda: "", lambda: f"memory_tiering {name}"),
            }
        )

    def _link(self, name: str) -> Node | None:
        return None if self._lookup(name) is None else Link(f"{_ROOT}/{name}")

    def _store_demotion_enabled(self, data: bytes) -> int:
        wanted = self._system.kernel.kstrtobool(c_text(data))
        if wanted is None:
            return -EINVAL
        self._demotion_enabled = wanted
        return len(data)


class LateMemoryTiers(MemoryTiers):
    """Nodes get their tiers at the end of boot, by the distance that algorithms find."""

    def _init_nodes(self) -> None:
        """Nothing yet: drivers come first."""

    def late_init(self) -> None:
        """Give a tier to every node that no driver took care of. Linux: ``memory_tier_late_init``."""
        for nid in sorted(self._system.nodes.has_memory):
            if nid not in self._type_of_node:
                self._set_node_memory_tier(nid)
        self._establish_demotion_targets()

    def _default_type(self, node: int) -> MemoryType:
        if node in self._type_of_node:
            return self._default_dram_type
        return self.find_alloc_memory_type(self.calc_adistance(node, MEMTIER_ADISTANCE_DRAM), self._default_types)


class TwoStepMemoryTiers(LateMemoryTiers):
    """Only nodes without processors wait for the end of boot."""

    def _init_nodes(self) -> None:
        for nid in sorted(self.default_dram_nodes):
            self._set_node_memory_tier(nid)
        self._establish_demotion_targets()


MEMORY_TIERS: Final = StashKey[MemoryTiers]("memory tiers")


def setup(system: System) -> list[Initcall]:
    """Make the tiers of a system that boots; returned are the initcalls that fill them."""
    kernel = system.kernel
    if not kernel.has(behaviours.MEMORY_TIERS) or not kernel.builtin("NUMA"):
        return []
    source, early = "mm/memory-tiers.c", "memory_tier_init"
    if early in system.denied.initcalls:  # without its bus no tier can be made
        return [Initcall(Level.SUBSYS, source, early, lambda: None)]
    in_two_steps = kernel.has(behaviours.MEMORY_TIERS_IN_TWO_STEPS)
    if in_two_steps or kernel.has(behaviours.MEMORY_TIERS_LATE):
        kind = TwoStepMemoryTiers if in_two_steps else LateMemoryTiers
        late = system.nodes.tiering = system.stash[MEMORY_TIERS] = kind(system)
        return [
            Initcall(Level.SUBSYS, source, early, late.init),
            Initcall(Level.LATE, source, "memory_tier_late_init", late.late_init),
        ]
    tiers = system.nodes.tiering = system.stash[MEMORY_TIERS] = MemoryTiers(system)
    return [Initcall(Level.SUBSYS, source, early, tiers.init)]


def publish(system: System) -> None:
    """Show the tiers, where the kernel has any."""
    tiers = system.stash.get(MEMORY_TIERS)
    if tiers is not None:
        tiers.publish()


def _values(perf: AccessCoordinate) -> tuple[int, int, int, int]:
    return perf.read_latency, perf.write_latency, perf.read_bandwidth, perf.write_bandwidth


def _latency(perf: AccessCoordinate) -> int:
    return (perf.read_latency + perf.write_latency) & U32_MAX


def _bandwidth(perf: AccessCoordinate) -> int:
    return (perf.read_bandwidth + perf.write_bandwidth) & U32_MAX


def _incomplete(perf: AccessCoordinate) -> bool:
    return _latency(perf) == 0 or _bandwidth(perf) == 0


def _differs(value: int, reference: int) -> bool:
    """Whether a value is more than a tenth off; in the kernel's 32 bits."""
    difference = (value - reference) & U32_MAX
    distance = min(difference, -difference & U32_MAX)
    return (distance * 10) & U32_MAX > reference


def _attributes(perf: AccessCoordinate) -> str:
    read_latency, write_latency, read_bandwidth, write_bandwidth = _values(perf)
    return (
        f"    read_latency: {read_latency}, write_latency: {write_latency}, "
        f"read_bandwidth: {read_bandwidth}, write_bandwidth: {write_bandwidth}"
    )
