"""Reading TOML with all its mistakes: every problem is collected, and named by file, line and key.

Light on purpose: the way from a capture directory to a boot imports nothing heavier than ``tomllib``. Paths are text
there, because importing ``pathlib`` takes a twentieth of such a boot's time.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from codecs import BOM_UTF8
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from softreserve.config.account import told
from softreserve.model.errors import ConfigError, InputError, nearest, shown
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.config.toml_lines import Key, Keys

__all__ = [
    "LARGEST",
    "Document",
    "Problems",
    "StrPath",
    "Table",
    "check_inside",
    "not_a_list",
    "parse_size",
    "path_words",
    "read_bytes",
    "read_text",
]

T = TypeVar("T")
StrPath = str | PathLike[str]

_POWERS = "KMGTPE"

#: A name that needs no quotes, and how long one is that a message names whole.
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONG_NAME = 60
#: A dotted key of more names than any file has tables in each other; tomllib's time grows with their square.
_DEEP = re.compile(
    r"""(?:^|[{,])[ \t]*\[{0,2}[ \t]*(?:(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\.[ \t]*){200}""", re.MULTILINE
)
#: How near an unknown key is to one that was meant.
_TYPING_ERROR = 0.75

#: Standard input, as a path.
_STDIN = "-"
#: Bytes of the largest file that is read. The kernel's own log buffer has at most half of that.
LARGEST = 64 << 20


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
        meant = text[:-1].strip() if len(text) <= _LONG_NAME else text[-2]
        raise ValueError(f"{shown(value)}: units are powers of 1024 here; write {meant} or {meant}iB")
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


def check_inside(path: StrPath, directory: StrPath) -> None:
    """See that a description made of several files does not reach beyond its directory.

    :raises InputError: the path, or a link on it, leads elsewhere.
    """
    try:
        real, root = os.path.realpath(path), os.path.realpath(directory)
    except ValueError as error:  # a zero byte in it
        raise InputError(str(error), path=path) from None
    if os.path.commonpath((real, root)) != root:
        raise InputError("leads out of the directory of the description; only files in it are read", path=path)


def read_bytes(path: StrPath, inside: StrPath | None = None) -> bytes:
    """The content of a regular file, or of standard input (``-``).

    :param inside: the directory in which the file must be; ``None``: anywhere.
    :raises InputError: it cannot be read, is something else than a regular file, or is larger than an input can be.
    """
    if inside is not None:
        check_inside(path, inside)
    try:
        with _opened(path) as file:
            data: bytes = file.read(LARGEST + 1) or b""  # None: a file of /proc that waits for something to come
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise InputError(getattr(error, "strerror", None) or str(error), path=path_words(path)) from None
    if len(data) > LARGEST:
        raise InputError(f"larger than {LARGEST >> 20} MiB, the most that is read", path=path_words(path))
    if (account := told()) is not None:
        account.files[path_words(path)] = None
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
    """The text of a file's content, without a byte order mark; UEFI's and Windows' programs write UTF-16 with one.

    :raises InputError: it is empty, or is no UTF-8.
    """
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16") if marked and not len(data) % 2 else data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise InputError("not a text file (UTF-8)", path=path_words(path), place=f"byte {error.start}") from None
    if not text.strip():
        raise InputError("the file is empty", path=path_words(path))
    return text


def read_text(path: StrPath, inside: StrPath | None = None) -> str:
    """The text of a file; see :func:`read_bytes` and :func:`text_of`."""
    return text_of(read_bytes(path, inside), path)


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
    """A TOML file: its path, its text (of ``data`` where somebody has read it already), and its problems.

    :param may_be_blank: nothing in it is no mistake.
    """

    def __init__(
        self,
        path: StrPath,
        problems: Problems,
        data: bytes | None = None,
        *,
        inside: StrPath | None = None,
        may_be_blank: bool = False,
    ) -> None:
        self.path = path_words(path)
        self._source = path
        self._data = data
        self._inside = inside
        self._may_be_blank = may_be_blank
        self.problems = problems
        self.text = ""
        self._tables: list[Table] = []
        if (account := told()) is not None:
            account.documents.append(self)

    def read(self) -> Table:
        """The top table; an empty one, with a problem noted, where the file cannot be read."""
        try:
            data = read_bytes(self._source, self._inside) if self._data is None else self._data
            if self._may_be_blank and not data.strip():
                return self.table((), {})
            self.text = text_of(data, self.path)
            if _DEEP.search(self.text):
                raise RecursionError
            return self.table((), tomllib.loads(self.text))
        except InputError as error:
            self.problems.add(error)
        except tomllib.TOMLDecodeError as error:
            self.problems.add(self._syntax_problem(str(error)))
        except ValueError:  # of int(), which limits the digits
            self.problems.add(self._problem_where(r"(?:\d_?){4000}", "a number has too many digits"))
        except RecursionError:
            self.problems.add(self._problem_where(r"[\[{.]", "tables or arrays are nested too deeply"))
        return self.table((), {}, broken=True)

    def _syntax_problem(self, message: str) -> InputError:
        """What tomllib says, or what it means: it does not say which key is there twice."""
        message, _, place = message.rpartition(" (at ")
        number = re.match(r"line (\d+)", place)
        line = int(number[1]) if number else self.text.rstrip().count("\n") + 1
        if message.startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate", "Cannot redefine")):
            twice = next((found for found in self._keys.twice if found[1] <= line), None)
            if twice is not None:
                key, line = twice
                message = f"{dotted(key)}: is there twice; it was on line {self._keys.lines[key]} before"
        return InputError(message, path=self.path, place=f"line {line}")

    def _problem_where(self, pattern: str, message: str) -> InputError:
        """A problem of the line on which there is most of something."""
        counts = [len(re.findall(pattern, line)) for line in self.text.split("\n")]
        return InputError(message, path=self.path, place=f"line {counts.index(max(counts)) + 1}")

    @cached_property
    def _keys(self) -> Keys:
        from softreserve.config.toml_lines import find_keys  # only where something is wrong

        return find_keys(self.text)

    def table(self, key: Key, values: dict[str, Any], *, broken: bool = False) -> Table:
        """One of its tables, which is remembered for :meth:`check_keys`."""
        self._tables.append(Table(self, key, values, broken=broken))
        return self._tables[-1]

    def check_keys(self, *, strict: bool = False) -> None:
        """Note keys that nobody asked for, if they may be meant for others; with ``strict``, all of them.

        A newer recorder may write more than is known here.
        """
        for table in self._tables:
            for name in [name for name in table.values if name not in table.asked]:
                hint = nearest(name, (asked for asked in table.asked if asked not in table.values), _TYPING_ERROR)
                if hint or strict:
                    known = f"; known: {', '.join(table.asked)}" if strict else ""
                    table.problem(name, f"unknown key{known}{hint}")

    def ignored(self) -> list[Key]:
        """Keys that nobody asked for."""
        return [(*table.key, name) for table in self._tables for name in table.values if name not in table.asked]

    def problem(self, key: Key, message: str) -> None:
        """Note a problem of a key."""
        self.problems.add(InputError(message, path=self.path, place=self.place(key)))

    def place(self, key: Key) -> str:
        """``line 7: kernel.release``."""
        line = f"line {self._keys.line_of(key)}"
        return f"{line}: {dotted(key)}" if key else line


def not_a_list(value: str) -> str:
    """What is wrong where one name stands in the place of a list of names."""
    return f'wanted a list, such as ["{value}"], not {shown(value)}' if len(value) < _LONG_NAME else "wanted a list"


def dotted(key: Key) -> str:
    """A key as people write it: ``step[2].run``; names that nobody would write are shortened."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{_name(part)}" if text else _name(part)
    return text


def _name(name: str) -> str:
    return name if len(name) <= _LONG_NAME and _BARE.fullmatch(name) else shown(name)


class Table:
    """One table, read key by key; ``asked`` are those that were asked for, see :meth:`Document.check_keys`."""

    def __init__(self, document: Document, key: Key, values: dict[str, Any], *, broken: bool = False) -> None:
        self.document = document
        self.key = key
        self.values = values
        self.broken = broken
        self.asked: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        self.asked[name] = None
        return name in self.values

    def value(self, name: str) -> Any:
        """Whatever stands there, or ``None``."""
        self.asked[name] = None
        return self.values.get(name)

    def get(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """The value if it is a ``kind``; else the default, with a problem noted if it is something else."""
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.problem(name, f"wanted {_WORDS[kind]}, not {shown(value)}")
            return default
        return value

    def need(self, name: str, kind: type[T], otherwise: T) -> T:
        """The value; where it is absent a problem is noted and ``otherwise`` stands in."""
        if name not in self and not self.broken:
            self.problem(name, "missing")
        value = self.get(name, kind)
        return otherwise if value is None else value

    def table(self, name: str) -> Table | None:
        """The table of that name, or ``None``."""
        value = self.get(name, dict)
        return None if value is None else self.document.table((*self.key, name), value)

    def tables(self, name: str) -> list[Table]:
        """An array of tables; empty where it is absent."""
        items = self.get(name, list) or []
        found = []
        for index, item in enumerate(items):
            if isinstance(item, dict):
                found.append(self.document.table((*self.key, name, index), item))
            else:
                self.document.problem((*self.key, name, index), f"wanted a table, not {shown(item)}")
        return found

    def strings(self, name: str) -> list[str]:
        """An array of strings; empty where it is absent."""
        value = self.value(name)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        if value is not None:
            self.problem(name, not_a_list(value) if isinstance(value, str) else f"wanted strings, not {shown(value)}")
        return []

    def size(self, name: str, default: int | None = None) -> int | None:
        """A number of bytes; see :func:`parse_size`."""
        value = self.value(name)
        if value is None:
            return default
        try:
            return parse_size(value)
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

    def problem_in(self, name: str, index: int, message: str) -> None:
        """Note a problem of an element (from 0) of one of this table's arrays."""
        self.document.problem((*self.key, name, index), message)


_WORDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    list: "an array",
}
