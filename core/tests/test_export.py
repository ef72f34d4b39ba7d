from __future__ import annotations

import os
from pathlib import Path

import pytest
from softreserve.kernel.system import System
from softreserve.live.export import export
from softreserve.model.errors import InputError


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


def test_a_directory_that_holds_something_is_left_alone_unless_it_is_to_be_replaced(
    toy: System, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "mine").write_text("precious")

    with pytest.raises(InputError, match="is there already; --replace takes its place"):
        export(toy, root)
    assert (root / "mine").read_text() == "precious"

    export(toy, root, replace=True)
    assert not (root / "mine").exists()
    assert (root / "sys/devices/toy0/value").is_file()
    assert list(tmp_path.iterdir()) == [root]


def test_an_empty_directory_is_filled(toy: System, tmp_path: Path) -> None:
    export(toy, tmp_path)

    assert (tmp_path / "proc/iomem").is_file()


def test_nothing_is_left_behind_by_an_export_that_fails(
    toy: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "symlink", broken)
    with pytest.raises(InputError, match="cannot export: No space left on device"):
        export(toy, tmp_path / "root")

    assert list(tmp_path.iterdir()) == []
