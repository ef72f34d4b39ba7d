import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve_x86 import e820
from softreserve_x86.e820 import E820Table
from softreserve_x86.memmap_param import MemmapParameters

KERNEL = Kernel("6.12", "x86_64")
G = 1 << 30
EINVAL = 22


@pytest.fixture
def parameters() -> MemmapParameters:
    log = EventLog()
    t = E820Table(320, log)
    t.range_add(0, 4 * G, e820.RAM)
    t.range_add(4 * G, G, e820.SOFT_RESERVED)
    return MemmapParameters(t, log, KERNEL)


def ranges(parameters: MemmapParameters) -> list[tuple[int, int, int]]:
    return [(e.start, e.end, e.type) for e in parameters.table.entries if e.size]


def test_mem_removes_ram_from_an_address_on_and_leaves_soft_reserved_memory(parameters: MemmapParameters) -> None:
    assert parameters.parse_memopt("1G") == 0
    assert ranges(parameters) == [(0, G, e820.RAM), (4 * G, 5 * G, e820.SOFT_RESERVED)]
    assert parameters.max_mem_size == G


def test_mem_of_nothing_is_malformed_but_counts_as_a_map_of_the_user(parameters: MemmapParameters) -> None:
    assert parameters.parse_memopt("0") == -EINVAL
    assert parameters.userdef
    assert ranges(parameters)[0] == (0, 4 * G, e820.RAM)


def test_mem_nopentium_is_refused_before_anything_happens(parameters: MemmapParameters) -> None:
    assert parameters.parse_memopt("nopentium") == -EINVAL
    assert not parameters.userdef


@pytest.mark.parametrize(
    ("element", "added"),
    [
        ("1G@8G", e820.RAM),
        ("1G#8G", e820.ACPI),
        ("1G$8G", e820.RESERVED),
        ("1G!8G", e820.PRAM),
        ("1G%8G+0xefffffff", e820.SOFT_RESERVED),
    ],
)
def test_a_sign_says_which_type_is_added(parameters: MemmapParameters, element: str, added: int) -> None:
    assert parameters.parse_memmap_opt(element) == 0
    assert ranges(parameters)[-1] == (8 * G, 9 * G, added)


def test_text_after_an_added_range_does_not_matter_but_voids_a_change_of_type(parameters: MemmapParameters) -> None:
    parameters.parse_memmap_opt("1G@8Gx,1G%1G-1+2x")
    assert ranges(parameters) == [
        (0, 4 * G, e820.RAM),
        (4 * G, 5 * G, e820.SOFT_RESERVED),
        (8 * G, 9 * G, e820.RAM),
    ]


def test_the_old_type_must_come_before_the_new_one(parameters: MemmapParameters) -> None:
    before = ranges(parameters)
    parameters.parse_memmap_opt("1G%4G+1-0xefffffff")
    assert ranges(parameters) == before


def test_soft_reserved_memory_becomes_ram_only_when_its_type_is_named(parameters: MemmapParameters) -> None:
    parameters.parse_memmap_opt("1G%4G-0xefffffff+1")
    parameters.finish_early_params()
    assert ranges(parameters) == [(0, 5 * G, e820.RAM)]


def test_exactmap_with_one_region_panics(parameters: MemmapParameters) -> None:
    parameters.parse_memmap_opt("exactmap,1G@0")
    with pytest.raises(MachineError, match="Invalid user supplied memory map"):
        parameters.finish_early_params()


def test_nothing_is_sanitised_or_printed_without_a_word_of_the_user() -> None:
    log = EventLog()
    untouched = MemmapParameters(E820Table(320, log), log, KERNEL)
    assert untouched.parse_memmap_opt(None) == 0
    untouched.finish_early_params()
    assert log.lines == []


@given(st.text("0123456789KMGx@#$!%+-,efactmp", max_size=40))
def test_any_text_is_taken_unless_it_changes_a_type_into_itself(text: str) -> None:
    log = EventLog(recording=False)
    t = E820Table(320, log)
    t.range_add(0, 4 * G, e820.RAM)
    with contextlib.suppress(MachineError):
        assert MemmapParameters(t, log, KERNEL).parse_memmap_opt(text) == 0
