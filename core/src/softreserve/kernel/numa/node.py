"""Nodes as devices: what ``/sys/devices/system/node`` shows. Linux: ``drivers/base/node.c``, ``kernel/smp.c``.

:class:`Nodes` is the node side of a running kernel; what it knows without devices is in
:class:`softreserve.kernel.numa.numa.NumaState`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from errno import EAGAIN, EEXIST, EINVAL, ENODEV
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Protocol

from softreserve.kernel.driver_core.uevent import subsystem_files, uevent_file
from softreserve.kernel.numa.numa import NumaState, format_bitmap, format_list
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node, c_text, number_in
from softreserve.model import behaviours
from softreserve.model.value import NamedTuple

if TYPE_CHECKING:
    from softreserve.kernel.numa.mempolicy import WeightedInterleave
    from softreserve.kernel.state import KernelState
    from softreserve.model.kernel import Kernel

__all__ = [
    "NODE_COUNTERS",
    "ZONE_COUNTERS",
    "AccessCoordinate",
    "AdistanceAlgorithm",
    "FirmwarePerformance",
    "MemoryBlocks",
    "MemoryTiering",
    "NodeCache",
    "NodeDevice",
    "Nodes",
    "further_meminfo",
    "vmstat",
]

_ROOT: Final = "/sys/devices/system/node"
_BUS: Final = "/sys/bus/node"
#: The rank whose initiators have CPUs. Linux: ``ACCESS_COORDINATE_CPU``.
_ACCESS_OF_CPUS: Final = 1
#: Masks of :class:`NumaState` that have a file of the same name.
_STATES: Final = ("possible", "online", "has_normal_memory", "has_memory", "has_cpu", "has_generic_initiator")


class AccessCoordinate(NamedTuple):
    """How fast an initiator reaches a node: MB/s and nanoseconds; 0: not known."""

    read_bandwidth: int = 0
    write_bandwidth: int = 0
    read_latency: int = 0
    write_latency: int = 0


#: Gives the abstract distance of a node, or ``None``: unknown.
AdistanceAlgorithm = Callable[[int], "int | None"]


class NodeCache(NamedTuple):
    """A memory side cache, sizes in bytes.

    Indexing: 0 direct, 1 indexed, 2 other. Write policy: 0 back, 1 through, 2 other. Address mode: 1 where the
    addresses of the cache add to those of the memory.
    """

    level: int
    size: int
    line_size: int
    indexing: int
    write_policy: int
    address_mode: int = 0


class MemoryBlocks(Protocol):
    """What :class:`Nodes` asks about memory blocks."""

    def node_block_ids(self, nid: int) -> Iterable[int]:
        """Blocks linked to a node."""
        ...

    def node_has_block(self, nid: int, block_id: int) -> bool:
        """Whether a block is linked to a node."""
        ...


class MemoryTiering(Protocol):
    """What :class:`Nodes` is told of memory tiers. Linux: ``mm/memory-tiers.c``."""

    def tier_of(self, nid: int) -> int | None:
        """Number of the tier that a node is in, low for fast memory; ``None``: in none."""
        ...

    def demotion_targets(self, nid: int) -> list[int]:
        """Nodes that a node's cold pages go to first, where demotion is on; empty: none."""
        ...

    def register_mt_adistance_algorithm(self, algorithm: AdistanceAlgorithm) -> None:
        """Ask ``algorithm`` for abstract distances, before those registered later."""
        ...

    def unregister_mt_adistance_algorithm(self, algorithm: AdistanceAlgorithm) -> None:
        """Ask it no more."""
        ...

    def mt_perf_to_adistance(self, perf: AccessCoordinate) -> tuple[int, int]:
        """Abstract distance for a performance: ``(0, distance)`` or ``(-errno, 0)``."""
        ...


