"""What x86-64 is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model.acpi.srat import CpuAffinity, X2apicAffinity
from softreserve.model.arch import ArchInfo, Bounds
from softreserve.model.units import U64_MAX

from softreserve_x86.builds import OPTIONS

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine

__all__ = ["X86_64"]


def _physmem_bits(machine: Machine) -> int:
    """What page tables can reach."""
    from softreserve_x86.pgtable import max_physmem_bits

    return max_physmem_bits(machine)


def _kexec_load(system: System, request: KexecRequest) -> KexecImage:
    from softreserve_x86.kexec_load import x86_load

    return x86_load(system, request)


def _kexec_file_load(system: System, request: KexecRequest) -> KexecImage:
    from softreserve_x86.kexec_file import x86_file_load

    return x86_file_load(system, request)


def _cpuinfo(machine: Machine) -> str:
    """Linux: ``arch/x86/kernel/cpu/proc.c: show_cpuinfo``."""
    family = 6 if machine.cpu_vendor == "GenuineIntel" else 25
    return f"vendor_id\t: {machine.cpu_vendor}\ncpu family\t: {family}\nmodel name\t: emulated\nflags\t\t: fpu lm\n"


def _invalidates_memregions(machine: Machine) -> bool:
    """Not in a virtual machine. Linux: ``arch/x86/mm/pat/set_memory.c: cpu_cache_has_invalidate_memregion``."""
    return not machine.hypervisor


X86_64: Final = ArchInfo(
    name="x86_64",
    physmem_bits=_physmem_bits,
    options=OPTIONS,
    numbers={
        "EFI_MAX_FAKE_MEM": Bounds(1, 128),
        "PHYSICAL_ALIGN": Bounds(0x200000, 0x1000000, 0x200000),
        "PHYSICAL_START": Bounds(0, U64_MAX),
    },
    srat_processors=(CpuAffinity, X2apicAffinity),
    cpuinfo=_cpuinfo,
    boots_from_e820=True,
    parameters=frozenset({"memmap", "efi_fake_mem", "add_efi_memmap", "numa=noacpi", "numa=nohmat"}),
    mem_means="the highest address",
    presumed=True,
    invalidates_memregions=_invalidates_memregions,
    huge_pages=lambda kernel: (1 << 30, 2 << 20),
    kexec_loaders={"kexec_load": _kexec_load, "kexec_file_load": _kexec_file_load},
)
