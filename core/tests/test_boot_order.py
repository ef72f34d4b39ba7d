"""A plugin that implements every hook sees them called in boot order."""

from __future__ import annotations

import attrs
from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
from softreserve.kernel.driver_core.bus import Device
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.efi.efi_init import efi_init
from softreserve.kernel.efi.runtime import register_soft_reserved
from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.kexec import KexecPolicy
from softreserve.kernel.mm.memblock_resources import request_standard_resources
from softreserve.kernel.modules import Module
from softreserve.kernel.sysfs import Directory
from softreserve.kernel.system import System
from softreserve.machine import kexec
from softreserve.machine.boot import boot
from softreserve.model.arch import ArchInfo
from softreserve.model.dax import DaxCapacity
from softreserve.model.findings import Finding
from softreserve.model.handoff import Handoff
from softreserve.model.kexec import KexecImage, KexecRequest, KexecSegment
from softreserve.model.machine import Machine
from softreserve.model.outcome import Outcome
from softreserve.model.placement import Placement
from softreserve.model.ranges import PhysRange
from softreserve.plugins import hookspecs
from softreserve.plugins.hooks import Hooks, hooks_of, load
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing.machines import sample_machine


class EveryHook:
    """Implements all hooks; initcalls and modules say when they run."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def softreserve_arch_info(self, arch: str) -> ArchInfo:
        return ArchInfo(arch)

    @hookimpl
    def softreserve_stub_handoff(self, machine: Machine) -> Handoff:
        return Handoff(machine.efi_map)

    @hookimpl
    def softreserve_stub_place_image(self, machine: Machine) -> Placement:
        return Placement((), 0, 1, None)

    @hookimpl
    def softreserve_early_reserve(self, system: System) -> bool:
        efi = system.stash[EFI] = Efi(system.kernel, system.log)
        efi.memmap = system.handoff.efi_map
        efi_init(system.memblock, efi, system.kernel, system.log)
        return True

    @hookimpl
    def softreserve_numa_info(self, system: System) -> bool:
        memblock = system.memblock
        memblock.set_node(0, 1 << 52, memblock.memory, 0)
        system.memory.zones.free_area_init({"Normal": memblock.end_of_dram() // system.kernel.page_size})
        return True

    @hookimpl
    def softreserve_register_resources(self, system: System) -> list[Initcall]:
        def late() -> None:
            self.calls.append("late initcall")

        def early() -> None:
            self.calls.append("early initcall")

        request_standard_resources(system.iomem, system.memblock, [], "mm/x.c")
        register_soft_reserved(system.iomem, system.stash[EFI], system.kernel, "mm/x.c: x")
        return [Initcall(Level.LATE, "mm/x.c", "late", late), Initcall(Level.EARLY, "mm/x.c", "early", early)]

    @hookimpl
    def softreserve_modules(self, system: System) -> list[Module]:
        def init() -> int:
            self.calls.append("module init")
            hooks_of(system).dax_devices(system)
            return 0

        return [Module("every", "NUMA", "drivers/dax/every.c", init)]

    @hookimpl
    def softreserve_dax_devices(self, system: System) -> None:
        return None

    @hookimpl
    def softreserve_dax_drivers(self, system: System) -> None:
        return None

    @hookimpl
    def softreserve_memory_block_size(self, system: System) -> int:
        return 1 << 27

    @hookimpl
    def softreserve_online_policy(self, system: System) -> str:
        return "offline"

    @hookimpl
    def softreserve_sysfs(self, system: System) -> None:
        return None

    @hookimpl
    def softreserve_dax_region(self) -> DaxRegionMade:
        return DaxRegionMade(0, Directory(), lambda: None)

    @hookimpl
    def softreserve_dax_claimed(self) -> None:
        return None

    @hookimpl
    def softreserve_kexec_hardware(self, machine: Machine) -> Machine:
        return machine

    @hookimpl
    def softreserve_kexec_policies(self, system: System) -> list[KexecPolicy]:
        return [KexecPolicy("default", "nothing changes")]

    @hookimpl
    def softreserve_kexec_load(self, system: System) -> KexecImage:
        next_machine = attrs.evolve(system.machine, boot="kexec")
        return KexecImage(next_machine, (KexecSegment(PhysRange(16 << 20, 17 << 20), "kernel"),))

    @hookimpl
    def softreserve_lint(self, system: System) -> list[Finding]:
        return []

    @hookimpl
    def softreserve_dax_capacity(self, where: PhysRange) -> DaxCapacity:
        return DaxCapacity(where, None)

    @hookimpl
    def softreserve_machine_sections(self) -> None:
        return None

    @hookimpl
    def softreserve_importers(self) -> None:
        return None

    @hookimpl
    def softreserve_nodes(self) -> None:
        return None

    @hookimpl
    def softreserve_memory_added(self) -> None:
        return None

    @hookimpl
    def softreserve_report_lanes(self) -> None:
        return None

    @hookimpl
    def softreserve_emitters(self) -> None:
        return None

    @hookimpl
    def softreserve_cli(self) -> None:
        return None


def everything() -> tuple[list[str], Hooks]:
    """The calls, as they will be made, and the hooks."""
    every = EveryHook()
    hooks = load([], extra=[("every", every)])
    hooks.trace = lambda hook, plugin, answer: every.calls.append(hook)
    return every.calls, hooks


def test_every_hook_is_implemented_here() -> None:
    _, hooks = everything()
    found = hooks.manager.get_hookcallers(hooks.manager.get_plugin("every"))
    assert {caller.name for caller in found or ()} == {n for n in vars(hookspecs) if n.startswith("softreserve_")}


def test_a_boot_asks_in_boot_order() -> None:
    calls, hooks = everything()
    system = boot(sample_machine("x86_64"), hooks)
    assert not system.booting
    assert calls == [
        "softreserve_arch_info",
        "softreserve_stub_handoff",
        "softreserve_early_reserve",
        "softreserve_numa_info",
        "softreserve_nodes",
        "softreserve_register_resources",
        "softreserve_modules",
        "softreserve_memory_block_size",
        "softreserve_online_policy",
        "early initcall",
        "module init",
        "softreserve_dax_devices",
        "late initcall",
        "softreserve_sysfs",
    ]


def test_the_rest_is_asked_on_request() -> None:
    calls, hooks = everything()
    system = boot(sample_machine("x86_64"), hooks)
    del calls[:]
    kexec.load(system, KexecRequest())
    hooks.lint(system, Outcome(()), Outcome(()))
    hooks.stub_place_image(system.machine, None)
    hooks.dax_capacity(system, PhysRange(0, 1))
    hooks.dax_claimed(system, PhysRange(0, 1))
    hooks.dax_region(system, DaxRegionRequest(Device("x", "/sys/devices/x", -1), 0, 0, 1, 0))
    assert calls == [
        "softreserve_kexec_policies",
        "softreserve_kexec_load",
        "softreserve_kexec_hardware",
        "softreserve_lint",
        "softreserve_stub_place_image",
        "softreserve_dax_capacity",
        "softreserve_dax_claimed",
        "softreserve_dax_region",
    ]


def test_stages_are_recorded_in_order() -> None:
    _, hooks = everything()
    system = boot(sample_machine("x86_64"), hooks)
    stages = [event.stage for event in system.log]
    assert list(dict.fromkeys(stages)) == sorted(
        set(stages), key=["early reservation", "numa info", "resources", "dax bus"].index
    )
