"""The demo's own tests, and the contract with the demo's machine."""

from __future__ import annotations

import attrs
import pytest
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.machine import Machine
from softreserve.plugins.selection import Selection
from softreserve.testing.bases import BaseArch, BasePlugin
from softreserve.testing.machines import CACHEABLE, descriptor, sample_machine

ARCH = "riscv64"
GIB = 1 << 30


def booted(machine: Machine) -> System:
    return boot(machine, Selection().hooks_for(machine))


def test_the_architecture_chooses_the_plugin() -> None:
    assert Selection().names(ARCH)[0] == "demo"


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


class _Demo:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "demo"

    @pytest.fixture
    def arch(self) -> str:
        return ARCH


class TestPlugin(_Demo, BasePlugin):
    pass


class TestArch(_Demo, BaseArch):
    pass
