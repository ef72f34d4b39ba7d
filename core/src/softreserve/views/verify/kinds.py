"""Kinds of lines of the kernel log, and what decides each: the table by which differences are sorted."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from softreserve.views.verify.facts import Fact

__all__ = ["KINDS", "OTHERS", "Kind", "kind_of"]


class Kind(NamedTuple):
    """Lines that one part of the kernel prints.

    :param name: what people call them.
    :param lines: how they begin: a regular expression.
    :param needs: facts that decide what stands in them.
    :param there: facts that decide, beside those, whether they are printed at all.
    :param ordered: whether the kernel prints them in an order that follows from its input.
    """

    name: str
    lines: str
    needs: tuple[Fact, ...] = ()
    there: tuple[Fact, ...] = ()
    ordered: bool = True


_MAPS: Final = (Fact.CMDLINE,)

#: The first that fits counts.
KINDS: Final = (
    Kind(
        "setup_data of the boot loader",
        r"reserve setup_data: |e820: update \[mem \S+\] usable ==> usable|(\[mem|mem) .*setup_data",
        (Fact.LOADER,),
    ),
    Kind("firmware's e820 table", r"BIOS-provided physical RAM map:|(BIOS-e820|BIOS-e801|BIOS-88|Xen): \["),
    Kind(
        "later e820 tables",
        r"(user-defined|extended|modified) physical RAM map:|(user|extended|modified): \[(mem|gap)",
        (Fact.EFI_MAP,),
    ),
    Kind("RAM buffers", r"e820: reserve RAM buffer "),
    Kind("e820 changes", r"e820: (update|remove|reserve|remap|modify) ?", (Fact.CMDLINE,)),
    Kind("end of RAM", r"last_pfn = "),
    Kind("gap for PCI devices", r"\[(mem|gap) \S+\] available for PCI devices"),
    Kind("EFI map", r"efi: +(mem\d+: |0x)|efi: Processing EFI memory map", (Fact.EFI_MAP,)),
    Kind(
        "EFI map changes",
        r"efi_fake_mem: |efi: (Remove|Not removing|Removing \d+ invalid|Failed to fake|\[Firmware Bug\])|efi: Memory: ",
        (Fact.EFI_MAP,),
    ),
    Kind("memory of the command line", r"Malformed early option |Memory limited to |Memory Limit: ", (Fact.CMDLINE,)),
    Kind("SRAT", r"(ACPI: )?(NUMA: )?SRAT: ", (Fact.SRAT,)),
    Kind("distances", r"ACPI: SLIT(:| table)|NUMA: Initialized distance table", (Fact.SLIT, Fact.SRAT)),
    Kind("node data", r"NODE_DATA|NUMA: NODE_DATA", (Fact.ALLOCATIONS,)),
    Kind(
        "NUMA set-up",
        r"NUMA: |ACPI: NUMA: |No NUMA configuration found|Faking a? ?node|Fake node size |NUMA turned off",
        (Fact.SRAT,),
    ),
    Kind("zones", r"Zone ranges:|(DMA|DMA32|Normal|Movable|Device) +(\[mem|empty)", (), (Fact.CONFIG,)),
    Kind("movable memory", r"Movable zone start for each node|Node \d+: 0x|Built-in zone", (Fact.SRAT, Fact.CMDLINE)),
    Kind("node ranges", r"Early memory node ranges|node +\d+: \[mem ", (Fact.SRAT,)),
    Kind(
        "node spans",
        r"Initmem setup node \d+ |Initializing node \d+ as memoryless|Could not find start_pfn",
        (Fact.SRAT,),
    ),
    Kind("unavailable pages", r"On node \d+, zone \w+: \d+ pages|Zeroed struct page in unavailable", (Fact.SRAT,)),
    Kind("fallback order", r"Fallback order for Node ", (Fact.SRAT, Fact.SLIT)),
    Kind("zone lists", r"Built \d+ zonelists", (Fact.SRAT,)),
    Kind("policy zone", r"Policy zone: "),
    Kind("memory block size", r"(\w+/mm: )?Memory block size: "),
    Kind("processors", r"smp: Brought up ", (Fact.CPUS, Fact.SRAT)),
    Kind("nosave memory", r"PM: (hibernation: )?Registered nosave memory: ", (), (Fact.CONFIG,)),
    Kind("initial RAM disk", r"RAMDISK: ", (Fact.IMAGE, Fact.LOADER)),
    Kind("contiguous memory", r"cma: Reserved ", (Fact.ALLOCATIONS,)),
    Kind(
        "crash kernel",
        r"crashkernel(:| reserved| low memory| CMA)|Reserving \d+MB of (low )?memory at ",
        (Fact.CMDLINE, Fact.IMAGE),
        (Fact.CONFIG,),
    ),
    Kind("HMAT", r"acpi/hmat: |ACPI: \[?HMAT|\[?HMAT:", (Fact.HMAT, Fact.SRAT), ordered=False),
    Kind(
        "memory tiers",
        r"Demotion targets for Node |memory_tier|memory-tiers|Unknown (target|online) node for memory",
        (Fact.SRAT, Fact.HMAT),
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
        r"(cxl(_\w+)?|acpi|ACPI001[67]:\d+|cxl_acpi ACPI0017:\d+)( [\w.:]+)*: .*"
        r"(CFMWS|CXL|decoder|region|endpoint|dport|port\d|mem\d)",
        (Fact.CXL,),
        (Fact.CONFIG,),
        ordered=False,
    ),
    Kind(
        "memory hotplug",
        r"Block size \[|removing memory fails|Offlined Pages |System RAM resource .* cannot be added|Online pages |"
        r"online_pages \[mem|memory memory\d+: |Auto-onlining|Refuse to remove ",
        (Fact.CHANGED,),
        ordered=False,
    ),
)
#: Lines that we print and that are of no kind above.
OTHERS: Final = Kind("others", "")


@lru_cache(1)
def _patterns() -> list[tuple[re.Pattern[str], Kind]]:
    return [(re.compile(kind.lines), kind) for kind in KINDS]


def kind_of(message: str) -> Kind | None:
    """The kind of a message; ``None``: one that is not modelled."""
    return next((kind for pattern, kind in _patterns() if pattern.match(message)), None)
