"""Where the EFI stub puts the kernel. Linux: ``drivers/firmware/efi/libstub/{arm64-stub,kaslr,randomalloc}.c``.

Addresses and sizes are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.efi.efistub import StubOptions
from softreserve.kernel.efi.randomalloc import count_slots, efi_random_alloc, refusal
from softreserve.model.errors import MachineError
from softreserve.model.placement import Placement, SlotArea
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

from softreserve_arm64 import behaviours
from softreserve_arm64.memblock import Layout
from softreserve_arm64.sizes import SZ_2M, SZ_64K, kernel_image_align

if TYPE_CHECKING:
    from softreserve.kernel.efi.randomalloc import RandomSlots
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine

__all__ = ["place_image"]

#: EFI_ALLOC_LIMIT: what every CPU can address.
_ALLOC_LIMIT: Final = (1 << 48) - 1


def place_image(machine: Machine, seed: int | None) -> Placement:
    """The slots of ``efi_random_alloc`` and the one for a seed; without one the image stays where it was loaded.

    :raises MachineError: there is no EFI map, or the size of the image is not known.
    """
    kernel = machine.kernel
    layout = Layout.of(machine.image, kernel)
    if machine.efi_map is None or layout is None:
        missing = "the EFI memory map" if machine.efi_map is None else "where the image's code and data are"
        raise MachineError(f"{machine.name}: the stub's choice cannot be told without {missing}")
    options = StubOptions.parse(machine.cmdline, kernel)
    fixed = _why_fixed(kernel, options, seed)
    align = _alignment(kernel, options, seed)
    size = layout.end - layout.text
    slots = count_slots(
        machine.efi_map,
        size,
        align,
        0,
        _ALLOC_LIMIT,
        kernel=kernel,
        soft_reserve=options.soft_reserve_enabled,
        alloc_align=SZ_64K,
    )
    areas = tuple(_areas(slots, kernel, options))
    if fixed or seed is None:
        address, notes = _kept(machine.efi_map, layout, align)
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


def _alignment(kernel: Kernel, options: StubOptions, seed: int | None) -> int:
    """2 MiB where KASLR was given up, for the sake of equal virtual addresses, else what the image needs."""
    no_rng = kernel.builtin("RANDOMIZE_BASE") and seed is None and kernel.has(behaviours.ARM64_STUB_ALIGNS_AFTER_RNG)
    return SZ_2M if options.nokaslr or no_rng else kernel_image_align(kernel)


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


def _kept(efi_map: EfiMemoryMap, layout: Layout, align: int) -> tuple[int | None, tuple[str, ...]]:
    """Where the image is if it may stay there; else the firmware allocates, from the top of memory."""
    text, end = layout.text, layout.end
    holding = next((md for md in efi_map if md.start <= text < md.start + md.size), None)
    if holding is None or end > holding.start + holding.size:
        return None, ("the image is not inside one EFI descriptor: the firmware chooses a new place",)
    if text % align or end >= _ALLOC_LIMIT:
        return None, (f"the image is not aligned to {align:#x}: the firmware chooses a new place",)
    return text, ("the image runs where it was loaded",)
