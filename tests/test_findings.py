"""What the documentation says of mistakes of kernels is what the emulator shows on the machines that it gives."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cases
import pytest
import wheels
from small_machines import need
from softreserve.cli import main
from softreserve.config import load

PAGE = (wheels.ROOT / "docs" / "kernel-findings.md").read_text()
MACHINES = dict(re.findall(r"```toml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


class Shown(NamedTuple):
    """A command of the page, and lines of what it prints, in order."""

    command: str
    lines: list[str]

    def __str__(self) -> str:
        return self.command


def shown() -> Iterator[Shown]:
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for text in block.removeprefix("$ softreserve ").split("\n$ softreserve "):
            command, *lines = text.rstrip("\n").split("\n")
            yield Shown(command, lines)


COMMANDS = list(shown())


@pytest.mark.parametrize("found", COMMANDS, ids=str)
def test_a_command_prints_what_the_page_shows(
    found: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    for name, text in MACHINES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(found.command)
    need(load(words[1], with_steps=False).machine.arch)
    assert main(words) in (0, 1)
    printed = iter(capsys.readouterr().out.splitlines())
    assert [line for line in found.lines if line not in printed] == []


def test_every_machine_of_the_page_is_tried() -> None:
    assert len(MACHINES) > 5
    assert set(MACHINES) == {shlex.split(found.command)[1] for found in COMMANDS}


def test_recorded_boots_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`((?:x86|arm64)-[\w.-]+)`", PAGE))
    assert len(named) > 5
    assert named <= set(cases.names())
