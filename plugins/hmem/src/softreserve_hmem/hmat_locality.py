"""Latency and bandwidth structures of the HMAT: units, lookups, names. Linux: ``drivers/acpi/numa/hmat.c``."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.model.acpi.hmat_tables import Locality
from softreserve.model.acpi.tables import RawTable
from softreserve.model.errors import MachineError
from softreserve.model.units import U32_MAX

__all__ = ["MemoryLocality", "best_value", "hmat_normalize", "updated_coordinate"]

_NO_ENTRY: Final = 0xFFFF
#: How far behind the end of its table a structure may reach before we refuse to guess what a kernel reads there.
_MAX_OVERHANG: Final = 1 << 20


_WRITE_LATENCY: Final = 2
#: What the matrix of a structure holds, by its data type: the name in the log, and the fields of a coordinate that it
#: gives. Linux: ``include/acpi/actbl1.h``.
_DATA_TYPES: Final[dict[int, tuple[str, tuple[str, ...]]]] = {
    0: ("Access Latency", ("read_latency", "write_latency")),
    1: ("Read Latency", ("read_latency",)),
    _WRITE_LATENCY: ("Write Latency", ("write_latency",)),
    3: ("Access Bandwidth", ("read_bandwidth", "write_bandwidth")),
    4: ("Read Bandwidth", ("read_bandwidth",)),
    5: ("Write Bandwidth", ("write_bandwidth",)),
}
_UNKNOWN: Final[tuple[str, tuple[str, ...]]] = ("Reserved", ())


def _is_latency(data_type: int) -> bool:
    return data_type <= _WRITE_LATENCY


def hmat_normalize(entry: int, base: int, data_type: int, revision: int) -> int:
    """A matrix entry in nanoseconds or MB/s; 0 where it says nothing or does not fit into 32 bits.

    Revision 1 counts in tenths of the unit; revision 2 has picoseconds and MB/s.
    """
    if entry in (0, _NO_ENTRY) or base > U32_MAX // entry:
        return 0
    value = entry * base
    if revision == 1:
        return 0 if value < 10 else _div_round_up(value, 10)
    return _div_round_up(value, 1000) if _is_latency(data_type) else value


def _div_round_up(value: int, divisor: int) -> int:
    """The kernel's rounding up, whose sum has 32 bits: close below 2**32 it comes out as 0."""
    return (value + divisor - 1 & U32_MAX) // divisor


def best_value(data_type: int, value: int, best: int) -> bool:
    """Whether ``value`` is better than ``best``; 0 is no value. Linux: ``hmat_update_best``."""
    if not value:
        return False
    return not best or (value < best if _is_latency(data_type) else value > best)


def updated_coordinate(coordinate: AccessCoordinate, data_type: int, value: int) -> AccessCoordinate:
    """The coordinate with one kind of value replaced. Linux: ``hmat_update_target_access``."""
    return coordinate._replace(**dict.fromkeys(_DATA_TYPES.get(data_type, _UNKNOWN)[1], value))


class MemoryLocality:
    """A latency or bandwidth structure in memory: initiators by row, targets by column. Both are domains."""

    __slots__ = ("_columns", "_entries", "_revision", "_rows", "base", "data_type", "initiators", "targets")

    def __init__(self, table: RawTable, offset: int) -> None:
        """Read the structure at ``offset``; what lies behind the table reads as zeros.

        :raises MachineError: it reaches so far behind the table that a kernel would read foreign memory.
        """
        header = Locality.read(table.data, offset)
        begin = offset + Locality.size()
        end = begin + header.needed_tail
        if end > table.length + _MAX_OVERHANG:
            raise MachineError(
                f"HMAT: the structure at offset {offset:#x} ends {end - table.length} bytes behind the table; "
                "what a kernel reads there cannot be predicted"
            )
        tail = table.data[begin:end].ljust(header.needed_tail, b"\0")
        rows, columns = header.number_of_initiators, header.number_of_targets
        self.data_type = header.data_type
        self.base = header.entry_base_unit
        self.initiators: Sequence[int] = struct.unpack_from(f"<{rows}I", tail)
        self.targets: Sequence[int] = struct.unpack_from(f"<{columns}I", tail, 4 * rows)
        self._entries = struct.unpack_from(f"<{rows * columns}H", tail, 4 * (rows + columns))
        self._revision = table.revision
        # The first of several equal domains counts.
        self._rows = {pxm: row for row, pxm in reversed(list(enumerate(self.initiators)))}
        self._columns = {pxm: column for column, pxm in reversed(list(enumerate(self.targets)))}

    def value(self, row: int, column: int) -> int:
        """The entry of a pair, by position, in nanoseconds or MB/s."""
        entry = self._entries[row * len(self.targets) + column]
        return hmat_normalize(entry, self.base, self.data_type, self._revision)

    def is_lost(self, row: int, column: int) -> bool:
        """Whether the table has a value for a pair, by position, that the kernel cannot hold and takes for none."""
        entry = self._entries[row * len(self.targets) + column]
        return entry not in (0, _NO_ENTRY) and not self.value(row, column)

    def between(self, initiator: int, target: int) -> int:
        """The value for two domains; 0 where the structure lacks one of them. Linux: ``hmat_initiator_perf``."""
        row, column = self._rows.get(initiator), self._columns.get(target)
        return 0 if row is None or column is None else self.value(row, column)

    @property
    def type_name(self) -> str:
        """As the log says it. Linux: ``hmat_data_type``."""
        return _DATA_TYPES.get(self.data_type, _UNKNOWN)[0]

    @property
    def suffix(self) -> str:
        """The unit as the log says it, with its blank. Linux: ``hmat_data_type_suffix``."""
        if self.data_type not in _DATA_TYPES:
            return ""
        return " nsec" if _is_latency(self.data_type) else " MB/s"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the coordinate's fields that it gives."""
        return _DATA_TYPES.get(self.data_type, _UNKNOWN)[1]
