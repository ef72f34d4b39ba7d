"""What a kernel log tells of nodes, processors and ACPI tables is used, and comes out as it was printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import cases
import pytest
from small_machines import ARM64, X86, need
from softreserve.config.log import parse_log
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.madt import GenericInterrupt, Madt
from softreserve.model.acpi.srat import CpuAffinity, Srat, X2apicAffinity
from softreserve.model.efi import EfiAttribute
from softreserve.model.errors import InputError
from softreserve.model.scenario import Scenario
from softreserve.plugins.hooks import installed
from softreserve.plugins.selection import Selection

#: Lines that tell of the tables that are made of them; with those of the nodes that come of them. What the kernel says
#: of structures that it cannot read tells nothing of them.
OF_TABLES: Final = re.compile(r"(?:ACPI: )?(?:NUMA: )?SRAT: |acpi/hmat: (?!Unexpected|Ignoring)")
TOLD: Final = re.compile(rf"{OF_TABLES.pattern}|Initmem setup node|Built \d+ zonelists")


def booted(scenario: Scenario) -> System:
    return boot(scenario.machine, Selection().hooks_for(scenario.machine))


def x86(*lines: str, release: str = "6.1.0-56-amd64") -> str:
    """A log of x86 with 4 GiB and 1 GiB that is soft reserved behind them."""
    return "\n".join(
        [
            f"Linux version {release} (debian-kernel@lists.debian.org)",
            "Command line: quiet",
            "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable",
            "BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable",
            "BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff] soft reserved",
            *lines,
        ]
    )


NODES: Final = (
    "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]",
    "ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x13fffffff]",
)
#: Memory in the order of the table, domains and nodes in another one.
SWAPPED: Final = (
    "ACPI: SRAT: Node 1 PXM 0 [mem 0x00000000-0x3fffffff]",
    "ACPI: SRAT: Node 0 PXM 7 [mem 0x40000000-0x7fffffff]",
    "ACPI: SRAT: Node 2 PXM 1 [mem 0x100000000-0x13fffffff] hotplug",
)


def missing(scenario: Scenario) -> list[str]:
    return [gap.missing for gap in scenario.gaps]


def srat_lines(system: System) -> list[str]:
    return [line for line in system.log.lines if "SRAT: " in line]


@pytest.mark.parametrize("name", cases.names())
def test_tables_of_a_recorded_log_say_what_those_of_its_machine_say(name: str, tmp_path: Path) -> None:
    case = cases.unpack(name, tmp_path)
    kernel = (case / "input" / "kernel.toml").read_text()
    arch = re.search(r'arch = "(\w+)"', kernel)
    release = re.search(r'release = "(.*)"', kernel)
    assert arch
    assert release
    need(arch[1])
    said = (case / "expected" / "log.txt").read_text().splitlines()
    if not any(line.startswith(("efi: mem", "efi:   0x")) for line in said):
        said = [*(case / "input" / "efi-memmap.txt").read_text().splitlines(), *said]
    if (case / "input" / "acpi" / "CEDT.bin").exists():
        said.insert(0, "ACPI: CEDT 0x0000000000000000 00006C (v01 BOCHS  BXPC     00000001 BXPC 00000001)")
    version = f"Linux version {release[1]} (debian-kernel@lists.debian.org) ({arch[1]})"
    scenario = parse_log("\n".join([version, *said]))
    pattern = OF_TABLES if "CEDT" in scenario.machine.unknown else TOLD
    assert [x for x in booted(scenario).log.lines if pattern.match(x)] == [x for x in said if pattern.match(x)]


def test_domains_get_the_nodes_that_were_printed() -> None:
    """Domain 7 was met before domain 0, and both before the memory of 1: by processors, of which 6.12 says nothing."""
    need(X86)
    scenario = parse_log(x86(*SWAPPED, release="6.12.117+deb12-amd64"))
    assert srat_lines(booted(scenario)) == list(SWAPPED)


def test_processors_of_the_log_are_on_the_nodes_that_were_printed() -> None:
    need(X86)
    told = ("7 -> APIC 0x10 -> Node 0", *(f"0 -> APIC {number} -> Node 1" for number in ("0x00", "0x02", "0x0100")))
    cpus = [f"SRAT: PXM {cpu}" for cpu in told]
    started = [".... node  #1, CPUs:        #1", "  #2", ".... node  #0, CPUs:   #3", "smp: Brought up 2 nodes, 4 CPUs"]
    scenario = parse_log(x86(*cpus, *SWAPPED, "pcpu-alloc: [0] 0 1 2 - [1] 3 - - - ", *started))
    entries = Srat.parse(scenario.machine.acpi["SRAT"]).entries
    assert [entry.apic_id for entry in entries if isinstance(entry, CpuAffinity | X2apicAffinity)] == [
        0x10,
        0,
        2,
        0x100,
    ]
    system = booted(scenario)
    assert srat_lines(system) == [*cpus, *SWAPPED]
    assert (system.nodes.cpumask(0), system.nodes.cpumask(1)) == ({3}, {0, 1, 2})


def test_a_node_that_no_line_names_is_there_all_the_same() -> None:
    """Node 1 has processors without memory: a newer kernel does not print their domain."""
    need(X86)
    lines = [
        "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]",
        "ACPI: SRAT: Node 2 PXM 2 [mem 0x100000000-0x13fffffff]",
    ]
    started = ["pcpu-alloc: [0] 0 [1] 1 ", ".... node  #1, CPUs:      #1", "smp: Brought up 2 nodes, 2 CPUs"]
    scenario = parse_log(x86(*lines, *started, release="7.3.4+deb13-amd64"))
    assert "the proximity domain of node 1" in missing(scenario)
    system = booted(scenario)
    assert srat_lines(system) == lines
    assert (system.nodes.cpumask(0), system.nodes.cpumask(1)) == ({0}, {1})


@pytest.mark.parametrize(
    ("more", "initiators"),
    [
        (["Built 2 zonelists, mobility grouping on.  Total pages: 514815"], {1}),
        (["Built 1 zonelists, mobility grouping on.  Total pages: 514815"], set()),
    ],
)
def test_a_node_without_anything_is_an_initiators_where_it_is_online(more: list[str], initiators: set[int]) -> None:
    need(X86)
    listed = "ACPI: SRAT 0x000000007F775000 000118 (v01 BOCHS  BXPC     00000001 BXPC 00000001)"
    ids = "setup_percpu: NR_CPUS:8192 nr_cpumask_bits:1 nr_cpu_ids:1 nr_node_ids:2"
    ranges = [f"  node   0: [mem {of}]" for of in ("0x1000-0x9ffff", "0x100000-0x7fffffff")]
    scenario = parse_log(x86(listed, NODES[0], ids, *ranges, *more, release="7.3.4+deb13-amd64"))
    system = booted(scenario)
    assert system.nodes.has_generic_initiator == initiators
    assert system.nodes.possible == {0, 1}


def test_lines_that_contradict_each_other_are_refused() -> None:
    need(X86)
    with pytest.raises(InputError, match="line 8: node 1 for domain 1 contradicts node 2 above"):
        parse_log(x86(*SWAPPED[1:], "SRAT: PXM 1 -> APIC 0x00 -> Node 1"))


def test_processors_of_arm64_have_the_hardware_ids_of_the_log() -> None:
    need(ARM64)
    text = "\n".join(
        [
            "Booting Linux on physical CPU 0x0000010000 [0x410fd083]",
            "Linux version 6.12.117+deb12-arm64 (x)",
            "efi:   0x000040000000-0x00007fffffff [Conventional|   |WB|  |  |  ]",
            "ACPI: SRAT: Node 0 PXM 3 [mem 0x40000000-0x7fffffff]",
            "ACPI: NUMA: SRAT: PXM 3 -> MPIDR 0x0 -> Node 0",
            "ACPI: NUMA: SRAT: PXM 3 -> MPIDR 0x10000 -> Node 0",
            "ACPI: NUMA: SRAT: PXM 3 -> MPIDR 0x10100 -> Node 0",
            "CPU1: Booted secondary processor 0x0000010100 [0x410fd083]",
            "CPU2: Booted secondary processor 0x0000000000 [0x410fd083]",
            "smp: Brought up 1 node, 3 CPUs",
        ]
    )
    scenario = parse_log(text)
    cpus = [entry for entry in Madt.parse(scenario.machine.acpi["APIC"]).entries if isinstance(entry, GenericInterrupt)]
    assert [cpu.arm_mpidr for cpu in cpus] == [0x10000, 0x10100, 0]
    assert srat_lines(booted(scenario)) == text.splitlines()[3:7]


@pytest.mark.parametrize(
    ("line", "cpus", "gap"),
    [
        ("smp: Brought up 2 nodes, 64 CPUs", 64, None),
        ("x86: Booted up 1 node, 8 CPUs", 8, None),
        ("Brought up 6 CPUs", 6, None),
        ("SMP: Total of 48 processors activated.", 48, None),
        ("smpboot: Total of 8 processors activated (31924.80 BogoMIPS)", 8, None),
        ("CPU topo: Allowing 12 present CPUs plus 4 hotplug CPUs", 12, None),
        ("smpboot: Allowing 240 CPUs, 236 hotplug CPUs", 4, None),
        ("setup_percpu: NR_CPUS:8192 nr_cpumask_bits:20 nr_cpu_ids:20 nr_node_ids:1", 20, "how many CPUs came up"),
        ("rcu: \tRCU restricting CPUs from NR_CPUS=8192 to nr_cpu_ids=16.", 16, "how many CPUs came up"),
        ("SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=20, Nodes=1", 20, "how many CPUs came up"),
        (".... node  #0, CPUs:        #1  #2  #3", 4, "how many CPUs came up"),
    ],
)
def test_cpus_are_counted_by_whatever_tells_of_them(line: str, cpus: int, gap: str | None) -> None:
    need(X86)
    scenario = parse_log(x86(line))
    assert scenario.machine.cpus == cpus
    assert [name for name in missing(scenario) if "CPUs" in name] == ([gap] if gap else [])


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        (["last_pfn = 0x1080000 max_arch_pfn = 0x10000000000"], "la57", True),
        (["e820: last_pfn = 0x1080000 max_arch_pfn = 0x400000000"], "la57", False),
        (["DMAR: Host address width 39"], "phys_bits", 39),
        (["DMI: Dell Inc. PowerEdge R750/0PJ80M, BIOS 1.5.4 12/17/2021"], "phys_bits", 46),
        (["DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 0.0.0 02/06/2015"], "phys_bits", 40),
        (["DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 0.0.0 02/06/2015"], "hypervisor", True),
        (["Booting paravirtualized kernel on bare hardware"], "hypervisor", False),
        (["Booting paravirtualized kernel on Xen PV"], "hypervisor", True),
        (["Hypervisor detected: Microsoft Hyper-V"], "virt", "microsoft"),
        (["DMI: Microsoft Corporation Virtual Machine/Virtual Machine, BIOS Hyper-V UEFI v4.1"], "virt", "microsoft"),
        (["Hypervisor detected: Xen HVM"], "virt", "xen"),
        (["Hypervisor detected: KVM"], "virt", "kvm"),
        (["DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 0.0.0 02/06/2015"], "virt", "vm"),
        (["DMI: Dell Inc. PowerEdge R750/0PJ80M, BIOS 1.5.4 12/17/2021"], "virt", "none"),
        (["smpboot: CPU0: 12th Gen Intel(R) Core(TM) i7-1260P (family: 0x6)"], "cpu_vendor", "GenuineIntel"),
        (["smpboot: CPU0: AMD EPYC 7B13 (family: 0x19)"], "cpu_vendor", "AuthenticAMD"),
        (["smpboot: CPU0: Hygon C86 7285 32-core Processor (family: 0x18)"], "cpu_vendor", "HygonGenuine"),
        (["microcode: sig=0x906ea, pf=0x2, revision=0xf4"], "cpu_vendor", "GenuineIntel"),
    ],
)
def test_the_hardware_is_what_the_log_calls_it(lines: list[str], field: str, value: object) -> None:
    need(X86)
    assert getattr(parse_log(x86(*lines)).machine, field) == value


def test_the_initial_ram_disk_lies_where_the_log_says() -> None:
    need(X86)
    initrd = parse_log(x86("RAMDISK: [mem 0x7d855000-0x7deaefff]")).machine.image.initrd
    assert initrd is not None
    assert (initrd.start, initrd.end) == (0x7D855000, 0x7DEAF000)


HMAT: Final = (
    "Memory Flags:0001 Processor Domain:0 Memory Domain:0",
    "Memory Flags:0001 Processor Domain:0 Memory Domain:1",
    "Locality: Flags:00 Type:Access Latency Initiator Domains:1 Target Domains:2 Base:100",
    "  Initiator-Target[0-0]:7 nsec",
    "  Initiator-Target[0-1]:251 nsec",
    "Locality: Flags:00 Type:Read Bandwidth Initiator Domains:1 Target Domains:2 Base:1024",
    "  Initiator-Target[0-0]:102400 MB/s",
    "  Initiator-Target[0-1]:0 MB/s",
    "Cache: Domain:1 Size:1073741824 Attrs:00401212 SMBIOS Handles:1",
)
LISTED: Final = "ACPI: HMAT 0x000000007F776000 %06X (v02 BOCHS  BXPC     00000001 BXPC 00000001)"
LENGTH: Final = 40 + 2 * 40 + 2 * (32 + 4 + 8 + 4) + 32 + 2


@pytest.mark.skipif("hmem" not in installed(), reason="install softreserve-hmem")
@pytest.mark.parametrize("before", ["acpi/hmat: ", "acpi/hmat: HMAT: "])
def test_a_table_of_performance_is_made_of_what_was_printed(before: str) -> None:
    need(X86)
    scenario = parse_log(x86(*NODES, LISTED % LENGTH, *(before + line for line in HMAT)))
    assert len(scenario.machine.acpi["HMAT"]) == LENGTH
    assert "HMAT" not in scenario.machine.unknown
    said = [line.removeprefix("acpi/hmat: ") for line in booted(scenario).log.lines if line.startswith("acpi/hmat: ")]
    assert said == list(HMAT)


def test_a_table_of_performance_of_which_newer_kernels_print_little_is_said_to_be_in_parts() -> None:
    need(X86)
    for length, lines in ((LENGTH, HMAT[:2]), (LENGTH, HMAT[:4])):
        scenario = parse_log(x86(*NODES, LISTED % length, *(f"acpi/hmat: {line}" for line in lines)))
        assert "HMAT" in scenario.machine.unknown
        assert f"parts of the HMAT of {LENGTH} bytes (--acpi DIR)" in missing(scenario)


def test_a_table_of_distances_tells_nothing_of_a_single_node() -> None:
    need(X86)
    listed = "ACPI: SLIT 0x000000007F776000 00002D (v01 BOCHS  BXPC     00000001 BXPC 00000001)"
    one = parse_log(x86(NODES[0], listed))
    assert "SLIT" not in one.machine.unknown
    assert "NUMA: Initialized distance table, cnt=1" in booted(one).log.lines
    two = parse_log(x86(*NODES, listed))
    assert "SLIT" in two.machine.unknown
    assert "NUMA: Initialized distance table, cnt=2" in booted(two).log.lines
    bad = parse_log(x86(*NODES, listed, "ACPI: SLIT table looks invalid. Not used."))
    assert "SLIT" not in bad.machine.unknown
    assert "ACPI: SLIT table looks invalid. Not used." in booted(bad).log.lines


def test_memory_of_nodes_in_the_words_of_old_kernels_is_read() -> None:
    """2.6.32: numbers of processors are decimal, the end of a range is the byte behind it."""
    need(X86)
    old = (
        "SRAT: PXM 0 -> APIC 10 -> Node 0",
        "SRAT: Node 0 PXM 0 0-80000000",
        "SRAT: Node 1 PXM 1 100000000-140000000",
    )
    assert srat_lines(booted(parse_log(x86(*old)))) == ["SRAT: PXM 0 -> APIC 0x0a -> Node 0", *NODES]


@pytest.mark.parametrize(
    ("release", "line"),
    [
        (
            "6.1.0-56-amd64",
            "Reserving 192MB of memory at 1600MB for crashkernel (System RAM: 2047MB)",
        ),
        (
            "6.12.117+deb12-amd64",
            "crashkernel reserved: 0x0000000064000000 - 0x0000000070000000 (192 MB)",
        ),
    ],
)
def test_a_crash_kernels_memory_is_where_it_was_seen(release: str, line: str) -> None:
    need(X86)
    for text in (x86(line, release=release), x86(release=release)):
        machine = parse_log(text.replace("quiet", "crashkernel=192M")).machine
        lines = booted(Scenario(machine)).log.lines
        assert (line in lines) == bool(machine.crash_kernel)
        assert any("192MB" in said or "(192 MB)" in said for said in lines)


def test_a_crash_kernels_memory_is_sought_anew_where_it_was_seen_cannot_be() -> None:
    """Below the node's own data at the end of RAM, at a multiple of 16 MiB."""
    need(X86)
    line = "Reserving 192MB of memory at 4096MB for crashkernel (System RAM: 2047MB)"  # soft reserved
    machine = parse_log(x86(line).replace("quiet", "crashkernel=192M")).machine
    assert [said for said in booted(Scenario(machine)).log.lines if said.startswith("Reserving")] == [
        "Reserving 192MB of memory at 1840MB for crashkernel (System RAM: 2047MB)"
    ]


