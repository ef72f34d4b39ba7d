"""SRAT and SLIT: whether the kernel uses them, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.acpi_numa import SRAT_MEMORY, acpi_disabled
from softreserve.model.efi import EfiType
from softreserve.model.findings import Finding

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.events import Event

__all__ = ["check"]

#: The kernel's words in front of the fall-back, and what they mean; the first that was printed tells the cause.
_REFUSALS: Final = (
    (" overlaps with node ", "srat-overlap", "two domains claim the same memory"),
    ("nodes only cover ", "srat-coverage", "it leaves RAM without a domain"),
    ("no nodes coverage for ", "srat-coverage", "it leaves RAM without a domain"),
    ("invalid memblk node ", "srat-coverage", "it leaves RAM without a domain"),
    ("ACPI: SRAT: SRAT not used.", "srat-invalid", "an entry is not valid"),
)
_FALLBACK: Final = "Faking a node at "


def check(system: System) -> Iterator[Finding]:
    """Look at what the kernel said of the tables."""
    lines = system.log.lines
    if any(line == "ACPI: SLIT table looks invalid. Not used." for line in lines):
        message = (
            "the SLIT is not used, all distances are 10 and 20: a domain is not at 10 from itself, or not above 10 "
            "from another; correct it"
        )
        yield Finding("warning", "slit-invalid", message)
    if "SRAT" in system.machine.acpi and any(_FALLBACK in line for line in lines):
        yield from _rejected(system, lines)


def _rejected(system: System, lines: list[str]) -> Iterator[Finding]:
    """An SRAT is there, and the kernel went on without."""
    result = "all memory is in one node, and no domain has a node"
    for at, line in enumerate(lines):
        for words, rule, reason in _REFUSALS:
            if words in line:
                said = lines[at - 1] if rule == "srat-invalid" and at else line
                yield from _refused(system, rule, f"the SRAT is not used, {result}: {reason} ({said.strip()})")
                return
    if acpi_disabled(system.cmdline) or system.cmdline.has("numa"):
        yield Finding("note", "srat-off", f"the SRAT is not read, as the command line asks: {result}")
    else:
        yield Finding("warning", "srat-empty", f"the SRAT names no memory, {result}; correct it")


def _refused(system: System, rule: str, message: str) -> Iterator[Finding]:
    uncovered = _uncovered(system) if rule == "srat-coverage" else []
    if not uncovered:
        yield Finding("error", rule, f"{message}; correct the SRAT")
    for start, end in uncovered:
        kind = _firmware_type(system, start)
        yield Finding("error", rule, f"{message}; this {kind} needs an SRAT entry", start, end)


def _uncovered(system: System) -> list[tuple[int, int]]:
    """Memory of the early allocator that no SRAT entry names (bytes, half open)."""
    named = sorted((e.start, e.end) for e in _srat_memory(system) if e.start is not None and e.end is not None)
    found = []
    for region in system.memblock.memory:
        at = region.base
        for start, end in named:
            if end <= at or start >= region.end:
                continue
            if start > at:
                found.append((at, start))
            at = max(at, end)
        if at < region.end:
            found.append((at, region.end))
    return found


def _srat_memory(system: System) -> list[Event]:
    return [event for event in system.log if event.rule == SRAT_MEMORY]


def _firmware_type(system: System, address: int) -> str:
    for d in system.machine.efi_map or ():
        if d.start <= address <= d.last:
            known = {kind.value: kind.name.lower().replace("_", " ") for kind in EfiType}
            return f"{known.get(d.type, f'type {d.type}')} memory"
    return "memory"
