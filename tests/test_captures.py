"""What real kernels showed, and what we say they show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cases
import pytest
from softreserve.config import load
from softreserve.model.steps import KexecScenario, Step
from softreserve.plugins.selection import Selection
from softreserve.views.observe import observe

ARCHES = Selection().arches


def test_there_are_recorded_cases() -> None:
    assert cases.names()


@pytest.mark.parametrize("name", cases.names())
def test_a_recorded_boot_is_predicted(name: str, tmp_path: Path) -> None:
    """All that needs no program: boot, sysfs writes, module loads. The rest is in ``test_captures_clients.py``."""
    case = cases.unpack(name, tmp_path)
    scenario = load(case)
    if scenario.machine.arch not in ARCHES:
        pytest.skip(f"no plugin boots {scenario.machine.arch}")
    observe(scenario, tmp_path / "out", Selection().hooks_for)
    beyond_reach = list(_beyond_reach(tmp_path / "out", scenario.steps, scenario.kexec))
    wrong = cases.differences(case, tmp_path / "out", beyond_reach)
    assert not wrong, "\n".join(map(str, wrong))


def _beyond_reach(out: Path, steps: tuple[Step, ...], kexec: KexecScenario | None, prefix: str = "") -> Iterator[str]:
    """Observations that depend on a step that takes a program: that step was not run, and left no status."""
    reached = True
    for step in steps:
        where = f"{prefix}steps/{step.name}"
        reached = reached and (out / where / "status").exists()
        if not reached:
            yield f"{where}/*"
    if kexec is not None and not reached:
        yield f"{prefix}kexec/*"
    elif kexec is not None:
        yield from _beyond_reach(out, kexec.steps, kexec.kexec, f"{prefix}kexec/")
