"""Lines of real kernels' logs that follow from the machine and that the masks of ``compare.py`` leave out."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cases
import pytest
from small_machines import ARM64, need
from softreserve.config import load
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import sample_machine

ARCHES = Selection().arches
LOGS = Path(__file__).with_name("data") / "logs"
#: Beginnings of the lines compared.
FOLLOWS: Final = re.compile(r"On node \d+, zone |Built \d+ zonelists|PM: .*Registered nosave memory: ")


def following(lines: Iterable[str], pattern: re.Pattern[str] = FOLLOWS) -> list[str]:
    """The lines compared, without the time in front of them."""
    return [line for line in (re.sub(r"^\[ *\d+\.\d+\] ", "", line) for line in lines) if pattern.match(line)]


def booted(path: Path) -> System:
    machine = load(path).machine
    if machine.arch not in ARCHES:
        pytest.skip(f"no plugin boots {machine.arch}")
    return boot(machine, Selection().hooks_for(machine), recording=False)


@pytest.mark.parametrize("name", cases.names())
def test_pages_of_recorded_boots_are_counted(name: str, tmp_path: Path) -> None:
    case = cases.unpack(name, tmp_path)
    said = following((case / "expected" / "log.txt").read_text().splitlines())
    assert said
    # what hibernation leaves out was not kept of these logs
    assert [line for line in following(booted(case).log.lines) if not line.startswith("PM: ")] == said


@pytest.mark.parametrize("name", sorted(path.name for path in LOGS.iterdir()))
def test_lines_of_whole_logs_are_predicted(name: str, tmp_path: Path) -> None:
    log = tmp_path / name.removesuffix(".xz")
    log.write_bytes(lzma.decompress((LOGS / name).read_bytes()))
    said = following(log.read_text().splitlines())
    assert said
    assert following(booted(log).log.lines) == said


@pytest.mark.parametrize(
    ("release", "says"),
    [
        ("5.4", ["Zeroed struct page in unavailable ranges: 96 pages"]),
        ("5.10.0-30-arm64", ["On node 0, zone DMA: 96 pages in unavailable ranges"]),
        (
            "5.14",
            [
                "On node 0, zone DMA: 96 pages in unavailable ranges",
                "On node 0, zone DMA: 3840 pages in unavailable ranges",
            ],
        ),
    ],
)
def test_only_mapped_memory_of_arm64_had_pages(release: str, says: list[str]) -> None:
    """To 5.13 a hole had pages up to the end of the 2 MiB in which mapped memory ends.

    The one from 640 KiB on has all 96; the one behind the runtime services' memory, which is not mapped, has none.
    """
    need(ARM64)
    machine = sample_machine(ARM64, release=release)
    lines = boot(machine, Selection().hooks_for(machine)).log.lines
    assert [line for line in lines if "unavailable" in line] == says
