"""ACPI tables as files: one whole table per file, as the kernel exports them."""

from __future__ import annotations

from pathlib import Path

from softreserve.acpi.tables import RawTable
from softreserve.errors import InputError

__all__ = ["read_acpi", "read_table"]


def read_acpi(directory: Path) -> dict[str, bytes]:
    """All tables of a directory by signature; a directory that does not exist holds none.

    Files called ``*.bin`` or ``*.dat``, or by a bare signature as in ``/sys/firmware/acpi/tables``, are read.

    :raises InputError: a file is no whole table.
    """
    if not directory.exists():
        return {}
    if not directory.is_dir():
        raise InputError("not a directory", path=directory)
    tables: dict[str, bytes] = {}
    for path in sorted(directory.iterdir()):
        if path.is_file() and (path.suffix in (".bin", ".dat") or (not path.suffix and len(path.name) == 4)):
            signature, table = read_table(path)
            tables.setdefault(signature, table)
    return tables


def read_table(path: Path) -> tuple[str, bytes]:
    """Signature and bytes of one table.

    :raises InputError: the file is shorter than its header says, or is no table at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from None
    signature = data[:4].decode("latin-1")
    if len(signature) == 4 and not (signature.isascii() and signature.isalnum()):
        raise InputError(f"no ACPI table: signature {signature!r}", path=path, place="offset 0x0")
    return signature, data[: RawTable(data, signature, path).length]
