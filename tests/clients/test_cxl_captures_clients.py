"""The same for machines with CXL, which take as long as all others together: workers take whole files."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from hosts import assert_debians_programs_repeat

pytestmark = [pytest.mark.clients, pytest.mark.fuse, pytest.mark.slow]


@pytest.mark.parametrize("name", [name for name in cases.names() if cases.CXL in name])
def test_a_recorded_course_is_repeated_by_the_real_programs(name: str, tmp_path: Path) -> None:
    assert_debians_programs_repeat(cases.unpack(name, tmp_path), tmp_path / "out")
