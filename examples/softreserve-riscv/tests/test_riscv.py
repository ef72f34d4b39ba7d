"""The plugin's own tests, and the contract with its machine."""

from __future__ import annotations

import ast
from pathlib import Path

import attrs
import pytest
import softreserve as sr
from softreserve.plugins.selection import Selection
from softreserve.testing.bases import BaseArch, BasePlugin
from softreserve.testing.machines import CACHEABLE, descriptor, sample_machine
from softreserve_riscv import setup

ARCH = "riscv64"
GIB = sr.GiB


#: Two nodes, the second one specific purpose memory only; one processor each.
TWO_NODES = """
cpus = 2

[kernel]
arch = "riscv64"
release = "6.12"

[[efi_map]]
start = "2G"
size = "4G"

[[efi_map]]
start = "8G"
size = "2G"
attributes = "WB|SP"

[acpi.srat]
cpus = [{ domain = 0, count = 1 }, { domain = 1, count = 1 }]
memory = [{ domain = 0, start = "2G", size = "4G" }, { domain = 1, start = "8G", size = "2G" }]
"""


def booted(machine: sr.Machine) -> sr.System:
    return sr.boot(machine)


def test_a_plugin_is_written_with_public_names_and_in_150_lines() -> None:
    source = Path(setup.__file__).parent
    texts = [file.read_text() for file in source.glob("*.py")]
    assert sum(text.count("\n") for text in texts) <= 150
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("softreserve.")
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} == {"softreserve"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sr":
            assert node.attr in sr.__all__


def test_nodes_of_memory_and_processors_are_those_of_the_srat(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TWO_NODES)
    system = booted(sr.load(tmp_path / "two.toml").machine)
    assert system.nodes.phys_to_target_node(9 * sr.GiB) == 1
    assert [system.sysfs.read(f"/sys/devices/system/node/node{nid}/cpulist") for nid in (0, 1)] == [b"0\n", b"1\n"]


def test_memory_beyond_a_limit_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TWO_NODES.replace("cpus = 2", 'cpus = 2\ncmdline = "mem=1G"'))
    system = booted(sr.load(tmp_path / "two.toml").machine)
    assert [(ram.start, ram.end) for ram in system.iomem.find("System RAM")] == [(2 * sr.GiB, 3 * sr.GiB - 1)]


def test_the_architecture_chooses_the_plugin() -> None:
    assert Selection().names(ARCH)[0] == "riscv"


def test_soft_reserved_memory_is_beside_system_ram() -> None:
    lines = booted(sample_machine(ARCH)).iomem.lines()
    assert "100000000-13fffffff : System RAM" in lines
    assert "180000000-1ffffffff : Soft Reserved" in lines


def test_memory_that_is_not_cacheable_is_not_ram() -> None:
    above = (descriptor(4 * GIB, GIB), attrs.evolve(descriptor(8 * GIB, GIB), attribute=1))
    assert not any("200000000-" in line for line in booted(sample_machine(ARCH, above=above)).iomem.lines())


def test_soft_reserved_memory_is_where_the_firmware_says() -> None:
    above = (descriptor(4 * GIB, GIB, attribute=CACHEABLE | 1 << 18),)
    lines = booted(sample_machine(ARCH, above=above)).iomem.lines()
    assert "100000000-13fffffff : Soft Reserved" in lines


class _Riscv:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "riscv"

    @pytest.fixture
    def arch(self) -> str:
        return ARCH


class TestPlugin(_Riscv, BasePlugin):
    pass


class TestArch(_Riscv, BaseArch):
    pass
