"""A machine of 64 TiB has 524,288 memory blocks; what is done with all of them costs what it costs with a few."""

from __future__ import annotations

from large_machines import BLOCK, GIB, MEMORY, TIB, onlined, write
from ratios import Ratios, timed
from softreserve.kernel.system import System
from softreserve.machine.snapshot import state_lines

LARGE = (48 * TIB, 16 * TIB)
SMALL = (48 * GIB, 16 * GIB)


def test_64_tib_boot_and_go_online_as_fast_as_64_gib(ratios: Ratios) -> None:
    blocks = onlined(*LARGE).memory.blocks
    assert len(blocks) > 500_000
    assert sum(1 for _ in blocks) < 10
    ratios.check(
        "64 TiB booted and online beside 64 GiB",
        timed(lambda: onlined(*LARGE)),
        timed(lambda: onlined(*SMALL)),
        bound=1.2,
    )


def test_the_state_of_64_tib_is_told_as_fast_as_that_of_64_gib(ratios: Ratios) -> None:
    large, small = onlined(*LARGE), onlined(*SMALL)
    ratios.check(
        "state of 64 TiB beside that of 64 GiB",
        timed(lambda: [state_lines(large) for _ in range(100)]),
        timed(lambda: [state_lines(small) for _ in range(100)]),
        bound=1.2,
    )


def test_single_blocks_go_offline_and_online_wherever_they_are(ratios: Ratios) -> None:
    """Every second block, so that ranges of blocks that are alike become many."""

    def toggle(system: System, start: int, count: int, times: int) -> None:
        first = start // BLOCK
        for state in ("offline", "online_movable") * times:
            for block in range(first, first + 2 * count, 2):
                write(system, f"{MEMORY}/memory{block}/state", state)

    large, small = onlined(*LARGE), onlined(*SMALL)
    ratios.check(
        "2,000 blocks toggled in 64 TiB beside 40 times 50 in 64 GiB",
        timed(lambda: toggle(large, LARGE[0], 2000, 1)),
        timed(lambda: toggle(small, SMALL[0], 50, 40)),
        bound=1.3,
    )
