"""What ``softreserve new-plugin`` writes is green from the first minute: as a wheel, against the contract kit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from softreserve.cli import main
from softreserve.cli.new_plugin import KINDS
from softreserve.plugins.hooks import installed

pytestmark = pytest.mark.slow

#: Plugins that those of a kind are nothing without.
NEEDS = {"dax": "hmem"}


def tool(name: str) -> str:
    """A program of this environment, or of the path."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or pytest.skip(
        f"needs {name}"
    )


def run(*words: object, cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_keeps_the_contract_of_its_kind(kind: str, tmp_path: Path) -> None:
    missing = NEEDS.get(kind, "") and NEEDS[kind] not in installed()
    if missing:
        pytest.skip(f"not installed here: softreserve-{NEEDS[kind]}")
    project = tmp_path / "project"
    assert main(["new-plugin", kind, f"new-{kind}", "-o", str(project)]) == 0
    run(tool("uv"), "build", "-q", "--wheel", "-o", tmp_path / "wheels", project, cwd=tmp_path)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    # beside what is installed, not into it: the environment stays what it is
    site = tmp_path / "site"
    run(
        tool("uv"),
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        site,
        "--python",
        sys.executable,
        wheel,
        cwd=tmp_path,
    )
    shutil.rmtree(project / "src")
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    run(*pytest_, cwd=project, PYTHONPATH=str(site))
