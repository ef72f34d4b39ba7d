"""A machine whose specific purpose memory is on the node of its processors, and one where it is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import softreserve as sr
from softreserve.testing.bases import BasePlugin
from softreserve_audit.plugin import WORDS

SHARED = """
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

[acpi.srat]
cpus = [{ domain = 0, count = 1 }]
memory = [{ domain = 0, start = "1M", size = "2047M" }, { domain = 0, start = "4G", size = "1G" }]
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared.toml").write_text(SHARED)
    return tmp_path / "shared.toml"


def rules(system: sr.System) -> list[tuple[str, int | None]]:
    return [(found.rule, found.start) for found in sr.lint(system) if found.rule.startswith("audit-")]


def run(*words: object) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "softreserve", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_memory_on_a_node_with_processors_is_found(shared: Path) -> None:
    assert rules(sr.boot(sr.load(shared))) == [("audit-shared-node", 4 * sr.GiB)]


def test_memory_on_a_node_of_its_own_is_not() -> None:
    assert rules(sr.boot(sr.load("example:two-node"))) == []


def test_the_command_is_there_without_being_asked_for(shared: Path) -> None:
    assert run("audit", shared) == (1, f"0x100000000-0x140000000: {WORDS.format(0)}\n")
    assert run("audit", "example:two-node") == (0, "")
    assert "\n  audit " in run("--help")[1]


class TestContract(BasePlugin):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "audit"
