"""The hooks. Each answers for one architecture, and imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.plugins.arches import for_arch
from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.system import System
    from softreserve.model.arch import ArchInfo
    from softreserve.model.handoff import Handoff
    from softreserve.model.machine import Machine

ARCH = "riscv64"


@hookimpl
def softreserve_arch_info(arch: str) -> ArchInfo | None:
    """Say what it is: what is left out is as on most architectures."""
    if arch != ARCH:
        return None
    from softreserve.model.arch import ArchInfo

    return ArchInfo(name=ARCH, image_parts=("code", "rodata", "data"))


@hookimpl
@for_arch(ARCH)
def softreserve_stub_handoff(machine: Machine) -> Handoff:
    """Hand the firmware's map over as it is."""
    from softreserve.model.handoff import Handoff

    return Handoff(machine.efi_map)


@hookimpl
@for_arch(ARCH)
def softreserve_early_reserve(system: System) -> bool:
    """Fill memblock."""
    from softreserve_demo import setup

    setup.early_reserve(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_numa_info(system: System) -> bool:
    """One node for everything."""
    from softreserve_demo import setup

    setup.misc_mem_init(system)
    return True


@hookimpl
@for_arch(ARCH)
def softreserve_register_resources(system: System) -> Sequence[Initcall]:
    """System RAM, the kernel image, and what is soft reserved."""
    from softreserve_demo import setup

    return setup.init_resources(system)
