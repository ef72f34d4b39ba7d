"""What arm64 is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.acpi.madt import GenericInterrupt
from softreserve.model.acpi.srat import GiccAffinity
from softreserve.model.arch import ArchInfo, Bounds

from softreserve_arm64.builds import OPTIONS
from softreserve_arm64.sizes import section_size, supported_physical_bits

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine

__all__ = ["ARM64"]


def _physmem_bits(machine: Machine) -> int:
    return supported_physical_bits(machine.kernel)


def _huge_pages(kernel: Kernel) -> tuple[int, ...]:
    """What tables of each level map at once, and runs of them. Linux: ``arch/arm64/mm/hugetlbpage.c``."""
    page, pmd = kernel.page_size, kernel.pmd_size
    runs = {4096: (16, 16), 16384: (128, 32), 65536: (32, 32)}
    pages, pmds = runs.get(page, (16, 16))
    largest = (pmd * (page // 8),) if page == 4096 else ()
    return (*largest, pmd * pmds, pmd, page * pages)


def _srat_processor(number: int, domain: int) -> GiccAffinity:
    return GiccAffinity(proximity_domain=domain, acpi_processor_uid=number)


def _madt_processor(number: int) -> GenericInterrupt:
    """Sixteen processors to a cluster."""
    mpidr = number // 16 << 8 | number % 16
    return GenericInterrupt(cpu_interface_number=number, uid=number, arm_mpidr=mpidr)


def _kexec_load(system: System, request: KexecRequest) -> KexecImage:
    from softreserve.kernel.kexec.image import image_load

    return image_load(system, request)


def _kexec_file_load(system: System, request: KexecRequest) -> KexecImage:
    from softreserve.kernel.kexec.image import image_file_load

    return image_file_load(system, request)


def _cpuinfo(machine: Machine) -> str:
    """Linux: ``arch/arm64/kernel/cpuinfo.c: c_show``."""
    return "BogoMIPS\t: 0.00\nCPU implementer\t: 0x41\nCPU architecture: 8\n"


ARM64: Final = ArchInfo(
    name="arm64",
    page_sizes={4096: "ARM64_4K_PAGES", 16384: "ARM64_16K_PAGES", 65536: "ARM64_64K_PAGES"},
    section_size=section_size,
    physmem_bits=_physmem_bits,
    nodes_shift=4,
    boot_memory_stays=True,  # Linux: arch/arm64/mm/mmu.c: prevent_bootmem_remove_notifier
    options=OPTIONS,
    numbers={"ARM64_PA_BITS": Bounds(48, 52), "ARM64_VA_BITS": Bounds(36, 52)},
    srat_processors=(GiccAffinity,),
    srat_processor=_srat_processor,
    madt_processor=_madt_processor,
    cpuinfo=_cpuinfo,
    uname="aarch64",
    image_parts=("code", "data"),
    huge_pages=_huge_pages,
    kexec_loaders={"kexec_load": _kexec_load, "kexec_file_load": _kexec_file_load},
)
