"""Recorded boots whose steps take real programs, as Debian 12 has them: everything must come out as it was recorded."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from hosts import assert_debians_programs_repeat
from small_machines import ARCHES

#: What these begin with is booted by an example, which CI's environment with the programs does not have.
OUTSIDERS = "riscv64-"
NAMES = [
    name
    for name in cases.names()
    if cases.CXL not in name and (not name.startswith(OUTSIDERS) or OUTSIDERS.rstrip("-") in ARCHES)
]

pytestmark = [pytest.mark.clients, pytest.mark.fuse, pytest.mark.slow]


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_course_is_repeated_by_the_real_programs(name: str, tmp_path: Path) -> None:
    assert_debians_programs_repeat(cases.unpack(name, tmp_path), tmp_path / "out")
