"""Recorded boots whose steps take real programs, as Debian 12 has them: everything must come out as it was recorded."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from hosts import assert_repeats, need, programs_of
from softreserve.config import load
from softreserve.live.shell import runner
from softreserve.plugins.selection import Selection

ARCHES = Selection().arches

pytestmark = [pytest.mark.clients, pytest.mark.fuse, pytest.mark.slow]


@pytest.mark.parametrize("name", cases.names())
def test_a_recorded_course_is_repeated_by_the_real_programs(name: str, tmp_path: Path) -> None:
    case = cases.unpack(name, tmp_path)
    scenario = load(case)
    need("daxctl", *programs_of(scenario))
    if scenario.machine.arch not in ARCHES:
        pytest.skip(f"no plugin boots {scenario.machine.arch}")
    assert_repeats(case, scenario, tmp_path / "out", runner)
