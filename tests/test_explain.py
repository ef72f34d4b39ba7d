"""The way of an address through a whole boot, in order."""

from __future__ import annotations

import json

import pytest
from softreserve.cli import main
from softreserve.plugins.selection import Selection

pytestmark = pytest.mark.skipif(not {"x86_64", "arm64"} <= set(Selection().arches), reason="needs x86 and arm64")

#: Machine, address, release, what it is in the end, and the kernel functions that decided, in their order.
WAYS = [
    (
        "example:two-node",
        "4G",
        "6.12",
        "Soft Reserved > dax0.0 > System RAM (kmem)",
        [
            "setup_e820",
            "do_add_efi_memmap",
            "e820__memblock_setup",
            "acpi_parse_memory_affinity",
            "numa_cleanup_meminfo",
            "hmem_register_resource",
            "e820__reserve_resources_late",
            "hmem_register_device",
            "dax_hmem_probe",
            "add_memory_resource",
            "online_pages",
            "dax_bus_probe",
        ],
    ),
    (
        "example:two-node",
        "4G",
        "6.1",
        "hmem.0 > Soft Reserved > dax0.0",
        [
            "setup_e820",
            "do_add_efi_memmap",
            "e820__memblock_setup",
            "acpi_parse_memory_affinity",
            "numa_cleanup_meminfo",
            "e820__reserve_resources_late",
            "hmem_register_device",
            "dax_hmem_probe",
            "dax_bus_probe",
        ],
    ),
    (
        "example:arm64-server",
        "0x10000000000",
        "6.12",
        "Soft Reserved > dax0.0 > System RAM (kmem)",
        [
            "reserve_regions",
            "acpi_parse_memory_affinity",
            "numa_cleanup_meminfo",
            "arm_enable_runtime_services",
            "hmem_register_resource",
            "hmem_register_device",
            "dax_hmem_probe",
            "add_memory_resource",
            "online_pages",
            "dax_bus_probe",
        ],
    ),
    (
        "example:arm64-server",
        "0x10000000000",
        "6.1",
        "Soft Reserved",
        [
            "reserve_regions",
            "acpi_parse_memory_affinity",
            "arm_enable_runtime_services",
        ],
    ),
    (
        "example:two-node",
        "1M",
        "6.12",
        "System RAM",
        [
            "setup_e820",
            "e820__memblock_setup",
            "acpi_parse_memory_affinity",
            "e820__reserve_resources",
        ],
    ),
    (
        "example:two-node",
        "2033M",
        "6.1",
        "Reserved",
        [
            "setup_e820",
            "acpi_parse_memory_affinity",
            "numa_cleanup_meminfo",
            "e820__reserve_resources_late",
        ],
    ),
    (
        "example:arm64-server",
        "3G",
        "6.12",
        "reserved",
        [
            "reserve_regions",
            "acpi_parse_memory_affinity",
            "request_standard_resources",
        ],
    ),
    (
        "example:arm64-server",
        "0x9000000",
        "6.12",
        "no resource",
        [
            "reserve_regions",
        ],
    ),
]


@pytest.mark.parametrize(("machine", "address", "release", "owners", "functions"), WAYS)
def test_the_way_of_an_address_is_told_in_order(
    machine: str,
    address: str,
    release: str,
    owners: str,
    functions: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", machine, address, "--kernel", release, "--no-changes"]) == 0
    first, firmware, *_ = capsys.readouterr().out.splitlines()
    assert first.split(" is ", 1)[1].split(", looked up as")[0] == owners
    assert firmware.startswith("  firmware: EFI descriptor ")
    assert main(["explain", machine, address, "--kernel", release, "--no-changes", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    told = [event["function"].rpartition(": ")[2] for event in events if event["stage"] != "firmware"]
    rest = iter(told)
    assert all(name in rest for name in functions), told


def test_a_hole_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "example:two-node", "3G"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0xc0000000 is no resource",
        "  neither the firmware's map nor anything later names it",
    ]


def test_memory_that_the_command_line_took_away_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "example:two-node", "1G", "--cmdline", "mem=512M efi=nosoftreserve", "--no-changes"]) == 0
    assert "removed from e820: usable" in capsys.readouterr().out


def test_a_soft_reserved_range_that_is_not_aligned_tells_where_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "example:unaligned", "0x1000ff000", "--no-changes"]) == 0
    assert "no region: not aligned to large pages: hmem.0 -> no dax device" in capsys.readouterr().out


def test_a_difference_between_releases_shows_who_gets_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "example:two-node", "--kernel", "6.1", "--emit", "iomem"]) == 1
    changed = [line for line in capsys.readouterr().out.splitlines() if line[0] in "+-"]
    assert "-    100000000-17fffffff : System RAM (kmem)" in changed
    assert "+100000000-17fffffff : hmem.0" in changed


def test_mem_that_the_import_undoes_makes_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "example:two-node", "--cmdline", "+mem=1G", "--emit", "iomem"]) == 0
    assert main(["diff", "example:two-node", "--cmdline", "+mem=1G efi=nosoftreserve", "--emit", "iomem"]) == 1
    assert "-100000000-17fffffff : Soft Reserved" in capsys.readouterr().out
