from typing import Any

import pytest
from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.resource import ResourceTree
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry
from softreserve.model.ranges import PhysRange
from softreserve_x86 import e820
from softreserve_x86.e820_resources import E820Resources, memblock_setup, register_nosave_regions, setup_pci_gap
from softreserve_x86.init_64 import MemoryBlockSize
from softreserve_x86.setup import Setup, brk_size
from softreserve_x86.stub import extension_entries

G = 1 << 30
SP, WB = 0x40000, 8
CONVENTIONAL, UNACCEPTED = 7, 15


def kernel(release: str = "6.12") -> Kernel:
    return Kernel(release, "x86_64", config={"EFI_SOFT_RESERVE": "y"})


def setup_with(*entries: tuple[int, int, int], release: str = "6.12") -> Setup:
    setup = Setup(kernel(release), EventLog())
    table = [E820Entry(start, end - start, kind) for start, end, kind in entries]
    setup.e820_memory_setup(table, extension_entries(table))
    return setup


def ranges(table: e820.E820Table) -> list[tuple[int, int, int]]:
    return [(e.start, e.end, e.type) for e in table.entries if e.size]


def test_a_loader_with_a_single_entry_is_not_believed() -> None:
    setup = setup_with((0, G, e820.RAM))
    assert ranges(setup.table) == [(0, 0x9F000, e820.RAM)]
    assert setup.log.lines[1] == "BIOS-e801: [mem 0x0000000000000000-0x000000000009efff] usable"


def test_the_extension_is_printed_by_itself_and_is_part_of_what_the_firmware_said() -> None:
    setup = setup_with(*((at * G, at * G + 0x1000, e820.RAM) for at in range(130)))
    assert len(setup.table_firmware.entries) == 130
    assert setup.log.lines.count("extended physical RAM map:") == 1
    assert sum(line.startswith("extended: ") for line in setup.log.lines) == 130


def test_ram_that_mem_took_away_is_back_after_the_import() -> None:
    """Trap A: the EFI map is imported after the command line was read."""
    setup = setup_with((0x100000, 8 * G, e820.RAM), (8 * G, 16 * G, e820.SOFT_RESERVED))
    efi_map = EfiMemoryMap(
        [
            EfiDescriptor(CONVENTIONAL, 0x100000, (8 * G - 0x100000) >> 12, WB),
            EfiDescriptor(CONVENTIONAL, 8 * G, 8 * G >> 12, WB | SP),
        ]
    )
    assert setup.early_params()["mem"]("4G") == 0
    assert ranges(setup.table)[0] == (0x100000, 4 * G, e820.RAM)
    assert setup.efi_memblock_x86_reserve_range(efi_map)
    assert ranges(setup.table) == [(0x100000, 8 * G, e820.RAM), (8 * G, 16 * G, e820.SOFT_RESERVED)]


def test_with_nosoftreserve_nothing_is_imported() -> None:
    setup = setup_with((0, 8 * G, e820.RAM), (8 * G, 16 * G, e820.SOFT_RESERVED))
    setup.efi.parse_efi_cmdline("nosoftreserve")
    assert not setup.efi_memblock_x86_reserve_range(EfiMemoryMap([EfiDescriptor(CONVENTIONAL, 8 * G, 1, SP)]))


def test_an_import_parts_what_the_stub_had_joined_and_reserves_what_is_not_write_back() -> None:
    setup = setup_with((0, G, e820.RAM), (2 * G, 4 * G, e820.SOFT_RESERVED))
    setup.efi_memblock_x86_reserve_range(
        EfiMemoryMap(
            [
                EfiDescriptor(CONVENTIONAL, 2 * G, G >> 12, WB | SP),
                EfiDescriptor(CONVENTIONAL, 3 * G, G >> 12, WB | SP),
                EfiDescriptor(CONVENTIONAL, 5 * G, 1, 0),
                EfiDescriptor(UNACCEPTED, 6 * G, 1, WB),
            ]
        )
    )
    assert ranges(setup.table)[1:] == [
        (2 * G, 3 * G, e820.SOFT_RESERVED),
        (3 * G, 4 * G, e820.SOFT_RESERVED),
        (5 * G, 5 * G + 0x1000, e820.RESERVED),
        (6 * G, 6 * G + 0x1000, e820.RESERVED),
    ]
    assert ranges(setup.table_firmware) == [(0, G, e820.RAM), (2 * G, 4 * G, e820.SOFT_RESERVED)]


@pytest.mark.parametrize(("release", "kept"), [("6.1", True), ("6.12", False)])
def test_a_setup_data_node_is_kept_and_in_older_kernels_for_the_next_kernel_too(release: str, kept: bool) -> None:
    setup = setup_with((0, G, e820.RAM), (G, 2 * G, e820.RESERVED), release=release)
    setup.e820_reserve_setup_data([PhysRange(0x100000, 0x101000)], from_kexec=False)
    assert (0x100000, 0x101000, e820.RESERVED_KERN) in ranges(setup.table)
    assert ((0x100000, 0x101000, e820.RESERVED_KERN) in ranges(setup.table_kexec)) == kept
    assert "reserve setup_data: [mem 0x0000000000100000-0x0000000000100fff] usable" in setup.log.lines


def test_a_kernel_outside_ram_makes_its_place_ram() -> None:
    setup = setup_with((0, G, e820.RAM), (G, 2 * G, e820.RESERVED))
    setup.e820_add_kernel_range(G, G + 0x1000)
    setup.trim_bios_range()
    assert (0x100000, G + 0x1000, e820.RAM) in ranges(setup.table)


