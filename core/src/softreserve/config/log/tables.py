"""What a log tells of ACPI tables and processors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from softreserve.config.acpi_schema import Size, SratCpus, SratMemory, SratTable
from softreserve.config.log.messages import Messages, ends
from softreserve.config.parts import CPUS_GAP
from softreserve.model.errors import shown
from softreserve.model.machine import CPUS_MAX

__all__ = ["SRAT_LINES", "read_cpus", "read_srat", "unknown_tables"]

_SRAT_MEMORY: Final = re.compile(r"(?:ACPI: )?SRAT: Node \d+ PXM (\d+) \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\](.*)")
_SRAT_CPU: Final = re.compile(r"(?:ACPI: )?(?:NUMA: )?SRAT: PXM (\d+) -> (?:APIC|MPIDR|CPU|HARTID) \S+ -> Node -?\d+$")
#: Lines that tell of the SRAT: memory, processors.
SRAT_LINES: Final = (_SRAT_MEMORY, _SRAT_CPU)
_CPUS: Final = re.compile(r"smp: Brought up \d+ nodes?, (\d+) CPUs?")
_TABLE: Final = re.compile(r"ACPI: (\w{4}) 0x[0-9A-Fa-f]+ [0-9A-Fa-f]+ \(v")
#: Tables that decide something here.
_TABLES: Final = ("SRAT", "SLIT", "HMAT", "CEDT")


def read_cpus(log: Messages) -> int:
    """How many CPUs came up; 1, and a gap, where the log does not tell."""
    cpus = max(log.each(_CPUS, _cpu_count), default=0)
    if not cpus:
        log.gaps.append(CPUS_GAP)
    return cpus or 1


def read_srat(log: Messages) -> SratTable | None:
    """An SRAT of what the kernel said of it."""
    memory = tuple(log.each(_SRAT_MEMORY, _srat_memory))
    cpus = tuple(log.each(_SRAT_CPU, lambda found: SratCpus(int(found[1]), 1)))
    try:
        return SratTable(cpus, memory) if memory else None
    except ValueError as error:
        raise log.error(str(error)) from None


def unknown_tables(log: Messages, tables: Mapping[str, bytes] | None, srat: SratTable | None) -> frozenset[str]:
    """ACPI tables that the machine has, or may have, and that are not at hand."""
    listed = set(log.each(_TABLE, lambda found: found[1]))
    have = set(tables or ()) | ({"SRAT"} if srat is not None else set())
    lacking = [name for name in _TABLES if name not in have and (name in listed or not listed)]
    if not lacking or not (listed or tables is None):
        return frozenset()
    log.gap(
        f"the ACPI tables {', '.join(lacking)} (--acpi DIR)",
        "nodes, distances, memory tiers and CXL windows are as on a machine without them",
    )
    return frozenset(lacking)


def _cpu_count(found: re.Match[str]) -> int:
    if len(found[1]) > len(str(CPUS_MAX)) or int(found[1]) > CPUS_MAX:
        raise ValueError(f"Linux has at most {CPUS_MAX} CPUs, not {shown(found[1])}")
    return int(found[1])


def _srat_memory(found: re.Match[str]) -> SratMemory:
    start, end = ends(found[2], found[3])
    words = found[4]
    return SratMemory(
        int(found[1]), Size(start), Size(end - start), hotplug="hotplug" in words, non_volatile="non-volatile" in words
    )
