"""Every behaviour has a test that fails when kernels behave the other way.

What a capture or a vector holds is turned in ``test_behaviours.py``. What neither shows is held by tests whose values
were worked out by hand from the source: those of the table below, each of which is run here once more, turned.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import attrs
import pytest
import wheels
from small_machines import ARM64, GIB, MIB, RAM, X86, cedt, machine, need, settled, sp
from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.numa.acpi_numa import AcpiNumaArch, acpi_numa_init
from softreserve.kernel.numa.numa import NumaState
from softreserve.kernel.resource import Resource, insert_resource, request_resource
from softreserve.machine.boot import boot
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.madt import GenericInterrupt, Madt
from softreserve.model.acpi.srat import RintcAffinity, Srat
from softreserve.model.acpi.tables import Header
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.release import Behaviour
from softreserve.plugins.behaviours import behaviours
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor

ALL = {behaviour.name: behaviour for found in behaviours().values() for behaviour in found}

#: Where the test is that fails when a behaviour is turned, for those that no capture and no vector shows.
HELD_BY = {
    "acpi-cxl-window-nodes": "core/tests/test_acpi_numa.py",
    "acpi-generic-initiators": "plugins/x86/tests/test_numa_init.py",
    "acpi-rintc-affinity": "tests/test_flipped.py::test_processors_of_risc_v_are_looked_at_from_6_11_on",
    "arm64-crashkernel-cma": "tests/test_contiguous.py",
    "arm64-gicc-online-capable": "tests/test_flipped.py::test_processors_that_come_later_count_from_6_11_on",
    "arm64-head-is-not-code": "plugins/arm64/tests/test_memblock_init.py",
    "arm64-lpa2": "plugins/arm64/tests/test_sizes.py",
    "arm64-wide-memblock-table": "tests/test_flipped.py::test_arm64_has_room_for_a_thousand_regions_from_6_0_on",
    "arm64-zone-dma-by-address": "tests/test_flipped.py::test_zone_dma32_ends_at_4_gib_from_6_12_on",
    "clears-rng-seed": "plugins/kexec/tests/test_file_load.py",
    "cma-names-node": "tests/test_contiguous.py",
    "cma-reworked": "tests/test_contiguous.py",
    "crash-kernel-takes-first-mib": "tests/test_log_lines.py::test_a_crash_kernel_took_the_first_mib_before_all_did",
    "crashkernel-cma": "tests/test_contiguous.py",
    "crashkernel-generic": "tests/test_contiguous.py",
    "cxl-acpi-early": "tests/test_flipped.py::test_a_built_in_cxl_acpi_comes_after_the_hmat_before_6_3",
    "cxl-acpi-tolerates-bad-windows": "plugins/cxl/tests/test_cxl.py",
    "cxl-acpi-windows": "plugins/cxl/tests/test_cxl.py",
    "cxl-attach-failure-printed": "plugins/cxl/tests/test_cxl.py::test_the_log_names_what_cannot_be_a_target",
    "cxl-commit-drops-caches": "plugins/cxl/tests/test_cxl.py::test_a_region_takes_a_cpu_that_can_drop_caches",
    "cxl-dpa-partitions": "plugins/cxl/tests/test_cxl.py::test_errnos_around_the_mode_changed_with_partitions",
    "cxl-dports-with-endpoints": "plugins/cxl/tests/test_cxl.py",
    "cxl-locked-regions": "plugins/cxl/tests/test_cxl.py::test_a_locked_region_stays",
    "cxl-pci-needs-mem": "plugins/cxl/tests/test_cxl.py::test_cxl_pci_brings_cxl_mem_from_7_0_on",
    "cxl-probe-drops-caches": "plugins/cxl/tests/test_cxl.py::test_a_region_takes_a_cpu_that_can_drop_caches",
    "cxl-reset-drops-caches": "plugins/cxl/tests/test_cxl.py::test_a_region_is_kept_where_caches_cannot_be_dropped",
    "cxl-restricted-hosts": "plugins/cxl/tests/test_cxl.py",
    "cxl-shared-bandwidth": "plugins/cxl/tests/test_performance.py",
    "cxl-staged-decoders-forgotten": "plugins/cxl/tests/test_attach.py",
    "cxl-windows-need-cxl-acpi": "core/tests/test_acpi_numa.py",
    "cxl-xor-interleave": "tests/test_flipped.py::test_windows_with_xor_arithmetic_are_known_from_6_2_on",
    "cxl-xor-places": "plugins/cxl/tests/test_attach.py",
    "dax-cxl-waits-for-hmem": "tests/test_cxl.py::test_dax_cxl_brings_dax_hmem_from_7_1_on",
    "dax-regions-exclusive": "tests/test_flipped.py::test_a_region_over_another_is_refused_from_7_1_on",
    "e820-lines-prefixed": "tests/test_log_lines.py::test_kernels_to_4_15_say_e820_more_often",
    "efi-stub-aligns-after-rng": "plugins/arm64/tests/test_stub.py",
    "efi-stub-decompresses": "plugins/x86/tests/test_kaslr_command.py",
    "first-mib-reserved": "tests/test_log_lines.py::test_the_first_mib_was_free_memory_before_5_13",
    "gigantic-pages-overcommit": "tests/test_hugetlb.py::test_gigantic_pages_are_had_beyond_the_pool_from_7_2_on",
    "graphics-memory-as-numbers": "tests/test_log_lines.py::test_kernels_to_4_15_say_e820_more_often",
    "hmem-decides-after-cxl": "plugins/hmem/tests/test_hmem.py",
    "hmem-says-soft-reserved": "tests/test_releases.py::test_what_the_hmat_describes_got_a_second_device_until_6_1",
    "holes-count-as-reserved": "core/tests/test_page_alloc.py",
    "iomem-depth-8": "tests/test_flipped.py::test_resources_are_indented_five_levels_and_eight_from_7_0_on",
    "kaslr-hugepages-strict": "plugins/x86/tests/test_kaslr.py",
    "kexec-crash-size-counts-low": "tests/test_contiguous.py",
    "kexec-file-above-pref-address": "plugins/kexec/tests/test_file_load.py",
    "kexec-file-prefers-cma": "tests/test_contiguous.py",
    "kexec-file-skips-driver-managed": "plugins/kexec/tests/test_outcomes.py",
    "kexec-sysfs-directory": "tests/test_contiguous.py",
    "kmem-asks-for-abstract-distance": "plugins/hmem/tests/test_kmem.py",
    "kstrtobool-knows-enabled": "tests/test_flipped.py::test_words_like_enabled_are_booleans_from_6_17_on",
    "long-command-line-wraps": "core/tests/test_identity.py",
    "memblock-merge-local": "core/tests/test_memblock.py::test_only_the_older_kernel_joins_what_a_cap_left_apart",
    "memblock-panics-when-full": "core/tests/test_memblock.py",
    "memmap-not-managed-at-boot": "core/tests/test_page_alloc.py::test_the_page_count_at_boot_is_exact",
    "memmap-on-memory-per-block": "plugins/hmem/tests/test_kmem.py",
    "memory-block-size-printed": "tests/test_log_lines.py::test_kernels_to_4_15_say_e820_more_often",
    "memory-tiers-in-two-steps": "tests/test_profiles.py::test_demotion_targets_were_worked_out_twice_for_a_while",
    "memory-tiers-late": "tests/test_profiles.py::test_tiers_came_early_and_come_at_the_end_of_boot",
    "mirror-needs-mirrored-memory": "core/tests/test_page_alloc.py",
    "node-meminfo-balloon": "tests/test_hugetlb.py",
    "node-meminfo-gpu": "tests/test_hugetlb.py",
    "node-reclaim-file": "tests/test_flipped.py::test_nodes_have_a_file_for_reclaim_from_its_release_on",
    "node-state-cleared-before-zonelists": "core/tests/test_memory_hotplug.py",
    "nosave-between-ram": "plugins/x86/tests/test_setup.py",
    "numa-bad-node-fails": "core/tests/test_numa_memblks.py",
    "pfn-valid-is-mapped": "tests/test_log_lines.py::test_only_mapped_memory_of_arm64_had_pages",
    "pm-says-hibernation": "plugins/x86/tests/test_setup.py",
    "processors-counted-in-one-line": "core/tests/test_page_alloc.py",
    "pwm-character-devices": "tests/test_flipped.py::test_dax_devices_have_the_number_below_those_of_pwm_chips",
    "region-intersects-looks-below": "tests/test_flipped.py::test_what_lies_inside_a_cxl_window_is_found_from_6_12_on",
    "reserved-but-unavailable": "core/tests/test_page_alloc.py",
    "setup-data-kept-for-kexec": "plugins/x86/tests/test_plugin.py",
    "synthetic-uevent-errno": "tests/test_uevent.py::test_the_error_is_named_from_6_1_on",
    "unavailable-pages-by-zone": "core/tests/test_page_alloc.py",
    "unavailable-pages-in-zone": "core/tests/test_page_alloc.py",
    "unavailable-pages-zeroed": "core/tests/test_page_alloc.py",
    "unavailable-to-section-end": "core/tests/test_page_alloc.py",
    "weighted-interleave": "core/tests/test_mempolicy.py",
    "weighted-interleave-auto": "core/tests/test_mempolicy.py",
    "weighted-interleave-misnamed": "core/tests/test_mempolicy.py",
    "x86-kvm-guest-looks-at-ram": "tests/test_flipped.py::test_guests_of_kvm_look_for_the_end_of_ram_from_6_18_on",
    "zone-batch-of-1-mib": "core/tests/test_page_alloc.py",
    "zonelist-order": "core/tests/test_page_alloc.py",
    "zones-reported": "core/tests/test_page_alloc.py",
}


def recorded(behaviour: Behaviour) -> bool:
    """Whether a capture or a vector shows it on one side at least."""
    sides = [boundary for boundary in (behaviour.since, behaviour.until) if boundary is not None]
    return any(word in side.older + side.newer for side in sides for word in ("captured", "vectors"))


def test_every_behaviour_is_held_by_a_recording_or_by_a_test_of_the_table() -> None:
    if missing := {"softreserve", "x86", "arm64", "hmem", "cxl"} - set(behaviours()):
        pytest.skip(f"needs all wheels: pip install {' '.join(f'./plugins/{name}' for name in sorted(missing))}")
    assert {name for name, behaviour in ALL.items() if not recorded(behaviour)} == set(HELD_BY)


def turn(behaviour: Behaviour) -> None:
    """Let kernels of all releases behave the other way from now on."""
    has = Kernel.has

    def other_way(kernel: Kernel, asked: Behaviour) -> bool:
        return has(kernel, asked) != (asked is behaviour)

    setattr(Kernel, "has", other_way)  # noqa: B010 - for good: the process ends with the test


def run_turned(behaviour: Behaviour, test: Path | str) -> int:
    """Run a test in a process of its own whose kernels, of all releases, behave the other way; pytest's exit code."""
    child = os.fork()
    if not child:
        try:
            signal.alarm(120)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            turn(behaviour)
            plugins = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov")
            status = int(pytest.main(["-x", "-q", "--assert=plain", "-W", "ignore", *plugins, str(test)]))
        except BaseException:
            status = 99
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
@pytest.mark.parametrize("name", sorted(set(HELD_BY) & set(ALL)))
def test_a_behaviour_that_is_turned_is_noticed(name: str) -> None:
    path = wheels.ROOT / HELD_BY[name]
    if not Path(str(path).partition("::")[0]).exists():
        pytest.skip("needs the tests of all wheels: run it from the repository")
    for arch in (X86, ARM64):
        need(arch)
    assert run_turned(ALL[name], path) == pytest.ExitCode.TESTS_FAILED


