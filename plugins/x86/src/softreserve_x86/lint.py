"""What a person should know about soft reserved memory on an x86 machine; more rules are in the core."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

from softreserve.model.efi import type_words
from softreserve.model.findings import Finding
from softreserve.model.ranges import span_at

from softreserve_x86 import e820
from softreserve_x86.setup import SETUP, why_no_fake_mem
from softreserve_x86.stub import USABLE

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiDescriptor
    from softreserve.model.outcome import Outcome, Part

    from softreserve_x86.setup import Setup

__all__ = ["lint"]

_MIB: Final = 1 << 20
_LEGACY_END: Final = 1 << 20


def lint(system: System, outcome: Outcome) -> list[Finding]:
    """Specific purpose memory that was not set aside, and options that did not do what they say."""
    setup = system.stash.get(SETUP)
    if setup is None:
        return []
    return [
        *_not_set_aside(system, setup, outcome),
        *_beyond_cpu(system),
        *_under_ram_buffers(system, outcome),
        *_undone(setup),
        *_without_effect(setup),
        *_idle(setup),
        *_fake_mem(system, setup),
        *_without_acpi(system),
    ]


def _without_acpi(system: System) -> Iterator[Finding]:
    """Processors that only the tables name."""
    if system.cpus < system.machine.cpus:
        message = f"acpi=off: one of {system.machine.cpus} processors runs, as UEFI names the others in the MADT alone"
        yield Finding("note", "acpi-off", message)


# --- specific purpose memory that not everybody can have


def _under_ram_buffers(system: System, outcome: Outcome) -> Iterator[Finding]:
    """Devices that lie under a RAM buffer, in kernels that do not see soft reserved memory where they make those."""
    devices = [part for part in outcome.parts if part.device]
    for res in system.iomem.find("RAM buffer"):
        at = bisect_right(devices, res.start, key=attrgetter("end"))
        if at < len(devices) and devices[at].start <= res.end:
            part = devices[at]
            message = (
                f"a RAM buffer ({res.start:#x}-{res.end:#x}) keeps device_dax away from {part.device}: kmem can have "
                "it, programs cannot map it; let RAM below end on a multiple of 64 MiB, or the range begin on one"
            )
            yield Finding("warning", "ram-buffer", message, part.start, min(part.end, res.end + 1))


# --- specific purpose memory that is not soft reserved


def _not_set_aside(system: System, setup: Setup, outcome: Outcome) -> Iterator[Finding]:
    kexec, enabled = system.machine.boot == "kexec", setup.efi.soft_reserve_enabled
    if not enabled and not kexec:
        return
    marked = [d for d in system.machine.efi_map or () if d.is_special_purpose and d.size]
    descriptors = sorted(((d.start, d.start + d.size, d) for d in marked), key=itemgetter(0))
    kinds = [(e.start, e.end, e.type) for e in setup.table.entries]
    handed = sorted((e.start, e.start + e.size, e.type) for e in system.machine.e820 or () if e.size)
    for whole in outcome.ranges:
        shared = any(part.use not in ("lost", "ram") for part in whole.parts)
        for part in whole.parts:
            if part.use not in ("lost", "ram") or (part.use == "ram" and not enabled):
                continue
            if kexec:
                why = _handed_over(span_at(handed, part.start))
            else:
                said, found = span_at(descriptors, part.start), span_at(kinds, part.start)
                if said is None:
                    continue
                kind = found[2] if found is not None else 0
                why = _why_not(system, setup, said[2], part, kind, shared=shared)
            yield Finding("error", "soft-reserved-lost", why, part.start, part.end, explains=part.use)


def _beyond_cpu(system: System) -> Iterator[Finding]:
    """RAM at addresses that the CPU does not have."""
    limit = 1 << system.machine.phys_bits
    for region in system.memblock.memory:
        if region.end > limit:
            message = (
                f"RAM beyond the {system.machine.phys_bits} address bits of the CPU: the kernel takes it for memory, "
                "and nothing answers there; end the firmware's map below"
            )
            yield Finding("error", "ram-beyond-cpu", message, max(region.base, limit), region.end)


def _handed_over(found: tuple[int, int, int] | None) -> str:
    """What the next kernel was told of memory that was specific purpose memory to the one before."""
    how = "not at all" if found is None else f"as {e820.type_text(found[2])}"
    return f"the kernel before handed this over {how}: to this one it is no specific purpose memory"


def _why_not(system: System, setup: Setup, d: EfiDescriptor, part: Part, kind: int, *, shared: bool) -> str:
    efi_type = type_words(d.type)
    if d.type not in USABLE:
        return (
            f"specific purpose memory of the type {efi_type} is no dax device: only memory that would be RAM is; "
            "retype it"
        )
    if kind == e820.SOFT_RESERVED:
        bits = system.machine.phys_bits
        return (
            f"no dax device: the range reaches beyond the {bits} address bits of the CPU, and gets no resource; move it"
        )
    if shared:
        return "specific purpose memory is not set aside as a whole: something else lies here; see the other findings"
    if part.use == "ram" and not setup.imported and system.machine.boot != "stub":
        return (
            f"specific purpose memory of the type {efi_type} is ordinary RAM: the loader's e820 table does not know "
            "it, and only conventional memory makes the kernel look at the EFI map; use that type, or boot by the EFI "
            "stub"
        )
    result = "ordinary RAM" if part.use == "ram" else "not set aside"
    return f"specific purpose memory is {result}: another descriptor or memmap= has claimed it"


# --- mem=, memmap=


def _undone(setup: Setup) -> Iterator[Finding]:
    """What ``mem=`` and ``memmap=`` asked for, and the final table does not show."""
    for asked in setup.memmap.asked:
        start = max(asked.start, _LEGACY_END)  # what lies below is changed by the kernel anyway
        if start >= asked.end:
            continue
        kind = e820.type_text(asked.type)
        if asked.present:
            if not setup.table.mapped_all(start, asked.end, asked.type):
                message = (
                    f"{asked.text} is overruled: not all of it is {kind}, as another claim on it has a type of a "
                    "higher number; take that claim away"
                )
                yield Finding("warning", "memmap-overruled", message, asked.start, asked.end)
        elif setup.imported and setup.table.mapped_any(start, asked.end, asked.type):
            left = sum(
                min(e.end, asked.end) - max(e.start, start)
                for e in setup.table.entries
                if e.type == asked.type and e.start < asked.end and start < e.end
            )
            message = (
                f"{asked.text} is undone: {left // _MIB} MiB of {kind} memory are back, as {_why_imported(setup)}, "
                "and the kernel adds the whole EFI map after it read the command line; "
                f"{'leave add_efi_memmap out' if setup.add_efi_memmap else 'efi=nosoftreserve prevents that'}"
            )
            yield Finding("warning", "mem-undone", message)


def _why_imported(setup: Setup) -> str:
    return "add_efi_memmap is given" if setup.add_efi_memmap else "there is specific purpose memory"


def _without_effect(setup: Setup) -> Iterator[Finding]:
    for text in setup.memmap.ignored:
        message = (
            f"memmap={text} does nothing, and the kernel does not say so: it is not of the form SIZE, SIZE@START, "
        )
        yield Finding("warning", "memmap-ignored", f"{message}SIZE#START, SIZE$START, SIZE!START or SIZE%START-OLD+NEW")


def _idle(setup: Setup) -> Iterator[Finding]:
    """Words that are understood, and meet no memory that they are for."""
    for idle in setup.memmap.idle:
        wanted = f"{e820.type_text(idle.type)} memory" if idle.type else "memory"
        there = " and ".join(e820.type_text(kind) for kind in idle.found) or "nothing"
        message = (
            f"{idle.text} changes nothing: it is for {wanted}, and the map that the kernel is handed has {there} here; "
            "correct the range, or the type behind the -"
        )
        where = (idle.start, idle.end) if idle.start < idle.end else ()
        yield Finding("warning", "memmap-idle", message, *where)


# --- efi_fake_mem=


def _fake_mem(system: System, setup: Setup) -> Iterator[Finding]:
    if not system.cmdline.has("efi_fake_mem"):
        return
    why = why_no_fake_mem(system.kernel)
    if why is not None:
        message = f"efi_fake_mem= does nothing: {why}; memmap=SIZE%START-1+0xefffffff makes RAM soft reserved"
        yield Finding("warning", "fake-mem-unknown", message)
        return
    for fake in setup.fake_mem.ranges:
        table, start, end = setup.table, fake.start, fake.end + 1
        if fake.is_specific_purpose and start < end and not table.mapped_all(start, end, e820.SOFT_RESERVED):
            message = "efi_fake_mem= sets only conventional memory aside, and only some of this, or none, is"
            yield Finding("warning", "fake-mem-partial", message, start, end)
