"""``kexec_file_load``: the kernel itself makes the next kernel's memory map and finds the holes.

Linux: ``kernel/kexec_file.c``, ``arch/x86/kernel/kexec-bzimage64.c``, ``arch/arm64/kernel/kexec_image.c``.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL
from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kernel.e820 import E820_TABLE_KEXEC
from softreserve.kernel.resource import (
    IORESOURCE_SYSRAM_DRIVER_MANAGED,
    Resource,
    walk_system_ram_res,
    walk_system_ram_res_rev,
)
from softreserve.model.e820 import MAX_ENTRIES_ZEROPAGE
from softreserve.model.kexec import KexecImage
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

from softreserve_kexec import behaviours
from softreserve_kexec.efi_runtime import runtime_map
from softreserve_kexec.holes import KernelHoles, NoHoleError
from softreserve_kexec.layout import (
    KERNEL_ALIGN,
    Layout,
    Plan,
    moved_image,
    next_machine,
    recorded_layout,
    sizes_of,
)

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.kexec import KexecRequest

__all__ = ["arm64_file_load", "x86_file_load"]

_PURGATORY: Final = 0x6000
_BOOT_PARAMS: Final = 4096
_ELFCOREHDR_TEXT: Final = 30
_SETUP_DATA: Final = 16
_EFI_SETUP_DATA: Final = 0x60
_RNG_SEED: Final = 32
_MIN_KERNEL: Final = 0x100000
_MIN_INITRD: Final = 0x1000000
_DTB: Final = 0x1000
_PAGE: Final = 4096
_GIB: Final = 1 << 30
#: kexec-tools ends with -1 when the system call fails.
_FAILED: Final = 255


def _busy_system_ram(system: System) -> list[tuple[int, int]]:
    """Ranges that the walk for a top-down hole offers, in its order; a driver's memory is passed over."""
    found: list[tuple[int, int]] = []

    skips = system.kernel.has(behaviours.KEXEC_FILE_SKIPS_DRIVER_MANAGED)

    def note(res: Resource) -> int:
        if not skips or not res.flags & IORESOURCE_SYSRAM_DRIVER_MANAGED:
            found.append((res.start, res.end))
        return 0

    descending = system.kernel.has(behaviours.KEXEC_FILE_WALKS_TOP_DOWN)
    walk = walk_system_ram_res_rev if descending else walk_system_ram_res
    walk(system.iomem.root, 0, U64_MAX, note)
    return found


def x86_file_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on x86-64: the next kernel is given the kexec copy of the boot e820, at most 128 entries of it."""
    efi_map = runtime_map(system)
    try:
        layout = recorded_layout(request) or _x86_layout(system, request, efi_map)
    except NoHoleError as error:
        return _failed(system, error)
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
    rng_node = efi_node + _SETUP_DATA + _EFI_SETUP_DATA
    plan = Plan(KernelHoles(_busy_system_ram(system), exact_top=running.has(behaviours.KEXEC_FILE_EXACT_TOP)).add)
    plan.place("purgatory", _PURGATORY, _PAGE, 0x3000, top_down=True)
    size = rng_node + _SETUP_DATA + _RNG_SEED
    base = plan.place("boot parameters, command line, EFI map", size, 16, 0x3000, top_down=True).start
    lowest = _MIN_KERNEL
    if running.has(behaviours.KEXEC_FILE_ABOVE_PREF_ADDRESS):
        lowest = max(lowest, running.number("PHYSICAL_START", 16 << 20))
    kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, lowest, top_down=True)
    initrd = plan.place("initrd", sizes.initrd, _PAGE, _MIN_INITRD, top_down=True) if sizes.initrd else None
    nodes = [PhysRange.from_size(base + rng_node, _SETUP_DATA + _RNG_SEED)]
    if efi_map is not None:
        nodes.append(PhysRange.from_size(base + efi_node, _SETUP_DATA + _EFI_SETUP_DATA))
    return Layout(tuple(plan.segments), moved_image(system, kernel, initrd), tuple(nodes))


def _up16(size: int) -> int:
    return -(-size // 16) * 16


def arm64_file_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on arm64: holes are free memblock ranges; what a driver added is not among them."""
    try:
        layout = recorded_layout(request) or _arm64_layout(system, request)
    except NoHoleError as error:
        system.printk("kexec_file(Image): Could not find any suitable kernel location!")
        return _failed(system, error)
    return KexecImage(next_machine(system, request, layout), layout.segments)


def _arm64_layout(system: System, request: KexecRequest) -> Layout:
    """The lowest place for the kernel from which the others find theirs, too."""
    sizes = sizes_of(system, request)
    upward = [(start, end - 1) for start, end in system.memblock.free_mem_ranges()]
    lowest = 0
    while True:
        exact_top = system.kernel.has(behaviours.KEXEC_FILE_EXACT_TOP)
        plan = Plan(KernelHoles(upward, exact_top=exact_top, both_ways=True).add)
        kernel = plan.place("kernel", sizes.kernel, KERNEL_ALIGN, lowest, top_down=False)
        try:
            initrd = _place_initrd(plan, sizes.initrd, kernel)
            plan.place("device tree", _DTB, 2 << 20, kernel.end, top_down=True)
        except NoHoleError:
            lowest = kernel.end
            continue
        return Layout(tuple(plan.segments), moved_image(system, kernel, initrd))


def _place_initrd(plan: Plan, size: int, kernel: PhysRange) -> PhysRange | None:
    """Behind the kernel, within 32 GiB from the 1 GiB that the kernel begins in."""
    if not size:
        return None
    window = kernel.start // _GIB * _GIB + 32 * _GIB
    return plan.place("initrd", size, 0, kernel.end, window, top_down=False)


def _failed(system: System, error: NoHoleError) -> KexecImage:
    return KexecImage(system.machine, (), _FAILED, (f"kexec_file_load failed: {error}",), (f"errno {EADDRNOTAVAIL}",))
