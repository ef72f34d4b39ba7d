"""Nodes. Expected values: derived by hand from ``arch_numa.c`` of both releases; lines as in recorded boots."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from softreserve.kernel.system import System
from softreserve.model.acpi.madt import GenericInterrupt, Madt
from softreserve.model.acpi.srat import GiccAffinity, MemoryAffinity, Srat
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap

Boot = Callable[..., System]
CPUS = [GiccAffinity(proximity_domain=0, acpi_processor_uid=uid) for uid in (0, 1)]
BLOCKS = ((0, 0x40000000, 0xC0000000), (1, 0xC0000000, 0x140000000))
WC, WB, SP = 0x2, 0x8, 0x40000
#: The firmware says of its flash that it can be mapped write-combining.
FLASH = EfiMemoryMap(
    [
        EfiDescriptor(11, 0x4000000, 0x4000, WC),
        EfiDescriptor(7, 0x40000000, 0x80000, WB),
        EfiDescriptor(7, 0xC0000000, 0x80000, WB | SP),
    ]
)


def srat(*memory: tuple[int, int, int], cpus: list[GiccAffinity] = CPUS) -> bytes:
    """Processors, and memory as (domain, start, end)."""
    blocks = [MemoryAffinity(proximity_domain=pxm, base=start, size_bytes=end - start) for pxm, start, end in memory]
    return Srat([*cpus, *blocks]).sealed()


def numa_lines(system: System) -> list[str]:
    return [line for line in system.log.lines if line.startswith("NUMA:")]


def test_one_uncovered_range_throws_the_srat_away_before_6_12(booted: Boot) -> None:
    system = booted("6.1", efi_map=FLASH)
    assert numa_lines(system) == [
        "NUMA: Warning: invalid memblk node 16 [mem 0x0000000004000000-0x0000000007ffffff]",
        "NUMA: Faking a node at [mem 0x0000000004000000-0x00000000bfffffff]",
    ]
    assert system.nodes.online == system.nodes.possible == {0}


def test_one_uncovered_range_throws_the_srat_away_in_6_12(booted: Boot) -> None:
    system = booted("6.12", efi_map=FLASH)
    assert numa_lines(system) == [
        "NUMA: no nodes coverage for 64MB of 2112MB RAM",
        "NUMA: Faking a node at [mem 0x0000000004000000-0x00000000bfffffff]",
    ]
    assert system.nodes.pxm_to_node(1) == -1
    assert "ACPI: NUMA: SRAT: PXM 0 -> MPIDR 0x1 -> Node -1" in system.log.lines
    assert system.nodes.cpu_node(1) == 0


def test_numa_off_fakes_one_node_and_says_so(booted: Boot) -> None:
    for release in ("6.1", "6.12"):
        assert numa_lines(booted(release, "numa=off")) == [
            "NUMA: NUMA disabled",
            "NUMA: Faking a node at [mem 0x0000000040000000-0x00000000bfffffff]",
        ]


def test_without_an_srat_only_the_older_kernel_says_that_firmware_failed(booted: Boot) -> None:
    faking = "NUMA: Faking a node at [mem 0x0000000040000000-0x00000000bfffffff]"
    assert numa_lines(booted("6.1", acpi={})) == ["NUMA: Failed to initialise from firmware", faking]
    assert numa_lines(booted("6.12", acpi={})) == [faking]


def test_only_6_12_knows_the_node_of_soft_reserved_memory(booted: Boot) -> None:
    old, new = booted("6.1"), booted("6.12")
    assert (old.nodes.phys_to_target_node(0xC0000000), new.nodes.phys_to_target_node(0xC0000000)) == (0, 1)
    assert old.log.lines[-1] == "Unknown target node for memory at 0xc0000000, assuming node 0"


def test_overlapping_entries_override_in_6_1_and_are_refused_in_6_12(booted: Boot) -> None:
    overlapping = {"SRAT": srat((0, 0x40000000, 0xC0000000), (1, 0x80000000, 0x140000000))}
    old, new = booted("6.1", acpi=overlapping), booted("6.12", acpi=overlapping)
    assert {(r.base, r.nid) for r in old.memblock.memory if not r.is_nomap} >= {(0x40000000, 0), (0x80000000, 1)}
    assert new.nodes.online == {0}
    assert any("overlaps with node 1" in line for line in new.log.lines)


def test_system_ram_is_split_at_node_borders(booted: Boot) -> None:
    split = {"SRAT": srat((0, 0x40000000, 0x80000000), (1, 0x80000000, 0xC0000000))}
    lines = booted(acpi=split).iomem.lines()
    assert lines[:2] == ["40000000-7fffffff : System RAM", "80000000-bc43ffff : System RAM"]


def test_a_cpu_only_domain_makes_a_node_without_memory(booted: Boot) -> None:
    cpus = [GiccAffinity(proximity_domain=pxm, acpi_processor_uid=uid) for uid, pxm in enumerate((0, 7))]
    system = booted("6.1", acpi={"SRAT": srat(*BLOCKS, cpus=cpus)})
    assert system.nodes.pxm_to_node(7) == 1
    assert system.nodes.pxm_to_node(1) == 2
    assert system.nodes.cpu_node(1) == 1


def test_a_short_processor_entry_makes_the_srat_bad(booted: Boot) -> None:
    memory = MemoryAffinity(proximity_domain=0, base=0x40000000, size_bytes=0x80000000)
    table = bytearray(Srat([memory, CPUS[0]]).sealed())
    table[-GiccAffinity.size() + 1] = 16  # the length of the last entry
    lines = booted("6.1", acpi={"SRAT": bytes(table)}).log.lines
    assert "ACPI: NUMA: SRAT: Invalid SRAT header length: 16" in lines
    assert "ACPI: SRAT: SRAT not used." in lines
    assert not any("MPIDR" in line for line in lines)


def madt(*cpus: tuple[int, int, int]) -> bytes:
    """(UID, MPIDR, flags) each."""
    return Madt([GenericInterrupt(cpu_interface_number=0, uid=u, flags=f, arm_mpidr=m) for u, m, f in cpus]).sealed()


def test_processors_are_found_by_uid_and_unusable_ones_are_passed_over(booted: Boot) -> None:
    table = madt((5, 0x100, 0), (1, 0x0, 1), (1, 0x0, 1), (0, 0x101, 1), (9, 1 << 30, 1))
    lines = booted("6.12", acpi={"SRAT": srat(*BLOCKS), "APIC": table}).log.lines
    assert "duplicate CPU MPIDR 0x0 in MADT" in lines
    assert "skipping CPU entry with invalid MPIDR 0x40000000" in lines
    assert [line for line in lines if "PXM 0 -> MPIDR" in line] == [
        "ACPI: NUMA: SRAT: PXM 0 -> MPIDR 0x101 -> Node 0",
        "ACPI: NUMA: SRAT: PXM 0 -> MPIDR 0x0 -> Node 0",
    ]


@pytest.mark.parametrize("cmdline", ["acpi=off", "acpi=off acpi=force"])
def test_acpi_off_leaves_one_node_and_nothing_takes_it_back(booted: Boot, cmdline: str) -> None:
    """6.12.117 took the second line as the first."""
    system = booted(cmdline=cmdline)
    assert system.nodes.online == {0}
    assert system.acpi == {}
    assert not any("SRAT" in line for line in system.log.lines)


def test_write_combining_flash_is_memory_that_is_not_mapped(booted: Boot) -> None:
    assert booted(efi_map=FLASH).iomem.lines()[0] == "04000000-07ffffff : reserved"


def test_zone_dma_ends_at_4_gib_or_with_memory(booted: Boot) -> None:
    high = EfiMemoryMap([EfiDescriptor(7, 0x200000000, 0x100000, WB)])
    for release in ("6.1", "6.12"):
        lines = booted(release, efi_map=high, acpi={}).log.lines
        at = lines.index("Zone ranges:")
        assert lines[at + 1 : at + 4] == [
            "  DMA      [mem 0x0000000200000000-0x00000002ffffffff]",
            "  DMA32    empty",
            "  Normal   empty",
        ]
