"""Rows as files: JSON Lines, or Parquet where a name ends so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

import attrs

from softreserve.model.errors import InputError
from softreserve.model.findings import SEVERITIES
from softreserve.model.outcome import USES
from softreserve.views.fleet.row import Row

if TYPE_CHECKING:
    import pyarrow

__all__ = ["PARQUET", "check_writable", "columns", "is_row", "is_rows", "read_rows", "sql_type", "write_rows"]

#: How the name of a file ends that becomes Parquet.
PARQUET: Final = ".parquet"
#: Keys of rows that may be without a value though there is an answer.
_OPTIONAL: Final = ("error", "kexec", "kexec_problems", "seconds")
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


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """Rows that were written here.

    :raises InputError: the file cannot be read, or something in it is no row.
    """
    check_writable(path)
    try:
        with open(path, "rb") as file:
            for number, row in enumerate(_of_parquet(path) if path.endswith(PARQUET) else map(_of_line, file), 1):
                if row is None or not is_row(row):
                    raise InputError("no row of softreserve fleet", path=path, place=f"line {number}")
                yield row
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from None


def is_row(row: dict[str, Any]) -> bool:
    """Whether all keys are there, with values of their types."""
    kinds = dict(columns())
    return row.keys() == kinds.keys() and all(
        _is_one(row[name], kind) or (row[name] is None and (name in _OPTIONAL or row["error"] is not None))
        for name, kind in kinds.items()
    )


def _is_one(value: Any, kind: tuple[str, ...]) -> bool:
    """Whether a value is of a column's type, with all that is in it."""
    if not isinstance(value, _PYTHON.get(kind[0], int)):
        return False
    match kind:
        case ("map", _, inner) | ("record", inner, *_):
            return all(isinstance(one, _PYTHON.get(inner, int)) for one in value.values())
        case ("list", inner):
            return all(isinstance(one, _PYTHON.get(inner, int)) for one in value)
    return True


def _of_line(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_parquet(path: str) -> Iterator[dict[str, Any]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    maps, records = ([name for name, kind in _COLUMNS.items() if kind[0] == what] for what in ("map", "record"))
    try:
        with ParquetFile(path) as file:
            for group in file.iter_batches(batch_size=_GROUP):
                for row in group.to_pylist():
                    found = {name: row[name] and dict(row[name]) for name in maps if name in row}
                    for name in records:  # what one has not is nothing there
                        if isinstance(record := row.get(name), dict):
                            found[name] = {key: value for key, value in record.items() if value is not None}
                    yield row | found
    except (ArrowException, ValueError) as error:  # ValueError: text that is none
        raise InputError(str(error).partition("\n")[0], path=path) from None


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row as Arrow takes it: maps are lists of pairs, and text has nothing that is none."""
    maps = {name: kind[1] for name, kind in _COLUMNS.items() if kind[0] == "map"}
    pairs = {name: None if row[name] is None else [*_pairs(row[name], key)] for name, key in maps.items()}
    return {name: _text(value) for name, value in (row | pairs).items()}


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [*map(_text, value)] if isinstance(value, list) else value


def _pairs(values: dict[str, int], key: str) -> Iterator[tuple[Any, int]]:
    return ((int(name) if key == "node" else name, value) for name, value in values.items())


#: What columns are, where that is no text: a value; a list of values; a map with keys and values; or a record of values
#: with these names.
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("count",),
    "page_size": ("count",),
    **dict.fromkeys(("total", "lost", "waiting", "lost_as_system_ram"), ("size",)),
    **dict.fromkeys(("firmware", "owners"), ("map", "text", "size")),
    "uses": ("record", "size", *USES),
    **dict.fromkeys(("lint", "kexec_problems", "gaps"), ("list", "text")),
    "findings": ("record", "count", *SEVERITIES),
    "target_nodes": ("list", "node"),
    **dict.fromkeys(("tiers", "tiers_as_system_ram"), ("map", "node", "node")),
    "seconds": ("seconds",),
}
#: What they are in Python, where they are no whole numbers.
_PYTHON: Final[Mapping[str, type[Any]]] = {"text": str, "map": dict, "record": dict, "list": list, "seconds": float}
#: Values as SQL and Arrow call them.
_SQL: Final = {"text": "VARCHAR", "size": "UBIGINT", "count": "UINTEGER", "node": "INTEGER", "seconds": "DOUBLE"}
_ARROW: Final = {"text": "string", "size": "uint64", "count": "uint32", "node": "int32", "seconds": "float64"}


def columns() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names of the columns, in their order, and what they are."""
    return ((field.name, _COLUMNS.get(field.name, ("text",))) for field in attrs.fields(Row))


def sql_type(kind: tuple[str, ...]) -> str:
    """The type of a column in SQL."""
    match kind:
        case ("map", key, value):
            return f"MAP({_SQL[key]}, {_SQL[value]})"
        case ("list", value):
            return f"{_SQL[value]}[]"
        case ("record", value, *names):
            parts = ", ".join(f'"{name}" {_SQL[value]}' for name in names)
            return f"STRUCT({parts})"
    return _SQL[kind[0]]


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    def arrow(kind: tuple[str, ...]) -> Any:
        match kind:
            case ("map", key, value):
                return pa.map_(arrow((key,)), arrow((value,)))
            case ("list", value):
                return pa.list_(arrow((value,)))
            case ("record", value, *names):
                return pa.struct([(name, arrow((value,))) for name in names])
        return getattr(pa, _ARROW[kind[0]])()

    return pa.schema([(name, arrow(kind)) for name, kind in columns()])
