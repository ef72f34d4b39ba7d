"""Where the EFI stub puts a kernel that it does not decompress.

Linux: ``drivers/firmware/efi/libstub/{kaslr,randomalloc}.c``. Addresses and sizes are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.efi.efistub import StubOptions
from softreserve.kernel.efi.randomalloc import count_slots, efi_random_alloc, refusal
from softreserve.model.behaviours import EFI_STUB_ALIGNS_AFTER_RNG
from softreserve.model.errors import MachineError
from softreserve.model.placement import Placement, SlotArea
from softreserve.model.ranges import PhysRange
from softreserve.model.units import EFI_PAGE_SIZE, U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.efi.randomalloc import RandomSlots
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine

__all__ = ["place_image"]

#: What a kernel is aligned to whose physical address must say as much as its virtual one. Linux: ``MIN_KIMG_ALIGN``.
_MIN_KIMG_ALIGN: Final = 2 << 20


def place_image(
    machine: Machine,
    span: PhysRange | None,
    seed: int | None,
    *,
    image_align: int,
    alloc_align: int = EFI_PAGE_SIZE,
    alloc_limit: int = U64_MAX,
) -> Placement:
    """The slots of ``efi_random_alloc`` and the one for a seed; without one the image stays where it was loaded.

    :param span: where the whole image was loaded; ``None``: not known.
    :param image_align: EFI_KIMG_ALIGN.
    :param alloc_align: EFI_ALLOC_ALIGN.
    :param alloc_limit: EFI_ALLOC_LIMIT, the last byte that may be used.
    :raises MachineError: there is no EFI map, or the size of the image is not known.
    """
    kernel = machine.kernel
    if machine.efi_map is None or span is None:
        missing = "the EFI memory map" if machine.efi_map is None else "where the image's code and data are"
        raise MachineError(f"{machine.name}: the stub's choice cannot be told without {missing}")
    options = StubOptions.parse(machine.cmdline, kernel)
    fixed = _why_fixed(kernel, options, seed)
    align = _MIN_KIMG_ALIGN if _gave_up(kernel, options, seed) else image_align
    slots = count_slots(
        machine.efi_map,
        span.size,
        align,
        0,
        alloc_limit,
        kernel=kernel,
        soft_reserve=options.soft_reserve_enabled,
        alloc_align=alloc_align,
    )
    areas = tuple(_areas(slots, kernel, options))
    if fixed or seed is None:
        address, notes = _kept(machine.efi_map, span, align, alloc_limit)
        return Placement(areas, slots.size, slots.align, address, notes=notes, fixed=fixed)
    _, address = efi_random_alloc(slots, seed, kernel)
    notes = () if address is not None else ("no slot is large enough: the firmware chooses",)
    return Placement(areas, slots.size, slots.align, address, notes=notes)


def _why_fixed(kernel: Kernel, options: StubOptions, seed: int | None) -> str:
    if not kernel.builtin("RANDOMIZE_BASE"):
        return "the kernel is built without CONFIG_RANDOMIZE_BASE"
    if options.nokaslr:
        return "nokaslr is on the command line"
    return "" if seed else "the firmware gave no random number"


def _gave_up(kernel: Kernel, options: StubOptions, seed: int | None) -> bool:
    """Whether KASLR was given up, so that virtual addresses should be the same at every boot."""
    no_rng = kernel.builtin("RANDOMIZE_BASE") and seed is None and kernel.has(EFI_STUB_ALIGNS_AFTER_RNG)
    return options.nokaslr or no_rng


def _areas(slots: RandomSlots, kernel: Kernel, options: StubOptions) -> list[SlotArea]:
    """Every descriptor that is not empty, with its slots, or why it has none."""
    found = []
    for index, (descriptor, count) in enumerate(zip(slots.descriptors, slots.counts, strict=True)):
        end = min(descriptor.start + descriptor.size, U64_MAX)
        if end <= descriptor.start:
            continue
        why = refusal(descriptor, kernel, options.soft_reserve_enabled)
        if why is None and not count:
            why = "too small"
        if why is None and not slots.eligible(index):
            why = "not mirrored, and other memory is"
        usable = why is None
        first = slots.first(index) if usable else None
        found.append(SlotArea(PhysRange(descriptor.start, end), count if usable else 0, first, why or "free"))
    return found


def _kept(efi_map: EfiMemoryMap, span: PhysRange, align: int, alloc_limit: int) -> tuple[int | None, tuple[str, ...]]:
    """Where the image is if it may stay there; else the firmware allocates, from the top of memory."""
    text, end = span.start, span.end
    holding = next((md for md in efi_map if md.start <= text < md.start + md.size), None)
    if holding is None or end > holding.start + holding.size:
        return None, ("the image is not inside one EFI descriptor: the firmware chooses a new place",)
    if text % align or end >= alloc_limit:
        return None, (f"the image is not aligned to {align:#x}: the firmware chooses a new place",)
    return text, ("the image runs where it was loaded",)
