"""Whole boots with nothing but this plugin. Expected lines: as in recorded boots of such machines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from softreserve.kernel.system import System
from softreserve.model.errors import MachineError

Boot = Callable[..., System]
IOMEM = [
    "40000000-bc43ffff : System RAM",
    "  80010000-80ffffff : Kernel code",
    "  81000000-811fffff : reserved",
    "  81200000-815fffff : Kernel data",
    "  90000000-902fffff : reserved",
    "bc440000-bc72ffff : reserved",
    "bc730000-bfffffff : System RAM",
    "  bc730000-bc73ffff : reserved",
    "c0000000-13fffffff : Soft Reserved",
]


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_iomem_has_ram_unmapped_memory_and_the_exact_descriptor(booted: Boot, release: str) -> None:
    assert booted(release).iomem.lines() == IOMEM


def test_nosoftreserve_makes_it_ordinary_memory_of_its_node(booted: Boot) -> None:
    lines = booted(cmdline="efi=nosoftreserve").iomem.lines()
    assert lines[-2:] == ["  bc730000-bc73ffff : reserved", "c0000000-13fffffff : System RAM"]


def test_noruntime_does_not_keep_soft_reserved_memory_from_being_registered(booted: Boot) -> None:
    system = booted(cmdline="efi=noruntime")
    assert system.iomem.lines() == IOMEM
    assert "EFI runtime services will be disabled." in system.log.lines


def test_a_memory_only_node_of_soft_reserved_memory_is_online_from_boot(booted: Boot) -> None:
    for release in ("6.1", "6.12"):
        system = booted(release)
        assert system.nodes.online == {0, 1}
        assert system.nodes.has_memory == {0}
        assert "NUMA: Initmem setup node 1 [<memory-less node>]" in system.log.lines
        assert "Initmem setup node 1 as memoryless" in system.log.lines


def test_the_log_keeps_the_order_of_setup_arch(booted: Boot) -> None:
    lines = booted("6.12", "efi=debug mem=1G").log.lines
    marks = [
        "Memory limited to 1024MB",
        "efi: Processing EFI memory map:",
        "ACPI: SRAT: Node 0 PXM 0 [mem 0x40000000-0xbfffffff]",
        "Zone ranges:",
        "ACPI: NUMA: SRAT: PXM 0 -> MPIDR 0x1 -> Node 0",
        "smp: Brought up 2 nodes, 2 CPUs",
    ]
    assert [line for line in lines if line in marks] == marks


def test_malformed_early_options_are_named(booted: Boot) -> None:
    lines = booted(cmdline="mem numa efi numa=fake=4").log.lines
    assert [line for line in lines if "Malformed" in line] == [
        "Malformed early option 'mem'",
        "Malformed early option 'numa'",
        "Malformed early option 'efi'",
        "Malformed early option 'numa'",  # built without CONFIG_NUMA_EMU
    ]


def test_blocks_and_hotplug_limits_follow_the_page_size(booted: Boot) -> None:
    small, large = booted().memory, booted(page_size=65536).memory
    assert (small.block_size, large.block_size) == (128 << 20, 512 << 20)
    assert small.mappable_range == (0x40000000, 0x40000000 + (1 << 47) - 1)


def test_a_machine_without_an_efi_map_cannot_be_booted(booted: Boot) -> None:
    with pytest.raises(MachineError, match="EFI memory map"):
        booted(efi_map=None)


def test_an_odd_page_size_is_refused(booted: Boot) -> None:
    with pytest.raises(MachineError, match="not 8192"):
        booted(page_size=8192)
