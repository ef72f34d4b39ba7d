"""What ``acpidump`` of acpica-tools prints: all ACPI tables of a machine as hexadecimal text (``acpidump.out``)."""

from __future__ import annotations

import os
import re
from typing import Final

from softreserve.config.acpi_files import read_acpi, table_of
from softreserve.config.reader import StrPath, read_bytes
from softreserve.model.errors import InputError

__all__ = ["is_dump", "tables_at", "tables_of_dump"]

_HEADING: Final = re.compile(r"^(\S{4}) @ 0x[0-9A-Fa-f]+\s*$", re.MULTILINE)
#: Offset and up to 16 bytes; what they are as text follows in a column of its own.
_BYTES: Final = re.compile(r"\s*([0-9A-Fa-f]{4,8}): ((?:[0-9A-Fa-f]{2}(?: |$)){1,16})")
#: Characters of 16 bytes.
_COLUMN: Final = 48


def tables_at(path: StrPath) -> dict[str, bytes]:
    """All tables of a directory, of what ``acpidump`` printed into a file, or the one that a file is.

    :raises InputError: there is no such thing, or a table is not whole.
    """
    if os.path.isdir(path):
        return read_acpi(path)
    if not os.path.lexists(path):
        raise InputError("no such directory or file", path=path)
    from softreserve.config.log.content import log_text

    data = read_bytes(path)
    if data[:4].isalnum() and b"\0" in data[:36]:
        return dict([table_of(data, path)])
    text = log_text(data, path)
    if not is_dump(text):
        raise InputError("neither an ACPI table nor what acpidump prints", path=path)
    return tables_of_dump(text, path)


def is_dump(text: str) -> bool:
    """Whether a text is one."""
    return _HEADING.search(text) is not None


def tables_of_dump(text: str, path: StrPath) -> dict[str, bytes]:
    """All tables by signature; of several with one signature the first. Other lines are passed over.

    :raises InputError: bytes are missing in the middle of a table or at its end.
    """
    found: dict[str, tuple[bytearray, int]] = {}
    data: bytearray | None = None
    for number, line in enumerate(text.splitlines(), 1):
        heading = _HEADING.match(line)
        if heading:
            data = bytearray()
            found.setdefault(heading[1], (data, number))
            continue
        row = _BYTES.match(line[: line.find(": ") + 2 + _COLUMN].rstrip())
        if row is None or data is None:
            if not line.strip():
                data = None
            continue
        if int(row[1], 16) != len(data):
            message = f"bytes of a table are missing: those at {len(data):#x}, before {int(row[1], 16):#x}"
            raise InputError(message, path=path, place=f"line {number}")
        data += bytes.fromhex(row[2])
    if not found:
        raise InputError("no ACPI tables in it, as acpidump prints them", path=path)
    return dict(table_of(bytes(table), f"{path}: line {number}: {name}") for name, (table, number) in found.items())
