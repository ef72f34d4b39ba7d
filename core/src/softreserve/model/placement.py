"""Where the kernel image can go, and where it goes."""

from __future__ import annotations

import attrs

from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U32_MAX

__all__ = ["Placement", "SlotArea", "placed"]


@attrs.frozen
class SlotArea:
    """One range of the map as a place for the image: ``slots`` addresses from ``first`` on; why, or why not."""

    JSON = ("start", "end", "slots", "first", "why")
    range: PhysRange
    slots: int
    first: int | None
    why: str

    @property
    def start(self) -> int:
        """The first byte."""
        return self.range.start

    @property
    def end(self) -> int:
        """The byte behind the last one."""
        return self.range.end


@attrs.frozen
class Placement:
    """Where the image can go (bytes): ``address`` is where it goes (``None``: nowhere), ``align`` the slot distance.

    :param areas: every map range in map order; one that is cut by something to avoid gives several.
    :param fixed: why the seed is not asked; empty where it chooses.
    :param scaled: how it chooses: its low 32 bits scaled to the number of slots, or else the remainder of a division.
    """

    areas: tuple[SlotArea, ...]
    size: int
    align: int
    address: int | None
    virtual: int | None = None
    notes: tuple[str, ...] = ()
    fixed: str = ""
    scaled: bool = True

    @property
    def slots(self) -> int:
        """All candidate addresses."""
        return sum(area.slots for area in self.areas)

    def slot(self, seed: int) -> int:
        """The number of the slot that a seed chooses; there must be slots."""
        return (self.slots * (seed & U32_MAX)) >> 32 if self.scaled else seed % self.slots

    def slot_address(self, slot: int) -> int:
        """The address of a slot, counted through the areas in their order.

        :raises IndexError: there is no such slot.
        """
        for area in self.areas:
            if slot < area.slots and area.first is not None:
                return area.first + slot * self.align
            slot -= area.slots
        raise IndexError(slot)


def placed(image: KernelImage, address: int) -> KernelImage:
    """The image moved so that its first part begins at ``address`` (bytes)."""
    span = image.span
    if span is None:
        return image
    shift = address - span.start

    def moved(part: PhysRange | None) -> PhysRange | None:
        return None if part is None else PhysRange(part.start + shift, part.end + shift)

    return attrs.evolve(
        image, code=moved(image.code), rodata=moved(image.rodata), data=moved(image.data), bss=moved(image.bss)
    )
