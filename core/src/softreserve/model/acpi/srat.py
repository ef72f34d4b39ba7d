"""SRAT: which proximity domain memory, processors and other initiators belong to.

Layout: ACPI 6.5, 5.2.16; ``include/acpi/actbl3.h``. All addresses and sizes are bytes.
"""

# No `from __future__ import annotations`: Struct reads annotations at run time.

from typing import ClassVar

from softreserve.model.acpi.layout import U8, U16, U32, U64, Bytes3, Bytes16, Struct
from softreserve.model.acpi.tables import Table

__all__ = [
    "CPU_AFFINITY",
    "ENABLED",
    "GENERIC_AFFINITY",
    "GENERIC_PORT_AFFINITY",
    "GICC_AFFINITY",
    "HOT_PLUGGABLE",
    "MEMORY_AFFINITY",
    "NON_VOLATILE",
    "RINTC_AFFINITY",
    "X2APIC_AFFINITY",
    "CpuAffinity",
    "GenericAffinity",
    "GiccAffinity",
    "ItsAffinity",
    "MemoryAffinity",
    "RintcAffinity",
    "Srat",
    "UidAffinity",
    "X2apicAffinity",
]

CPU_AFFINITY = 0
MEMORY_AFFINITY = 1
X2APIC_AFFINITY = 2
GICC_AFFINITY = 3
GIC_ITS_AFFINITY = 4
GENERIC_AFFINITY = 5
GENERIC_PORT_AFFINITY = 6
RINTC_AFFINITY = 7

#: Bit 0 of ``flags`` of every entry that has flags.
ENABLED = 1
#: Further bits of a memory entry.
HOT_PLUGGABLE = 2
NON_VOLATILE = 4


class CpuAffinity(Struct):
    """A processor by local APIC id; the domain number is split in two fields, see :attr:`proximity_domain`."""

    type: U8 = CPU_AFFINITY
    length: U8 = 16
    proximity_domain_lo: U8
    apic_id: U8
    flags: U32 = ENABLED
    local_sapic_eid: U8 = 0
    proximity_domain_hi: Bytes3 = bytes(3)
    clock_domain: U32 = 0

    @property
    def proximity_domain(self) -> int:
        """All 32 bits, as from revision 2 of the table on."""
        return self.proximity_domain_lo | int.from_bytes(self.proximity_domain_hi, "little") << 8


class MemoryAffinity(Struct):
    """A range of memory: ``size`` bytes from ``base`` on."""

    type: U8 = MEMORY_AFFINITY
    length: U8 = 40
    proximity_domain: U32
    reserved: U16 = 0
    base: U64
    size_bytes: U64
    reserved1: U32 = 0
    flags: U32 = ENABLED
    reserved2: U64 = 0

    @property
    def end(self) -> int:
        """First byte behind the range; beyond 64 bits where the table is wrong."""
        return self.base + self.size_bytes


class X2apicAffinity(Struct):
    """A processor by x2APIC id."""

    type: U8 = X2APIC_AFFINITY
    length: U8 = 24
    reserved: U16 = 0
    proximity_domain: U32
    apic_id: U32
    flags: U32 = ENABLED
    clock_domain: U32 = 0
    reserved2: U32 = 0


class GiccAffinity(Struct):
    """An arm64 processor by its ACPI processor UID."""

    type: U8 = GICC_AFFINITY
    length: U8 = 18
    proximity_domain: U32
    acpi_processor_uid: U32
    flags: U32 = ENABLED
    clock_domain: U32 = 0


class ItsAffinity(Struct):
    """An interrupt translation service."""

    type: U8 = GIC_ITS_AFFINITY
    length: U8 = 12
    proximity_domain: U32
    reserved: U16 = 0
    its_id: U32


class GenericAffinity(Struct):
    """A generic initiator or port, by device handle (type 0: ACPI, type 1: PCI)."""

    type: U8 = GENERIC_AFFINITY
    length: U8 = 32
    reserved: U8 = 0
    device_handle_type: U8 = 0
    proximity_domain: U32
    device_handle: Bytes16 = bytes(16)
    flags: U32 = ENABLED
    reserved1: U32 = 0


class RintcAffinity(Struct):
    """A RISC-V processor by its ACPI processor UID."""

    type: U8 = RINTC_AFFINITY
    length: U8 = 20
    reserved: U16 = 0
    proximity_domain: U32
    acpi_processor_uid: U32
    flags: U32 = ENABLED
    clock_domain: U32 = 0


#: Entries that name a processor by its ACPI processor UID.
UidAffinity = GiccAffinity | RintcAffinity


class SratFixed(Struct):
    """What follows the header."""

    table_revision: U32 = 1
    reserved: U64 = 0


class Srat(Table):
    """System Resource Affinity Table."""

    SIGNATURE = "SRAT"
    FIXED = SratFixed
    ENTRIES: ClassVar[dict[int, type[Struct]]] = {
        CPU_AFFINITY: CpuAffinity,
        MEMORY_AFFINITY: MemoryAffinity,
        X2APIC_AFFINITY: X2apicAffinity,
        GICC_AFFINITY: GiccAffinity,
        GIC_ITS_AFFINITY: ItsAffinity,
        GENERIC_AFFINITY: GenericAffinity,
        GENERIC_PORT_AFFINITY: GenericAffinity,
        RINTC_AFFINITY: RintcAffinity,
    }
