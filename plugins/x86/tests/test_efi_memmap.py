from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve_x86.efi_memmap import efi_clean_memmap, efi_memmap_entry_valid, efi_print_memmap

KERNEL = Kernel("6.12", "x86_64")
GOOD = EfiDescriptor(7, 0x100000, 0x700, 0xF)
EMPTY = EfiDescriptor(2, 0x1000, 0, 0xF)
WRAPS = EfiDescriptor(11, 0xFFFFFFFFFFFFF000, 0x11, 1)


def cleaned(*descriptors: EfiDescriptor) -> tuple[EfiMemoryMap, list[str]]:
    log = EventLog()
    return efi_clean_memmap(EfiMemoryMap(descriptors), KERNEL, log), log.lines


def test_a_range_up_to_the_last_byte_is_valid_and_one_page_more_is_not() -> None:
    assert efi_memmap_entry_valid(EfiDescriptor(0, 0, 2**52 - 1, 0))
    assert not efi_memmap_entry_valid(EfiDescriptor(0, 0x1000, 2**52 - 1, 0))
    assert not efi_memmap_entry_valid(EfiDescriptor(0, 0, 2**52, 0))


def test_a_sound_map_stays_as_it_is_and_nothing_is_said() -> None:
    efi_map, lines = cleaned(GOOD)
    assert list(efi_map) == [GOOD]
    assert lines == []


def test_invalid_entries_go_and_keep_their_first_numbers_in_the_log() -> None:
    efi_map, lines = cleaned(EMPTY, GOOD, WRAPS)
    columns = "|   |  |  |  |  |  |  |  |  |  |   |"
    assert list(efi_map) == [GOOD]
    assert lines == [
        "efi: [Firmware Bug]: Invalid EFI memory map entries:",
        f"efi: mem00: [Loader Data {columns}WB|WT|WC|UC] range=[0x0000000000001000-0x0000000000000000] (invalid)",
        f"efi: mem02: [MMIO        {columns}  |  |  |UC] range=[0xfffffffffffff000-0x1000000000000ffff] (invalid)",
        "efi: Removing 2 invalid memory map entries.",
    ]


def test_the_map_is_printed_in_its_own_order() -> None:
    log = EventLog()
    efi_print_memmap(EfiMemoryMap([WRAPS, GOOD]), KERNEL, log)
    assert [line[:11] for line in log.lines] == ["efi: mem00:", "efi: mem01:"]
    assert log.lines[1].endswith("range=[0x0000000000100000-0x00000000007fffff] (7MB)")
