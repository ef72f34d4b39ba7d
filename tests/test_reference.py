"""Every public name has a mark, says what it is, and stands in the reference."""

from __future__ import annotations

import importlib.util
import re
from importlib import import_module
from types import ModuleType

import pytest
import softreserve as sr
import wheels
from softreserve.plugins import hookspecs

DOCS = wheels.ROOT / "docs"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """``docs/reference.py``."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_has_a_mark(reference: ModuleType) -> None:
    marked = [name for names in reference.MARKS["softreserve"].values() for name in names]
    assert sorted(marked) == sorted(sr.__all__), "give it a mark in docs/public.toml"


def test_every_hook_has_a_mark_and_the_level_that_had_it_first(reference: ModuleType) -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("softreserve_")]
    assert list(reference.MARKS["hooks"]) == hooks
    assert {int(mark.split()[1]) for mark in reference.MARKS["hooks"].values()} == set(range(1, sr.API + 1))


def test_marks_are_promises_of_versions_that_there_were(reference: ModuleType) -> None:
    ours = tuple(map(int, sr.__version__.split(".")[:2]))
    names = [*reference.MARKS["softreserve"].values(), reference.MARKS["modules"]]
    for mark in (mark for marks in names for mark in marks.values()):
        assert re.fullmatch(r"(stable|provisional) \d+\.\d+", mark)
        assert tuple(map(int, mark.split()[1].split("."))) <= ours


def test_every_public_name_says_what_it_is(reference: ModuleType) -> None:
    modules = {"softreserve": sr} | {name: import_module(name) for name in reference.MARKS["modules"]}
    for name, module in modules.items():
        for public in module.__all__:
            said = [line for line in reference.entry(module, public, "") if line and not line.startswith(("#", "```"))]
            assert said, f"{name}.{public} has neither a docstring nor a comment"


def test_the_page_is_what_the_names_say(reference: ModuleType) -> None:
    assert reference.page() == (DOCS / "reference.md").read_text(), "run: python docs/reference.py"
