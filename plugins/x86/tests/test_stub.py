import pytest
from softreserve.kernel.efi.efistub import StubOptions
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, Machine
from softreserve_x86 import e820
from softreserve_x86.stub import handoff, setup_e820

WB, SP = 0xF, 0x40000
CONVENTIONAL, BOOT_DATA, UNACCEPTED = 7, 4, 15


def kernel(release: str = "6.12", **config: str) -> Kernel:
    return Kernel(release, "x86_64", config={"EFI_SOFT_RESERVE": "y", **config})


def pages(number: int, start: int, count: int, attribute: int = WB) -> EfiDescriptor:
    return EfiDescriptor(number, start, count, attribute)


def test_neighbours_in_the_map_merge_soft_reserved_ones_too() -> None:
    table = setup_e820(kernel(), [pages(7, 0x1000, 1, SP), pages(4, 0x2000, 1, SP), pages(7, 0x3000, 1)], True)
    assert table == [E820Entry(0x1000, 0x2000, e820.SOFT_RESERVED), E820Entry(0x3000, 0x1000, e820.RAM)]


def test_ranges_that_touch_in_memory_but_not_in_the_map_stay_apart() -> None:
    table = setup_e820(kernel(), [pages(7, 0x2000, 1), pages(7, 0x1000, 1)], True)
    assert [entry.start for entry in table] == [0x2000, 0x1000]


def test_unknown_types_get_no_entry_and_do_not_part_their_neighbours() -> None:
    table = setup_e820(kernel(), [pages(7, 0x1000, 1), pages(99, 0x9000, 1), pages(7, 0x2000, 1)], True)
    assert table == [E820Entry(0x1000, 0x2000, e820.RAM)]


@pytest.mark.parametrize(("release", "option", "entries"), [("6.12", "y", 1), ("6.12", "n", 0), ("6.1", "y", 0)])
def test_unaccepted_memory_is_ram_where_the_kernel_knows_it(release: str, option: str, entries: int) -> None:
    table = setup_e820(kernel(release, UNACCEPTED_MEMORY=option), [pages(UNACCEPTED, 0, 1, SP)], True)
    assert [entry.type for entry in table] == [e820.RAM] * entries


def test_entries_beyond_the_zero_page_go_to_the_extension() -> None:
    efi_map = EfiMemoryMap([pages(7 if at % 2 else 0, at << 12, 1) for at in range(130)])
    made = handoff(Machine("m", kernel(), efi_map=efi_map))
    assert made.e820 is not None
    assert (len(made.e820), made.ext_entries) == (130, 2)


def test_a_later_efi_option_turns_soft_reservation_on_again_in_the_stub() -> None:
    def enabled(text: str) -> bool:
        return StubOptions.parse(CommandLine(text), kernel()).soft_reserve_enabled

    assert not enabled("efi=debug,nosoftreserve")
    assert enabled("efi=nosoftreserve efi=debug")
    assert enabled("efi=nosoftreserveX")
    assert enabled("-- efi=nosoftreserve")


def test_a_machine_must_have_what_its_way_of_booting_needs() -> None:
    with pytest.raises(MachineError, match="EFI memory map"):
        handoff(Machine("m", kernel()))
    with pytest.raises(MachineError, match="e820"):
        handoff(Machine("m", kernel(), boot="loader"))
