"""The tutorial for authors, word for word: its commands, its files, and what it says that one sees."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import wheels

TUTORIAL = wheels.ROOT / "docs" / "tutorial-plugin.md"
#: What it promises, in seconds.
MINUTES = 5 * 60

_BLOCK = re.compile(r"(?:`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of the page: in which language, for which file, and what it says."""

    language: str
    file: str
    text: str


def blocks() -> list[Block]:
    return [Block(language, file, text) for file, language, text in _BLOCK.findall(TUTORIAL.read_text())]


def script(folder: Path) -> str:
    """The commands, between lines that tell which one comes; files are written where they come."""
    words = ["set -e"]
    for number, block in enumerate(blocks()):
        if block.language == "sh":
            words += [f"echo '::: {number}'", block.text]
        elif block.file:
            (folder / f"{number}").write_text(block.text)
            words.append(f"cp {folder / str(number)} {block.file}")
    return "\n".join(words)


def test_every_block_is_a_command_a_file_or_what_one_sees() -> None:
    found = blocks()
    assert {block.language for block in found} == {"sh", "python", "text"}
    assert all(block.file for block in found if block.language == "python")
    assert all(before.language == "sh" for before, block in pairwise(found) if block.language == "text")


@pytest.mark.slow  # it fills an environment of its own, from a package index
def test_it_does_what_it_says(tmp_path: Path) -> None:
    sources, files = tmp_path / "sources", tmp_path / "files"
    sources.mkdir()
    files.mkdir()
    for name in ("core", "plugins"):
        (sources / name).symlink_to(wheels.ROOT / name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SOFTRESERVE"))}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    begun = time.monotonic()
    run = subprocess.run(
        ["bash", "-c", script(files)],
        cwd=sources,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    taken = time.monotonic() - begun
    assert run.returncode == 0, run.stdout
    found = blocks()
    said = {int(part.partition("\n")[0]): part.partition("\n")[2] for part in run.stdout.split("::: ")[1:]}
    for number, block in enumerate(found):
        if block.language == "text":
            for line in block.text.splitlines():
                wanted = ".*".join(map(re.escape, line.split("...")))
                assert re.search(f"^{wanted}", said[number - 1], re.MULTILINE), f"{line}\n\n{said[number - 1]}"
    assert taken < MINUTES
