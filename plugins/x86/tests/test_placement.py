from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, KernelImage, Machine
from softreserve.model.placement import Placement
from softreserve.model.ranges import PhysRange
from softreserve_x86.placement import cmdline_memmap_override, place_image

M = 1 << 20
G = 1 << 30
WB, SP = 0xF, int(EfiAttribute.SP)
CONFIG = {"EFI_SOFT_RESERVE": "y", "RANDOMIZE_BASE": "y", "MEMORY_HOTREMOVE": "y"}
IMAGE = KernelImage(code=PhysRange(16 * M, 32 * M), bss=PhysRange(40 * M, 47 * M))
NEW, OLD = Kernel("6.12.117", "x86_64", config=CONFIG), Kernel("6.1.0-56-amd64", "x86_64", config=CONFIG)
BEFORE_STUB_REWORK = Kernel("5.10", "x86_64", config=CONFIG)


def free(start: int, size: int, attribute: int = 0, kind: int = 7) -> EfiDescriptor:
    return EfiDescriptor(kind, start, size // 4096, WB | attribute)


def machine(*descriptors: EfiDescriptor, text: str = "", kernel: Kernel = NEW, boot: str = "stub") -> Machine:
    return Machine(
        "drawn", kernel, cmdline=CommandLine(text), efi_map=EfiMemoryMap(descriptors), image=IMAGE, boot=boot
    )


TWO_NODES = (free(0, 640 * 1024), free(M, 2 * G - M), free(4 * G, 2 * G, SP))


def whys(placement: Placement) -> list[str]:
    return [area.why for area in placement.areas]


# --- the rule


@st.composite
def special_machines(draw: st.DrawFn, text: str) -> Machine:
    """Ordinary memory and at least one specific purpose range with room, in any order; any way to boot."""
    at, found = 0, []
    for attribute in (SP, 0, *draw(st.lists(st.sampled_from([0, SP]), max_size=4))):
        at += draw(st.integers(16, 4096)) * M + draw(st.integers(0, 511)) * 4096
        size = draw(st.integers(64, 4096)) * M
        found.append(free(at, size, attribute))
        at += size
    return machine(
        *draw(st.permutations(found)),
        text=text,
        kernel=draw(st.sampled_from([NEW, OLD, BEFORE_STUB_REWORK])),
    )


def touches_special_purpose(found: Machine, address: int, size: int) -> bool:
    image = PhysRange.from_size(address, size)
    return any(md.is_special_purpose and image.overlaps(PhysRange(md.start, md.end)) for md in found.efi_map or ())


@given(special_machines("quiet"), st.integers(0, 2**32 - 1), st.sampled_from(["stub", "loader"]))
def test_with_soft_reservation_no_image_touches_specific_purpose_memory(found: Any, seed: int, boot: str) -> None:
    placement = place_image(attrs.evolve(found, boot=boot), seed)
    if placement.address is not None and placement.slots:
        assert not touches_special_purpose(found, placement.address, placement.size)


@given(special_machines("efi=nosoftreserve"))
def test_without_it_some_seed_puts_the_image_there(found: Any) -> None:
    placement = place_image(found, 0)
    landed = set()
    slot = 0
    for area in placement.areas:
        if area.slots:
            seed = -((-slot << 32) // placement.slots) if placement.scaled else slot
            address = place_image(found, seed).address
            assert address == area.first == placement.slot_address(placement.slot(seed))
            landed.add(touches_special_purpose(found, address, placement.size))
        slot += area.slots
    assert True in landed


# --- the stub


def test_a_recorded_boot_without_kaslr_took_the_first_slot_above_16_mib() -> None:
    """The middle of a real map: the image had been put at 0x1600000, in 64 MiB of Loader Code."""
    recorded = (
        free(0x900000, 12 * M, kind=4),
        free(0x1500000, M),
        free(0x1600000, 64 * M, kind=1),
        free(0x5600000, 0x7656D000),
    )
    image = KernelImage(code=PhysRange(0x1600000, 0x2401D32), bss=PhysRange(0x3910000, 0x4A00000))
    found = attrs.evolve(machine(*recorded, text="nokaslr", kernel=OLD), image=image)
    placement = place_image(found, None)
    assert placement.address == 0x1600000
    assert placement.size == 64 * M
    assert placement.virtual == 16 * M
    assert placement.fixed == "nokaslr is on the command line"


def test_every_map_range_says_why_it_is_or_is_not_a_candidate() -> None:
    placement = place_image(machine(*TWO_NODES, free(8 * G, 8 * M), free(9 * G, G, kind=4)), 0)
    assert whys(placement) == [
        "below 0x1000000, the lowest place for the image",
        "candidate",
        "specific purpose (EFI_MEMORY_SP), soft reservation is on",
        "no room for 0x2000000 bytes",
        "not conventional memory",
    ]
    assert placement.slots == (2 * G - 16 * M - 32 * M) // (2 * M) + 1


@pytest.mark.parametrize(
    ("text", "new", "old"),
    [
        ("mem=4G", "mem=", "mem="),
        ("quiet memmap=1M$1G mem=4G", "mem=", "mem="),
        ("xmem=1 mem=4G", None, None),
        ("hugepages=1\tx", "hugepages=", "hugepages="),
        ("efi_fake_mem=1G@4G:0x40000", None, "efi_fake_mem="),
        ("quiet", None, None),
    ],
)
def test_some_words_stop_the_stub_from_randomizing(text: str, new: str | None, old: str | None) -> None:
    assert cmdline_memmap_override(text, NEW) == new
    assert cmdline_memmap_override(text, OLD) == old


def test_what_stops_the_stub_is_said_as_the_stub_says_it() -> None:
    placement = place_image(machine(*TWO_NODES, text="mem=4G"), 0xFFFFFFFF)
    assert placement.address == 16 * M
    assert placement.fixed
    assert placement.notes == ("EFI stub: mem= detected on the kernel command line - disabling physical KASLR",)


def test_the_stub_forgets_nosoftreserve_at_the_next_efi_option() -> None:
    assert place_image(machine(*TWO_NODES, text="efi=nosoftreserve"), 0).areas[2].slots
    assert not place_image(machine(*TWO_NODES, text="efi=nosoftreserve efi=debug"), 0).areas[2].slots


def test_no_room_at_all_is_noted() -> None:
    for kernel, words in ((NEW, "Failed to decompress kernel"), (OLD, "an address that nobody set")):
        placement = place_image(machine(free(4 * G, 2 * G, SP), kernel=kernel), 1)
        assert placement.address is None
        assert words in placement.notes[0]


# --- the decompressor


def test_a_loader_is_not_told_about_nosoftreserve() -> None:
    placement = place_image(machine(*TWO_NODES, text="efi=nosoftreserve", boot="loader"), 0)
    assert whys(placement)[2] == "specific purpose (EFI_MEMORY_SP), soft reservation is on"


def test_a_range_that_is_cut_gives_several_areas() -> None:
    found = attrs.evolve(
        machine(boot="loader"),
        efi_map=None,
        e820=(E820Entry(0, 2 * G, 1), E820Entry(4 * G, G, 0xEFFFFFFF), E820Entry(8 * G, 0, 1)),
        image=attrs.evolve(IMAGE, initrd=PhysRange(G, G + 64 * M)),
        setup_data=(PhysRange(512 * M, 512 * M + 4096),),
    )
    placement = place_image(found, 3)
    assert [(area.first, area.why) for area in placement.areas] == [
        (48 * M, "candidate"),
        (514 * M, "candidate"),
        (G + 64 * M, "candidate"),
        (None, "not RAM"),
    ]
    assert placement.address == 48 * M + 3 * 2 * M


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mem=1G", "above the limit of 0x40000000"),
        ("memmap=1G$0x100000000", "no room for 0x2000000 bytes beside what must be avoided"),
    ],
)
def test_a_searched_range_without_a_slot_says_why(text: str, why: str) -> None:
    assert whys(place_image(machine(free(4 * G, G), text=text, boot="loader"), 0)) == [why]


