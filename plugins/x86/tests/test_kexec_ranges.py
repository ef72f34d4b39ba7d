"""Memory ranges as the real kexec 2.0.25 listed them for the same tables (worked examples of the dossier)."""

from typing import Any

import pytest
from softreserve.config.builds import default_config
from softreserve.kernel.kexec.ranges import RAM, RESERVED, MemoryRange
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, Machine
from softreserve.plugins.hooks import load
from softreserve_x86.kexec_ranges import fixup, x86_ranges

SOFT = 0xEFFFFFFF
UNKNOWN = (
    "Unknown type (Soft Reserved) while parsing /sys/firmware/memmap/4/type. "
    "Please report this as bug. Using RANGE_RESERVED now."
)


G = 1 << 30
#: 8 GiB of soft reserved memory at 9 GiB, RAM around it.
TABLE = tuple(
    E820Entry(start, end - start, kind)
    for start, end, kind in (
        (0, 0x9FC00, 1),
        (0x9FC00, 0x100000, 2),
        (0x100000, 0xC0000000, 1),
        (4 * G, 9 * G, 1),
        (9 * G, 17 * G, SOFT),
        (17 * G, 20 * G, 1),
    )
)


def booted(table: tuple[E820Entry, ...] = TABLE, cmdline: str = "", release: str = "6.12") -> System:
    kernel = Kernel(release, "x86_64", config=default_config("x86_64", release))
    machine = Machine("x86", kernel, CommandLine(cmdline), e820=table, boot="loader")
    return boot(machine, load(["x86"]))


def listed(ranges: list[Any]) -> list[str]:
    return [f"{r.start:x}-{r.end:x} ({r.type})" for r in ranges]


def test_soft_reserved_in_the_firmware_map_becomes_reserved_with_a_complaint() -> None:
    system = booted()
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
def test_add_efi_memmap_on_the_command_line_makes_iomem_the_source(release: str) -> None:
    """Lines of every level count there, and Soft Reserved is no line that counts: a hole."""
    system = booted(cmdline="add_efi_memmap", release=release)
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


def test_only_the_first_ram_range_is_kept_off_the_interrupt_table() -> None:
    table = (E820Entry(0, 0x1000, 1), E820Entry(0x1000, 0x1000, 2), E820Entry(0x100000, 0x40000000, 1))
    system = booted(table)
    assert listed(x86_ranges(system, []))[0] == "400-fff (0)"
