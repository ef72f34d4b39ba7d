"""``softreserve plugins``: what there is of plugins, whatever is wrong with one of them."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from softreserve.cli import main
from softreserve.plugins import hookspecs, inventory
from softreserve.plugins.entrypoints import entry_points
from softreserve.plugins.selection import Layer, Selection, Wishes, asking

GOOD = """
import softreserve as sr

@sr.hookimpl
def softreserve_lint(system, outcome, onlined):
    return []
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path."""
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wheel(path: Path, name: str, source: str = GOOD, plugin: str = "", **groups: str) -> None:
    """Install a plugin of this name: its module, and entries of more groups."""
    folder = path / f"softreserve_{name}-1.0.dist-info"
    folder.mkdir()
    (path / f"listed_{name}.py").write_text(source)
    entries = [f"[softreserve.plugins]\n{plugin or name} = listed_{name}\n"]
    entries += [f"[softreserve.{group}]\n{entry}\n" for group, entry in groups.items()]
    (folder / "entry_points.txt").write_text("".join(entries))


def listed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Exit code and what is printed as JSON, the rows by name."""
    status = main(["plugins", "--json", *arguments])
    found = json.loads(capsys.readouterr().out)
    return status, {**found, "plugins": {row["name"]: row for row in found["plugins"]}}


BROKEN = {
    "raises": ("1 / 0", "plugin 'raises' (listed_raises) cannot be imported: ZeroDivisionError"),
    "leaves": ("raise SystemExit(0)", "plugin 'leaves' (listed_leaves) cannot be imported: SystemExit: 0"),
    "ends": ("import os\nos._exit(7)", "it ends the process, with 7"),
    "dies": ("import os\nos.kill(os.getpid(), 15)", "it ends the process, with SIGTERM"),
    "hangs": ("import time\ntime.sleep(60)", "it hangs: it has not said within 0.5 s what it brings"),
    "typo": (GOOD.replace("_lint", "_lnt"), "softreserve_lnt"),
    "newer": ("softreserve_api = 99\n" + GOOD, "it needs a newer softreserve"),
}


def test_a_plugin_that_is_broken_leaves_the_others_listed(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inventory, "_PATIENCE", 0.5)
    wheel(path, "good")
    for name, (source, _) in BROKEN.items():
        wheel(path, name, source)
    status, found = listed(capsys=capfd)
    assert status == 3
    assert sorted(found["plugins"]) == sorted(["good", *BROKEN])
    for name, (_, words) in BROKEN.items():
        assert words in found["plugins"][name]["error"], name
    good = found["plugins"]["good"]
    assert (good["error"], good["kinds"], good["hooks"], good["api"]) == (None, ["lint"], ["softreserve_lint"], 1)
    assert main(["plugins"]) == 3
    assert "hangs" in capfd.readouterr().out


