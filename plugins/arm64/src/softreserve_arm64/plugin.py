"""Hooks of the arm64 plugin; what they do is imported when a machine is an arm64 machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.plugins.arches import for_arch
from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.system import System
    from softreserve.model.arch import ArchInfo
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.machine import Machine
    from softreserve.model.outcome import Outcome
    from softreserve.model.placement import Placement

ARCH: Final = "arm64"


@hookimpl
def softreserve_arch_info(arch: str) -> ArchInfo | None:
    """Sizes, limits, Debian's options, and how processors are named."""
    if arch != ARCH:
        return None
    from softreserve_arm64.arch import ARM64

    return ARM64


@hookimpl
@for_arch(ARCH)
def softreserve_stub_handoff(machine: Machine) -> Handoff:
    """The EFI map as it is: the stub changes nothing in it."""
    from softreserve.model.handoff import Handoff

    return Handoff(machine.efi_map)


@hookimpl
@for_arch(ARCH)
def softreserve_stub_place_image(machine: Machine, seed: int | None) -> Placement:
    """``efi_kaslr_relocate_kernel()``."""
    from softreserve_arm64 import stub

    return stub.place_image(machine, seed)


@hookimpl
@for_arch(ARCH)
def softreserve_early_reserve(system: System) -> bool:
    """``efi_init()`` and ``arm64_memblock_init()``."""
    from softreserve_arm64 import setup

    setup.early_reserve(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_numa_info(system: System) -> bool:
    """``bootmem_init()``."""
    from softreserve_arm64 import setup

    setup.bootmem_init(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_register_resources(system: System) -> Sequence[Initcall]:
    """``request_standard_resources()`` and ``smp_init_cpus()``; two initcalls."""
    from softreserve_arm64 import setup

    return setup.register_resources(system)


@hookimpl
@for_arch(ARCH)
def softreserve_sysfs(system: System) -> None:
    """``/sys/firmware/efi``."""
    from softreserve.kernel.efi import sysfs

    if system.machine.boot != "loader":
        sysfs.publish(system, {"systab": 0o400})


@hookimpl
@for_arch(ARCH)
def softreserve_lint(system: System, outcome: Outcome) -> Sequence[Finding]:
    """Ranges that are lost, and capacity that alignment takes."""
    from softreserve_arm64 import lint

    return lint.lint(system, outcome)
