"""SLIT: how far proximity domains are from each other. Layout: ACPI 6.5, 5.2.17; ``include/acpi/actbl3.h``."""

# No `from __future__ import annotations`: Struct reads annotations at run time.

from collections.abc import Sequence
from typing import Self

from softreserve.model.acpi.layout import U64, Struct
from softreserve.model.acpi.tables import Header, RawTable, TableError, seal

__all__ = ["LOCAL_DISTANCE", "REMOTE_DISTANCE", "Slit", "slit_valid"]

LOCAL_DISTANCE = 10
REMOTE_DISTANCE = 20


class SlitFixed(Struct):
    """What follows the header; the matrix follows this."""

    locality_count: U64


class Slit:
    """System Locality Information Table: ``rows[i][j]`` is the distance from domain ``i`` to domain ``j``."""

    def __init__(self, rows: Sequence[Sequence[int]], *, header: Header | None = None, rest: bytes = b"") -> None:
        self.rows = tuple(bytes(row) for row in rows)
        self.header = header if header is not None else Header(signature=b"SLIT")
        self.rest = rest

    @classmethod
    def parse(cls, data: bytes, path: object = None) -> Self:
        """Read a table.

        :raises TableError: not a SLIT, or shorter than its number of localities asks for; ``path`` is named.
        """
        return cls.from_raw(RawTable(data, "SLIT", path), path)

    @classmethod
    def from_raw(cls, raw: RawTable, path: object = None) -> Self:
        """The matrix of a table that the kernel sees.

        :raises TableError: the matrix does not end inside the table: the kernel would read what lies behind it.
        """
        first = Header.size() + SlitFixed.size()
        count = SlitFixed.read(raw.data, Header.size()).locality_count if raw.length >= first else 0
        end = first + count * count
        if raw.length < end or raw.length < first:
            raise TableError(
                f"SLIT cut off: {count} localities need {end} bytes, the table has {raw.length}",
                path=path,
                place=f"offset {raw.length:#x}",
            )
        rows = [raw.data[first + i * count : first + (i + 1) * count] for i in range(count)]
        return cls(rows, header=Header.read(raw.data), rest=raw.data[end : raw.length])

    def _body(self) -> bytes:
        return SlitFixed(locality_count=len(self.rows)).pack() + b"".join(self.rows) + self.rest

    def pack(self) -> bytes:
        """The table as bytes, with the length and checksum that the header holds."""
        return self.header.pack() + self._body()

    def sealed(self) -> bytes:
        """The table as bytes, with the length and the checksum made right."""
        return seal(self.header, self._body())


def slit_valid(slit: Slit) -> bool:
    """Whether the kernel uses the table: 10 on the diagonal, more than 10 elsewhere.

    Linux: ``drivers/acpi/numa/srat.c: slit_valid``.
    """
    for i, row in enumerate(slit.rows):
        for j, value in enumerate(row):
            if (value != LOCAL_DISTANCE) if i == j else (value <= LOCAL_DISTANCE):
                return False
    return True
