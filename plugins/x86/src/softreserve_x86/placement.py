"""Where the image may land on x86: which of the two algorithms runs, and what it is given.

Linux: ``drivers/firmware/efi/libstub/x86-stub.c: efi_decompress_kernel`` where the EFI stub places the kernel itself,
else ``arch/x86/boot/compressed/kaslr.c``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from softreserve.kernel.efi.efistub import StubOptions
from softreserve.kernel.efi.randomalloc import RandomSlots, count_slots, efi_random_alloc, given_back, refusal
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.placement import Placement, SlotArea
from softreserve.model.ranges import PhysRange
from softreserve.model.units import EFI_PAGE_SIZE, U64_MAX, round_up

from softreserve_x86 import behaviours
from softreserve_x86.kaslr import Considered, Kaslr, KaslrInput, SetupData, load_physical_addr
from softreserve_x86.kaslr_acpi import count_immovable_mem_regions
from softreserve_x86.kaslr_options import memory_words
from softreserve_x86.pgtable import max_physmem_bits

__all__ = ["cmdline_memmap_override", "place_image"]

_MIN_KERNEL_ALIGN: Final = 2 << 20
_SPACE: Final = " \t\n\v\f\r\xa0"
_SETUP_DATA_HEADER: Final = 16
_CANDIDATE: Final = "candidate"
_NO_RANDOMIZE_BASE: Final = "CONFIG_RANDOMIZE_BASE is not set"


def place_image(machine: Machine, seed: int | None) -> Placement:
    """Candidate slots and the one for ``seed``. See the hook ``softreserve_stub_place_image``.

    :raises MachineError: the size of the image, or the map to place it in, is not known.
    """
    start, end = _image(machine)
    if machine.boot != "stub":
        return _by_decompressor(machine, seed, machine.efi_map, end - start)
    if machine.efi_map is None:
        raise MachineError("booting through the EFI stub needs an EFI memory map")
    efi_map, taken = given_back(machine.efi_map, start, end)
    if machine.kernel.has(behaviours.EFI_STUB_DECOMPRESSES):
        return _by_stub(machine, seed, efi_map, taken or end - start)
    return _by_decompressor(machine, seed, efi_map, taken or end - start)


def _image(machine: Machine) -> tuple[int, int]:
    span = machine.image.span
    if span is None:
        raise MachineError("the size of the kernel image is not known: the machine has no [image]")
    return span.start, span.end


def _mapped_size(size: int) -> int:
    """The image is mapped with pages of 2 MiB, and all of them must be free."""
    return round_up(size, _MIN_KERNEL_ALIGN)


def _area(start: int, size: int, slots: int, first: int | None, why: str) -> SlotArea:
    return SlotArea(PhysRange.from_size(start, size), slots, first, why)


# ---------------------------------------------------------------------------------------------------------- by the stub


def cmdline_memmap_override(text: str, kernel: Kernel) -> str | None:
    """The word, if any, for which the stub does not randomise the physical address.

    Only the first place of each word in the line counts, and only where the line or a word begins.
    Linux: ``x86-stub.c: parse_options``.
    """
    for name in memory_words(kernel):
        word = f"{name}="
        at = text.find(word)
        if at == 0 or (at > 0 and text[at - 1] in _SPACE):
            return word
    return None


def _fixed_by_stub(machine: Machine, options: StubOptions) -> tuple[str, tuple[str, ...]]:
    """Why the stub does not use the seed, and what it says about it."""
    if not machine.kernel.builtin("RANDOMIZE_BASE"):
        return _NO_RANDOMIZE_BASE, ()
    if options.nokaslr:
        return "nokaslr is on the command line", ()
    word = cmdline_memmap_override(machine.cmdline.text, machine.kernel)
    if word is None:
        return "", ()
    line = f"EFI stub: {word} detected on the kernel command line - disabling physical KASLR"
    return f"{word} is on the command line", (line,)


def _by_stub(machine: Machine, seed: int | None, efi_map: EfiMemoryMap, size: int) -> Placement:
    """Linux: ``efi_decompress_kernel``; without a seed the first slot in the map's order is taken."""
    kernel = machine.kernel
    options = StubOptions.parse(machine.cmdline, kernel)
    minimum = load_physical_addr(kernel)
    slots = count_slots(
        efi_map,
        _mapped_size(size),
        kernel.number("PHYSICAL_ALIGN", _MIN_KERNEL_ALIGN),
        minimum,
        U64_MAX,
        kernel=kernel,
        soft_reserve=options.soft_reserve_enabled,
    )
    fixed, notes = _fixed_by_stub(machine, options)
    status, address = efi_random_alloc(slots, 0 if fixed or seed is None else seed, kernel)
    if address is None:
        notes += (_no_slot(status),)
    randomized = kernel.builtin("RANDOMIZE_BASE") and not options.nokaslr
    return Placement(
        areas=tuple(_stub_areas(slots, kernel, options.soft_reserve_enabled)),
        size=slots.size,
        align=slots.align,
        address=address,
        virtual=None if randomized else minimum,
        notes=notes,
        fixed=fixed,
    )