# --- worked out by hand from the sources of the releases on both sides


@pytest.mark.parametrize(("release", "nodes"), [("5.10", 0), ("6.1", 0), ("6.12", 1)])
def test_processors_of_risc_v_are_looked_at_from_6_11_on(release: str, nodes: int) -> None:
    """``drivers/acpi/numa/srat.c: acpi_numa_init``: the table of handlers gets ``acpi_parse_rintc_affinity``."""

    class Riscv(AcpiNumaArch):
        def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
            return 0

        def rintc_affinity_init(self, entry: RintcAffinity) -> None:
            self.state.parsed.add(self.state.acpi_map_pxm_to_node(entry.proximity_domain))

    kernel, log = Kernel(release, "riscv64", config={"NUMA": "y", "NODES_SHIFT": 4}), EventLog()
    state = NumaState(log, kernel)
    entry = RintcAffinity(proximity_domain=5, acpi_processor_uid=0)
    tables = {"SRAT": Srat([entry], header=Header(signature=b"SRAT", revision=3)).sealed()}
    acpi_numa_init(state, Memblock(log, kernel), tables, Riscv(state))
    assert len(state.parsed) == nodes


@pytest.mark.parametrize(("release", "uids"), [("6.1", [0]), ("6.12", [0, 2])])
def test_processors_that_come_later_count_from_6_11_on(release: str, uids: list[int]) -> None:
    """``include/acpi/actbl2.h``: bit 0 enabled, bit 3 online capable; ``arch/arm64/kernel/smp.c`` takes either."""
    need(ARM64)
    from softreserve_arm64.smp import acpi_cpus

    entries = [
        GenericInterrupt(cpu_interface_number=n, uid=n, arm_mpidr=n, flags=flags)
        for n, flags in enumerate((0b0001, 0b0010, 0b1000, 0b0000))
    ]
    kernel = Kernel(release, ARM64, config={"NUMA": "y"})
    described = Machine("arm64", kernel, acpi={"APIC": Madt(entries).sealed()}, cpus=4)
    assert [cpu.uid for cpu in acpi_cpus(NumaState(EventLog(), kernel), described)] == uids