WINDOWS: Final = (
    "acpi ACPI0016:00: CHBCR found for UID 52: 0x0000000180000000",
    "cxl_acpi:__cxl_parse_cfmws:514: cxl_acpi ACPI0017:00: decode range: node: 1 range [0x100000000 - 0x13fffffff]",
    "cxl_acpi ACPI0017:00: decode range: node: 2 range [0x190000000 - 0x28fffffff]",
)


@pytest.mark.parametrize(
    "lines",
    [
        WINDOWS,
        (
            "cxl_acpi ACPI0017:00: add: decoder0.0 node: 1 range [0x100000000 - 0x13fffffff]",
            "cxl_acpi ACPI0017:00: add: decoder0.1 node: 2 range [0x190000000 - 0x28fffffff]",
        ),
        ("100000000-13fffffff : CXL Window 0", "  100000000-13fffffff : region0", "190000000-28fffffff : CXL Window 1"),
    ],
)
def test_windows_that_the_log_shows_are_windows_of_the_machine(lines: tuple[str, ...]) -> None:
    need(X86)
    listed = "ACPI: CEDT 0x000000007F776000 000094 (v01 BOCHS  BXPC     00000001 BXPC 00000001)"
    scenario = parse_log(x86(NODES[0], listed, *lines, release="6.12.117+deb12-amd64"))
    assert "CEDT" not in scenario.machine.unknown
    assert "targets of CXL windows, and CXL devices" in missing(scenario)
    cedt = Cedt.parse(scenario.machine.acpi["CEDT"])
    windows = [entry for entry in cedt.entries if isinstance(entry, FixedMemoryWindow)]
    assert [(entry.base_hpa, entry.window_size) for entry in windows] == [(4 << 30, 1 << 30), (0x190000000, 4 << 30)]
    assert [entry.uid for entry in cedt.entries if isinstance(entry, HostBridge)] == [52 if lines is WINDOWS else 0]
    system = booted(scenario)
    assert [system.nodes.phys_to_target_node(address) for address in (4 << 30, 0x190000000)] == [1, 2]


