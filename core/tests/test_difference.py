"""Differences of files of lines: right whatever the lines are, the least where lines are alone, and in even time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.views.difference import unified_diff

NAMES = ("before", "after")

#: Few different lines, so that many are there twice.
LINES = st.lists(st.sampled_from("abcdef"), max_size=12)


def patched(old: list[str], diff: list[str]) -> list[str]:
    """What patch makes of the old lines; it looks at every line of context and at the numbers."""
    assert diff[:2] == ["--- before", "+++ after"]
    new: list[str] = []
    done = 0
    for line in diff[2:]:
        header = re.fullmatch(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@", line)
        if header:
            at, there = (int(header[n]) - (header[n + 1] != ",0") for n in (1, 3))
            new += old[done:at]
            done = at
            assert len(new) == there
        elif line[0] == "+":
            new.append(line[1:])
        else:
            assert old[done] == line[1:]
            new += [line[1:]] if line[0] == " " else []
            done += 1
    return new + old[done:]


@given(LINES, LINES, st.integers(0, 3))
def test_a_difference_makes_the_new_lines_of_the_old_ones(old: list[str], new: list[str], context: int) -> None:
    diff = list(unified_diff(iter(old), iter(new), NAMES, context))
    assert (patched(old, diff) if diff else old) == new
    assert bool(diff) == (old != new)


@given(st.permutations(range(9)), st.sets(st.integers(0, 8)), st.integers(0, 3))
def test_lines_that_are_alone_give_what_difflib_gives_or_less(order: list[int], gone: set[int], context: int) -> None:
    old = [f"line {n}" for n in range(9) if n not in gone]
    new = [f"line {n}" for n in order]
    ours = list(unified_diff(old, new, NAMES, context))
    theirs = list(difflib.unified_diff(old, new, *NAMES, n=context, lineterm=""))
    assert sum(line[0] in "+-" for line in ours) <= sum(line[0] in "+-" for line in theirs)


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)), st.integers(0, 3))
def test_sorted_lines_give_what_difflib_gives(before: set[int], after: set[int], context: int) -> None:
    old, new = ([f"{n:02} : System RAM" for n in sorted(numbers)] for numbers in (before, after))
    theirs = [line.rstrip("\n") for line in difflib.unified_diff(old, new, *NAMES, n=context)]
    assert list(unified_diff(old, new, NAMES, context)) == theirs


def test_what_is_equal_is_not_kept() -> None:
    """Files without an end: the first difference is found before more than its surroundings is read."""

    def lines() -> Iterator[str]:
        yield from (f"line {n}" for n in range(100_000))
        raise RuntimeError("read on")

    with pytest.raises(RuntimeError, match="read on"):
        next(unified_diff(lines(), lines(), NAMES, 1))


@pytest.mark.parametrize("alone", [True, False], ids=["lines-alone", "lines-in-pairs"])
def test_time_grows_with_the_lines_and_not_with_their_square(alone: bool) -> None:
    def seconds(count: int) -> float:
        old = [f"{n if alone else n // 2} : Soft Reserved" for n in range(count)]
        new = [line if n % 3 else f"{line} (kmem)" for n, line in enumerate(old)]
        start = process_time()
        diff = list(unified_diff(old, new, NAMES, 1))
        assert len(diff) > count // 2
        return process_time() - start

    seconds(1000)
    assert min(seconds(40_000) for _ in range(2)) < 60 * max(min(seconds(4_000) for _ in range(3)), 0.005)