class FirmwarePerformance(Protocol):
    """What CXL asks about performance, and tells, that is in the firmware's tables. Linux: ``acpi/numa/hmat.c``."""

    def genport_coordinates(self, uid: int) -> Sequence[AccessCoordinate] | None:
        """How fast the host bridge of that number is reached, by access class; ``None``: nothing is said of it."""
        ...

    def update_target_coordinates(self, nid: int, coordinate: AccessCoordinate, access: int) -> int:
        """Put something else in place of what is said about the memory of a node: 0 or -errno."""
        ...

    def initiator_coordinate(self, initiator: int, nid: int) -> AccessCoordinate:
        """How fast the memory of a node is for the processors of another, as the firmware wrote it down."""
        ...


class NodeDevice:
    """One registered node: its directory, its access classes, its caches. Linux: ``struct node``."""

    def __init__(self, nodes: Nodes, nid: int) -> None:
        self.nid = nid
        self.path = f"{_ROOT}/node{nid}"
        self.access: dict[int, _AccessClass] = {}
        self.caches: dict[int, NodeCache] = {}
        self._nodes = nodes
        self.directory = Directory(
            {
                "cpumap": Attribute(0o444, lambda: nodes.cpumap(nid) + "\n"),
                "cpulist": Attribute(0o444, lambda: format_list(nodes.cpumask(nid)) + "\n"),
                "distance": Attribute(0o444, lambda: nodes.distance_row(nid) + "\n"),
                "meminfo": Attribute(0o444, lambda: _meminfo(nodes, nid)),
                "numastat": Attribute(0o444, lambda: "".join(f"{name} 0\n" for name in _NUMASTAT)),
                "vmstat": Attribute(0o444, lambda: vmstat(nodes.free_pages(nid))),
                "hugepages": nodes.huge_page_directory(nid),
                "compact": Attribute(0o200, store=len),
                "subsystem": Link(_BUS),
                "uevent": uevent_file(nodes.state, self.path, lambda: "", lambda: f"node node{nid}"),
            },
            names=self._link_names,
            lookup=self._link,
            in_order=True,
        )
        if nodes.kernel.has(behaviours.NODE_RECLAIM_FILE):
            self.directory.children["reclaim"] = Attribute(0o200, store=partial(_reclaim_store, nodes.kernel))

    def _link_names(self) -> Iterator[str]:
        yield from (f"cpu{cpu}" for cpu in self._nodes.present_cpus(self.nid))
        blocks = self._nodes.memory_blocks
        if blocks is not None:
            yield from (f"memory{block}" for block in blocks.node_block_ids(self.nid))

    def _link(self, name: str) -> Node | None:
        for kind in ("memory", "cpu"):
            number = number_in(name, kind)
            if number is not None and self._is_linked(kind, number):
                return Link(f"/sys/devices/system/{kind}/{name}")
        return None

    def _is_linked(self, kind: str, number: int) -> bool:
        if kind == "cpu":
            return self._nodes.is_present(number) and self._nodes.cpu_node(number) == self.nid
        blocks = self._nodes.memory_blocks
        return blocks is not None and blocks.node_has_block(self.nid, number)

    def access_class(self, access: int) -> _AccessClass:
        """The access class of that number, made where missing. Linux: ``node_init_node_access``."""
        found = self.access.get(access)
        if found is None:
            name = f"access{access}"
            uevent = uevent_file(self._nodes.state, f"{self.path}/{name}", lambda: "", lambda: f" {name}")
            found = self.access[access] = _AccessClass(uevent)
            self.directory.children[name] = found.directory
        return found

    def add_cache(self, cache: NodeCache) -> None:
        """Show a cache in ``memory_side_cache``."""
        self.caches[cache.level] = cache
        address_mode: dict[str, Node] = {}
        if self._nodes.kernel.has(behaviours.CACHE_ADDRESS_MODE):
            address_mode["address_mode"] = Attribute(0o444, lambda: f"{cache.address_mode:#x}\n")
        parent = self.directory.children.setdefault("memory_side_cache", Directory())
        assert isinstance(parent, Directory)
        parent.children[f"index{cache.level}"] = Directory(
            {
                "indexing": Attribute(0o444, lambda: f"{cache.indexing}\n"),
                "size": Attribute(0o444, lambda: f"{cache.size}\n"),
                **address_mode,
                "line_size": Attribute(0o444, lambda: f"{cache.line_size}\n"),
                "write_policy": Attribute(0o444, lambda: f"{cache.write_policy}\n"),
            }
        )


