"""Memory ranges as the real kexec 2.0.25 listed them for the same tables (worked examples of the dossier)."""

from typing import Any

import pytest
from softreserve.model.machine import E820Entry
from softreserve_kexec.ranges import RAM, RESERVED, MemoryRange, arm64_ranges, fixup, x86_ranges

SOFT = 0xEFFFFFFF
UNKNOWN = (
    "Unknown type (Soft Reserved) while parsing /sys/firmware/memmap/4/type. "
    "Please report this as bug. Using RANGE_RESERVED now."
)


def listed(ranges: list[Any]) -> list[str]:
    return [f"{r.start:x}-{r.end:x} ({r.type})" for r in ranges]


def test_soft_reserved_in_the_firmware_map_becomes_reserved_with_a_complaint(lab: Any) -> None:
    system = lab.boot(lab.x86(e820=lab.firmware_table(SOFT)))
    output: list[str] = []
    assert listed(x86_ranges(system, output)) == [
        "400-9fbff (0)",
        "9fc00-fffff (1)",
        "100000-bfffffff (0)",
        "100000000-23fffffff (0)",
        "240000000-43fffffff (1)",
        "440000000-4ffffffff (0)",
    ]
    assert output[0] == UNKNOWN
    assert output[1] == "MEMORY RANGES"


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_add_efi_memmap_on_the_command_line_makes_iomem_the_source(lab: Any, release: str) -> None:
    """Lines of every level count there, and Soft Reserved is no line that counts: a hole."""
    system = lab.boot(lab.x86(e820=lab.firmware_table(SOFT), cmdline="add_efi_memmap", release=release))
    output: list[str] = []
    ranges = listed(x86_ranges(system, output))
    assert "100000000-23fffffff (0)" in ranges
    assert not any(r.startswith("240000000") for r in ranges)
    assert UNKNOWN not in output


def test_overlaps_of_one_type_move_the_start_to_the_end_of_the_one_before() -> None:
    table = [
        MemoryRange(0x100000000, 0x23FFFFFFF, RAM),
        MemoryRange(0x200000000, 0x2FFFFFFFF, RAM),
        MemoryRange(0x240000000, 0x43FFFFFFF, RAM),
    ]
    assert listed(fixup(table)) == ["100000000-23fffffff (0)", "23fffffff-2ffffffff (0)", "2ffffffff-43fffffff (0)"]


def test_a_range_inside_another_of_its_type_vanishes_and_one_of_another_type_stays() -> None:
    table = [MemoryRange(0, 0xFFFF, RAM), MemoryRange(0x1000, 0x1FFF, RAM), MemoryRange(0x2000, 0x2FFF, RESERVED)]
    assert fixup(table) == [MemoryRange(0, 0xFFFF, RAM), MemoryRange(0x2000, 0x2FFF, RESERVED)]


def test_only_the_first_ram_range_is_kept_off_the_interrupt_table(lab: Any) -> None:
    table = (E820Entry(0, 0x1000, 1), E820Entry(0x1000, 0x1000, 2), E820Entry(0x100000, 0x40000000, 1))
    system = lab.boot(lab.x86(e820=table))
    assert listed(x86_ranges(system, []))[0] == "400-fff (0)"


def test_arm64_cuts_what_is_reserved_inside_ram_and_ignores_what_lies_outside() -> None:
    lines = """\
40000000-13fffffff : System RAM
  40210000-41ffffff : Kernel code
  42000000-4251ffff : reserved
  42520000-4290ffff : Kernel data
  48000000-4800ffff : reserved
  13bc00000-13fffffff : reserved
880000000-c7fffffff : Soft Reserved
  880000000-c7fffffff : dax0.0
    880000000-c7fffffff : System RAM (kmem)""".splitlines()
    output: list[str] = []
    assert listed(arm64_ranges(lines, output)) == [
        "40000000-41ffffff (0)",
        "42520000-47ffffff (0)",
        "48010000-13bbfffff (0)",
    ]
    assert output[0] == "get_memory_ranges:+[0] 0000000040000000 - 000000013fffffff"
