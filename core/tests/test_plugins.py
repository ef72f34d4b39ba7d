"""Finding, loading and calling plugins; found through folders like those that installers write."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from softreserve.kernel.system import System
from softreserve.model.errors import MachineError, PluginError, PluginResultError, UnknownPluginError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import installed, load
from softreserve.plugins.hookspecs import hookimpl
from softreserve.plugins.selection import Selection


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path that distributions are looked for in."""
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    return tmp_path


def distribution(path: Path, name: str, **groups: dict[str, str]) -> None:
    """Write the metadata of an installed distribution."""
    folder = path / f"{name}-1.2.dist-info"
    folder.mkdir()
    text = ""
    for group, entries in groups.items():
        text += f"[softreserve.{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
    (folder / "entry_points.txt").write_text(text)


def module(path: Path, name: str, text: str = "") -> str:
    (path / f"{name}.py").write_text(f"from softreserve.plugins.hookspecs import hookimpl\n{text}")
    return name


def machine(arch: str = "x86_64") -> Machine:
    return Machine("m", Kernel("6.12", arch))


def test_what_is_installed_is_found_with_its_distribution(path: Path) -> None:
    distribution(path, "Soft_thing", plugins={"thing": "thing_plugin"})
    (entry,) = installed()["thing"]
    assert (entry.distribution, entry.version, entry.value) == ("soft-thing", "1.2", "thing_plugin")


def test_a_distribution_that_is_on_the_path_twice_is_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(path, "thing", plugins={"thing": "thing_plugin"})
    monkeypatch.setattr("sys.path", [str(path), str(path)])
    assert len(installed()["thing"]) == 1


def test_comments_and_extras_in_entry_points_are_understood(path: Path) -> None:
    distribution(path, "thing", plugins={"# a": "comment", "thing": "thing_plugin [extra]"})
    assert {name: entry.value for name, (entry,) in installed().items()} == {"thing": "thing_plugin"}


def test_a_missing_plugin_is_named_with_what_is_installed(path: Path) -> None:
    distribution(path, "b", plugins={"b": "b"})
    distribution(path, "a", plugins={"a": "a"})
    with pytest.raises(UnknownPluginError, match=r"no plugin 'x' is installed; installed: a, b"):
        load(["x"])


def test_a_plugin_of_two_distributions_is_an_error_that_names_both(path: Path) -> None:
    distribution(path, "one", plugins={"same": "one"})
    distribution(path, "two", plugins={"same": "two"})
    with pytest.raises(UnknownPluginError, match="more than once: one, two"):
        load(["same"])


def test_in_a_module_what_is_marked_counts_and_nothing_else(path: Path) -> None:
    text = "def sysfs(system): 1 / 0\n@hookimpl\ndef softreserve_lint(system): return []\n"
    distribution(path, "good", plugins={"good": module(path, "good_plugin", text)})
    hooks = load(["good"])
    found = hooks.manager.get_hookcallers(hooks.manager.get_plugin("good"))
    assert [caller.name for caller in found or ()] == ["softreserve_lint"]
    distribution(path, "odd", plugins={"odd": module(path, "odd_plugin", "@hookimpl\ndef early(system): pass\n")})
    with pytest.raises(PluginError, match=r"plugin odd: .*early"):
        load(["odd"])


def test_a_plugin_that_cannot_be_imported_is_named(path: Path) -> None:
    distribution(path, "broken", plugins={"broken": module(path, "broken_plugin", "1 / 0")})
    with pytest.raises(PluginError, match=r"plugin 'broken' \(broken_plugin\) cannot be imported: ZeroDivisionError"):
        load(["broken"])


def test_a_hook_that_does_not_exist_is_an_error(path: Path) -> None:
    text = "@hookimpl\ndef softreserve_erly_reserve(system): pass"
    distribution(path, "typo", plugins={"typo": module(path, "typo_plugin", text)})
    with pytest.raises(PluginError, match=r"plugin typo: .*softreserve_erly_reserve"):
        load(["typo"])


