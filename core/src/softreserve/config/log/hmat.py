"""HMAT of what a kernel said of it. Linux: ``drivers/acpi/numa/hmat.c``.

Values are printed in nanoseconds and MB/s; with the unit that is printed beside them they tell what the table has. From
6.18 on only memory domains are printed: the length of the table, which every release prints, tells what is absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from softreserve.config.log.messages import Messages
from softreserve.model.acpi.hmat_tables import Hmat, Locality, MemorySideCache, Proximity
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.tables import Header
from softreserve.model.log_text import LogLine
from softreserve.model.units import U32_MAX, U64_MAX

__all__ = ["ReadHmat", "read_hmat"]

#: At first one, then both words stood before a message.
_BEFORE: Final = r"(?:acpi/hmat: |HMAT: )+ *"
_PROXIMITY: Final = re.compile(
    _BEFORE + r"Memory (?:\((0x[0-9a-f]+) length (0x[0-9a-f]+)\) )?Flags:([0-9a-f]+) "
    r"Processor Domain:(-?\d+) Memory Domain:(-?\d+)$"
)
_LOCALITY: Final = re.compile(
    _BEFORE + r"Locality: Flags:([0-9a-f]+) Type:(\w+(?: \w+)?) "
    r"Initiator Domains:(\d+) Target Domains:(\d+) Base:(\d+)$"
)
_PAIR: Final = re.compile(rf"(?:{_BEFORE})?" + r"Initiator-Target\[(\d+)-(\d+)\]:(\d+)(?: (?:nsec|MB/s))?$")
_CACHE: Final = re.compile(_BEFORE + r"Cache: Domain:(\d+) Size:(\d+) Attrs:([0-9a-f]+) SMBIOS Handles:(-?\d+)$")

#: By the number that the table has. Linux: ``hmat_data_type``.
_TYPES: Final = (
    "Access Latency",
    "Read Latency",
    "Write Latency",
    "Access Bandwidth",
    "Read Bandwidth",
    "Write Bandwidth",
)
_U16_MAX: Final = 0xFFFF
_NO_ENTRY: Final = _U16_MAX
_SMBIOS_HANDLE: Final = 2  # bytes
#: Bytes before the first structure.
_FIRST: Final = Header.size() + 4


class ReadHmat(NamedTuple):
    """A table, and whether the log has all of it."""

    table: bytes
    is_whole: bool


class _Matrix(NamedTuple):
    """A latency or bandwidth structure as printed."""

    line: LogLine
    flags: int
    kind: str
    shape: tuple[int, int]
    base: int
    values: dict[tuple[int, int], int]


def read_hmat(log: Messages, length: int | None, revision: int | None) -> ReadHmat | None:
    """The table; ``None`` where the log tells nothing of it.

    :param length: its length in bytes, ``None``: not known; likewise its ``revision``.
    """
    entries: list[Struct | _Matrix] = []
    for line in log.said:
        entry = _entry(line)
        if entry is not None:
            log.used.add(line.number)
            entries.append(entry)
        elif entries and (pair := _PAIR.match(line.message)) and isinstance(entries[-1], _Matrix):
            log.used.add(line.number)
            initiator, target, value = (min(int(digits[:20]), U64_MAX) for digits in pair.groups())
            entries[-1].values[initiator, target] = value
    if not entries:
        return None
    for known in (revision,) if revision is not None else (2, 1):
        made = [_structure(entry, known) if isinstance(entry, _Matrix) else entry for entry in entries]
        structures = [entry for entry in made if entry is not None]
        if len(structures) == len(made):
            break
    is_whole = len(structures) == len(made) and length in (None, _FIRST + sum(map(_size, structures)))
    if not is_whole:
        of = f" of {length} bytes" if length is not None else ""
        log.gap(
            f"parts of the HMAT{of} (--acpi DIR)",
            "the log has only some of its structures; values, caches and memory tiers that the others give are absent",
        )
    return ReadHmat(Hmat(structures, header=Header(signature=b"HMAT", revision=known)).sealed(), is_whole)


def _size(structure: Struct) -> int:
    return structure.size() + len(structure.tail)


def _entry(line: LogLine) -> Struct | _Matrix | None:
    """The structure that begins with a line."""
    if found := _PROXIMITY.match(line.message):
        start, size = (int(digits, 16) & U64_MAX if digits else 0 for digits in (found[1], found[2]))
        return Proximity(
            flags=int(found[3], 16) & _U16_MAX,
            processor_pd=_u32(found[4]),
            memory_pd=_u32(found[5]),
            reserved3=start,
            reserved4=size,
        )
    if found := _CACHE.match(line.message):
        handles = min(_u32(found[4]), _U16_MAX)
        cache = MemorySideCache(
            length=MemorySideCache.size() + _SMBIOS_HANDLE * handles,
            memory_pd=_u32(found[1]),
            cache_size=min(int(found[2][:20]), U64_MAX),
            cache_attributes=int(found[3], 16) & U32_MAX,
            number_of_smbios_handles=handles,
        )
        cache.tail = bytes(_SMBIOS_HANDLE * handles)
        return cache
    if found := _LOCALITY.match(line.message):
        base = min(int(found[5][:20]), U64_MAX)
        return _Matrix(line, int(found[1], 16) & 0xFF, found[2], (_u32(found[3]), _u32(found[4])), base, {})
    return None


def _u32(digits: str) -> int:
    """A number of 32 bits, which old kernels print with a sign."""
    return int(digits[:20]) & U32_MAX


def _structure(matrix: _Matrix, revision: int) -> Locality | None:
    """The structure that such a kernel prints so; ``None``: there is none, or the log lacks lines of it."""
    initiators = tuple(dict.fromkeys(initiator for initiator, _ in matrix.values))
    targets = tuple(dict.fromkeys(target for _, target in matrix.values))
    if (len(initiators), len(targets)) != matrix.shape or len(matrix.values) != len(initiators) * len(targets):
        return None
    kind = _TYPES.index(matrix.kind) if matrix.kind in _TYPES else len(_TYPES)
    divisor = 10 if revision == 1 else 1000 if "Latency" in matrix.kind else 1
    rows: list[Sequence[int]] = []
    for initiator in initiators:
        row = [_raw(matrix.values[initiator, target], matrix.base, divisor) for target in targets]
        rows.append([value for value in row if value is not None])
    if any(len(row) != len(targets) for row in rows):
        return None
    return Locality.build(kind, matrix.base, initiators, targets, rows, matrix.flags)


def _raw(value: int, base: int, divisor: int) -> int | None:
    """An entry that is printed as a value: times ``base``, divided by ``divisor`` and rounded up."""
    if not value:
        return _NO_ENTRY
    entry = value * divisor // base if base else 0
    return entry if 0 < entry < _NO_ENTRY and -(-entry * base // divisor) == value else None
