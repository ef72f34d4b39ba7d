from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve_x86 import e820
from softreserve_x86.e820 import E820Table

G = 1 << 30
MAX_ARCH_PFN = 1 << 34
PAGE = 0x1000


def table(*entries: tuple[int, int, int], capacity: int = 320) -> E820Table:
    made = E820Table(capacity, EventLog(recording=False))
    for start, end, e820_type in entries:
        made.range_add(start, end - start, e820_type)
    return made


def ranges(t: E820Table) -> list[tuple[int, int, int]]:
    return [(e.start, e.end, e.type) for e in t.entries]


# --- sanitising


def test_a_single_entry_is_not_worth_sanitising() -> None:
    t = table((0, G, e820.RAM))
    assert t.update_table() == -1


def test_an_entry_that_ends_at_the_last_address_makes_the_kernel_refuse_the_table() -> None:
    t = table((G, 0, e820.RAM))
    t.entries.clear()
    t.range_add(0, G, e820.RAM)
    t.range_add((1 << 64) - G, G, e820.RAM)
    assert t.update_table() == -1
    assert len(t.entries) == 2


def test_the_highest_type_wins_where_entries_overlap() -> None:
    t = table((0, 8 * G, e820.RAM), (2 * G, 4 * G, e820.RESERVED), (3 * G, 5 * G, e820.ACPI))
    assert t.update_table() == 0
    assert ranges(t) == [
        (0, 2 * G, e820.RAM),
        (2 * G, 3 * G, e820.RESERVED),
        (3 * G, 5 * G, e820.ACPI),
        (5 * G, 8 * G, e820.RAM),
    ]


def test_touching_ram_merges_and_touching_soft_reserved_memory_does_not() -> None:
    t = table(
        (0, G, e820.RAM), (G, 2 * G, e820.RAM), (2 * G, 3 * G, e820.SOFT_RESERVED), (3 * G, 4 * G, e820.SOFT_RESERVED)
    )
    t.update_table()
    assert ranges(t) == [(0, 2 * G, e820.RAM), (2 * G, 3 * G, e820.SOFT_RESERVED), (3 * G, 4 * G, e820.SOFT_RESERVED)]


def test_a_border_of_ram_hidden_under_soft_reserved_memory_cuts_it() -> None:
    t = table((0, 2 * G, e820.RAM), (2 * G, 4 * G, e820.RAM), (G, 3 * G, e820.SOFT_RESERVED))
    t.update_table()
    assert ranges(t) == [
        (0, G, e820.RAM),
        (G, 2 * G, e820.SOFT_RESERVED),
        (2 * G, 3 * G, e820.SOFT_RESERVED),
        (3 * G, 4 * G, e820.RAM),
    ]


def test_a_full_table_says_what_it_ignores() -> None:
    log = EventLog()
    t = E820Table(1, log)
    t.range_add(0, G, e820.RAM)
    t.range_add(G, G, e820.RAM)
    assert log.lines == ["too many entries; ignoring [mem 0x40000000-0x7fffffff]"]


PAGES = st.integers(0, 64)
TYPES = st.sampled_from([e820.RAM, e820.RESERVED, e820.ACPI, e820.PMEM, e820.PRAM, e820.SOFT_RESERVED])
ENTRIES = st.lists(st.tuples(PAGES, PAGES, TYPES), min_size=2, max_size=12)


@given(ENTRIES)
def test_a_sanitised_table_says_of_every_page_the_highest_type(entries: Any) -> None:
    t = table(*((start * PAGE, (start + pages) * PAGE, kind) for start, pages, kind in entries))
    assert t.update_table() == 0
    found = {}
    for start, end, kind in ranges(t):
        assert start < end
        for page in range(start // PAGE, end // PAGE):
            assert page not in found, "sanitised entries overlap"
            found[page] = kind
    wanted: dict[int, int] = {}
    for start, pages, kind in entries:
        for page in range(start, start + pages):
            wanted[page] = max(kind, wanted.get(page, 0))
    assert found == wanted
    assert ranges(t) == sorted(ranges(t))


@given(ENTRIES)
def test_sanitising_twice_changes_nothing_more(entries: Any) -> None:
    t = table(*((start * PAGE, (start + pages) * PAGE, kind) for start, pages, kind in entries))
    t.update_table()
    once = ranges(t)
    t.update_table()
    assert ranges(t) == once


# --- editing


def test_an_update_inside_an_entry_leaves_its_head_and_appends_the_rest() -> None:
    t = table((0, 4 * G, e820.RAM))
    assert t.range_update(G, G, e820.RAM, e820.SOFT_RESERVED) == G
    assert ranges(t) == [(0, G, e820.RAM), (G, 2 * G, e820.SOFT_RESERVED), (2 * G, 4 * G, e820.RAM)]


def test_an_update_to_the_same_type_kills_the_kernel() -> None:
    with pytest.raises(MachineError):
        table((0, G, e820.RAM)).range_update(0, G, e820.RAM, e820.RAM)


def test_removing_a_whole_entry_leaves_an_empty_slot() -> None:
    t = table((0, G, e820.RAM), (G, 2 * G, e820.RESERVED))
    assert t.range_remove(0, 2 * G, e820.RAM, check_type=True) == G
    assert ranges(t) == [(0, 0, 0), (G, 2 * G, e820.RESERVED)]


@given(ENTRIES, PAGES, PAGES)
def test_remove_takes_away_as_many_bytes_as_it_says(entries: Any, first: int, pages: int) -> None:
    t = table(*((start * PAGE, (start + pages) * PAGE, kind) for start, pages, kind in entries))
    before = sum(e.size for e in t.entries)
    removed = t.range_remove(first * PAGE, pages * PAGE, 0, check_type=False)
    assert sum(e.size for e in t.entries) == before - removed
    assert not t.mapped_any(first * PAGE, (first + pages) * PAGE, 0)


# --- asking


def test_the_largest_gap_below_4_gib_is_found_and_the_lower_of_equal_ones() -> None:
    t = table((0, G, e820.RAM), (2 * G, 3 * G, e820.RESERVED))
    assert t.search_gap(4 << 20) == (G, G)
    assert table((0, 4 * G, e820.RAM)).search_gap(4 << 20) is None


def test_end_of_ram_looks_at_the_types_that_it_is_told_only() -> None:
    t = table((0, G, e820.RAM), (G, 2 * G, e820.ACPI), (4 * G, 8 * G, e820.SOFT_RESERVED))
    assert t.end_pfn(MAX_ARCH_PFN, frozenset({e820.RAM}), MAX_ARCH_PFN) == G >> 12
    assert t.end_pfn(MAX_ARCH_PFN, frozenset({e820.RAM, e820.ACPI}), MAX_ARCH_PFN) == 2 * G >> 12


def test_mapped_all_follows_touching_entries_and_stops_at_a_hole() -> None:
    t = table((0, G, e820.RAM), (G, 2 * G, e820.RAM), (3 * G, 4 * G, e820.RAM))
    assert t.mapped_all(0, 2 * G, e820.RAM)
    assert not t.mapped_all(0, 4 * G, e820.RAM)
