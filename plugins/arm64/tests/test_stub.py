"""Where the stub puts the kernel. Expected values: worked out by hand from ``randomalloc.c`` and ``kaslr.c``."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.plugins import hooks
from softreserve_arm64.stub import place_image

Make = Callable[..., Machine]
MIB = 1 << 20
WB, SP = 0x8, 0x40000


def md(type_: int, start: int, end: int, attribute: int = WB) -> EfiDescriptor:
    return EfiDescriptor(type_, start, (end - start) >> 12, attribute)


#: 48 MiB, loaded at 1 GiB + 2 MiB.
LOADED = KernelImage(code=PhysRange(0x40200000, 0x42000000), data=PhysRange(0x42000000, 0x43200000))
MAP = EfiMemoryMap(
    [md(7, 0x40000000, 0xBBE00000), md(7, 0x200000000, 0x300000000), md(7, 0x300000000, 0x400000000, WB | SP)]
)


def test_a_seed_chooses_among_the_slots_outside_specific_purpose_memory(machine: Make) -> None:
    placement = place_image(machine(cmdline="", efi_map=MAP, image=LOADED), 0x40000000)
    assert [area.slots for area in placement.areas] == [30945, 64769, 0]
    assert placement.address == 0x9D780000
    assert "specific purpose" in placement.areas[2].why


def test_without_soft_reservation_specific_purpose_memory_has_slots(machine: Make) -> None:
    placement = place_image(machine(cmdline="efi=nosoftreserve", efi_map=MAP, image=LOADED), 1)
    assert [area.slots for area in placement.areas] == [30945, 64769, 64769]


def test_nokaslr_leaves_the_image_where_it_was_loaded_if_it_is_aligned_to_2_mib(machine: Make) -> None:
    placement = place_image(machine(efi_map=MAP, image=LOADED), 1)
    assert (placement.address, placement.align, placement.fixed) == (
        0x40200000,
        2 * MIB,
        "nokaslr is on the command line",
    )
    odd = KernelImage(code=PhysRange(0x40210000, 0x42000000), data=PhysRange(0x42000000, 0x43200000))
    assert place_image(machine(efi_map=MAP, image=odd), None).address is None


def test_without_random_numbers_only_the_newer_stub_wants_2_mib(machine: Make) -> None:
    new = place_image(machine("6.12", "", efi_map=MAP, image=LOADED), None)
    old = place_image(machine("6.1", "", efi_map=MAP, image=LOADED), None)
    assert (new.align, old.align) == (2 * MIB, 64 << 10)
    assert "no random number" in new.fixed


def test_large_pages_ask_for_twice_a_stack(machine: Make) -> None:
    assert place_image(machine(cmdline="", page_size=65536, efi_map=MAP, image=LOADED), 1).align == 128 << 10


def test_an_image_that_spills_over_its_descriptor_must_move(machine: Make) -> None:
    spilling = EfiMemoryMap([md(1, 0x40000000, 0x42000000), md(7, 0x42000000, 0x80000000)])
    placement = place_image(machine(efi_map=spilling, image=LOADED), None)
    assert placement.address is None
    assert "not inside one EFI descriptor" in placement.notes[0]


def test_without_the_image_or_the_map_nothing_can_be_said(machine: Make) -> None:
    with pytest.raises(MachineError, match="code and data"):
        place_image(machine(image=KernelImage()), 1)
    with pytest.raises(MachineError, match="EFI memory map"):
        place_image(machine(efi_map=None), 1)


def test_the_hook_answers_for_arm64_only(machine: Make) -> None:
    loaded = hooks.load(["arm64"])
    arm = machine()
    assert loaded.stub_handoff(arm) is not None
    assert loaded.stub_place_image(arm, 1) is not None


def test_every_range_that_is_not_empty_has_slots_or_a_reason(machine: Make) -> None:
    """``randomalloc.c``: with room in mirrored memory no other counts: 1 GiB in steps of 64 KiB, less 48 MiB."""
    mirrored = md(7, 0x80000000, 0xC0000000, WB | 0x10000)
    ranges = [md(7, 0x40000000, 0x40000000), md(7, 0x50000000, 0x51000000), mirrored, md(7, 0x200000000, 0x300000000)]
    found = place_image(machine(cmdline="", efi_map=EfiMemoryMap(ranges), image=LOADED), 1).areas
    assert [area.slots for area in found] == [0, 16384 - 768 + 1, 0]
    assert (found[0].why, found[2].why) == ("too small", "not mirrored, and other memory is")


def test_a_kernel_that_cannot_be_moved_stays(machine: Make) -> None:
    still = machine(cmdline="", efi_map=MAP, image=LOADED)
    plain = attrs.evolve(still.kernel, config={**still.kernel.config, "RANDOMIZE_BASE": "n"})
    placement = place_image(attrs.evolve(still, kernel=plain), 1)
    assert placement.address == 0x40200000
    assert placement.fixed == "the kernel is built without CONFIG_RANDOMIZE_BASE"
