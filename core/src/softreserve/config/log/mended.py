"""Lines that something broke: a mailer or a terminal that wraps, other output on a console that begins within a line.

A line of a map is put together only where that can be done in one way that can be read. Everything else stays as it
is, so that whoever reads maps finds that the line is torn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Final

from softreserve.model.log_text import LogLine

__all__ = ["mended", "unwrapped"]

#: What a line of a map reads as; ``None``: not whole, or none.
Reading = Callable[[str], object | None]

#: Characters of the longest line of a text that something wrapped, and how full a line is that goes on.
_WIDEST: Final = 120
_FULL: Final = 0.9
#: How many lines of those that tell a time, of all, are enough to know those that do not for what they are.
_TIMED: Final = 0.2
#: How many of the latter, of all between the former, go on where a line was full.
_MOST: Final = 0.8
#: Marks of mail and of lists, which every line has.
_MARKS: Final = re.compile(r"[>|\s`*-]*")
#: Lines that may stand between the parts of one that other output tore, and parts into which one is wrapped.
_BETWEEN: Final = 3
_PARTS: Final = 4
#: With what no line goes on.
_HEAD: Final = re.compile(r"Linux version |(?:Kernel command|Command) line: ")
#: Characters of the longest line that is tried, and how many lines are, all in all.
_LONGEST: Final = 400
_TRIALS: Final = 200
#: With what other output begins that cannot be a word of the kernel's.
_OTHER: Final = ("[", "<", "\x1b")


def _bare(line: LogLine) -> bool:
    """Whether nothing but quotation stands before a message: no time, no name."""
    return line.line[_MARKS.match(line.line).end() :].rstrip("` ") == line.message  # type: ignore[union-attr]


def unwrapped(lines: Sequence[LogLine], of_map: Callable[[LogLine], bool]) -> list[LogLine]:
    """Lines of a text that was wrapped put together: each begins with a time, and what has none goes on.

    :param of_map: whether a line is, or may be, of a map: :func:`mended` puts those together.
    """
    timed = [at for at, line in enumerate(lines) if not _bare(line)]
    width = max((len(lines[at].line) for at in timed), default=0)
    if width > _WIDEST or len(timed) == len(lines) or len(timed) < _TIMED * len(lines):
        return list(lines)
    times = set(timed)
    bare = [at for at in range(timed[0], timed[-1] + 1) if at not in times]
    going = {at for at in bare if _fits(lines[at - 1], lines[at], width)}
    if not going or len(going) < _MOST * len(bare):  # other output, not the rest of full lines
        return list(lines)
    going |= {at for at in range(timed[-1] + 1, len(lines)) if _fits(lines[at - 1], lines[at], width)}
    found: list[LogLine] = []
    for at, line in enumerate(lines):
        if at in going and not of_map(found[-1]) and not of_map(line) and not _HEAD.match(line.message):
            before = found[-1]
            found[-1] = before._replace(message=f"{before.message} {line.message}", parts=before.parts + 1)
        else:
            found.append(line)
    return found


def _fits(before: LogLine, line: LogLine, width: int) -> bool:
    """Whether a line may be the rest of the one before it: that one had no room for its first word."""
    first = len(line.message.split(None, 1)[0])
    near = line.number - before.number <= _PARTS
    return near and len(line.line) <= _WIDEST and len(before.line) + 1 + first > _FULL * width


def mended(lines: Sequence[LogLine], torn: Callable[[LogLine], bool], reading: Reading) -> list[LogLine]:
    """Lines with the torn ones of maps whole again where there is one way to read them.

    :param torn: whether a line is, or may be, a part of a map's and no whole one.
    :param reading: what a line of a map means.
    """
    found = list(lines)
    at = trials = 0
    while at < len(found):
        if trials < _TRIALS and len(found[at].message) <= _LONGEST and torn(found[at]):
            put = _put_together(found, at, reading) or _put_together(found, at, reading, back=True)
            if put is not None:
                first, last, message = put
                found[first : last + 1] = [found[first]._replace(message=message, line=message)]
                at = first
            else:
                trials += 1
        at += 1
    return found


def _put_together(
    lines: Sequence[LogLine], at: int, reading: Reading, *, back: bool = False
) -> tuple[int, int, str] | None:
    """The first and last of the lines that make one with a torn one, and what they say; ``back``: it is the end."""
    for first, last, ways in _tries(lines, at, back=back):
        if back and reading(lines[first].message) is not None:  # a whole line has lost no end
            return None
        meanings: dict[str, str] = {}
        for text in ways:
            meaning = reading(text)
            if meaning is not None:
                meanings.setdefault(repr(meaning), text)
        if len(meanings) == 1:
            return first, last, next(iter(meanings.values()))
        if meanings:
            return None
    return None


def _tries(lines: Sequence[LogLine], at: int, *, back: bool) -> Iterator[tuple[int, int, Iterator[str]]]:
    """What may belong together, nearest first, and the ways to join it."""
    if back:
        for head in range(at - 1, max(at - 2 - _BETWEEN, -1), -1):
            if len(lines[head].message) <= _LONGEST:
                yield head, at, _cut(lines[head].message, lines[at])
        return
    yield at, at, _before_other(lines[at].message)
    for last in range(at + 1, min(at + _PARTS, len(lines))):
        if len(lines[last].line) > _LONGEST:
            break
        yield at, last, _wrapped([line.message for line in lines[at : last + 1]])
    for tail in range(at + 1, min(at + 2 + _BETWEEN, len(lines))):
        if len(lines[tail].line) <= _LONGEST:
            yield at, tail, _cut(lines[at].message, lines[tail])


def _before_other(text: str) -> Iterator[str]:
    """A line that is whole, before other output."""
    return (text[:at] for at in range(1, len(text)) if text[at:].startswith(_OTHER))


def _wrapped(parts: Sequence[str]) -> Iterator[str]:
    """Parts with or without a blank between each two; with one first."""
    for blanks in product((" ", ""), repeat=len(parts) - 1):
        yield parts[0] + "".join(blank + part for blank, part in zip(blanks, parts[1:], strict=True))


def _cut(head: str, tail: LogLine) -> Iterator[str]:
    """The beginning of a line, of which other output is taken off, and another line."""
    for end in {tail.message, tail.line}:
        for at in range(1, len(head) + 1):
            yield head[:at] + end
            yield f"{head[:at]} {end}"  # blanks at the beginning of a line do not come so far
