"""``softreserve new-plugin``: whole projects, or nothing; that they are green is tried where wheels are."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import softreserve as sr
from softreserve.cli import main
from softreserve.cli.new_plugin import KINDS, project

#: What the help, and the issue that asked for it, say.
ALL = ("arch", "numa", "dax", "policy", "kexec", "lint", "cli", "importer", "emitter")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_a_template_for_each_kind() -> None:
    assert tuple(KINDS) == ALL


@pytest.mark.parametrize("kind", ALL)
def test_a_project_is_written_whole(kind: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-plugin", kind, "my-own"]) == 0
    assert "pip install -e './softreserve-my-own[test]' && pytest ./softreserve-my-own\n" in capsys.readouterr().out
    root = here / "softreserve-my-own"
    files = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert files == dict(project(kind, "my-own"))
    assert not [text for text in files.values() if re.search(r"\$\w|\$\{", text)]
    table = tomllib.loads(files["pyproject.toml"])["project"]
    assert table["name"] == "softreserve-my-own"
    assert table["dependencies"][0] == "softreserve>=0.1,<0.2"
    assert table["entry-points"]["softreserve.plugins"] == {"my-own": "softreserve_my_own.plugin"}
    assert table["entry-points"]["softreserve.api"] == {"my-own": str(sr.API)}
    assert ("softreserve.arches" in table["entry-points"]) == (kind == "arch")
    assert sorted(path for path in files if path.endswith(".py")) == [
        "src/softreserve_my_own/__init__.py",
        "src/softreserve_my_own/plugin.py",
        "tests/test_my_own.py",
    ]


@pytest.mark.parametrize("kind", ALL)
def test_a_template_is_written_with_public_names(kind: str) -> None:
    for node in ast.walk(ast.parse(dict(project(kind, "mine"))["src/softreserve_mine/plugin.py"])):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("softreserve")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sr":
            assert node.attr in sr.__all__


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["lint", "Mine"], "'Mine': wanted lower case letters, digits and single dashes: my-plugin"),
        (["lint", "../x"], "'../x': wanted"),
        (["lint", "a--b"], "'a--b': wanted"),
        (["lint", "1st"], "'1st': wanted"),
        (["lint", "x" * 41], "wanted lower"),
        (["lint", ""], "'': wanted"),
        (["lnit", "mine"], "did you mean 'lint'?"),
        (["lint"], "Missing argument 'NAME'"),
    ],
)
def test_what_is_no_kind_and_no_name_is_refused(
    words: list[str], answer: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", *words]) == 2
    assert answer in capsys.readouterr().err
    assert not list(here.iterdir())


def test_the_name_of_an_installed_plugin_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "other-1.0.dist-info").mkdir()
    (here / "other-1.0.dist-info" / "entry_points.txt").write_text("[softreserve.plugins]\nmine = m\n")
    monkeypatch.syspath_prepend(here)
    assert main(["new-plugin", "lint", "mine", "-o", "new"]) == 2
    assert "a plugin 'mine' is installed already: other" in capsys.readouterr().err
    assert not (here / "new").exists()


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "full").mkdir()
    (here / "full" / "notes").write_text("mine")
    (here / "file").write_text("mine")
    (here / "empty").mkdir()
    for target in ("full", "file"):
        assert main(["new-plugin", "lint", "mine", "-o", target]) == 2
        assert target in capsys.readouterr().err
    assert {path.name for path in here.iterdir()} == {"full", "file", "empty"}
    assert (here / "file").read_text() == (here / "full" / "notes").read_text() == "mine"
    assert [path.name for path in (here / "full").iterdir()] == ["notes"]
    assert main(["new-plugin", "lint", "mine", "-o", "empty"]) == 0
    assert main(["new-plugin", "lint", "mine", "-o", "deep/er"]) == 0
    assert (here / "deep" / "er" / "pyproject.toml").exists()
