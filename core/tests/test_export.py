from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from softreserve.kernel.sysfs import Attribute, Directory
from softreserve.kernel.system import System
from softreserve.live.export import MARKER, export
from softreserve.model.errors import InputError, PluginError


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def test_attributes_links_and_modes_are_those_of_the_system(toy: System, tmp_path: Path) -> None:
    root = tmp_path / "root"

    export(toy, root)

    device = root / "sys/devices/toy0"
    assert (device / "read_only").read_text() == "fixed\n"
    assert mode(device / "read_only") == 0o444
    assert mode(device / "secret") == 0o400
    assert os.readlink(root / "sys/bus/toy/devices/toy0") == "../../../devices/toy0"
    assert (root / "proc/cmdline").read_text() == "quiet toy=1\n"
    assert (root / "sys/firmware/acpi/tables/SRAT").read_bytes() == b"SRAT...."
    assert (root / "sys/devices/system/cpu/possible").read_text() == "0-1\n"


def test_what_cannot_be_read_is_an_empty_file_that_says_so(toy: System, tmp_path: Path) -> None:
    export(toy, tmp_path / "root")

    device = tmp_path / "root/sys/devices/toy0"
    assert (mode(device / "refusing"), (device / "refusing").stat().st_size) == (0o000, 0)
    assert (mode(device / "write_only"), (device / "write_only").stat().st_size) == (0o200, 0)


def test_device_nodes_are_empty_files(toy: System, tmp_path: Path) -> None:
    export(toy, tmp_path / "root")

    assert (tmp_path / "root/dev/toy0").is_file()


@pytest.mark.parametrize("name", ["../../escape", "..", ".", "", "a/b", "a\0b", "x" * 256, "\ud800", 7])
@pytest.mark.parametrize("on_demand", [False, True])
def test_nothing_is_written_outside_whatever_a_plugin_calls_its_files(
    toy: System, tmp_path: Path, name: Any, on_demand: bool
) -> None:
    file = Attribute(0o444, lambda: "escaped\n")
    folder = Directory(names=lambda: [name], lookup=lambda _: file) if on_demand else Directory({name: file})
    toy.sysfs.directory("/sys/kernel").children["toy"] = folder

    with pytest.raises(PluginError, match=r"softreserve_sysfs: /sys/kernel/toy has a child .*, which is no name$"):
        export(toy, tmp_path / "a/b/root")

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_directory_that_holds_something_is_left_alone(toy: System, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "mine").write_text("precious")

    with pytest.raises(InputError, match="root: is not empty, it holds 'mine'; --replace takes the place of an export"):
        export(toy, root)
    with pytest.raises(InputError, match=r"root: is no export: it has no \.softreserve-export\.json"):
        export(toy, root, replace=True)

    assert (root / "mine").read_text() == "precious"
    assert [path.name for path in tmp_path.rglob("*")] == ["root", "mine"]


def test_an_export_is_replaced(toy: System, tmp_path: Path) -> None:
    root = tmp_path / "root"
    export(toy, root)
    before = root.stat().st_ino

    assert export(toy, f"{root}/", replace=True) == sum(path.is_symlink() or path.is_file() for path in tree(root)) - 1

    assert root.stat().st_ino != before
    assert list(tmp_path.iterdir()) == [root]


def tree(root: Path) -> list[Path]:
    return list(root.rglob("*"))


SPOILERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (lambda root: (root / "sys" / "notes.txt").write_text("mine"), "holds 'sys/notes.txt', which"),
    "a name with a newline": (lambda root: (root / "a\nb").write_text("mine"), r"holds 'a\\nb', which no export made"),
    "an empty directory": (lambda root: (root / "sys" / "empty").mkdir(), "holds 'sys/empty', which no export made"),
    "a link": (lambda root: (root / "link").symlink_to("/"), "holds 'link', which no export made"),
    "a pipe": (lambda root: os.mkfifo(root / "pipe"), "holds 'pipe', which no export made"),
    "another content": (lambda root: rewrite(root / "proc/cmdline", b"quiet toy=2\n"), "'proc/cmdline' was changed"),
    "another length": (lambda root: rewrite(root / "proc/cmdline", b""), "'proc/cmdline' was changed"),
    "another target": (lambda root: relink(root / "sys/bus/toy/devices/toy0", "/etc"), "toy0' was changed"),
    "a directory for a file": (lambda root: become(root / "proc/cmdline", Path.mkdir), "'proc/cmdline' was changed"),
    "a pipe for a file": (lambda root: become(root / "proc/cmdline", os.mkfifo), "'proc/cmdline' was changed"),
    "another marker": (lambda root: rewrite(root / MARKER, b'{"schema": "softreserve.boot"}'), "is no export"),
    "a marker that is none": (lambda root: rewrite(root / MARKER, b"\xff[[[["), "is no export"),
    "a marker elsewhere": (lambda root: relink(root / MARKER, "/etc/hostname"), "is no export"),
    "no marker": (lambda root: (root / MARKER).unlink(), "is no export"),
}


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def become(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_an_export_that_is_not_as_it_was_made_is_not_replaced(toy: System, tmp_path: Path, spoiler: str) -> None:
    spoil, said = SPOILERS[spoiler]
    root = tmp_path / "root"
    export(toy, root)
    spoil(root)
    before = {path: path.lstat() for path in [root, *tree(root)]}

    with pytest.raises(InputError, match=said):
        export(toy, root, replace=True)

    after = {path: path.lstat() for path in [root, *tree(root)]}
    assert {path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in after.items()} == {
        path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in before.items()
    }
    assert list(tmp_path.iterdir()) == [root]


def test_a_file_that_comes_while_an_export_is_being_replaced_is_kept(
    toy: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    export(toy, root)
    write = Path.write_text

    def late(path: Path, *arguments: Any) -> int:
        write(root / "mine", "precious")  # after the first look, before the exchange
        return write(path, *arguments)

    monkeypatch.setattr(Path, "write_text", late)
    with pytest.raises(InputError, match="root: holds 'mine', which no export made"):
        export(toy, root, replace=True)

    assert (root / "mine").read_text() == "precious"
    assert list(tmp_path.iterdir()) == [root]


def test_modes_that_forbid_reading_and_writing_do_not_keep_an_export(toy: System, tmp_path: Path) -> None:
    root = tmp_path / "root"
    export(toy, root)
    assert mode(root / "sys/devices/toy0/refusing") == 0
    (root / "sys/devices").chmod(0o500)

    export(toy, root, replace=True)

    assert list(tmp_path.iterdir()) == [root]
    assert mode(root / "sys/devices") == 0o755


def test_an_empty_directory_is_filled(toy: System, tmp_path: Path) -> None:
    export(toy, tmp_path)

    assert (tmp_path / "proc/iomem").is_file()


def test_nothing_is_left_behind_by_an_export_that_fails(
    toy: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "symlink", broken)
    with pytest.raises(InputError, match="root: cannot be written: No space left on device"):
        export(toy, tmp_path / "root")

    assert list(tmp_path.iterdir()) == []
