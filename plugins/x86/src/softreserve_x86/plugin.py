"""The hooks of the x86-64 architecture: which kernel function answers which question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.initcalls import Initcall, Level
from softreserve.plugins.arches import for_arch
from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.system import System
    from softreserve.model.arch import ArchInfo
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.machine import Machine
    from softreserve.model.outcome import Outcome
    from softreserve.model.placement import Placement

ARCH: Final = "x86_64"


@hookimpl
def softreserve_arch_info(arch: str) -> ArchInfo | None:
    """Sizes, limits, Debian's options, and how processors are named."""
    if arch != ARCH:
        return None
    from softreserve_x86.arch import X86_64

    return X86_64


@hookimpl
@for_arch(ARCH)
def softreserve_stub_handoff(machine: Machine) -> Handoff:
    """The zero page, from the EFI stub or from the loader."""
    from softreserve_x86 import stub

    return stub.handoff(machine)


@hookimpl
@for_arch(ARCH)
def softreserve_stub_place_image(machine: Machine, seed: int | None) -> Placement:
    """``efi_decompress_kernel()``, or the decompressor's ``choose_random_location()``."""
    from softreserve_x86 import placement

    return placement.place_image(machine, seed)


@hookimpl
@for_arch(ARCH)
def softreserve_early_reserve(system: System) -> bool:
    """``setup_arch()`` until memblock is complete."""
    from softreserve_x86 import setup

    setup.early_reserve(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_numa_info(system: System) -> bool:
    """``initmem_init()``, zones, and the CPUs' nodes."""
    from softreserve_x86 import setup

    setup.initmem_init(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_register_resources(system: System) -> Sequence[Initcall]:
    """``e820__reserve_resources()`` now, the late half when PCI has been set up."""
    from softreserve_x86 import setup

    late = setup.reserve_resources(system)
    return [Initcall(Level.SUBSYS, "arch/x86/pci/legacy.c", "pci_subsys_init", late)]


@hookimpl
@for_arch(ARCH)
def softreserve_memory_block_size(system: System) -> int:
    """``memory_block_size_bytes()``."""
    from softreserve_x86.init_64 import MemoryBlockSize
    from softreserve_x86.setup import SETUP

    size = MemoryBlockSize(system.kernel, system.log)
    advised = system.nodes.advised_block_size
    return size.probe_memory_block_size(system.stash[SETUP].max_pfn, system.machine.hypervisor, advised)


@hookimpl
@for_arch(ARCH)
def softreserve_sysfs(system: System) -> None:
    """What kexec-tools hand over besides memory: ``/sys/firmware/efi`` with its map, and the zero page."""
    from softreserve.kernel.efi import sysfs

    from softreserve_x86 import boot_params

    def runtime_map() -> EfiMemoryMap | None:
        from softreserve_x86 import efi_runtime

        return efi_runtime.runtime_map(system) if system.kernel.builtin("EFI_RUNTIME_MAP") else None

    sysfs.publish(system, {"config_table": 0o444, "fw_vendor": 0o444, "runtime": 0o444, "systab": 0o400}, runtime_map)
    system.sysfs.add("/sys/kernel/boot_params", boot_params.directory(system.handoff))


@hookimpl
@for_arch(ARCH)
def softreserve_lint(system: System, outcome: Outcome) -> Sequence[Finding]:
    """Specific purpose memory that was not set aside, and options that did not do what they say."""
    from softreserve_x86 import lint

    return lint.lint(system, outcome)
