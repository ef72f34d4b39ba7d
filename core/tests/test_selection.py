"""Which plugins are loaded: what files, the environment and the command line say; and code that is not installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from softreserve.cli import main
from softreserve.config.preferences import config_path, personal
from softreserve.live.session import boot
from softreserve.model.arch import ArchInfo
from softreserve.model.errors import ConfigError, InputError, MachineError, PluginError, SoftReserveError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.architectures import arch_info
from softreserve.plugins.entrypoints import entry_points
from softreserve.plugins.selection import Layer, Selection, Wishes, asking

PLUGIN = """
import softreserve as sr

@sr.hookimpl
def softreserve_arch_info(arch):
    return sr.ArchInfo(arch, page_sizes={4096: "4K"}) if arch == "gamma" else None
"""


@pytest.fixture(autouse=True)
def own_modules() -> Iterator[None]:
    """What these tests import is there for one of them, and the path is as it was."""
    before, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.startswith(("softreserve_code", "mine", "named")):
            del sys.modules[name]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with two plugins for alpha, one of which boots beta, too, one for all, and one for nothing by itself."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.setattr("sys.path", [str(place)])
    monkeypatch.chdir(tmp_path)
    distribution(place, "one", plugins={"one": "p.one"}, arches={"alpha": "p.one"})
    distribution(place, "two", plugins={"two": "p.two"}, arches={"alpha": "p.two", "beta": "p.two"})
    distribution(place, "every", plugins={"every": "p.every"}, defaults={"every": "p.every"})
    distribution(place, "extra", plugins={"extra": module(place, "named_extra")})
    return place


def distribution(path: Path, name: str, **groups: dict[str, str]) -> None:
    """Write the metadata of an installed distribution."""
    folder = path / f"{name}-1.2.dist-info"
    folder.mkdir()
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[softreserve.{group}]", *(f"{key} = {value}" for key, value in entries.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))


def module(path: Path, name: str) -> str:
    """Write a module that has no hook."""
    (path / f"{name}.py").write_text("")
    return name


def said(*words: str, place: str = "here") -> Layer:
    return Layer(place, words)


# ------------------------------------------------------------------------------------------------------- precedence


@pytest.mark.parametrize(
    ("configured", "machine", "environment", "options", "loaded"),
    [
        ([], None, [], [], ["two", "every"]),
        (["extra"], None, [], [], ["two", "every", "extra"]),
        (["no:every"], None, [], [], ["two"]),
        (["no:every"], None, ["every"], [], ["two", "every"]),
        (["extra"], ["two"], [], [], ["two"]),
        (["no:two"], ["two", "extra"], [], [], ["two", "extra"]),
        (["extra"], ["no:every"], [], [], ["two", "extra"]),
        ([], ["two", "every", "no:every"], [], [], ["two"]),
        ([], ["two", "every"], ["no:every"], [], ["two"]),
        ([], ["two", "every"], ["no:every"], ["every"], ["two", "every"]),
        ([], None, ["extra"], ["no:extra"], ["two", "every"]),
        ([], None, [], ["no:every", "every"], ["two", "every"]),
        ([], None, [], ["every", "no:every"], ["two"]),
        ([], ["two"], ["extra"], ["every"], ["two", "extra", "every"]),
        ([], [], [], [], []),
        ([], [], [], ["two"], ["two"]),
    ],
)
def test_a_later_place_has_the_last_word_on_each_plugin(
    path: Path,
    configured: list[str],
    machine: list[str] | None,
    environment: list[str],
    options: list[str],
    loaded: list[str],
) -> None:
    with asking(Wishes((said(*configured),), (said(*environment), said(*options)))):
        assert Selection(exactly=machine).names("beta") == tuple(loaded)


def test_what_people_say_decides_between_plugins_of_one_architecture(path: Path) -> None:
    with asking(Wishes(below=(said("one"),))):
        assert Selection().names("alpha") == ("one", "every")
    with asking(Wishes(below=(said("no:one"),))):
        assert Selection().names("alpha") == ("two", "every")
    words = r"every plugin that boots alpha was left out \(one, two; by A_WORD\)"
    with asking(Wishes(above=(said("no:one", "no:two", place="A_WORD"),))), pytest.raises(MachineError, match=words):
        Selection().names("alpha")


def test_without_autoload_there_is_what_somebody_names(path: Path) -> None:
    with asking(Wishes(below=(said("extra"),), above=(said("two"),), only_named="THE_VARIABLE")):
        assert Selection().names("beta") == ("extra", "two")
        assert Selection(exactly=["two"]).names("beta") == ("two",)
    with asking(Wishes(only_named="THE_VARIABLE")), pytest.raises(SoftReserveError, match="THE_VARIABLE is set, and"):
        Selection().names("beta")


@pytest.mark.parametrize("exactly", [None, ["two"], ["no:evry"]])
def test_who_leaves_out_what_is_not_there_is_told_the_nearest(path: Path, exactly: list[str] | None) -> None:
    where = "the machine's plugins" if exactly and exactly[0] == "no:evry" else "-p"
    with pytest.raises(SoftReserveError, match=rf"^{where}: no:evry: no plugin 'evry' is installed.*mean 'every'\?"):
        Selection(["no:evry"] if where == "-p" else [], exactly).names("beta")


def test_a_name_that_is_not_installed_is_told_with_the_place_that_names_it(path: Path) -> None:
    distribution(path, "gamma", plugins={"gamma": module(path, "named_gamma")}, arches={"gamma": "named_gamma"})
    words = r"^/x/config.toml: no plugin 'exta' is .*; did you mean 'extra'\?"
    with asking(Wishes(below=(said("exta", place="/x/config.toml"),))), pytest.raises(SoftReserveError, match=words):
        Selection(["no:every"]).hooks_for(Machine("m", Kernel("6.12", "gamma")))


def test_an_architecture_whose_entry_points_elsewhere_is_told(path: Path) -> None:
    distribution(path, "astray", plugins={"astray": "p.astray:plugin"}, arches={"delta": "p.astray"})
    words = r"'delta'; known: alpha, beta; softreserve.arches: delta of astray points to 'p.astray', which is no plugin"
    with pytest.raises(MachineError, match=words):
        Selection().names("delta")


def test_a_plugin_that_boots_several_is_no_name_of_an_architecture(path: Path) -> None:
    with pytest.raises(MachineError, match="plugin two boots several architectures: alpha, beta; name one of them"):
        Selection().arch("two")


# ------------------------------------------------------------------------------------- the environment, a file of users


def test_the_environment_names_plugins_with_commas_or_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTRESERVE_PLUGINS", " a,b no:c ,, d\n")
    assert personal(said("e")).above == (Layer("SOFTRESERVE_PLUGINS", ("a", "b", "no:c", "d")), said("e"))


@pytest.mark.parametrize(("value", "forbidden"), [(None, False), ("", False), ("1", True)])
def test_the_environment_forbids_to_load_what_nobody_names(
    monkeypatch: pytest.MonkeyPatch, value: str | None, forbidden: bool
) -> None:
    monkeypatch.delenv("SOFTRESERVE_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    if value is not None:
        monkeypatch.setenv("SOFTRESERVE_DISABLE_PLUGIN_AUTOLOAD", value)
    assert bool(personal().only_named) == forbidden


def test_the_configuration_is_where_platformdirs_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTRESERVE_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_path() == f"{tmp_path}/.config/softreserve/config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", f"{tmp_path}/xdg")
    assert config_path() == f"{tmp_path}/xdg/softreserve/config.toml"
    assert personal() == Wishes()


def test_the_configuration_names_plugins_and_leaves_some_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "my.toml"
    monkeypatch.setenv("SOFTRESERVE_CONFIG", str(file))
    file.write_text('plugins = ["a", "no:b", "own/c.py"]\ndisable = ["d"]\n')
    assert personal().below == (Layer(str(file), ("a", "no:b", "own/c.py", "no:d"), str(tmp_path)),)
    file.write_text("")
    assert personal().below == ()
    for name in ("", os.devnull):
        monkeypatch.setenv("SOFTRESERVE_CONFIG", name)
        assert personal().below == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('plugins = "riscv"', r'line 1: plugins: wanted a list, such as \["riscv"\], not \'riscv\''),
        ("\nplugins = [1]", r"line 2: plugins: wanted strings, not \[1\]"),
        ("disabel = []", r"line 1: disabel: unknown key; known: plugins, disable; did you mean 'disable'\?"),
        ("plugins = [", "line 1: "),
        ("\udcff", "not a text file"),
    ],
)
def test_a_configuration_that_is_wrong_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    file = tmp_path / "my.toml"
    monkeypatch.setenv("SOFTRESERVE_CONFIG", str(file))
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=f"{file}: .*{words}"):
        personal()


def test_a_configuration_that_the_environment_names_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTRESERVE_CONFIG", "/nowhere/my.toml")
    with pytest.raises(InputError, match=r"/nowhere/my.toml: no such file \(SOFTRESERVE_CONFIG names it\)"):
        personal()


def test_a_broken_configuration_ends_commands_with_2_but_no_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.toml").write_text("plugins = 1\n")
    monkeypatch.setenv("SOFTRESERVE_CONFIG", str(tmp_path / "my.toml"))
    assert main(["plugins"]) == 2
    assert capsys.readouterr().err == f"softreserve: {tmp_path}/my.toml: line 1: plugins: wanted strings, not 1\n"
    assert main(["boot", "--help"]) == 0
    assert main(["--help"]) == 0
    assert "line 1: plugins" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- code


def load(word: str, folder: str = "") -> tuple[str, object]:
    """The one plugin that a word means, by its name."""
    with asking(Wishes(above=(Layer("here", (word,), folder),))):
        hooks = Selection(exactly=None).hooks_for(Machine("m", Kernel("6.12", "beta")))
    (name,) = (name for name in hooks.names if name not in ("two", "every"))
    return name, hooks.manager.get_plugin(name)


@pytest.fixture
def own(path: Path, tmp_path: Path) -> Path:
    """Code in the current directory: a file, and a package that is nowhere on the path."""
    distribution(path, "p", plugins={})
    (path / "p").mkdir()
    for name in ("__init__", "one", "two", "every"):
        (path / "p" / f"{name}.py").write_text("")
    (tmp_path / "mine.py").write_text(
        PLUGIN + "class Plugin: pass\nplugin = Plugin()\nplugin.x = softreserve_arch_info\n"
    )
    package = tmp_path / "source" / "mine_too"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    (package / "hooks.py").write_text("from mine_too import softreserve_arch_info\n")
    return tmp_path


@pytest.mark.parametrize(
    ("word", "name", "file"),
    [
        ("mine.py", "mine", "mine.py"),
        ("{here}/mine.py", "mine", "mine.py"),
        ("other:mine.py", "other", "mine.py"),
        ("mine", "mine", "mine.py"),
        ("source/mine_too/__init__.py", "mine_too", "source/mine_too/__init__.py"),
        ("source/mine_too/hooks.py", "mine_too.hooks", "source/mine_too/hooks.py"),
        ("x:source/mine_too/hooks.py", "x", "source/mine_too/hooks.py"),
    ],
)
def test_code_that_is_not_installed_is_loaded(own: Path, word: str, name: str, file: str) -> None:
    found, plugin = load(word.format(here=own))
    assert (found, vars(plugin)["__file__"]) == (name, str(own / file))


def test_a_path_is_relative_to_the_file_that_names_it(own: Path) -> None:
    assert load("mine_too/hooks.py", str(own / "source"))[0] == "mine_too.hooks"


def test_code_is_loaded_once(own: Path) -> None:
    assert load("mine.py") == load("mine.py")


@pytest.mark.parametrize("word", ["mine.py:plugin", "mine:plugin", "x:mine.py:plugin"])
def test_an_object_can_be_the_plugin(own: Path, word: str) -> None:
    (own / "mine.py").write_text(
        "import softreserve as sr\nclass Plugin:\n    @sr.hookimpl\n    def softreserve_sysfs(self, system): ...\n"
        "plugin = Plugin()\n"
    )
    assert type(load(word)[1]).__name__ == "Plugin"


@pytest.mark.parametrize(
    ("word", "status", "words"),
    [
        ("nowhere.py", 2, "plugin nowhere.py: no such file"),
        ("x:y/nowhere.py", 2, "plugin x:y/nowhere.py: no such file"),
        ("a:b:c", 2, "plugin 'a:b:c': wanted the name of an installed plugin, package.module"),
        ("nowhere:plugin", 3, "plugin 'nowhere:plugin' (nowhere:plugin) cannot be imported: ModuleNotFoundError"),
        ("mine:nothing", 3, "plugin 'mine:nothing' (mine:nothing) cannot be imported: AttributeError"),
        ("bare.py", 3, "plugin 'bare' (bare.py) cannot be imported: ImportError: it has no hook"),
        ("leaver.py", 3, "plugin 'leaver' (leaver.py) cannot be imported: SystemExit: 0"),
        ("json", 2, "no plugin 'json' is installed"),
        ("extr", 2, "did you mean 'extra'?"),
        ("extra.py", 2, "here: extra.py: there is a plugin 'extra' already; write extra:extra.py to put it in its"),
    ],
)
def test_code_that_is_no_plugin_is_told(own: Path, word: str, status: int, words: str) -> None:
    (own / "bare.py").write_text("")
    (own / "extra.py").write_text(PLUGIN)
    (own / "leaver.py").write_text("raise SystemExit(0)")
    with pytest.raises(SoftReserveError) as caught:
        load(word)
    assert caught.value.exit_code == status
    assert words in str(caught.value)


def test_an_error_that_cannot_say_itself_is_told(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "mute.py").write_text("class Mute(Exception):\n    def __str__(self): raise self\nraise Mute\n")
    (own / "toy.toml").write_text('[kernel]\narch = "x"\n[[efi_map]]\nstart = 0\nsize = "4G"\n')
    assert main(["boot", "toy.toml", "-p", "mute.py"]) == 3
    assert "plugin 'mute' (mute.py) cannot be imported: Mute" in capsys.readouterr().err


def test_code_takes_the_place_of_an_installed_plugin_where_it_is_called_like_it(own: Path) -> None:
    assert load("extra:mine.py")[1] is load("mine.py")[1]


def test_what_lies_beside_code_is_not_installed_by_that(own: Path) -> None:
    distribution(own, "lying", plugins={"lying": "mine"})
    load("mine")
    assert "lying" not in {entry.name for entry in entry_points(["softreserve.plugins"])}


def test_one_plugin_under_two_names_is_told(path: Path) -> None:
    distribution(path, "twins", plugins={"left": module(path, "named_twins"), "right": "named_twins"})
    with pytest.raises(PluginError, match=r"plugin 'right' \(named_twins\) is plugin 'left', too: leave one of them"):
        Selection(exactly=["left", "right"]).hooks_for(Machine("m", Kernel("6.12", "beta")))


def test_readers_of_descriptions_ask_code_what_its_architecture_is(own: Path) -> None:
    assert arch_info("gamma") == ArchInfo("gamma")
    with asking(Wishes(above=(said("mine.py"),))):
        assert dict(arch_info("gamma").page_sizes) == {4096: "4K"}
        assert Selection().arch("gamma") == "gamma"
        assert Selection().names("gamma") == ("every", "mine")
    (own / "mine_three.py").write_text(PLUGIN.replace("\n@sr.hookimpl", "\n@sr.hookimpl\n@sr.for_arch('eta')", 1))
    with asking(Wishes(above=(said("mine_three.py"),))):
        assert Selection().arches["eta"] == ("mine_three",)


def test_scripts_boot_with_code_of_theirs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import softreserve as sr\n@sr.hookimpl\n"
        "def softreserve_stub_handoff(machine):\n    raise sr.MachineError('reached')\n"
    )
    with pytest.raises(MachineError, match="reached"):
        boot(Machine("m", Kernel("6.12", "theta")), plugins=[str(tmp_path / "mine.py")])
