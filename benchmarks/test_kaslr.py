"""Drawing places for the kernel image: as fast as random numbers come, and in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest
from ratios import Ratios, timed
from softreserve.model.placement import Placement
from softreserve.plugins.hooks import load
from softreserve.testing.machines import sample_machine
from softreserve.views.sampling import sample

DRAWS = 1_000_000


@pytest.fixture
def placement() -> Placement:
    found = load(["x86"]).stub_place_image(sample_machine("x86_64"), 1)
    assert found is not None
    return found


def test_a_draw_costs_a_few_random_numbers(placement: Placement, ratios: Ratios) -> None:
    def numbers() -> None:
        draw = Random(0).getrandbits
        for _ in range(DRAWS):
            draw(32)

    ratios.check(
        f"{DRAWS:,} KASLR draws beside as many random numbers",
        timed(lambda: sample(placement, DRAWS, Random(0))),
        timed(numbers),
        bound=4.4,
        rounds=3,
    )


def test_memory_does_not_grow_with_the_number_of_draws(placement: Placement) -> None:
    def peak(draws: int) -> int:
        tracemalloc.start()
        sample(placement, draws, Random(0))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(DRAWS) < 1.5 * peak(DRAWS // 10)
