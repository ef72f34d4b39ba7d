"""What plugins answer about a kexec: what is asked for, what was loaded, what the next kernel sees.

Each function says what is wrong, in words, or ``None``. What a loader may do to the next kernel's view of memory is
seen by :mod:`softreserve.views.crossing`, and no mistake; memory that nothing of this machine has is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from softreserve.model.cmdline import CommandLine
from softreserve.model.e820 import RAM
from softreserve.model.efi import EfiType
from softreserve.model.errors import shown
from softreserve.model.kernel import Kernel
from softreserve.model.kexec import KexecSegment, KexecTools
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange, merged, uncovered
from softreserve.model.units import U64_MAX
from softreserve.plugins.answers import is_number, is_text
from softreserve.plugins.machines import image_parts_problem, is_range, machine_problem

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.kexec import KexecImage, KexecRequest

__all__ = ["hardware_problem", "image_problem", "next_problem", "request_problem"]

_CALLS: Final = ("kexec_load", "kexec_file_load")
_PAGE: Final = 4096  # bytes; segments are whole ones on every architecture
_STATUSES: Final = range(256)


def request_problem(request: KexecRequest) -> str | None:
    """What somebody asks for."""
    if request.syscall not in _CALLS:
        return f"syscall is {shown(request.syscall)}: {' or '.join(_CALLS)} is wanted"
    if not isinstance(request.cmdline, CommandLine | None):
        return f"cmdline is {shown(request.cmdline)}: a CommandLine or None is wanted"
    if not isinstance(request.kernel, Kernel | None):
        return f"kernel is {shown(request.kernel)}: a Kernel or None is wanted"
    for name, kind in (("image", KernelImage | None), ("tools", KexecTools), ("noefi", bool), ("setup_data", tuple)):
        if not isinstance(getattr(request, name), kind):
            words = getattr(kind, "__name__", "KernelImage or None")
            return f"{name} is {shown(getattr(request, name))}: {words} is wanted"
    if request.image is not None and (words := image_parts_problem(request.image)) is not None:
        return words
    if not all(map(is_range, request.setup_data)):
        return f"setup_data is {shown(request.setup_data)}: a tuple of PhysRange is wanted"
    for name in ("mem_min", "mem_max"):
        if not is_number(getattr(request, name)) or not 0 <= getattr(request, name) <= U64_MAX:
            return f"{name} is {shown(getattr(request, name))}: an address of 64 bits is wanted"
    for name, least in (("kernel_size", 1), ("initrd_size", 0)):
        size = getattr(request, name)
        if size is not None and not (type(size) is int and size >= least):
            return f"{name} is {shown(size)}: a number of bytes from {least} on, or None, is wanted"
    return None


def image_problem(system: System, request: KexecRequest, image: KexecImage) -> str | None:
    """What was loaded."""
    if type(image.status) is not int or image.status not in _STATUSES:
        return f"status is {shown(image.status)}: how kexec ends is wanted, 0 to {_STATUSES[-1]}"
    for name in ("output", "warnings"):
        lines = getattr(image, name)
        if not isinstance(lines, tuple) or not all(map(is_text, lines)):
            return f"{name} is {shown(lines)}: a tuple of lines is wanted"
    if not isinstance(image.machine, Machine):
        return f"machine is {shown(image.machine)}: a Machine is wanted"
    words = machine_problem(image.machine)
    if words is not None:
        return f"the next machine's {words}"
    if image.status:
        return None if image.output else f"status is {image.status}, and output has no line that says why"
    return _segments_problem(system, request, image) or _followed_problem(system, request, image.machine)


def _segments_problem(system: System, request: KexecRequest, image: KexecImage) -> str | None:
    segments = image.segments
    if not segments:
        return "status is 0, and there is no segment: the next kernel's is wanted at least"
    if not isinstance(segments, tuple) or not all(isinstance(segment, KexecSegment) for segment in segments):
        return f"segments are {shown(segments)}: a tuple of KexecSegment is wanted"
    for segment in segments:
        if not isinstance(segment.range, PhysRange) or not is_text(segment.what) or not segment.what.strip():
            return f"{shown(segment)}: a PhysRange, and what it is in words, are wanted"
        if segment.range.start % _PAGE or segment.range.end % _PAGE:
            return f"{_words(segment)} is not of whole pages of {_PAGE} bytes"
        # only kexec-tools know the lowest address, and nobody looked for a place that is known
        if request.syscall == "kexec_load" and request.image is None and segment.range.start < request.mem_min:
            return f"{_words(segment)} is below {request.mem_min:#x} (mem_min), the lowest address that was asked for"
    for one, other in pairwise(sorted(segments, key=lambda segment: segment.range)):
        if one.range.overlaps(other.range):
            return f"{_words(one)} overlaps {_words(other)}"
    # what a loader takes for RAM and is specific purpose memory is told by the kexec plugin: kexec-tools does that, too
    ram = merged([*_memory(system), *((d.start, d.end) for d in _map(system.machine) if d.is_special_purpose)])
    for segment in segments:
        gap = next(uncovered(segment.range.start, segment.range.end, ram), None)
        if gap is not None:
            return f"{_words(segment)} lies where no memory is, at {gap[0]:#x}"
    return None


def _words(segment: KexecSegment) -> str:
    return f"segment {shown(segment.what)} at {segment.range.start:#x}-{segment.range.last:#x}"


def _followed_problem(system: System, request: KexecRequest, machine: Machine) -> str | None:
    """Whether the next kernel is the one that was asked for."""
    kernel = request.kernel or system.kernel
    if machine.arch != kernel.arch:
        return f"the next machine is of architecture {shown(machine.arch)}, not {kernel.arch}"
    if machine.kernel != kernel:
        return f"the next machine's kernel is {shown(machine.kernel.release)}, not {kernel.release} as asked for"
    if machine.boot != "kexec":
        return f"the next machine's boot is {shown(machine.boot)}: 'kexec' is wanted"
    asked = system.cmdline if request.cmdline is None else request.cmdline
    return _forgotten(asked, system.machine, machine) or _invented(system, machine) or _lost(system.machine, machine)


def _forgotten(asked: CommandLine, given: Machine, machine: Machine) -> str | None:
    """Words and tables that the next kernel does not get; loaders and policies may add words."""
    left_out = next((word for word in asked.parameters if word not in machine.cmdline.parameters), None)
    if left_out is not None:
        return f"the next machine's cmdline lacks {shown(left_out.name)}, which was asked for"
    gone = sorted(given.acpi.keys() - machine.acpi.keys())
    return f"the next machine has lost the ACPI table {gone[0]}, which no kexec takes away" if gone else None


def next_problem(system: System, given: Machine, machine: Machine) -> str | None:
    """What the next kernel sees, after somebody changed it."""
    words = machine_problem(machine)
    if words is not None:
        return words
    if machine.arch != given.arch or machine.kernel.release != given.kernel.release:
        return f"made {shown(machine.kernel.release)} on {shown(machine.arch)} of the next kernel"
    if machine.boot != given.boot:
        return f"made {shown(machine.boot)} of the next machine's boot, which is {shown(given.boot)}"
    return _forgotten(given.cmdline, given, machine) or _invented(system, machine) or _lost(given, machine)


def hardware_problem(given: Machine, machine: Machine) -> str | None:
    """What the next kernel finds of devices: nothing else changes."""
    for name in ("kernel", "cmdline", "efi_map", "e820", "image", "boot"):
        if getattr(given, name) != getattr(machine, name):
            return f"the next machine as it was but for its devices, not with another {name}"
    words = machine_problem(machine)
    return None if words is None else f"a sound machine: {words}"


def _map(machine: Machine) -> Iterator[EfiDescriptor]:
    """The firmware's descriptors, but for those that are no range."""
    return (d for d in machine.efi_map or () if d.start < d.end)