def test_what_a_plugin_prints_is_told_and_is_no_output(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wheel(path, "loud", "import os\nprint('{}')\nos.system('echo more')\n" + GOOD)
    status, found = listed(capsys=capfd)
    assert status == 0
    assert {"more", "{}"} < set(found["plugins"]["loud"]["prints"].split())


def test_what_plugins_bring_is_asked_without_a_boot(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = """
import attrs
import softreserve as sr

@attrs.frozen
class Section:
    size: int = 0

@sr.hookimpl
def softreserve_machine_sections():
    return [sr.MachineSection("toys", Section)]

@sr.hookimpl
def softreserve_importers():
    return [sr.Importer("toy", lambda place: None)]

@sr.hookimpl
def softreserve_emitters():
    return [sr.Emitter("tiny", lambda system: [])]

@sr.hookimpl
def softreserve_cli(group):
    group.command("greet")(lambda: None)

@sr.hookimpl
def softreserve_arch_info(arch):
    return None
"""
    wheel(path, "many", "softreserve_api = 2\n" + source, arches="alpha = listed_many", defaults="x = listed_many")
    row = listed(capsys=capsys)[1]["plugins"]["many"]
    brings = {"sections": ["toys"], "importers": ["toy"], "emitters": ["tiny"], "commands": ["greet"]}
    assert (row["brings"], row["api"], row["arches"], row["everywhere"]) == (brings, 2, ["alpha"], True)
    assert row["kinds"] == ["architecture alpha", "section", "importer", "emitter", "command"]


def test_every_hook_says_what_a_plugin_is() -> None:
    hooks = {name.removeprefix("softreserve_") for name in vars(hookspecs) if name.startswith("softreserve_")}
    assert {hook for own in inventory.KINDS.values() for hook in own} == hooks


def test_two_wheels_with_one_name_are_both_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(path, "left", plugin="same")
    wheel(path, "right", plugin="same")
    assert main(["plugins", "--json"]) == 3
    rows = json.loads(capsys.readouterr().out)["plugins"]
    assert [row["distribution"] for row in rows] == ["softreserve-left", "softreserve-right"]
    assert {row["error"] for row in rows} == {
        "plugin 'same' is installed more than once: softreserve-left, softreserve-right"
    }


def test_who_names_a_plugin_or_leaves_it_out_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two", "three"):
        wheel(path, name)
    (path / "mine.py").write_text(GOOD)
    (path / "my.toml").write_text('disable = ["one"]\nplugins = ["mine.py", "gone"]\n')
    monkeypatch.setenv("SOFTRESERVE_CONFIG", str(path / "my.toml"))
    monkeypatch.setenv("SOFTRESERVE_PLUGINS", "two")
    monkeypatch.setenv("SOFTRESERVE_DISABLE_PLUGIN_AUTOLOAD", "1")
    status, found = listed(capsys=capsys)
    assert status == 3
    assert {name: (row["named"], row["left_out"]) for name, row in found["plugins"].items()} == {
        "gone": (f"{path}/my.toml", False),
        "mine": (f"{path}/my.toml", False),
        "one": (f"{path}/my.toml", True),
        "three": (None, False),
        "two": ("SOFTRESERVE_PLUGINS", False),
    }
    assert "no plugin 'gone' is installed" in found["plugins"]["gone"]["error"]
    assert (found["plugins"]["mine"]["distribution"], found["plugins"]["mine"]["value"]) == (None, "mine.py")
    main(["plugins"])
    out = capsys.readouterr().out
    for line in (
        rf"one .*1.0 .* lint .* left out by {path}/my.toml",
        r"two .* named by SOFTRESERVE_PLUGINS",
        r"three .* when named \(SOFTRESERVE_DISABLE_PLUGIN_AUTOLOAD\)",
        r"mine +code ",
    ):
        assert re.search(line, out), line


def test_what_p_names_is_listed_alone_and_a_typo_is_an_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(path, "one")
    wheel(path, "two")
    assert list(listed("-p", "two", capsys=capsys)[1]["plugins"]) == ["two"]
    assert main(["plugins", "-p", "no:tow"]) == 2
    assert (
        "-p: no:tow: no plugin 'tow' is installed; installed: one, two; did you mean 'two'?" in capsys.readouterr().err
    )


def test_metadata_that_cannot_be_read_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(path, "good", arches="alpha = listed_other", defaults="good = listed_good")
    for number, name in enumerate(("bytes", "folder", "empty")):
        (path / f"{name}-{number}.dist-info").mkdir()
    (path / "bytes-0.dist-info" / "entry_points.txt").write_bytes(b"[softreserve.plugins]\n\xff = x\n")
    (path / "folder-1.dist-info" / "entry_points.txt").mkdir()
    (path / "empty-2.dist-info" / "entry_points.txt").write_text("[softreserve.plugins]\nnothing\n[other]\nwhatever\n")
    status, found = listed(capsys=capsys)
    assert status == 0
    assert list(found["plugins"]) == ["good"]
    assert found["remarks"] == [
        f"{path}/bytes-0.dist-info/entry_points.txt: no UTF-8 at byte 22",
        f"{path}/empty-2.dist-info/entry_points.txt: line 2: 'nothing' in [softreserve.plugins]: "
        "wanted NAME = package.module",
        f"{path}/folder-1.dist-info/entry_points.txt: Is a directory",
        "softreserve.arches: alpha of softreserve-good points to 'listed_other', which is no plugin",
    ]


def test_two_plugins_for_one_architecture_are_a_remark_until_somebody_chooses(path: Path) -> None:
    for name in ("one", "two"):
        wheel(path, name, arches=f"alpha = listed_{name}")
    assert inventory.remarks(Selection()) == ["alpha is booted by several plugins: one, two; name one with -p"]
    for word in ("one", "no:one"):
        with asking(Wishes(above=(Layer("here", (word,)),))):
            assert inventory.remarks(Selection()) == []


def test_one_object_under_two_names_is_a_remark(path: Path) -> None:
    wheel(path, "left", plugins="right = listed_left")
    assert inventory.remarks(Selection()) == [
        "plugins left, right are one object, listed_left: only one of them can be loaded"
    ]


def test_an_entry_without_an_object_is_told_to_who_names_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(path, "good", plugins="empty =")
    assert main(["plugins", "-p", "empty"]) == 3
    assert "line 4: 'empty =' in [softreserve.plugins]: wanted NAME = package.module" in capsys.readouterr().out


def test_metadata_are_found_in_archives_and_in_old_folders(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[softreserve.plugins]\n{} = x\n"
    with zipfile.ZipFile(path / "packed.zip", "w") as archive:
        archive.writestr("softreserve_packed-1.0.dist-info/entry_points.txt", text.format("packed"))
    (path / "old-2.0-py3.11.egg" / "EGG-INFO").mkdir(parents=True)
    (path / "old-2.0-py3.11.egg" / "EGG-INFO" / "entry_points.txt").write_text(text.format("egg"))
    (path / "develop.egg-info").mkdir()
    (path / "develop.egg-info" / "entry_points.txt").write_text(text.format("develop"))
    (path / "ancient-1.0.egg-info").write_text("Name: ancient\n")  # a file
    (path / "broken.zip").write_bytes(b"PK\3\4")
    folders = [path, path / "packed.zip", path / "old-2.0-py3.11.egg", path / "broken.zip", path / "nowhere"]
    monkeypatch.setattr("sys.path", list(map(str, folders)))
    assert [(entry.name, entry.distribution, entry.version) for entry in entry_points(["softreserve.plugins"])] == [
        ("develop", "develop", ""),
        ("packed", "softreserve-packed", "1.0"),
        ("egg", "old", "2.0"),
    ]