@pytest.mark.parametrize(("release", "regions"), [("5.10", 128), ("6.1", 201), ("6.12", 201)])
def test_arm64_has_room_for_a_thousand_regions_from_6_0_on(release: str, regions: int) -> None:
    """``arch/arm64/include/asm/memory.h: INIT_MEMBLOCK_MEMORY_REGIONS``; a full table fails silently before 6.12."""
    need(ARM64)
    above = [descriptor(start * GIB, MIB) for start in range(4, 204)]
    found = machine(ARM64, release, above=above, tables={"SRAT": None, "HMAT": None})
    low = EfiMemoryMap((descriptor(0, 2 * GIB), *above))
    system = boot(attrs.evolve(found, efi_map=low), Selection().hooks_for(found))
    memory = [line for line in system.iomem.lines() if line.endswith(" : System RAM")]
    assert len(memory) == regions


@pytest.mark.parametrize(("release", "end"), [("6.1", 1025 * GIB), ("6.12", 4 * GIB)])
def test_zone_dma32_ends_at_4_gib_from_6_12_on(release: str, end: int) -> None:
    """``arch/arm64/mm/init.c: max_zone_phys``: bits were widened to all addresses where DRAM starts above 4 GiB."""
    need(ARM64)
    from softreserve_arm64.zones import max_zone_pfns

    memblock = Memblock(EventLog(), Kernel(release, ARM64, config={"ZONE_DMA32": "y"}))
    memblock.add(1024 * GIB, GIB)
    assert max_zone_pfns(memblock)["DMA32"] == end // 4096


