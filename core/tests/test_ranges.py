"""Arithmetic of spans, by hand and against bytes counted one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.ranges import joined, merged, onward, uncovered

Span = tuple[int, int]
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 13)).map(lambda found: (found[0], sum(found))))


def held(spans: list[Span]) -> set[int]:
    return {byte for start, end in spans for byte in range(start, end)}


def test_spans_that_touch_are_merged_and_others_are_not() -> None:
    assert merged([(8, 9), (0, 4), (4, 6), (1, 2)]) == [(0, 6), (8, 9)]
    assert merged([]) == []


@given(SPANS)
def test_merged_spans_hold_the_same_bytes(spans: list[Span]) -> None:
    found = merged(spans)
    assert held(found) == held(spans)
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(SPANS, st.integers(0, 40), st.integers(0, 12))
def test_what_is_not_covered_is_what_no_span_holds(spans: list[Span], start: int, size: int) -> None:
    gaps = list(uncovered(start, start + size, merged(spans)))
    assert held(gaps) == set(range(start, start + size)) - held(spans)
    assert gaps == merged(gaps)


def test_neighbours_become_one_where_they_can() -> None:
    def as_one(word: str, following: str) -> str | None:
        return word + following if word[0] == following[0] else None

    assert list(joined(["a1", "a2", "b1", "a3", "a4"], as_one)) == ["a1a2", "b1", "a3a4"]
    assert list(joined([], as_one)) == []


class Counted(Sequence[int]):
    """Numbers that count how often somebody looks at one."""

    def __init__(self, length: int) -> None:
        self.length, self.looks = length, 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, at: Any) -> Any:
        self.looks += 1
        return range(self.length)[at]


def test_who_goes_on_from_a_place_looks_at_nothing_before_it() -> None:
    numbers = Counted(1000)
    assert list(onward(numbers, 997)) == [997, 998, 999]
    assert numbers.looks == 3
    assert list(onward(numbers, 1000)) == []
