"""``softreserve fleet-query``."""

from __future__ import annotations

from math import isfinite
from typing import Any

import attrs
import click

from softreserve.cli.fleet.output import PARQUET, columns, is_rows, sql_type
from softreserve.cli.options import plain_option
from softreserve.cli.terminal import print_table
from softreserve.model.errors import InputError

__all__ = ["Queried", "query_command"]

#: What the rows are called in a query.
_TABLE = "fleet"


@attrs.frozen
class Queried:
    """What a query of rows came to: names of columns, and a list of their values for each row."""

    columns: tuple[str, ...]
    rows: list[list[Any]]


@click.command("fleet-query")
@click.argument("rows", metavar="FILE")
@click.argument("query", metavar="SQL")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def query_command(rows: str, query: str, as_json: bool) -> None:
    """Ask the rows in FILE, which softreserve fleet has written, in SQL.

    The rows are the table fleet, their keys its columns. SQL reads nothing else and changes nothing. An example:
    "SELECT machine, lost FROM fleet WHERE lost > 0 ORDER BY lost DESC".
    """
    found = _queried(rows, query)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("fleet-query", found)
        return
    numbers = {
        number
        for number, _ in enumerate(found.columns)
        if all(isinstance(row[number], int | float | None) for row in found.rows)
    }
    print_table(found.columns, [tuple(map(_cell, row)) for row in found.rows], right=numbers, prose=False)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_cell(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return "" if value is None else str(value)


def _queried(path: str, query: str) -> Queried:
    """Carry out a query.

    :raises InputError: duckdb is not installed, the file has no rows, or the query is wrong.
    """
    try:
        import duckdb
    except ImportError:
        raise InputError("needs duckdb, which is not installed: pip install 'softreserve[fleet]'") from None
    try:
        with open(path, "rb") as file:
            if not is_rows(file.read(1024)):
                raise InputError("no rows of softreserve fleet", path=path)
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from None
    with duckdb.connect(":memory:") as database:
        try:
            _load(database, path)
        except duckdb.Error as error:
            raise InputError(f"rows that cannot be read: {_line(error)}", path=path) from None
        try:
            for setting in ("temp_directory = ''", "enable_external_access = false", "lock_configuration = true"):
                database.execute(f"SET {setting}")
            found = database.execute(query.encode("utf-8", "backslashreplace").decode())
            if found is None:
                raise InputError("SQL: nothing is asked")
            names = tuple(column[0] for column in found.description or ())
            return Queried(names, [[*map(_plain, row)] for row in found.fetchall()])
        except duckdb.Error as error:
            raise InputError(f"SQL: {_line(error)}") from None


def _load(database: Any, path: str) -> None:
    """Make the table; of lines, whose types an empty or unusual one would not tell, with the types of the columns."""
    source = "read_parquet(?, hive_partitioning = false)"
    if not path.endswith(PARQUET):
        types = ", ".join(f"'{name}': '{sql_type(kind)}'" for name, kind in columns())
        source = f"read_json(?, format = 'newline_delimited', hive_partitioning = false, columns = {{{types}}})"
    this = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)  # a name, and no pattern of names
    database.execute(f"CREATE TABLE {_TABLE} AS SELECT * FROM {source}", [this])


def _plain(value: Any) -> Any:
    """A value of JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not isfinite(value):  # JSON has no word for these
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())
