"""Photographed pages in the documentation: those that a page shows are there, and not large; none lies there unused."""

from __future__ import annotations

import re
import struct

import wheels

PICTURES = sorted((wheels.ROOT / "docs" / "pictures").glob("*.png"))
#: Bytes that a reader of a page should not wait for.
_LARGEST = 400_000


def test_every_picture_is_shown_and_every_one_shown_is_there() -> None:
    pages = [wheels.ROOT / "README.md", *(wheels.ROOT / "docs").glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"pictures/([\w-]+\.png)", page.read_text("utf-8"))}
    assert shown == {path.name for path in PICTURES}


def test_pictures_come_in_light_and_dark_of_one_size_and_are_not_large() -> None:
    sizes = {path.name: struct.unpack(">II", path.read_bytes()[16:24]) for path in PICTURES}
    assert {name.rpartition("-")[2] for name in sizes} == {"light.png", "dark.png"}
    assert all(size == sizes[name.replace("-light", "-dark")] for name, size in sizes.items())
    assert max(path.stat().st_size for path in PICTURES) < _LARGEST