def test_without_its_windows_a_machine_with_cxl_has_a_table_that_is_not_known() -> None:
    need(X86)
    listed = "ACPI: CEDT 0x000000007F776000 000094 (v01 BOCHS  BXPC     00000001 BXPC 00000001)"
    scenario = parse_log(x86(NODES[0], listed, "acpi ACPI0016:00: UID found: 52"))
    assert scenario.machine.unknown == {"CEDT"}
    assert "the ACPI tables CEDT (--acpi DIR)" in missing(scenario)


def test_nodes_that_the_kernel_made_up_are_not_the_firmwares() -> None:
    need(X86)
    faked = [
        "Faking node 0 at [mem 0x0000000000000000-0x000000003fffffff] (1024MB)",
        "Faking node 1 at [mem 0x0000000040000000-0x000000007fffffff] (1024MB)",
        "setup_percpu: NR_CPUS:8192 nr_cpumask_bits:2 nr_cpu_ids:2 nr_node_ids:3",
        ".... node  #1, CPUs:      #1",
        "smp: Brought up 3 nodes, 2 CPUs",
    ]
    scenario = parse_log(x86(*NODES, *faked, release="6.12.117+deb12-amd64"))
    assert missing(scenario) == missing(parse_log(x86(*NODES, *faked[4:], release="6.12.117+deb12-amd64")))


