"""Lines of two files side by side: equal ones, and those that stand for each other."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from softreserve.views.difference import equal_lines

__all__ = ["Pair", "side_by_side", "words_of"]

#: Places in what was observed and in what was predicted; ``None``: no such line.
Pair = tuple[int | None, int | None]

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+|\b[0-9a-f]{6,}\b")


def words_of(line: str) -> str:
    """A line without its numbers."""
    return _NUMBER.sub("#", line)


def side_by_side(observed: Sequence[str], predicted: Sequence[str], *, ordered: bool) -> list[Pair]:
    """Pair lines: equal ones first, then those that differ in their numbers only; the rest stand alone.

    :param ordered: whether equal lines count only where they stand in the same order.
    """
    equal = equal_lines(observed, predicted) if ordered else _equal_anywhere(observed, predicted)
    if not ordered:
        olds, news = {old for old, _ in equal}, {new for _, new in equal}
        others = [at for at in range(len(observed)) if at not in olds]
        return [*equal, *_alike(observed, predicted, others, [at for at in range(len(predicted)) if at not in news])]
    found: list[Pair] = []
    for (old, new), (old_to, new_to) in pairwise([(-1, -1), *equal, (len(observed), len(predicted))]):
        if old >= 0:
            found.append((old, new))
        found += _alike(observed, predicted, range(old + 1, old_to), range(new + 1, new_to))
    return found


def _equal_anywhere(observed: Sequence[str], predicted: Sequence[str]) -> list[tuple[int, int]]:
    places: dict[str, deque[int]] = defaultdict(deque)
    for at, line in enumerate(predicted):
        places[line].append(at)
    return [(at, places[line].popleft()) for at, line in enumerate(observed) if places[line]]


def _alike(
    observed: Sequence[str], predicted: Sequence[str], olds: Iterable[int], news: Iterable[int]
) -> Iterator[Pair]:
    """Pairs of lines of the same words; then what has no partner."""
    partners: dict[str, deque[int]] = defaultdict(deque)
    for at in news:
        partners[words_of(predicted[at])].append(at)
    for at in olds:
        same = partners[words_of(observed[at])]
        yield at, same.popleft() if same else None
    for lonely in partners.values():
        for at in lonely:
            yield None, at
