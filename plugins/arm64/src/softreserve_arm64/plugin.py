"""Hooks of the arm64 plugin; what they do is imported when a machine is an arm64 machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.system import System
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.machine import Machine
    from softreserve.model.placement import Placement

ARCH: Final = "arm64"


@hookimpl
def softreserve_stub_handoff(machine: Machine) -> Handoff | None:
    """The EFI map as it is: the stub changes nothing in it."""
    if machine.arch != ARCH:
        return None
    from softreserve.model.handoff import Handoff

    return Handoff(machine.efi_map)


@hookimpl
def softreserve_stub_place_image(machine: Machine, seed: int | None) -> Placement | None:
    """``efi_kaslr_relocate_kernel()``."""
    if machine.arch != ARCH:
        return None
    from softreserve_arm64 import stub

    return stub.place_image(machine, seed)


@hookimpl
def softreserve_early_reserve(system: System) -> bool | None:
    """``efi_init()`` and ``arm64_memblock_init()``."""
    if system.machine.arch != ARCH:
        return None
    from softreserve_arm64 import setup

    setup.early_reserve(system)
    return True


@hookimpl
def softreserve_numa_info(system: System) -> bool | None:
    """``bootmem_init()``."""
    if system.machine.arch != ARCH:
        return None
    from softreserve_arm64 import setup

    setup.bootmem_init(system)
    return True


@hookimpl
def softreserve_register_resources(system: System) -> Sequence[Initcall] | None:
    """``request_standard_resources()`` and ``smp_init_cpus()``; two initcalls."""
    if system.machine.arch != ARCH:
        return None
    from softreserve_arm64 import setup

    return setup.register_resources(system)


@hookimpl
def softreserve_memory_block_size(system: System) -> int | None:
    """One section."""
    if system.machine.arch != ARCH:
        return None
    from softreserve_arm64 import sizes

    return sizes.section_size(system.kernel)


@hookimpl
def softreserve_lint(system: System) -> Sequence[Finding] | None:
    """Ranges that are lost, and capacity that alignment takes."""
    if system.machine.arch != ARCH:
        return None
    from softreserve_arm64 import lint

    return lint.lint(system)
