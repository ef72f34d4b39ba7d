"""What people see: lines that fit their terminal, colours, and nothing of a stranger's that could steer it.

Names, command lines, releases, paths, logs: all of them may come from files of others. Two layers keep them harmless.
The functions here escape every piece that they print, line breaks included, before they add colours; and whatever
else is written to the standard streams (``print`` in a plugin's command, a warning, click) passes through a filter
that lets nothing but text, tabs and line ends by, see :func:`guarded_streams`. Only :func:`print_kernel_file` writes
past it, to what is no terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import IO, Any, TextIO

from softreserve.model.value import NamedTuple
from softreserve.model.visible import clean

__all__ = [
    "Styled",
    "clean",
    "columns",
    "guarded_streams",
    "is_plain",
    "making_room",
    "plain_output",
    "print_kernel_file",
    "print_table",
    "say",
    "tell",
    "unguarded",
]

_LINE_ENDS_AND_TABS = frozenset("\n\t")

#: What a style means to a terminal: parameters of ECMA-48's SGR.
_STYLES = {
    "heading": "1",
    "aside": "2",
    "good": "32",
    "memory": "32",
    "reserved": "1;35",
    "loss": "1;31",
    "error": "1;31",
    "warning": "1;33",
    "note": "36",
    "removed": "31",
    "added": "32",
}

#: Blanks, or a word; a number and its unit are one word.
_PIECE = r" +|[^ ]+(?:(?<=\d) (?:[KMGT]i)?B\b[^ ]*)?"
_GAP = "  "
_EMPTY = "-"
_INDENT = "    "
#: A column of text is put beside others where it gets this many columns at least, and below them where not.
_TEXT_MIN = 30


class Styled(NamedTuple):
    """Words, and what they are: one of the styles of this module."""

    text: str
    style: str


_Part = str | Styled
_style = attrgetter("style")


class _Guarded:
    """A text stream that writes what :func:`clean` leaves, line by line; otherwise the stream that it stands for."""

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        _make_room()
        self.unguarded.write(clean(text, _LINE_ENDS_AND_TABS))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Let nothing through standard output and standard error that could steer a terminal."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (s if isinstance(s, _Guarded) else _Guarded(s) for s in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unguarded(stream: TextIO) -> IO[str]:
    """The stream itself: for what is known to be harmless."""
    return stream.unguarded if isinstance(stream, _Guarded) else stream


#: What takes away what stands below the text for a while.
_room_makers: list[Callable[[], None]] = []


@contextmanager
def making_room(take_away: Callable[[], None]) -> Iterator[None]:
    """Call something before each piece of text that is printed."""
    _room_makers.append(take_away)
    try:
        yield
    finally:
        _room_makers.remove(take_away)


def _make_room() -> None:
    for take_away in _room_makers:
        take_away()


# --- what a terminal can do


_plain = False


def is_plain() -> bool:
    """Whether somebody wants every line as it is, for ``grep`` and its like: :func:`plain_output`."""
    return _plain


@contextmanager
def plain_output() -> Iterator[None]:
    """Print without colours, every row of a table on one line, with something in each of its cells."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


def columns() -> int | None:
    """How many columns a line of standard output may have; ``None``: any number, it is no terminal, or is not to count.

    On a terminal ``COLUMNS`` counts first, as for other programs. Elsewhere it does not: test runners and the like
    set it for everything that they start.
    """
    if _plain or not sys.stdout.isatty():
        return None
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def _has_colours() -> bool:
    if _plain or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and sys.stdout.isatty()


