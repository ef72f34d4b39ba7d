"""The projects in ``examples/testing-*`` are those of outsiders, who test their tools on machines: their tests pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wheels
from softreserve.plugins.selection import Selection

PROJECTS = sorted(wheels.ROOT.glob("examples/testing-*"))
#: What they need of ours.
NEEDED = ("x86", "arm64", "hmem")

pytestmark = [pytest.mark.fuse, pytest.mark.clients]


def run(*words: object, cwd: Path, path: str = os.environ["PATH"]) -> str:
    """Both outputs of a program that must end with 0, in an environment that knows nothing of ours."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SOFTRESERVE"))}
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**others, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def told_by_pytest(python: object, *options: str, cwd: Path) -> str:
    """What pytest says of the copies of all projects in a folder."""
    for project in PROJECTS:
        shutil.copytree(project, cwd / project.name, ignore=shutil.ignore_patterns("__pycache__"))
    (cwd / "pytest.ini").touch()  # no settings of a folder further out
    return run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, cwd=cwd)


def test_there_are_a_shell_tool_a_c_program_and_a_python_tool() -> None:
    assert [project.name for project in PROJECTS] == ["testing-c", "testing-python", "testing-shell"]


@pytest.mark.slow
def test_their_tests_pass_here(tmp_path: Path) -> None:
    if not set(NEEDED) <= set(Selection().installed):
        pytest.skip("not installed here: softreserve-x86, softreserve-arm64, softreserve-hmem")
    told = told_by_pytest(sys.executable, "-p", "softreserve.testing.pytest", "--softreserve-require", cwd=tmp_path)
    assert "skipped" not in told


@pytest.mark.slow  # it fills an environment of its own, from a package index
def test_their_tests_pass_in_an_environment_of_their_own_with_wheels_only(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    uv = shutil.which("uv", path=path) or pytest.skip("needs uv: pip install uv")
    python = tmp_path / "environment" / "bin" / "python"
    run(uv, "venv", "-q", "--python", sys.executable, tmp_path / "environment", cwd=tmp_path)
    plugins = [f"plugins/{name}" for name in (*NEEDED, "pytest")]
    run(python, wheels.ROOT / ".ci" / "install.py", "core[testing]", *plugins, cwd=tmp_path, path=path)
    folder = tmp_path / "outside"
    folder.mkdir()
    assert "skipped" not in told_by_pytest(python, "--softreserve-require", cwd=folder)
    run(
        *(python, "-m", "softreserve", "shell", "example:two-node", "--cmdline", "+memhp_default_state=offline", "--"),
        *("sh", "testing-shell/tests/movable.t"),
        cwd=folder,
    )
