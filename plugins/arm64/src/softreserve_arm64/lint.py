"""What a person should know about soft reserved memory on an arm64 machine; more rules are in the core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.efi.efi import EFI
from softreserve.model.behaviours import EFI_SOFT_RESERVED_SIZE_IS_INT
from softreserve.model.findings import Finding

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["lint"]

#: Parameters of x86 that people carry over, written with ``_``.
_ONLY_X86: Final = ("memmap", "add_efi_memmap", "efi_fake_mem")


def lint(system: System, outcome: Outcome) -> list[Finding]:
    """Ranges that never became a resource, and words that arm64 does not know; each once."""
    return [*dict.fromkeys((*_unregistered(system, outcome), *_foreign_parameters(system), *_without_acpi(system)))]


def _unregistered(system: System, outcome: Outcome) -> Iterator[Finding]:
    """Specific purpose memory that is in no ``Soft Reserved`` resource: the kernel says nothing of it."""
    efi = system.stash.get(EFI)
    if efi is None or not efi.soft_reserve_enabled:
        return
    for whole in outcome.ranges:
        for part in whole.parts:
            if part.use in ("lost", "ram"):
                why = _why_lost(system, whole.size, part.use)
                yield Finding("error", "soft-reserved-lost", why, part.start, part.end, explains=part.use)


def _why_lost(system: System, size: int, use: str) -> str:
    result = "ordinary RAM" if use == "ram" else "no dax device, and no RAM either"
    lost = f"specific purpose memory is not registered: {result};"
    if system.kernel.has(EFI_SOFT_RESERVED_SIZE_IS_INT) and size >= 1 << 31:
        return f"{lost} this release takes its size for a 32-bit number; use one from 6.8 on, or a stable one"
    pages = " or with the rest of a kernel page" if system.kernel.page_size > 4096 else ""
    return f"{lost} it overlaps with other memory{pages} in part; move it in the firmware's map"


def _foreign_parameters(system: System) -> Iterator[Finding]:
    """Words that mean nothing here."""
    for parameter in system.cmdline:
        if parameter.canonical in _ONLY_X86:
            hint = "only the firmware can mark memory there" if parameter.canonical != "memmap" else "mem= it has"
            message = f"{parameter.name!r} does nothing on arm64: it is a parameter of x86; {hint}"
            yield Finding("warning", "parameter-foreign", message)
        elif parameter.canonical == "numa" and (parameter.value or "").startswith(("nohmat", "noacpi")):
            message = f"numa={parameter.value} does nothing on arm64, where numa= knows off and, from 6.12 on, fake="
            yield Finding("warning", "parameter-foreign", message)


def _without_acpi(system: System) -> Iterator[Finding]:
    """A kernel that is told not to read the tables which describe the machine."""
    if system.acpi_disabled and not system.machine.devicetree:
        message = (
            "acpi=off: without a device tree of the firmware's beside its tables this kernel dies early, as nobody "
            "names its processors; what is told here holds only where there is one; take it off"
        )
        yield Finding("warning", "acpi-off", message)
