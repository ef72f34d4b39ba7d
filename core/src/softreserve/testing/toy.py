"""A toy architecture: small, but whole, so that plugins which are no architecture boot with the core alone.

It does what architectures that boot from an EFI map and ACPI do alike, and nothing of its own: memory is what the map
says, specific purpose memory is soft reserved, nodes are those of the SRAT, a kexec hands the firmware's map on.

To try wrong architectures, or your own ideas, subclass :class:`ToyArch` and override a hook (mark it as one again).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from softreserve.kernel.early_param import MemoryLimit, common_handlers, parse_early_param
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.efi.efi_init import efi_init
from softreserve.kernel.efi.libstub import place_image
from softreserve.kernel.efi.runtime import enable_runtime_services
from softreserve.kernel.kexec import KexecPolicy
from softreserve.kernel.kexec.image import image_file_load, image_load
from softreserve.kernel.mm.memblock_resources import (
    kernel_resources,
    request_standard_resources,
    reserved_regions_initcall,
)
from softreserve.kernel.numa.arch_numa import ARCH_NUMA, arch_numa
from softreserve.kernel.numa.cpus_by_uid import UidCpu, map_cpus_to_nodes
from softreserve.model.acpi.srat import RintcAffinity
from softreserve.model.arch import ArchInfo
from softreserve.model.errors import MachineError
from softreserve.model.frozen import frozen
from softreserve.model.handoff import Handoff
from softreserve.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.model.placement import Placement

__all__ = ["TOY", "TOY_INFO", "ToyArch", "ToyKexec"]

#: Its name.
TOY: Final = "toy"

_SETUP, _NUMA = "arch/toy/kernel/setup.c", "arch/toy/kernel/acpi_numa.c"
_IMAGE_ALIGN: Final = 2 << 20
_DMA32_LIMIT: Final = 1 << 32

TOY_INFO: Final = ArchInfo(
    name=TOY,
    page_sizes=frozen({4096: ""}),
    options=frozen(
        {
            "": frozen(
                dict.fromkeys(("DAX", "DEV_DAX_HMEM_DEVICES", "GENERIC_ARCH_NUMA", "KEXEC_FILE", "NUMA_MEMBLKS"), "y")
                | {"ZONE_DEVICE": "y", "ZONE_DMA": "n"}
            )
        }
    ),
    srat_processors=(RintcAffinity,),
    srat_processor=lambda number, domain: RintcAffinity(proximity_domain=domain, acpi_processor_uid=number),
    kexec_loaders={"kexec_load": image_load, "kexec_file_load": image_file_load},
)


class ToyArch:
    """The architecture, as a plugin.

    :param info: what it is; another name makes another architecture of it.
    """

    def __init__(self, info: ArchInfo = TOY_INFO) -> None:
        self.info = info

    def boots(self, machine: Machine) -> bool:
        """Whether a machine is one of this architecture."""
        return machine.arch == self.info.name

    @hookimpl
    def softreserve_arch_info(self, arch: str) -> ArchInfo | None:
        """Say what it is."""
        return self.info if arch == self.info.name else None

    @hookimpl
    def softreserve_stub_handoff(self, machine: Machine) -> Handoff | None:
        """Hand the firmware's map over as it is."""
        return Handoff(machine.efi_map) if self.boots(machine) else None

    @hookimpl
    def softreserve_stub_place_image(self, machine: Machine, seed: int | None) -> Placement | None:
        """Put the image where there is room; with a seed, anywhere."""
        if not self.boots(machine):
            return None
        return place_image(machine, machine.image.span, seed, image_align=_IMAGE_ALIGN)

    @hookimpl
    def softreserve_early_reserve(self, system: System) -> bool | None:
        """Memory is what the EFI map says; specific purpose memory is left out while soft reservation is on.

        :raises MachineError: there is no EFI map.
        """
        machine = system.machine
        if not self.boots(machine):
            return None
        if system.handoff.efi_map is None:
            raise MachineError(f"{machine.name}: a {self.info.name} machine needs an EFI memory map")
        memblock, kernel, log = system.memblock, system.kernel, system.log
        efi = system.stash[EFI] = Efi(kernel, log)
        efi.memmap = system.handoff.efi_map
        limit = MemoryLimit(kernel, log, "arch/toy/mm/init.c")
        numa = arch_numa(system, system.nodes, RintcAffinity, _NUMA)
        system.stash[ARCH_NUMA] = numa
        handlers = common_handlers(efi, memblock) | {"mem": limit.early_mem, "numa": numa.early_param}
        parse_early_param(system.cmdline, handlers, log)
        efi_init(memblock, efi, kernel, log)
        if limit.limit is not None:
            memblock.enforce_memory_limit(limit.limit)
        image = machine.image
        for part in (image.code, image.rodata, image.data, image.bss, image.initrd):
            if part is not None:
                memblock.reserve(part.start, part.size)
        memblock.allow_resize()
        return True

    @hookimpl
    def softreserve_numa_info(self, system: System) -> bool | None:
        """Nodes as the SRAT says; two zones."""
        if not self.boots(system.machine):
            return None
        system.stash[ARCH_NUMA].arch_numa_init()
        page_size, end = system.kernel.page_size, system.memblock.end_of_dram()
        system.memory.zones.free_area_init({"DMA32": min(_DMA32_LIMIT, end) // page_size, "Normal": end // page_size})
        return True

    @hookimpl
    def softreserve_register_resources(self, system: System) -> Sequence[Initcall] | None:
        """System RAM with the kernel image in it, the nodes of processors; what is soft reserved follows."""
        machine = system.machine
        if not self.boots(machine):
            return None
        kernel = kernel_resources(machine.image, self.info.image_parts)
        standard = request_standard_resources(system.iomem, system.memblock, kernel, _SETUP)
        cpus = None if system.acpi_disabled else [UidCpu(n, n) for n in range(machine.cpus)]
        map_cpus_to_nodes(system.nodes, machine, cpus, RintcAffinity, called="CPU", function=_NUMA)
        return [
            enable_runtime_services(system, system.stash[EFI], "drivers/firmware/efi/toy-runtime.c", "toy_runtime"),
            reserved_regions_initcall(system, standard, _SETUP),
        ]


class ToyKexec:
    """Kexec as the kernel does it by itself, as a plugin: for where no installed plugin does it."""

    @hookimpl
    def softreserve_kexec_policies(self) -> list[KexecPolicy]:
        """The one that changes nothing."""
        return [KexecPolicy("default", "what the kernel does by itself")]

    @hookimpl
    def softreserve_kexec_load(self, system: System, request: KexecRequest) -> KexecImage | None:
        """As the architecture says."""
        loader: Any = system.arch.kexec_loaders.get(request.syscall)
        return None if loader is None else loader(system, request)
