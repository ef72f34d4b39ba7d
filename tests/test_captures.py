"""What real kernels showed, and what we say they show."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from small_machines import need
from softreserve.config import load
from softreserve.config.builds import default_config


def test_there_are_recorded_cases() -> None:
    assert cases.names()


@pytest.mark.parametrize("name", cases.names())
def test_a_recorded_boot_is_predicted(name: str, tmp_path: Path) -> None:
    """All that needs no program: boot, sysfs writes, module loads. The rest is in ``clients``."""
    case = cases.unpack(name, tmp_path)
    scenario = load(case)
    need(scenario.machine.arch)
    wrong = cases.mistakes(case, scenario, tmp_path / "out")
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", ["riscv64-6.12-two-node-hmat", "riscv64-7.2-two-node-hmat"])
def test_options_that_nobody_gives_are_those_of_the_recorded_build(name: str, tmp_path: Path) -> None:
    kernel = load(cases.unpack(name, tmp_path)).machine.kernel
    need(kernel.arch)
    assumed = default_config(kernel.arch, kernel.release)
    assert {option: assumed.get(option, "n") for option in kernel.config} == kernel.config
