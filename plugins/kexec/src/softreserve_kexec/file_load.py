"""``kexec_file_load``: the kernel itself makes the next kernel's memory map and finds the holes.

Linux: ``kernel/kexec_file.c``, ``arch/x86/kernel/kexec-bzimage64.c``, ``arch/arm64/kernel/kexec_image.c``.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, EINVAL
from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kernel.e820_kexec import E820_TABLE_KEXEC
from softreserve.kernel.resource import (
    IORESOURCE_SYSRAM_DRIVER_MANAGED,
    Resource,
    walk_system_ram_res,
    walk_system_ram_res_rev,
)
from softreserve.kexec import KexecImage, KexecSegment
from softreserve.model.ranges import PhysRange
from softreserve.units import U64_MAX

from softreserve_kexec.efi_runtime import runtime_map
from softreserve_kexec.holes import KernelHoles, NoHoleError
from softreserve_kexec.layout import KERNEL_ALIGN, Sizes, image_at, segment, sizes_of
from softreserve_kexec.load import arm64_machine

if TYPE_CHECKING:
    from softreserve.kexec import KexecRequest
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.system import System

__all__ = ["arm64_file_load", "x86_file_load"]

_ZEROPAGE_ENTRIES: Final = 128
_PURGATORY: Final = 0x6000
_BOOT_PARAMS: Final = 4096
_ELFCOREHDR_TEXT: Final = 30
_SETUP_DATA: Final = 16
_EFI_SETUP_DATA: Final = 0x60
_RNG_SEED: Final = 32
_MIN_KERNEL: Final = 0x100000
_MIN_INITRD: Final = 0x1000000
_DTB: Final = 0x1000
_GIB: Final = 1 << 30
#: kexec-tools ends with -1 when the system call fails.
_FAILED: Final = 255


def _busy_system_ram(system: System, *, top_down: bool) -> list[tuple[int, int]]:
    """Ranges that the walk offers, in its order; memory that a driver manages is passed over."""
    found: list[tuple[int, int]] = []

    def note(res: Resource) -> int:
        if not res.flags & IORESOURCE_SYSRAM_DRIVER_MANAGED or not system.kernel.has("kexec-file-skips-driver-managed"):
            found.append((res.start, res.end))
        return 0

    descending = top_down and system.kernel.has("kexec-file-walks-top-down")
    walk = walk_system_ram_res_rev if descending else walk_system_ram_res
    walk(system.iomem.root, 0, U64_MAX, note)
    return found


def x86_file_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on x86-64: the next kernel is given the kexec copy of the boot e820, at most 128 entries of it."""
    if request.mem_min or request.mem_max != U64_MAX:
        return _failed(system, "kexec_file_load failed: Invalid argument", EINVAL)
    sizes = sizes_of(system, request)
    efi_map = runtime_map(system)
    cmdline = system.cmdline if request.cmdline is None else request.cmdline
    holes = KernelHoles(_busy_system_ram(system, top_down=True), exact_top=system.kernel.has("kexec-file-exact-top"))
    try:
        segments, setup_data, kernel, initrd = _x86_segments(system, holes, sizes, efi_map, len(cmdline.text) + 1)
    except NoHoleError as error:
        return _failed(system, f"kexec_file_load failed: {error}", EADDRNOTAVAIL)
    machine = attrs.evolve(
        system.machine,
        kernel=request.kernel or system.kernel,
        cmdline=cmdline,
        efi_map=efi_map,
        e820=system.stash[E820_TABLE_KEXEC][:_ZEROPAGE_ENTRIES],
        image=image_at(system, request, kernel, initrd, sizes),
        setup_data=request.setup_data if request.image is not None else setup_data,
        boot="kexec",
    )
    return KexecImage(machine, tuple(segments))


def _x86_segments(
    system: System, holes: KernelHoles, sizes: Sizes, efi_map: EfiMemoryMap | None, cmdline_length: int
) -> tuple[list[KexecSegment], tuple[PhysRange, ...], int, int | None]:
    found: list[KexecSegment] = []

    def high(size: int, what: str, align: int, low: int) -> int:
        address = holes.add(size, align, low, top_down=True)
        found.append(segment(address, size, what))
        return address

    map_size = len(efi_map) * efi_map.desc_size if efi_map is not None else 0
    params = _up16(_BOOT_PARAMS + cmdline_length + _ELFCOREHDR_TEXT)
    efi_node = params + _up16(map_size)
    rng_node = efi_node + _SETUP_DATA + _EFI_SETUP_DATA
    high(_PURGATORY, "purgatory", 4096, 0x3000)
    base = high(rng_node + _SETUP_DATA + _RNG_SEED, "boot parameters, command line, EFI map", 16, 0x3000)
    preferred = system.kernel.number("PHYSICAL_START", 16 << 20)
    lowest = max(_MIN_KERNEL, preferred) if system.kernel.has("kexec-file-above-pref-address") else _MIN_KERNEL
    kernel = high(sizes.kernel, "kernel", KERNEL_ALIGN, lowest)
    initrd = high(sizes.initrd, "initrd", 4096, _MIN_INITRD) if sizes.initrd else None
    nodes = [PhysRange.from_size(base + rng_node, _SETUP_DATA + _RNG_SEED)]
    if efi_map is not None:
        nodes.append(PhysRange.from_size(base + efi_node, _SETUP_DATA + _EFI_SETUP_DATA))
    return found, tuple(nodes), kernel, initrd


def _up16(size: int) -> int:
    return -(-size // 16) * 16


def arm64_file_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on arm64: holes are free memblock ranges; what a driver added is not among them."""
    sizes = sizes_of(system, request)
    free = list(system.memblock.free_mem_ranges())
    upward = [(start, end - 1) for start, end in free]
    below = 0
    while True:
        # every place for the kernel is tried until the others fit as well
        holes = KernelHoles(upward, exact_top=system.kernel.has("kexec-file-exact-top"))
        try:
            kernel = holes.add(sizes.kernel, KERNEL_ALIGN, below, top_down=False)
        except NoHoleError as error:
            system.printk("kexec_file(Image): Could not find any suitable kernel location!")
            return _failed(system, f"kexec_file_load failed: {error}", EADDRNOTAVAIL)
        try:
            segments, initrd = _arm64_others(system, holes, kernel, sizes, upward)
        except NoHoleError:
            below = kernel + sizes.kernel
            continue
        found = (segment(kernel, sizes.kernel, "kernel"), *segments)
        return KexecImage(arm64_machine(system, request, kernel, initrd, sizes), found)


def _arm64_others(
    system: System, holes: KernelHoles, kernel: int, sizes: Sizes, upward: list[tuple[int, int]]
) -> tuple[list[KexecSegment], int | None]:
    floor = kernel + sizes.kernel
    found: list[KexecSegment] = []
    initrd = None
    if sizes.initrd:
        window = kernel // _GIB * _GIB + 32 * _GIB
        initrd = holes.add(sizes.initrd, 0, floor, window, top_down=False)
        found.append(segment(initrd, sizes.initrd, "initrd"))
    downward = KernelHoles(reversed(upward), exact_top=system.kernel.has("kexec-file-exact-top"))
    downward.segments = holes.segments
    dtb = downward.add(_DTB, 2 << 20, floor, top_down=True)
    found.append(segment(dtb, _DTB, "device tree"))
    return found, initrd


def _failed(system: System, message: str, number: int) -> KexecImage:
    return KexecImage(system.machine, (), _FAILED, (message,), (f"errno {number}",))
