"""The contract kit: right plugins pass, wrong ones do not, and no plugin is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_WRONG = """
from softreserve.model.handoff import Handoff
from softreserve.plugins.hookspecs import hookimpl
from softreserve_riscv.plugin import *

@hookimpl
def softreserve_stub_handoff(machine):
    return {answer}
"""


def contract(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the contract with ``path`` before everything else on the path, in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "softreserve.testing.plugin"]
    where = os.pathsep.join([str(path), *(entry for entry in sys.path if entry)])
    environment = os.environ | {"PYTHONPATH": where}
    command += ["--import-mode=importlib"]  # else pytest puts its own site-packages before everything
    command += ["--pyargs", "softreserve.testing.contract", *options]
    return subprocess.run(command, env=environment, cwd=path, capture_output=True, text=True, check=False)


def test_a_right_plugin_passes(demo: Path) -> None:
    run = contract(demo, "--softreserve-plugin", "riscv")
    assert run.returncode == 0, run.stdout
    assert "TestArch" not in run.stdout


def test_an_unknown_plugin_is_an_error_that_says_what_is_installed(demo: Path) -> None:
    run = contract(demo, "--softreserve-plugin", "riscf")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "riscf" in run.stderr
    assert "installed: " in run.stderr
    assert "riscv" in run.stderr.rpartition("installed: ")[2]


@pytest.mark.parametrize(
    ("answer", "red"),
    [
        ("Handoff(machine.efi_map)", "test_it_leaves_other_architectures_alone"),
        ("Handoff(None) if machine.arch == ARCH else None", "test_specific_purpose_memory_is_soft_reserved"),
        ("'e820' if machine.arch == ARCH else None", "test_specific_purpose_memory_is_soft_reserved"),
        (
            "Handoff(machine.efi_map.replaced(d for d in machine.efi_map if not d.is_special_purpose))"
            " if machine.arch == ARCH else None",
            "test_specific_purpose_memory_is_soft_reserved",
        ),
    ],
)
def test_a_wrong_plugin_turns_it_red(demo: Path, answer: str, red: str) -> None:
    (demo / "wrong.py").write_text(_WRONG.format(answer=answer))
    entries = demo / "softreserve_riscv-0.1.0.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace("softreserve_riscv.plugin", "wrong"))
    run = contract(demo, "--softreserve-plugin", "riscv", "-k", red)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert red in run.stdout
    assert "plugin riscv: softreserve_" in run.stdout