def _reclaim_store(kernel: Kernel, data: bytes) -> int:
    """Write to ``reclaim``: how many bytes to take back. No page is in use here, so none can be: -EAGAIN.

    Words behind the size, which choose among pages, are taken for right. Linux: ``user_proactive_reclaim``.
    """
    text = c_text(data).strip()
    size, rest = kernel.memparse(text)
    if rest == text:
        return -EINVAL
    return -EAGAIN if size // kernel.page_size else len(data)


#: What is counted of zones and of nodes, and stays 0 here, as far as all kernels have it.
#: Linux: ``mm/vmstat.c: vmstat_text``.
ZONE_COUNTERS: Final = (
    *("nr_zone_inactive_anon", "nr_zone_active_anon", "nr_zone_inactive_file", "nr_zone_active_file"),
    *("nr_zone_unevictable", "nr_zone_write_pending", "nr_mlock"),
    *("numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other"),
)
NODE_COUNTERS: Final = (
    *("nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file", "nr_unevictable"),
    *("nr_slab_reclaimable", "nr_slab_unreclaimable", "nr_isolated_anon", "nr_isolated_file"),
    *("nr_anon_pages", "nr_mapped", "nr_file_pages", "nr_dirty", "nr_writeback", "nr_shmem", "nr_shmem_hugepages"),
    *("nr_shmem_pmdmapped", "nr_file_hugepages", "nr_file_pmdmapped", "nr_anon_transparent_hugepages"),
    *("nr_vmscan_write", "nr_vmscan_immediate_reclaim", "nr_dirtied", "nr_written", "nr_kernel_misc_reclaimable"),
)


def vmstat(free_pages: int) -> str:
    """What ``vmstat`` says of so many pages that are free. Linux: ``drivers/base/node.c: node_read_vmstat``."""
    return f"nr_free_pages {free_pages}\n" + "".join(f"{name} 0\n" for name in (*ZONE_COUNTERS, *NODE_COUNTERS))


_NUMASTAT: Final = ("numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node")


#: Rows of a node's ``meminfo`` that stay 0 here.
_MEMINFO: Final = (
    "SwapCached",
    "Active",
    "Inactive",
    "Active(anon)",
    "Inactive(anon)",
    "Active(file)",
    "Inactive(file)",
    "Unevictable",
    "Mlocked",
    "Dirty",
    "Writeback",
    "FilePages",
    "Mapped",
    "AnonPages",
    "Shmem",
    "KernelStack",
    "PageTables",
    "SecPageTables",
    "NFS_Unstable",
    "Bounce",
    "WritebackTmp",
    "KReclaimable",
    "Slab",
    "SReclaimable",
    "SUnreclaim",
)
_MEMINFO_THP: Final = ("AnonHugePages", "ShmemHugePages", "ShmemPmdMapped", "FileHugePages", "FilePmdMapped")


def further_meminfo(kernel: Kernel) -> list[str]:
    """Rows of ``meminfo`` that not every kernel has, in front of those of huge pages."""
    rows = list(_MEMINFO_THP) if kernel.builtin("TRANSPARENT_HUGEPAGE") else []
    if kernel.builtin("UNACCEPTED_MEMORY"):
        rows.append("Unaccepted")
    if kernel.has(behaviours.NODE_MEMINFO_BALLOON):
        rows.append("Balloon")
    if kernel.has(behaviours.NODE_MEMINFO_GPU):
        rows += ["GPUActive", "GPUReclaim"]
    return rows


