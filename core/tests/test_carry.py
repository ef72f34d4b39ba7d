"""What is said about a machine that is booted on another architecture."""

from __future__ import annotations

import attrs
import pytest
from softreserve.machine.carry import lost_on
from softreserve.model.acpi.srat import CpuAffinity, MemoryAffinity, Srat
from softreserve.model.cmdline import CommandLine
from softreserve.model.machine import E820Entry
from softreserve.model.ranges import PhysRange
from softreserve.testing.machines import sample_machine

pytestmark = pytest.mark.usefixtures("two_architectures")


def test_a_machine_without_parts_of_one_architecture_carries_over_whole() -> None:
    assert lost_on(sample_machine("x86_64"), "arm64") == []
    assert lost_on(sample_machine("arm64"), "x86_64") == []


def test_nothing_is_lost_where_nothing_changes() -> None:
    machine = sample_machine("x86_64", cmdline="memmap=1G@4G")
    assert lost_on(machine, "x86_64") == []


def test_options_that_the_other_kernel_does_not_know_are_named() -> None:
    machine = sample_machine("x86_64", cmdline="memmap=1G@4G numa=nohmat mem=2G")
    assert lost_on(machine, "arm64") == [
        "memmap= does nothing on arm64: only x86_64 knows it",
        "numa=nohmat does nothing on arm64",
        "mem= is the highest address on x86_64, and an amount of memory on arm64",
    ]


def test_tables_of_one_architecture_are_named() -> None:
    machine = attrs.evolve(
        sample_machine("x86_64"),
        cmdline=CommandLine(),
        e820=(E820Entry(0, 4096, 1),),
        setup_data=(PhysRange(0x1000, 0x2000),),
        acpi={
            "SRAT": Srat(
                [
                    CpuAffinity(proximity_domain_lo=0, apic_id=0),
                    MemoryAffinity(proximity_domain=0, base=0, size_bytes=1 << 31),
                ]
            ).sealed()
        },
    )
    assert lost_on(machine, "arm64") == [
        "the e820 table is left out: arm64 reads the EFI map",
        "setup_data nodes are left out: arm64 has none",
        "the SRAT names no processor as arm64 does: all processors are on node 0",
    ]


def test_an_unreadable_srat_is_left_for_the_boot_to_complain_about() -> None:
    machine = attrs.evolve(sample_machine("x86_64"), acpi={"SRAT": b"SRAT"})
    assert lost_on(machine, "arm64") == []
