"""Early boot, in the order of ``setup_arch()``. Linux: ``arch/arm64/kernel/setup.c``, ``arch/arm64/mm/init.c``."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.early_param import common_handlers, parse_early_param
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.initcalls import Initcall, Level
from softreserve.kernel.numa.acpi_numa import acpi_disabled
from softreserve.kernel.state import StashKey
from softreserve.model.behaviours import NUMA_MEMBLKS_GENERIC
from softreserve.model.errors import MachineError

from softreserve_arm64 import behaviours
from softreserve_arm64.efi_init import efi_init
from softreserve_arm64.memblock import MemoryLimit, arm64_memblock_init
from softreserve_arm64.numa import ArchNuma
from softreserve_arm64.resources import (
    arm_enable_runtime_services,
    request_standard_resources,
    reserve_memblock_reserved_regions,
)
from softreserve_arm64.sizes import section_size, supported_physical_bits
from softreserve_arm64.smp import smp_init_cpus
from softreserve_arm64.zones import max_zone_pfns

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["NumaOptions", "bootmem_init", "early_reserve", "register_resources"]

#: Room in memblock's static arrays. Linux: ``arch/arm64/include/asm/memory.h``.
_MEMORY_REGIONS: Final = 1024
_RESERVED_REGIONS: Final = 128
_DEFAULT_NR_CPUS: Final = 256


class NumaOptions:
    """``numa=``: ``off``, and from 6.12 on ``fake=...`` (``fake`` is what follows it, or ``None``)."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.generic = system.kernel.has(NUMA_MEMBLKS_GENERIC)
        self.fake: str | None = None

    def early_param(self, value: str | None) -> int:
        """``numa=value``: 0 or -EINVAL. Linux: ``drivers/base/arch_numa.c: numa_parse_early_param``."""
        if value is None:
            return -EINVAL
        if value.startswith("off"):
            self._system.nodes.numa_off = True
        kernel = self._system.kernel
        if value.startswith("fake=") and self.generic:
            if not kernel.builtin("NUMA_EMU"):
                return -EINVAL
            self.fake = value.removeprefix("fake=")
        return 0


_NUMA: StashKey[NumaOptions] = StashKey("arm64 numa=")


def early_reserve(system: System) -> None:
    """Early options, then memblock from the EFI map, cut to what can be mapped and to ``mem=``.

    :raises MachineError: there is no EFI map: where memory is would be in a device tree.
    """
    efi_map = system.handoff.efi_map
    if efi_map is None:
        raise MachineError(f"{system.machine.name}: an arm64 machine needs an EFI memory map")
    kernel, memblock, log = system.kernel, system.memblock, system.log
    if kernel.has(behaviours.ARM64_WIDE_MEMBLOCK_TABLE):
        memblock.memory.capacity = _MEMORY_REGIONS
    memblock.reserved.capacity = _RESERVED_REGIONS + kernel.number("NR_CPUS", _DEFAULT_NR_CPUS) + 1
    efi, limit, numa = Efi(kernel, log), MemoryLimit(kernel, log), NumaOptions(system)
    efi.memmap = efi_map
    system.stash[EFI], system.stash[_NUMA] = efi, numa
    handlers = common_handlers(efi, memblock) | {"mem": limit.early_mem, "numa": numa.early_param}
    parse_early_param(system.cmdline, handlers, log)
    efi_init(memblock, efi, kernel, log)
    linear = arm64_memblock_init(memblock, system.machine.image, limit.limit, log)
    memblock.allow_resize()
    memory = system.memory
    memory.section_size = section_size(kernel)
    memory.mappable_range = linear.mappable
    memory.physmem_end = (1 << supported_physical_bits(kernel)) - 1
    memory.boot_memory_stays = True


def bootmem_init(system: System) -> None:
    """Nodes, then zones. Linux: the same function."""
    options = system.stash[_NUMA]
    numa = ArchNuma(system.nodes, system.memblock, system.machine, generic=options.generic, fake=options.fake)
    numa.arch_numa_init()
    system.memory.zones.free_area_init(max_zone_pfns(system.memblock))
    system.memblock.dump_all()


def register_resources(system: System) -> list[Initcall]:
    """System RAM and the kernel now; soft reserved memory and what memblock has reserved as initcalls."""
    machine, iomem, memblock, log = system.machine, system.iomem, system.memblock, system.log
    efi = system.stash[EFI]
    standard = request_standard_resources(iomem, memblock, machine.image.code, machine.image.data)
    smp_init_cpus(system.nodes, machine, acpi=not acpi_disabled(system.cmdline))

    def soft_reserved() -> None:
        arm_enable_runtime_services(iomem, efi, system.kernel, log)

    def reserved() -> None:
        reserve_memblock_reserved_regions(standard, memblock, log)

    runtime, setup = "drivers/firmware/efi/arm-runtime.c", "arch/arm64/kernel/setup.c"
    return [
        Initcall(Level.EARLY, runtime, "arm_enable_runtime_services", soft_reserved),
        Initcall(Level.ARCH, setup, "reserve_memblock_reserved_regions", reserved),
    ]
