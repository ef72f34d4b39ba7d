"""On which line of a TOML file a key stands: tomllib does not say.

For files that tomllib has read: what is wrong with their syntax it says itself.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

__all__ = ["Key", "Keys", "find_keys"]

#: A key as names, and indices of arrays.
Key = tuple[str | int, ...]

_SKIPPED: Final = re.compile(r"(?:\s+|#[^\n]*)*")
_BLANKS: Final = re.compile(r"[ \t]*")
_NAME: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|' r"'''.*?'{3,5}(?!')|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'", re.DOTALL
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]*")


class Keys:
    """Where the keys of a text are.

    :ivar lines: of all keys, of elements of arrays, and of the headers of tables: where each stands first.
    :ivar twice: keys that are given a value again, each with the line where that is.
    """

    def __init__(self) -> None:
        self.lines: dict[Key, int] = {}
        self.twice: list[tuple[Key, int]] = []

    def line_of(self, key: Key) -> int:
        """The line (from 1) of a key; where it is absent, of the nearest one that it would stand in; else 1."""
        return next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), 1)


def find_keys(text: str) -> Keys:
    """Look for the keys of a TOML text. Where it is none, those before the mistake are found."""
    scanner = _Scanner(text)
    with suppress(RecursionError):  # what is nested as deeply as can be read at all
        scanner.scan()
    return scanner.keys


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.keys = Keys()
        #: Elements that arrays of tables have so far.
        self._elements: dict[Key, int] = {}
        self._counted = 0
        self._line = 1

    def scan(self) -> None:
        """Go through the whole text."""
        table: Key = ()
        while self._skip(_SKIPPED) and self.at < len(self.text):
            if self._takes("[["):
                name = self._resolved(self._key())
                number = self._elements.get(name, 0)
                self._elements[name] = number + 1
                table = (*name, number)
                self._note(table)
                self._note(name)
                self._takes("]]")
            elif self._takes("["):
                table = self._resolved(self._key())
                self._note(table, once=True)
                self._takes("]")
            elif not self._pair(table):
                return  # no TOML: nothing more can be said of it

    def _pair(self, table: Key) -> bool:
        """``key = value``; what the value holds is noted too."""
        start = self.at
        name = (*table, *self._key())
        for length in range(len(table) + 1, len(name) + 1):
            self._note(name[:length], once=length == len(name))
        self._skip(_BLANKS)
        if self._takes("="):
            self._skip(_BLANKS)
            self._value(name)
        return self.at > start

    def _value(self, key: Key) -> None:
        if self._takes("["):
            self._array(key)
        elif self._takes("{"):
            while self._skip(_SKIPPED) and not self._takes("}") and self._pair(key):
                self._skip(_SKIPPED)
                self._takes(",")
        elif not self._match(_STRING):
            self._match(_SCALAR)

    def _array(self, key: Key) -> None:
        number = 0
        while self._skip(_SKIPPED) and not self._takes("]") and self.at < len(self.text):
            start = self.at
            self._note((*key, number))
            self._value((*key, number))
            number += 1
            self._skip(_SKIPPED)
            if not self._takes(",") and self.at == start:
                return

    def _key(self) -> Key:
        names: list[str | int] = []
        while True:
            self._skip(_BLANKS)
            found = _NAME.match(self.text, self.at)
            if found is None:
                return tuple(names)
            names.append(_unquoted(found[0]))
            self.at = found.end()
            self._skip(_BLANKS)
            if not self._takes("."):
                return tuple(names)

    def _resolved(self, names: Key) -> Key:
        """A header's path with the number of the newest element of every array of tables on the way."""
        path: Key = ()
        for position, name in enumerate(names, 1):
            path = (*path, name)
            if path in self._elements and position < len(names):
                path = (*path, self._elements[path] - 1)
        return path

    def _note(self, key: Key, *, once: bool = False) -> None:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        if once and key in self.keys.lines:
            self.keys.twice.append((key, self._line))
        self.keys.lines.setdefault(key, self._line)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        self._match(pattern)
        return True

    def _match(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found is not None

    def _takes(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True


def _unquoted(name: str) -> str:
    """A name without its quotes; an escape sequence in one is read by tomllib."""
    if name[0] == '"' and "\\" in name:
        import tomllib

        return next(iter(tomllib.loads(f"{name} = 0")))
    return name[1:-1] if name[0] in "\"'" else name
