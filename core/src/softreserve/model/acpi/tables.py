"""ACPI tables: the common header, the checksum, and the walk over subtables as the kernel does it.

Two views of a table: :class:`RawTable` is what a kernel sees, bytes that it trusts; :class:`Table` is what a person
edits, a header and typed entries, which is written back byte for byte. Linux: ``drivers/acpi/tables.c``,
``lib/fw_table.c``; layouts: ``include/acpi/actbl*.h`` and the ACPI specification.
"""

# No `from __future__ import annotations`: Struct reads annotations at run time.

import errno
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from softreserve.model import behaviours
from softreserve.model.acpi.layout import U8, U16, U32, Bytes4, Bytes6, Bytes8, Struct
from softreserve.model.errors import InputError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel

__all__ = [
    "CedtEntryHeader",
    "CommonEntryHeader",
    "EntryHeader",
    "Handler",
    "Header",
    "HmatEntryHeader",
    "RawTable",
    "Table",
    "TableError",
    "UnknownEntry",
    "acpi_get_table",
    "acpi_parse_entries_array",
    "checksum",
]

#: Entries of one table; kernels have 8192 processors at most, and a table some entries for each.
_ENTRIES_MAX = 1 << 16
#: Zero bytes behind a table, so that a structure that begins inside it can always be read.
_SLACK = 256


class TableError(InputError):
    """A file that cannot be read as the table that it should be: too short, another signature, cut off."""


class Header(Struct):
    """The header of every table. ``length`` counts the whole table, ``checksum`` makes the sum of its bytes 0."""

    signature: Bytes4
    length: U32 = 0
    revision: U8 = 1
    checksum: U8 = 0
    oem_id: Bytes6 = b"SOFTRS"
    oem_table_id: Bytes8 = b"SOFTRSRV"
    oem_revision: U32 = 1
    creator_id: Bytes4 = b"SRSV"
    creator_revision: U32 = 1


class CommonEntryHeader(Struct):
    """Header of a subtable in most tables."""

    type: U8
    length: U8


class HmatEntryHeader(Struct):
    """Header of a subtable in the HMAT."""

    type: U16
    reserved: U16 = 0
    length: U32


class CedtEntryHeader(Struct):
    """Header of a subtable in the CEDT."""

    type: U8
    reserved: U8 = 0
    length: U16


EntryHeader = CommonEntryHeader | HmatEntryHeader | CedtEntryHeader


def checksum(data: bytes) -> int:
    """What the checksum byte must be if it is 0 in ``data``."""
    return -sum(data) & 0xFF


class RawTable:
    """A table as the kernel has it: ``data`` is the table, then zero bytes; ``length`` is what its header says.

    The kernel does not check that an entry ends inside the table. Reading beyond gives zeros here.
    """

    __slots__ = ("data", "length", "revision", "signature")

    def __init__(self, data: bytes, signature: str, path: object = None) -> None:
        """Check what must hold for ``data`` to be a table at all.

        :raises TableError: it is shorter than a header, shorter than its header says, or another table.
        """
        if len(data) < Header.size():
            raise TableError(
                f"{signature} cut off: {len(data)} bytes, a header has {Header.size()}",
                path=path,
                place=f"offset {len(data):#x}",
            )
        header = Header.read(data)
        if header.signature != signature.encode():
            found = header.signature.decode("ascii", "backslashreplace")
            raise TableError(f"signature is {found!r}, wanted {signature!r}", path=path, place="offset 0x0")
        if header.length < Header.size():
            raise TableError(f"{signature} says that it is {header.length} bytes long", path=path, place="offset 0x4")
        if header.length > len(data):
            raise TableError(
                f"{signature} cut off: its header says {header.length} bytes, there are {len(data)}",
                path=path,
                place=f"offset {len(data):#x}",
            )
        self.signature = signature
        self.length = header.length
        self.revision = header.revision
        self.data = data[: header.length] + bytes(_SLACK)


def acpi_get_table(tables: Mapping[str, bytes], signature: str) -> RawTable | None:
    """The table of that signature, or ``None``. Linux: ``drivers/acpi/acpica/tbxface.c: acpi_get_table``.

    :raises TableError: see :class:`RawTable`.
    """
    data = tables.get(signature)
    return None if data is None else RawTable(data, signature, f"ACPI table {signature}")


#: Takes the table and the offset of an entry, in bytes; 0, or -errno to end the walk.
Handler = Callable[[RawTable, int], int]

_ENTRY_HEADERS: dict[str, type[EntryHeader]] = {"HMAT": HmatEntryHeader, "CEDT": CedtEntryHeader}


def acpi_parse_entries_array(
    log: EventLog,
    kernel: Kernel,
    table: RawTable,
    table_size: int,
    procs: Sequence[tuple[int, Handler]],
) -> int:
    """Call the handler of each entry's type: the number of entries handled, or -EINVAL.

    ``table_size`` is the offset of the first entry, in bytes. An entry that is nothing but a header at the very end of
    the table is not seen. After a handler failed none is called any more; older kernels still walk on, and may so
    find an entry of length 0.

    :raises TableError: it has more entries than are read here, which no kernel minds.
    """
    header = _ENTRY_HEADERS.get(table.signature, CommonEntryHeader).FORMAT
    handlers = dict(reversed(procs))
    stops = kernel.has(behaviours.ACPI_WALK_IN_FW_TABLE)
    prefix = "" if stops else "ACPI: "
    placed: list[tuple[int, int]] = []
    offset, length = table_size, 1
    while offset + header.size < table.length and length:
        if len(placed) == _ENTRIES_MAX:
            raise _too_many(table.signature, offset, f"ACPI table {table.signature}")
        kind, *_, length = header.unpack_from(table.data, offset)  # the first and the last field of each header
        placed.append((kind, offset))
        offset += length
    count = errors = 0
    for kind, offset in placed:
        handler = handlers.get(kind)
        if handler is None:
            continue
        if not errors and handler(table, offset) == 0:
            count += 1
        elif stops:
            return -errno.EINVAL
        else:
            errors += 1
    if not length:
        log.printk(
            f"{prefix}[{table.signature}:0x{procs[0][0]:02x}] Invalid zero length",
            "drivers/acpi/tables.c: acpi_parse_entries_array",
        )
        return -errno.EINVAL
    return -errno.EINVAL if errors else count


