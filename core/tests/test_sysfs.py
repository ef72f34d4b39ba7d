"""The sysfs tree: what open(), read(), write() and readlink() give."""

from __future__ import annotations

import errno

import pytest
from softreserve.kernel.sysfs import Attribute, Directory, Link, SysfsTree, number_in


@pytest.fixture
def tree() -> SysfsTree:
    tree = SysfsTree()
    tree.add("/sys/devices/platform/hmem.0/size", Attribute(0o444, lambda: "4096\n"))
    tree.add("/sys/devices/platform/hmem.0/delete", Attribute(0o200, None, len))
    tree.add("/sys/devices/platform/hmem.0/broken", Attribute(0o644, lambda: -errno.ENXIO, lambda data: -errno.EBUSY))
    tree.add("/sys/bus/dax/devices/hmem.0", Link("/sys/devices/platform/hmem.0"))
    return tree


def test_a_link_is_shown_relative_to_where_it_stands(tree: SysfsTree) -> None:
    assert tree.readlink("/sys/bus/dax/devices/hmem.0") == "../../../devices/platform/hmem.0"
    assert tree.readlink("/sys/devices/platform/hmem.0/size") == -errno.EINVAL


def test_links_on_the_way_are_followed(tree: SysfsTree) -> None:
    assert tree.read("/sys/bus/dax/devices/hmem.0/size") == b"4096\n"
    assert tree.resolve("/sys/bus/dax/devices/hmem.0/size") == "/sys/devices/platform/hmem.0/size"


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/sys/nothing", -errno.ENOENT),
        ("/sys/devices", -errno.EISDIR),
        ("/sys/devices/platform/hmem.0/size/x", -errno.ENOTDIR),
        ("/sys/devices/platform/hmem.0/delete", -errno.EACCES),  # write only, even for root
        ("/sys/devices/platform/hmem.0/broken", -errno.ENXIO),
    ],
)
def test_reading_what_cannot_be_read_gives_the_errno(tree: SysfsTree, path: str, result: int) -> None:
    assert tree.read(path) == result


def test_writing_reaches_the_store_once_and_gives_its_answer(tree: SysfsTree) -> None:
    assert tree.write("/sys/devices/platform/hmem.0/delete", b"dax0.1\0") == 7
    assert tree.write("/sys/devices/platform/hmem.0/broken", b"1") == -errno.EBUSY
    assert tree.write("/sys/devices/platform/hmem.0/size", b"1") == -errno.EACCES


def test_a_write_of_nothing_never_reaches_the_attribute(tree: SysfsTree) -> None:
    assert tree.write("/sys/devices/platform/hmem.0/broken", b"") == 0


def test_a_loop_of_links_is_eloop() -> None:
    tree = SysfsTree()
    tree.add("/sys/a", Link("/sys/b"))
    tree.add("/sys/b", Link("/sys/a"))
    assert tree.read("/sys/a") == -errno.ELOOP


def test_children_on_demand_are_listed_and_made_only_when_asked() -> None:
    made: list[str] = []

    def lookup(name: str) -> Directory | None:
        made.append(name)
        return Directory() if name.startswith("memory") else None

    tree = SysfsTree()
    tree.add("/sys/m", Directory(names=lambda: [f"memory{n}" for n in range(3)], lookup=lookup))
    assert tree.listdir("/sys/m") == ["memory0", "memory1", "memory2"]
    assert made == []
    assert tree.node("/sys/m/memory2") is not None
    assert tree.node("/sys/m/other") is None
    assert made == ["memory2", "other"]


def test_removing_takes_everything_below_away(tree: SysfsTree) -> None:
    tree.remove("/sys/devices/platform/hmem.0")
    tree.remove("/sys/devices/platform/hmem.0")
    assert tree.read("/sys/bus/dax/devices/hmem.0/size") == -errno.ENOENT


def test_an_attribute_gets_one_page_of_a_write(tree: SysfsTree) -> None:
    assert tree.write("/sys/devices/platform/hmem.0/delete", b"x" * 65536) == 4096
    big = SysfsTree(65536)
    big.add("/sys/size", Attribute(0o200, None, len))
    assert big.write("/sys/size", b"x" * 100_000) == 65536


@pytest.mark.parametrize("path", ["/sys/" + "x" * 256, "/sys/" + "\u00e9" * 128, "/sys" + "/x" * 2048])
def test_a_name_or_path_beyond_the_kernels_limits_is_too_long(tree: SysfsTree, path: str) -> None:
    assert tree.read(path) == -errno.ENAMETOOLONG


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("memory0", 0),
        ("memory32", 32),
        ("memory032", None),
        ("memory-1", None),
        ("memory", None),
        ("32", None),
        ("memory\u0663", None),
        ("memory\u00b2", None),
        ("memory" + "9" * 5000, None),
    ],
)
def test_only_a_number_as_the_kernel_prints_it_is_one_in_a_name(name: str, number: int | None) -> None:
    assert number_in(name, "memory") == number


def test_only_directories_have_entries_and_can_be_gone_through(tree: SysfsTree) -> None:
    assert tree.listdir("/sys/devices/platform/hmem.0/size") == -errno.ENOTDIR
    assert list(tree.walk("/sys/nothing")) == []
    assert [path for path, _ in tree.walk("/sys/bus")][-1] == "/sys/bus/dax/devices/hmem.0"
    with pytest.raises(ValueError, match="size is no directory"):
        tree.add("/sys/devices/platform/hmem.0/size/x", Attribute(0o444, lambda: ""))


def test_a_way_up_is_followed(tree: SysfsTree) -> None:
    assert tree.read("/sys/devices/platform/../platform/./hmem.0/size") == b"4096\n"
