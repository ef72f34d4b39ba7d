"""Machines that every architecture with EFI can boot."""

from __future__ import annotations

from collections.abc import Iterable

from softreserve.config.builds import built
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.units import EFI_PAGE_SIZE

__all__ = ["CACHEABLE", "SPECIFIC_PURPOSE", "descriptor", "firmware_memory", "sample_machine", "specific_purpose"]

CACHEABLE = int(EfiAttribute.WB | EfiAttribute.WT | EfiAttribute.WC | EfiAttribute.UC)
SPECIFIC_PURPOSE = CACHEABLE | int(EfiAttribute.SP)

_MIB = 1 << 20
_GIB = 1 << 30

#: Types that the firmware leaves to the kernel.
_USABLE = (
    EfiType.LOADER_CODE,
    EfiType.LOADER_DATA,
    EfiType.BOOT_SERVICES_CODE,
    EfiType.BOOT_SERVICES_DATA,
    EfiType.CONVENTIONAL,
    EfiType.ACPI_RECLAIM,
)


def descriptor(start: int, size: int, type_: int = EfiType.CONVENTIONAL, attribute: int = CACHEABLE) -> EfiDescriptor:
    """A descriptor; ``size`` in bytes."""
    return EfiDescriptor(int(type_), start, size // EFI_PAGE_SIZE, attribute)


def sample_machine(
    arch: str,
    *,
    release: str = "6.12",
    cmdline: str = "",
    above: Iterable[EfiDescriptor] | None = None,
) -> Machine:
    """A machine with memory below 2 GiB, an image in it, and whatever stands ``above`` 4 GiB.

    :param above: descriptors from 4 GiB on; 1 GiB of RAM and 2 GiB of specific purpose memory where not given.
    """
    if above is None:
        above = (descriptor(4 * _GIB, _GIB), descriptor(6 * _GIB, 2 * _GIB, attribute=SPECIFIC_PURPOSE))
    low = (
        descriptor(0, 640 << 10),
        descriptor(_MIB, 1023 * _MIB),
        descriptor(_GIB, 16 * _MIB, EfiType.BOOT_SERVICES_DATA),
        descriptor(_GIB + 16 * _MIB, _MIB, EfiType.RUNTIME_SERVICES_DATA, CACHEABLE | int(EfiAttribute.RUNTIME)),
        descriptor(_GIB + 32 * _MIB, 992 * _MIB),
    )
    return Machine(
        name=f"sample-{arch}",
        kernel=built(release, arch),
        cmdline=CommandLine(cmdline),
        efi_map=EfiMemoryMap((*low, *above)),
        cpus=2,
        image=KernelImage(
            code=PhysRange.from_size(32 * _MIB, 16 * _MIB), data=PhysRange.from_size(64 * _MIB, 4 * _MIB)
        ),
    )


def specific_purpose(machine: Machine) -> list[PhysRange]:
    """Conventional memory that is marked specific purpose, in the firmware's order."""
    return [
        PhysRange.from_size(d.start, d.size)
        for d in machine.efi_map or ()
        if d.is_special_purpose and d.type == EfiType.CONVENTIONAL and d.pages
    ]


def firmware_memory(machine: Machine) -> list[PhysRange]:
    """Ranges that the firmware leaves to the kernel, in the firmware's order."""
    return [PhysRange.from_size(d.start, d.size) for d in machine.efi_map or () if d.type in _USABLE and d.pages]
