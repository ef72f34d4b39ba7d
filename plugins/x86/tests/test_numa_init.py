"""Nodes and CPUs on x86. Expected values: by hand from ``arch/x86/mm/numa.c`` and ``arch/x86/mm/srat.c``."""

from __future__ import annotations

import pytest
from softreserve.kernel.system import System
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.madt import LocalApic, LocalX2apic, Madt
from softreserve.model.acpi.srat import CpuAffinity, GenericAffinity, MemoryAffinity, Srat, X2apicAffinity
from softreserve.model.acpi.tables import Header, UnknownEntry
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load
from softreserve_x86.numa_init import X86Numa, apic_ids, numa_setup, x86_numa_init

GIB = 1 << 30
CONFIG: dict[str, str | int] = {
    "NUMA": "y",
    "NODES_SHIFT": 6,
    "ACPI_NUMA": "y",
    "NUMA_KEEP_MEMINFO": "y",
    "NUMA_EMU": "y",
}
RELEASES = pytest.mark.parametrize("release", ["6.1", "6.12"])


def memory(pxm: int, start: int, end: int) -> MemoryAffinity:
    return MemoryAffinity(proximity_domain=pxm, base=start * GIB, size_bytes=(end - start) * GIB)


def apic(pxm: int, apic_id: int) -> CpuAffinity:
    return CpuAffinity(proximity_domain_lo=pxm, apic_id=apic_id)


