"""What the kernel knows of nodes, whichever way it found them: masks, proximity domains, distances, address to node.

Linux: ``include/linux/nodemask.h``, ``drivers/acpi/numa/srat.c`` (domain maps), ``mm/numa.c`` (6.1: ``kernel/numa.c``),
``mm/mempolicy.c``, and the distance tables of ``mm/numa_memblks.c``, ``arch/x86/mm/numa.c`` and
``drivers/base/arch_numa.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from errno import EINVAL
from typing import Final, Protocol

from softreserve.model import behaviours
from softreserve.model.events import EventLog, Rule
from softreserve.model.kernel import Kernel
from softreserve.model.ranges import span_at

__all__ = [
    "LOCAL_DISTANCE",
    "NODES_OVERLAP",
    "NODE_FAKED",
    "NO_NUMA",
    "NUMA_NO_MEMBLK",
    "NUMA_NO_NODE",
    "PXM_INVAL",
    "REMOTE_DISTANCE",
    "SRAT_NOT_USED",
    "AddressToNode",
    "NumaState",
    "format_bitmap",
    "format_list",
]

NUMA_NO_NODE: Final = -1
NUMA_NO_MEMBLK: Final = -1
PXM_INVAL: Final = -1
NODE_FAKED: Final = Rule("numa-node-faked", "one node is faked")
#: A line that says that there are no nodes, or that they cannot be set up.
NO_NUMA: Final = Rule("numa-none", "no nodes")
#: A line that says that nodes claim the same memory.
NODES_OVERLAP: Final = Rule("numa-nodes-overlap", "two nodes claim the same memory")
#: The line that says that the SRAT is not valid.
SRAT_NOT_USED: Final = Rule("srat-not-used", "the SRAT is not used")

LOCAL_DISTANCE: Final = 10
REMOTE_DISTANCE: Final = 20


class AddressToNode(Protocol):
    """What an architecture installs to answer which node an address belongs to."""

    def phys_to_target_node(self, addr: int) -> int:
        """Node of an address (bytes), online or not; -1 where none is known."""
        ...

    def memory_add_physaddr_to_nid(self, addr: int) -> int:
        """Node to which memory hot-added at an address (bytes) belongs; never -1."""
        ...

    def borders(self) -> Iterable[int]:
        """Addresses (bytes) from which on the answers may be others than just before."""
        ...


class NumaState:
    """Node masks and maps of one kernel; a node id is a small integer, -1 is no node.

    The masks are plain sets of node ids: ``possible``, ``online``, ``parsed`` (named by the firmware), ``has_memory``,
    ``has_normal_memory``, ``has_cpu``, ``has_generic_initiator``.
    """

    def __init__(self, log: EventLog, kernel: Kernel) -> None:
        self.log = log
        self.kernel = kernel
        self.max_numnodes = kernel.max_numnodes
        self.possible = set(range(self.max_numnodes))
        self.online = {0}
        self.parsed: set[int] = set()
        self.has_memory: set[int] = set()
        self.has_normal_memory: set[int] = set()
        self.has_cpu: set[int] = set()
        self.has_generic_initiator: set[int] = set()
        #: ``numa=off``, or an arm64 kernel that fell back to one faked node: no domain has a node any more.
        self.numa_off = False
        #: The SRAT was found bad, or ``numa=noacpi``. Linux: ``acpi_numa < 0``.
        self.srat_disabled = False
        self.srat_revision = 0
        #: The highest domain of the SRAT; those of CXL windows are above it.
        self.last_real_pxm = 0
        #: ``numa=nohmat`` (x86): the HMAT is not read.
        self.hmat_disabled = False
        #: The text of ``numa=fake=``. Linux: ``emu_cmdline``.
        self.emu_cmdline: str | None = None
        #: How many nodes a distance table made on first use has; ``None``: it is not made on first use.
        self.distance_size: Callable[[], int] | None = None
        #: Begins messages about distances (``"NUMA: "`` in arch_numa.c before 6.12).
        self.distance_prefix = ""
        self.distance_count = 0
        self.address_to_node: AddressToNode | None = None
        #: The largest memory block (bytes) that suits the CXL windows seen so far; 0: nobody said anything.
        self.advised_block_size = 0
        #: Node of each CPU. Linux: ``x86_cpu_to_node_map``, ``cpu_to_node_map``.
        self.cpu_to_node: dict[int, int] = {}
        #: With ``numa=fake=``: physical node of each emulated one.
        self.emu_nid_to_phys: dict[int, int] = {}
        #: What no table of the firmware says: (start, end, node), bytes, half open, disjoint, ascending.
        self.brought: list[tuple[int, int, int]] = []
        #: Nodes that no table of the firmware can speak of: they have no domain.
        self.without_domain: set[int] = set()
        self._distance: bytearray | None = None
        self._pxm_to_node: dict[int, int] = {}
        self._node_to_pxm: dict[int, int] = {}
        self._nodes_found: set[int] = set()
        self._warned: set[str] = set()

    def memory_block_advise_max_size(self, size: int) -> int:
        """Firmware's tables suggest that memory blocks be no larger than this: the smallest suggestion counts.

        0, or -EINVAL for what is no power of two. Linux: ``drivers/base/memory.c``.
        """
        if size <= 0 or size & size - 1:
            return -EINVAL
        self.advised_block_size = min(self.advised_block_size or size, size)
        return 0

    # --- proximity domains

    @property
    def max_pxm_domains(self) -> int:
        """Linux: ``include/acpi/acpi_numa.h: MAX_PXM_DOMAINS``."""
        return max(256, self.max_numnodes)

    def pxm_to_node(self, pxm: int) -> int:
        """Node of a proximity domain, or -1."""
        return NUMA_NO_NODE if self.numa_off else self._pxm_to_node.get(pxm, NUMA_NO_NODE)

    def node_to_pxm(self, nid: int) -> int:
        """Proximity domain of a node, or -1."""
        return self._node_to_pxm.get(nid, PXM_INVAL)

    def acpi_map_pxm_to_node(self, pxm: int) -> int:
        """Node of a proximity domain; a new domain gets the lowest free id. -1: domain too big, or no id is free."""
        if not 0 <= pxm < self.max_pxm_domains or self.numa_off:
            return NUMA_NO_NODE
        known = self._pxm_to_node.get(pxm)
        if known is not None:
            return known
        if len(self._nodes_found) >= self.max_numnodes:
            return NUMA_NO_NODE
        nid = next(nid for nid in range(self.max_numnodes) if nid not in self._nodes_found)
        self._pxm_to_node[pxm] = nid
        self._node_to_pxm[nid] = min(pxm, self._node_to_pxm.get(nid, pxm))
        self._nodes_found.add(nid)
        return nid

    def set_possible(self, nid: int) -> None:
        """A node that has no proximity domain; no domain gets its id any more."""
        self.possible.add(nid)
        self.without_domain.add(nid)
        self._nodes_found.add(nid)

    def highest_pxm(self) -> int:
        """The highest domain of any node; -1 without one."""
        return max(self._node_to_pxm.values(), default=PXM_INVAL)

    def node_pxms(self) -> dict[int, int]:
        """Domain by node: a copy."""
        return dict(self._node_to_pxm)

    def set_pxm_node_maps(self, node_to_pxm: dict[int, int]) -> None:
        """Replace both maps; of several nodes of a domain the lowest answers :meth:`pxm_to_node`."""
        self._node_to_pxm = dict(node_to_pxm)
        self._pxm_to_node = {}
        for nid in sorted(node_to_pxm):
            self._pxm_to_node.setdefault(node_to_pxm[nid], nid)

    def bad_srat(self) -> None:
        """Print that the SRAT is not used, and remember it."""
        self.log.printk("ACPI: SRAT: SRAT not used.", "drivers/acpi/numa/srat.c: bad_srat", SRAT_NOT_USED)
        self.srat_disabled = True

    # --- distances

    def numa_reset_distance(self) -> None:
        """Drop the distance table."""
        self.distance_count = 0
        self._distance = None

    def numa_alloc_distance(self, count: int) -> None:
        """Make a table for nodes 0 to ``count - 1``, with the default distances."""
        self.distance_count = count
        self._distance = bytearray(
            LOCAL_DISTANCE if i == j else REMOTE_DISTANCE for i in range(count) for j in range(count)
        )

    def numa_set_distance(self, from_: int, to: int, distance: int) -> None:
        """Set the distance in one direction; nodes beyond the table and absurd values are ignored with a warning."""
        if self._distance is None:
            if self.distance_size is None:
                self._distance_warning("distance table not allocated yet")
                return
            self.numa_alloc_distance(self.distance_size())
            if self.kernel.has(behaviours.NUMA_DISTANCE_LINE):
                self.log.printk(f"NUMA: Initialized distance table, cnt={self.distance_count}")
        assert self._distance is not None
        where = f"from={from_} to={to} distance={distance}"
        count = self.distance_count
        if not (0 <= from_ < count and 0 <= to < count):
            self._distance_warning("node ids are out of bound, ", where)
        elif not 0 <= distance <= 255 or (from_ == to and distance != LOCAL_DISTANCE):
            self._distance_warning("invalid distance parameter, ", where)
        else:
            self._distance[from_ * count + to] = distance

    def numa_extend_distance(self, nid: int, distances: Mapping[int, int]) -> None:
        """Make room in the table for a node that it was not made for, and say how far it is from others, both ways.

        Where there is no table, and nothing is said, all distances stay the default ones.
        """
        if self._distance is None and not distances:
            return
        before, table = self.distance_count, self._distance or b""
        known = {(at // before, at % before): value for at, value in enumerate(table)}
        if nid >= before:
            self.numa_alloc_distance(nid + 1)
        for (from_, to), distance in known.items():
            self.numa_set_distance(from_, to, distance)
        for other, distance in distances.items():
            self.numa_set_distance(nid, other, distance)
            self.numa_set_distance(other, nid, distance)

    def _distance_warning(self, what: str, where: str = "") -> None:
        """Each of these is printed once per boot."""
        self._printk_once(f"{self.distance_prefix}Warning: {what}", where)

    def distance(self, from_: int, to: int) -> int:
        """Distance between two nodes. Linux: ``__node_distance``."""
        count = self.distance_count
        if self._distance is None or from_ >= count or to >= count:
            return LOCAL_DISTANCE if from_ == to else REMOTE_DISTANCE
        return self._distance[from_ * count + to]

    # --- address to node

    def phys_to_target_node(self, addr: int) -> int:
        """Node that memory at ``addr`` (bytes) would belong to, online or not; -1 where none is known."""
        if not self.kernel.builtin("NUMA"):
            return 0
        brought = span_at(self.brought, addr)
        if brought is not None:
            return brought[2]
        if self.address_to_node is not None:
            return self.address_to_node.phys_to_target_node(addr)
        self._printk_once("Unknown target node for memory at ", f"0x{addr:x}, assuming node 0")
        return 0

    def memory_add_physaddr_to_nid(self, addr: int) -> int:
        """Node to which memory hot-added at ``addr`` (bytes) belongs when nobody says so."""
        if not self.kernel.builtin("NUMA"):
            return 0
        if self.address_to_node is not None:
            return self.address_to_node.memory_add_physaddr_to_nid(addr)
        self._printk_once("Unknown online node for memory at ", f"0x{addr:x}, assuming node 0")
        return 0

    def numa_map_to_online_node(self, nid: int) -> int:
        """The node itself if it is online or -1, else the nearest online node (the lowest of equally near ones)."""
        if not self.kernel.builtin("NUMA"):
            return NUMA_NO_NODE
        if nid == NUMA_NO_NODE or nid in self.online:
            return nid
        return min(sorted(self.online), key=lambda other: self.distance(nid, other), default=nid)

    # --- CPUs

    def cpu_node(self, cpu: int) -> int:
        """Node of a CPU; -1 where none was set. Linux: ``cpu_to_node``."""
        return self.cpu_to_node.get(cpu, NUMA_NO_NODE)

    def set_cpu_node(self, cpu: int, nid: int) -> None:
        """Linux: ``numa_set_node`` (x86), ``early_map_cpu_to_node`` (arm64)."""
        self.cpu_to_node[cpu] = nid

    def nodes_of_cpu(self, cpu: int) -> set[int]:
        """Nodes whose CPU mask a CPU joins: its own, or with ``numa=fake=`` all on the same physical node.

        Linux: ``numa_add_cpu``.
        """
        nid = self.cpu_node(cpu)
        if nid == NUMA_NO_NODE:
            return set()
        if not self.emu_nid_to_phys:
            return {nid}
        phys = self.emu_nid_to_phys.get(nid)
        return {other for other in self.online if self.emu_nid_to_phys.get(other) == phys}

    def _printk_once(self, what: str, rest: str = "") -> None:
        """Print ``what`` and ``rest``, unless the same ``what`` was printed before."""
        if what not in self._warned:
            self._warned.add(what)
            self.log.printk(what + rest)


def format_list(numbers: Iterable[int]) -> str:
    """Numbers as the kernel prints a mask with ``%*pbl``: ``0-1,3``."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def format_bitmap(numbers: Iterable[int], width: int) -> str:
    """Numbers as the kernel prints a mask of ``width`` bits with ``%*pb``: hexadecimal words, the highest first."""
    bits = sum(1 << number for number in numbers) & ((1 << width) - 1)
    digits = f"{bits:0{(width + 3) // 4}x}"
    first = len(digits) % 8 or 8
    return ",".join([digits[:first], *(digits[at : at + 8] for at in range(first, len(digits), 8))])
