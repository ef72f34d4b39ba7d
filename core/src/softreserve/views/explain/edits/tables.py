"""ACPI tables: an entry of SRAT more, less or otherwise, structures of HMAT, a whole table less.

Bytes are changed in place, and the checksum with them: nothing else of a table that may be malformed gets mended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import attrs

from softreserve.model.acpi.hmat_tables import Hmat, Locality, Proximity
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.srat import ENABLED, HOT_PLUGGABLE, MemoryAffinity, Srat
from softreserve.model.acpi.tables import Header, Table, checksum
from softreserve.views.explain.edits.change import Change, Edit, Place

__all__ = ["hmat_changes", "srat_changes", "table_with", "whole_tables"]

#: Entries that are changed, and domains that are tried for one.
_MANY: Final = 4
_LENGTH, _CHECKSUM = Header.offset_of("length"), Header.offset_of("checksum")


class _Entry(NamedTuple):
    """An entry of a table: its number, and where it begins (bytes)."""

    number: int
    offset: int
    entry: Any


def _entries(place: Place, table: type[Table], kind: type[Struct]) -> list[_Entry]:
    """All entries of a kind; none where it is no such table."""
    parsed = table.found_in(place.machine.acpi)
    placed = enumerate(parsed.placed() if parsed is not None else ())
    return [_Entry(number, offset, entry) for number, (offset, entry) in placed if isinstance(entry, kind)]


# --- SRAT


def srat_changes(place: Place) -> Iterator[Change]:
    """Flags, domain, presence and borders of the entries that name the subject's memory; or an entry for it."""
    data = place.machine.acpi.get("SRAT")
    if data is None:
        return
    entries = _entries(place, Srat, MemoryAffinity)
    near = [one for one in entries if any(_meets(one.entry, piece.start, piece.end) for piece in place.pieces)][:_MANY]
    domains = sorted({one.entry.proximity_domain for one in entries})
    others = [*domains[:_MANY], max(domains, default=-1) + 1]
    flags = MemoryAffinity.offset_of("flags")
    for one in near:
        on, hot = one.entry.flags & ENABLED, one.entry.flags & HOT_PLUGGABLE
        yield _field(place, "SRAT", data, one, flags, one.entry.flags ^ ENABLED, "not enabled" if on else "enabled")
        if on:
            words = "not hot-pluggable" if hot else "hot-pluggable"
            yield _field(place, "SRAT", data, one, flags, one.entry.flags ^ HOT_PLUGGABLE, words)
    for one in near:
        for domain in others:
            if domain != one.entry.proximity_domain:
                at = MemoryAffinity.offset_of("proximity_domain")
                yield _field(place, "SRAT", data, one, at, domain, f"domain {domain}")
    for piece in place.pieces:
        named = [one for one in near if one.entry.flags & ENABLED and _meets(one.entry, piece.start, piece.end)]
        if not named:
            for domain in others:
                added = MemoryAffinity(proximity_domain=domain, base=piece.start, size_bytes=piece.end - piece.start)
                yield _added(place, "SRAT", data, added, f"domain {domain}, {piece.start:#x}-{piece.end - 1:#x}")
        for one in named:
            yield from _stretched(place, data, one, piece.start, piece.end)


def _meets(entry: MemoryAffinity, start: int, end: int) -> bool:
    return entry.base < end and start < entry.end


def _stretched(place: Place, data: bytes, one: _Entry, start: int, end: int) -> Iterator[Change]:
    """An entry that names part of a piece, as one that names all of it."""
    entry = one.entry
    low, high = min(entry.base, start), max(entry.end, end)
    if (low, high) == (entry.base, entry.end):
        return
    at = one.offset + MemoryAffinity.offset_of("base")
    patched = table_with(data, {at: low.to_bytes(8, "little") + (high - low).to_bytes(8, "little")})
    yield _table(place, "SRAT", data, patched, f"{_called('SRAT', one)}: {low:#x}-{high - 1:#x}", (at, 16))


# --- HMAT


def hmat_changes(place: Place) -> Iterator[Change]:
    """The subject's domains without their structures, or as fast as the fastest memory in the table."""
    data = place.machine.acpi.get("HMAT")
    if data is None:
        return
    domains = _domains(place)
    proximities = _entries(place, Hmat, Proximity)
    for one in proximities:
        if one.entry.memory_pd in domains:
            yield _removed(place, "HMAT", data, one)
    described = {one.entry.memory_pd for one in proximities}
    first = next((one.entry.processor_pd for one in proximities if one.entry.flags & 1), 0)
    for domain in sorted(domains - described):
        added = Proximity(flags=3, processor_pd=first, memory_pd=domain)
        yield _added(place, "HMAT", data, added, f"proximity of memory domain {domain} to domain {first}")
    localities = _entries(place, Hmat, Locality)
    for one in localities:
        yield _removed(place, "HMAT", data, one)
    for domain in sorted(domains):
        yield from _as_fast(place, data, localities, domain)


def _domains(place: Place) -> set[int]:
    """The domains that the SRAT gives the subject's memory."""
    found = {
        one.entry.proximity_domain
        for one in _entries(place, Srat, MemoryAffinity)
        if any(_meets(one.entry, piece.start, piece.end) for piece in place.pieces)
    }
    return set(sorted(found)[:_MANY])


