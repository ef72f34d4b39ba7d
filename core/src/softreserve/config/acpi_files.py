"""ACPI tables as files: one whole table per file, as the kernel exports them."""

from __future__ import annotations

import os

from softreserve.config.reader import StrPath, read_bytes
from softreserve.model.acpi.tables import RawTable
from softreserve.model.errors import InputError

__all__ = ["read_acpi", "read_table"]


def read_acpi(directory: StrPath) -> dict[str, bytes]:
    """All tables of a directory by signature; a directory that does not exist holds none.

    What is called ``*.bin`` or ``*.dat`` is a table; so is a file called by a bare signature, as those in
    ``/sys/firmware/acpi/tables``, where directories stand among them.

    :raises InputError: a file is no whole table.
    """
    if not os.path.exists(directory):
        return {}
    if not os.path.isdir(directory):
        raise InputError("not a directory", path=directory)
    tables: dict[str, bytes] = {}
    for name in sorted(os.listdir(directory)):
        path, suffix = os.path.join(directory, name), os.path.splitext(name)[1]
        if suffix in (".bin", ".dat") or (not suffix and len(name) == 4 and os.path.isfile(path)):
            signature, table = read_table(path)
            tables.setdefault(signature, table)
    return tables


def read_table(path: StrPath) -> tuple[str, bytes]:
    """Signature and bytes of one table.

    :raises InputError: the file is shorter than its header says, or is no table at all.
    """
    data = read_bytes(path)
    signature = data[:4].decode("latin-1")
    if len(signature) == 4 and not (signature.isascii() and signature.isalnum()):
        raise InputError(f"no ACPI table: signature {signature!r}", path=path, place="offset 0x0")
    return signature, data[: RawTable(data, signature, path).length]
