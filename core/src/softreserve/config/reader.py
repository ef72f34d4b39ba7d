"""Reading TOML with all its mistakes: every problem is collected, and named by file, line and key.

Light on purpose: the way from a capture directory to a boot imports nothing heavier than ``tomllib``. Paths are text
there, because importing ``pathlib`` takes a twentieth of such a boot's time.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from typing import Any, TypeVar

from softreserve.model.errors import ConfigError, InputError, shown
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

__all__ = ["Document", "Problems", "StrPath", "Table", "line_of", "parse_size", "path_words", "read_bytes", "read_text"]

T = TypeVar("T")
Key = tuple[str | int, ...]
StrPath = str | PathLike[str]

_POWERS = "KMGTPE"

#: Standard input, as a path.
_STDIN = "-"
#: Bytes of the largest file that is read. The kernel's own log buffer has at most half of that.
_LARGEST = 64 << 20


def parse_size(value: object) -> int:
    """A number of bytes from ``4096``, ``"0x1000"``, ``"4G"`` or ``"4GiB"`` (powers of 1024).

    :raises ValueError: anything else; the message says what to write instead.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'wanted a size like 4096, "0x1000" or "4G", not {shown(value)}')
    if isinstance(value, int):
        return _unsigned(value, value)
    text = value.strip()
    digits, shift = text, 0
    if text[-2:].upper() in {f"{power}B" for power in _POWERS}:
        raise ValueError(
            f"{shown(value)}: units are powers of 1024 here; write {text[:-1].strip()} or {text[:-1].strip()}iB"
        )
    if text[-2:] == "iB" and text[-3:-2].upper() in _POWERS:
        digits = text[:-2]
    if digits[-1:].upper() in _POWERS and digits[:-1]:
        shift = 10 * (_POWERS.index(digits[-1].upper()) + 1)
        digits = digits[:-1].rstrip()
    try:
        number = int(digits, 16 if digits[:2].lower() == "0x" else 10)
    except ValueError:
        raise ValueError(f'wanted a size like 4096, "0x1000" or "4G", not {shown(value)}') from None
    return _unsigned(number << shift, value)


def _unsigned(number: int, value: object) -> int:
    if number < 0:
        raise ValueError(f"{shown(value)} is negative")
    if number > U64_MAX:
        raise ValueError(f"{shown(value)} does not fit into 64 bits")
    return number


def path_words(path: StrPath) -> str:
    """A path as messages name it."""
    return "standard input" if path == _STDIN else os.fspath(path)


def read_bytes(path: StrPath) -> bytes:
    """The content of a regular file, or of standard input (``-``).

    :raises InputError: it cannot be read, is something else than a regular file, or is larger than an input can be.
    """
    try:
        with _opened(path) as file:
            data: bytes = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise InputError(getattr(error, "strerror", None) or str(error), path=path_words(path)) from None
    if len(data) > _LARGEST:
        raise InputError(f"larger than {_LARGEST >> 20} MiB, the most that is read", path=path_words(path))
    return data


def _opened(path: StrPath) -> AbstractContextManager[Any]:
    """Open without waiting for anybody: a pipe's other end, a device."""
    if path == _STDIN:
        return nullcontext(sys.stdin.buffer)
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # open() refuses directories itself
        raise InputError("not a regular file (- reads a pipe from standard input)", path=path)
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def text_of(data: bytes, path: StrPath) -> str:
    """The text of a file's content, without a byte order mark.

    :raises InputError: it is empty, or is no UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not a text file (UTF-8)", path=path_words(path), place=f"byte {error.start}") from None
    if not text.strip():
        raise InputError("the file is empty", path=path_words(path))
    return text


def read_text(path: StrPath) -> str:
    """The text of a file; see :func:`read_bytes` and :func:`text_of`."""
    return text_of(read_bytes(path), path)


def line_of(text: str, key: Key) -> int | None:
    """The line (from 1) on which ``key`` stands, or the nearest key above it; ``None`` where none does."""
    lines = _key_lines(text)
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return lines[key[:length]]
    return None


def _key_lines(text: str) -> dict[Key, int]:
    """Lines of table headers and of keys that begin a line. Good enough to point at a mistake."""
    found: dict[Key, int] = {}
    arrays: dict[Key, int] = {}
    prefix: Key = ()

    def resolved(names: list[str]) -> Key:
        """A header's path with the index of the newest element of every array of tables on the way."""
        path: Key = ()
        for name in names:
            path = (*path, name)
            if path in arrays:
                path = (*path, arrays[path])
        return path

    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("[[") and "]]" in line:
            names = _names(line[2 : line.index("]]")])
            bare = (*resolved(names[:-1]), names[-1])
            arrays[bare] = arrays.get(bare, -1) + 1
            prefix = (*bare, arrays[bare])
        elif line.startswith("[") and line.rstrip("# ").endswith("]") and "=" not in line and "," not in line:
            prefix = resolved(_names(line.strip("[] ")))
        else:
            name, equals, _ = line.partition("=")
            if equals and not name.startswith(("#", '["', "{")):
                prefixed = (*prefix, *_names(name))
                found.setdefault(prefixed, number)
            continue
        found.setdefault(prefix, number)
    return found


