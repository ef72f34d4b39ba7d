"""The memory ranges that kexec-tools reads off a running x86 kernel.

Source: kexec-tools 2.0.25 to 2.0.32, behaviour only.

Ends are inclusive, as kexec-tools keeps and prints them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from softreserve.kernel.kernfs import in_readdir_order
from softreserve.kernel.kexec.ranges import (
    ACPI,
    NVS,
    PMEM,
    PRAM,
    RAM,
    RESERVED,
    UNCACHED,
    MemoryRange,
    iomem_entries,
)

if TYPE_CHECKING:
    from softreserve.kernel.firmware_memmap import FirmwareMemmapEntry
    from softreserve.kernel.system import System

__all__ = ["fixup", "x86_ranges"]


_FIRMWARE_TYPES: Final = {
    "System RAM": RAM,
    "ACPI Tables": ACPI,
    "Unusable memory": RESERVED,
    "reserved": RESERVED,
    "Reserved": RESERVED,
    "Unknown E820 type": RESERVED,
    "ACPI Non-volatile Storage": NVS,
    "Uncached RAM": UNCACHED,
    "Persistent Memory (legacy)": PRAM,
    "Persistent Memory": PMEM,
}
_IOMEM_TYPES: Final = {
    "System RAM": RAM,
    "ACPI Tables": ACPI,
    "ACPI Non-volatile Storage": NVS,
    "Persistent Memory (legacy)": PRAM,
    "Persistent Memory": PMEM,
}
_MAX_RANGES: Final = 2048
#: Below this the real mode interrupt table lies: never reported as RAM.
_REALMODE_IVT_END: Final = 0x400
#: As much of /proc/cmdline as is looked at.
_CMDLINE_READ: Final = 511


def x86_ranges(system: System, output: list[str]) -> list[MemoryRange]:
    """The ranges on x86: from the firmware map, or from ``/proc/iomem`` where that is not used.

    What kexec-tools prints is added to ``output``. kexec-tools: ``kexec-x86-common.c: get_memory_ranges``.
    """
    efi_map_added = "add_efi_memmap" in system.cmdline.text[:_CMDLINE_READ]
    entries = list(system.firmware_memmap.entries.values())
    ranges: list[MemoryRange] | None = None
    if entries and not efi_map_added:
        if len(entries) <= _MAX_RANGES:
            ranges = fixup(_from_firmware_memmap(entries, output))
        else:
            output.append(f"The firmware provides more entries allowed ({_MAX_RANGES}). Please report that as bug.")
            output.append("Parsing the /sys/firmware memory map failed. Falling back to /proc/iomem.")
    if ranges is None:
        ranges = _from_iomem(system.iomem.lines())
    for index, found in enumerate(ranges):
        if found.type == RAM and found.start < _REALMODE_IVT_END:
            ranges[index] = found._replace(start=_REALMODE_IVT_END)
            break
    output.append("MEMORY RANGES")
    output += map(str, ranges)
    return ranges


def _from_firmware_memmap(entries: Iterable[FirmwareMemmapEntry], output: list[str]) -> list[MemoryRange]:
    by_name = {str(entry.number): entry for entry in entries}
    ranges = []
    for name in in_readdir_order(by_name):
        entry = by_name[name]
        kind = _FIRMWARE_TYPES.get(entry.type)
        if kind is None:
            output.append(
                f"Unknown type ({entry.type}) while parsing /sys/firmware/memmap/{name}/type. "
                "Please report this as bug. Using RANGE_RESERVED now."
            )
            kind = RESERVED
        ranges.append(MemoryRange(entry.start, entry.end, kind))
    return sorted(ranges, key=lambda found: found.start)


def fixup(ranges: list[MemoryRange]) -> list[MemoryRange]:
    """Repair overlaps of neighbours of one type. kexec-tools: ``fixup_memory_ranges``.

    A range that begins inside its predecessor is moved to the predecessor's last byte, not behind it.
    """
    changed = True
    while changed:
        changed = False
        at = 0
        while at < len(ranges) - 1:
            here, following = ranges[at], ranges[at + 1]
            if here.type == following.type:
                if here.start == following.start:
                    del ranges[at + 1 if here.end >= following.end else at]
                    changed = True
                elif here.end > following.start:
                    if here.end < following.end:
                        ranges[at + 1] = following._replace(start=here.end)
                    else:
                        del ranges[at + 1]
                    changed = True
            at += 1
    return ranges


def _from_iomem(lines: Iterable[str]) -> list[MemoryRange]:
    """Every line of ``/proc/iomem`` with a known name, whatever its level; in the order of the file."""
    ranges: list[MemoryRange] = []
    for start, end, name in iomem_entries(lines):
        kind = RESERVED if name.lower() == "reserved" else _IOMEM_TYPES.get(name)
        if kind is not None and len(ranges) < _MAX_RANGES:
            ranges.append(MemoryRange(start, end, kind))
    return ranges
