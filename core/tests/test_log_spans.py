"""Ranges as kernel logs print them, with their last byte: from one byte to all there are, and never none."""

from __future__ import annotations

import pytest
from softreserve.config.log import parse_log
from softreserve.model.errors import InputError

LOG = """\
Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP
Command line: quiet
BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem {}] usable
smp: Brought up 1 node, 2 CPUs
"""


@pytest.mark.parametrize(
    ("span", "start", "size"),
    [
        ("0x0000000000100000-0x0000000000100000", 0x100000, 1),
        ("0x0000000000100000-0x00000000001fffff", 0x100000, 0x100000),
        ("0xffffffff00000000-0xffffffffffffffff", 0xFFFFFFFF00000000, 1 << 32),
    ],
)
def test_the_last_byte_is_part_of_a_range(span: str, start: int, size: int) -> None:
    e820 = parse_log(LOG.format(span)).machine.e820
    assert e820 is not None
    assert (e820[-1].start, e820[-1].size, len(e820)) == (start, size, 2)


@pytest.mark.parametrize(
    "span",
    [
        "0x0000000000100000-0x00000000000fffff",  # none
        "0x0000000000100000-0x000000000000ffff",  # ends before it starts
        "0x0000000000100000-0x1ffffffffffffffff",  # beyond the last address
    ],
)
def test_what_is_no_range_is_an_error_of_its_line(span: str) -> None:
    with pytest.raises(InputError, match=r"line 5: .*no range of memory"):
        parse_log(LOG.format(span))
