"""Early boot, in the order of ``setup_arch()``. Linux: ``arch/arm64/kernel/setup.c``, ``arch/arm64/mm/init.c``."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.early_param import MemoryLimit, common_handlers, parse_early_param
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.efi.efi_init import efi_init
from softreserve.kernel.efi.runtime import enable_runtime_services
from softreserve.kernel.mm.memblock_resources import (
    kernel_resources,
    request_standard_resources,
    reserved_regions_initcall,
)
from softreserve.kernel.numa.arch_numa import ARCH_NUMA, arch_numa
from softreserve.kernel.numa.cpus_by_uid import map_cpus_to_nodes
from softreserve.model.acpi.srat import GiccAffinity
from softreserve.model.errors import MachineError
from softreserve.model.units import U64_MAX

from softreserve_arm64 import behaviours
from softreserve_arm64.memblock import arm64_memblock_init
from softreserve_arm64.smp import acpi_cpus
from softreserve_arm64.zones import max_zone_pfns

if TYPE_CHECKING:
    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.system import System

__all__ = ["bootmem_init", "early_reserve", "register_resources"]

#: Room in memblock's static arrays. Linux: ``arch/arm64/include/asm/memory.h``.
_MEMORY_REGIONS: Final = 1024
_RESERVED_REGIONS: Final = 128
_DEFAULT_NR_CPUS: Final = 256
#: Values of ``acpi=``; the last is known to newer kernels only.
_ACPI_WORDS: Final = ("off", "on", "force", "nospcr")
_ACPI_NUMA: Final = "arch/arm64/kernel/acpi_numa.c"


def early_reserve(system: System) -> None:
    """Early options, then memblock from the EFI map, cut to what can be mapped and to ``mem=``.

    A kernel that a loader starts without EFI finds the same memory in its device tree; the map stands for that.

    :raises MachineError: there is no EFI map: where memory is would be in a device tree.
    """
    efi_map = system.handoff.efi_map
    if efi_map is None:
        raise MachineError(f"{system.machine.name}: an arm64 machine needs an EFI memory map")
    kernel, memblock, log = system.kernel, system.memblock, system.log
    if kernel.has(behaviours.ARM64_WIDE_MEMBLOCK_TABLE):
        memblock.memory.capacity = _MEMORY_REGIONS
    memblock.reserved.capacity = _RESERVED_REGIONS + kernel.number("NR_CPUS", _DEFAULT_NR_CPUS) + 1
    efi, limit = Efi(kernel, log), MemoryLimit(kernel, log, "arch/arm64/mm/init.c")
    efi.memmap = efi_map
    numa = arch_numa(system, system.nodes, GiccAffinity, f"{_ACPI_NUMA}: acpi_numa_gicc_affinity_init")
    system.stash[EFI], system.stash[ARCH_NUMA] = efi, numa
    system.acpi_disabled = system.machine.devicetree
    handlers = common_handlers(efi, memblock) | {
        "acpi": lambda value: _parse_acpi(system, value),
        "mem": limit.early_mem,
        "numa": numa.early_param,
    }
    parse_early_param(system.cmdline, handlers, log)
    if system.machine.boot == "loader":
        log.printk("efi: UEFI not found.", "drivers/firmware/efi/fdtparams.c: efi_get_fdt_params")
    efi_init(memblock, efi, kernel, log)
    linear = arm64_memblock_init(memblock, system.machine.image, limit.limit, log)
    memblock.allow_resize()
    system.memory.mappable_range = linear.mappable


def _parse_acpi(system: System, value: str | None) -> int:
    """``acpi=value``: 0 or -EINVAL; nothing takes ``off`` back. Linux: ``arch/arm64/kernel/acpi.c: parse_acpi``."""
    if value == "off":
        system.acpi_disabled = True
    return 0 if value in _ACPI_WORDS else -EINVAL


def bootmem_init(system: System) -> None:
    """Nodes, then zones, and memory that must be in one piece. Linux: the same function."""
    if system.kernel.builtin("NUMA"):
        system.stash[ARCH_NUMA].arch_numa_init()
    else:
        system.memblock.set_node(0, U64_MAX, system.memblock.memory, 0)
        system.nodes.possible.intersection_update({0})
    limits = max_zone_pfns(system.memblock, system.machine.dma_reach)
    system.memory.zones.zone_sizes_init(limits)
    if "crashkernel=" in system.cmdline.text or system.kernel.builtin("CMA"):
        from softreserve_arm64.contiguous import reserve_contiguous

        dma_pfn = limits.get("DMA") or limits.get("DMA32") or limits["Normal"]
        reserve_contiguous(system, dma_pfn * system.kernel.page_size)
    system.memblock.dump_all()


def register_resources(system: System) -> list[Initcall]:
    """System RAM and the kernel now; soft reserved memory and what memblock has reserved as initcalls."""
    source = "arch/arm64/kernel/setup.c"
    kernel = kernel_resources(system.machine.image, system.arch.image_parts)
    standard = request_standard_resources(system.iomem, system.memblock, kernel, source)
    cpus = None if system.acpi_disabled else acpi_cpus(system.nodes, system.machine)
    function = f"{_ACPI_NUMA}: acpi_parse_gicc_pxm"
    map_cpus_to_nodes(system.nodes, system.machine, cpus, GiccAffinity, called="MPIDR", function=function)
    runtime, uefi = "drivers/firmware/efi/arm-runtime.c", system.machine.boot != "loader"
    return [
        enable_runtime_services(system, system.stash[EFI], runtime, "arm_enable_runtime_services", uefi=uefi),
        reserved_regions_initcall(system, standard, source),
    ]
