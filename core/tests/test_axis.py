"""The broken axis of addresses: nothing on it is too small to be seen, and nothing changes places."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.ranges import merged
from softreserve.views.picture.axis import Axis
from softreserve.views.picture.lanes import Stretch
from softreserve.views.picture.svg import bars

KIB, GIB, TIB = 1 << 10, 1 << 30, 1 << 40
TOP = 1 << 64

addresses = st.integers(0, TOP) | st.integers(0, 1 << 20).map(lambda page: page * 4096)
spans = st.lists(st.tuples(addresses, addresses).filter(lambda s: s[0] < s[1]), max_size=30).map(merged)


def axis_over(found: list[tuple[int, int]], most: int | None = None, least: int = 16) -> Axis:
    return Axis.over({at: 0 for span in found for at in span}, found, least=least, most=most)


@given(spans, st.none() | st.integers(1, 10))
def test_every_piece_can_be_seen_and_they_follow_each_other(found: list[tuple[int, int]], most: int | None) -> None:
    axis = axis_over(found, most)
    assert all(piece.length >= 16 for piece in axis.pieces)
    assert all(a.end == b.start and a.at + a.length == b.at for a, b in pairwise(axis.pieces))
    if found:
        assert (axis.pieces[0].start, axis.pieces[-1].end) == (found[0][0], found[-1][1])
    if most is not None:
        assert len(axis.pieces) <= most
    inside = {at for span in found for at in span} - {at for piece in axis.pieces for at in (piece.start, piece.end)}
    assert sum(piece.folded for piece in axis.pieces) == len(inside)


@given(spans.filter(bool), st.lists(addresses))
def test_places_grow_with_addresses_and_lead_back(found: list[tuple[int, int]], some: list[int]) -> None:
    axis = axis_over(found)
    ends = [at for span in found for at in span]
    places = [axis.place(at) for at in sorted({*some, *ends})]
    assert places == sorted(places)
    assert all(0 <= place <= axis.length for place in places)
    assert [axis.address(axis.place(at)) for at in ends] == ends
    for at in some:
        if found[0][0] <= at < found[-1][1]:
            piece = next(piece for piece in axis.pieces if piece.start <= at < piece.end)
            assert piece.at <= axis.place(at) <= piece.at + piece.length
            assert piece.start <= axis.address(axis.place(at)) <= piece.end


@given(spans)
def test_the_axis_is_broken_where_nothing_is(found: list[tuple[int, int]]) -> None:
    holes = {(a[1], b[0]) for a, b in pairwise(found)}
    assert {(piece.start, piece.end) for piece in axis_over(found).pieces if piece.empty} == holes


def test_a_hole_of_a_page_and_a_range_of_a_terabyte_are_both_seen() -> None:
    axis = axis_over([(0, TIB), (TIB + 4 * KIB, 2 * TIB)])
    low, hole, high = axis.pieces
    assert hole.empty
    assert (hole.start, hole.end, hole.length) == (TIB, TIB + 4 * KIB, 16)
    assert 16 < low.length < 100
    assert 16 < high.length < 100


def test_what_matters_more_is_drawn_first_and_the_rest_evenly() -> None:
    cuts = {page * 4096: 0 for page in range(1001)}
    cuts[77 * 4096] = cuts[78 * 4096] = 2
    axis = Axis.over(cuts, [(0, 1000 * 4096)], most=10)
    drawn = [piece.start // 4096 for piece in axis.pieces]
    assert {77, 78} <= set(drawn)
    assert len(axis.pieces) == 10
    assert max(b - a for a, b in pairwise([*drawn, 1000])) < 300
    assert sum(piece.folded for piece in axis.pieces) == 1001 - 11


def test_pieces_of_a_range_are_found() -> None:
    axis = axis_over([(0, GIB), (2 * GIB, 3 * GIB)])
    assert list(axis.between(0, 1)) == [0]
    assert list(axis.between(GIB, 2 * GIB)) == [1]
    assert list(axis.between(GIB - 1, 2 * GIB + 1)) == [0, 1, 2]
    assert list(axis.between(3 * GIB, 4 * GIB)) == []


def test_an_axis_of_nothing_has_no_length() -> None:
    axis = axis_over([])
    assert not axis.pieces
    assert axis.length == axis.place(5) == 0


@given(spans.filter(bool), spans.filter(bool), st.none() | st.integers(1, 12))
def test_bars_of_a_lane_follow_each_other_and_stand_for_every_stretch(
    found: list[tuple[int, int]], others: list[tuple[int, int]], most: int | None
) -> None:
    """Whatever else lies on the axis, and however much of it is folded away."""
    every = [*found, *others]
    axis = Axis.over({at: 0 for span in every for at in span}, merged(every), most=most)
    stretches = [Stretch(start, end, "x", "ram") for start, end in found]
    drawn = list(bars(stretches, axis))
    assert all(bar.bottom - bar.top >= 16 for bar in drawn)
    assert all(a.bottom <= b.top for a, b in pairwise(drawn))
    assert drawn[0].top >= 0
    assert drawn[-1].bottom <= axis.length
    told = {number for bar in drawn for number in range(bar.number, bar.last + 1)}
    assert told == set(range(len(stretches)))
    if most is None:
        places = [(int(axis.place(start)), int(axis.place(end))) for start, end in found]
        assert [(bar.top, bar.bottom) for bar in drawn] == places
