"""Rows as files: JSON Lines, or Parquet where a name ends so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

import attrs

from softreserve.model.errors import InputError
from softreserve.model.findings import SEVERITIES
from softreserve.model.outcome import USES
from softreserve.views.fleet.row import Row

if TYPE_CHECKING:
    import pyarrow

__all__ = ["PARQUET", "check_writable", "is_rows", "write_rows"]

#: How the name of a file ends that becomes Parquet.
PARQUET: Final = ".parquet"
_MAGIC: Final = b"PAR1"
#: Rows that Parquet has in one group: what is in memory at once.
_GROUP: Final = 4096
#: What a row of JSON Lines begins with.
_BEGINNING: Final = b'{"machine": '
_MISSING: Final = "needs pyarrow, which is not installed: pip install 'softreserve[fleet]'; JSON Lines need nothing"


def is_rows(beginning: bytes) -> bool:
    """Whether a file that begins so was written here; an empty one was as well."""
    return not beginning or beginning.startswith((_BEGINNING, _MAGIC))


def check_writable(path: str) -> None:
    """See that what a name asks for can be written.

    :raises InputError: something is not installed.
    """
    if path.endswith(PARQUET):
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise InputError(_MISSING, path=path) from None


def write_rows(file: IO[bytes], rows: Iterable[dict[str, Any]], *, parquet: bool = False) -> None:
    """Write rows, as dictionaries of what :class:`Row` has."""
    if not parquet:
        for row in rows:
            file.write(json.dumps(row).encode() + b"\n")
        return
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    schema = _schema()
    remaining = iter(rows)
    with ParquetWriter(file, schema, compression="zstd") as writer:
        while group := [*islice(remaining, _GROUP)]:
            writer.write_table(Table.from_pylist([*map(_typed, group)], schema=schema))


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row with maps as Arrow takes them: lists of pairs; what has fixed keys is a structure."""
    return row | {name: None if row[name] is None else [*_pairs(row[name], kind)] for name, kind in _MAPS.items()}


def _pairs(values: dict[str, int], kind: type) -> Iterator[tuple[Any, int]]:
    return ((kind(key), value) for key, value in values.items())


#: Dictionaries whose keys nobody knows before, and what the keys are.
_MAPS: Final[dict[str, type]] = {"firmware": str, "owners": str, "tiers": int, "tiers_as_system_ram": int}


def _schema() -> pyarrow.Schema:
    """Types of the columns."""
    import pyarrow as pa

    sizes = ("total", "lost", "waiting", "lost_as_system_ram")
    types = {
        **dict.fromkeys(sizes, pa.uint64()),
        **{name: pa.map_(pa.string(), pa.uint64()) for name in ("firmware", "owners")},
        **{name: pa.map_(pa.int32(), pa.int32()) for name in ("tiers", "tiers_as_system_ram")},
        "uses": pa.struct([(use, pa.uint64()) for use in USES]),
        "findings": pa.struct([(severity, pa.uint32()) for severity in SEVERITIES]),
        "status": pa.uint8(),
        "page_size": pa.uint32(),
        "target_nodes": pa.list_(pa.int32()),
        **dict.fromkeys(("lint", "kexec_problems", "gaps"), pa.list_(pa.string())),
        "seconds": pa.float64(),
    }
    return pa.schema([(field.name, types.get(field.name, pa.string())) for field in attrs.fields(Row)])