@pytest.mark.parametrize(
    ("options", "kib"),
    [({}, 152), ({"X86_5LEVEL": "y"}, 160), ({"RANDOMIZE_MEMORY": "y"}, 176), ({"DMI": "n"}, 88)],
)
def test_the_image_ends_with_room_for_page_tables_that_the_options_ask_for(options: dict[str, Any], kib: int) -> None:
    assert brk_size(Kernel("6.12", "x86_64", config=options)) == kib << 10


def test_soft_reserved_memory_is_no_ram_and_does_not_raise_max_pfn() -> None:
    setup = setup_with((0, G, e820.RAM), (4 * G, 8 * G, e820.SOFT_RESERVED))
    setup.find_max_pfn(1 << 34)
    memblock = Memblock(setup.log, setup.kernel)
    memblock_setup(setup.table, memblock, 4096)
    assert setup.max_pfn == G >> 12
    assert [(r.base, r.size) for r in memblock.memory] == [(0, G)]
    assert [(r.base, r.size) for r in memblock.reserved] == [(4 * G, 4 * G)]


def test_partial_pages_are_no_memory() -> None:
    setup = setup_with((0x800, 0x3800, e820.RAM), (G, 2 * G, e820.RAM))
    memblock = Memblock(setup.log, setup.kernel)
    memblock_setup(setup.table, memblock, 4096)
    assert memblock.memory.regions[0].base == 0x1000
    assert memblock.memory.regions[0].size == 0x2000


def test_reserved_and_soft_reserved_memory_wait_for_pci_and_suppress_the_ram_buffer() -> None:
    setup = setup_with((0x100000, G, e820.RAM), (G, 2 * G, e820.SOFT_RESERVED), (3 * G, 3 * G + 0x1000, e820.RAM))
    tree = ResourceTree(setup.log)
    resources = E820Resources(setup.table, tree.root, tree.root, setup.log)
    resources.reserve_resources()
    assert tree.lines() == ["00100000-3fffffff : System RAM", "c0000000-c0000fff : System RAM"]
    resources.reserve_resources_late()
    assert tree.lines() == [
        "00100000-3fffffff : System RAM",
        "40000000-7fffffff : Soft Reserved",
        "c0000000-c0000fff : System RAM",
        "c0001000-c3ffffff : RAM buffer",
    ]


def test_without_a_gap_below_4_gib_devices_go_above_ram() -> None:
    setup = setup_with((0, 5 * G, e820.RAM), (8 * G, 9 * G, e820.RESERVED))
    setup_pci_gap(setup.table, 5 * G >> 12, setup.log)
    assert setup.log.lines[-1] == "[mem 0x140100000-0x1404fffff] available for PCI devices"


@pytest.mark.parametrize(
    ("end", "hypervisor", "advised", "size"),
    [
        (0x18_6000_0000, False, 0, 2 * G),
        (0x18_6000_0000, False, 4 * G, G // 2),
        (0x18_6000_0000, True, 4 * G, G // 2),
        (0x18_8000_0000, True, 4 * G, 2 * G),
        (0x18_8000_0000, True, G // 4, G // 4),
        (0x18_8000_0000, False, G // 4, G // 4),
        (0xF_C000_0000, False, G // 4, G // 8),
    ],
)
def test_what_suits_cxl_windows_bounds_memory_blocks_on_bare_metal_too(
    end: int, hypervisor: bool, advised: int, size: int
) -> None:
    """``probe_memory_block_size``: from the advice (2 GiB at most) down to what divides the end of RAM."""
    block = MemoryBlockSize(Kernel("6.18", "x86_64"), EventLog())
    assert block.probe_memory_block_size(end >> 12, hypervisor, advised) == size


#: Half a page that is no RAM, what touches it, a gap, RAM up to 64 MiB, and something above all RAM.
_NOSAVE = (
    (0x1000, 0x9F000, e820.RAM),
    (0x9F000, 0xA0000, e820.RESERVED),
    (0x100000, 0x200800, e820.RAM),
    (0x200800, 0x200C00, e820.NVS),
    (0x200C00, 0x300000, e820.RAM),
    (0x300000, 0x400000, e820.ACPI),
    (0x500000, 0x4000000, e820.RAM),
    (0xF0000000, 0xF8000000, e820.RESERVED),
)


#: A page that RAM ends in, and begins in again, is left out twice.
_PIECES = [(0, 1), (0x9F, 0xA0), (0xA0, 0x100), (0x200, 0x201), (0x200, 0x201), (0x300, 0x400), (0x400, 0x500)]


@pytest.mark.parametrize(
    ("release", "prefix", "ends"),
    [
        ("5.4.1", "PM: ", _PIECES),
        ("6.1.134", "PM: hibernation: ", _PIECES),
        ("6.1.135", "PM: hibernation: ", [(0, 1), (0x9F, 0x100), (0x200, 0x201), (0x300, 0x500)]),
        ("6.15", "PM: hibernation: ", [(0, 1), (0x9F, 0x100), (0x200, 0x201), (0x300, 0x500)]),
    ],
)
def test_what_hibernation_leaves_out_is_printed(release: str, prefix: str, ends: list[tuple[int, int]]) -> None:
    setup = setup_with(*_NOSAVE, release=release)
    before = len(setup.log.lines)
    register_nosave_regions(setup.table, 0x4000, setup.kernel, setup.log)
    assert setup.log.lines[before:] == [
        f"{prefix}Registered nosave memory: [mem {start << 12:#010x}-{(end << 12) - 1:#010x}]" for start, end in ends
    ]
