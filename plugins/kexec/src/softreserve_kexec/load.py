"""``kexec_load``: what kexec-tools 2.0.25 makes of the running kernel, and what it hands over.

kexec-tools: ``arch/x86_64/kexec-bzImage64.c``, ``arch/i386/x86-linux-setup.c``, ``arch/arm64/kexec-arm64.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from softreserve.kexec import KexecImage, KexecSegment
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.machine import E820Entry
from softreserve.model.ranges import PhysRange

from softreserve_kexec import ranges
from softreserve_kexec.efi_runtime import as_listed, runtime_map
from softreserve_kexec.holes import NoHoleError, ToolHoles
from softreserve_kexec.layout import KERNEL_ALIGN, Sizes, image_at, segment, sizes_of

if TYPE_CHECKING:
    from softreserve.kexec import KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.system import System

__all__ = ["arm64_load", "x86_load"]

_E820_TYPES: Final = {ranges.RAM: 1, ranges.ACPI: 3, ranges.NVS: 4, ranges.PMEM: 7, ranges.PRAM: 12}
_E820_RESERVED: Final = 2
_ZEROPAGE_ENTRIES: Final = 128
#: Descriptors as kexec-tools writes them.
_DESC_SIZE: Final = 40

# sizes in bytes of what kexec-tools adds; they decide which hole is found
_PURGATORY: Final = 0x9000
_SETUP: Final = 0x6000
_SETUP_EFI: Final = 0x70
_RNG_SEED: Final = 0x30
_DTB: Final = 0x1000
_FAILED: Final = 255
_GIB: Final = 1 << 30


def x86_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on x86-64: e820 from the firmware map or ``/proc/iomem``, the EFI map from the runtime map.

    Specific purpose memory has no type of its own in kexec-tools: what the firmware map calls Soft Reserved becomes
    reserved.
    """
    output: list[str] = []
    found = ranges.x86_ranges(system, output)
    sizes = sizes_of(system, request)
    efi_map = runtime_map(system)
    holes = ToolHoles(found, request.mem_min, request.mem_max)
    try:
        segments, setup_data, kernel, initrd = _x86_segments(holes, sizes, efi_map)
    except NoHoleError as error:
        return _failed(system, output, str(error))
    entries = tuple(E820Entry(r.start, r.end - r.start + 1, _E820_TYPES.get(r.type, _E820_RESERVED)) for r in found)
    output += _e820_lines(entries)
    machine = attrs.evolve(
        system.machine,
        kernel=request.kernel or system.kernel,
        cmdline=system.cmdline if request.cmdline is None else request.cmdline,
        efi_map=None if efi_map is None else EfiMemoryMap(as_listed(efi_map), _DESC_SIZE),
        e820=entries,
        image=image_at(system, request, kernel, initrd, sizes),
        setup_data=request.setup_data if request.image is not None else setup_data,
        boot="kexec",
    )
    return KexecImage(machine, tuple(segments), 0, tuple(output))


def _x86_segments(
    holes: ToolHoles, sizes: Sizes, efi_map: EfiMemoryMap | None
) -> tuple[list[KexecSegment], tuple[PhysRange, ...], int, int | None]:
    """Segments in the order of placing; setup_data nodes in list order; addresses of kernel and initrd."""
    found: list[KexecSegment] = []

    def high(size: int, what: str, align: int, low: int) -> int:
        address = holes.add(size, align, low, top_down=True)
        found.append(segment(address, size, what))
        return address

    def low(size: int, what: str) -> PhysRange:
        address = holes.add(size, 4096, 0x100000, top_down=False)
        found.append(segment(address, size, what))
        return PhysRange.from_size(address, size)

    high(_PURGATORY, "purgatory", 4096, 0x3000)
    high(_SETUP, "setup and command line", 16, 0x3000)
    kernel = high(sizes.kernel, "kernel", KERNEL_ALIGN, 0x100000)
    initrd = high(sizes.initrd, "initrd", 4096, 0x1000) if sizes.initrd else None
    nodes: list[PhysRange] = []
    if efi_map is not None and len(efi_map):
        nodes.append(low(_SETUP_EFI, "setup_data: EFI"))
        low(len(efi_map) * _DESC_SIZE, "EFI map")
    nodes.append(low(_RNG_SEED, "setup_data: RNG seed"))
    return found, tuple(reversed(nodes)), kernel, initrd


def _e820_lines(entries: tuple[E820Entry, ...]) -> list[str]:
    lines = [f"{e.start:016x}-{e.start + e.size - 1:016x} ({e.type})" for e in entries]
    if len(lines) > _ZEROPAGE_ENTRIES:
        lines[_ZEROPAGE_ENTRIES:_ZEROPAGE_ENTRIES] = [
            "extra E820 memmap are passed via setup_data",
            "Extended E820 via setup_data:",
        ]
    return ["E820 memmap:", *lines]


def arm64_load(system: System, request: KexecRequest) -> KexecImage:
    """Load on arm64: the next kernel is given the firmware's own map, so that it sees what a cold boot sees."""
    output: list[str] = []
    found = sorted(ranges.arm64_ranges(system.iomem.lines(), output))
    sizes = sizes_of(system, request)
    holes = ToolHoles(found, request.mem_min, request.mem_max)
    try:
        segments, kernel, initrd = _arm64_segments(holes, sizes, system.kernel.page_size)
    except NoHoleError as error:
        return _failed(system, output, str(error))
    if initrd is not None and _window(kernel, initrd + sizes.initrd) > 32 * _GIB:
        return _failed(system, output, "kexec: Error: image + initrd too big.")
    return KexecImage(arm64_machine(system, request, kernel, initrd, sizes), tuple(segments), 0, tuple(output))


def _window(start: int, end: int) -> int:
    return -(-end // _GIB) * _GIB - start // _GIB * _GIB


def _arm64_segments(holes: ToolHoles, sizes: Sizes, page: int) -> tuple[list[KexecSegment], int, int | None]:
    kernel = holes.add(sizes.kernel, KERNEL_ALIGN, top_down=False, page=page)
    found = [segment(kernel, sizes.kernel, "kernel")]

    def after(size: int, what: str) -> int:
        address = holes.add(size, 0, kernel + sizes.kernel, top_down=False, page=page)
        found.append(segment(address, size, what))
        return address

    initrd = after(sizes.initrd, "initrd") if sizes.initrd else None
    after(_DTB, "device tree")
    after(_PURGATORY, "purgatory")
    return found, kernel, initrd


def arm64_machine(system: System, request: KexecRequest, kernel: int, initrd: int | None, sizes: Sizes) -> Machine:
    """What the next arm64 kernel sees: everything as the firmware left it, another image and command line."""
    return attrs.evolve(
        system.machine,
        kernel=request.kernel or system.kernel,
        cmdline=system.cmdline if request.cmdline is None else request.cmdline,
        image=image_at(system, request, kernel, initrd, sizes),
        boot="kexec",
    )


def _failed(system: System, output: list[str], message: str) -> KexecImage:
    return KexecImage(system.machine, (), _FAILED, (*output, message, "locate_hole failed"))
