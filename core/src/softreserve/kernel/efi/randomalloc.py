"""Where the EFI stub puts the kernel at random. Linux: ``drivers/firmware/efi/libstub/randomalloc.c``.

Shared by the architectures whose stub places the image itself. All sizes and addresses are bytes, modulo 2**64.
"""

from __future__ import annotations

from typing import Final

import attrs

from softreserve.model import behaviours
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.kernel import Kernel
from softreserve.model.units import EFI_PAGE_SIZE, U32_MAX, U64_MAX, round_up

__all__ = [
    "EFI_OUT_OF_RESOURCES",
    "EFI_SUCCESS",
    "RandomSlots",
    "count_slots",
    "efi_random_alloc",
    "get_entry_num_slots",
    "given_back",
    "refusal",
    "scaled",
]

EFI_SUCCESS: Final = 0
EFI_OUT_OF_RESOURCES: Final = 1 << 63 | 9

_CONVENTIONAL: Final = int(EfiType.CONVENTIONAL)
_LOADER_CODE: Final = int(EfiType.LOADER_CODE)
_HOT_PLUGGABLE: Final = int(EfiAttribute.HOT_PLUGGABLE)
_MORE_RELIABLE: Final = int(EfiAttribute.MORE_RELIABLE)
_SP: Final = int(EfiAttribute.SP)


def scaled(slots: int, seed: int) -> int:
    """The slot that a seed chooses: its low 32 bits, scaled to ``slots`` in 64-bit arithmetic."""
    return ((slots * (seed & U32_MAX)) & U64_MAX) >> 32


def refusal(descriptor: EfiDescriptor, kernel: Kernel, soft_reserve: bool) -> str | None:
    """Why no slot can be in this descriptor, whatever its size; ``None``: nothing speaks against it."""
    if descriptor.type != _CONVENTIONAL:
        return "not conventional memory"
    if descriptor.attribute & _HOT_PLUGGABLE and kernel.has(behaviours.EFI_HOT_PLUGGABLE):
        return "hot-pluggable"
    if descriptor.attribute & _SP and soft_reserve:
        return "specific purpose (EFI_MEMORY_SP), soft reservation is on"
    return None


def get_entry_num_slots(
    descriptor: EfiDescriptor,
    size: int,
    align_shift: int,
    alloc_min: int,
    alloc_max: int,
    *,
    kernel: Kernel,
    soft_reserve: bool,
) -> int:
    """How many aligned places of ``size`` bytes a descriptor has between ``alloc_min`` and ``alloc_max`` (inclusive).

    Linux: the same function.
    """
    if refusal(descriptor, kernel, soft_reserve) is not None:
        return 0
    region_end = min(descriptor.last, alloc_max)
    if region_end < size:
        return 0
    align = 1 << align_shift
    first = round_up(max(descriptor.start, alloc_min), align)
    last = ((region_end - size + 1) & U64_MAX) & ~(align - 1)
    return 0 if first > last else ((last - first) >> align_shift) + 1


@attrs.frozen
class RandomSlots:
    """The places that ``efi_random_alloc`` counted.

    ``counts`` are per descriptor, in map order; ``size`` and ``align`` are those in force, after rounding.
    ``mirrored``: only MORE_RELIABLE descriptors are chosen from.
    """

    descriptors: tuple[EfiDescriptor, ...]
    counts: tuple[int, ...]
    mirrored: bool
    size: int
    align: int
    alloc_min: int

    def eligible(self, index: int) -> bool:
        """Whether the choice looks at descriptor ``index`` at all."""
        return not self.mirrored or bool(self.descriptors[index].attribute & _MORE_RELIABLE)

    @property
    def total(self) -> int:
        """All slots that can be chosen, modulo 2**64."""
        return sum(count for index, count in enumerate(self.counts) if self.eligible(index)) & U64_MAX

    def first(self, index: int) -> int:
        """Address of the first slot of descriptor ``index``."""
        return round_up(max(self.descriptors[index].start, self.alloc_min), self.align)

    def address(self, seed: int) -> int | None:
        """The address for a seed (its low 32 bits count), or ``None`` where there is no slot."""
        target = scaled(self.total, seed)
        for index, count in enumerate(self.counts):
            if not self.eligible(index):
                continue
            if target < count:
                return (self.first(index) + target * self.align) & U64_MAX
            target -= count
        return None


def count_slots(
    efi_map: EfiMemoryMap,
    size: int,
    align: int,
    alloc_min: int,
    alloc_max: int,
    *,
    kernel: Kernel,
    soft_reserve: bool,
    alloc_align: int = EFI_PAGE_SIZE,
) -> RandomSlots:
    """The first half of ``efi_random_alloc``: count the suitable slots of every descriptor.

    :param alloc_align: EFI_ALLOC_ALIGN: 4 KiB, on arm64 64 KiB.
    """
    align = max(align, alloc_align)
    alloc_min = alloc_min or align  # address 0 could be taken for a null pointer
    size = round_up(size, alloc_align)
    shift = align.bit_length() - 1
    counts = tuple(
        get_entry_num_slots(md, size, shift, alloc_min, alloc_max, kernel=kernel, soft_reserve=soft_reserve)
        for md in efi_map
    )
    mirrored = any(
        count and md.attribute & _MORE_RELIABLE for md, count in zip(efi_map.descriptors, counts, strict=True)
    )
    return RandomSlots(efi_map.descriptors, counts, mirrored, size, align, alloc_min)


def efi_random_alloc(slots: RandomSlots, seed: int, kernel: Kernel) -> tuple[int, int | None]:
    """The second half: ``(EFI status, address)``; the allocation at that address is taken to succeed.

    Linux: the same function. Releases without ``efi-random-alloc-reports-failure`` answer EFI_SUCCESS, and leave the
    caller's address as it was, when there is no slot.
    """
    address = slots.address(seed)
    if address is None and kernel.has(behaviours.EFI_RANDOM_ALLOC_REPORTS_FAILURE):
        return EFI_OUT_OF_RESOURCES, None
    return EFI_SUCCESS, address


def given_back(efi_map: EfiMemoryMap, start: int, end: int) -> tuple[EfiMemoryMap, int]:
    """The map as it was before the stub took memory for the image at ``start`` to before ``end``, and how much it took.

    A map that the kernel prints shows that memory as Loader Code of its own. Like firmware, this joins what is free to
    the free neighbours. 0 bytes, and the same map, where the map does not show the image.
    """
    found = list(efi_map)
    index = next((number for number, md in enumerate(found) if _holds_image(md, start, end)), None)
    if index is None:
        return efi_map, 0
    md = found[index]
    free = attrs.evolve(md, type=_CONVENTIONAL)
    if index + 1 < len(found) and _joinable(free, found[index + 1]):
        free = attrs.evolve(free, pages=free.pages + found.pop(index + 1).pages)
    if index > 0 and _joinable(found[index - 1], free):
        free = attrs.evolve(found[index - 1], pages=found[index - 1].pages + free.pages)
        del found[index - 1]
        index -= 1
    found[index] = free
    return efi_map.replaced(found), md.pages * EFI_PAGE_SIZE


def _holds_image(md: EfiDescriptor, start: int, end: int) -> bool:
    return md.type == _LOADER_CODE and md.start == start and md.start + md.pages * EFI_PAGE_SIZE >= end


def _joinable(low: EfiDescriptor, high: EfiDescriptor) -> bool:
    alike = low.type == high.type and low.attribute == high.attribute
    return alike and low.start + low.pages * EFI_PAGE_SIZE == high.start
