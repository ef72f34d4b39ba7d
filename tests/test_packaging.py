"""The wheels fit together, and an environment holds what it is meant to hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import distributions, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import softreserve
import wheels
from softreserve.cli.manual import page_names

EVERYTHING = wheels.FOLDERS + wheels.EXAMPLES
PLUGINS = [folder for folder in EVERYTHING if folder.name not in ("core", wheels.PYTEST.name)]


def test_all_wheels_have_the_version_of_the_core() -> None:
    """It stands in one place; an example, which is somebody else's, has a version of its own."""
    for folder in wheels.FOLDERS:
        assert "version" in wheels.project(folder)["dynamic"]
        path = (folder / wheels.table(folder)["tool"]["hatch"]["version"]["path"]).resolve()
        assert path == wheels.ROOT / "core" / "src" / "softreserve" / "__init__.py"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """``{folder: [wheel, sdist]}``."""
    uv = shutil.which("uv") or pytest.skip("needs uv: pip install uv")
    found = {}
    for folder in EVERYTHING:
        out = tmp_path_factory.mktemp(folder.name)
        # with an sdist the wheel is made from it: what the sdist lacks would be missing
        run = subprocess.run([uv, "build", "-q", "-o", out, folder], capture_output=True, text=True)
        if run.returncode and "hatchling" in run.stderr:
            pytest.skip("needs hatchling from a package index")
        assert run.returncode == 0, run.stderr
        found[folder.name] = [*out.glob("*.whl"), *out.glob("*.tar.gz")]
    return found


def hatch_wheel(folder: Path) -> dict[str, Any]:
    """What a folder says of its wheel."""
    found: dict[str, Any] = wheels.table(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]
    return found


def test_a_built_wheel_holds_its_package_and_licence_and_nothing_else(built: dict[str, list[Path]]) -> None:
    for folder in EVERYTHING:
        package = wheels.package(folder)
        with zipfile.ZipFile(built[folder.name][0]) as archive:
            names = archive.namelist()
            info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
            metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
            licence = archive.read(f"{info}/licenses/LICENSE").decode()
        inside = {name for name in names if not name.startswith(info)}
        sources = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        shared = [*hatch_wheel(folder).get("shared-data", {}).values()]
        if "custom" in hatch_wheel(folder).get("hooks", {}):
            shared += [f"share/man/man1/{name}.1" for name in page_names()]
        data = {f"{info.removesuffix('.dist-info')}.data/data/{place}" for place in shared}
        assert inside == {f"{package.name}/{path.relative_to(package).as_posix()}" for path in sources} | data
        assert licence == (wheels.ROOT / "LICENSE").read_text()
        assert metadata["Version"] == softreserve.__version__
        assert metadata["License-Expression"] == "MIT"
        assert metadata.get_payload(), f"{folder.name}: no description"


def test_a_source_distribution_holds_its_licence(built: dict[str, list[Path]]) -> None:
    for folder in EVERYTHING:
        with tarfile.open(built[folder.name][1]) as archive:
            assert any(name.endswith("/LICENSE") for name in archive.getnames())


@pytest.mark.parametrize("folder", EVERYTHING, ids=lambda folder: folder.name)
def test_a_package_says_that_it_is_typed(folder: Path) -> None:
    assert (wheels.package(folder) / "py.typed").exists()


@pytest.mark.parametrize("folder", [f for f in EVERYTHING if f.name != "core"], ids=lambda folder: folder.name)
def test_a_plugin_depends_on_the_core_of_its_own_series(folder: Path) -> None:
    """Ours on nothing else of ours; somebody else's may, where it is nothing without another plugin."""
    major, minor, _ = softreserve.__version__.split(".")
    series = f">={major}.{minor},<{major}.{int(minor) + 1}"
    ours = [requirement for requirement in wheels.project(folder)["dependencies"] if requirement.startswith("softre")]
    assert ours[0] == f"softreserve{series}"
    assert all(requirement.endswith(series) for requirement in ours)
    assert len(ours) == 1 or folder in wheels.EXAMPLES


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_declares_itself_and_what_it_is_for_with_the_same_object(folder: Path) -> None:
    groups = wheels.project(folder)["entry-points"]
    (value,) = groups["softreserve.plugins"].values()
    assert groups["softreserve.api"] == dict.fromkeys(groups["softreserve.plugins"], str(softreserve.API))
    assert value == f"{wheels.package(folder).name}.plugin"
    purposes = [*groups.get("softreserve.arches", {}).values(), *groups.get("softreserve.defaults", {}).values()]
    assert set(purposes) <= {value}
    assert purposes or folder in wheels.EXAMPLES, "nothing loads it"


def test_the_wheel_for_pytest_names_a_module_of_the_core_by_which_it_can_be_asked_for_too() -> None:
    (group,) = wheels.project(wheels.PYTEST)["entry-points"].values()
    assert group == {"softreserve.testing.pytest": "softreserve.testing.pytest"}
    assert find_spec("softreserve.testing.pytest")


@pytest.mark.parametrize("folder", wheels.FOLDERS, ids=lambda folder: folder.name)
def test_a_wheel_names_the_interpreters_of_the_matrix(folder: Path) -> None:
    tried = re.findall(r"^    py\{?([\d,]+)\}?-(?:\{|all$)", (wheels.ROOT / "tox.ini").read_text(), re.MULTILINE)
    versions = [f"{number[0]}.{number[1:]}" for number in ",".join(tried).split(",")]
    named = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", c) for c in wheels.project(folder)["classifiers"]
    ]
    assert [match[1] for match in named if match] == versions
    assert wheels.project(folder)["requires-python"] == f">={versions[0]}"


def test_requirements_for_development_name_every_wheel_and_the_architecture_among_the_examples() -> None:
    text = (wheels.ROOT / "requirements-dev.txt").read_text()
    named = set(re.findall(r"^-e \./([\w/-]+)", text, re.MULTILINE))
    ours = {folder.relative_to(wheels.ROOT).as_posix() for folder in wheels.FOLDERS}
    assert named == ours | {"examples/softreserve-riscv"}


def test_the_environment_holds_the_plugins_that_it_is_meant_to_hold() -> None:
    """``SOFTRESERVE_EXPECT`` is set by tox: names of plugins, and nothing else may be there."""
    expected = os.environ.get("SOFTRESERVE_EXPECT")
    if expected is None:
        pytest.skip("SOFTRESERVE_EXPECT is not set: this is not an environment of the matrix")
    plugins = {entry.name for entry in entry_points(group="softreserve.plugins")}
    assert plugins == {*expected.split()} - {wheels.PYTEST.name}
    found = [d for d in distributions() if (d.name or "").lower().startswith("softreserve")]
    names = {"softreserve", *(f"softreserve-{name}" for name in expected.split())}
    assert {d.name.lower() for d in found} == names
    for name in names:
        package = find_spec(name.replace("-", "_"))
        assert package
        assert Path(package.origin or "").is_relative_to(sys.prefix), (
            "it comes out of the source tree, not out of a wheel"
        )
