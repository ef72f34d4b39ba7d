"""Who may know whom: a plugin imports the core and nothing else of ours, the core imports no plugin."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import wheels

CORE = "softreserve"
SOURCES = {wheels.package(folder).name: wheels.package(folder) for folder in wheels.FOLDERS + wheels.EXAMPLES}
PLUGINS = sorted(set(SOURCES) - {CORE})


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.lineno, node.module or ""


def ours(package: str) -> list[tuple[str, str]]:
    """``(place, top-level package)`` of every import of one of our packages."""
    return [
        (f"{path.relative_to(wheels.ROOT)}:{line}", module.partition(".")[0])
        for path in sorted(SOURCES[package].rglob("*.py"))
        for line, module in imports(path)
        if module.partition(".")[0] in SOURCES
    ]


def test_there_are_wheels() -> None:
    assert CORE in SOURCES
    assert len(PLUGINS) > 4


def test_the_core_imports_no_plugin() -> None:
    assert [place for place, module in ours(CORE) if module != CORE] == []


@pytest.mark.parametrize("package", PLUGINS)
def test_a_plugin_imports_the_core_and_itself(package: str) -> None:
    assert [place for place, module in ours(package) if module not in (CORE, package)] == []


def test_the_core_knows_no_plugin_by_name() -> None:
    names = "|".join(name.removeprefix("softreserve_") for name in PLUGINS)
    pattern = re.compile(rf"softreserve[_-]({names})\b")
    found = [
        f"{path.relative_to(wheels.ROOT)}:{number}"
        for path in sorted(SOURCES[CORE].rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("package", PLUGINS)
def test_loading_a_plugin_imports_little(package: str) -> None:
    """What stands at the top of the module with the hooks is imported at every boot: nothing slow, no third party."""
    slow = {"rich", "jinja2", "cattrs", "intervaltree", "numpy", "joblib", "importlib.metadata"}
    tree = ast.parse((SOURCES[package] / "plugin.py").read_text())
    names = {
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert not names & slow
