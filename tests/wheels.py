"""The wheels of this repository, as their metadata says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

#: Folders with a distribution in them.
FOLDERS = sorted(path.parent for path in [*ROOT.glob("core/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")])
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/softreserve-*/pyproject.toml"))
#: Of the former, the one that is a plugin of pytest and none of ours.
PYTEST = ROOT / "plugins" / "pytest"


def table(folder: Path) -> dict[str, Any]:
    """The ``pyproject.toml`` of a folder."""
    return tomllib.loads((folder / "pyproject.toml").read_text())


def project(folder: Path) -> dict[str, Any]:
    """The ``[project]`` table of a folder."""
    found: dict[str, Any] = table(folder)["project"]
    return found


def that_boots(arch: str) -> str:
    """The folder, from the root, of the wheel with the plugin that boots an architecture."""
    groups = ((folder, project(folder).get("entry-points", {})) for folder in [*FOLDERS, *EXAMPLES])
    return next(
        folder.relative_to(ROOT).as_posix() for folder, group in groups if arch in group.get("softreserve.arches", {})
    )


def package(folder: Path) -> Path:
    """The package of a folder."""
    (found,) = (folder / "src").iterdir()
    return found