def booted(
    release: str,
    *entries: Struct | UnknownEntry,
    ram: list[tuple[int, int]],
    cpus: int = 2,
    cmdline: str = "",
    revision: int = 3,
) -> tuple[System, X86Numa]:
    """A system up to the end of ``initmem_init()`` with RAM in GiB."""
    srat = Srat(entries, header=Header(signature=b"SRAT", revision=revision)).sealed()
    machine = Machine(
        "test",
        Kernel(release, "x86_64", config=CONFIG),
        CommandLine(cmdline),
        acpi={"SRAT": srat} if entries else {},
        cpus=cpus,
    )
    system = System(machine, load([]))
    for start, end in ram:
        system.memblock.add(start * GIB, (end - start) * GIB)
    for value in system.cmdline.all("numa"):
        numa_setup(system.nodes, value, system.kernel)
    return system, x86_numa_init(system, ram[-1][1] * GIB // 4096)


@RELEASES
def test_a_node_with_nothing_but_soft_reserved_memory_is_possible_and_offline(release: str) -> None:
    system, _ = booted(release, apic(0, 0), apic(0, 1), memory(0, 0, 2), memory(1, 4, 6), ram=[(0, 2)])
    nodes = system.nodes
    assert (nodes.online, nodes.possible) == ({0}, {0, 1})
    assert nodes.phys_to_target_node(4 * GIB) == 1
    cpu_lines = ["SRAT: PXM 0 -> APIC 0x00 -> Node 0", "SRAT: PXM 0 -> APIC 0x01 -> Node 0"]
    assert system.log.lines == [
        *(cpu_lines if release == "6.1" else []),
        "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]",
        "ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x17fffffff]",
    ]


@RELEASES
def test_without_an_srat_there_is_one_node(release: str) -> None:
    system, _ = booted(release, ram=[(0, 2)])
    assert system.log.lines == [
        "No NUMA configuration found",
        "Faking a node at [mem 0x0000000000000000-0x000000007fffffff]",
    ]
    assert system.nodes.online == system.nodes.possible == {0}


@RELEASES
def test_numa_off_says_so_and_reads_no_table(release: str) -> None:
    system, _ = booted(release, memory(0, 0, 2), ram=[(0, 2)], cmdline="numa=off")
    assert system.log.lines[0] == "NUMA turned off"
    assert len(system.log) == 2


@RELEASES
def test_numa_noacpi_finds_nothing(release: str) -> None:
    system, _ = booted(release, apic(0, 0), memory(0, 0, 2), ram=[(0, 2)], cmdline="numa=noacpi")
    assert system.log.lines[0] == "No NUMA configuration found"


def test_memory_that_no_node_covers_makes_the_kernel_fall_back() -> None:
    old, _ = booted("6.1", memory(0, 0, 1), ram=[(0, 2)])
    assert old.log.lines[1:3] == [
        "NUMA: nodes only cover 1024MB of your 2048MB e820 RAM. Not used.",
        "No NUMA configuration found",
    ]
    new, _ = booted("6.12", memory(0, 0, 1), ram=[(0, 2)])
    assert new.log.lines[1:3] == ["NUMA: no nodes coverage for 1024MB of 2048MB RAM", "No NUMA configuration found"]


@pytest.mark.parametrize(("release", "falls_back"), [("6.1", True), ("6.12", False)])
def test_exactly_one_mebibyte_may_be_uncovered_since_the_rule_moved_to_memblock(release: str, falls_back: bool) -> None:
    entry = MemoryAffinity(proximity_domain=0, base=0, size_bytes=2 * GIB - (1 << 20))
    system, _ = booted(release, entry, ram=[(0, 2)])
    assert ("No NUMA configuration found" in system.log.lines) is falls_back


@RELEASES
def test_a_node_with_nothing_but_cpus_goes_online_when_cpus_get_their_nodes(release: str) -> None:
    system, numa = booted(
        release, apic(0, 0), apic(1, 1), GenericAffinity(proximity_domain=2), memory(0, 0, 2), ram=[(0, 2)]
    )
    assert system.nodes.online == {0}
    numa.init_cpu_to_node([0, 1])
    assert system.nodes.online == {0, 1}
    numa.init_gi_nodes()
    assert system.nodes.online == {0, 1, 2}
    assert [system.nodes.cpu_node(cpu) for cpu in (0, 1)] == [0, 1]


@RELEASES
def test_cpus_without_an_entry_are_dealt_out_in_turn(release: str) -> None:
    system, numa = booted(release, memory(0, 0, 1), memory(1, 1, 2), ram=[(0, 2)], cpus=3)
    numa.init_cpu_to_node([0, 1, 2])
    assert [system.nodes.cpu_node(cpu) for cpu in range(3)] == [0, 1, 0]


@RELEASES
def test_amd_puts_cpus_without_an_entry_where_the_cache_is(release: str) -> None:
    system, numa = booted(release, apic(0, 7), memory(0, 0, 1), memory(1, 1, 2), ram=[(0, 2)], cpus=3)
    numa.srat_detect_node([0, 1, 2])
    assert [system.nodes.cpu_node(cpu) for cpu in range(3)] == [0, 0, 0]


@RELEASES
def test_amd_asks_the_cpu_with_the_next_apic_id_where_the_node_of_the_cache_is_offline(release: str) -> None:
    entries = apic(0, 9), apic(1, 2), apic(2, 5), memory(1, 0, 1), memory(2, 1, 2)
    system, numa = booted(release, *entries, ram=[(0, 2)], cpus=3)
    assert system.nodes.online == {1, 2}
    numa.srat_detect_node([1, 4, 6])
    assert [system.nodes.cpu_node(cpu) for cpu in range(3)] == [1, 1, 2]


@pytest.mark.parametrize("entry", [UnknownEntry(bytes([0, 17]) + bytes(15)), UnknownEntry(bytes([2, 20]) + bytes(18))])
def test_a_processor_entry_of_wrong_length_makes_the_srat_bad(entry: UnknownEntry) -> None:
    system, _ = booted("6.1", entry, memory(0, 0, 2), ram=[(0, 2)])
    assert system.log.lines[:2] == ["ACPI: SRAT: SRAT not used.", "No NUMA configuration found"]
    assert system.nodes.srat_disabled


def test_an_old_srat_has_8_bits_of_domain_for_a_processor() -> None:
    entry = CpuAffinity(proximity_domain_lo=1, apic_id=3, proximity_domain_hi=b"\x01\0\0")
    system, _ = booted("6.1", entry, memory(1, 0, 2), ram=[(0, 2)], revision=1)
    assert system.log.lines[0] == "SRAT: PXM 1 -> APIC 0x03 -> Node 0"
    system, _ = booted("6.1", entry, memory(1, 0, 2), ram=[(0, 2)], revision=2)
    assert system.log.lines[:2] == ["SRAT: Too many proximity domains 101", "ACPI: SRAT: SRAT not used."]


def test_an_x2apic_id_beyond_xapic_is_ignored_unless_the_machine_needs_it() -> None:
    entry = X2apicAffinity(proximity_domain=0, apic_id=0x1FF)
    system, _ = booted("6.12", entry, memory(0, 0, 2), ram=[(0, 2)])
    assert system.log.lines[0] == "SRAT: PXM 0 -> X2APIC 0x01ff ignored"
    system, numa = booted("6.1", entry, memory(0, 0, 2), ram=[(0, 2)], cpus=300)
    assert system.log.lines[0] == "SRAT: PXM 0 -> APIC 0x01ff -> Node 0"
    assert numa.apicid_to_node == {0x1FF: 0}


@pytest.mark.parametrize(("apic_id", "said"), [(0x8000, " skipped apicid that is too big"), (0x80000000, "")])
def test_an_apic_id_that_is_too_big_is_skipped_but_for_one_that_is_negative_to_the_kernel(
    apic_id: int, said: str
) -> None:
    """``int apic_id`` in ``acpi_numa_x2apic_affinity_init()``."""
    entry = X2apicAffinity(proximity_domain=1, apic_id=apic_id)
    system, numa = booted("6.1", entry, memory(0, 0, 2), ram=[(0, 2)], cpus=300)
    assert system.log.lines[0] == f"SRAT: PXM 1 -> APIC 0x{apic_id:04x} -> Node 0{said}"
    assert system.nodes.possible == ({1} if said else {0, 1})
    assert numa.apicid_to_node == {}


def test_cpus_are_the_enabled_processors_of_the_madt_in_order() -> None:
    entries = [
        LocalApic(processor_id=0, apic_id=4),
        LocalApic(processor_id=1, apic_id=5, flags=0),
        LocalApic(processor_id=2, apic_id=0xFF),
        LocalX2apic(apic_id=0x200, uid=3),
        LocalApic(processor_id=4, apic_id=2),
    ]
    machine = Machine("test", Kernel("6.1", "x86_64"), acpi={"APIC": Madt(entries).sealed()}, cpus=2)
    assert apic_ids(System(machine, load([]))) == [4, 0x200]
    assert apic_ids(System(Machine("test", Kernel("6.1", "x86_64"), cpus=3), load([]))) == [0, 1, 2]


@pytest.mark.parametrize(("value", "status"), [(None, -22), ("off", 0), ("fake=2", 0), ("nohmat", 0), ("on", 0)])
def test_numa_takes_one_word(value: str | None, status: int) -> None:
    system = System(Machine("test", Kernel("6.1", "x86_64", config=CONFIG)), load([]))
    assert numa_setup(system.nodes, value, system.kernel) == status
    assert system.nodes.numa_off is (value == "off")
    assert system.nodes.hmat_disabled is (value == "nohmat")
    assert system.nodes.emu_cmdline == ("2" if value == "fake=2" else None)


def test_a_kernel_without_emulation_refuses_fake_nodes() -> None:
    system = System(Machine("test", Kernel("6.1", "x86_64", config=CONFIG | {"NUMA_EMU": "n"})), load([]))
    assert numa_setup(system.nodes, "fake=2", system.kernel) == -22
