"""The firmware's memory map, and whether stub and kernel look at its specific purpose attribute."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from softreserve.kernel.efi.efi import EFI
from softreserve.kernel.efi.efistub import StubOptions
from softreserve.kernel.numa.numa import format_list
from softreserve.model import e820
from softreserve.model.efi import EfiAttribute, EfiType, type_words
from softreserve.model.findings import Finding
from softreserve.model.ranges import merged, span_at, uncovered
from softreserve.model.sizes import human_size
from softreserve.model.units import EFI_PAGE_SIZE

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.outcome import Outcome

__all__ = ["check"]

#: Attributes that memory for everybody's use cannot have, and what they say.
_CONTRADICTIONS: Final = {
    EfiAttribute.RUNTIME: "for the firmware at run time (RUNTIME)",
    EfiAttribute.NV: "persistent (NV)",
    EfiAttribute.RP: "protected from reads (RP)",
    EfiAttribute.RO: "read-only (RO)",
}
#: Types that a kernel takes for RAM once the firmware has started it. Specific purpose memory is the loader's to know.
_RAM_TYPES: Final = frozenset(
    {
        EfiType.LOADER_CODE,
        EfiType.LOADER_DATA,
        EfiType.BOOT_SERVICES_CODE,
        EfiType.BOOT_SERVICES_DATA,
        EfiType.CONVENTIONAL,
    }
)
#: Where nobody agrees on anything, and how much loaders round.
_LEGACY_END: Final = 1 << 20
_LEGACY: Final = 1 << 20


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at the map as the firmware gives it."""
    yield from _beyond_sections(system)
    yield from _invalid(system)
    yield from _loader_disagrees(system)
    efi = system.stash.get(EFI)
    descriptors = [d for d in system.machine.efi_map or () if d.size and d.start + d.size <= 1 << 64]
    marked = [d for d in descriptors if d.is_special_purpose]
    yield from _overlapping(descriptors)
    if efi is None:
        return
    yield from _switched_off(efi, outcome)
    if not marked:
        return
    yield from _disagreement(system, efi)
    yield from _not_write_back(marked)
    yield from _contradicting(marked)
    yield from _of_other_types(marked, outcome)
    yield from _off_pages(system, marked)
    yield from _image(system, marked)
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


def _contradicting(marked: list[EfiDescriptor]) -> Iterator[Finding]:
    """Attributes that say something else than memory for a specific purpose."""
    for d in marked:
        found = [words for bit, words in _CONTRADICTIONS.items() if d.attribute & bit]
        if found:
            message = (
                f"specific purpose memory that is also {' and '.join(found)}: Linux looks at SP alone, and hands it to "
                "drivers that write to it; clear the other attributes, or SP"
            )
            yield Finding("warning", "sp-attributes", message, d.start, d.start + d.size)


def _of_other_types(marked: list[EfiDescriptor], outcome: Outcome) -> Iterator[Finding]:
    """Memory that is set aside though its type says that it is no memory for everybody."""
    for d in marked:
        part = outcome.part_at(d.start)
        if d.type not in _RAM_TYPES and part is not None and part.use not in ("lost", "ram"):
            message = (
                f"specific purpose memory of the type {type_words(d.type)}: this kernel sets it aside all the same, "
                "others do not, and what the firmware keeps there is overwritten; retype it, or clear SP"
            )
            yield Finding("warning", "sp-type", message, d.start, d.start + d.size)


def _off_pages(system: System, marked: list[EfiDescriptor]) -> Iterator[Finding]:
    """Borders inside a page of the kernel, which EFI's pages are smaller than."""
    page = system.kernel.page_size
    for d in marked:
        if d.start % page or d.size % page:
            message = (
                f"start or size of specific purpose memory is no multiple of a page of {human_size(page)}: the kernel "
                "rounds it, and what SRAT and HMAT say of it does not fit any more; align both"
            )
            yield Finding("warning", "sp-off-pages", message, d.start, d.start + d.size)


def _image(system: System, marked: list[EfiDescriptor]) -> Iterator[Finding]:
    """The kernel, or its initial RAM disk, in memory that is to be set aside."""
    image = system.machine.image
    for what, where in (("kernel", image.span), ("initial RAM disk", image.initrd)):
        for d in marked:
            if where is not None and where.start < d.start + d.size and d.start < where.end:
                message = (
                    f"the {what} lies in specific purpose memory ({where.start:#x}-{where.last:#x}), which cannot be "
                    "set aside as a whole then; let the loader place it elsewhere"
                )
                start, end = max(where.start, d.start), min(where.end, d.start + d.size)
                yield Finding("warning", "image-in-sp", message, start, end)


def _invalid(system: System) -> Iterator[Finding]:
    """Descriptors that no memory can be behind."""
    descriptors = list(enumerate(system.machine.efi_map or ()))
    empty = [number for number, d in descriptors if not d.pages]
    if empty:
        message = f"descriptors of the firmware's map without pages: {format_list(empty)}; the kernel passes over them"
        yield Finding("note", "efi-empty", message)
    for number, d in descriptors:
        if d.pages and d.start + d.pages * EFI_PAGE_SIZE > 1 << 64:
            message = (
                f"descriptor {number} of the firmware's map, at {d.start:#x}, ends beyond 64 bits of address: the "
                "kernel passes over it, or takes it for something else; correct its size"
            )
            yield Finding("warning", "efi-invalid", message)


def _loader_disagrees(system: System) -> Iterator[Finding]:
    """A boot loader's table that takes for RAM what the firmware does not."""
    machine = system.machine
    if machine.boot != "loader" or not machine.e820 or not machine.efi_map:
        return
    usable = merged((d.start, d.start + d.size) for d in machine.efi_map if d.type in _RAM_TYPES)
    for entry in machine.e820:
        if entry.type != e820.RAM:
            continue
        for start, end in uncovered(entry.start, entry.start + entry.size, usable):
            if end - start > _LEGACY and start >= _LEGACY_END:
                kind = next((type_words(d.type) for _, d in machine.efi_descriptors_at(start)), "nothing")
                message = (
                    f"the boot loader's e820 table has RAM where the firmware's map has {kind}: the kernel goes by the "
                    "table; correct the loader"
                )
                yield Finding("warning", "loader-against-efi", message, start, end)


def _overlapping(descriptors: list[EfiDescriptor]) -> Iterator[Finding]:
    """Two descriptors for one byte."""
    widest: EfiDescriptor | None = None
    for d in sorted(descriptors, key=lambda d: d.start):
        if widest is not None and d.start < widest.start + widest.size:
            end = min(d.start + d.size, widest.start + widest.size)
            if d.is_special_purpose or widest.is_special_purpose:
                message = (
                    "two descriptors of the firmware's map overlap here, and one of them is specific purpose memory: "
                    "which of them counts depends on the architecture; each byte needs one descriptor"
                )
                yield Finding("error", "sp-overlaps", message, d.start, end)
            elif d.type != widest.type:
                message = (
                    f"two descriptors of the firmware's map overlap here, {type_words(widest.type)} and "
                    f"{type_words(d.type)}: which of them counts depends on the architecture; each byte needs one"
                )
                yield Finding("warning", "efi-overlaps", message, d.start, end)
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
