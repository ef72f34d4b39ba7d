"""What the hooks do. Linux: ``arch/riscv/kernel/setup.c``, ``arch/riscv/mm/init.c``, ``arch/riscv/kernel/acpi_numa.c``.

What all architectures that boot from an EFI map do alike comes from the core. Left out: the device tree, and everything
that has nothing to do with memory.
"""

from __future__ import annotations

import softreserve as sr

__all__ = ["RISCV64", "init_resources", "misc_mem_init", "relocate_kernel", "setup_bootmem"]

_SETUP, _NUMA = "arch/riscv/kernel/setup.c", "arch/riscv/kernel/acpi_numa.c"
_RUNTIME = "drivers/firmware/efi/riscv-runtime.c"
_PMD_SIZE = 2 << 20
_DMA32_LIMIT = 1 << 32


RISCV64 = sr.ArchInfo(
    name="riscv64",
    physmem_bits=lambda machine: 56,
    nodes_shift=2,
    # what of a usual build is not in the part that all architectures share
    options={
        "": dict.fromkeys(("DAX", "DEV_DAX_HMEM_DEVICES", "GENERIC_ARCH_NUMA", "KEXEC_FILE", "NUMA_MEMBLKS"), "y")
        | {"ZONE_DEVICE": "y", "ZONE_DMA": "n"}
    },
    srat_processors=(sr.RintcAffinity,),
    srat_processor=lambda number, domain: sr.RintcAffinity(proximity_domain=domain, acpi_processor_uid=number),
    cpuinfo=lambda machine: "isa\t\t: rv64imafdc\nmmu\t\t: sv48\n",
    log_marks=r"riscv: |SBI specification ",
    kexec_loaders={"kexec_load": sr.image_load, "kexec_file_load": sr.image_file_load},
)


def relocate_kernel(machine: sr.Machine, seed: int | None) -> sr.Placement:
    """Where the stub puts the image. Linux: ``efi_kaslr_relocate_kernel``."""
    return sr.place_image(machine, machine.image.span, seed, image_align=_PMD_SIZE)


def setup_bootmem(system: sr.System) -> None:
    """Memory is what the EFI map says; specific purpose memory is left out while soft reservation is on.

    :raises MachineError: there is no EFI map: where memory is would be in a device tree.
    """
    if system.handoff.efi_map is None:
        raise sr.MachineError(f"{system.machine.name}: a riscv64 machine needs an EFI memory map")
    memblock, kernel, log = system.memblock, system.kernel, system.log
    efi = system.stash[sr.EFI] = sr.Efi(kernel, log)
    efi.memmap = system.handoff.efi_map
    limit = sr.MemoryLimit(kernel, log, "arch/riscv/mm/init.c")
    numa = sr.arch_numa(system, system.nodes, sr.RintcAffinity, f"{_NUMA}: acpi_numa_rintc_affinity_init")
    system.stash[sr.ARCH_NUMA] = numa
    handlers = sr.common_handlers(efi, memblock) | {"mem": limit.early_mem, "numa": numa.early_param}
    sr.parse_early_param(system.cmdline, handlers, log)
    sr.efi_init(memblock, efi, kernel, log)
    if limit.limit is not None:
        memblock.enforce_memory_limit(limit.limit)
    image = system.machine.image
    for part in (image.code, image.rodata, image.data, image.bss, image.initrd):
        if part is not None:
            memblock.reserve(part.start, part.size)
    memblock.allow_resize()


def misc_mem_init(system: sr.System) -> None:
    """Nodes as the SRAT says; two zones."""
    system.stash[sr.ARCH_NUMA].arch_numa_init()
    page_size, end = system.kernel.page_size, system.memblock.end_of_dram()
    system.memory.zones.free_area_init({"DMA32": min(_DMA32_LIMIT, end) // page_size, "Normal": end // page_size})


def init_resources(system: sr.System) -> list[sr.Initcall]:
    """Insert System RAM with the kernel image in it; what is soft reserved follows as an initcall."""
    kernel = sr.kernel_resources(system.machine.image, system.arch.image_parts)
    standard = sr.request_standard_resources(system.iomem, system.memblock, kernel, _SETUP)
    cpus = None if sr.acpi_disabled(system.cmdline) else [sr.UidCpu(n, n) for n in range(system.machine.cpus)]
    function = f"{_NUMA}: acpi_parse_rintc_pxm"
    sr.map_cpus_to_nodes(system.nodes, system.machine, cpus, sr.RintcAffinity, called="HARTID", function=function)
    return [
        sr.enable_runtime_services(system, system.stash[sr.EFI], _RUNTIME, "riscv_enable_runtime_services"),
        sr.reserved_regions_initcall(system, standard, _SETUP),
    ]
