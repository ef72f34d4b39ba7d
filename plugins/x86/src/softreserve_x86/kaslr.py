"""The decompressor's choice of a place for the kernel. Linux: ``arch/x86/boot/compressed/kaslr.c``.

A *range* is ``(start, size)`` in bytes, computed modulo 2**64 as the original does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
from softreserve.model.e820 import MAX_ENTRIES_ZEROPAGE, RAM
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry
from softreserve.model.units import U64_MAX, round_up

from softreserve_x86.kaslr_options import (
    COMMAND_LINE_SIZE,
    MAX_MEMMAP_REGIONS,
    MemOptions,
    cmdline_find_option_bool,
)
from softreserve_x86.stub import accepts_memory

__all__ = ["Considered", "Kaslr", "KaslrInput", "SetupData", "load_physical_addr"]

Range = tuple[int, int]

#: How many slot areas are kept; the search ends when they are full.
MAX_SLOT_AREA: Final = 100
#: Virtual addresses that the image can have with CONFIG_RANDOMIZE_BASE on 64-bit.
KERNEL_IMAGE_SIZE: Final = 1 << 30

_MIN_ADDR_LIMIT: Final = 512 << 20
_BOOT_PARAMS_SIZE: Final = 4096
_PUD_SHIFT: Final = 30
_PUD_SIZE: Final = 1 << _PUD_SHIFT
_SETUP_DATA_HEADER: Final = 16
_SETUP_INDIRECT: Final = 1 << 31
_MORE_RELIABLE: Final = int(EfiAttribute.MORE_RELIABLE)
_SP: Final = int(EfiAttribute.SP)
_FULL: Final = f"not looked at: {MAX_SLOT_AREA} slot areas are full"


def load_physical_addr(kernel: Kernel) -> int:
    """Where the image is linked to run. Linux: ``LOAD_PHYSICAL_ADDR``."""
    return round_up(kernel.number("PHYSICAL_START", 0x1000000), kernel.number("PHYSICAL_ALIGN", 0x200000))


def mem_overlaps(one: Range, two: Range) -> bool:
    """Whether two ranges overlap; one of no size does if it begins inside the other. Linux: the same function."""
    if (one[0] + one[1]) & U64_MAX <= two[0]:
        return False
    return one[0] < (two[0] + two[1]) & U64_MAX


@attrs.frozen
class SetupData:
    """One node of the boot loader's list: its address, type and length without header, and what it points at.

    ``indirect`` is (type, start, size) of a node of type SETUP_INDIRECT.
    """

    addr: int
    type: int
    len: int
    indirect: tuple[int, int, int] | None = None

    def ranges(self) -> tuple[Range, ...]:
        """The node's own range, and the one that it points at."""
        own = (self.addr, _SETUP_DATA_HEADER + self.len)
        if self.type == _SETUP_INDIRECT and self.indirect is not None and self.indirect[0] != _SETUP_INDIRECT:
            return own, self.indirect[1:]
        return (own,)


@attrs.frozen
class KaslrInput:
    """What the decompressor finds. Addresses and sizes are bytes.

    :param cmdline: the text at ``cmdline_addr``.
    :param input: where the compressed image lies.
    :param output: where the loader wants the kernel; ``output_size`` bytes are needed for it.
    :param init_size: what the image needs from ``output`` on while it decompresses.
    :param efi_map: ``None`` without an EFI loader signature: then ``e820`` is used.
    :param immovable: see :func:`softreserve_x86.kaslr_acpi.count_immovable_mem_regions`; empty: no filtering.
    :param soft_reserve: what the stub's copy of the switch says; on where the stub did not run.
    """

    kernel: Kernel
    cmdline: str
    input: int
    output: int
    output_size: int
    init_size: int
    cmdline_addr: int
    boot_params_addr: int
    initrd: Range = (0, 0)
    setup_data: tuple[SetupData, ...] = ()
    immovable: tuple[Range, ...] = ()
    efi_map: EfiMemoryMap | None = None
    e820: tuple[E820Entry, ...] = ()
    soft_reserve: bool = True
    max_physmem_bits: int = 46


@attrs.frozen
class Considered:
    """What became of one map range: its slot areas are those numbered ``first`` to before ``end``, or ``why`` none."""

    start: int
    size: int
    first: int
    end: int
    why: str = ""


