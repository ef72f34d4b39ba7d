"""Lines that mailers wrap, and lines that other output tears: put together where that is certain, else refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from softreserve.config.log import parse_log
from softreserve.model.errors import InputError

pytestmark = pytest.mark.usefixtures("two_architectures")

STAMP = "[    0.000000] "
X86 = [
    f"{STAMP}Linux version 6.12.0 (x)",
    f"{STAMP}Command line: BOOT_IMAGE=/boot/vmlinuz-6.12.0 root=/dev/sda1 console=ttyS0 efi=debug ro quiet",
    f"{STAMP}BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable",
    f"{STAMP}BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] ACPI NVS",
    f"{STAMP}BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] soft reserved",
    f"{STAMP}efi: mem00: [Conventional|   |  |  |WB|WT|WC|UC] range=[0x0000000000000000-0x000000000009ffff] (0MB)",
    f"{STAMP}efi: mem01: [ACPI Mem NVS|   |  |  |WB|WT|WC|UC] range=[0x0000000000100000-0x000000007fffffff] (2047MB)",
    f"{STAMP}efi: mem02: [Conventional|   |  |SP|WB|WT|WC|UC] range=[0x0000000100000000-0x000000017fffffff] (2048MB)",
    f"{STAMP}ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]",
    f"{STAMP}ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x17fffffff]",
    f"{STAMP}Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.12.0 root=/dev/sda1 console=ttyS0 efi=debug ro quiet",
    f"{STAMP}smp: Brought up 1 node, 4 CPUs",
]
ARM64 = [
    f"{STAMP}Booting Linux on physical CPU 0x0000000000 [0x411fd070]",
    f"{STAMP}Linux version 6.12.0 (x)",
    f"{STAMP}efi:   0x000040000000-0x00007fffffff [Conventional|   |  |  |  |  |  |  |  |WB|  |  |  ]",
    f"{STAMP}efi:   0x000080000000-0x0000bfffffff [Conventional|   |  |SP|  |  |  |  |  |WB|  |  |  ]",
    f"{STAMP}  node   0: [mem 0x0000000040000000-0x000000007fffffff]",
    f"{STAMP}Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.12.0 root=/dev/sda1 console=ttyAMA0,115200 efi=debug ro",
    f"{STAMP}Dentry cache hash table entries: 262144 (order: 5, 2097152 bytes, linear)",
    f"{STAMP}smp: Brought up 1 node, 4 CPUs",
]
LOGS = {"x86": X86, "arm64": ARM64}


def by_a_mailer(line: str) -> str:
    """Broken at the last blank before a column."""
    found = []
    while len(line) > 72 and " " in line[16:72]:
        at = line.rindex(" ", 16, 72)
        found.append(line[:at])
        line = line[at + 1 :]
    return "\n".join([*found, line])


def by_a_reply(line: str) -> str:
    """Wrapped, and then quoted."""
    return "\n".join(f"> {part}" for part in by_a_mailer(line).split("\n"))


@pytest.mark.parametrize("arch", LOGS)
@pytest.mark.parametrize("wrap", [by_a_mailer, by_a_reply])
def test_what_a_mailer_wrapped_is_read_as_if_it_had_not(arch: str, wrap: Callable[[str], str]) -> None:
    whole = parse_log("\n".join(LOGS[arch]))
    wrapped = parse_log("\n".join(map(wrap, LOGS[arch])))
    assert wrapped.machine == whole.machine
    gaps = [gap for gap in wrapped.gaps if gap not in whole.gaps]
    # what x86 says twice is certain
    assert [gap.missing for gap in gaps] == ["the command line in one piece"] * (arch == "arm64")


@pytest.mark.parametrize("arch", LOGS)
@pytest.mark.parametrize("noise", ["[  OK  ] Started x.", "my-server login: ", "abc", "systemd[1]: 0x12 reserved"])
def test_a_line_that_other_output_tore_is_mended_or_refused_and_never_read_wrongly(arch: str, noise: str) -> None:
    said = LOGS[arch]
    whole = parse_log("\n".join(said)).machine
    mended = refused = 0
    for at, line in enumerate(said):
        if not re.search(r"BIOS-e820|efi: |SRAT|node ", line):
            continue
        for cut in range(len(STAMP) + 1, len(line), 3):
            torn = "\n".join([*said[:at], line[:cut] + noise, line[cut:], *said[at + 1 :]])
            try:
                machine = parse_log(torn).machine
            except InputError:
                refused += 1
                continue
            assert machine == whole, torn
            mended += 1
    assert mended > 2 * refused


@pytest.mark.parametrize(
    ("torn", "why"),
    [
        # a longer type may have lost its first word
        ("BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] soft[  OK  ]\nreserved\n", "unknown e820 type 'soft"),
        # nothing has its end
        ("BIOS-e820: [mem 0x0000000100000000-0x0000000[  OK  ]\nDone.\n", "cannot be read: 'BIOS-e820: "),
        # nothing has its beginning
        ("00000001-0x000000017fffffff] soft reserved\n", "cannot be read: '00000001"),
        ("[Conventional|   |SP|WB|  |  |  ]\n", "cannot be read: '[Conv"),
    ],
)
def test_what_can_be_mended_in_no_way_or_in_several_is_an_error_that_shows_the_line(torn: str, why: str) -> None:
    with pytest.raises(InputError, match=f"line 6: .*{re.escape(why)}"):
        parse_log("\n".join(X86[:5]) + "\n" + torn)


def test_what_follows_a_whole_line_is_not_its_end() -> None:
    noisy = "\n".join(f"{line}\nStarted x.service - of 0x12 kinds [mem] reserved" for line in X86)
    assert parse_log(noisy).machine == parse_log("\n".join(X86)).machine
    both = "\n".join(f"{line}[  OK  ] Started x." for line in X86 if "ommand line" not in line)
    assert parse_log(both).machine.efi_map == parse_log("\n".join(X86)).machine.efi_map


def test_many_torn_lines_take_no_long_time() -> None:
    text = "\n".join(X86) + "\n" + "BIOS-e820: [mem 0x0000000100000000-0x0000000\n" * 20_000
    with pytest.raises(InputError, match="and 19999 more such lines"):
        parse_log(text)


def test_two_command_lines_that_do_not_agree_are_said() -> None:
    def missing(first: str, second: str) -> list[str]:
        said = ("\n".join(X86)).replace("quiet", first, 1)
        return [gap.missing for gap in parse_log(second.join(said.rsplit("quiet", 1))).gaps]

    assert "a certain command line" in missing("qu[  OK  ] Started x.", "quiet")
    assert "a certain command line" not in missing("quiet", "quiet")
    assert "a certain command line" not in missing("quiet", "quiet built=in")
