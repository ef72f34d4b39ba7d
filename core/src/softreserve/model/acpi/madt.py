"""MADT: which processors there are. Layout: ACPI 6.5, 5.2.12; ``include/acpi/actbl2.h``.

Only entries that say which processors exist have fields; all others are kept as bytes.
"""

# No `from __future__ import annotations`: Struct reads annotations at run time.

from typing import ClassVar

from softreserve.model.acpi.layout import U8, U16, U32, U64, Struct
from softreserve.model.acpi.tables import Table

__all__ = [
    "ENABLED",
    "GENERIC_INTERRUPT",
    "LOCAL_APIC",
    "LOCAL_X2APIC",
    "ONLINE_CAPABLE",
    "GenericInterrupt",
    "LocalApic",
    "LocalX2apic",
    "Madt",
]

LOCAL_APIC = 0
LOCAL_X2APIC = 9
GENERIC_INTERRUPT = 11

#: Bits of ``flags`` of a processor entry.
ENABLED = 1
ONLINE_CAPABLE = 2


class LocalApic(Struct):
    """A processor by local APIC id."""

    type: U8 = LOCAL_APIC
    length: U8 = 8
    processor_id: U8
    apic_id: U8
    flags: U32 = ENABLED


class LocalX2apic(Struct):
    """A processor by x2APIC id."""

    type: U8 = LOCAL_X2APIC
    length: U8 = 16
    reserved: U16 = 0
    apic_id: U32
    flags: U32 = ENABLED
    uid: U32


class GenericInterrupt(Struct):
    """An arm64 processor: its ACPI UID and its MPIDR. What newer revisions add behind is in ``tail``."""

    type: U8 = GENERIC_INTERRUPT
    length: U8 = 76
    reserved: U16 = 0
    cpu_interface_number: U32
    uid: U32
    flags: U32 = ENABLED
    parking_version: U32 = 0
    performance_interrupt: U32 = 0
    parked_address: U64 = 0
    base_address: U64 = 0
    gicv_base_address: U64 = 0
    gich_base_address: U64 = 0
    vgic_interrupt: U32 = 0
    gicr_base_address: U64 = 0
    arm_mpidr: U64


class MadtFixed(Struct):
    """What follows the header."""

    address: U32 = 0
    flags: U32 = 0


class Madt(Table):
    """Multiple APIC Description Table."""

    SIGNATURE = "APIC"
    FIXED = MadtFixed
    ENTRIES: ClassVar[dict[int, type[Struct]]] = {
        LOCAL_APIC: LocalApic,
        LOCAL_X2APIC: LocalX2apic,
        GENERIC_INTERRUPT: GenericInterrupt,
    }
