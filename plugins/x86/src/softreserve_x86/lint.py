"""What a person should know about soft reserved memory on an x86 machine; more rules are in the core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.model.efi import type_words
from softreserve.model.findings import Finding

from softreserve_x86 import e820, fake_mem
from softreserve_x86.setup import SETUP
from softreserve_x86.stub import USABLE

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiDescriptor

    from softreserve_x86.setup import Setup

__all__ = ["lint"]

_MIB: Final = 1 << 20
_LEGACY_END: Final = 1 << 20


def lint(system: System) -> list[Finding]:
    """Specific purpose memory that was not set aside, and options that did not do what they say."""
    setup = system.stash.get(SETUP)
    if setup is None:
        return []
    return [
        *_not_set_aside(system, setup),
        *_undone(setup),
        *_without_effect(setup),
        *_fake_mem(system, setup),
    ]


# --- the firmware's map


def _not_set_aside(system: System, setup: Setup) -> Iterator[Finding]:
    if not setup.efi.soft_reserve_enabled:
        return
    resources = [(r.start, r.end + 1) for _, r in system.iomem.walk() if r.name == "Soft Reserved"]
    for d in system.machine.efi_map or ():
        if not d.is_special_purpose or not d.size:
            continue
        start, end = d.start, d.start + d.size
        shown = sum(max(0, min(end, last) - max(start, first)) for first, last in resources)
        if shown < d.size:
            yield Finding("error", "soft-reserved-lost", _why_not(system, setup, d), start, end)


def _why_not(system: System, setup: Setup, d: EfiDescriptor) -> str:
    kind = type_words(d.type)
    if d.type not in USABLE:
        return (
            f"specific purpose memory of the type {kind} is no dax device: only memory that would be RAM is; retype it"
        )
    if setup.table.mapped_all(d.start, d.start + d.size, e820.SOFT_RESERVED):
        bits = system.machine.phys_bits
        return (
            f"no dax device: the range reaches beyond the {bits} address bits of the CPU, and gets no resource; move it"
        )
    if setup.table.mapped_any(d.start, d.start + d.size, e820.SOFT_RESERVED):
        return "specific purpose memory is not set aside as a whole: something else lies in it; see the other findings"
    if not setup.imported and system.machine.boot != "stub":
        return (
            f"specific purpose memory of the type {kind} is ordinary RAM: the loader's e820 table does not know it, "
            "and only conventional memory makes the kernel look at the EFI map; use that type, or boot by the EFI stub"
        )
    return "specific purpose memory is not set aside: another descriptor or memmap= has claimed it"


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


# --- efi_fake_mem=


def _fake_mem(system: System, setup: Setup) -> Iterator[Finding]:
    if not system.cmdline.has("efi_fake_mem"):
        return
    why = fake_mem.why_unknown(system.kernel)
    if why is not None:
        message = f"efi_fake_mem= does nothing: {why}; memmap=SIZE%START-1+0xefffffff makes RAM soft reserved"
        yield Finding("warning", "fake-mem-unknown", message)
        return
    for fake in setup.fake_mem.ranges:
        table, start, end = setup.table, fake.start, fake.end + 1
        if fake.is_specific_purpose and start < end and not table.mapped_all(start, end, e820.SOFT_RESERVED):
            message = "efi_fake_mem= sets only conventional memory aside, and only some of this, or none, is"
            yield Finding("warning", "fake-mem-partial", message, start, end)
