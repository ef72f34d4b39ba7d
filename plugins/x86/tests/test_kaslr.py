import struct
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry
from softreserve_x86.kaslr import Kaslr, KaslrInput, SetupData, mem_overlaps
from softreserve_x86.kaslr_acpi import count_immovable_mem_regions
from softreserve_x86.kaslr_options import MemOptions, cmdline_find_option, cmdline_find_option_bool

M = 1 << 20
G = 1 << 30
MAXMEM = 1 << 46
CONFIG: dict[str, str | int] = {"MEMORY_HOTREMOVE": "y", "NODES_SHIFT": 6}
NEW = Kernel("6.12.117", "x86_64", config=CONFIG)
OLD = Kernel("6.1.0-56-amd64", "x86_64", config=CONFIG)
WB, SP, MORE_RELIABLE = 0xF, int(EfiAttribute.SP), int(EfiAttribute.MORE_RELIABLE)

#: RAM from 1 MiB to 2 GiB; an image of 32 MiB that takes 48 MiB at 16 MiB while it decompresses.
LOADED = KaslrInput(
    kernel=NEW,
    cmdline="",
    input=16 * M,
    output=16 * M,
    output_size=32 * M,
    init_size=48 * M,
    cmdline_addr=0x20000,
    boot_params_addr=0x90000,
    e820=(E820Entry(0, 0xA0000, 1), E820Entry(M, 2 * G - M, 1), E820Entry(4 * G, G, 0xEFFFFFFF)),
)