def _memory(system: System) -> list[tuple[int, int]]:
    """What the running kernel has as memory, or has set aside, and what kexec-tools read of the firmware's map.

    That has what ``mem=`` took away from the kernel, too.
    """
    names = "System RAM", "Soft Reserved"
    found = [(r.start, r.end + 1) for _, r in system.iomem.walk() if r.name is not None and r.name.startswith(names)]
    return found + [(e.start, e.end + 1) for e in system.firmware_memmap.entries.values() if e.type.startswith(names)]


def _lost(given: Machine, machine: Machine) -> str | None:
    """Addresses that are in no descriptor any more: kernels that boot from an EFI map hand the firmware's own on."""
    if given.efi_map is None or machine.e820 is not None or machine.efi_map is given.efi_map:
        return None
    left = merged((d.start, d.end) for d in _map(machine))
    for d in _map(given):
        gap = next(uncovered(d.start, d.end, left), None)
        if gap is not None:
            return f"the next kernel's map has lost the memory at {gap[0]:#x}-{gap[1] - 1:#x}"
    return None


def _invented(system: System, machine: Machine) -> str | None:
    """Memory of the next kernel that nothing of this machine has."""
    now = system.machine
    known = [(d.start, d.end) for d in _map(now)]
    known += [(e.start, e.start + e.size) for e in now.e820 or ()]
    known += _memory(system)
    spans = merged(known)
    given = [(d.start, d.end) for d in _map(machine) if d.type == EfiType.CONVENTIONAL]
    given += [(e.start, e.start + e.size) for e in machine.e820 or () if e.type == RAM]
    for start, end in given:
        gap = next(uncovered(start, end, spans), None)
        if gap is not None:
            return f"the next kernel is given memory that this machine does not have, at {gap[0]:#x}-{gap[1] - 1:#x}"
    return None