def _no_slot(status: int) -> str:
    if status:
        return "no suitable memory: the stub fails (Failed to decompress kernel)"
    return "no suitable memory: the stub takes that for success and goes on with an address that nobody set"


def _stub_areas(slots: RandomSlots, kernel: Kernel, soft_reserve: bool) -> Iterator[SlotArea]:
    for index, (md, count) in enumerate(zip(slots.descriptors, slots.counts, strict=True)):
        if not md.pages:
            continue
        size = md.pages * EFI_PAGE_SIZE
        why = refusal(md, kernel, soft_reserve)
        if why is None and not slots.eligible(index):
            why = "not MORE_RELIABLE, and other memory with room is"
        if why is None and not count:
            why = _no_room(md.start, size, slots.size, slots.alloc_min)
        first = slots.first(index) if why is None else None
        yield _area(md.start, size, 0 if why else count, first, why or _CANDIDATE)


def _no_room(start: int, size: int, needed: int, minimum: int) -> str:
    if start + size <= minimum:
        return f"below {minimum:#x}, the lowest place for the image"
    return f"no room for {needed:#x} bytes"


# -------------------------------------------------------------------------------------------------- by the decompressor


def _by_decompressor(machine: Machine, seed: int | None, efi_map: EfiMemoryMap | None, size: int) -> Placement:
    """Linux: ``choose_random_location``. The loader is taken to have put the image where it is linked to run."""
    kernel, text = machine.kernel, machine.cmdline.text
    size = _mapped_size(size)
    output = load_physical_addr(kernel)
    given = KaslrInput(
        kernel=kernel,
        cmdline=text,
        input=output,
        output=output,
        output_size=size,
        init_size=size,
        cmdline_addr=0,
        boot_params_addr=0,
        initrd=(machine.image.initrd.start, machine.image.initrd.size) if machine.image.initrd else (0, 0),
        setup_data=tuple(SetupData(node.start, 0, node.size - _SETUP_DATA_HEADER) for node in machine.setup_data),
        immovable=count_immovable_mem_regions(machine.acpi.get("SRAT"), text, kernel),
        efi_map=efi_map,
        e820=machine.e820 or (),
        soft_reserve=_soft_reserve(machine),
        max_physmem_bits=max_physmem_bits(machine),
    )
    fixed = "" if kernel.builtin("RANDOMIZE_BASE") else _NO_RANDOMIZE_BASE
    search = Kaslr(given)
    virtual = output
    if not fixed:
        output, virtual = search.choose_random_location(lambda purpose: seed or 0)
        fixed = _fixed_by_decompressor(search)
    return Placement(
        areas=tuple(_decompressor_areas(search)),
        size=size,
        align=search.align,
        address=output,
        virtual=virtual if search.randomizes_nothing else None,
        notes=tuple(search.messages),
        fixed=fixed,
        scaled=False,
    )


def _soft_reserve(machine: Machine) -> bool:
    """The switch is the stub's own: where the stub did not run, ``efi=nosoftreserve`` was not read."""
    cmdline = machine.cmdline if machine.boot == "stub" else CommandLine("")
    return StubOptions.parse(cmdline, machine.kernel).soft_reserve_enabled


def _fixed_by_decompressor(search: Kaslr) -> str:
    if search.randomizes_nothing:
        return "nokaslr is on the command line"
    if search.options.memmap_too_large:
        return "more ranges in memmap= than can be avoided"
    return "" if search.slot_max else "no suitable memory: the image stays where the loader put it"


def _decompressor_areas(search: Kaslr) -> Iterator[SlotArea]:
    for entry in search.considered:
        size = search.given.output_size
        for address, slots in search.slot_areas[entry.first : entry.end]:
            yield _area(address, (slots - 1) * search.align + size, slots, address, _CANDIDATE)
        if entry.first == entry.end and entry.size:
            yield _area(entry.start, entry.size, 0, None, entry.why or _nothing_left(search, entry))


def _nothing_left(search: Kaslr, entry: Considered) -> str:
    """Why a range that was searched gave no slot."""
    needed, end = search.given.output_size, entry.start + entry.size
    if entry.start >= search.mem_limit:
        return f"above the limit of {search.mem_limit:#x}"
    immovable = search.given.immovable
    if immovable and not any(start < end and entry.start < start + size for start, size in immovable):
        return "hot-pluggable, or unknown to the SRAT"
    if min(end, search.mem_limit) - max(entry.start, search.minimum) >= needed:
        return f"no room for {needed:#x} bytes beside what must be avoided"
    return _no_room(entry.start, entry.size, needed, search.minimum)
