"""HMAT: how fast initiators reach memory, and the caches in between.

Layout: ACPI 6.5, 5.2.27; ``include/acpi/actbl1.h``. What the kernel makes of it is the business of a plugin.
"""

# No `from __future__ import annotations`: Struct reads annotations at run time.

import struct
from collections.abc import Sequence
from typing import ClassVar, Self

from softreserve.model.acpi.layout import U8, U16, U32, U64, Struct
from softreserve.model.acpi.tables import HmatEntryHeader, Table, TableError

__all__ = [
    "CACHE",
    "LOCALITY",
    "MEMORY_PD_VALID",
    "PROCESSOR_PD_VALID",
    "PROXIMITY",
    "Hmat",
    "Locality",
    "MemorySideCache",
    "Proximity",
    "check_values",
]

#: Latencies and bandwidths of one table: those of as many domains as kernels have nodes, from each to each.
_VALUES_MAX = 1 << 20

PROXIMITY = 0
LOCALITY = 1
CACHE = 2

#: Bits of :attr:`Proximity.flags`.
PROCESSOR_PD_VALID = 1
MEMORY_PD_VALID = 2


class Proximity(Struct):
    """Attributes of a memory domain. In revision 1, ``reserved3`` and ``reserved4`` are base and size in bytes."""

    type: U16 = PROXIMITY
    reserved: U16 = 0
    length: U32 = 40
    flags: U16 = PROCESSOR_PD_VALID
    reserved1: U16 = 0
    processor_pd: U32
    memory_pd: U32
    reserved2: U32 = 0
    reserved3: U64 = 0
    reserved4: U64 = 0


class Locality(Struct):
    """Latency or bandwidth between initiators and targets; ``tail`` holds both lists and the matrix."""

    type: U16 = LOCALITY
    reserved: U16 = 0
    length: U32 = 32
    flags: U8 = 0
    data_type: U8
    min_transfer_size: U8 = 0
    reserved1: U8 = 0
    number_of_initiators: U32
    number_of_targets: U32
    reserved2: U32 = 0
    entry_base_unit: U64

    @classmethod
    def build(
        cls,
        data_type: int,
        base: int,
        initiators: Sequence[int],
        targets: Sequence[int],
        rows: Sequence[Sequence[int]],
        flags: int = 0,
    ) -> Self:
        """Make one from domain lists and a matrix (row: initiator) of 16-bit values in units of ``base``."""
        tail = struct.pack(f"<{len(initiators)}I", *initiators) + struct.pack(f"<{len(targets)}I", *targets)
        tail += b"".join(struct.pack(f"<{len(targets)}H", *row) for row in rows)
        found = cls(
            length=cls.size() + len(tail),
            flags=flags,
            data_type=data_type,
            number_of_initiators=len(initiators),
            number_of_targets=len(targets),
            entry_base_unit=base,
        )
        found.tail = tail
        return found

    @property
    def needed_tail(self) -> int:
        """Bytes that the counts ask for behind the fields."""
        i, t = self.number_of_initiators, self.number_of_targets
        return 4 * i + 4 * t + 2 * i * t

    @property
    def initiators(self) -> tuple[int, ...]:
        """Proximity domains of the initiators; ``tail`` must hold :attr:`needed_tail` bytes."""
        return struct.unpack_from(f"<{self.number_of_initiators}I", self.tail)

    @property
    def targets(self) -> tuple[int, ...]:
        """Proximity domains of the targets; ``tail`` must hold :attr:`needed_tail` bytes."""
        return struct.unpack_from(f"<{self.number_of_targets}I", self.tail, 4 * self.number_of_initiators)

    @property
    def entries(self) -> tuple[int, ...]:
        """The matrix, row after row (row: initiator); ``tail`` must hold :attr:`needed_tail` bytes."""
        i, t = self.number_of_initiators, self.number_of_targets
        return struct.unpack_from(f"<{i * t}H", self.tail, 4 * (i + t))


class MemorySideCache(Struct):
    """A cache in front of a memory domain; ``tail`` holds SMBIOS handles, 16 bits each."""

    type: U16 = CACHE
    reserved: U16 = 0
    length: U32 = 32
    memory_pd: U32
    reserved1: U32 = 0
    cache_size: U64
    cache_attributes: U32
    address_mode: U16 = 0
    number_of_smbios_handles: U16 = 0


class HmatFixed(Struct):
    """What follows the header."""

    reserved: U32 = 0


class Hmat(Table):
    """Heterogeneous Memory Attribute Table."""

    SIGNATURE = "HMAT"
    ENTRY_HEADER = HmatEntryHeader
    FIXED = HmatFixed
    ENTRIES: ClassVar[dict[int, type[Struct]]] = {PROXIMITY: Proximity, LOCALITY: Locality, CACHE: MemorySideCache}


def check_values(count: int, offset: int) -> None:
    """See that a table has no more values of latency and bandwidth than are read, ``offset`` bytes into it.

    :raises TableError: it has more; no kernel minds.
    """
    if count > _VALUES_MAX:
        message = f"HMAT has more than {_VALUES_MAX} values, and no machine that many"
        raise TableError(message, path="ACPI table HMAT", place=f"offset {offset:#x}")