SERVICES: Final = (
    "efi: mem00: [Runtime Data|RUN|  |  |  |  |  |  |  |  |  |   |WB|  |  |  ] "
    "range=[0x000000007ff00000-0x000000007ff7ffff] (0MB)"
)


def test_a_kernel_that_kexec_started_has_the_map_of_services_and_an_e820_table() -> None:
    """There is no other memory in its EFI map: both are what it was handed."""
    need(X86)
    scenario = parse_log(x86(SERVICES).replace("quiet", "efi=debug"))
    machine = scenario.machine
    assert ([d.start for d in machine.efi_map or ()], len(machine.e820 or ())) == ([0x7FF00000], 3)
    assert "the EFI memory map" not in missing(scenario)
    assert SERVICES in booted(scenario).log.lines
    cut_off = SERVICES.replace("Runtime Data|RUN", "Conventional|   ")
    scenario = parse_log(x86(cut_off))
    assert scenario.machine.efi_map is None
    assert "the EFI memory map" in missing(scenario)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["SRAT: Node 99999999999 PXM 0 0-80000000"], "nodes have numbers up to 1024"),
        (["ACPI: SRAT: Node 0 PXM 4294967296 [mem 0x00000000-0x7fffffff]"], "domains have numbers up to 4294967295"),
        (["SRAT: PXM 0 -> APIC 0x100000000 -> Node 0"], "an APIC id has 32 bits"),
        (["smp: Brought up 2 nodes, 8193 CPUs"], "Linux has at most 8192 CPUs"),
    ],
)
def test_numbers_that_no_kernel_has_are_mistakes_of_their_lines(lines: list[str], message: str) -> None:
    need(X86)
    with pytest.raises(InputError, match=f"line 7: {message}"):
        parse_log(x86(NODES[0], *lines))


