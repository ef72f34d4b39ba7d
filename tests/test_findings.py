"""What the page on mistakes of kernels says beyond what its commands print, which ``test_documentation.py`` types."""

from __future__ import annotations

import re

import cases
import pages
import wheels

PAGE = "docs/kernel-findings.md"


def test_every_machine_of_the_page_is_tried() -> None:
    found = pages.pieces(PAGE)
    machines = {piece.file for piece in found if piece.language == "toml"}
    commands = [piece.text for piece in pages.typed(found) if isinstance(piece, pages.Typed) and piece.printed]
    assert len(machines) > 5
    assert machines == {word for command in commands for word in command.split() if word.endswith(".toml")}


def test_recorded_boots_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`((?:x86|arm64)-[\w.-]+)`", (wheels.ROOT / PAGE).read_text()))
    assert len(named) > 5
    assert named <= set(cases.names())