def _as_fast(place: Place, data: bytes, localities: list[_Entry], domain: int) -> Iterator[Change]:
    """All numbers of a target as those of another one."""
    whole = [one for one in localities if len(one.entry.tail) >= one.entry.needed_tail]
    others = {target for one in whole for target in one.entry.targets} - {domain}
    for other in sorted(others)[:_MANY]:
        patches: dict[int, bytes] = {}
        for one in whole:
            entry, count = one.entry, one.entry.number_of_targets
            if domain not in entry.targets or other not in entry.targets:
                continue
            matrix = one.offset + Locality.size() + 4 * (entry.number_of_initiators + count)
            for row in range(entry.number_of_initiators):
                value = entry.entries[row * count + entry.targets.index(other)]
                patches[matrix + 2 * (row * count + entry.targets.index(domain))] = value.to_bytes(2, "little")
        if patches and (patched := table_with(data, patches)) != data:
            words = f"HMAT: latency and bandwidth of memory domain {domain} as those of domain {other}"
            yield _table(place, "HMAT", data, patched, words)


# --- whole tables


def whole_tables(place: Place) -> Iterator[Change]:
    """Without one of the tables."""
    for name in ("HMAT", "SLIT", "CEDT", "SRAT"):
        if name in place.machine.acpi:
            tables = {other: table for other, table in place.machine.acpi.items() if other != name}
            machine = attrs.evolve(place.machine, acpi=tables)
            edit = Edit(f"acpi/{name}.bin", "all of it", "", "")
            yield Change(f"{name} table", f"without {name}", machine, edits=(edit,))


# --- as changes


def _called(name: str, one: _Entry) -> str:
    entry = one.entry
    if isinstance(entry, MemoryAffinity):
        where = f"{entry.base:#x}-{entry.end - 1:#x}"
        return f"{name} entry {one.number} (memory of domain {entry.proximity_domain}, {where})"
    if isinstance(entry, Proximity):
        return f"{name} structure {one.number} (proximity of memory domain {entry.memory_pd})"
    return f"{name} structure {one.number} (latency or bandwidth, type {entry.data_type})"


def _field(place: Place, name: str, data: bytes, one: _Entry, at: int, value: int, words: str) -> Change:
    """A field of 32 bits of an entry with another value."""
    where = one.offset + at
    patched = table_with(data, {where: value.to_bytes(4, "little")})
    return _table(place, name, data, patched, f"{_called(name, one)}: {words}", (where, 4))


def _removed(place: Place, name: str, data: bytes, one: _Entry) -> Change:
    size = len(one.entry.pack())
    patched = _resized(data, data[: one.offset] + data[one.offset + size :])
    edit = Edit(f"acpi/{name}.bin", f"offset {one.offset:#x}", data[one.offset : one.offset + size].hex(), "")
    return _of_table(place, name, patched, f"without {_called(name, one)}", edit)


def _added(place: Place, name: str, data: bytes, entry: Struct, words: str) -> Change:
    packed = entry.pack()
    end = Header.read(data).length
    patched = _resized(data, data[:end] + packed)
    edit = Edit(f"acpi/{name}.bin", f"offset {end:#x}", "", packed.hex())
    kind = "memory entry" if isinstance(entry, MemoryAffinity) else "structure"
    return _of_table(place, name, patched, f"one more {name} {kind}: {words}", edit)


def _table(
    place: Place, name: str, data: bytes, patched: bytes, words: str, where: tuple[int, int] | None = None
) -> Change:
    at, size = where or _differing(data, patched)
    edit = Edit(f"acpi/{name}.bin", f"offset {at:#x}", data[at : at + size].hex(), patched[at : at + size].hex())
    return _of_table(place, name, patched, words, edit)


def _of_table(place: Place, name: str, patched: bytes, words: str, edit: Edit) -> Change:
    machine = attrs.evolve(place.machine, acpi={**place.machine.acpi, name: patched})
    return Change(f"{name} entry", words, machine, edits=(edit,))


def _differing(old: bytes, new: bytes) -> tuple[int, int]:
    """Offset and size of all that differs behind the header."""
    unlike = [at for at in range(Header.size(), len(old)) if old[at] != new[at]]
    return unlike[0], unlike[-1] - unlike[0] + 1


def table_with(data: bytes, patches: Mapping[int, bytes]) -> bytes:
    """The same table with other bytes in places, and a checksum that is as right or wrong as before."""
    changed = bytearray(data)
    for at, new in patches.items():
        changed[at : at + len(new)] = new
    changed[_CHECKSUM] = (changed[_CHECKSUM] + sum(data) - sum(changed)) & 0xFF
    return bytes(changed)


def _resized(data: bytes, changed: bytes) -> bytes:
    """A table of another length: header and checksum say so."""
    length = Header.read(data).length + len(changed) - len(data)
    found = bytearray(changed)
    found[_LENGTH : _LENGTH + 4] = length.to_bytes(4, "little")
    found[_CHECKSUM] = 0
    found[_CHECKSUM] = checksum(bytes(found[:length]))
    return bytes(found)
