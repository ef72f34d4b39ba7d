"""Lists of machines: a file that says of each where its description is, or has it as text. JSON Lines, or Parquet.

An entry is a path (relative to the list) or whatever else names a MACHINE; or a table with that as ``machine``, or with
the content of a log or machine file as ``text``; ``name`` is what it is called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from softreserve.model.errors import InputError, shown

__all__ = ["SUFFIXES", "Listed", "listed"]

_PARQUET: Final = ".parquet"
#: How names of lists end.
SUFFIXES: Final = (".jsonl", ".ndjson", _PARQUET)
_KEYS: Final = ("machine", "text", "name")
_WANTED: Final = 'wanted a path, or {"machine": PATH} or {"text": TEXT}, either with "name"'
_MISSING: Final = "needs pyarrow, which is not installed: pip install 'softreserve[fleet]'; JSON Lines need nothing"
#: Bytes of the longest line: a log in it may be as long as one by itself, and is escaped.
_LONGEST: Final = 160 << 20


class Listed(NamedTuple):
    """An entry: what names a machine, or its text; or what is wrong with it."""

    name: str
    machine: str | None = None
    text: str | None = None
    problem: str | None = None


def listed(path: str) -> Iterator[Listed]:
    """The entries of a list.

    :raises InputError: it cannot be read.
    """
    found = _of_parquet(path) if path.endswith(_PARQUET) else _of_lines(path)
    for number, entry in enumerate(found, 1):
        if entry is not None:
            yield _entry(entry, f"line {number}")


def _of_lines(path: str) -> Iterator[Any]:
    """What stands on each line; ``None``: nothing does."""
    try:
        with open(path, "rb") as file:
            while line := file.readline(_LONGEST):
                try:
                    yield json.loads(line) if line.strip() else None
                except (ValueError, RecursionError) as error:
                    yield InputError(f"no JSON: {error}")
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from None


def _of_parquet(path: str) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InputError(_MISSING, path=path) from None
    try:
        with ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name in _KEYS]
            if not {"machine", "text"} & set(columns):
                raise InputError(
                    f"it has no column 'machine' or 'text': {', '.join(file.schema_arrow.names)}", path=path
                )
            for batch in file.iter_batches(batch_size=256, columns=columns):
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if value is not None}
    except (OSError, ArrowException, ValueError) as error:  # ValueError: text that is none
        raise InputError(str(error).partition("\n")[0], path=path) from None


def _entry(entry: Any, place: str) -> Listed:
    if isinstance(entry, InputError):
        return Listed(place, problem=str(entry))
    found = {"machine": entry} if isinstance(entry, str) else entry
    if not isinstance(found, dict) or not all(isinstance(found.get(key, ""), str) for key in _KEYS):
        return Listed(place, problem=f"{_WANTED}, not {shown(entry)}")
    unknown = next((key for key in found if key not in _KEYS), None)
    if unknown is not None or ("machine" in found) == ("text" in found):
        return Listed(place, problem=f"{_WANTED}, not {shown(entry)}")
    name = found.get("name") or found.get("machine") or place
    return Listed(name, found.get("machine"), found.get("text"))