def _meminfo(nodes: Nodes, nid: int) -> str:
    """Everything that is present counts as free, but for huge pages. Linux: ``node_read_meminfo``."""
    kernel, total = nodes.kernel, nodes.present_kilobytes(nid)
    huge = nodes.huge_kilobytes(nid)
    rows = {"MemTotal": total, "MemFree": total - huge, "MemUsed": huge, **dict.fromkeys(_MEMINFO, 0)}
    rows |= dict.fromkeys(further_meminfo(kernel), 0)
    lines = [f"Node {nid} {name + ':':15} {value:8} kB" for name, value in rows.items()]
    pages = nodes.huge_page_count(nodes.default_huge_page, nid)
    counts = {"HugePages_Total": pages, "HugePages_Free": pages, "HugePages_Surp": 0}
    lines += [f"Node {nid} {name + ':':16} {count:5}" for name, count in counts.items()]
    return "".join(f"{line}\n" for line in lines)


class _AccessClass:
    """Initiators and targets of a node at one rank; ``coordinate`` is ``None`` until it is set."""

    __slots__ = ("coordinate", "directory", "initiators", "targets")

    def __init__(self, uevent: Attribute) -> None:
        self.coordinate: AccessCoordinate | None = None
        self.initiators = Directory()
        self.targets = Directory()
        self.directory = Directory({"initiators": self.initiators, "targets": self.targets, "uevent": uevent})

    def show(self, coordinate: AccessCoordinate) -> bool:
        """Set the values; False where their files were there already (and now show the new values)."""
        first = AccessCoordinate._fields[0] not in self.initiators.children
        self.coordinate = coordinate
        for name in AccessCoordinate._fields:
            self.initiators.children[name] = Attribute(0o444, partial(self._show_field, name))
        return first

    def _show_field(self, name: str) -> str:
        return f"{getattr(self.coordinate, name)}\n"


