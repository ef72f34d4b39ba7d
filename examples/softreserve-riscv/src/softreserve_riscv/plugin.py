"""The architecture riscv64, where EFI and ACPI start it.

Linux: ``arch/riscv/kernel/{setup,acpi_numa}.c``, ``arch/riscv/mm/init.c``. What all architectures that boot from an EFI
map do alike comes from the core. Left out: the device tree, and everything that has nothing to do with memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import softreserve as sr

ARCH = "riscv64"
PMD_SIZE = 2 << 20
SETUP, NUMA, MM = "arch/riscv/kernel/setup.c", "arch/riscv/kernel/acpi_numa.c", "arch/riscv/mm/init.c"
RUNTIME = "drivers/firmware/efi/riscv-runtime.c"
#: What Debian's builds do not have in common with those of other architectures; under a release what came with it.
YES = ("ARCH_KEEP_MEMBLOCK", "DAX", "DEV_DAX_HMEM_DEVICES", "FS_DAX", "GENERIC_ARCH_NUMA", "NUMA_MEMBLKS", "NVDIMM_DAX")
NO = ("ARCH_SUPPORTS_MEMORY_FAILURE", "EFI_RUNTIME_MAP", "FIRMWARE_MEMMAP", "KEXEC_FILE", "RANDOMIZE_BASE", "ZONE_DMA")
OPTIONS: dict[str, dict[str, str | int]] = {
    "": {
        **dict.fromkeys((*YES, "ZONE_DEVICE"), "y"),
        **dict.fromkeys((*NO, "MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO", "RELOCATABLE"), "n"),
        "DEV_DAX_CXL": "m",
        "DEV_DAX_PMEM": "m",
        "NODES_SHIFT": 2,
    },
    "7.2": {"MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO": "y", "DEV_DAX_FSDEV": "m"},
}
#: ``kexec -d`` of kexec-tools 2.0.32, twice: the device tree has no property of a crash kernel that it could delete.
NOTHING_DELETED = ("dtb_delete_property: fdt_delprop failed: <valid offset/length>",) * 2


def kexec_load(system: sr.System, request: sr.KexecRequest) -> sr.KexecImage:
    """Load with kexec-tools: initrd and device tree go to the top of memory."""
    return sr.image_load(system, request, top_down=True, says=NOTHING_DELETED)


def kexec_file_load(system: sr.System, request: sr.KexecRequest) -> sr.KexecImage:
    """Load with the kernel's own loader of images."""
    return sr.image_file_load(system, request, top_down=True)


@sr.hookimpl
def softreserve_arch_info(arch: str) -> sr.ArchInfo | None:
    """Say what it is: what is left out is as on most architectures."""
    if arch != ARCH:
        return None
    return sr.ArchInfo(
        name=ARCH,
        physmem_bits=lambda machine: 56,
        nodes_shift=2,
        options=OPTIONS,
        srat_processors=(sr.RintcAffinity,),
        srat_processor=lambda number, domain: sr.RintcAffinity(proximity_domain=domain, acpi_processor_uid=number),
        cpuinfo=lambda machine: "isa\t\t: rv64imafdc\nmmu\t\t: sv57\n",
        log_marks=r"riscv: |SBI specification ",
        parameters=frozenset({"no4lvl", "no5lvl"}),
        huge_pages=lambda kernel: (sr.GiB, PMD_SIZE),
        kexec_loaders={"kexec_load": kexec_load, "kexec_file_load": kexec_file_load},
    )


@sr.hookimpl
@sr.for_arch(ARCH)
def softreserve_stub_handoff(machine: sr.Machine) -> sr.Handoff:
    """Hand the firmware's map over as it is."""
    return sr.Handoff(machine.efi_map)