def test_an_argument_that_does_not_exist_is_an_error(path: Path) -> None:
    text = "@hookimpl\ndef softreserve_early_reserve(systm): pass"
    distribution(path, "typo", plugins={"typo": module(path, "typo_argument", text)})
    with pytest.raises(PluginError, match=r"plugin typo: .*systm"):
        load(["typo"])


def test_a_hook_wrapper_is_refused() -> None:
    @hookimpl(wrapper=True)
    def softreserve_online_policy(system: object) -> object:
        return (yield)

    plugin = SimpleNamespace(softreserve_online_policy=softreserve_online_policy)
    with pytest.raises(PluginError, match="plugin wrap: softreserve_online_policy: hook wrappers"):
        load([], extra=[("wrap", plugin)])


def test_just_the_named_plugins_are_imported_and_in_that_order(path: Path) -> None:
    for name in ("a", "b", "c"):
        text = "1 / 0" if name == "c" else "@hookimpl\ndef softreserve_sysfs(system): pass\n"
        distribution(path, name, plugins={name: module(path, f"named_{name}", text)})
    assert load(["b", "a", "b"]).names == ("b", "a")


def _answering(hook: str, answer: object) -> SimpleNamespace:
    if hook == "softreserve_stub_handoff":

        @hookimpl
        def softreserve_stub_handoff(machine: object) -> object:
            return answer

        return SimpleNamespace(softreserve_stub_handoff=softreserve_stub_handoff)

    @hookimpl
    def softreserve_dax_devices(system: object) -> object:
        return answer

    return SimpleNamespace(softreserve_dax_devices=softreserve_dax_devices)


def test_a_wrong_answer_names_plugin_hook_and_type() -> None:
    hooks = load([], extra=[("liar", _answering("softreserve_stub_handoff", 7))])
    with pytest.raises(PluginResultError, match="plugin liar: softreserve_stub_handoff answered int, wanted Handoff"):
        hooks.stub_handoff(machine())


@pytest.mark.parametrize(("answer", "words"), [(7, "int, wanted a list"), (["x"], "str, wanted DaxOffer")])
def test_a_list_is_checked_item_by_item(answer: object, words: str) -> None:
    hooks = load([], extra=[("liar", _answering("softreserve_dax_devices", answer))])
    with pytest.raises(PluginResultError, match=words):
        hooks.dax_devices(None)  # type: ignore[arg-type]


def test_a_plugin_that_raises_is_named_but_what_it_says_of_the_machine_is_kept() -> None:
    def plugin(error: Exception) -> SimpleNamespace:
        @hookimpl
        def softreserve_stub_handoff(machine: object) -> object:
            raise error

        return SimpleNamespace(softreserve_stub_handoff=softreserve_stub_handoff)

    with pytest.raises(PluginError, match="plugin bad: softreserve_stub_handoff failed: KeyError: 'x'"):
        load([], extra=[("bad", plugin(KeyError("x")))]).stub_handoff(machine())
    with pytest.raises(MachineError, match="no map"):
        load([], extra=[("fine", plugin(MachineError("no map")))]).stub_handoff(machine())


def test_a_plugin_that_wants_to_end_the_program_is_named(path: Path) -> None:
    @hookimpl
    def softreserve_stub_handoff(machine: object) -> object:
        raise SystemExit(0)

    plugin = SimpleNamespace(softreserve_stub_handoff=softreserve_stub_handoff)
    with pytest.raises(PluginError, match="plugin leaver: softreserve_stub_handoff failed: SystemExit: 0"):
        load([], extra=[("leaver", plugin)]).stub_handoff(machine())
    distribution(path, "leaver", plugins={"leaver": module(path, "leaver_plugin", "raise SystemExit(0)")})
    with pytest.raises(PluginError, match=r"plugin 'leaver' .* cannot be imported: SystemExit: 0"):
        load(["leaver"])


@pytest.mark.parametrize("size", [0, 1, -1, 3 << 27, True])
def test_a_size_that_no_memory_block_has_is_a_wrong_answer(size: int) -> None:
    @hookimpl
    def softreserve_memory_block_size(system: object) -> object:
        return size

    plugin = SimpleNamespace(softreserve_memory_block_size=softreserve_memory_block_size)
    hooks = load([], extra=[("liar", plugin)])
    with pytest.raises(PluginResultError, match="plugin liar: softreserve_memory_block_size answered"):
        hooks.memory_block_size(System(machine(), hooks))


