"""Areas of contiguous memory. Expected values: by hand from ``kernel/dma/contiguous.c`` and ``mm/cma.c``."""

from __future__ import annotations

import pytest
from small_machines import MIB, machine, settled
from softreserve.kernel.mm.cma import CMA
from softreserve.kernel.system import System

CMA_OPTIONS = {"CMA": "y", "DMA_CMA": "y", "DMA_NUMA_CMA": "y", "CMA_SIZE_MBYTES": "0", "CMA_SIZE_PERNUMA": "n"}


def booted(cmdline: str, **options: str) -> System:
    return settled(machine("x86_64", "7.3", cmdline, config={**CMA_OPTIONS, **options}))


def said(system: System) -> list[str]:
    return [line.partition(" at 0x")[0] for line in system.log.lines if line.startswith("cma: ")]


@pytest.mark.parametrize(
    ("cmdline", "lines"),
    [
        ("quiet", []),
        ("cma", ["cma: Config string not provided"]),
        ("cma=64M", ["cma: Reserved 64 MiB"]),
        ("cma=64M cma=32M", ["cma: Reserved 32 MiB"]),
        ("numa_cma=0:16M", ["cma: Reserved 16 MiB"]),
        # node 1 is possible, and has no memory before its devices are bound
        ("numa_cma=1:16M", ["cma: invalid node 1 specified"]),
        ("numa_cma=0:16M,x,1:16M", ["cma: Reserved 16 MiB"]),
        ("cma_pernuma=8M numa_cma=0:16M", ["cma: Reserved 16 MiB", "cma: invalid node 1 specified"]),
    ],
)
def test_what_is_asked_for_is_reserved_or_refused_in_words(cmdline: str, lines: list[str]) -> None:
    assert said(booted(cmdline)) == lines


def test_an_area_that_fits_nowhere_is_refused() -> None:
    """The limit is the end of DRAM, 5 GiB; areas above 4 GiB are looked for first."""
    (refused, failed) = said(booted("cma=8G"))
    assert refused.startswith("cma: Size (0x0000000200000000) of region")
    assert failed == "cma: Failed to reserve 8192 MiB"


def test_a_place_that_is_asked_for_is_taken_as_it_is() -> None:
    area = booted("cma=64M@0x120000000-0x124000000").stash[CMA].default
    assert area is not None
    assert (area.start, area.size) == (0x120000000, 64 * MIB)
