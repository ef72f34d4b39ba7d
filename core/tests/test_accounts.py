"""Memory that an architecture loses, makes up or takes for something else is told with its address."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import attrs
import pytest
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.errors import PluginResultError
from softreserve.model.events import Rule
from softreserve.model.frozen import FrozenDict
from softreserve.model.handoff import Handoff
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing.machines import sample_machine
from softreserve.testing.toy import TOY, ToyArch

GIB = 1 << 30
#: Of the sample machine: RAM from 4 to 5 GiB, specific purpose memory from 6 to 8 GiB, runtime services at 1 GiB.
RUNTIME = GIB + (16 << 20)


class Wrong(ToyArch):
    """The toy, with something done after one of its hooks."""

    def __init__(self, stage: str, deed: Callable[[System], object]) -> None:
        super().__init__()
        self.stage, self.deed = stage, deed

    @hookimpl
    def softreserve_stub_handoff(self, machine: Machine) -> Handoff | None:
        kept = [d for d in machine.efi_map or () if self.stage != "handoff" or not d.is_special_purpose]
        return Handoff(EfiMemoryMap(tuple(kept)))

    @hookimpl
    def softreserve_early_reserve(self, system: System) -> bool | None:
        done = super().softreserve_early_reserve(system)
        if self.stage == "early":
            self.deed(system)
        return done

    @hookimpl
    def softreserve_numa_info(self, system: System) -> bool | None:
        done = super().softreserve_numa_info(system)
        if self.stage == "numa":
            self.deed(system)
        return done


def nothing(system: System) -> None:
    """Do nothing."""


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize(
    ("stage", "deed", "words"),
    [
        ("handoff", nothing, "stub_handoff: loses specific purpose memory of the firmware's map at 0x180000000"),
        ("early", lambda s: s.memblock.remove(4 * GIB, 4096), "early_reserve: loses memory .* 0x100000000-0x100001000"),
        ("early", lambda s: s.memblock.add(32 * GIB, GIB), "early_reserve: adds memory at 0x800000000-0x840000000"),
        (
            "early",
            lambda s: s.memblock.clear_nomap(RUNTIME, 1 << 20),
            "early_reserve: takes memory that the firmware keeps",
        ),
        (
            "early",
            lambda s: s.memblock.add(6 * GIB, GIB),
            "early_reserve: takes specific purpose memory at 0x180000000-0x1c0000000",
        ),
        ("numa", lambda s: s.nodes.online.add(1000), "numa_info: node 1000 is online; this kernel has nodes 0 to"),
        ("numa", lambda s: s.nodes.possible.clear(), "numa_info: node 0 is online, and not possible"),
    ],
)
def test_what_becomes_of_memory_is_held_against_the_firmware(
    stage: str, deed: Callable[[System], object], words: str, recording: bool
) -> None:
    hooks = load([], extra=[("bad", Wrong(stage, deed))])
    machine = sample_machine(TOY, release="6.1")  # it has no memory that is specific purpose and cannot be mapped
    with pytest.raises(PluginResultError, match=f"^plugin bad: softreserve_{words}"):
        boot(machine, hooks, recording=recording)


@pytest.mark.parametrize("recording", [True, False])
def test_memory_that_goes_for_a_reason_is_no_mistake(recording: bool) -> None:
    def deed(system: System) -> None:
        system.memblock.remove(4 * GIB, 1 << 20)
        system.log.record(Rule("toy-kept", "kept for the toy"), "arch/toy/x.c: x", 4 * GIB, 4 * GIB + (1 << 20))

    boot(sample_machine(TOY), load([], extra=[("good", Wrong("early", deed))]), recording=recording)
    limited = sample_machine(TOY, cmdline="mem=1G")
    boot(limited, load([], extra=[(TOY, ToyArch())]), recording=recording)


def test_what_goes_into_a_boot_can_only_be_read() -> None:
    machine = attrs.evolve(sample_machine(TOY), acpi={"SRAT": b"x"})
    with pytest.raises(TypeError, match="cannot be changed"):
        machine.acpi["HMAT"] = b""  # type: ignore[index]
    with pytest.raises(TypeError, match="cannot be changed"):
        machine.kernel.config.update({})  # type: ignore[attr-defined]
    tables = FrozenDict({"SRAT": b"x"})
    assert copy.deepcopy(tables) == pickle.loads(pickle.dumps(tables)) == machine.acpi
