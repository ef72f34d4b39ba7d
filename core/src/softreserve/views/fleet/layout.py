"""Other places for specific purpose memory: what a firmware engineer can still choose before there is a board.

A layout is written as steps with ``+`` between them, each with the bytes that it goes by: ``join+inward:2M``. Firmware
changes its map and the entries of the SRAT that name the same ranges; memory in a CXL window stays where the window is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import attrs

from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow
from softreserve.model.acpi.srat import MemoryAffinity, Srat
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.errors import MachineError, nearest, shown
from softreserve.model.machine import Machine
from softreserve.model.units import EFI_PAGE_SIZE
from softreserve.views.explain.edits.tables import table_with

__all__ = ["AS_IS", "STEPS", "Cost", "candidates", "cost", "relaid"]

#: The layout that the machine has.
AS_IS: Final = "as-is"
#: Steps, and whether they go by a number of bytes.
STEPS: Final = {"join": False, "inward": True, "outward": True, "move": True, "split": True, "apart": True}
_MIB, _GIB = 1 << 20, 1 << 30
#: What borders are tried at beside memory blocks: what one PMD maps, and the largest memory blocks.
_BORDERS: Final = (2 * _MIB, 128 * _MIB, _GIB, 2 * _GIB)


class Cost(NamedTuple):
    """What a layout changes of a machine.

    :param changed: bytes that are marked, or are RAM, otherwise than before.
    :param descriptors: how many more descriptors of specific purpose memory there are.
    """

    changed: int
    descriptors: int


def candidates(machine: Machine, block_size: int) -> Iterator[str]:
    """Layouts to be tried, that of the machine first.

    :param block_size: of its memory blocks, in bytes.
    """
    yield AS_IS
    ranges = [d for d in machine.efi_map or () if d.is_special_purpose and d.size]
    ends = {d.start for d in ranges}
    first = [""] + ["join+"] * any(d.start + d.size in ends for d in ranges)
    if len(first) > 1:
        yield "join"
        yield from (f"apart:{_words(border)}" for border in _borders(block_size))
    for before in first:
        for step in ("move", "outward", "inward"):
            yield from (f"{before}{step}:{_words(border)}" for border in _borders(block_size))
        yield from (f"{before}move:{_words(border)}+inward:{_words(border)}" for border in _borders(block_size))
    largest = max((d.size for d in ranges), default=0)
    yield from (f"split:{_words(size)}" for size in (64 * _GIB, 16 * _GIB) if size < largest)


def _borders(block_size: int) -> list[int]:
    return sorted({*_BORDERS, block_size})


def _words(size: int) -> str:
    return f"{size >> 30}G" if size % _GIB == 0 else f"{size >> 20}M"


def relaid(machine: Machine, layout: str) -> Machine:
    """The machine with another layout.

    :raises MachineError: there is no such layout, or no map of the firmware to change.
    """
    steps = [_step(word) for word in layout.split("+")] if layout != AS_IS else []
    for name, size in steps:
        if machine.efi_map is None:
            raise MachineError("layout: the machine has no EFI map to change")
        plan = _Plan(machine)
        getattr(plan, f"_{name}")(*([size] if STEPS[name] else []))
        machine = plan.machine()
    return machine


def _step(word: str) -> tuple[str, int]:
    from softreserve.config.reader import parse_size

    name, colon, text = word.strip().partition(":")
    if name not in STEPS or bool(colon) is not STEPS[name]:
        known = ", ".join(f"{step}:SIZE" if sized else step for step, sized in STEPS.items())
        hint = nearest(name, STEPS) if name not in STEPS else ""
        raise MachineError(f"layout: wanted {AS_IS}, or steps of {known} with + between them, not {shown(word)}{hint}")
    if not colon:
        return name, 0
    try:
        size = parse_size(text)
    except ValueError as error:
        raise MachineError(f"layout: {error}") from None
    if size < EFI_PAGE_SIZE or size % EFI_PAGE_SIZE:
        raise MachineError(f"layout: {text} is no multiple of an EFI page (4096 bytes)")
    return name, size


def cost(before: EfiMemoryMap | None, after: EfiMemoryMap | None) -> Cost:
    """What lies between two maps."""
    maps = [sorted((d for d in found or () if d.size), key=lambda d: d.start) for found in (before, after)]
    borders = sorted({at for found in maps for d in found for at in (d.start, d.start + d.size)})
    changed = sum(high - low for low, high in pairwise(borders) if _kind(maps[0], low) != _kind(maps[1], low))
    old, new = (sum(d.is_special_purpose for d in found) for found in maps)
    return Cost(changed, new - old)


def _kind(descriptors: Sequence[EfiDescriptor], address: int) -> tuple[int, bool] | None:
    return next(((d.type, d.is_special_purpose) for d in descriptors if d.start <= address < d.start + d.size), None)


class _Plan:
    """A machine whose ranges are being moved."""

    def __init__(self, machine: Machine) -> None:
        assert machine.efi_map is not None
        self._before = machine
        self._map = list(machine.efi_map)
        self._acpi = dict(machine.acpi)
        cedt = Cedt.found_in(machine.acpi)
        self._windows = [
            (window.base_hpa, window.base_hpa + window.window_size)
            for window in (cedt.entries if cedt is not None else ())
            if isinstance(window, FixedMemoryWindow)
        ]

    def machine(self) -> Machine:
        """The machine as it is now."""
        assert self._before.efi_map is not None
        return attrs.evolve(self._before, efi_map=self._before.efi_map.replaced(self._map), acpi=self._acpi)

    def _special(self) -> list[EfiDescriptor]:
        """Descriptors of specific purpose memory, by address."""
        found = [d for d in self._map if d.is_special_purpose and d.size and d.start + d.size <= 1 << 64]
        return sorted(found, key=lambda d: d.start)

    def _put(self, old: EfiDescriptor, *new: EfiDescriptor) -> None:
        at = self._map.index(old)
        self._map[at : at + 1] = new

    def _join(self) -> None:
        """Ranges that touch become one."""
        for one, other in pairwise(self._special()):
            alike = (one.type, one.attribute) == (other.type, other.attribute)
            if alike and one.start + one.size == other.start:
                self._map.remove(one)
                self._put(other, _placed(other, one.start, other.start + other.size))
                self._join()
                return

    def _inward(self, step: int) -> None:
        """Borders move into a range; what it loses is RAM."""
        for d in self._special():
            start, end = d.start, d.start + d.size
            low, high = -(-start // step) * step, end // step * step
            if low < high:
                self._shrink(d, low, high)

    def _apart(self, step: int) -> None:
        """Ranges that touch get a gap of so many bytes, which is RAM."""
        for one, other in pairwise(self._special()):
            if one.start + one.size == other.start and other.size > step:
                self._shrink(other, other.start + step, other.start + other.size)

    def _shrink(self, d: EfiDescriptor, low: int, high: int) -> None:
        end = d.start + d.size
        ram = EfiDescriptor(EfiType.CONVENTIONAL, 0, 0, d.attribute & ~EfiAttribute.SP)
        around = [_placed(ram, a, b) for a, b in ((d.start, low), (high, end)) if a < b]
        self._put(d, *around[: low > d.start], _placed(d, low, high), *around[low > d.start :])

    def _outward(self, step: int) -> None:
        """Borders move out of a range, where nothing else is."""
        for d in self._special():
            start, end = d.start, d.start + d.size
            low, high = start // step * step, -(-end // step) * step
            if self._in_window(d) or high > 1 << 64:
                continue
            low = low if self._is_free(low, start) else start
            high = high if self._is_free(end, high) else end
            self._put(d, _placed(d, low, high))
            self._name(start, end, low, high)

    def _move(self, step: int) -> None:
        """Ranges begin at the next border, with all that they have, where there is room."""
        for d in reversed(self._special()):
            start, end = d.start, d.start + d.size
            by = -start % step
            if by and not self._in_window(d) and end + by <= 1 << 64 and self._is_free(end, end + by):
                self._put(d, _placed(d, start + by, end + by))
                self._name(start, end, start + by, end + by)

    def _split(self, size: int) -> None:
        """Ranges are cut at multiples of so many bytes."""
        for d in self._special():
            start, end = d.start, d.start + d.size
            cuts = [start, *range((start // size + 1) * size, end, size), end]
            self._put(d, *(_placed(d, low, high) for low, high in pairwise(cuts)))

    def _is_free(self, low: int, high: int) -> bool:
        """Whether the map has nothing there, and the SRAT no other memory."""
        srat = Srat.found_in(self._acpi)
        entries = [e for e in (srat.entries if srat is not None else ()) if isinstance(e, MemoryAffinity)]
        spans = [(d.start, d.start + d.size) for d in self._map]
        spans += [(e.base, e.end) for e in entries]
        return not any(start < high and low < end for start, end in spans)

    def _in_window(self, d: EfiDescriptor) -> bool:
        return any(d.start < end and start < d.start + d.size for start, end in self._windows)

    def _name(self, start: int, end: int, low: int, high: int) -> None:
        """Let the entries of the SRAT follow whose borders are those of a range."""
        srat, data = Srat.found_in(self._acpi), self._acpi.get("SRAT")
        if srat is None or data is None:
            return
        patches = {}
        for offset, entry in srat.placed():
            if isinstance(entry, MemoryAffinity) and start <= entry.base < entry.end <= end:
                base = low if entry.base == start else entry.base + (low - start if high - low == end - start else 0)
                last = high if entry.end == end else entry.end + (low - start if high - low == end - start else 0)
                at = offset + MemoryAffinity.offset_of("base")
                patches[at] = base.to_bytes(8, "little") + (last - base).to_bytes(8, "little")
        self._acpi["SRAT"] = table_with(data, patches)


def _placed(d: EfiDescriptor, start: int, end: int) -> EfiDescriptor:
    return attrs.evolve(d, start=start, pages=(end - start) // EFI_PAGE_SIZE)
