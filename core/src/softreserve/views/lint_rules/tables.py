"""ACPI tables as they are built: sums, lengths, entries. The kernel trusts most of it, and reads what comes of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.model.acpi.cedt import Cedt
from softreserve.model.acpi.hmat_tables import Hmat
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import Srat
from softreserve.model.acpi.tables import RawTable, Table, TableError, UnknownEntry
from softreserve.model.findings import Finding

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.model.outcome import Outcome

__all__ = ["check", "without_unreadable"]

_WITH_ENTRIES: Final[Mapping[str, type[Table]]] = {"SRAT": Srat, "HMAT": Hmat, "CEDT": Cedt}


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at the bytes of every table."""
    for name, data in sorted(system.machine.acpi.items()):
        try:
            length = RawTable(data, name).length
        except TableError as error:
            yield Finding("warning", "acpi-malformed", f"the {name} cannot be read: {error}")
            continue
        left = sum(data[:length]) & 0xFF
        if left:
            message = (
                f"the sum of the bytes of the {name} is {left:#04x} and not 0: its checksum or other bytes of it are "
                "wrong; the kernel uses it all the same, and says so in its log; dump it anew, or mend the firmware"
            )
            yield Finding("warning", "acpi-checksum", message)
        if name in _WITH_ENTRIES:
            yield from _entries(name, _WITH_ENTRIES[name], data)


def without_unreadable(machine: Machine) -> tuple[Machine, list[Finding]]:
    """A machine without the tables of which nobody knows what a kernel reads there, and what is wrong with those."""
    try:
        if "SLIT" in machine.acpi:
            Slit.parse(machine.acpi["SLIT"])
    except TableError as error:
        message = f"{error}: the kernel reads what lies behind it; what follows is of the machine without the table"
        tables = {name: data for name, data in machine.acpi.items() if name != "SLIT"}
        return attrs.evolve(machine, acpi=tables), [Finding("error", "acpi-malformed", message)]
    return machine, []


def _entries(name: str, kind: type[Table], data: bytes) -> Iterator[Finding]:
    """Entries that do not end where they should."""
    try:
        table = kind.parse(data)
    except TableError as error:
        yield Finding("warning", "acpi-malformed", f"the {name} cannot be read: {error}")
        return
    for offset, entry in table.placed():
        number = kind.ENTRY_HEADER.read(entry.pack()).type
        if isinstance(entry, UnknownEntry) and number in kind.ENTRIES:
            wanted, size = kind.ENTRIES[number].size(), len(entry.data)
            message = (
                f"an entry of the {name} (type {number}, at {offset:#x}) says that it has {size} bytes; one of its "
                f"type has {wanted}, and the kernel refuses it or reads on into the next; correct its length"
            )
            yield Finding("warning", "acpi-malformed", message)
    if table.rest:
        at = table.header.length - len(table.rest)
        message = (
            f"the entry of the {name} at {at:#x} has no length or reaches beyond the table's end at "
            f"{table.header.length:#x}: it and what comes behind it are lost, or are read from what lies behind the "
            "table; correct the lengths"
        )
        yield Finding("warning", "acpi-malformed", message)
