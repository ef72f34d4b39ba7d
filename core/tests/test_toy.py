"""The toy architecture, and booting with plugins that are not installed."""

from __future__ import annotations

import sys
from types import ModuleType

import attrs
import pytest
from softreserve.kernel.modules import Module
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.model.errors import MachineError
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing import boot_with
from softreserve.testing.machines import sample_machine, sample_machines
from softreserve.testing.toy import TOY, TOY_INFO, ToyArch, ToyKexec

MACHINES = sample_machines(TOY)


class Marked:
    """A plugin that is no architecture."""

    @hookimpl
    def softreserve_modules(self, system: System) -> list[Module]:
        return [Module("marked", "NUMA", "drivers/dax/marked.c")]


def booted(machine: Machine) -> System:
    """With the core alone, whatever is installed."""
    return boot(machine, load([], extra=[(TOY, ToyArch()), ("toy-kexec", ToyKexec())]))


@pytest.mark.parametrize("words", MACHINES)
def test_every_sample_machine_boots_with_the_core_alone_and_again_after_a_kexec(words: str) -> None:
    system = booted(MACHINES[words])
    for call in ("kexec_load", "kexec_file_load"):
        image = kexec.load(system, KexecRequest(call))
        assert image.status == 0
        assert booted(image.machine).iomem.find("System RAM")


def test_specific_purpose_memory_is_soft_reserved_beside_system_ram() -> None:
    lines = booted(sample_machine(TOY)).iomem.lines()
    assert "100000000-13fffffff : System RAM" in lines
    assert "180000000-1ffffffff : Soft Reserved" in lines


def test_nodes_are_those_of_the_srat() -> None:
    system = booted(MACHINES["ACPI with three nodes"])
    assert system.nodes.phys_to_target_node(7 << 30) == 2
    cpus = [system.sysfs.read(f"/sys/devices/system/node/node{nid}/cpulist") for nid in range(2)]
    assert cpus == [b"0\n", b"1\n"]


def test_a_machine_without_a_map_is_refused() -> None:
    with pytest.raises(MachineError, match="needs an EFI memory map"):
        booted(attrs.evolve(sample_machine(TOY), efi_map=None))


def test_an_object_boots_on_the_toy() -> None:
    assert "marked" in boot_with(Marked()).modules.names()


def test_a_module_boots_with_a_machine_of_its_own() -> None:
    module = ModuleType("marked_plugin")
    module.softreserve_modules = Marked().softreserve_modules  # type: ignore[attr-defined]
    system = boot_with(module, sample_machine(TOY, release="6.1"), userspace="none")
    assert "marked" in system.modules.names()
    assert "marked_plugin" in system.hooks.names
    assert "marked_plugin" not in sys.modules


def test_an_architecture_of_ones_own_is_described_where_it_is_not_installed() -> None:
    mine = ToyArch(TOY_INFO._replace(name="mine"))
    assert boot_with(mine, sample_machine("mine", info=mine.info)).find_soft_reserved()
