"""The firmware's memory map, and whether stub and kernel look at its specific purpose attribute."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from softreserve.kernel.efi.efi import EFI
from softreserve.kernel.efi.efistub import StubOptions
from softreserve.model.efi import EfiAttribute
from softreserve.model.findings import Finding
from softreserve.model.ranges import span_at
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.outcome import Outcome

__all__ = ["check"]


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at the map as the firmware gives it."""
    yield from _beyond_sections(system)
    efi = system.stash.get(EFI)
    descriptors = [d for d in system.machine.efi_map or () if d.size]
    marked = [d for d in descriptors if d.is_special_purpose]
    if efi is None:
        return
    yield from _switched_off(efi, outcome)
    if not marked:
        return
    yield from _disagreement(system, efi)
    yield from _not_write_back(marked)
    yield from _overlapping(descriptors)
    yield from _touching(system, marked, outcome)


def _beyond_sections(system: System) -> Iterator[Finding]:
    """RAM at addresses that the kernel's memory model does not have."""
    limit = system.memory.physmem_end + 1
    for region in system.memblock.memory:
        if region.end > limit:
            fate = "has no memory blocks"
            if system.kernel.enabled("SPARSEMEM_VMEMMAP"):
                fate += ", and the kernel trips over it where it lays out nodes (mm/sparse.c) and does not come up"
            message = f"RAM above the {limit.bit_length() - 1} address bits of this kernel {fate}; end the map below"
            yield Finding("error", "ram-beyond-limit", message, max(region.base, limit), region.end)


def _switched_off(efi: Efi, outcome: Outcome) -> Iterator[Finding]:
    """Specific purpose memory that the kernel treats like any other."""
    size = outcome.size("ram")
    if efi.soft_reserve_enabled or not size:
        return
    if efi.no_soft_reserve:
        message = (
            f"efi=nosoftreserve is on the command line: {human_size(size)} of specific purpose memory are ordinary "
            "RAM; without it they are set aside"
        )
        yield Finding("note", "soft-reserve-off", message, explains="ram")
    else:
        message = (
            f"this kernel is built without CONFIG_EFI_SOFT_RESERVE: {human_size(size)} of specific purpose memory are "
            "ordinary RAM and cannot be dax devices; build it in"
        )
        yield Finding("warning", "soft-reserve-not-built", message, explains="ram")


def _disagreement(system: System, efi: Efi) -> Iterator[Finding]:
    """The stub forgets ``nosoftreserve`` at the next ``efi=``; the kernel proper never does."""
    if system.machine.boot != "stub":
        return
    stub = StubOptions.parse(system.cmdline, system.kernel)
    if stub.soft_reserve_enabled == efi.soft_reserve_enabled:
        return
    message = (
        f"the EFI stub {_treats('specific purpose memory', stub.soft_reserve_enabled)}, "
        f"the kernel {_treats('it', efi.soft_reserve_enabled)}: the stub goes by the last efi= only, the kernel by "
        "all of them; give one efi= with all its words"
    )
    yield Finding("warning", "efi-options-disagree", message)


def _treats(what: str, soft_reserve_enabled: bool) -> str:
    return f"sets {what} aside" if soft_reserve_enabled else f"takes {what} for RAM"


def _not_write_back(marked: list[EfiDescriptor]) -> Iterator[Finding]:
    for d in marked:
        if not d.attribute & EfiAttribute.WB:
            message = (
                "specific purpose memory without the attribute WB: Linux sets it aside all the same, and maps it "
                "write-back when it is used; the firmware should set WB, or not mark device memory as SP"
            )
            yield Finding("warning", "sp-not-write-back", message, d.start, d.start + d.size)


def _overlapping(descriptors: list[EfiDescriptor]) -> Iterator[Finding]:
    """Two descriptors for one byte, at least one of them specific purpose."""
    widest: EfiDescriptor | None = None
    for d in sorted(descriptors, key=lambda d: d.start):
        marked = d.is_special_purpose or (widest is not None and widest.is_special_purpose)
        if marked and widest is not None and d.start < widest.start + widest.size:
            end = min(d.start + d.size, widest.start + widest.size)
            message = (
                "two descriptors of the firmware's map overlap here, and one of them is specific purpose memory: "
                "which of them counts depends on the architecture; each byte needs one descriptor"
            )
            yield Finding("error", "sp-overlaps", message, d.start, end)
        if widest is None or d.start + d.size > widest.start + widest.size:
            widest = d


def _touching(system: System, marked: list[EfiDescriptor], outcome: Outcome) -> Iterator[Finding]:
    """Specific purpose descriptors without a gap between them: one range to the operator, perhaps two to the kernel."""
    resources = [(r.start, r.end + 1) for r in system.find_soft_reserved()]
    devices = [(part.start, part.end, part.device) for part in outcome.parts if part.device]
    ordered = sorted(marked, key=lambda d: d.start)
    for low, high in pairwise(ordered):
        border = high.start
        below, above = span_at(resources, border - 1), span_at(resources, border)
        if low.start + low.size != border or below is None or above is None:
            continue
        result = "one Soft Reserved range" if below == above else "two Soft Reserved ranges"
        names = [span[2] for span in (span_at(devices, border - 1), span_at(devices, border)) if span is not None]
        if len(names) > 1:
            result += " with one dax device" if len(set(names)) == 1 else " with a dax device each"
        message = (
            f"two specific purpose descriptors touch at {border:#x}: {result} on this kernel; "
            "other releases and loaders decide otherwise, so give one descriptor for what is one device"
        )
        yield Finding("note", "sp-adjacent", message, low.start, high.start + high.size)
