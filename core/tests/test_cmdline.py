"""The command line, split as the kernel splits it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.cmdline import CommandLine, next_arg


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b=c  d", [("a", None), ("b", "c"), ("d", None)]),
        ('a="x y" b', [("a", "x y"), ("b", None)]),
        ('"a=x y" b', [("a", "x y"), ("b", None)]),
        ('a=x" y"z', [("a", 'x" y"z')]),  # quotes inside a value protect white space and stay
        ("a=b=c", [("a", "b=c")]),
        ("=x", [("=x", None)]),  # an = at the very beginning does not split
        ("a=", [("a", "")]),
        ('a=""', [("a", "")]),
        ("quiet -- init=1", [("quiet", None)]),
        ("\t a\n", [("a", None)]),
        ("", []),
    ],
)
def test_words_are_split_like_next_arg(text: str, words: list[tuple[str, str | None]]) -> None:
    assert [(p.name, p.value) for p in CommandLine(text)] == words


def test_repeated_parameters_keep_their_order() -> None:
    line = CommandLine("memmap=1G@4G mem=2G memmap=exactmap memmap")
    assert line.all("memmap") == ("1G@4G", "exactmap", None)
    assert line.last("mem") == "2G"


def test_dash_and_underscore_are_the_same_in_names() -> None:
    line = CommandLine("log-buf_len=1M")
    assert line.last("log_buf-len") == "1M"
    assert line.has("log_buf_len")
    assert not line.has("log_buf")


def test_appending_keeps_what_was_there() -> None:
    assert CommandLine("a").appended("b=c").text == "a b=c"
    assert CommandLine().appended("b").text == "b"


@given(st.text(alphabet='ab=" \t-', max_size=40))
def test_splitting_always_ends_and_never_loses_a_plain_word(text: str) -> None:
    rest = text.lstrip(" \t")
    while rest:
        _, shorter = next_arg(rest)
        assert len(shorter) < len(rest)
        rest = shorter


def test_a_ten_megabyte_line_is_split_in_linear_time() -> None:
    assert len(CommandLine("x=" + "y" * 10_000_000).parameters) == 1
    assert len(CommandLine("ab " * 100_000).parameters) == 100_000
