"""Kinds of lines of the kernel log, and what decides each: the table by which differences are sorted."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from softreserve.views.verify.facts import Fact

__all__ = ["FILES", "KINDS", "OTHERS", "Kind", "kind_of"]


class Kind(NamedTuple):
    """Lines that one part of the kernel prints.

    :param name: what people call them.
    :param lines: how they begin: a regular expression.
    :param needs: facts that decide what stands in them.
    :param there: facts that decide, beside those, whether they are printed at all.
    :param ordered: whether the kernel prints them in an order that follows from its input.
    :param debug: whether they are of the level ``KERN_DEBUG``, which consoles and journals are often told to leave out.
    :param recorded: whether recorded boots have them in their logs, from which much is left out.
    """

    name: str
    lines: str
    needs: tuple[Fact, ...] = ()
    there: tuple[Fact, ...] = ()
    ordered: bool = True
    debug: bool = False
    recorded: bool = True


#: What decides every line about the memory that there is.
_MEMORY: Final = (Fact.MAP, Fact.CMDLINE)

#: The first that fits counts.
KINDS: Final = (
    Kind(
        "setup_data of the boot loader",
        r"reserve setup_data: |e820: update \[mem \S+\] usable ==> usable|(\[mem|mem) .*setup_data",
        (Fact.LOADER,),
        recorded=False,
    ),
    Kind(
        "firmware's e820 table",
        r"(e820: )?BIOS-provided physical RAM map:|(BIOS-e820|BIOS-e801|BIOS-88|Xen): \[",
        (Fact.MAP,),
    ),
    Kind(
        "later e820 tables",
        r"(e820: )?(user-defined|extended|modified) physical RAM map:|(user|extended|modified): \[(mem|gap)",
        (Fact.EFI_MAP, *_MEMORY),
    ),
    Kind("RAM buffers", r"e820: (reserve RAM buffer|register RAM buffer resource) ", _MEMORY, debug=True),
    Kind("e820 changes", r"e820: (update|remove|reserve|remap|modify) ?", _MEMORY, debug=True),
    Kind("end of RAM", r"(e820: )?last_pfn = ", _MEMORY),
    Kind("gap for PCI devices", r"(e820: )?\[(mem|gap) \S+\] available for PCI devices", _MEMORY),
    Kind("EFI map", r"efi: +(mem\d+: |0x)|efi: Processing EFI memory map", (Fact.EFI_MAP,), recorded=False),
    Kind(
        "EFI map changes",
        r"efi_fake_mem: |efi: (Remove|Not removing|Removing \d+ invalid|Failed to fake|\[Firmware Bug\])",
        (Fact.EFI_MAP,),
    ),
    Kind("EFI services", r"Remapping and enabling EFI services", (), (Fact.EFI_MAP,), recorded=False),
    Kind("mirrored memory", r"efi: Memory: \d+M/\d+M mirrored", (Fact.EFI_MAP,), recorded=False),
    Kind(
        "memory of the command line",
        r"Malformed early option |Memory limited to |Memory Limit: (?!none)",
        (Fact.CMDLINE,),
    ),
    Kind("SRAT", r"(ACPI: )?(NUMA: )?SRAT: (?!PXM \d+ -> ITS)", (Fact.SRAT,)),
    Kind("distances", r"ACPI: SLIT(:| table)|NUMA: Initialized distance table", (Fact.SLIT, Fact.SRAT)),
    Kind("node data", r"NODE_DATA|NUMA: NODE_DATA", (Fact.ALLOCATIONS,), recorded=False),
    Kind(
        "NUMA set-up",
        r"NUMA: |ACPI: NUMA: |No NUMA configuration found|Faking a? ?node|Fake node size |NUMA turned off",
        (Fact.SRAT,),
        (Fact.CONFIG,),
    ),
    Kind("zones", r"Zone ranges:|(DMA|DMA32|Normal|Movable|Device) +(\[mem|empty)", _MEMORY, (Fact.CONFIG,)),
    Kind("movable memory", r"Movable zone start for each node|Node \d+: 0x|Built-in zone", (Fact.SRAT, *_MEMORY)),
    Kind("node ranges", r"Early memory node ranges|node +\d+: \[mem ", (Fact.SRAT, *_MEMORY)),
    Kind(
        "node spans",
        r"Initmem setup node \d+ |Initializing node \d+ as memoryless|Could not find start_pfn",
        (Fact.SRAT, Fact.CEDT, *_MEMORY),
    ),
    Kind(
        "unavailable pages",
        r"On node \d+, zone \w+: \d+ pages|Zeroed struct page in unavailable|Reserved but unavailable: |"
        r"\w+ zone: \d+ pages in unavailable",
        (Fact.SRAT, Fact.UNMAPPED, *_MEMORY),
    ),
    Kind(
        "pages of zones",
        r"On node \d+ totalpages: |\w+ zone: \d+ pages",
        (Fact.SRAT, Fact.TAKEN, *_MEMORY),
        debug=True,
        recorded=False,
    ),
    Kind(
        "fallback order", r"Fallback order for Node ", (Fact.CHANGED, Fact.SRAT, Fact.SLIT, Fact.CEDT), (Fact.CONFIG,)
    ),
    Kind("zone lists", r"Built \d+ zonelists", (Fact.CHANGED, Fact.SRAT, Fact.TAKEN, Fact.PAGE_SIZE, *_MEMORY)),
    Kind("policy zone", r"Policy zone: ", (Fact.CHANGED,), (Fact.CONFIG,)),
    Kind("memory block size", r"(\w+/mm: )?Memory block size: ", (Fact.CEDT,), (Fact.CONFIG,)),
    Kind("processors", r"smp: Brought up ", (Fact.CPUS, Fact.SRAT)),
    Kind("nosave memory", r"PM: (hibernation: )?Registered nosave memory: ", _MEMORY, (Fact.CONFIG,), recorded=False),
    Kind("initial RAM disk", r"RAMDISK: ", (Fact.IMAGE, Fact.LOADER), recorded=False),
    Kind("contiguous memory", r"cma: Reserved ", (Fact.ALLOCATIONS,), recorded=False),
    Kind(
        "crash kernel",
        r"crashkernel(:| reserved| low memory| CMA)|Reserving \d+MB of (low )?memory at ",
        (Fact.CMDLINE, Fact.IMAGE),
        (Fact.CONFIG,),
        recorded=False,
    ),
    Kind("HMAT", r"acpi/hmat: |ACPI: \[HMAT|\[?HMAT:", (Fact.HMAT, Fact.SRAT), ordered=False),
    Kind(
        "memory tiers",
        r"Demotion targets for Node |memory_tier|memory-tiers|Unknown (target|online) node for memory",
        (Fact.CHANGED, Fact.SRAT, Fact.SLIT, Fact.HMAT),
        (Fact.CONFIG,),
        ordered=False,
    ),
    Kind(
        "dax devices",
        r"(kmem|device_dax|dax|hmem|dax_hmem|hmem_platform|dax_region|dev_dax)\b.*: ",
        (Fact.HMAT, Fact.CXL),
        (Fact.CONFIG,),
        ordered=False,
    ),
    Kind(
        "CXL",
        r"(?!.*: _OSC: )(cxl(_\w+)?|acpi|ACPI001[67]:\d+|cxl_acpi ACPI0017:\d+)( [\w.:]+)*: .*"
        r"(CFMWS|CXL|decoder|region|endpoint|dport|port\d|mem\d)",
        (Fact.CXL,),
        (Fact.CONFIG,),
        ordered=False,
        recorded=False,
    ),
    Kind(
        "memory hotplug",
        r"Block size \[|removing memory fails|Offlined Pages |System RAM resource .* cannot be added|Online pages |"
        r"online_pages \[mem|memory memory\d+: (?!hash matches)|Auto-onlining|Refuse to remove ",
        (Fact.CHANGED,),
        ordered=False,
        recorded=False,
    ),
)
#: Lines that we print and that are of no kind above.
OTHERS: Final = Kind("others", "", recorded=False)


#: Kinds of lines of each file, likewise. Lines of dumps of sysfs have no order.
FILES: Final[dict[str, tuple[Kind, ...]]] = {
    "iomem.txt": (
        Kind("System RAM", r"System RAM$", (Fact.ADDED,)),
        Kind("memory given to drivers", r"System RAM \(", (Fact.CHANGED,)),
        Kind("soft reserved", r"Soft Reserved$", (Fact.EFI_MAP,)),
        Kind("reserved", r"Reserved$|reserved$|Unusable memory$|Unknown E820 type$", (Fact.DEVICES,)),
        Kind("ACPI", r"ACPI (Tables|Non-volatile Storage)$"),
        Kind("persistent memory", r"Persistent Memory|namespace\d", (Fact.CHANGED,)),
        Kind("kernel image", r"Kernel (code|rodata|data|bss)$", (Fact.IMAGE,)),
        Kind("crash kernel", r"Crash kernel$", (Fact.CMDLINE, Fact.IMAGE), (Fact.CONFIG,)),
        Kind("RAM buffer", r"RAM buffer$"),
        Kind("dax regions", r"hmem(\.\d+)?$", (Fact.HMAT, Fact.SRAT), (Fact.CONFIG,)),
        Kind("dax devices", r"dax\d+\.\d+$", (Fact.CHANGED, Fact.HMAT, Fact.SRAT), (Fact.CONFIG,)),
        Kind("CXL", r"CXL Window|region\d+$", (Fact.CEDT, Fact.CXL), (Fact.CONFIG,)),
    ),
    "firmware-memmap.txt": (Kind("firmware's map", r"\d+ 0x"),),
    "memory-blocks.txt": (
        Kind("block size", r".*/block_size_bytes = "),
        Kind("online policy", r".*/auto_online_blocks = ", (Fact.CHANGED, Fact.CONFIG, Fact.CMDLINE)),
        Kind("memory blocks", r".*/memory\d+/($|phys_index)", (Fact.ADDED,)),
        Kind("nodes of blocks", r".*/memory\d+/node\d+ -> ", (Fact.ADDED, Fact.SRAT)),
        Kind("states of blocks", r".*/memory\d+/(removable|state)", (Fact.CHANGED,)),
        Kind("zones of blocks", r".*/memory\d+/valid_zones", (Fact.CHANGED, Fact.SRAT)),
    ),
    "nodes.txt": (
        Kind("sets of nodes", r".*/node/(possible|online|has_\w+) = ", (Fact.SRAT, Fact.CPUS, Fact.HMAT, Fact.CEDT)),
        Kind("nodes", r".*/node\d+/$", (Fact.SRAT, Fact.HMAT, Fact.CEDT)),
        Kind("processors", r".*/node\d+/cpulist = ", (Fact.CPUS, Fact.SRAT)),
        Kind("distances", r".*/node\d+/distance = ", (Fact.SLIT, Fact.SRAT)),
        Kind("nodes of blocks", r".*/node\d+/memory\d+ -> ", (Fact.ADDED, Fact.SRAT)),
        Kind("performance", r".*/node\d+/(access\d+|memory_side_cache)/", (Fact.HMAT, Fact.SRAT, Fact.CXL)),
    ),
    "memory-tiers.txt": (Kind("memory tiers", r"/sys/", (Fact.CHANGED, Fact.HMAT, Fact.SRAT, Fact.SLIT)),),
    "dax.txt": (
        Kind(
            "dax drivers",
            r"/sys/bus/dax/drivers/\w+/($|dax\d)|.*/driver -> ",
            (Fact.CHANGED, Fact.HMAT, Fact.CXL),
            (Fact.CONFIG,),
        ),
        Kind(
            "dax regions",
            r"/sys/devices/\S*/(hmem(_platform)?\.\d+/($|numa_node = )|dax_region/(align|id|size)( = | ! ))",
            (Fact.HMAT, Fact.SRAT, Fact.CXL),
            (Fact.CONFIG,),
        ),
        Kind(
            "capacity of dax regions",
            r"/sys/devices/\S*/dax_region/(available_size|create|seed)( = | ! )",
            (Fact.CHANGED, Fact.HMAT, Fact.CXL),
        ),
        Kind(
            "dax devices",
            r"/sys/bus/dax/devices/dax\d+\.\d+ -> |/sys/devices/\S*/dax\d+\.\d+/($|(align|memmap_on_memory|numa_node"
            r"|resource|size|state|target_node)( = | -> | ! )|mapping\d+/($|(start|end|page_offset)( = | ! )))",
            (Fact.CHANGED, Fact.HMAT, Fact.CXL),
            (Fact.CONFIG,),
        ),
    ),
}


@lru_cache
def _patterns(file: str) -> list[tuple[re.Pattern[str], Kind]]:
    return [(re.compile(kind.lines), kind) for kind in (FILES[file] if file else KINDS)]


def kind_of(text: str, file: str = "") -> Kind | None:
    """The kind of a message of the log, or of a line of a file (of ``/proc/iomem``: of a name); ``None``: no such."""
    return next((kind for pattern, kind in _patterns(file) if pattern.match(text)), None)