@sr.hookimpl
@sr.for_arch(ARCH)
def softreserve_stub_place_image(machine: sr.Machine, seed: int | None) -> sr.Placement:
    """Where the stub puts the image; with a seed, anywhere. Linux: ``efi_kaslr_relocate_kernel``."""
    return sr.place_image(machine, machine.image.span, seed, image_align=PMD_SIZE)


@sr.hookimpl
@sr.for_arch(ARCH)
def softreserve_early_reserve(system: sr.System) -> bool:
    """Fill memblock with what the EFI map says; specific purpose memory is left out while soft reservation is on.

    :raises MachineError: there is no EFI map, or ``mem=`` leaves the kernel no memory to be in: it crashes.
    """
    machine, memblock, kernel, log = system.machine, system.memblock, system.kernel, system.log
    if system.handoff.efi_map is None:
        raise sr.MachineError(f"{machine.name}: a riscv64 machine needs an EFI memory map")
    efi = system.stash[sr.EFI] = sr.Efi(kernel, log)
    efi.memmap = system.handoff.efi_map
    words = system.cmdline.text.split()
    linear_map = 1 << (37 if "no4lvl" in words else 46 if "no5lvl" in words else 55)  # KERN_VIRT_SIZE
    limit = sr.MemoryLimit(kernel, log, MM, linear_map)
    source = f"{NUMA}: acpi_numa_rintc_affinity_init"
    numa = sr.arch_numa(system, system.nodes, sr.RintcAffinity, source, initiators=False)
    system.stash[sr.ARCH_NUMA] = numa
    handlers = sr.common_handlers(efi, memblock) | {"mem": limit.early_mem, "numa": numa.early_param}
    sr.parse_early_param(system.cmdline, handlers, log)
    sr.efi_init(memblock, efi, kernel, log)
    memblock.enforce_memory_limit(limit.limit or 0)
    image = machine.image
    if image.span is not None and not memblock.is_region_memory(image.span.start, image.span.size):
        raise sr.MachineError(f"{machine.name}: the kernel image at {image.span.start:#x} is not in memory: it crashes")
    for part in (image.span, image.initrd):
        if part is not None:
            memblock.reserve(part.start, part.size)
    start = memblock.start_of_dram() & -PMD_SIZE
    memblock.cap_memory_range(start, linear_map)
    system.memory.mappable_range = (start, start + linear_map - 1)
    memblock.allow_resize()
    return True


@sr.hookimpl
@sr.for_arch(ARCH)
def softreserve_numa_info(system: sr.System) -> bool:
    """Nodes as the SRAT says; two zones. Linux: ``misc_mem_init``."""
    system.stash[sr.ARCH_NUMA].arch_numa_init()
    page_size, end = system.kernel.page_size, system.memblock.end_of_dram()
    limits = {"DMA32": min(4 * sr.GiB, end) // page_size, "Normal": end // page_size}
    system.memory.zones.zone_sizes_init(limits)
    return True


@sr.hookimpl
@sr.for_arch(ARCH)
def softreserve_register_resources(system: sr.System) -> Sequence[sr.Initcall]:
    """System RAM with the kernel image in it, processors of nodes; what is soft reserved follows as an initcall.

    What memblock has reserved inside System RAM is left out: most of it is the kernel's own, and nobody knows where.
    """
    kernel = sr.kernel_resources(system.machine.image, system.arch.image_parts, whole=True)
    sr.request_standard_resources(system.iomem, system.memblock, kernel, SETUP, "Reserved")
    no_acpi = system.acpi_disabled
    cpus = None if no_acpi else [sr.UidCpu(n, n) for n in range(system.machine.cpus)]
    function = f"{NUMA}: acpi_parse_rintc_pxm"
    sr.map_cpus_to_nodes(system.nodes, system.machine, cpus, sr.RintcAffinity, called="HARTID", function=function)
    uefi = system.machine.boot != "loader"
    return [
        sr.enable_runtime_services(system, system.stash[sr.EFI], RUNTIME, "riscv_enable_runtime_services", uefi=uefi)
    ]