def efi(*descriptors: tuple[int, int, int, int]) -> EfiMemoryMap:
    return EfiMemoryMap(
        [EfiDescriptor(kind, start, size // 4096, WB | attribute) for kind, start, size, attribute in descriptors]
    )


def searched(given: KaslrInput = LOADED, **changes: Any) -> Kaslr:
    search = Kaslr(attrs.evolve(given, **changes))
    search.choose_random_location(lambda purpose: 0)
    return search


def areas(**changes: Any) -> list[tuple[int, int]]:
    return searched(**changes).slot_areas


def options(text: str, kernel: Kernel = NEW) -> MemOptions:
    found = MemOptions(kernel, MAXMEM)
    found.handle_mem_options(text)
    return found


# --- the search


def test_slots_begin_behind_the_memory_that_decompression_needs() -> None:
    assert areas() == [(64 * M, (2 * G - 64 * M - 32 * M) // (2 * M) + 1)]


def test_a_number_chooses_a_slot_by_its_remainder() -> None:
    numbers = {"Physical": 977 * 5 + 3, "Virtual": 7}
    assert Kaslr(LOADED).choose_random_location(numbers.__getitem__) == (64 * M + 3 * 2 * M, 16 * M + 7 * 2 * M)


def test_an_initrd_cuts_a_range_in_two() -> None:
    assert areas(initrd=(G, 100 * M)) == [
        (64 * M, (G - 64 * M - 32 * M) // (2 * M) + 1),
        (G + 100 * M, (G - 100 * M - 32 * M) // (2 * M) + 1),
    ]


def test_setup_data_and_what_it_points_at_is_avoided() -> None:
    node = SetupData(G, 1 << 31, 24, (3, 512 * M, 2 * M))
    assert [start for start, _ in areas(setup_data=(node,))] == [64 * M, 514 * M, G + 2 * M]
    nested = SetupData(G, 1 << 31, 24, (1 << 31, 512 * M, 2 * M))
    assert [start for start, _ in areas(setup_data=(nested,))] == [64 * M, G + 2 * M]


def test_an_image_loaded_high_can_move_down_to_512_mib() -> None:
    assert areas(input=G, output=G)[0][0] == 512 * M


def test_nokaslr_leaves_everything_untouched() -> None:
    search = Kaslr(attrs.evolve(LOADED, cmdline="quiet nokaslr", output=32 * M))
    assert search.choose_random_location(lambda purpose: 5) == (32 * M, 16 * M)
    assert search.messages == ["KASLR disabled: 'nokaslr' on cmdline."]
    assert search.mem_avoid == [(0, 0)] * 8


def test_without_room_the_image_stays_where_it_is() -> None:
    search = Kaslr(attrs.evolve(LOADED, e820=(E820Entry(0, 64 * M, 1),)))
    assert search.choose_random_location(lambda purpose: 0)[0] == 16 * M
    assert search.messages == [
        "Invalid physical address chosen!",
        "Physical KASLR disabled: no suitable memory region!",
    ]


def test_the_efi_map_hides_the_e820_table() -> None:
    assert areas(efi_map=efi((7, 4 * G, G, 0))) == [(4 * G, 497)]
    assert areas(efi_map=efi()) == []


def test_specific_purpose_memory_has_slots_only_without_soft_reservation() -> None:
    special = efi((7, 4 * G, G, SP))
    assert areas(efi_map=special) == []
    assert areas(efi_map=special, soft_reserve=False) == [(4 * G, 497)]


def test_a_mirrored_descriptor_of_any_type_rules_out_all_others() -> None:
    assert areas(efi_map=efi((7, 4 * G, G, 0), (2, 8 * G, G, MORE_RELIABLE))) == []


def test_unaccepted_memory_counts_where_the_kernel_can_accept_it() -> None:
    unaccepted = efi((15, 4 * G, G, 0))
    accepting: dict[str, str | int] = {**CONFIG, "UNACCEPTED_MEMORY": "y"}
    assert areas(efi_map=unaccepted) == []
    assert areas(efi_map=unaccepted, kernel=attrs.evolve(NEW, config=accepting)) == [(4 * G, 497)]
    assert areas(efi_map=unaccepted, kernel=attrs.evolve(OLD, config=accepting)) == []


def test_only_the_immovable_part_of_a_range_is_used() -> None:
    assert areas(immovable=((0, G), (4 * G, G))) == [(64 * M, (G - 64 * M - 32 * M) // (2 * M) + 1)]


def test_the_search_ends_with_100_areas() -> None:
    ram = tuple(E820Entry(i * 64 * M, 48 * M, 1) for i in range(4, 128))
    search = searched(e820=ram)
    assert len(search.slot_areas) == 100
    assert search.messages[0] == "debug: Aborted e820/efi memmap scan (slot_areas full)!"
    assert search.considered[-1].why.startswith("not looked at")


def test_only_128_entries_of_the_e820_table_are_looked_at() -> None:
    many = (*(E820Entry(i * 4096, 4096, 1) for i in range(128)), E820Entry(4 * G, G, 1))
    assert areas(e820=many) == []


def test_pages_of_1_gib_are_left_for_those_who_asked() -> None:
    ram = (E820Entry(4 * G, 4 * G, 1),)
    assert areas(e820=ram, cmdline="hugepagesz=1G hugepages=2") == [(6 * G, (2 * G - 32 * M) // (2 * M) + 1)]
    assert areas(e820=ram, cmdline="hugepages=2 hugepagesz=1G")[0][0] == 4 * G
    assert areas(e820=ram, cmdline="hugepagesz=1G hugepages=9") == []


@pytest.mark.parametrize(("release", "pages", "said"), [("6.12", 2, []), ("7.2", 0, ["Failed to parse"])])
def test_a_number_of_huge_pages_with_something_behind_it_is_none_from_7_2_on(
    release: str, pages: int, said: list[str]
) -> None:
    """``arch/x86/boot/compressed/kaslr.c: parse_gb_huge_pages``: simple_strtoull(), later boot_kstrtoul()."""
    found = options("hugepagesz=1G hugepages=2,3", Kernel(release, "x86_64", config=CONFIG))
    assert found.max_gb_huge_pages == pages
    assert found.messages == [f"{words} hugepages= boot parameter" for words in said]
    assert options("hugepagesz=1G hugepages=2", Kernel(release, "x86_64", config=CONFIG)).max_gb_huge_pages == 2


def test_a_range_to_avoid_that_ends_with_the_address_space_is_a_dead_machine() -> None:
    with pytest.raises(MachineError, match="for ever"):
        searched(cmdline="memmap=0xfffffffffbf00000$0x4001001")


def test_a_range_of_no_size_overlaps_where_it_begins() -> None:
    assert mem_overlaps((0, 10), (5, 0))
    assert not mem_overlaps((5, 10), (5, 0))


# --- the command line


def test_memmap_ranges_are_avoided_up_to_four() -> None:
    found = options("memmap=1M#1G,1M$2G memmap=1M!3G memmap=1M$4G memmap=1M$5G")
    assert found.avoid == [(G, M), (2 * G, M), (3 * G, M), (4 * G, M)]
    assert not found.memmap_too_large


def test_a_fifth_range_in_the_same_parameter_ends_it_all() -> None:
    assert options("memmap=1M$1G,1M$2G,1M$3G,1M$4G,1M$5G").memmap_too_large


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("mem=3G", 3 * G),
        ("mem=3G mem=2G mem=4G", 2 * G),
        ("mem=nopentium mem=1G", G),
        ("mem=0 mem=1G", MAXMEM),
        ("memmap=2G", 2 * G),
        ("memmap=2G%4G-1+2", 2 * G),
        ("memmap=2G$0", 2 * G),
        ("memmap=2G@4G", MAXMEM),
        ("memmap=exactmap,2G", MAXMEM),
        ("memmap=junk", MAXMEM),
        ("memmap mem -- mem=1G", MAXMEM),
    ],
)
def test_what_is_read_as_a_limit(text: str, limit: int) -> None:
    found = options(text)
    assert found.mem_limit == limit
    assert found.avoid == []


def test_fake_specific_purpose_memory_is_avoided_by_kernels_that_can_fake_it() -> None:
    text = "efi_fake_mem=1G@4G:0x40000,1G@8G:0x10000,1G@9G:0x40000x"
    assert options(text, OLD).avoid == [(4 * G, G)]
    assert options(text, NEW).avoid == []


def test_the_boot_code_knows_no_quotes() -> None:
    assert cmdline_find_option_bool('a="b nokaslr"c nokaslr', "nokaslr")
    assert not cmdline_find_option_bool("nokaslr=1 xnokaslr", "nokaslr")
    assert cmdline_find_option("acpi=off acpi=rsdt", "acpi") == "rsdt"
    assert cmdline_find_option("acpix=off acpi", "acpi") is None


# --- the SRAT


def srat(*memory: tuple[int, int, int]) -> bytes:
    entries = b"".join(struct.pack("<BBIHQQIIQ", 1, 40, 0, 0, base, size, 0, flags, 0) for base, size, flags in memory)
    return struct.pack("<4sI", b"SRAT", 48 + len(entries)).ljust(48, b"\0") + entries


def test_memory_that_is_not_hot_pluggable_is_immovable_even_if_it_is_disabled() -> None:
    table = srat((0, G, 1), (G, G, 3), (2 * G, 0, 1), (4 * G, G, 0))
    assert count_immovable_mem_regions(table, "", NEW) == ((0, G), (4 * G, G))


def test_nothing_is_filtered_without_a_usable_srat() -> None:
    table = srat((0, G, 1))
    assert count_immovable_mem_regions(None, "", NEW) == ()
    assert count_immovable_mem_regions(table, "acpi=off", NEW) == ()
    assert count_immovable_mem_regions(table, "", attrs.evolve(NEW, config={})) == ()
    assert count_immovable_mem_regions(srat(*[(i * G, G, 1) for i in range(128)]), "", NEW) == ()
    assert count_immovable_mem_regions(table[:-40] + bytes(40), "", NEW) == ()


# --- anything at all

numbers = st.integers(0, 2**64 - 1) | st.integers(0, 64).map(lambda n: n * 256 * M)
ranges = st.tuples(numbers, numbers)
texts = st.text(alphabet="memap=hugsz_fkilno0123456789xGM@#$!%,:- ", max_size=60) | st.lists(
    st.sampled_from(
        ["mem=1G", "memmap=1G$4G", "memmap=3G", "hugepagesz=1G", "hugepages=3", "efi_fake_mem=1G@4G:0x40000"]
    )
).map(" ".join)


@given(
    texts,
    st.lists(st.builds(EfiDescriptor, st.sampled_from([7, 7, 15, 4]), numbers, numbers, numbers), max_size=6),
    st.lists(ranges, max_size=3),
    ranges,
    st.sampled_from([OLD, NEW]),
    numbers,
)
def test_any_input_gives_an_address_or_a_clear_end(
    text: str, descriptors: Any, immovable: Any, initrd: Any, kernel: Any, number: int
) -> None:
    given_ = attrs.evolve(
        LOADED,
        cmdline=text,
        efi_map=EfiMemoryMap(descriptors),
        immovable=tuple(immovable),
        initrd=initrd,
        kernel=kernel,
        soft_reserve=False,
    )
    search = Kaslr(given_)
    try:
        output, virtual = search.choose_random_location(lambda purpose: number)
    except MachineError:
        return
    assert output == 16 * M or search.minimum <= output <= search.mem_limit - 32 * M
    assert 16 * M <= virtual <= G - 32 * M


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_can_be_a_srat(table: bytes, text: str) -> None:
    assert isinstance(count_immovable_mem_regions(table, text, NEW), tuple)


def test_an_area_that_would_be_the_101st_is_dropped() -> None:
    """``store_slot_info``: what lies behind the huge page of 5 to 6 GiB; what lies before it is the hundredth."""
    ram = (*(E820Entry(i * 40 * M, 34 * M, 1) for i in range(4, 103)), E820Entry(4608 * M, 3 * G, 1))
    search = searched(e820=ram, cmdline="hugepagesz=1G hugepages=1")
    assert len(search.slot_areas) == 100
    assert search.slot_areas[-1] == (4608 * M, (512 - 32) // 2 + 1)


def test_the_search_ends_with_100_areas_in_immovable_memory_too() -> None:
    """``process_mem_region``."""
    ram = tuple(E820Entry(i * 64 * M, 48 * M, 1) for i in range(4, 128))
    search = searched(e820=ram, immovable=((0, 16 * G),))
    assert len(search.slot_areas) == 100
    words = "debug: Aborted e820/efi memmap scan when walking immovable regions(slot_areas full)!"
    assert search.messages[0] == words


def test_the_search_ends_with_100_areas_in_the_middle_of_a_range() -> None:
    """``__process_mem_region``: cut by the data that a loader left every 64 MiB."""
    left = tuple(SetupData(i * 64 * M, 0, 4096) for i in range(2, 130))
    search = searched(e820=(E820Entry(M, 16 * G, 1),), setup_data=left)
    assert len(search.slot_areas) == 100
    assert search.messages[0] == "debug: Aborted e820/efi memmap scan (slot_areas full)!"
