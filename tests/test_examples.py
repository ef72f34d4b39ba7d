"""The plugins in ``examples/`` are written as somebody outside would write them: with public names, and short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import softreserve as sr
import wheels

#: Lines of Python in all of a plugin's package, blank ones and comments included; a whole architecture takes more.
LONGEST = {"softreserve-riscv": 150}
LONG = 59


@pytest.mark.parametrize("folder", wheels.EXAMPLES, ids=lambda folder: folder.name)
class TestEachExample:
    def test_it_is_short(self, folder: Path) -> None:
        lines = sum(len(file.read_text().splitlines()) for file in wheels.package(folder).rglob("*.py"))
        assert lines <= LONGEST.get(folder.name, LONG)

    def test_it_uses_what_is_public_and_nothing_else(self, folder: Path) -> None:
        for file in wheels.package(folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "softreserve":
                    assert node.module == "softreserve"
                    assert {alias.name for alias in node.names} <= set(sr.__all__)
                if isinstance(node, ast.Import):
                    assert not [alias.name for alias in node.names if alias.name.startswith("softreserve.")]
                if isinstance(node, ast.Attribute):
                    is_face = isinstance(node.value, ast.Name) and node.value.id == "sr"
                    assert node.attr in sr.__all__ if is_face else not node.attr.startswith("_")

    def test_the_matrix_has_it(self, folder: Path) -> None:
        text = (wheels.ROOT / "tox.ini").read_text()
        assert f"examples/{folder.name}" in text.partition("thirdparty: python .ci/install.py")[2].partition("\n")[0]
        (plugin,) = wheels.project(folder)["entry-points"]["softreserve.plugins"]
        assert plugin in text.partition("thirdparty: SOFTRESERVE_EXPECT = ")[2].partition("\n")[0].split()