def test_kernels_without_randomization_stay_where_they_are() -> None:
    plain = attrs.evolve(NEW, config={**CONFIG, "RANDOMIZE_BASE": "n"})
    for boot in ("stub", "loader"):
        placement = place_image(machine(*TWO_NODES, kernel=plain, boot=boot), 0x80000000)
        assert placement.address == 16 * M
        assert placement.fixed == "CONFIG_RANDOMIZE_BASE is not set"


def test_an_image_of_unknown_size_is_an_error() -> None:
    with pytest.raises(MachineError, match="size of the kernel image"):
        place_image(attrs.evolve(machine(*TWO_NODES), image=KernelImage()), 0)


def test_the_stub_needs_a_map() -> None:
    with pytest.raises(MachineError, match="EFI memory map"):
        place_image(attrs.evolve(machine(*TWO_NODES), efi_map=None), 0)


def test_mirrored_memory_with_room_rules_out_all_other_for_the_stub() -> None:
    """``drivers/firmware/efi/libstub/randomalloc.c``; a descriptor without pages is not worth a word."""
    mirrored = free(4 * G, G, int(EfiAttribute.MORE_RELIABLE))
    placement = place_image(machine(free(2 * G, 0), mirrored, free(8 * G, G)), 0)
    assert whys(placement) == ["candidate", "not MORE_RELIABLE, and other memory with room is"]
    assert placement.address == 4 * G


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("nokaslr", "nokaslr is on the command line"),
        ("memmap=1M$1G,1M$2G,1M$3G,1M$4G,1M$5G", "more ranges in memmap= than can be avoided"),
    ],
)
def test_some_words_stop_the_decompressor_from_randomizing(text: str, fixed: str) -> None:
    placement = place_image(machine(*TWO_NODES, text=text, boot="loader"), 5)
    assert (placement.address, placement.fixed) == (16 * M, fixed)
