"""Numbers as the kernel reads them."""

from __future__ import annotations

from errno import EINVAL, ERANGE

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX, get_option, kstrtoull, memparse, simple_strtoull


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("4G", 4 << 30, ""),
        ("4g@1G", 4 << 30, "@1G"),
        ("0x10E", 0x10E, ""),  # E is a hexadecimal digit before it is a suffix
        ("0x10k", 0x4000, ""),
        ("010K", 8 << 10, ""),  # a leading zero means octal
        ("08", 0, "8"),
        ("0x", 0, "x"),  # no digit follows: octal zero, and the x stays
        ("", 0, ""),
        ("nopentium", 0, "nopentium"),
        ("1Kb", 1024, "b"),  # only the suffix letter is consumed
        ("16E", (16 << 60) & U64_MAX, ""),
    ],
)
def test_memparse_reads_like_the_kernel(text: str, value: int, rest: str) -> None:
    assert memparse(text) == (value, rest)


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("4g@1G", 4 << 30, "@1G"),
        ("16E", U64_MAX, ""),
        ("15E", 15 << 60, ""),
        ("18014398509481984K@1", U64_MAX, "@1"),
        ("18446744073709551617K", 1024, ""),  # the digits alone still wrap around
        ("K", 0, "K"),
        ("0K", 0, ""),
    ],
)
def test_memparse_of_today_saturates_and_wants_a_number_before_the_suffix(text: str, value: int, rest: str) -> None:
    """``lib/cmdline.c: memparse`` of 7.2."""
    assert memparse(text, saturates=True) == (value, rest)


@pytest.mark.parametrize(("release", "value"), [("6.12", 0), ("7.2", U64_MAX)])
def test_a_kernel_knows_how_it_reads_sizes(release: str, value: int) -> None:
    assert Kernel(release, "x86_64").memparse("16E") == (value, "")


def test_explicit_base_16_skips_an_optional_prefix() -> None:
    assert simple_strtoull("0xff-1", 16) == (0xFF, "-1")
    assert simple_strtoull("ff-1", 16) == (0xFF, "-1")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1", 1),
        ("+1\n", 1),
        ("0x10", 16),
        ("010", 8),
        ("1\n\n", -EINVAL),
        ("1 ", -EINVAL),
        ("-1", -EINVAL),
        ("", -EINVAL),
        ("\n", -EINVAL),
        ("1G", -EINVAL),
        ("0x", -EINVAL),
        ("18446744073709551615", U64_MAX),
        ("18446744073709551616", -ERANGE),
        ("18446744073709551616x", -ERANGE),  # overflow is noticed before the garbage behind it
    ],
)
def test_kstrtoull_takes_a_number_and_one_newline(text: str, result: int) -> None:
    assert kstrtoull(text) == result


@given(st.integers(0, U64_MAX))
def test_every_64_bit_number_survives_in_each_base(value: int) -> None:
    assert kstrtoull(str(value)) == kstrtoull(hex(value)) == kstrtoull(f"{value:x}", 16) == value


@given(st.text())
def test_no_text_makes_a_parser_raise(text: str) -> None:
    assert 0 <= memparse(text)[0] <= U64_MAX
    assert kstrtoull(text) <= U64_MAX


def test_numbers_beyond_64_bits_wrap_or_are_the_largest() -> None:
    """``lib/kstrtox.c: _parse_integer_limit`` of 6.12 and of 7.2, ``arch/x86/boot/string.c``."""
    assert simple_strtoull("18446744073709551617:") == (1, ":")
    assert simple_strtoull("18446744073709551617:", saturates=True) == (U64_MAX, ":")
    old, new = Kernel("6.12", "x86_64"), Kernel("7.2", "x86_64")
    assert [kernel.memparse("0x10000000000000001@")[0] for kernel in (old, new)] == [1, U64_MAX]
    assert [kernel.simple_strtoull("0x10000000000000001")[0] for kernel in (old, new)] == [1, U64_MAX]
    assert memparse("0x10000000000000001K", saturates=True) == (1024, "")
    assert memparse("0x40000000000000K", saturates=True) == (U64_MAX, "")


def test_a_minus_sign_is_taken_even_where_no_number_follows() -> None:
    """``lib/cmdline.c: get_option``: the text has moved on before it is seen that nothing was read."""
    assert get_option("-x,1") == (0, 0, "x,1")
    assert get_option("x,1") == (0, 0, "x,1")
    assert get_option("-18446744073709551616,1") == (2, 0, "1")
    assert get_option("-18446744073709551616,1", saturates=True) == (2, 1, "1")
