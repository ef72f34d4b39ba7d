"""What a log tells of how firmware changed the e820 table of an x86 kernel, beyond the tables that it handed over.

Each change is a line of its own, but the lines are alike: whose a line is follows from where it stands. Linux:
``arch/x86/kernel/setup.c: setup_arch()``.
"""

from __future__ import annotations

import re
from typing import Final

from softreserve.config.log.messages import Messages, ends
from softreserve.model.machine import FirmwareMarks
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

__all__ = ["read_marks", "read_setup_data"]

_MMIO: Final = re.compile(r"efi: (?:Remove|Not removing) mem(\d{1,6}): MMIO range=\[(0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
_RESERVED: Final = re.compile(
    r"e820: update \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] (?:usable ==> reserved|System RAM ==> device reserved)$"
)
_SETUP_DATA: Final = re.compile(r"e820: update \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] usable ==> usable$")
#: As resources are printed, and as it was before 4.16.
_STOLEN: Final = re.compile(
    r"Reserving Intel graphics (?:stolen )?memory at (?:\[mem )?(0x[0-9a-f]+)-(0x[0-9a-f]+)\]?$"
)
#: What comes before the first search for the end of RAM, but for that of guests of KVM. Linux: ``trim_bios_range()``.
_TRIMMED: Final = re.compile(r"e820: update \[mem 0x0+-0x0*fff\] ")
#: The configuration tables that the kernel found; one that it wants no more is nowhere.
_ATTRIBUTES: Final = re.compile(r"efi: +.*\bMEMATTR=(0x[0-9a-f]{1,16})\b")
_NONE: Final = U64_MAX
#: A table of the initial RAM disk, and memory of ACPI before it and after. Linux: ``acpi_table_upgrade()``.
_UPGRADE: Final = re.compile(r"ACPI: \S{4} ACPI table found in initrd ")
_NVS: Final = re.compile(r"(?:BIOS-e820|user|reserve setup_data): \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] +ACPI NVS$")
_NVS_THEN: Final = re.compile(r"modified: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] +ACPI NVS$")
_LAST_PFN: Final = re.compile(r"(?:e820: )?last_pfn = ")
#: What is said between the search for the end of RAM, and of MTRRs, and the first use of the tables of EFI.
_MEMORY_KNOWN: Final = re.compile(
    r"esrt: |Using GB pages|init_memory_mapping: |RAMDISK: |ACPI: |found SMP MP-table|check: Scanning|"
    r"Scanning \d+ areas for low memory|Base memory trampoline|kexec: Reserving"
)
#: What is said once boot services' memory was kept.
_TABLES_READ: Final = re.compile(r"RAMDISK: |ACPI: |No NUMA configuration|Faking a node|NUMA: |SRAT: |NODE_DATA\(")


def read_setup_data(log: Messages) -> tuple[PhysRange, ...]:
    """Nodes of setup_data, in list order; kernels that keep them for kexec say each twice."""
    return tuple(dict.fromkeys(log.each(_SETUP_DATA, _range)))


def read_marks(log: Messages, *, mapped: bool) -> FirmwareMarks:
    """What firmware makes of the e820 table.

    :param mapped: whether the whole EFI map is known, which has its MMIO.
    """
    mmio = () if mapped else log.each(_MMIO, lambda found: (int(found[1]), PhysRange(*ends(found[2], found[3]))))
    stolen = log.each(_STOLEN, _range)
    uncached: list[PhysRange] = []
    kept: list[PhysRange] = []
    late: list[PhysRange] = []
    into: list[PhysRange] | None = None
    for line in log.said:
        if _TRIMMED.match(line.message):
            into = None
        elif _LAST_PFN.match(line.message):
            into = uncached if into is None else kept
        elif into is uncached and _MEMORY_KNOWN.match(line.message):
            into = kept
        elif into is kept and _TABLES_READ.match(line.message):
            into = late
        found = _RESERVED.match(line.message)
        if found is not None and into is not None:
            log.used.add(line.number)
            try:
                into.append(_range(found))
            except ValueError as error:
                raise log.error(str(error), line) from None
    attributes = next(
        (address for address in log.each(_ATTRIBUTES, lambda found: int(found[1], 16)) if address < _NONE), 0
    )
    tables = _tables(log)
    return FirmwareMarks(tuple(mmio), tuple(uncached), tuple(kept), tuple(stolen), tuple(late), attributes, tables)


def _tables(log: Messages) -> tuple[PhysRange, ...]:
    """Where ACPI tables of the initial RAM disk went: what is memory of ACPI's then, and was not before."""
    if not log.matching(_UPGRADE):
        return ()
    before = set(log.each(_NVS, _range))
    return tuple(range_ for range_ in dict.fromkeys(log.each(_NVS_THEN, _range)) if range_ not in before)


def _range(found: re.Match[str]) -> PhysRange:
    return PhysRange(*ends(found[1], found[2]))