def test_a_policy_that_is_none_is_a_wrong_answer() -> None:
    @hookimpl
    def softreserve_online_policy(system: object) -> object:
        return "sometimes"

    hooks = load([], extra=[("liar", SimpleNamespace(softreserve_online_policy=softreserve_online_policy))])
    with pytest.raises(
        PluginResultError, match=r"plugin liar: .* answered 'sometimes', wanted one of offline, online,"
    ):
        hooks.online_policy(System(machine(), hooks))


def test_calls_can_be_traced() -> None:
    hooks = load([], extra=[("quiet", _answering("softreserve_stub_handoff", None))])
    seen: list[tuple[str, str, object]] = []
    hooks.trace = lambda *call: seen.append(call)
    hooks.stub_handoff(machine())
    with hooks.untraced():
        hooks.stub_handoff(machine())
    assert seen == [("softreserve_stub_handoff", "quiet", None)]


# ----------------------------------------------------------------------------------------------------- which plugins


@pytest.fixture
def three(path: Path) -> Path:
    """Two plugins for one architecture, one for all."""
    distribution(path, "one", plugins={"one": "p.one"}, arches={"alpha": "p.one"})
    distribution(path, "two", plugins={"two": "p.two"}, arches={"alpha": "p.two", "beta": "p.two"})
    distribution(path, "every", plugins={"every": "p.every"}, defaults={"every": "p.every"})
    return path


def test_the_architecture_and_the_defaults_choose(three: Path) -> None:
    assert Selection().names("beta") == ("two", "every")


def test_two_for_one_architecture_is_an_error_until_somebody_chooses(three: Path) -> None:
    with pytest.raises(UnknownPluginError, match="alpha is booted by several plugins: one, two; name one with -p"):
        Selection().names("alpha")
    assert Selection(["two"]).names("alpha") == ("two", "every")
    assert Selection(["no:two"]).names("alpha") == ("one", "every")


def test_plugins_are_left_out_and_added(three: Path) -> None:
    assert Selection(["no:every", "extra"]).names("beta") == ("two", "extra")


def test_a_machine_that_names_its_plugins_gets_just_those(three: Path) -> None:
    assert Selection(exactly=("every",)).names("beta") == ("every",)


def test_an_architecture_goes_by_the_name_of_its_plugin_too(three: Path) -> None:
    assert Selection().arch("one") == "alpha"
    with pytest.raises(MachineError, match="no installed plugin boots architecture 'gamma'; known: alpha, beta"):
        Selection().arch("gamma")


def test_nothing_installed_is_said(path: Path) -> None:
    with pytest.raises(MachineError, match="known: none"):
        Selection().names("alpha")


FINDS = "@hookimpl\ndef softreserve_online_policy(system): return {!r}\n"


def test_what_was_loaded_once_is_not_registered_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(path, "again", plugins={"again": module(path, "again_plugin", FINDS.format("online"))})
    first = load(["again"])
    monkeypatch.setattr("pluggy.PluginManager.register", None)
    assert load(["again"]).names == first.names == ("again",)
    assert load(["again"]).answering("softreserve_online_policy") == ["again"]


def test_a_plugin_that_changed_meanwhile_is_looked_at_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(path, "other", plugins={"other": module(path, "other_plugin", FINDS.format("online"))})
    load(["other"])
    monkeypatch.delattr(sys.modules["other_plugin"], "softreserve_online_policy")
    assert load(["other"]).answering("softreserve_online_policy") == []


def test_who_changes_the_manager_of_a_set_changes_that_set_alone(path: Path) -> None:
    distribution(path, "mine", plugins={"mine": module(path, "mine_plugin", FINDS.format("online"))})
    mine, yours = load(["mine"]), load(["mine"])
    mine.manager.unregister(name="mine")
    assert (mine.names, yours.names, load(["mine"]).names) == ((), ("mine",), ("mine",))
    assert mine.answering("softreserve_online_policy") == []
