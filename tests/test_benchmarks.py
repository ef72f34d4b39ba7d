"""Figures of benchmarks: when they fail, how they are kept, and the page that shows those of each release."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wheels
from ratios import Ratios, Row
from softreserve import __version__

BENCHMARKS = wheels.ROOT / "benchmarks"


@pytest.fixture
def tables() -> ModuleType:
    """``docs/benchmarks.py``."""
    spec = importlib.util.spec_from_file_location("docs_benchmarks", wheels.ROOT / "docs" / "benchmarks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_ratio_may_be_a_quarter_above_its_bound_and_no_more() -> None:
    rows: list[Row] = []
    ratios = Ratios(rows)
    ratios.check("a quarter above", lambda: 5.0, lambda: 2.0, bound=2)
    with pytest.raises(AssertionError, match=r"more: 2\.510 times its floor; 2 is its bound, 2\.500 the most"):
        ratios.check("more", lambda: 5.02, lambda: 2.0, bound=2)
    assert [(row.what, row.ratio, row.bound) for row in rows] == [("a quarter above", 2.5, 2), ("more", 2.51, 2)]


def pytest_run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run benchmarks that take no more than the core."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", BENCHMARKS / "test_peers.py", *arguments]
    return subprocess.run(command, cwd=wheels.ROOT, capture_output=True, text=True, check=False)


def test_figures_of_a_run_are_written_for_programs(tmp_path: Path) -> None:
    done = pytest_run("--benchmarks-json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stdout
    told = json.loads((tmp_path / "figures.json").read_text())
    assert (told["release"], told["python"]) == (__version__, ".".join(map(str, sys.version_info[:3])))
    assert [(figure["what"], figure["bound"]) for figure in told["figures"]] == [
        ("10,000 ranges merged beside intervaltree", 0.06),
        ("10,000 addresses looked up beside intervaltree", 0.18),
    ]
    assert all(0 < figure["ratio"] <= 1.25 * figure["bound"] for figure in told["figures"])


def test_a_folder_that_is_not_there_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    done = pytest_run("--benchmarks-json", tmp_path / "none" / "figures.json")
    assert done.returncode == 4
    assert f"ERROR: --benchmarks-json: {tmp_path / 'none'} is no directory" in done.stderr
    assert "ratios" not in done.stdout


def run(release: str, **ratios: float) -> dict[str, Any]:
    """What is kept of a release."""
    figures = [{"what": what, "ratio": ratio, "bound": ratio * 2} for what, ratio in ratios.items()]
    return {"release": release, "when": f"day {release}", "python": "3.11.2", "figures": figures}


def test_a_page_shows_releases_the_newest_first_and_figures_that_only_some_have(
    tables: ModuleType, tmp_path: Path
) -> None:
    for one in (run("0.9.0", old=2, both=3), run("0.10.0", both=1.23456, new=4)):
        (tmp_path / f"{one['release']}.json").write_text(json.dumps(one))
    assert [*tables.history(tables.releases(tmp_path))] == [
        "| times its floor | bound | 0.10.0 | 0.9.0 |",
        "|---|---|---|---|",
        "| both | 2.46912 | 1.23 | 3 |",
        "| new | 8 | 4 | - |",
        "| old | 4 | - | 2 |",
        "| *measured* | | day 0.10.0 | day 0.9.0 |",
        "| *Python* | | 3.11.2 | 3.11.2 |",
    ]


def test_the_tables_of_figures_are_up_to_date(tables: ModuleType) -> None:
    assert tables.page() == tables.PAGE.read_text(), "run: python docs/benchmarks.py"


def test_figures_of_this_release_are_kept() -> None:
    told = json.loads((BENCHMARKS / "history" / f"{__version__}.json").read_text())
    assert told["release"] == __version__
    assert all(figure["ratio"] <= 1.25 * figure["bound"] for figure in told["figures"])
