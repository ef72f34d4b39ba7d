"""ACPI tables as files: one whole table per file, as the kernel exports them."""

from __future__ import annotations

import os

from softreserve.config.reader import StrPath, read_bytes
from softreserve.model.acpi.tables import RawTable
from softreserve.model.errors import InputError

__all__ = ["read_acpi", "read_table", "table_of"]

#: Bytes of all tables together.
_LARGEST = 64 << 20


def read_acpi(directory: StrPath, inside: StrPath | None = None) -> dict[str, bytes]:
    """All tables of a directory by signature; a directory that does not exist holds none.

    What is called ``*.bin`` or ``*.dat`` is a table; so is a file called by a bare signature, as those in
    ``/sys/firmware/acpi/tables``, where directories stand among them.

    :param inside: the directory in which they must be; the same one where it is not given.
    :raises InputError: a file is no whole table, or they are more than a machine can have.
    """
    if not os.path.lexists(directory):
        return {}
    if not os.path.isdir(directory):
        raise InputError("not a directory", path=directory)
    tables: dict[str, bytes] = {}
    size = 0
    for name in sorted(os.listdir(directory)):
        path, suffix = os.path.join(directory, name), os.path.splitext(name)[1]
        if suffix in (".bin", ".dat") or (not suffix and len(name) == 4 and not os.path.isdir(path)):
            signature, table = read_table(path, directory if inside is None else inside)
            size += len(table)
            if size > _LARGEST:
                raise InputError(f"its tables are larger than {_LARGEST >> 20} MiB", path=directory)
            tables.setdefault(signature, table)
    return tables


def read_table(path: StrPath, inside: StrPath | None = None) -> tuple[str, bytes]:
    """Signature and bytes of one table.

    :raises InputError: the file is shorter than its header says, or is no table at all.
    """
    return table_of(read_bytes(path, inside), path)


def table_of(data: bytes, path: StrPath) -> tuple[str, bytes]:
    """Signature and bytes of one table, of the content of a file.

    :raises InputError: it is shorter than its header says, or is no table at all.
    """
    signature = data[:4].decode("latin-1")
    if len(signature) == 4 and not (signature.isascii() and signature.isalnum()):
        raise InputError(f"no ACPI table: signature {signature!r}", path=path, place="offset 0x0")
    return signature, data[: RawTable(data, signature, path).length]