@pytest.mark.parametrize(("release", "name"), [("6.1", "hmem.0"), ("5.10.7", "hmem.0")])
def test_a_built_in_cxl_acpi_comes_after_the_hmat_before_6_3(release: str, name: str) -> None:
    """Both are device initcalls, and ``drivers/acpi`` is linked first: the window takes the second number."""
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    options = {"CXL_ACPI": "y", "CXL_BUS": "y"}
    system = settled(machine(release=release, config=options, tables={"CEDT": cedt(16 * GIB, 17 * GIB)}))
    platform = system.sysfs.listdir("/sys/devices/platform")
    assert isinstance(platform, list)
    assert [found for found in platform if found.startswith("hmem.")] == [name]


@pytest.mark.parametrize(("release", "known"), [("6.1", False), ("6.12", True)])
def test_windows_with_xor_arithmetic_are_known_from_6_2_on(release: str, known: bool) -> None:
    """``drivers/cxl/acpi.c: cxl_acpi_cfmws_verify``: arithmetic 1 beside modulo; 2 is known to nobody."""
    pytest.importorskip("softreserve_cxl", reason="needs the cxl plugin: pip install ./plugins/cxl")
    windows: list[HostBridge | FixedMemoryWindow] = [HostBridge(uid=0, base=0x1000)]
    for number in range(3):
        window = FixedMemoryWindow(base_hpa=(16 + number) * GIB, window_size=GIB, interleave_arithmetic=number)
        window.tail = bytes(4)
        windows.append(window)
    system = settled(machine(release=release, tables={"CEDT": Cedt(windows).sealed()}))
    shown = [line.split(" : ")[0].strip() for line in system.iomem.lines() if " : CXL Window" in line]
    assert shown == ["400000000-43fffffff", *(["440000000-47fffffff"] if known else [])]
    unknown = [line for line in system.log.lines if "Unknown Interleave Arithmetic" in line]
    assert [line[-1] for line in unknown] == ["2"] if known else ["1", "2"]


@pytest.mark.parametrize(("release", "devices"), [("6.12", ["dax0.0"]), ("7.3", [])])
def test_a_region_over_another_is_refused_from_7_1_on(release: str, devices: list[str]) -> None:
    """``drivers/dax/bus.c: alloc_dax_region``; before, nothing was asked."""
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    need(X86)
    from softreserve_hmem.bus import dax_bus

    found = machine(release=release, above=[RAM, sp(6 * GIB, 8 * GIB)])
    system = boot(found, Selection().hooks_for(found))
    other = Resource(7 * GIB, 9 * GIB - 1, "region of another driver")
    assert request_resource(dax_bus(system).regions, other) == 0
    system.modules.coldplug()
    assert system.sysfs.listdir("/sys/bus/dax/devices") == devices