def test_large_numbers_find_their_place() -> None:
    need(X86)
    lines = [
        "SRAT: PXM 4294967295 -> APIC 300 -> Node 1",
        "ACPI: SRAT: Node 2 PXM 0 [mem 0x00000000-0x7fffffff]",
    ]
    entries = Srat.parse(parse_log(x86(*lines)).machine.acpi["SRAT"]).entries
    assert [getattr(entry, "proximity_domain", None) for entry in entries] == [1, 0xFFFFFFFF, 0]
    assert isinstance(entries[1], X2apicAffinity)


@pytest.mark.parametrize(("table", "runtime"), [("0x7e5e6018", True), ("0xffffffffffffffff", False)])
def test_boot_services_memory_with_the_attributes_table_stays(table: str, runtime: bool) -> None:
    """A real 7.3 printed, of what its firmware had without RUN: ``[Boot Data   |RUN|`` from 0x7e5dc000 on."""
    need(X86)
    from softreserve_x86.setup import SETUP

    ranges = (
        ("Conventional", 0x0, 0x9FFFF),
        ("Conventional", 0x100000, 0x7E5DBFFF),
        ("Boot Data   ", 0x7E5DC000, 0x7E5E7FFF),
        ("Boot Data   ", 0x7E5E8000, 0x7FFFFFFF),
        ("Conventional", 0x100000000, 0x13FFFFFFF),
    )
    efi_map = [
        f"efi: mem{number:02}: [{what}|   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] "
        f"range=[{start:#018x}-{last:#018x}] (0MB)"
        for number, (what, start, last) in enumerate(ranges)
    ]
    system = booted(
        parse_log(x86(f"efi: SMBIOS=0x7f520000 ACPI=0x7f77d000 MEMATTR={table} INITRD=0x7e5e8e98 ", *efi_map))
    )
    memmap = system.stash[SETUP].efi.memmap
    assert memmap is not None
    assert [bool(d.attribute & EfiAttribute.RUNTIME) for d in memmap] == [False, False, runtime, False, False]
