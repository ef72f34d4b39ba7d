"""What is wrong with a machine that a plugin made: values of other types than a boot can work with, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import fields

from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import CPUS_MAX, E820Entry, FirmwareMarks, KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.model.userspace import UserspaceFacts
from softreserve.plugins.answers import is_number, is_text, map_problem

__all__ = ["image_parts_problem", "is_range", "machine_problem"]

#: What fields of a machine are, where it is a class that looks at its own values.
_KINDS: Final[Mapping[str, type[Any]]] = {
    "kernel": Kernel,
    "cmdline": CommandLine,
    "image": KernelImage,
    "marks": FirmwareMarks,
    "acpi": Mapping,
    "sections": Mapping,
    "unknown": frozenset,
    "userspace": UserspaceFacts,
}
_RANGES: Final = ("setup_data", "crash_kernel")
_TRUTHS: Final = ("devicetree", "pci", "hypervisor", "kvm", "la57")
_ENTRIES: Final = ("stub", "loader", "kexec")


def machine_problem(machine: Machine) -> str | None:
    """What is wrong with it, in words, or ``None``."""
    return next(_problems(machine), None)


def _problems(machine: Machine) -> Iterator[str]:
    for name, kind in _KINDS.items():
        if not isinstance(getattr(machine, name), kind):
            yield f"{name} is {shown(getattr(machine, name))}: wanted {kind.__name__}"
            return
    if not is_number(machine.cpus) or not 1 <= machine.cpus <= CPUS_MAX:
        yield f"cpus is {shown(machine.cpus)}: wanted 1 to {CPUS_MAX} processors"
    if not is_number(machine.phys_bits):
        yield f"phys_bits is {shown(machine.phys_bits)}: wanted a number"
    for name in _TRUTHS:
        if not isinstance(getattr(machine, name), bool):
            yield f"{name} is {shown(getattr(machine, name))}: wanted True or False"
    if machine.boot not in _ENTRIES or not is_text(machine.boot):
        yield f"boot is {shown(machine.boot)}: wanted one of {', '.join(_ENTRIES)}"
    kernel = machine.kernel
    if not is_text(kernel.arch) or not is_number(kernel.page_size):
        yield f"kernel is {shown(kernel)}: wanted text as arch and a number as page_size"
    for signature, table in machine.acpi.items():
        if not is_text(signature) or not isinstance(table, bytes):
            yield f"acpi has {shown(table)} as {shown(signature)}: wanted whole tables as bytes, by signature"
    for name in _RANGES:
        ranges = getattr(machine, name)
        if not isinstance(ranges, tuple) or not all(map(is_range, ranges)):
            yield f"{name} is {shown(ranges)}: wanted a tuple of PhysRange"
    yield from filter(None, (image_parts_problem(machine.image), _map_problem(machine), _e820_problem(machine)))


def is_range(value: object) -> bool:
    """Whether it is a range with numbers of bytes: one that was changed behind its back is none."""
    return isinstance(value, PhysRange) and is_number(value.start) and is_number(value.end)


def image_parts_problem(image: KernelImage) -> str | None:
    """What is wrong with the parts of a kernel image."""
    for field in fields(KernelImage):
        part = getattr(image, field.name)
        if part is not None and not is_range(part):
            return f"image has {shown(part)} as {field.name}: wanted a PhysRange or None"
    return None


def _map_problem(machine: Machine) -> str | None:
    efi_map: object = machine.efi_map
    wanted = None if efi_map is None else map_problem(efi_map)
    return None if wanted is None else f"efi_map: wanted {wanted}"


def _e820_problem(machine: Machine) -> str | None:
    entries: object = machine.e820
    if entries is None:
        return None
    good = isinstance(entries, tuple) and all(
        isinstance(e, E820Entry) and all(map(is_number, (e.start, e.size, e.type))) for e in entries
    )
    return None if good else f"e820 is {shown(entries)}: wanted a tuple of E820Entry, with numbers"