def _names(dotted: str) -> list[str]:
    return [name.strip().strip("\"'") for name in dotted.split(".")]


class Problems:
    """What is wrong, in the order of finding."""

    def __init__(self) -> None:
        self.found: list[InputError | str] = []

    def add(self, problem: InputError | ConfigError) -> None:
        """Keep a problem."""
        self.found += problem.problems if isinstance(problem, ConfigError) else [problem]

    def check(self) -> None:
        """Go on only if nothing was found.

        :raises ConfigError: with everything that was found.
        """
        if self.found:
            raise ConfigError(self.found)


class Document:
    """A TOML file: its path, its text (of ``data`` where somebody has read it already), and its problems."""

    def __init__(self, path: StrPath, problems: Problems, data: bytes | None = None) -> None:
        self.path = path_words(path)
        self._source = path
        self._data = data
        self.problems = problems
        self.text = ""

    def read(self) -> Table:
        """The top table; an empty one, with a problem noted, where the file cannot be read."""
        try:
            self.text = text_of(read_bytes(self._source) if self._data is None else self._data, self.path)
            return Table(self, (), tomllib.loads(self.text))
        except InputError as error:
            self.problems.add(error)
        except tomllib.TOMLDecodeError as error:
            self.problems.add(InputError(str(error), path=self.path))
        except ValueError:  # of int(), which limits the digits
            self.problems.add(InputError("a number has too many digits", path=self.path))
        except RecursionError:
            self.problems.add(InputError("tables or arrays are nested too deeply", path=self.path))
        return Table(self, (), {}, broken=True)

    def problem(self, key: Key, message: str) -> None:
        """Note a problem of a key."""
        self.problems.add(InputError(message, path=self.path, place=self.place(key)))

    def place(self, key: Key) -> str:
        """``line 7: kernel.release``."""
        line = line_of(self.text, key)
        return (f"line {line}: " if line else "") + dotted(key)


def dotted(key: Key) -> str:
    """A key as people write it: ``step[2].run``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class Table:
    """One table, read key by key. Keys that nobody asks for do no harm: a newer recorder may write more."""

    def __init__(self, document: Document, key: Key, values: dict[str, Any], *, broken: bool = False) -> None:
        self.document = document
        self.key = key
        self.values = values
        self.broken = broken

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """The value if it is a ``kind``; else the default, with a problem noted if it is something else."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.problem(name, f"wanted {_WORDS[kind]}, not {shown(value)}")
            return default
        return value

    def need(self, name: str, kind: type[T], otherwise: T) -> T:
        """The value; where it is absent a problem is noted and ``otherwise`` stands in."""
        if name not in self.values and not self.broken:
            self.problem(name, "missing")
        value = self.get(name, kind)
        return otherwise if value is None else value

    def table(self, name: str) -> Table | None:
        """The table of that name, or ``None``."""
        value = self.get(name, dict)
        return None if value is None else Table(self.document, (*self.key, name), value)

    def tables(self, name: str) -> list[Table]:
        """An array of tables; empty where it is absent."""
        items = self.get(name, list) or []
        found = []
        for index, item in enumerate(items):
            if isinstance(item, dict):
                found.append(Table(self.document, (*self.key, name, index), item))
            else:
                self.document.problem((*self.key, name, index), f"wanted a table, not {shown(item)}")
        return found

    def size(self, name: str, default: int | None = None) -> int | None:
        """A number of bytes; see :func:`parse_size`."""
        if name not in self.values:
            return default
        try:
            return parse_size(self.values[name])
        except ValueError as error:
            self.problem(name, str(error))
            return default

    def range(self, name: str) -> PhysRange | None:
        """``{ start, size }`` as a range; ``None`` where it is absent or empty."""
        table = self.table(name)
        if table is None:
            return None
        start, size = table.size("start"), table.size("size")
        if start is None or size is None:
            missing = "start" if start is None else "size"
            if missing not in table:
                table.problem(missing, "missing")
            return None
        return PhysRange.from_size(start, size) if size else None

    def problem(self, name: str, message: str) -> None:
        """Note a problem of one of this table's keys."""
        self.document.problem((*self.key, name), message)


_WORDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    list: "an array",
}
