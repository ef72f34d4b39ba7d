"""Early boot. Linux: ``arch/riscv/kernel/setup.c``, ``arch/riscv/mm/init.c``.

What all architectures that boot from an EFI map do alike comes from the core. Left out: the device tree, NUMA, and
everything that has nothing to do with memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from softreserve.kernel.early_param import common_handlers, parse_early_param
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.efi.efi_init import efi_init
from softreserve.kernel.efi.runtime import enable_runtime_services
from softreserve.kernel.mm.memblock_resources import kernel_resources, request_standard_resources
from softreserve.model.errors import MachineError
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.system import System

__all__ = ["early_reserve", "init_resources", "misc_mem_init"]

_DMA32_LIMIT = 1 << 32
_RUNTIME = "drivers/firmware/efi/riscv-runtime.c"


def early_reserve(system: System) -> None:
    """Memory is what the EFI map says; specific purpose memory is left out while soft reservation is on.

    :raises MachineError: there is no EFI map: where memory is would be in a device tree.
    """
    if system.handoff.efi_map is None:
        raise MachineError(f"{system.machine.name}: a riscv64 machine needs an EFI memory map")
    efi = system.stash[EFI] = Efi(system.kernel, system.log)
    efi.memmap = system.handoff.efi_map
    parse_early_param(system.cmdline, common_handlers(efi, system.memblock), system.log)
    efi_init(system.memblock, efi, system.kernel, system.log)


def misc_mem_init(system: System) -> None:
    """All memory is on node 0; two zones."""
    memblock, page_size = system.memblock, system.kernel.page_size
    memblock.set_node(0, U64_MAX, memblock.memory, 0)
    end = memblock.end_of_dram() // page_size
    system.memory.zones.free_area_init({"DMA32": min(_DMA32_LIMIT // page_size, end), "Normal": end})


def init_resources(system: System) -> Sequence[Initcall]:
    """Insert System RAM with the kernel image in it; what is soft reserved follows as an initcall."""
    kernel = kernel_resources(system.machine.image, system.arch.image_parts)
    request_standard_resources(system.iomem, system.memblock, kernel, "arch/riscv/kernel/setup.c")
    return [enable_runtime_services(system, system.stash[EFI], _RUNTIME, "riscv_enable_runtime_services")]
