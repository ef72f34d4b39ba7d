"""What is said of behaviours, and how they are known."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cases
import hosts
import pytest
import run_vectors
import wheels
from softreserve.config import load
from softreserve.live.shell import runner
from softreserve.model.errors import PluginError, SoftReserveError
from softreserve.model.kernel import Kernel
from softreserve.model.release import Behaviour, Release
from softreserve.plugins.behaviours import GROUP, behaviours
from softreserve.plugins.entrypoints import entry_points
from softreserve.plugins.selection import Selection
from softreserve.views.observe import observe

VECTORS = Path(__file__).with_name("data") / "vectors"
INSTALLED = behaviours()
ALL = [behaviour for found in INSTALLED.values() for behaviour in found]
WHEELS = {"softreserve", "x86", "arm64", "hmem", "cxl"}
EVIDENCE = re.compile(r"captured (with programs )?[\w.-]+|vectors [\w-]+ [\d.]+|source read [\d.]+|from history")


class Side(NamedTuple):
    """One side of a boundary, one piece of evidence for it, and whether the behaviour is there on that side."""

    behaviour: Behaviour
    evidence: str
    applies: bool

    def __str__(self) -> str:
        return f"{self.behaviour.name}: {self.evidence}"


def sides() -> Iterator[Side]:
    for behaviour in ALL:
        for boundary, before in ((behaviour.since, False), (behaviour.until, True)):
            if boundary is not None:
                for text, applies in ((boundary.older, before), (boundary.newer, not before)):
                    yield from (Side(behaviour, evidence, applies) for evidence in text.split("; "))


SIDES = list(sides())
_WITH_PROGRAMS = "captured with programs "
CAPTURED = [side for side in SIDES if side.evidence.startswith("captured") and _WITH_PROGRAMS not in side.evidence]
CAPTURED_WITH_PROGRAMS = [side for side in SIDES if side.evidence.startswith(_WITH_PROGRAMS)]
BY_VECTORS = [side for side in SIDES if side.evidence.startswith("vectors")]


def recorded(name: str) -> str:
    """The mainline release of a capture, which its name tells; a kernel that was built for it is of 6.1."""
    found = re.match(r"\w+-(\d+\.\d+)-", name)
    return found[1] if found else "6.1"


@pytest.mark.parametrize("side", SIDES, ids=str)
def test_a_side_of_a_boundary_stands_on_evidence_of_that_side(side: Side) -> None:
    assert EVIDENCE.fullmatch(side.evidence)
    kind, _, where = side.evidence.partition(" ")
    if kind == "from":
        return
    if kind == "captured":
        where = where.removeprefix("with programs ")
        assert where in cases.names()
        release = recorded(where)
    else:
        family, release = where.split(" ")
        assert kind == "source" or family in map(run_vectors.family_of, VECTORS.iterdir())
    assert side.behaviour.applies_to(Release.parse(release)) is side.applies


@pytest.mark.parametrize("behaviour", ALL, ids=lambda b: b.name)
def test_what_6_1_and_6_12_do_is_never_known_from_history_alone(behaviour: Behaviour) -> None:
    old, new = (behaviour.applies_to(Release.parse(release)) for release in ("6.1", "6.12"))
    if old != new:
        boundary = behaviour.since if new else behaviour.until
        assert boundary is not None
        assert "from history" not in boundary.older + boundary.newer


def turned(monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, release: str) -> None:
    """Let kernels of a release behave the other way."""
    has = Kernel.has

    def other_way(kernel: Kernel, asked: Behaviour) -> bool:
        return has(kernel, asked) != (asked is behaviour and kernel.base == release)

    monkeypatch.setattr(Kernel, "has", other_way)


def needs(side: Side) -> None:
    """Skip where what boots or computes it is not installed."""
    for name, module in (("x86", "softreserve_x86"), ("arm64", "softreserve_arm64")):
        if name in side.evidence or side.evidence.startswith("vectors"):
            pytest.importorskip(module, reason=f"needs the {name} plugin: pip install ./plugins/{name}")


@pytest.mark.parametrize("side", BY_VECTORS, ids=str)
def test_vectors_hold_what_they_are_said_to_hold(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(side)
    _, family, release = side.evidence.split(" ")
    turned(monkeypatch, side.behaviour, release)
    module = run_vectors.module_of(family)
    files = [path for path in sorted(VECTORS.iterdir()) if run_vectors.family_of(path) == family]
    found = (case for path in files for _, case in run_vectors.cases(path))
    assert any(run_vectors.judge(case, run_vectors.answer(module, case)) for case in found)


@pytest.mark.parametrize("side", CAPTURED, ids=str)
def test_a_recorded_boot_shows_what_it_is_said_to_show(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs(side)
    case = cases.unpack(side.evidence.removeprefix("captured "), tmp_path)
    scenario = load(case)
    turned(monkeypatch, side.behaviour, scenario.machine.kernel.base)
    try:
        noticed = bool(cases.mistakes(case, scenario, tmp_path / "out"))
    except SoftReserveError:  # then it cannot even be booted
        noticed = True
    assert noticed


@pytest.mark.clients
@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.parametrize("side", CAPTURED_WITH_PROGRAMS, ids=str)
def test_a_recorded_boot_with_programs_shows_what_it_is_said_to_show(
    side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a program is run before the difference shows."""
    needs(side)
    hosts.need("daxctl")
    case = cases.unpack(side.evidence.removeprefix(_WITH_PROGRAMS), tmp_path)
    scenario = load(case)
    turned(monkeypatch, side.behaviour, scenario.machine.kernel.base)
    if not_run := observe(scenario, tmp_path / "out", Selection().hooks_for, runner):
        hosts.unavailable("; ".join(not_run))
    assert cases.differences(case, tmp_path / "out", [])