class Kaslr:
    """The static data of ``kaslr.c`` and its functions, for one boot."""

    def __init__(self, given: KaslrInput) -> None:
        kernel = given.kernel
        self.given = given
        self.align = kernel.number("PHYSICAL_ALIGN", 0x200000)
        #: Image, initrd, command line, boot_params, then four ranges of the command line.
        self.mem_avoid: list[Range] = [(0, 0)] * (4 + MAX_MEMMAP_REGIONS)
        self.options = MemOptions(kernel, 0)
        #: (address, number of slots), in the order in which they were found.
        self.slot_areas: list[tuple[int, int]] = []
        self.slot_max = 0
        #: Every map range in order, for people.
        self.considered: list[Considered] = []
        self.messages: list[str] = []
        self._setup_data = [found for node in given.setup_data for found in node.ranges()]
        self._image_size = given.output_size
        self._minimum = 0

    @property
    def mem_limit(self) -> int:
        """First address that must not be used (0 before the command line was read)."""
        return self.options.mem_limit

    @property
    def minimum(self) -> int:
        """Lowest address that can be chosen (0 before the search)."""
        return self._minimum

    @property
    def randomizes_nothing(self) -> bool:
        """Whether ``nokaslr`` is on the command line."""
        return cmdline_find_option_bool(self.given.cmdline, "nokaslr")

    def choose_random_location(self, random: Callable[[str], int]) -> tuple[int, int]:
        """Choose: ``(physical address, virtual address)``; both as the loader wanted where randomising is off.

        ``random`` gives 64 random bits for a purpose (``"Physical"``, ``"Virtual"``). Linux: the same function.
        """
        given = self.given
        output, virtual = given.output, load_physical_addr(given.kernel)
        if self.randomizes_nothing:
            self.messages.append("KASLR disabled: 'nokaslr' on cmdline.")
            return output, virtual
        self.options.mem_limit = 1 << given.max_physmem_bits
        self._mem_avoid_init()
        self._minimum = round_up(min(output, _MIN_ADDR_LIMIT), self.align)
        address = self._find_random_phys_addr(random)
        if address:
            output = address
        else:
            self.messages.append("Physical KASLR disabled: no suitable memory region!")
        return output, self._find_random_virt_addr(virtual, random("Virtual"))

    # --- what to avoid

    def _mem_avoid_init(self) -> None:
        """Linux: ``mem_avoid_init``."""
        given = self.given
        options = self.options
        options.handle_mem_options(given.cmdline)
        self.messages += options.messages
        command_line = (given.cmdline_addr, min(len(given.cmdline), COMMAND_LINE_SIZE - 1) + 1)
        fixed = [
            (given.input, (given.output + given.init_size - given.input) & U64_MAX),
            given.initrd,
            command_line if given.cmdline_addr else (0, 0),
            (given.boot_params_addr, _BOOT_PARAMS_SIZE),
            *options.avoid,
        ]
        self.mem_avoid[: len(fixed)] = fixed

    def _mem_avoid_overlap(self, image: Range) -> Range | None:
        """The avoided range with the lowest start among those that overlap. Linux: ``mem_avoid_overlap``."""
        earliest = (image[0] + image[1]) & U64_MAX
        found: Range | None = None
        for avoid in (*self.mem_avoid, *self._setup_data):
            if avoid[0] < earliest and mem_overlaps(image, avoid):
                found = avoid
                earliest = avoid[0]
        return found

    # --- slots

    def _store_slot_info(self, start: int, size: int) -> None:
        """Linux: ``store_slot_info``."""
        if len(self.slot_areas) < MAX_SLOT_AREA:
            number = 1 + (size - self._image_size) // self.align
            self.slot_areas.append((start, number))
            self.slot_max += number

    def _process_gb_huge_pages(self, start: int, size: int) -> None:
        """Store a region without the pages of 1 GiB that somebody will ask for. Linux: ``process_gb_huge_pages``."""
        options, end = self.options, start + size
        pud_start, pud_end = round_up(start, _PUD_SIZE), end & ~(_PUD_SIZE - 1)
        if not options.max_gb_huge_pages or pud_start >= pud_end:
            self._store_slot_info(start, size)
            return
        if pud_start >= start + self._image_size:
            self._store_slot_info(start, pud_start - start)
        pages = min((pud_end - pud_start) >> _PUD_SHIFT, options.max_gb_huge_pages)
        options.max_gb_huge_pages -= pages
        pud_end = pud_start + (pages << _PUD_SHIFT)
        if end >= pud_end + self._image_size:
            self._store_slot_info(pud_end, end - pud_end)

    def _process_entry(self, start: int, size: int) -> None:
        """Store what is left of a range between limits and avoided ranges. Linux: ``__process_mem_region``.

        :raises MachineError: an avoided range ends where the address space does: the decompressor never stops.
        """
        end = min((start + size) & U64_MAX, self.mem_limit)
        start = max(start, self._minimum)
        stored_at_wrap: int | None = None
        while len(self.slot_areas) < MAX_SLOT_AREA:
            aligned = round_up(start, self.align)
            if aligned < start:
                if stored_at_wrap == len(self.slot_areas):
                    raise MachineError("the decompressor searches for ever: a range to avoid ends at 2^64")
                stored_at_wrap = len(self.slot_areas)
            start = aligned
            if start > end or end - start < self._image_size:
                return
            overlap = self._mem_avoid_overlap((start, end - start))
            if overlap is None:
                self._process_gb_huge_pages(start, end - start)
                return
            if overlap[0] >= start + self._image_size:
                self._process_gb_huge_pages(start, overlap[0] - start)
            start = (overlap[0] + overlap[1]) & U64_MAX

    def _process_mem_region(self, start: int, size: int) -> bool:
        """Process the immovable parts of a range; ``True``: the slot areas are full. Linux: ``process_mem_region``."""
        if not self.given.immovable:
            self._process_entry(start, size)
            if len(self.slot_areas) == MAX_SLOT_AREA:
                self.messages.append("debug: Aborted e820/efi memmap scan (slot_areas full)!")
                return True
            return False
        end = (start + size) & U64_MAX
        for immovable in self.given.immovable:
            if not mem_overlaps((start, size), immovable):
                continue
            low, high = immovable[0], (immovable[0] + immovable[1]) & U64_MAX
            part_start, part_end = min(max(start, low), high), min(max(end, low), high)
            self._process_entry(part_start, (part_end - part_start) & U64_MAX)
            if len(self.slot_areas) == MAX_SLOT_AREA:
                self.messages.append(
                    "debug: Aborted e820/efi memmap scan when walking immovable regions(slot_areas full)!"
                )
                return True
        return False

    # --- the maps

    def _process(self, ranges: list[tuple[Range, str]]) -> None:
        """Process ranges in map order; one with a reason against it is only noted."""
        full = False
        for (start, size), why in ranges:
            first = len(self.slot_areas)
            if not why and full:
                why = _FULL
            elif not why:
                full = self._process_mem_region(start, size)
            self.considered.append(Considered(start, size, first, len(self.slot_areas), why))

    def _process_efi_entries(self, efi_map: EfiMemoryMap) -> None:
        """Linux: ``process_efi_entries``; where the EFI map is there, e820 is never looked at."""
        mirrored = any(md.attribute & _MORE_RELIABLE for md in efi_map)
        self._process([((md.start, md.size), self._efi_refusal(md, mirrored)) for md in efi_map])

    def _efi_refusal(self, md: EfiDescriptor, mirrored: bool) -> str:
        kernel = self.given.kernel
        unaccepted = md.type == EfiType.UNACCEPTED and accepts_memory(kernel)
        if md.type != EfiType.CONVENTIONAL and not unaccepted:
            return "not conventional memory"
        if md.attribute & _SP and self.given.soft_reserve:
            return "specific purpose (EFI_MEMORY_SP), soft reservation is on"
        if mirrored and not md.attribute & _MORE_RELIABLE:
            return "not MORE_RELIABLE, and other memory is"
        return ""

    def _process_e820_entries(self) -> None:
        """Linux: ``process_e820_entries``."""
        ram = "not RAM"
        entries = self.given.e820[:MAX_ENTRIES_ZEROPAGE]
        self._process([((e.start, e.size), "" if e.type == RAM else ram) for e in entries])

    # --- choosing

    def _slots_fetch_random(self, random: Callable[[str], int]) -> int:
        """Linux: ``slots_fetch_random``."""
        if not self.slot_max:
            return 0
        slot = random("Physical") % self.slot_max
        for address, number in self.slot_areas:
            if slot < number:
                return address + slot * self.align
            slot -= number
        return 0

    def _find_random_phys_addr(self, random: Callable[[str], int]) -> int:
        """Linux: ``find_random_phys_addr``; 0: none."""
        given, size = self.given, self._image_size
        if self._minimum + size > self.mem_limit:
            return 0
        if self.options.memmap_too_large:
            self.messages.append("debug: Aborted memory entries scan (more than 4 memmap= args)!")
            return 0
        if given.efi_map is not None:
            self._process_efi_entries(given.efi_map)
        else:
            self._process_e820_entries()
        address = self._slots_fetch_random(random)
        if address < self._minimum or address + size > self.mem_limit:
            self.messages.append("Invalid physical address chosen!")
            return 0
        return address

    def _find_random_virt_addr(self, minimum: int, random: int) -> int:
        """Linux: ``find_random_virt_addr``."""
        slots = 1 + ((KERNEL_IMAGE_SIZE - minimum - self._image_size) & U64_MAX) // self.align
        return (random % slots) * self.align + minimum
