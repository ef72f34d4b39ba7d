import tracemalloc
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.placement import Placement, SlotArea
from softreserve.model.ranges import PhysRange
from softreserve.views.sampling import sample

M = 1 << 20
ALIGN = 2 * M


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    at, areas = 0, []
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0, 5000)) * ALIGN
        slots = draw(st.integers(0, 3000))
        end = at + (slots + 1) * ALIGN
        areas.append(SlotArea(PhysRange(at, end), slots, at if slots else None, "drawn"))
        at = end
    return Placement(tuple(areas), ALIGN, ALIGN, None, scaled=draw(st.booleans()))


TWO = Placement(
    areas=(
        SlotArea(PhysRange(16 * M, 32 * M), 8, 16 * M, "candidate"),
        SlotArea(PhysRange(32 * M, 64 * M), 0, None, "no"),
        SlotArea(PhysRange(1 << 32, (1 << 32) + 48 * M), 24, 1 << 32, "candidate"),
    ),
    size=ALIGN,
    align=ALIGN,
    address=None,
)


def test_slots_are_counted_through_the_areas() -> None:
    assert TWO.slots == 32
    assert TWO.slot_address(7) == 30 * M
    assert TWO.slot_address(8) == 1 << 32
    with pytest.raises(IndexError):
        TWO.slot_address(32)


def test_a_seed_is_scaled_or_divided() -> None:
    assert TWO.slot(0x80000000) == 16
    assert attrs.evolve(TWO, scaled=False).slot(0x80000001) == 1


@given(placements(), st.integers(1, 3000))
def test_every_draw_is_counted_once_in_areas_and_in_buckets(placement: Placement, count: int) -> None:
    drawn = sample(placement, count, Random(1))
    wanted = count if placement.slots else 0
    assert sum(drawn.hits) == wanted
    assert sum(bucket.hits for bucket in drawn.buckets) == wanted
    assert sum(bucket.slots for bucket in drawn.buckets) == placement.slots
    assert all(area.slots or not hits for area, hits in zip(placement.areas, drawn.hits, strict=True))
    assert len(drawn.buckets) <= 17


@given(placements().filter(lambda placement: placement.slots), st.integers(0, 2**32))
def test_a_count_is_what_seed_after_seed_gives(placement: Placement, start: int) -> None:
    random = Random(start)
    if placement.scaled:
        seeds = memoryview(random.getrandbits(32 * 50).to_bytes(200, "little")).cast("I")
    else:
        seeds = memoryview(random.getrandbits(64 * 50).to_bytes(400, "little")).cast("Q")
    addresses = [placement.slot_address(placement.slot(seed)) for seed in seeds]
    drawn = sample(placement, 50, Random(start))
    for bucket in drawn.buckets:
        assert bucket.hits == sum(bucket.start <= address < bucket.end for address in addresses)


def test_a_fixed_place_gets_every_draw() -> None:
    drawn = sample(attrs.evolve(TWO, fixed="nokaslr", address=(1 << 32) + ALIGN), 1000, Random(0))
    assert drawn.hits == (0, 0, 1000)


def test_a_fixed_place_outside_all_slots_is_counted_nowhere() -> None:
    drawn = sample(attrs.evolve(TWO, fixed="the loader's place", address=1 << 30), 1000, Random(0))
    assert drawn.hits == (0, 0, 0)


def test_memory_does_not_grow_with_the_number_of_draws() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        sample(TWO, count, Random(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(40_000)
    assert peak(160_000) < 1.5 * peak(40_000)


def test_who_waits_for_many_draws_is_told_how_many_there_were() -> None:
    told: list[int] = []
    sample(TWO, 100_000, Random(1), told.append)
    assert len(told) > 1
    assert sum(told) == 100_000
