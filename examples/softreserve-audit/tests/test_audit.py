"""A machine that has lost half of a node's specific purpose memory, and one that has all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import softreserve as sr
from softreserve.testing.bases import BaseCli, BaseLint, BasePlugin

MACHINE = """
[kernel]
arch = "x86_64"
release = "6.12"

[[efi_map]]
start = "1M"
size = "2047M"

[[efi_map]]
start = "4G"
size = "1G"
attributes = "SP|WB"

[[efi_map]]
start = "8G"
size = "{size}"
attributes = "SP|WB"

[acpi.srat]
cpus = [{{ domain = 0, count = 1 }}]
memory = [
    {{ domain = 0, start = "1M", size = "2047M" }},
    {{ domain = 1, start = "4G", size = "1G" }},
    {{ domain = 2, start = "8G", size = "1G" }},
]
"""
LOST = "node 2 has 0x20000000 bytes of specific purpose memory, another 0x40000000"


@pytest.fixture
def machines(tmp_path: Path) -> list[Path]:
    """The sound one first."""
    files = [tmp_path / "whole.toml", tmp_path / "half.toml"]
    for file, size in zip(files, ("1G", "512M"), strict=True):
        file.write_text(MACHINE.format(size=size))
    return files


def run(*words: object) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "softreserve", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_node_that_lost_memory_is_found(machines: list[Path]) -> None:
    found = [[f.message for f in sr.lint(sr.boot(sr.load(m))) if f.rule.startswith("audit")] for m in machines]
    assert found == [[], [LOST]]


def test_the_command_is_there_without_being_asked_for(machines: list[Path]) -> None:
    whole, half = machines
    assert run("audit", whole) == (0, f"{whole}: even\n")
    assert run("audit", whole, half) == (1, f"{whole}: even\n{half}: {LOST}\n")
    assert "\n  audit " in run("--help")[1]


class Mine:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "audit"


class TestPlugin(Mine, BasePlugin):
    pass


class TestLint(Mine, BaseLint):
    pass


class TestCli(Mine, BaseCli):
    pass
