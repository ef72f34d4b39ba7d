"""``kexec_file_load``: the kernel itself makes the next kernel's memory map and finds the holes.

Linux: ``kernel/kexec_file.c``, ``arch/x86/kernel/kexec-bzimage64.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kernel.e820 import E820_TABLE_KEXEC
from softreserve.kernel.kexec.holes import KernelHoles, NoHoleError, busy_system_ram, contiguous_area
from softreserve.kernel.kexec.layout import (
    KERNEL_ALIGN,
    Layout,
    Plan,
    call_failed,
    moved_image,
    next_machine,
    recorded_layout,
    sizes_of,
)
from softreserve.model.behaviours import KEXEC_FILE_EXACT_TOP
from softreserve.model.e820 import MAX_ENTRIES_ZEROPAGE
from softreserve.model.kexec import KexecImage
from softreserve.model.ranges import PhysRange

from softreserve_x86 import behaviours
from softreserve_x86.efi_runtime import runtime_map
from softreserve_x86.kaslr import load_physical_addr
from softreserve_x86.setup_data import HEADER, seed_node

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.kexec import KexecRequest

__all__ = ["x86_file_load"]

_PURGATORY: Final = 0x5000
_BOOT_PARAMS: Final = 4096
_ELFCOREHDR_TEXT: Final = 30
_EFI_SETUP_DATA: Final = 0x60
_RNG_SEED: Final = 32
_MIN_KERNEL: Final = 0x100000
_MIN_INITRD: Final = 0x1000000
_PAGE: Final = 4096


def x86_file_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on x86-64: the next kernel is given the kexec copy of the boot e820, at most 128 entries of it."""
    efi_map = runtime_map(system)
    try:
        layout = recorded_layout(request) or _x86_layout(system, request, efi_map)
    except NoHoleError as error:
        return call_failed(system, error)
    machine = attrs.evolve(
        next_machine(system, request, layout),
        efi_map=efi_map,
        e820=system.stash[E820_TABLE_KEXEC][:MAX_ENTRIES_ZEROPAGE],
    )
    return KexecImage(machine, layout.segments)


def _x86_layout(system: System, request: KexecRequest, efi_map: EfiMemoryMap | None) -> Layout:
    """Boot parameters, command line, EFI map and setup_data share one segment; each is searched from the top."""
    running, sizes = system.kernel, sizes_of(system, request)
    cmdline = system.cmdline if request.cmdline is None else request.cmdline
    map_size = len(efi_map) * efi_map.desc_size if efi_map is not None else 0
    efi_node = _up16(_BOOT_PARAMS + len(cmdline.text) + 1 + _ELFCOREHDR_TEXT) + _up16(map_size)
    rng_node = efi_node + HEADER + _EFI_SETUP_DATA
    exact_top, area = running.has(KEXEC_FILE_EXACT_TOP), contiguous_area(system)
    plan = Plan(KernelHoles(busy_system_ram(system), exact_top=exact_top, area=area).add)
    plan.place("purgatory", _PURGATORY, _PAGE, 0x3000, top_down=True)
    size = rng_node + HEADER + _RNG_SEED
    base = plan.place("boot parameters, command line, EFI map", size, 16, 0x3000, top_down=True).start
    lowest = _MIN_KERNEL
    if running.has(behaviours.KEXEC_FILE_ABOVE_PREF_ADDRESS):
        lowest = max(lowest, load_physical_addr(request.kernel or running))
    kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, lowest, top_down=True)
    initrd = plan.place("initrd", sizes.initrd, _PAGE, _MIN_INITRD, top_down=True) if sizes.initrd else None
    nodes = [seed_node(system, request, PhysRange.from_size(base + rng_node, HEADER + _RNG_SEED))]
    if efi_map is not None:
        nodes.append(PhysRange.from_size(base + efi_node, HEADER + _EFI_SETUP_DATA))
    return Layout(tuple(plan.segments), moved_image(system, kernel, initrd), tuple(nodes))


def _up16(size: int) -> int:
    return -(-size // 16) * 16