def _too_many(signature: str, offset: int, path: object) -> TableError:
    message = f"{signature} has more than {_ENTRIES_MAX} entries, and no machine that many"
    return TableError(message, path=path, place=f"offset {offset:#x}")


class UnknownEntry:
    """An entry that we have no fields for, or that is too short for its fields: kept as bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def pack(self) -> bytes:
        """The entry as bytes."""
        return self.data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownEntry) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"UnknownEntry({self.data!r})"


class Table:
    """A table with entries, for people and generators. Subclasses name their signature, fixed part and entries.

    ``rest`` is what could not be split into entries; :meth:`pack` gives back exactly the bytes that were read.
    """

    SIGNATURE: ClassVar[str]
    ENTRY_HEADER: ClassVar[type[EntryHeader]] = CommonEntryHeader
    #: What lies between the header and the first entry.
    FIXED: ClassVar[type[Struct]]
    ENTRIES: ClassVar[Mapping[int, type[Struct]]]

    def __init__(
        self,
        entries: Sequence[Struct | UnknownEntry] = (),
        *,
        header: Header | None = None,
        fixed: Struct | None = None,
        rest: bytes = b"",
    ) -> None:
        self.header = header if header is not None else Header(signature=self.SIGNATURE.encode())
        self.fixed = fixed if fixed is not None else self.FIXED()
        self.entries = tuple(entries)
        self.rest = rest

    @classmethod
    def entries_offset(cls) -> int:
        """Offset of the first entry, in bytes: the kernel's ``table_size``."""
        return Header.size() + cls.FIXED.size()

    @classmethod
    def parse(cls, data: bytes, path: object = None) -> Self:
        """Read a table; bytes behind its length are not part of it.

        :raises TableError: not such a table, shorter than its fixed part, or with more entries than are read here;
            ``path`` is named in the message.
        """
        raw = RawTable(data, cls.SIGNATURE, path)
        first = cls.entries_offset()
        if raw.length < first:
            raise TableError(
                f"{cls.SIGNATURE} cut off: {raw.length} bytes, its fixed part ends at {first}",
                path=path,
                place=f"offset {raw.length:#x}",
            )
        entries, offset = cls._entries(data[: raw.length], first, path)
        return cls(
            entries,
            header=Header.read(data),
            fixed=cls.FIXED.read(data, Header.size()),
            rest=data[offset : raw.length],
        )

    @classmethod
    def found_in(cls, tables: Mapping[str, bytes]) -> Self | None:
        """The one of some tables, by signature; ``None``: it is not there, or cannot be read, which lint tells."""
        try:
            return cls.parse(tables[cls.SIGNATURE]) if cls.SIGNATURE in tables else None
        except TableError:
            return None

    @classmethod
    def _entries(cls, data: bytes, offset: int, path: object) -> tuple[list[Struct | UnknownEntry], int]:
        found: list[Struct | UnknownEntry] = []
        header_size = cls.ENTRY_HEADER.size()
        while offset + header_size <= len(data):
            header = cls.ENTRY_HEADER.read(data, offset)
            end = offset + header.length
            if header.length < header_size or end > len(data):
                break
            if len(found) == _ENTRIES_MAX:
                raise _too_many(cls.SIGNATURE, offset, path)
            kind = cls.ENTRIES.get(header.type)
            if kind is None or header.length < kind.size():
                found.append(UnknownEntry(data[offset:end]))
            else:
                found.append(kind.read(data, offset, data[offset + kind.size() : end]))
            offset = end
        return found, offset

    def placed(self) -> Iterator[tuple[int, Struct | UnknownEntry]]:
        """Every entry with its offset in the table, in bytes."""
        offset = self.entries_offset()
        for entry in self.entries:
            yield offset, entry
            offset += len(entry.pack())

    def pack(self) -> bytes:
        """The table as bytes, with the length and checksum that the header holds."""
        parts = [self.header, self.fixed, *self.entries]
        return b"".join(part.pack() for part in parts) + self.rest

    def sealed(self) -> bytes:
        """The table as bytes, with every length and the checksum made right."""
        body = b"".join([self.fixed.pack(), *(self._sealed_entry(entry) for entry in self.entries), self.rest])
        return seal(self.header, body)

    def _sealed_entry(self, entry: Struct | UnknownEntry) -> bytes:
        data = entry.pack()
        if isinstance(entry, UnknownEntry):
            return data
        at = self.ENTRY_HEADER.offset_of("length")
        code = self.ENTRY_HEADER.FORMAT.format[-1:]
        length = struct.pack(f"<{code}", len(data))
        return data[:at] + length + data[at + len(length) :]


def seal(header: Header, body: bytes) -> bytes:
    """Header and body as a table of right length and checksum."""
    values = {name: getattr(header, name) for name in Header.FIELDS}
    values |= {"length": Header.size() + len(body), "checksum": 0}
    values["checksum"] = checksum(Header(**values).pack() + body)
    return Header(**values).pack() + body
