"""The EFI stub: from the firmware's map to the zero page. Linux: ``drivers/firmware/efi/libstub/x86-stub.c``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from softreserve.kernel.efi.efistub import StubOptions
from softreserve.model.behaviours import EFI_UNACCEPTED_MEMORY
from softreserve.model.efi import EfiDescriptor, EfiType
from softreserve.model.errors import MachineError
from softreserve.model.handoff import Handoff
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, Machine

from softreserve_x86 import e820

__all__ = ["USABLE", "accepts_memory", "extension_entries", "handoff", "setup_e820"]

_PAGE_SIZE: Final = 4096

_FIXED_TYPES: Final = {
    int(EfiType.RESERVED): e820.RESERVED,
    int(EfiType.RUNTIME_SERVICES_CODE): e820.RESERVED,
    int(EfiType.RUNTIME_SERVICES_DATA): e820.RESERVED,
    int(EfiType.MMIO): e820.RESERVED,
    int(EfiType.MMIO_PORT): e820.RESERVED,
    int(EfiType.PAL_CODE): e820.RESERVED,
    int(EfiType.UNUSABLE): e820.UNUSABLE,
    int(EfiType.ACPI_RECLAIM): e820.ACPI,
    int(EfiType.ACPI_NVS): e820.NVS,
    int(EfiType.PERSISTENT): e820.PMEM,
}
#: Types that are RAM once the boot services are gone.
USABLE: Final = frozenset(
    {
        int(EfiType.LOADER_CODE),
        int(EfiType.LOADER_DATA),
        int(EfiType.BOOT_SERVICES_CODE),
        int(EfiType.BOOT_SERVICES_DATA),
        int(EfiType.CONVENTIONAL),
    }
)


def _e820_type(descriptor: EfiDescriptor, soft_reserve: bool, unaccepted: bool) -> int | None:
    if descriptor.type in USABLE:
        return e820.SOFT_RESERVED if soft_reserve and descriptor.is_special_purpose else e820.RAM
    if descriptor.type == EfiType.UNACCEPTED:
        return e820.RAM if unaccepted else None
    return _FIXED_TYPES.get(descriptor.type)


def accepts_memory(kernel: Kernel) -> bool:
    """Whether what runs before the kernel takes unaccepted memory (EFI type 15) for RAM."""
    return kernel.has(EFI_UNACCEPTED_MEMORY) and kernel.builtin("UNACCEPTED_MEMORY")


def setup_e820(kernel: Kernel, efi_map: Sequence[EfiDescriptor], soft_reserve: bool) -> list[E820Entry]:
    """The e820 table that the stub hands over: in the map's order, neighbours in it of one type joined.

    ``soft_reserve`` is the stub's own switch. Types that the stub does not know get no entry. The kernel finds the
    first 128 entries in the zero page and the others in an extension node, whose buffer the stub sizes by the number of
    descriptors; it cannot be too small for a map that did not grow meanwhile.
    """
    unaccepted = accepts_memory(kernel)
    table: list[list[int]] = []
    for descriptor in efi_map:
        e820_type = _e820_type(descriptor, soft_reserve, unaccepted)
        if e820_type is None:
            continue
        if table:
            last = table[-1]
            if last[2] == e820_type and (last[0] + last[1]) % (1 << 64) == descriptor.start:
                last[1] = (last[1] + descriptor.size) % (1 << 64)
                continue
        table.append([descriptor.start, descriptor.size, e820_type])
    return [E820Entry(*entry) for entry in table]


def extension_entries(table: Sequence[E820Entry]) -> int:
    """How many entries of a boot table do not fit into the zero page."""
    return max(0, len(table) - e820.MAX_ENTRIES_ZEROPAGE)


def handoff(machine: Machine) -> Handoff:
    """What the kernel is handed, by the stub or by whoever loaded it.

    :raises MachineError: there is no EFI map for the stub, no e820 table of a loader, or no such page size.
    """
    if machine.kernel.page_size != _PAGE_SIZE:
        raise MachineError(f"x86_64 has pages of {_PAGE_SIZE} bytes, not {machine.kernel.page_size}")
    if machine.boot == "stub":
        if machine.efi_map is None:
            raise MachineError("booting through the EFI stub needs an EFI memory map")
        options = StubOptions.parse(machine.cmdline, machine.kernel)
        table = setup_e820(machine.kernel, machine.efi_map.descriptors, options.soft_reserve_enabled)
    elif machine.e820 is None:
        raise MachineError(f"booting by {machine.boot} needs the e820 table that the loader hands over")
    else:
        table = list(machine.e820)
    return Handoff(machine.efi_map, tuple(table), extension_entries(table))
