"""A plugin says for which level of the interface it was written; what goes is announced."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import softreserve as sr
from softreserve.plugins import api, hookspecs
from softreserve.plugins.entrypoints import EntryPoint
from softreserve.plugins.hooks import load

NEWER = "written for level {} of the plugin interface, .* has level 2: it needs a newer softreserve"


def installed(path: Path, says: str | None, text: str = "") -> None:
    """A distribution with the plugin ``thing``."""
    folder = path / "thing-1.0.dist-info"
    folder.mkdir()
    level = "" if says is None else f"[softreserve.api]\nthing = {says}\nother = 99\n"
    (folder / "entry_points.txt").write_text(f"[softreserve.plugins]\nthing = thing_with_level\n{level}")
    (path / "thing_with_level.py").write_text(text)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path."""
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "thing_with_level", raising=False)
    return tmp_path


def test_a_plugin_for_a_newer_core_is_told_so_before_it_is_imported(path: Path) -> None:
    installed(path, "3", "from softreserve import SomethingOfTheFuture")
    with pytest.raises(sr.PluginError, match=f"^plugin thing: it was {NEWER.format(3)}$") as told:
        load(["thing"])
    assert told.value.exit_code == 3


def test_a_plugin_may_say_it_in_its_module_too(path: Path) -> None:
    installed(path, None, "softreserve_api = 7")
    with pytest.raises(sr.PluginError, match=f"^plugin thing: it was {NEWER.format(7)}$"):
        load(["thing"])


@pytest.mark.parametrize("says", [None, "1", str(sr.API)])
def test_a_plugin_for_this_level_or_an_older_one_is_loaded(path: Path, says: str | None) -> None:
    installed(path, says, "" if says is None else f"softreserve_api = {says}")
    assert load(["thing"]).names == ("thing",)
    entry = EntryPoint("softreserve.plugins", "thing", "thing_with_level", "thing", "1.0")
    assert api.announced(entry) == int(says or 1)


@pytest.mark.parametrize("says", ["two", "0", "-1", "2.0", "9" * 5000])
def test_a_level_that_is_none_is_refused(path: Path, says: str) -> None:
    installed(path, says)
    with pytest.raises(sr.PluginError, match=r"^plugin thing: softreserve_api is .*, wanted a level such as 2$"):
        load(["thing"])


@pytest.mark.parametrize("says", ["2", 0, True, None, 1.5])
def test_a_level_in_a_plugin_is_a_number(says: object) -> None:
    with pytest.raises(sr.PluginError, match=r"^plugin odd: softreserve_api is .*, wanted a level such as 2$"):
        load([], extra=[("odd", SimpleNamespace(softreserve_api=says))])


def test_an_implementation_of_a_hook_that_goes_is_warned_of_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def softreserve_old(system: object) -> None:
        """A made-up hook."""

    warning = api.deprecated("softreserve_old", "softreserve_sysfs", "0.3")
    spec = hookspecs.hookspec(warn_on_impl=warning)(softreserve_old)
    monkeypatch.setattr(hookspecs, "softreserve_old", spec, raising=False)

    @sr.hookimpl(specname="softreserve_old")
    def mine(system: object) -> None:
        """An author's."""

    with pytest.warns(
        DeprecationWarning, match=r"softreserve_old goes with softreserve 0\.3; use softreserve_sys"
    ) as w:
        load([], extra=[("late", SimpleNamespace(mine=mine))])
    assert w[0].filename == __file__


def test_a_public_name_that_goes_still_works_and_says_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sr._DEPRECATED, "start", ("boot", "0.3"))
    with pytest.warns(
        DeprecationWarning, match=r"softreserve\.start goes with softreserve 0\.3; use softreserve\.boot"
    ):
        assert sr.start is sr.boot
