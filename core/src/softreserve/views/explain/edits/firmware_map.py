"""Descriptors of the firmware's map, and entries of a boot loader's e820 table: a bit, a type, a border."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from softreserve.model import e820
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiType, type_words
from softreserve.model.efi_text import native_line, numbered_line
from softreserve.model.sizes import human_size
from softreserve.model.units import EFI_PAGE_SIZE
from softreserve.views.explain.edits.change import Change, Edit, Place

__all__ = ["changes"]

#: Descriptors that are changed: those that hold the most of the subject.
_MANY: Final = 6
_BITS: Final = (EfiAttribute.SP, EfiAttribute.WB, EfiAttribute.MORE_RELIABLE, EfiAttribute.RUNTIME)
_TYPES: Final = (EfiType.CONVENTIONAL, EfiType.RESERVED, EfiType.BOOT_SERVICES_DATA, EfiType.PERSISTENT)
_E820_TYPES: Final = (e820.RAM, e820.SOFT_RESERVED, e820.RESERVED)


def changes(place: Place) -> Iterator[Change]:
    """One bit, then one type, then borders: what a firmware could say otherwise of the subject's memory."""
    yield from _loader_entries(place)
    if not place.map_known:
        return
    descriptors = list(place.machine.efi_map or ())
    near = _near(place, descriptors)
    for number in near:
        d = descriptors[number]
        for bit in _BITS:
            yield _one(place, number, f"{'without' if d.attribute & bit else 'with'} {bit.name}", _bit(d, bit))
        for kind in _TYPES:
            if kind != d.type:
                yield _one(place, number, f"{type_words(kind)} in place of {type_words(d.type)}", _typed(d, kind))
    for number in near:
        d = descriptors[number]
        if d.type != EfiType.CONVENTIONAL and not d.is_special_purpose:
            kind = EfiType.CONVENTIONAL
            words = f"{type_words(kind)} with SP in place of {type_words(d.type)}"
            yield _one(place, number, words, _typed(attrs.evolve(d, attribute=d.attribute | EfiAttribute.SP), kind))
        yield from _aligned(place, descriptors, number)
    yield from _all_aligned(place, descriptors, near)
    yield from _made_one(place, descriptors, near)


def _near(place: Place, descriptors: Sequence[EfiDescriptor]) -> list[int]:
    """Numbers of the descriptors that share memory with the subject's pieces, those first that share the most."""
    shared: dict[int, int] = {}
    for piece in place.pieces:
        for number, d in enumerate(descriptors):
            size = min(piece.end, d.start + d.size) - max(piece.start, d.start)
            if size > 0:
                shared[number] = shared.get(number, 0) + size
    return sorted(shared, key=lambda number: (-shared[number], number))[:_MANY]


def _bit(d: EfiDescriptor, bit: EfiAttribute) -> EfiDescriptor:
    return attrs.evolve(d, attribute=d.attribute ^ bit)


def _typed(d: EfiDescriptor, kind: EfiType) -> EfiDescriptor:
    return attrs.evolve(d, type=int(kind))


# --- borders


