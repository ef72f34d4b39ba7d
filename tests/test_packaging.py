"""The wheels fit together, and an environment holds what it is meant to hold."""

from __future__ import annotations

import ast
import os
import re
from importlib.metadata import distributions, entry_points
from pathlib import Path

import pytest
import wheels

EVERYTHING = wheels.FOLDERS + wheels.EXAMPLES


def test_all_wheels_have_one_version() -> None:
    assert len({wheels.project(folder)["version"] for folder in EVERYTHING}) == 1


@pytest.mark.parametrize("folder", EVERYTHING, ids=lambda folder: folder.name)
def test_a_package_says_the_version_of_its_wheel(folder: Path) -> None:
    text = (wheels.package(folder) / "__init__.py").read_text()
    (version,) = (
        node.value.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and [target.id for target in node.targets if isinstance(target, ast.Name)] == ["__version__"]
    )
    assert version == wheels.project(folder)["version"]


@pytest.mark.parametrize("folder", EVERYTHING, ids=lambda folder: folder.name)
def test_a_package_says_that_it_is_typed(folder: Path) -> None:
    assert (wheels.package(folder) / "py.typed").exists()


@pytest.mark.parametrize("folder", [f for f in EVERYTHING if f.name != "core"], ids=lambda folder: folder.name)
def test_a_plugin_depends_on_the_core_of_its_own_series_only(folder: Path) -> None:
    project = wheels.project(folder)
    major, minor, _ = project["version"].split(".")
    ours = [requirement for requirement in project["dependencies"] if requirement.startswith("softreserve")]
    assert ours == [f"softreserve>={major}.{minor},<{major}.{int(minor) + 1}"]


@pytest.mark.parametrize("folder", [f for f in EVERYTHING if f.name != "core"], ids=lambda folder: folder.name)
def test_a_plugin_declares_itself_and_what_it_is_for_with_the_same_object(folder: Path) -> None:
    groups = wheels.project(folder)["entry-points"]
    (value,) = groups["softreserve.plugins"].values()
    assert value == f"{wheels.package(folder).name}.plugin"
    purposes = [*groups.get("softreserve.arches", {}).values(), *groups.get("softreserve.defaults", {}).values()]
    assert set(purposes) == {value}


def test_requirements_for_development_name_every_wheel() -> None:
    text = (wheels.ROOT / "requirements-dev.txt").read_text()
    named = set(re.findall(r"^-e \./([\w/]+)", text, re.MULTILINE))
    assert named == {folder.relative_to(wheels.ROOT).as_posix() for folder in wheels.FOLDERS}


def test_the_environment_holds_the_plugins_that_it_is_meant_to_hold() -> None:
    """``SOFTRESERVE_EXPECT`` is set by tox: names of plugins, and nothing else may be there."""
    expected = os.environ.get("SOFTRESERVE_EXPECT")
    if expected is None:
        pytest.skip("SOFTRESERVE_EXPECT is not set: this is not an environment of the matrix")
    assert sorted(entry.name for entry in entry_points(group="softreserve.plugins")) == sorted(expected.split())
    found = {(d.name or "").lower() for d in distributions() if (d.name or "").lower().startswith("softreserve")}
    assert found == {"softreserve", *(f"softreserve-{name}" for name in expected.split())}
