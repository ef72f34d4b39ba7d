"""What ``crashkernel=`` asks for. Expected values: by hand from ``kernel/crash_reserve.c``."""

from __future__ import annotations

from errno import EINVAL, ENOENT

import pytest
from softreserve.kernel.kexec.crash_reserve import ParseError, Parser
from softreserve.model.kernel import Kernel

MIB, GIB = 1 << 20, 1 << 30


def parser(cmdline: str, release: str = "7.3", ram: int = 4 * GIB) -> Parser:
    return Parser(Kernel(release, "x86_64"), cmdline, ram)


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("64M", (64 * MIB, 0)),
        ("64M@16M", (64 * MIB, 16 * MIB)),
        ("64M@", (64 * MIB, 0)),
        ("512M-2G:64M,2G-:128M", (128 * MIB, 0)),
        ("512M-8G:64M,2G-:128M", (64 * MIB, 0)),  # the first that fits
        ("4G-:64M@32M", (64 * MIB, 32 * MIB)),  # a start counts, an end does not
        ("4G-5G:64M,1G-4G:96M", (64 * MIB, 0)),
    ],
)
def test_a_size_alone_or_by_the_machine_s_memory(value: str, asked: tuple[int, int]) -> None:
    assert parser(f"quiet crashkernel={value} debug").plain() == asked


def test_memory_counts_in_steps_of_128_mib() -> None:
    """Firmware keeps a little for itself: 4 GiB less 1 MiB are 4 GiB."""
    assert parser("crashkernel=4G-:64M", ram=4 * GIB - MIB).plain() == (64 * MIB, 0)
    assert parser("crashkernel=4G-:64M", ram=4 * GIB - 128 * MIB).plain() == (0, 0)


def test_no_range_for_so_much_memory_is_said() -> None:
    found = parser("crashkernel=8G-:64M")
    assert found.plain() == (0, 0)
    assert found.notes == ["crashkernel size resulted in zero bytes"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "crashkernel: memory value expected"),
        ("64Mx", "crashkernel: unrecognized char: x"),
        ("1G-2G", "crashkernel: unrecognized char: -"),
        ("1G:64M", "crashkernel: '-' expected"),
        ("-2G:64M", "crashkernel: Memory value expected"),
        ("1G-x:64M", "crashkernel: Memory value expected"),
        ("2G-1G:64M", "crashkernel: end <= start"),
        ("1G-2G,3G-:64M", "crashkernel: ':' expected"),
        ("1G-8G:", "crashkernel: Memory value expected"),
        ("1G-8G:4G", "crashkernel: invalid size"),
        ("1G-8G:64M@x", "crashkernel: Memory value expected after '@'"),
    ],
)
def test_what_is_not_understood_is_said(value: str, words: str) -> None:
    with pytest.raises(ParseError) as caught:
        parser(f"crashkernel={value}").plain()
    assert (str(caught.value), caught.value.errno) == (words, EINVAL)


def test_the_last_of_each_form_counts() -> None:
    found = parser("crashkernel=1G,high crashkernel=64M crashkernel=2G,high crashkernel=96M,low crashkernel=32M")
    assert found.plain() == (32 * MIB, 0)
    assert (found.with_suffix(",high"), found.with_suffix(",low")) == (2 * GIB, 96 * MIB)
    assert found.optional(",cma", 7) == 7
    with pytest.raises(ParseError) as caught:
        parser("crashkernel=1G,high").plain()
    assert caught.value.errno == ENOENT


@pytest.mark.parametrize(
    ("value", "words"), [("x,high", "memory value expected"), ("1Gx,high", "unrecognized char: x")]
)
def test_a_suffix_that_is_not_behind_a_size_is_said(value: str, words: str) -> None:
    with pytest.raises(ParseError, match=f"crashkernel: {words}"):
        parser(f"crashkernel={value}").optional(",high", 0)


def test_cma_is_a_form_of_its_own_since_6_17() -> None:
    assert parser("crashkernel=64M,cma").with_suffix(",cma") == 64 * MIB
    with pytest.raises(ParseError, match="unrecognized char: ,"):
        parser("crashkernel=64M,cma", "6.12").plain()
