"""Files of ``/proc`` that programs read to learn of memory and CPUs. Linux: ``fs/proc``.

Everything that is present counts as free: what a kernel allocates is not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.node import NODE_COUNTERS, ZONE_COUNTERS, further_meminfo, vmstat
from softreserve.kernel.sysfs import Attribute, Show

if TYPE_CHECKING:
    from softreserve.kernel.mm.zones import Zone
    from softreserve.kernel.system import System

__all__ = ["BUILD", "files", "links", "version"]

#: When and how the kernel was built, as ``uname -v`` says; not modelled. Linux: ``init/version-timestamp.c``.
BUILD = "#1 SMP"

_MAX_ORDER = 11


def files(system: System) -> Iterator[tuple[str, Attribute]]:
    """Paths below ``/proc``, and files."""
    shows: dict[str, Show] = {
        "buddyinfo": lambda: _buddyinfo(system),
        "cmdline": lambda: f"{system.cmdline.text}\n",
        "cpuinfo": lambda: _cpuinfo(system),
        "iomem": lambda: "".join(f"{line}\n" for line in system.iomem.lines()),
        "meminfo": lambda: _meminfo(system),
        "modules": lambda: _modules(system),
        "sys/kernel/osrelease": lambda: f"{system.kernel.release}\n",
        "sys/kernel/version": lambda: f"{BUILD}\n",
        "version": lambda: f"{version(system)}\n",
        "vmstat": lambda: _vmstat(system),
        "zoneinfo": lambda: _zoneinfo(system),
    }
    for name, show in shows.items():
        yield name, Attribute(0o444, show)


def links(system: System) -> Iterator[tuple[str, str]]:
    """Paths below ``/proc`` of files that are those of sysfs, and their paths there. Linux: ``hugetlb_table``."""
    default = f"/sys/kernel/mm/hugepages/hugepages-{system.nodes.default_huge_page >> 10}kB"
    for name in ("nr_hugepages", "nr_hugepages_mempolicy", "nr_overcommit_hugepages"):
        if system.sysfs.node(f"{default}/{name}") is not None:
            yield f"sys/vm/{name}", f"{default}/{name}"


def version(system: System) -> str:
    """The line by which a kernel says what it is. Linux: ``init/version.c: linux_banner``."""
    return f"Linux version {system.kernel.release} (softreserve@localhost) ({system.kernel.arch}) {BUILD}"


def _populated(system: System) -> list[Zone]:
    return [zone for zone in system.memory.zones.populated_zones() if zone.name != "Device"]


#: Rows of ``meminfo`` behind those that say something, as far as all kernels have them.
_MEMINFO: Final = (
    *("Buffers", "Cached", "SwapCached", "Active", "Inactive", "Active(anon)", "Inactive(anon)", "Active(file)"),
    *("Inactive(file)", "Unevictable", "Mlocked", "SwapTotal", "SwapFree", "Dirty", "Writeback", "AnonPages", "Mapped"),
    *("Shmem", "KReclaimable", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables", "NFS_Unstable"),
    *("Bounce", "WritebackTmp"),
)
#: Of a hundred pages, how many programs may ask for. Linux: ``mm/util.c: sysctl_overcommit_ratio``.
_OVERCOMMIT: Final = 50


def _meminfo(system: System) -> str:
    """What is not known of a machine, such as the kernel's own maps of memory, has no row."""
    total, nodes = system.memory.zones.present_kilobytes(), system.nodes
    huge = nodes.huge_kilobytes()
    free = total - huge
    page = system.kernel.page_size >> 10
    rows = {"MemTotal": total, "MemFree": free, "MemAvailable": free, **dict.fromkeys(_MEMINFO, 0)}
    rows |= {"CommitLimit": free // page * _OVERCOMMIT // 100 * page, "Committed_AS": 0}
    rows |= dict.fromkeys(further_meminfo(system.kernel), 0)
    lines = [f"{name + ':':15} {value:8} kB" for name, value in rows.items()]
    pages = nodes.huge_page_count(nodes.default_huge_page)
    counts = {"HugePages_Total": pages, "HugePages_Free": pages, "HugePages_Rsvd": 0, "HugePages_Surp": 0}
    lines += [f"{name + ':':16}{count:8}" for name, count in counts.items()]
    lines += [f"{'Hugepagesize:':15} {nodes.default_huge_page >> 10:8} kB", f"{'Hugetlb:':15} {huge:8} kB"]
    return "\n".join([*lines, ""])


#: What is counted since the start, as far as all kernels have it: nothing has happened.
_EVENTS: Final = ("pgpgin", "pgpgout", "pswpin", "pswpout", "pgfree", "pgfault", "pgmajfault")


def _vmstat(system: System) -> str:
    nodes = system.nodes
    return vmstat(sum(map(nodes.free_pages, nodes.online))) + "".join(f"{name} 0\n" for name in _EVENTS)


def _zoneinfo(system: System) -> str:
    """All zones of nodes that are online; of those without pages there is less to say.

    Watermarks and what each processor keeps follow from what a kernel takes for itself, and are missing.
    Linux: ``mm/vmstat.c: zoneinfo_show_print``.
    """
    lines = []
    for nid in sorted(system.nodes.online):
        counted = False
        for zone in system.memory.zones.node_data(nid).zones:
            lines.append(f"Node {zone.nid}, zone {zone.name:>8}")
            pages = 0 if zone.name == "Device" else zone.present_pages
            if pages and not counted:
                counted = True
                lines += ["  per-node stats", *(f"      {name:12} 0" for name in NODE_COUNTERS)]
            lines += [
                f"  pages free     {pages}",
                f"        spanned  {zone.spanned_pages}",
                f"        present  {pages}",
                f"        managed  {pages}",
            ]
            if pages:
                lines += [f"      nr_free_pages {pages}", *(f"      {name:12} 0" for name in ZONE_COUNTERS)]
                lines += ["  node_unreclaimable:  0", f"  start_pfn:           {zone.start_pfn}"]
    return "".join(f"{line}\n" for line in lines)


def _buddyinfo(system: System) -> str:
    lines = []
    for zone in _populated(system):
        pages, counts = zone.present_pages, []
        for order in range(_MAX_ORDER - 1):
            counts.append(pages >> order & 1)
        counts.append(pages >> _MAX_ORDER - 1)
        lines.append(f"Node {zone.nid}, zone {zone.name:>8} " + " ".join(f"{count:6}" for count in counts) + " ")
    return "".join(f"{line}\n" for line in lines)


def _cpuinfo(system: System) -> str:
    what = system.arch.cpuinfo(system.machine)
    return "".join(f"processor\t: {cpu}\n{what}\n" for cpu in range(system.cpus))


def _modules(system: System) -> str:
    return "".join(f"{name} 16384 0 - Live 0x0000000000000000\n" for name in reversed(system.modules.live()))
