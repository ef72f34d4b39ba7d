"""Which boot a log tells of, and what it lacks of it."""

from __future__ import annotations

import pytest
from softreserve.config.log import parse_log
from softreserve.model.errors import InputError
from softreserve.model.scenario import Scenario

BOOT = """\
Linux version 6.12.{} (x)
Command line: quiet
BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] soft reserved
smp: Brought up 1 node, 4 CPUs
"""


def missing(scenario: Scenario) -> list[str]:
    """What a scenario lacks."""
    return [gap.missing for gap in scenario.gaps]


def release(text: str) -> str:
    """The kernel of which a log tells."""
    return parse_log(text).machine.kernel.release


@pytest.mark.parametrize("separator", ["-- Boot 0123456789abcdef0123456789abcdef --", "-- Reboot --"])
def test_the_last_boot_of_a_journal_counts_that_tells_of_memory(separator: str) -> None:
    first, last = BOOT.format(1), BOOT.format(2)
    assert release(f"{separator}\n{last}") == "6.12.2"
    assert "the other boots" not in missing(parse_log(f"{separator}\n{last}"))
    for text in (f"{first}{separator}\n{last}", f"{first}{separator}\n{last}{separator}\ndone\n"):
        assert release(text) == "6.12.2"
        assert "the other boots" in missing(parse_log(text))


def test_lines_of_a_boot_are_not_taken_for_those_of_the_one_before() -> None:
    late = BOOT.format(2).split("\n", 3)[3].replace("0x000000007fffffff", "0x00000000ffffffff")
    text = f"{BOOT.format(1)}-- Boot 0123456789abcdef0123456789abcdef --\n{late}"
    with pytest.raises(InputError, match=r"no line 'Linux version ...' in it: .* --kernel RELEASE says which kernel"):
        parse_log(text)
    scenario = parse_log(text, release="6.1")
    assert scenario.machine.kernel.release == "6.1"
    assert [entry.size for entry in scenario.machine.e820 or ()] == [0xA0000, 0xFFF00000, 2 << 30]
    assert {"the line of the kernel's version", "the command line", "the other boots"} <= set(missing(scenario))


def test_a_log_that_has_its_newest_line_first_is_read_from_its_end() -> None:
    text = BOOT.format(2)
    assert parse_log("\n".join(reversed(text.splitlines()))).machine == parse_log(text).machine


def test_what_kernels_say_before_their_version_is_of_their_boot() -> None:
    text = "Booting paravirtualized kernel\n" + BOOT.format(2)
    assert missing(parse_log(text)) == missing(parse_log(BOOT.format(2)))


def test_what_of_a_map_may_be_missing_is_said() -> None:
    head, table = BOOT.format(2).split("BIOS-provided physical RAM map:\n")
    late = head + "".join(table.splitlines(keepends=True)[1:])
    assert "the beginning of the e820 table" in missing(parse_log(late))
    assert "the beginning of the e820 table" not in missing(parse_log(head + table))
    assert "the end of the log" in missing(parse_log(BOOT.format(2).split("smp: ")[0]))


def test_messages_that_were_lost_are_counted() -> None:
    text = BOOT.format(2)
    gaps = {gap.missing: gap.so for gap in parse_log(text + "** 12 printk messages dropped **\n").gaps}
    assert gaps["some messages"] == "a line says that 12 were lost; lines of the maps may be among them"
    text = (
        text.replace("smp:", "** 3 printk messages dropped ** smp:") + "systemd-journald[1]: Missed 4 kernel messages\n"
    )
    gaps = {gap.missing: gap.so for gap in parse_log(text).gaps}
    assert gaps["some messages"].startswith("2 lines say that 7 were lost")
    assert parse_log(text).machine.cpus == 4


def test_a_line_of_megabytes_is_passed_over_or_refused() -> None:
    text = BOOT.format(2)
    for filling in ("x", "["):
        assert parse_log(text + filling * (2 << 20)).machine == parse_log(text).machine
    with pytest.raises(InputError, match=r"line 8: .{,200}$"):
        parse_log(text + "BIOS-e820: [mem 0x" + "0" * (10 << 20))


def test_memory_of_the_srat_is_read_as_kernels_before_3_5_print_it() -> None:
    new = "SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]\nSRAT: Node 1 PXM 3 [mem 0x100000000-0x17fffffff]\n"
    old = "SRAT: Node 0 PXM 0 0-a0000\nSRAT: Node 1 PXM 3 100000000-180000000\n"
    assert parse_log(BOOT.format(2) + old).machine == parse_log(BOOT.format(2) + new).machine


def test_an_efi_map_that_the_kernel_could_not_read_is_said_to_be_so() -> None:
    text = BOOT.format(2) + "efi: Could not map the memory map!\n"
    gaps = {gap.missing: gap.so for gap in parse_log(text).gaps}
    assert gaps["the EFI memory map"].startswith(
        "the kernel could not read it (efi: Could not map the memory map!). What"
    )


@pytest.mark.usefixtures("two_architectures")
def test_a_part_of_an_efi_map_is_not_taken_for_the_whole_without_a_word() -> None:
    line = "efi:   0x000040000000-0x00007fffffff [Conventional|   |  |WB|  |  |  ]\n"
    assert "the beginning of the EFI map" in missing(parse_log(line, release="6.12"))
    whole = "efi: Processing EFI memory map:\n" + line
    assert "the beginning of the EFI map" not in missing(parse_log(whole, release="6.12"))
