"""``kexec_load``: what kexec-tools make of the running kernel, and what it hands over.

kexec-tools: ``arch/x86_64/kexec-bzImage64.c``, ``arch/i386/x86-linux-setup.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kernel.kexec import ranges
from softreserve.kernel.kexec.holes import NoHoleError, ToolHoles
from softreserve.kernel.kexec.layout import (
    KERNEL_ALIGN,
    Layout,
    Plan,
    moved_image,
    next_machine,
    recorded_layout,
    sizes_of,
    tool_failed,
)
from softreserve.model import e820
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.kexec import KexecImage
from softreserve.model.machine import E820Entry

from softreserve_x86.efi_runtime import as_listed, runtime_map
from softreserve_x86.kaslr import load_physical_addr
from softreserve_x86.kexec_ranges import x86_ranges
from softreserve_x86.setup_data import HEADER, seed_node

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecRequest
    from softreserve.model.ranges import PhysRange

__all__ = ["x86_load"]

_E820_TYPES: Final = {
    ranges.RAM: e820.RAM,
    ranges.ACPI: e820.ACPI,
    ranges.NVS: e820.NVS,
    ranges.PMEM: e820.PMEM,
    ranges.PRAM: e820.PRAM,
}
#: Descriptors as kexec-tools writes them.
_DESC_SIZE: Final = 40

# sizes in bytes of what kexec-tools adds; they decide which hole is found
_PURGATORY: Final = 0x9000
_SETUP: Final = 0x6000
_SETUP_EFI: Final = 0x70
_RNG_SEED: Final = 0x30
_E820_ENTRY: Final = 20
_PAGE: Final = 4096
_MIB: Final = 1 << 20
_MIN_INITRD: Final = 16 * _MIB


def x86_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on x86-64: e820 from the firmware map or ``/proc/iomem``, the EFI map from the runtime map.

    Specific purpose memory has no type of its own in kexec-tools: what the firmware map calls Soft Reserved becomes
    reserved.
    """
    output: list[str] = []
    found = x86_ranges(system, output)
    efi_map = None if request.noefi else runtime_map(system)
    entries = tuple(E820Entry(r.start, r.end - r.start + 1, _E820_TYPES.get(r.type, e820.RESERVED)) for r in found)
    try:
        layout = recorded_layout(request) or _x86_layout(system, request, found, efi_map)
    except NoHoleError as error:
        return tool_failed(system, output, str(error), "locate_hole failed")
    machine = attrs.evolve(
        next_machine(system, request, layout),
        efi_map=None if efi_map is None else EfiMemoryMap(as_listed(efi_map), _DESC_SIZE),
        e820=entries,
    )
    return KexecImage(machine, layout.segments, 0, (*output, *_e820_lines(entries)))


def _x86_layout(
    system: System, request: KexecRequest, found: list[ranges.MemoryRange], efi_map: EfiMemoryMap | None
) -> Layout:
    """Big segments from the top of RAM down, setup_data from 1 MiB up; new nodes go to the list's head."""
    sizes = sizes_of(system, request)
    plan = Plan(ToolHoles(found, request.mem_min, request.mem_max).add)
    plan.place("purgatory", _PURGATORY, _PAGE, 0x3000, top_down=True)
    plan.place("setup and command line", _SETUP, 16, 0x3000, top_down=True)
    lowest = _MIB
    if request.tools.stays_above_pref_address:
        lowest = max(lowest, load_physical_addr(request.kernel or system.kernel))
    kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, lowest, top_down=True)
    initrd = plan.place("initrd", sizes.initrd, _PAGE, _MIN_INITRD, top_down=True) if sizes.initrd else None
    nodes: list[PhysRange] = []
    if efi_map is not None and len(efi_map):
        nodes.append(plan.place("setup_data: EFI", _SETUP_EFI, _PAGE, _MIB, top_down=False))
        plan.place("EFI map", len(efi_map) * _DESC_SIZE, _PAGE, _MIB, top_down=False)
    if len(found) > e820.MAX_ENTRIES_ZEROPAGE:
        size = HEADER + (len(found) - e820.MAX_ENTRIES_ZEROPAGE) * _E820_ENTRY
        nodes.append(plan.place("setup_data: e820", size, _PAGE, _MIB, top_down=False))
    seed = plan.place("setup_data: RNG seed", _RNG_SEED, _PAGE, _MIB, top_down=False)
    nodes.append(seed_node(system, request, seed))
    return Layout(tuple(plan.segments), moved_image(system, kernel, initrd), tuple(reversed(nodes)))


def _e820_lines(entries: tuple[E820Entry, ...]) -> list[str]:
    lines = [f"{e.start:016x}-{e.start + e.size - 1:016x} ({e.type})" for e in entries]
    if len(lines) > e820.MAX_ENTRIES_ZEROPAGE:
        lines[e820.MAX_ENTRIES_ZEROPAGE : e820.MAX_ENTRIES_ZEROPAGE] = [
            "extra E820 memmap are passed via setup_data",
            "Extended E820 via setup_data:",
        ]
    return ["E820 memmap:", *lines]