def _cells(text: str) -> int:
    """How many columns a terminal takes for it."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


# --- lines


def say(*parts: _Part, hang: str = _INDENT) -> None:
    """Print a line on standard output: broken between words where the terminal is narrow, continued after ``hang``.

    Words are never broken: one that is wider than the terminal sticks out.
    """
    _print_all(_filled(map(_cleaned, parts), columns(), 0, hang))


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[_Part]],
    *,
    right: Collection[int] = (),
    prose: bool = True,
) -> None:
    """Print a table. Columns that do not fit beside the others follow below them, with their names; nothing is cut.

    :param right: numbers of the columns that are set to the right.
    :param prose: whether the last column holds sentences: they are broken between words, and need no name.
    """
    limit = columns()
    if _plain:
        right = ()  # a line begins with its first cell
    heads = [_cell(Styled(heading, "heading")) for heading in headings]
    table = [heads, *([_cell(part) for part in row] for row in rows)]
    widths = [max(_cells(part.text) for part in column) for column in zip(*table, strict=True)]
    sentences = len(headings) - 1 if prose else None
    beside = _beside([min(w, _TEXT_MIN) if n == sentences else w for n, w in enumerate(widths)], limit)
    for row in table:
        line: list[Styled] = []
        for number in range(beside):
            blanks = Styled(" " * (widths[number] - _cells(row[number].text)), "")
            line += [blanks, row[number]] if number in right else [row[number], blanks]
            line.append(Styled(_GAP, ""))
        if beside - 1 == sentences:
            del line[-3:]
            used = sum(_cells(part.text) for part in line)
            first, *others = _filled([row[-1]], limit, used, " " * used)
            _print_all([[*line, *first], *others])
            continue
        if row is not heads or any(part.text.strip() for part in line):
            _print(line)
        below = [number for number in range(beside, len(row)) if row[number].text and number != sentences]
        if row is not heads:
            _print_below([(Styled(f"{clean(headings[number])}: ", "aside"), row[number]) for number in below], limit)
        if sentences is not None and row[-1].text:
            _print_all(_filled([Styled(_INDENT, ""), row[-1]], limit, 0, _INDENT))


def _beside(widths: Sequence[int], limit: int | None) -> int:
    """How many columns stand beside each other: one at least."""
    used = 0
    for number, width in enumerate(widths):
        if number and limit is not None and used + width > limit:
            return number
        used += width + len(_GAP)
    return len(widths)


def _print_below(cells: Iterable[tuple[Styled, Styled]], limit: int | None) -> None:
    """Print cells after their names, as many on a line as fit. One that is longer than that has lines of its own."""
    lines: list[list[Styled]] = []
    used = 0
    for name, cell in cells:
        width = len(_GAP) + _cells(name.text) + _cells(cell.text)
        if lines and (limit is None or used + width <= limit):
            lines[-1] += [Styled(_GAP, ""), name, cell]
            used += width
            continue
        lines.append([Styled(_INDENT, ""), name, cell])
        used = len(_INDENT) + width - len(_GAP)
        if limit is not None and used > limit:
            lines[-1].pop()
            lines.append([Styled(_INDENT * 2, ""), cell])
            used = limit
    for line in lines:
        _print_all(_filled(line, limit, 0, _INDENT * 2))


def _cell(part: _Part) -> Styled:
    """A cell; where programs cut lines at blanks, it has no two of them but at its beginning, and is not empty."""
    cell = _cleaned(part)
    if not _plain:
        return cell
    words = " ".join(cell.text.split())
    return cell._replace(text=cell.text[: len(cell.text) - len(cell.text.lstrip(" "))] + words if words else _EMPTY)


def _cleaned(part: _Part) -> Styled:
    return Styled(clean(part), "") if isinstance(part, str) else Styled(clean(part.text), part.style)


def _filled(parts: Iterable[Styled], limit: int | None, used: int, hang: str) -> list[list[Styled]]:
    """Lines of at most ``limit`` columns, of which ``used`` are taken on the first one."""
    words: list[list[Styled]] = [[]]  # of pieces, the first of which may be the blanks before the word
    for part in parts:
        for piece in re.findall(_PIECE, part.text):
            if piece[0] == " ":
                words.append([])
            words[-1].append(Styled(piece, part.style))
    lines: list[list[Styled]] = [[]]
    for word in words:
        width = sum(_cells(piece.text) for piece in word)
        if limit is not None and used + width > limit and any(piece.text.strip() for piece in lines[-1]):
            lines.append([Styled(hang, "")])
            used = len(hang)
            word, width = word[1:], width - len(word[0].text)
        lines[-1] += word
        used += width
    return lines


def _print_all(lines: Iterable[Iterable[Styled]]) -> None:
    for line in lines:
        _print(line)


def _print(line: Iterable[Styled]) -> None:
    """Print clean pieces, without the blanks at the end."""
    pieces = [Styled("".join(piece.text for piece in run), style) for style, run in groupby(line, _style)]
    while pieces and not pieces[-1].text.rstrip(" "):
        pieces.pop()
    if pieces:
        pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip(" "))
    colours = _has_colours()
    _make_room()
    text = "".join(f"\x1b[{_STYLES[style]}m{words}\x1b[0m" if style and colours else words for words, style in pieces)
    unguarded(sys.stdout).write(f"{text}\n")


def tell(message: str) -> None:
    """One line about what the program does, or failed to do, on standard error."""
    line = clean(message.replace("\n", " "))
    sys.stderr.write(f"softreserve: {line}\n")  # in one piece: progress makes room for each
    sys.stderr.flush()


def print_kernel_file(lines: Iterable[str]) -> None:
    """A file of the emulated kernel, on standard output: to a terminal like everything, otherwise as it is."""
    _make_room()
    stream = sys.stdout if sys.stdout.isatty() else unguarded(sys.stdout)
    stream.writelines(f"{line}\n" for line in lines)