class Nodes(NumaState):
    """The nodes of a kernel.

    :param present_kilobytes: gives the memory of a node, in units of 1024 bytes.
    """

    def __init__(self, state: KernelState, present_kilobytes: Callable[[int], int]) -> None:
        super().__init__(state.log, state.kernel)
        self.state = state
        self.present_kilobytes = present_kilobytes
        self._devices: dict[int, NodeDevice] = {}
        self._cpumask: dict[int, set[int]] = {}
        self._subsystem = False
        #: Who knows which memory blocks belong to a node; set by memory hotplug.
        self.memory_blocks: MemoryBlocks | None = None
        #: Sizes of huge pages (bytes), the one that is meant where none is named, and pages by size and node.
        self.huge_page_sizes = state.arch.huge_pages(state.kernel) or (state.kernel.pmd_size,)
        self.default_huge_page = state.kernel.pmd_size
        self.huge_pages: dict[tuple[int, int], int] = {}
        #: By size: how many programs may have beyond; and by what is done, which node's turn it is.
        self.huge_overcommit: dict[int, int] = {}
        self.huge_turns: dict[tuple[int, str], int] = {}
        #: Who knows in which memory tiers nodes are; ``None``: this kernel has no tiers.
        self.tiering: MemoryTiering | None = None
        #: Who knows what the HMAT says; ``None``: there is none that is of use.
        self.performance: FirmwarePerformance | None = None

    @cached_property
    def interleave(self) -> WeightedInterleave:
        """Weights by which pages are dealt out to nodes."""
        from softreserve.kernel.numa.mempolicy import WeightedInterleave

        return WeightedInterleave(self)

    def free_pages(self, nid: int) -> int:
        """Pages of a node that are free: all, but for huge ones."""
        return (self.present_kilobytes(nid) - self.huge_kilobytes(nid) << 10) // self.kernel.page_size

    def huge_kilobytes(self, nid: int | None = None) -> int:
        """What huge pages take of a node, or of all, in units of 1024 bytes."""
        pages = self.huge_pages.items()
        return sum(count * size >> 10 for (size, node), count in pages if nid is None or node == nid)

    def huge_page_count(self, size: int, nid: int | None = None) -> int:
        """How many huge pages of that size (bytes) a node has, or all have."""
        pages = self.huge_pages.items()
        return sum(count for (of, node), count in pages if of == size and nid in (None, node))

    def dissolve_huge_pages(self, nid: int) -> None:
        """Give up huge pages of a node that has no room for them any more; where they lay is not known.

        Linux: ``mm/hugetlb.c: dissolve_free_hugetlb_folios``.
        """
        for size, node in sorted(self.huge_pages):
            excess = self.huge_kilobytes(nid) - self.present_kilobytes(nid)
            if node == nid and excess > 0:
                count = self.huge_pages[size, nid]
                self.huge_pages[size, nid] = max(count - -(-excess // (size >> 10)), 0)

    def huge_page_directory(self, nid: int | None) -> Directory:
        """The directory ``hugepages`` of a node, or of all."""

        def lookup(name: str) -> Node | None:
            from softreserve.kernel.mm.hugetlb_sysfs import huge_page_files

            return huge_page_files(self, nid, name)

        return Directory(names=self.huge_page_names, lookup=lookup)

    def huge_page_names(self) -> list[str]:
        """Directories of huge pages, one for each size."""
        return [f"hugepages-{size >> 10}kB" for size in self.huge_page_sizes]

    # --- CPUs

    def smp_init(self) -> None:
        """Bring all CPUs up; their nodes have CPUs from now on. Linux: ``kernel/smp.c: smp_init``.

        An emulated node lists all CPUs of its physical node, but counts as a node with CPUs only for the CPU that was
        up first, and for those that have it as their own. Linux: ``mm/vmstat.c: init_cpu_node_state``.
        """
        cpus = self._cpus_to_bring_up()
        for cpu in range(cpus):
            self.cpu_to_node.setdefault(cpu, min(self.online, default=0))
            listed = self.nodes_of_cpu(cpu)
            for nid in listed:
                self._cpumask.setdefault(nid, set()).add(cpu)
            self.has_cpu |= self.online & (listed if cpu == 0 else {self.cpu_to_node[cpu]})
        if self.kernel.has(behaviours.PROCESSORS_COUNTED_IN_ONE_LINE):
            nodes = len(self.online)
            self.log.printk(
                f"smp: Brought up {nodes} node{'s' if nodes > 1 else ''}, {cpus} CPU{'s' if cpus > 1 else ''}",
                "kernel/smp.c: smp_init",
            )

    def _cpus_to_bring_up(self) -> int:
        """All that the machine has, unless ``nosmp``, ``maxcpus=`` or ``nr_cpus=`` say less."""
        cmdline = self.state.cmdline
        cpus = self.state.cpus
        if cmdline.has("nosmp"):
            return 1
        for name in ("nr_cpus", "maxcpus"):
            for value in cmdline.all(name):
                if value is not None and value.isdecimal():
                    cpus = min(cpus, max(int(value), 1))
        return cpus

    def cpumask(self, nid: int) -> set[int]:
        """CPUs of a node that are up. Linux: ``cpumask_of_node``."""
        return self._cpumask.get(nid, set())

    def present_cpus(self, nid: int) -> list[int]:
        """CPUs whose own node this is."""
        return [cpu for cpu in range(self.state.cpus) if self.cpu_node(cpu) == nid]

    def is_present(self, cpu: int) -> bool:
        """Whether the machine has a CPU of that number."""
        return cpu < self.state.cpus

    def cpumap(self, nid: int) -> str:
        """The CPUs of a node as hexadecimal words of 32 bits."""
        return format_bitmap(self.cpumask(nid), self.state.cpus)

    def distance_row(self, nid: int) -> str:
        """Distances from a node to all nodes that are online. Linux: ``node_read_distance``."""
        # A blank stands before every node but node 0, whether that is online or not.
        return "".join(f"{' ' if other else ''}{self.distance(nid, other)}" for other in sorted(self.online))

    # --- coming and going

    def node_dev_init(self) -> None:
        """Make the directory, and a device for every node that is online."""
        self._subsystem = True
        attributes: dict[str, Node] = {name: Attribute(0o444, partial(self._show_mask, name)) for name in _STATES}
        attributes["uevent"] = uevent_file(self.state, _ROOT, lambda: "", lambda: " node")
        self.state.sysfs.add(_ROOT, Directory(attributes))
        for name, node in subsystem_files(self.state, _BUS).items():
            self.state.sysfs.add(f"{_BUS}/{name}", node)
        self.state.sysfs.add("/sys/kernel/mm/hugepages", self.huge_page_directory(None))
        if self.kernel.has(behaviours.WEIGHTED_INTERLEAVE):
            directory = Directory(names=lambda: self.interleave.names(), lookup=lambda name: self.interleave.file(name))
            self.state.sysfs.add("/sys/kernel/mm/mempolicy/weighted_interleave", directory)
        for nid in sorted(self.online):
            self.register_one_node(nid)

    def _show_mask(self, name: str) -> str:
        return format_list(getattr(self, name)) + "\n"

    def node_set_online(self, nid: int) -> None:
        """Bring a node online; its device appears, once there are devices."""
        self.online.add(nid)
        self.register_one_node(nid)

    def node_set_offline(self, nid: int) -> None:
        """Take a node offline and its device away."""
        self.online.discard(nid)
        self.unregister_one_node(nid)

    def register_one_node(self, nid: int) -> None:
        """Make the device of a node that has none."""
        if not self._subsystem or nid in self._devices:
            return
        device = self._devices[nid] = NodeDevice(self, nid)
        self.state.sysfs.add(device.path, device.directory)
        self.state.sysfs.add(f"{_BUS}/devices/node{nid}", Link(device.path))

    def unregister_one_node(self, nid: int) -> None:
        """Take the device of a node away, with its access classes and caches.

        Links to it in the directories of other nodes stay, and lead nowhere.
        """
        device = self._devices.pop(nid, None)
        if device is not None:
            self.state.sysfs.remove(device.path)
            self.state.sysfs.remove(f"{_BUS}/devices/node{nid}")

    def device(self, nid: int) -> NodeDevice | None:
        """The device of a node; ``None`` where it has none. Linux: ``node_devices[]``."""
        return self._devices.get(nid)

    # --- what the HMAT says

    def register_memory_node_under_compute_node(self, mem_nid: int, cpu_nid: int, access: int) -> int:
        """Link a memory node and a node that reaches it at a rank: 0 or -errno."""
        if cpu_nid not in self.online or mem_nid not in self.online:
            return -ENODEV
        initiator, memory = self._devices[cpu_nid], self._devices[mem_nid]
        targets = initiator.access_class(access).targets.children
        initiators = memory.access_class(access).initiators.children
        if f"node{mem_nid}" in targets or f"node{cpu_nid}" in initiators:
            return -EEXIST
        targets[f"node{mem_nid}"] = Link(memory.path)
        initiators[f"node{cpu_nid}"] = Link(initiator.path)
        return 0

    def node_set_perf_attrs(self, nid: int, coordinate: AccessCoordinate, access: int) -> None:
        """Show how fast a node is for its best initiators at a rank, and weigh it."""
        device = self._devices.get(nid)
        if nid not in self.online or device is None:
            return
        if not device.access_class(access).show(coordinate):
            text = f"failed to add performance attribute to node {nid}"
            self.log.printk(text, "drivers/base/node.c: node_set_perf_attrs")
        if access == _ACCESS_OF_CPUS:
            self.interleave.set_node_perf(nid, coordinate.read_bandwidth, coordinate.write_bandwidth)

    def node_update_perf_attrs(self, nid: int, coordinate: AccessCoordinate, access: int) -> None:
        """Change how fast a node is, where it shows that, and weigh it anew."""
        device = self._devices.get(nid)
        if nid not in self.online or device is None:
            return
        if access in device.access:
            device.access[access].coordinate = coordinate
        if access == _ACCESS_OF_CPUS:
            self.interleave.set_node_perf(nid, coordinate.read_bandwidth, coordinate.write_bandwidth)

    def node_add_cache(self, nid: int, cache: NodeCache) -> None:
        """Show a memory side cache; a second one of the same level is refused with a warning."""
        device = self._devices.get(nid)
        if nid not in self.online or device is None:
            return
        if cache.level in device.caches:
            text = f"node node{nid}: attempt to add duplicate cache level:{cache.level}"
            self.log.printk(text, "drivers/base/node.c: node_add_cache")
            return
        device.add_cache(cache)
