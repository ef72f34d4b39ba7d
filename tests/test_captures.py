"""What real kernels showed, and what we say they show."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from softreserve.config import load
from softreserve.plugins.selection import Selection

ARCHES = Selection().arches


def test_there_are_recorded_cases() -> None:
    assert cases.names()


@pytest.mark.parametrize("name", cases.names())
def test_a_recorded_boot_is_predicted(name: str, tmp_path: Path) -> None:
    """All that needs no program: boot, sysfs writes, module loads. The rest is in ``clients``."""
    case = cases.unpack(name, tmp_path)
    scenario = load(case)
    if scenario.machine.arch not in ARCHES:
        pytest.skip(f"no plugin boots {scenario.machine.arch}")
    wrong = cases.mistakes(case, scenario, tmp_path / "out")
    assert not wrong, "\n".join(map(str, wrong))
