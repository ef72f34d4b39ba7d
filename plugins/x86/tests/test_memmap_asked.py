"""What the command line asked for, element by element and byte by byte: ``lint`` compares it with what came of it."""

from __future__ import annotations

from errno import EINVAL

import pytest
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX
from softreserve_x86 import e820
from softreserve_x86.e820 import E820Table
from softreserve_x86.memmap_param import Asked, MemmapParameters

KERNEL = Kernel("6.12", "x86_64")
G = 1 << 30
#: What 32 bits are left of.
OVER = 1 << 32


@pytest.fixture
def parameters() -> MemmapParameters:
    table = E820Table(320, EventLog())
    table.range_add(0, 4 * G, e820.RAM)
    table.range_add(4 * G, G, e820.SOFT_RESERVED)
    return MemmapParameters(table, EventLog(), KERNEL)


@pytest.mark.parametrize(
    ("value", "start", "end", "type_", "present"),
    [
        ("1G@8G", 8 * G, 9 * G, e820.RAM, True),
        ("1G#8G", 8 * G, 9 * G, e820.ACPI, True),
        ("1G$8G", 8 * G, 9 * G, e820.RESERVED, True),
        ("1G!8G", 8 * G, 9 * G, e820.PRAM, True),
        ("1G%8G+7", 8 * G, 9 * G, e820.PMEM, True),
        ("1G%1G-1+2", G, 2 * G, e820.RAM, False),
        ("1G%4G-0xefffffff", 4 * G, 5 * G, e820.SOFT_RESERVED, False),
        ("1G%1G", G, 2 * G, 0, False),
        ("3G", 3 * G, U64_MAX, e820.RAM, False),
    ],
)
def test_an_element_asks_for_its_very_range(
    parameters: MemmapParameters, value: str, start: int, end: int, type_: int, present: bool
) -> None:
    assert parameters.parse_memmap_opt(value) == 0
    assert parameters.asked == [Asked(f"memmap={value}", start, end, type_, present)]
    assert parameters.ignored == []


def test_mem_asks_for_everything_above_to_go(parameters: MemmapParameters) -> None:
    assert parameters.parse_memopt("3G") == 0
    assert parameters.asked == [Asked("mem=3G", 3 * G, U64_MAX, e820.RAM, present=False)]


def test_exactmap_forgets_what_was_asked_before_it(parameters: MemmapParameters) -> None:
    parameters.parse_memmap_opt("1G@8G,exactmap,2G@1M")
    assert parameters.asked == [Asked("memmap=2G@1M", 1 << 20, 2 * G + (1 << 20), e820.RAM, present=True)]


@pytest.mark.parametrize("value", ["", "all", "1G%4G+2x", "1G%4G-1+2-", "1G%4G-1x"])
def test_what_is_no_element_asks_for_nothing_and_is_kept(parameters: MemmapParameters, value: str) -> None:
    parameters.parse_memmap_opt(value)
    assert (parameters.asked, parameters.ignored) == ([], [value])


@pytest.mark.parametrize(
    ("value", "types"),
    [
        (f"1G%4G-{0xEFFFFFFF + OVER}+{2 + OVER}", [e820.RAM, e820.RESERVED]),
        (f"1G%4G-{0xEFFFFFFF}+{0xFFFFFFFF}", [e820.RAM, 0xFFFFFFFF]),
        (f"1G%4G-{0xEFFFFFFF}+{OVER}", [e820.RAM]),  # nothing is left of the new type: the range goes
        (f"1G%4G-{OVER}+5", [e820.RAM, e820.SOFT_RESERVED, e820.UNUSABLE]),  # nor of the old one: it is added
    ],
)
def test_types_have_32_bits(parameters: MemmapParameters, value: str, types: list[int]) -> None:
    parameters.parse_memmap_opt(value)
    assert [entry.type for entry in parameters.table.entries if entry.size] == types


def test_a_type_may_be_given_as_any_number(parameters: MemmapParameters) -> None:
    """``simple_strtoull()`` with base 0: octal and hexadecimal too; the sign of a new type is no part of it."""
    parameters.parse_memmap_opt("1G%4G-0xefffffff+014")
    assert parameters.asked[0].type == e820.SOFT_RESERVED
    assert [entry.type for entry in parameters.table.entries if entry.size] == [e820.RAM, e820.PRAM]


def test_an_added_range_is_recorded_with_its_bounds() -> None:
    log = EventLog()
    MemmapParameters(E820Table(320, log), log, KERNEL).parse_memmap_opt("1G%8G+0xefffffff")
    (event,) = [event for event in log if event.function.endswith("parse_memmap_one")]
    assert (event.start, event.end, event.after) == (8 * G, 9 * G, "soft reserved")


# --- the map of a user


def said(log: EventLog) -> list[str]:
    return [line for line in log.lines if not line.startswith("e820: ")]


def of_user(*elements: str) -> tuple[MemmapParameters, EventLog]:
    log = EventLog()
    table = E820Table(320, log)
    table.range_add(0, 4 * G, e820.RAM)
    found = MemmapParameters(table, log, KERNEL)
    for element in elements:
        found.parse_memmap_opt(element)
    return found, log


def test_without_a_word_hot_added_memory_may_be_anywhere() -> None:
    found, _ = of_user()
    assert (found.max_mem_size, found.userdef) == (U64_MAX, False)


def test_mem_without_a_value_is_refused_and_changes_nothing() -> None:
    found, log = of_user()
    assert found.parse_memopt(None) == -EINVAL
    assert (found.max_mem_size, found.userdef, found.asked, log.lines) == (U64_MAX, False, [], [])


def test_mem_nopentium_is_for_others() -> None:
    found, log = of_user()
    assert found.parse_memopt("nopentium") == -EINVAL
    assert log.lines == ["mem=nopentium ignored! (only supported on x86_32)"]


def test_the_map_of_the_user_is_printed_sanitised() -> None:
    found, log = of_user("exactmap", "1G@2G,1G@1M")
    found.finish_early_params()
    assert said(log) == [
        "user-defined physical RAM map:",
        "user: [mem 0x0000000000100000-0x00000000400fffff] usable",
        "user: [mem 0x0000000080000000-0x00000000bfffffff] usable",
    ]


def test_exactmap_alone_is_a_map_of_the_user_and_no_kernel_starts_from_it() -> None:
    found, log = of_user("exactmap")
    with pytest.raises(MachineError, match="Invalid user supplied memory map"):
        found.finish_early_params()
    assert said(log) == ["Kernel panic - not syncing: Invalid user supplied memory map"]
