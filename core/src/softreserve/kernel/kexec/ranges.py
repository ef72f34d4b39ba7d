"""The memory ranges that kexec-tools reads off a running kernel.

Source: kexec-tools 2.0.25 to 2.0.32, behaviour only.

Ends are inclusive, as kexec-tools keeps and prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

__all__ = [
    "ACPI",
    "NVS",
    "PMEM",
    "PRAM",
    "RAM",
    "RESERVED",
    "UNCACHED",
    "MemoryRange",
    "iomem_entries",
    "ram_of_iomem",
]

RAM: Final = 0
RESERVED: Final = 1
ACPI: Final = 2
NVS: Final = 3
UNCACHED: Final = 4
PMEM: Final = 6
PRAM: Final = 11

_IOMEM_LINE = re.compile(r"\s*([0-9a-f]+)-([0-9a-f]+) : (.*)")


class MemoryRange(NamedTuple):
    """Bytes ``start`` to ``end``, both included, of a type of this module."""

    start: int
    end: int
    type: int

    def __str__(self) -> str:
        return f"{self.start:016x}-{self.end:016x} ({self.type})"


def iomem_entries(lines: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """First byte, last byte and name of every line of ``/proc/iomem``, whatever its level."""
    for line in lines:
        found = _IOMEM_LINE.match(line)
        if found:
            yield int(found[1], 16), int(found[2], 16), found[3]


def ram_of_iomem(lines: Iterable[str], output: list[str]) -> list[MemoryRange]:
    """System RAM of ``/proc/iomem`` without what is reserved inside it.

    kexec-tools: ``kexec-arm64.c: get_memory_ranges``, ``mem_regions.c: mem_regions_exclude``.
    """
    ranges: list[MemoryRange] = []
    for start, end, name in iomem_entries(lines):
        if name == "System RAM":
            ranges.append(MemoryRange(start, end, RAM))
            output.append(f"get_memory_ranges:+[{len(ranges) - 1}] {start:016x} - {end:016x}")
        elif name not in ("Kernel code", "Kernel data", "Crash kernel") and ranges:
            last = ranges[-1]
            if last.end < start or end < last.start:
                continue
            _exclude(ranges, start, end)
            output.append(f"get_memory_ranges:-      {start:016x} - {end:016x}")
    output.append("System RAM ranges;")
    output += map(str, ranges)
    return ranges


def _exclude(ranges: list[MemoryRange], start: int, end: int) -> None:
    for index, found in enumerate(ranges):
        if not found.start <= start <= end <= found.end:
            continue
        if found.start == start and found.end == end:
            del ranges[index]
        elif found.start == start:
            ranges[index] = found._replace(start=end + 1)
        elif found.end == end:
            ranges[index] = found._replace(end=start - 1)
        else:
            ranges[index] = found._replace(end=start - 1)
            ranges.append(MemoryRange(end + 1, found.end, RAM))
        return