# --- where they live


def test_a_constant_has_the_name_of_its_behaviour() -> None:
    for entry in entry_points([GROUP]):
        for name, value in vars(entry.load()).items():
            if isinstance(value, Behaviour):
                assert name == value.name.upper().replace("-", "_")


def test_two_behaviours_of_one_name_are_refused_with_who_brings_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_wheel(tmp_path, 'SORT = Behaviour("sort-takes-pairs", "again")')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="acme: there is a behaviour 'sort-takes-pairs' already"):
        behaviours()


def test_a_third_party_adds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_wheel(tmp_path, 'NEW = Behaviour("acme-new", "what it is", since=Boundary("6.17", "", "", ""))')
    monkeypatch.syspath_prepend(tmp_path)
    assert [behaviour.name for behaviour in behaviours()["acme"]] == ["acme-new"]


def add_wheel(folder: Path, text: str) -> None:
    """Something like an installed wheel that brings behaviours, and takes one of the core's into its module."""
    monkey = folder / "acme-1.0.dist-info"
    monkey.mkdir()
    (monkey / "entry_points.txt").write_text(f"[{GROUP}]\nacme = acme_{folder.name}\n")
    (folder / f"acme_{folder.name}.py").write_text(
        "from softreserve.model.behaviours import SORT_TAKES_PAIRS\n"
        f"from softreserve.model.release import Behaviour, Boundary\n{text}\n"
    )


def asked(folder: Path) -> Iterator[str]:
    """The constant of every ``has(...)`` in a folder."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "has":
                for argument in node.args:
                    if isinstance(argument, ast.Attribute | ast.Name):
                        yield argument.attr if isinstance(argument, ast.Attribute) else argument.id


def test_every_behaviour_is_asked_for_and_none_in_many_places() -> None:
    """Who asks three times should choose a class once."""
    names = {behaviour.name.upper().replace("-", "_") for behaviour in ALL}
    counts = Counter(name for folder in wheels.FOLDERS for name in asked(wheels.package(folder)) if name in names)
    assert names == set(counts)
    assert {name: count for name, count in counts.items() if count > 2} == {}


def test_the_tables_in_the_documentation_are_up_to_date() -> None:
    if missing := WHEELS - set(INSTALLED):
        pytest.skip(f"needs all wheels: pip install {' '.join(f'./plugins/{name}' for name in sorted(missing))}")
    path = wheels.ROOT / "docs" / "releases.py"
    spec = importlib.util.spec_from_file_location("docs_releases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == path.with_name("releases.md").read_text(), "run: python docs/releases.py"