@pytest.mark.parametrize(("release", "devices"), [("6.3", 0), ("6.8", 0), ("6.12", 1), ("6.18", 1)])
def test_what_lies_inside_a_cxl_window_is_found_from_6_12_on(release: str, devices: int) -> None:
    """``kernel/resource.c: __region_intersects``: of a window only what lies below it is soft reserved.

    Without regions of CXL ``hmem_register_device`` leaves the window to nobody else, and asks for itself.
    """
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    need(X86)
    system = settled(machine(release=release, tables={"CEDT": cedt(6 * GIB, 8 * GIB)}, config={"CXL_REGION": "n"}))
    found = system.sysfs.listdir("/sys/bus/dax/devices")
    assert isinstance(found, list)
    assert len(found) == devices


@pytest.mark.parametrize(("release", "deepest"), [("6.1", 10), ("6.12", 10), ("7.3", 16)])
def test_resources_are_indented_five_levels_and_eight_from_7_0_on(release: str, deepest: int) -> None:
    """``kernel/resource.c: r_show``: MAX_IORES_LEVEL, two blanks each."""
    need(X86)
    found = machine(release=release)
    system = boot(found, Selection().hooks_for(found))
    for level in range(10):
        inner = Resource((64 << 30) + level, (65 << 30) - 1 - level, f"level {level}")
        assert insert_resource(system.iomem.root, inner) == 0
    blanks = [len(line) - len(line.lstrip()) for line in system.iomem.lines() if " : level " in line]
    assert blanks == [min(2 * level, deepest) for level in range(10)]


@pytest.mark.parametrize(("release", "true", "false"), [("6.12", None, None), ("6.17", True, False)])
def test_words_like_enabled_are_booleans_from_6_17_on(release: str, true: bool | None, false: bool | None) -> None:
    """``lib/kstrtox.c: kstrtobool``; what real 6.17.13 and 6.18.15 took in ``/sys/kernel/mm/numa/demotion_enabled``."""
    kernel = Kernel(release, "x86_64")
    assert [kernel.kstrtobool(word) for word in ("e", "Enabled\n", "on", "1")] == [true, true, True, True]
    assert [kernel.kstrtobool(word) for word in ("d", "Disable", "OFF", "n")] == [false, false, False, False]


@pytest.mark.parametrize(
    ("arch", "release", "number"),
    [
        (X86, "6.12", b"252:0\n"),
        (X86, "6.18", b"251:0\n"),
        (X86, "7.3", b"251:0\n"),
        (ARM64, "6.12", b"251:0\n"),
        (ARM64, "6.18", b"250:0\n"),
    ],
)
def test_dax_devices_have_the_number_below_those_of_pwm_chips(arch: str, release: str, number: bytes) -> None:
    """``/proc/devices`` of real kernels: 254 gpiochip, on arm64 ttyMV, from 6.17 on pwm, tpm, and then dax."""
    pytest.importorskip("softreserve_hmem", reason="needs the hmem plugin: pip install ./plugins/hmem")
    need(arch)
    system = settled(machine(arch, release))
    assert system.sysfs.read("/sys/bus/dax/devices/dax0.0/dev") == number


@pytest.mark.parametrize(("release", "there"), [("6.12", False), ("7.3", True)])
def test_nodes_have_a_file_for_reclaim_from_its_release_on(release: str, there: bool) -> None:
    """``mm/vmscan.c``: a file that is written to and says nothing."""
    need(X86)
    found = machine(release=release)
    system = boot(found, Selection().hooks_for(found))
    assert (system.sysfs.node("/sys/devices/system/node/node0/reclaim") is not None) is there


@pytest.mark.parametrize(
    ("release", "kvm", "lines"),
    [("6.12.53", True, 1), ("6.12.54", True, 2), ("6.17.3", True, 1), ("6.18", True, 2), ("6.18", False, 1)],
)
def test_guests_of_kvm_look_for_the_end_of_ram_from_6_18_on(release: str, kvm: bool, lines: int) -> None:
    """``arch/x86/kernel/kvm.c: kvm_init_platform``, before ``arch/x86/kernel/setup.c: trim_bios_range``."""
    need(X86)
    found = machine(X86, release, kvm=kvm)
    said = boot(found, Selection().hooks_for(found)).log.lines
    assert sum(line.startswith("last_pfn = 0x80000 ") for line in said) == lines
    trimmed = said.index("e820: update [mem 0x00000000-0x00000fff] usable ==> reserved")
    assert sum(line.startswith("last_pfn = ") for line in said[:trimmed]) == lines - 1
