"""What changed between two files of lines, in time that grows with their length and not with its square.

Lines that both files have once hold them together, as many as are in the same order; only what lies between two of
those is compared line by line. Files of the kernel are full of them: a line has an address or a path.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise, zip_longest
from typing import Literal

__all__ = ["equal_lines", "unified_diff"]

#: Pairs of lines that are compared one by one; where there are more, and no line to hold on to, all of it changed.
_PAIRS_MAX = 1 << 20

_Tag = Literal["replace", "delete", "insert", "equal"]
_Opcode = tuple[_Tag, int, int, int, int]
_Pair = tuple[int, int]


def unified_diff(before: Iterable[str], after: Iterable[str], names: tuple[str, str], context: int) -> Iterator[str]:
    """Lines as of :func:`difflib.unified_diff`; none where nothing changed. What is equal at the start is not kept."""
    older, newer = iter(before), iter(after)
    kept: deque[str] = deque(maxlen=context)
    skipped = 0
    for pair in zip_longest(older, newer):
        if pair[0] != pair[1]:
            break
        kept.append(pair[0])
        skipped += 1
    else:
        return
    skipped -= len(kept)
    old = [*kept, *(line for line in pair[:1] if line is not None), *older]
    new = [*kept, *(line for line in pair[1:] if line is not None), *newer]
    yield f"--- {names[0]}"
    yield f"+++ {names[1]}"
    for group in _Opcodes(_opcodes(equal_lines(old, new), len(old), len(new))).get_grouped_opcodes(context):
        (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        spans = (skipped + old_start, old_end - old_start), (skipped + new_start, new_end - new_start)
        yield f"@@ -{_span(*spans[0])} +{_span(*spans[1])} @@"
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (f" {line}" for line in old[old_from:old_to])
            else:
                yield from (f"-{line}" for line in old[old_from:old_to])
                yield from (f"+{line}" for line in new[new_from:new_to])


def _span(start: int, length: int) -> str:
    """Lines as patch counts them, from 1 on; none at all stand after the line before them."""
    return f"{start + 1}" if length == 1 else f"{start + bool(length)},{length}"


class _Opcodes(SequenceMatcher[str]):
    """Lends the opcodes that were found its way of grouping them."""

    def __init__(self, found: list[_Opcode]) -> None:
        super().__init__()
        self._found = found

    def get_opcodes(self) -> list[_Opcode]:
        return self._found


def _opcodes(pairs: Iterable[_Pair], old_size: int, new_size: int) -> list[_Opcode]:
    """What to do with each part of the old lines, from pairs of equal lines, ascending."""
    found: list[_Opcode] = []
    old = new = 0  # all before is told
    for old_at, new_at in [*pairs, (old_size, new_size)]:
        if old < old_at or new < new_at:
            tag: _Tag = "replace" if old < old_at and new < new_at else "delete" if old < old_at else "insert"
            found.append((tag, old, old_at, new, new_at))
        if old_at == old_size:
            break
        if found and found[-1][0] == "equal":
            _, old_from, _, new_from, _ = found.pop()
        else:
            old_from, new_from = old_at, new_at
        old, new = old_at + 1, new_at + 1
        found.append(("equal", old_from, old, new_from, new))
    return found


def equal_lines(old: Sequence[str], new: Sequence[str]) -> list[_Pair]:
    """Positions of equal lines, ascending in both: as many as hold the two together."""
    found: list[_Pair] = []
    windows = [(0, len(old), 0, len(new))]
    while windows:
        old_from, old_to, new_from, new_to = windows.pop()
        while old_from < old_to and new_from < new_to and old[old_from] == new[new_from]:
            found.append((old_from, new_from))
            old_from, new_from = old_from + 1, new_from + 1
        while old_from < old_to and new_from < new_to and old[old_to - 1] == new[new_to - 1]:
            old_to, new_to = old_to - 1, new_to - 1
            found.append((old_to, new_to))
        if old_from == old_to or new_from == new_to:
            continue
        olds, news = old[old_from:old_to], new[new_from:new_to]
        anchors = [(old_from + at, new_from + there) for at, there in _anchors(olds, news)]
        if anchors:
            found += anchors
            edges = [(old_from - 1, new_from - 1), *anchors, (old_to, new_to)]
            windows += [(a + 1, c, b + 1, d) for (a, b), (c, d) in pairwise(edges)]
        elif len(olds) * len(news) <= _PAIRS_MAX:
            for at, there, size in SequenceMatcher(None, olds, news, autojunk=False).get_matching_blocks():
                found += [(old_from + at + n, new_from + there + n) for n in range(size)]
    return sorted(found)


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[_Pair]:
    """Lines that are once in both, as many as stand in the same order: the longest ascending run (patience)."""
    olds, news = Counter(old), Counter(new)
    places = {line: at for at, line in enumerate(new) if news[line] == 1}
    shared = [(at, places[line]) for at, line in enumerate(old) if olds[line] == 1 and line in places]
    ends: list[int] = []  # the lowest position in the new file at which a run of each length ends
    last: list[int] = []  # and the line of ``shared`` that stands there
    before: list[int] = []
    for number, (_, there) in enumerate(shared):
        length = bisect_left(ends, there)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [there]
        last[length : length + 1] = [number]
    run = []
    number = last[-1] if last else -1
    while number >= 0:
        run.append(shared[number])
        number = before[number]
    return run[::-1]
