"""The hooks. Each answers for one architecture, and imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from softreserve import ArchInfo, Handoff, Initcall, Machine, Placement, System, for_arch, hookimpl

ARCH = "riscv64"


@hookimpl
def softreserve_arch_info(arch: str) -> ArchInfo | None:
    """Say what it is: what is left out is as on most architectures."""
    if arch != ARCH:
        return None
    from softreserve_riscv import setup

    return setup.RISCV64


@hookimpl
@for_arch(ARCH)
def softreserve_stub_handoff(machine: Machine) -> Handoff:
    """Hand the firmware's map over as it is."""
    return Handoff(machine.efi_map)


@hookimpl
@for_arch(ARCH)
def softreserve_stub_place_image(machine: Machine, seed: int | None) -> Placement:
    """Put the image where there is room; with a seed, anywhere."""
    from softreserve_riscv import setup

    return setup.relocate_kernel(machine, seed)


@hookimpl
@for_arch(ARCH)
def softreserve_early_reserve(system: System) -> bool:
    """Fill memblock."""
    from softreserve_riscv import setup

    setup.setup_bootmem(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_numa_info(system: System) -> bool:
    """Nodes and zones."""
    from softreserve_riscv import setup

    setup.misc_mem_init(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_register_resources(system: System) -> Sequence[Initcall]:
    """System RAM, the kernel image, what is soft reserved, and the nodes of processors."""
    from softreserve_riscv import setup

    return setup.init_resources(system)