def _aligned(place: Place, descriptors: Sequence[EfiDescriptor], number: int) -> Iterator[Change]:
    """Start and end on borders of what one PMD maps, and of memory blocks: inwards, and outwards into a hole."""
    d = descriptors[number]
    if not d.is_special_purpose or d.start + d.size > 1 << 64:
        return
    for step in _steps(place):
        start, end = d.start, d.start + d.size
        words = f"whole multiples of {human_size(step)}"
        inner = -(-start // step) * step, end // step * step
        if inner[0] < inner[1] and inner != (start, end):
            moved = _moved(descriptors, number, *inner)
            where = f"{inner[0]:#x}-{inner[1] - 1:#x} in place of {start:#x}-{end - 1:#x}"
            yield _several(place, f"EFI descriptor {number}: {where}: {words}", descriptors, moved)
        outer = start // step * step, -(-end // step) * step
        if outer != (start, end) and _free(descriptors, number, *outer):
            where = f"{outer[0]:#x}-{outer[1] - 1:#x} in place of {start:#x}-{end - 1:#x}"
            grown = attrs.evolve(d, start=outer[0], pages=(outer[1] - outer[0]) // EFI_PAGE_SIZE)
            yield _several(place, f"EFI descriptor {number}: {where}: {words}", descriptors, {number: grown})


def _steps(place: Place) -> Iterable[int]:
    """What borders may have to be multiples of."""
    return dict.fromkeys((place.machine.kernel.pmd_size, place.system.memory.block_size))


def _all_aligned(place: Place, descriptors: Sequence[EfiDescriptor], near: Sequence[int]) -> Iterator[Change]:
    """All of some specific purpose descriptors with their borders moved inwards."""
    for step in _steps(place):
        moved: dict[int, EfiDescriptor] = {}
        now = list(descriptors)
        for number in near:
            d = descriptors[number]
            low, high = -(-d.start // step) * step, (d.start + d.size) // step * step
            if d.is_special_purpose and low < high and (low, high) != (d.start, d.start + d.size):
                for n, changed in _moved(now, number, low, high).items():
                    moved[n] = now[n] = changed
        if sum(moved[n].is_special_purpose for n in moved) > 1:
            names = ", ".join(str(n) for n in sorted(moved) if moved[n].is_special_purpose)
            yield _several(place, f"EFI descriptors {names}: whole multiples of {human_size(step)}", descriptors, moved)


def _moved(descriptors: Sequence[EfiDescriptor], number: int, low: int, high: int) -> dict[int, EfiDescriptor]:
    """A descriptor with its borders moved inwards; RAM that touches it gets what it loses."""
    d = descriptors[number]
    changed = {number: attrs.evolve(d, start=low, pages=(high - low) // EFI_PAGE_SIZE)}
    for n, other in enumerate(descriptors):
        if other.type != EfiType.CONVENTIONAL or other.is_special_purpose or not other.size:
            continue
        if other.start + other.size == d.start and low > d.start:
            changed[n] = attrs.evolve(other, pages=other.pages + (low - d.start) // EFI_PAGE_SIZE)
        elif other.start == d.start + d.size and high < d.start + d.size:
            more = (d.start + d.size - high) // EFI_PAGE_SIZE
            changed[n] = attrs.evolve(other, start=high, pages=other.pages + more)
    return changed


def _free(descriptors: Sequence[EfiDescriptor], number: int, low: int, high: int) -> bool:
    """Whether no other descriptor has a byte of a range."""
    others = (d for n, d in enumerate(descriptors) if n != number and d.size)
    return not any(d.start < high and low < d.start + d.size for d in others)


def _made_one(place: Place, descriptors: Sequence[EfiDescriptor], near: Sequence[int]) -> Iterator[Change]:
    """Specific purpose descriptors that touch, as one."""
    by_start = {d.start: number for number, d in enumerate(descriptors) if d.size and d.is_special_purpose}
    for number in near:
        d = descriptors[number]
        following = by_start.get(d.start + d.size)
        if not d.is_special_purpose or following is None or following == number:
            continue
        joined = attrs.evolve(d, pages=d.pages + descriptors[following].pages)
        changed = [joined if n == number else other for n, other in enumerate(descriptors) if n != following]
        gone = _line(place, following, descriptors[following])
        edits = (_edit(place, number, d, joined), Edit("efi-memmap.txt", f"descriptor {following}", gone, ""))
        words = f"EFI descriptors {number} and {following} as one: {d.start:#x}-{joined.last:#x}"
        yield _changed(place, words, changed, edits)


# --- as changes


def _one(place: Place, number: int, words: str, changed: EfiDescriptor) -> Change:
    descriptors = list(place.machine.efi_map or ())
    edit = _edit(place, number, descriptors[number], changed)
    was = descriptors[number]
    descriptors[number] = changed
    return _changed(place, f"EFI descriptor {number} ({was.start:#x}-{was.last:#x}): {words}", descriptors, (edit,))


def _several(
    place: Place, words: str, descriptors: Sequence[EfiDescriptor], changed: Mapping[int, EfiDescriptor]
) -> Change:
    edits = tuple(_edit(place, n, descriptors[n], changed[n]) for n in sorted(changed))
    return _changed(place, words, [changed.get(n, d) for n, d in enumerate(descriptors)], edits)


def _changed(place: Place, words: str, descriptors: Sequence[EfiDescriptor], edits: tuple[Edit, ...]) -> Change:
    assert place.machine.efi_map is not None
    machine = attrs.evolve(place.machine, efi_map=place.machine.efi_map.replaced(descriptors))
    return Change("EFI descriptor", words, machine, edits=edits)


def _edit(place: Place, number: int, before: EfiDescriptor, after: EfiDescriptor) -> Edit:
    return Edit("efi-memmap.txt", f"descriptor {number}", _line(place, number, before), _line(place, number, after))


def _line(place: Place, number: int, d: EfiDescriptor) -> str:
    """The descriptor as the kernel of the machine prints it under ``efi=debug``."""
    kernel = place.machine.kernel
    return numbered_line(number, d, kernel) if place.system.handoff.e820 is not None else native_line(d, kernel)


# --- a boot loader's table


def _loader_entries(place: Place) -> Iterator[Change]:
    entries = place.machine.e820 or ()
    near = [
        number
        for number, e in enumerate(entries)
        if any(e.start < piece.end and piece.start < e.start + e.size for piece in place.pieces)
    ]
    for number in near[:_MANY]:
        entry = entries[number]
        for kind in _E820_TYPES:
            if kind != entry.type:
                changed = [attrs.evolve(e, type=kind) if n == number else e for n, e in enumerate(entries)]
                where = f"{entry.start:#x}-{entry.start + entry.size - 1:#x}"
                words = (
                    f"e820 entry {number} ({where}): {e820.type_text(kind)} in place of {e820.type_text(entry.type)}"
                )
                yield Change("e820 entry", words, attrs.evolve(place.machine, e820=tuple(changed)))
