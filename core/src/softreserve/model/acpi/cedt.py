"""CEDT: CXL host bridges and memory windows. Layout: CXL 3.1, 9.18.1; ``include/acpi/actbl1.h``."""

# No `from __future__ import annotations`: Struct reads annotations at run time.

from typing import ClassVar

from softreserve.model.acpi.layout import U8, U16, U32, U64, Struct
from softreserve.model.acpi.tables import CedtEntryHeader, Table

__all__ = [
    "CFMWS",
    "CHBS",
    "CXIMS",
    "CXL_1_1",
    "CXL_2_0",
    "RCRB_SIZE",
    "WINDOW_ALIGN",
    "Cedt",
    "FixedMemoryWindow",
    "HostBridge",
    "XorMaps",
]

CHBS = 0
CFMWS = 1
CXIMS = 2
#: What a host bridge speaks.
CXL_1_1, CXL_2_0 = 0, 1
#: Bytes of the registers of one of CXL 1.1.
RCRB_SIZE = 8 << 10

#: What a window begins at and has a multiple of: bytes.
WINDOW_ALIGN = 256 << 20


class HostBridge(Struct):
    """A CXL host bridge and where its registers are."""

    type: U8 = CHBS
    reserved: U8 = 0
    length: U16 = 32
    uid: U32
    cxl_version: U32 = CXL_2_0
    reserved1: U32 = 0
    base: U64
    size_bytes: U64 = 0x10000


class FixedMemoryWindow(Struct):
    """A window of host physical addresses, sizes in bytes; ``tail`` holds its interleave targets, 32 bits each."""

    type: U8 = CFMWS
    reserved: U8 = 0
    length: U16 = 40
    reserved1: U32 = 0
    base_hpa: U64
    window_size: U64
    interleave_ways: U8 = 0
    interleave_arithmetic: U8 = 0
    reserved2: U16 = 0
    granularity: U32 = 0
    restrictions: U16 = 0
    qtg_id: U16 = 0

    @property
    def end(self) -> int:
        """First byte behind the window; beyond 64 bits where the table is wrong."""
        return self.base_hpa + self.window_size


class XorMaps(Struct):
    """How XOR interleaving chooses host bridges; ``tail`` holds the maps, 64 bits each."""

    type: U8 = CXIMS
    reserved: U8 = 0
    length: U16 = 8
    reserved1: U16 = 0
    hbig: U8 = 0
    nr_xormaps: U8 = 0


class CedtFixed(Struct):
    """Nothing lies between the header and the first entry."""


class Cedt(Table):
    """CXL Early Discovery Table."""

    SIGNATURE = "CEDT"
    ENTRY_HEADER = CedtEntryHeader
    FIXED = CedtFixed
    ENTRIES: ClassVar[dict[int, type[Struct]]] = {
        CHBS: HostBridge,
        CFMWS: FixedMemoryWindow,
        CXIMS: XorMaps,
    }
