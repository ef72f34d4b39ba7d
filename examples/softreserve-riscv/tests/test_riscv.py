"""The plugin's own tests, and the contract with its machine."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import softreserve as sr
from softreserve.plugins.selection import Selection
from softreserve.testing.bases import BaseArch, BasePlugin
from softreserve.testing.machines import CACHEABLE, descriptor, sample_machine
from softreserve_riscv import plugin

ARCH = "riscv64"
GIB = sr.GiB


#: Two nodes, the second one specific purpose memory only; one processor each.
TWO_NODES = """
cpus = 2

[kernel]
arch = "riscv64"
release = "6.12"

[[efi_map]]
start = "2G"
size = "4G"

[[efi_map]]
start = "8G"
size = "2G"
attributes = "WB|SP"

[acpi.srat]
cpus = [{ domain = 0, count = 1 }, { domain = 1, count = 1 }]
memory = [{ domain = 0, start = "2G", size = "4G" }, { domain = 1, start = "8G", size = "2G" }]
"""


def booted(machine: sr.Machine) -> sr.System:
    return sr.boot(machine)


def test_nodes_of_memory_and_processors_are_those_of_the_srat(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TWO_NODES)
    system = booted(sr.load(tmp_path / "two.toml").machine)
    assert system.nodes.phys_to_target_node(9 * sr.GiB) == 1
    assert [system.sysfs.read(f"/sys/devices/system/node/node{nid}/cpulist") for nid in (0, 1)] == [b"0\n", b"1\n"]


def two_nodes(tmp_path: Path, cmdline: str) -> sr.System:
    (tmp_path / "two.toml").write_text(TWO_NODES.replace("cpus = 2", f'cpus = 2\ncmdline = "{cmdline}"', 1))
    return booted(sr.load(tmp_path / "two.toml").machine)


@pytest.mark.parametrize("limits", ["mem=1G", "mem=1G mem=3G", "mem=3G mem=1G"])
def test_memory_beyond_the_least_limit_is_left_out(limits: str, tmp_path: Path) -> None:
    system = two_nodes(tmp_path, limits)
    assert [(ram.start, ram.end) for ram in system.iomem.find("System RAM")] == [(2 * GIB, 3 * GIB - 1)]
    assert system.iomem.find("Soft Reserved")


@pytest.mark.parametrize(("word", "size"), [("", 1 << 55), ("no5lvl", 1 << 46), ("no4lvl", 128 * GIB)])
def test_memory_is_mapped_from_the_lowest_on_as_far_as_page_tables_reach(word: str, size: int) -> None:
    above = (descriptor(4 * GIB, 300 * GIB),)
    system = booted(attrs.evolve(sample_machine(ARCH, above=above), cmdline=sr.CommandLine(word)))
    start = system.memblock.start_of_dram()
    assert system.memory.mappable_range == (start, start + size - 1)
    assert system.memblock.end_of_dram() == min(304 * GIB, start + size)


def test_a_kernel_without_memory_to_be_in_is_an_error() -> None:
    machine = sample_machine(ARCH)
    image = sr.KernelImage(code=sr.PhysRange.from_size(64 * GIB, sr.MiB))
    with pytest.raises(sr.MachineError, match="the kernel image at 0x1000000000 is not in memory"):
        booted(attrs.evolve(machine, image=image))


@pytest.mark.parametrize(("syscall", "purgatory"), [("kexec_load", 0), ("kexec_file_load", 0x9000)])
def test_the_next_kernel_goes_to_the_lowest_place_and_all_else_to_the_top(
    syscall: str, purgatory: int, tmp_path: Path
) -> None:
    """By hand: RAM is from 2 to 6 GiB; the device tree takes a page; only the kernel's own loader brings purgatory."""
    system = two_nodes(tmp_path, "")
    load = getattr(plugin, syscall)
    loaded = load(system, sr.KexecRequest(syscall=syscall, kernel_size=32 * sr.MiB, initrd_size=8 * sr.MiB))
    places = {segment.what: (segment.range.start, segment.range.size) for segment in loaded.segments}
    initrd = 6 * GIB - purgatory - 8 * sr.MiB
    assert places["kernel"] == (2 * GIB, 32 * sr.MiB)
    assert places["initrd"] == (initrd, 8 * sr.MiB)
    assert places["device tree"] == (initrd - 0x1000, 0x1000)
    assert loaded.machine.image.initrd == sr.PhysRange.from_size(initrd, 8 * sr.MiB)


def test_huge_pages_are_those_of_two_levels_of_page_tables() -> None:
    sizes = booted(sample_machine(ARCH)).sysfs.listdir("/sys/devices/system/node/node0/hugepages")
    assert sizes == ["hugepages-1048576kB", "hugepages-2048kB"]


def test_the_architecture_chooses_the_plugin() -> None:
    assert Selection().names(ARCH)[0] == "riscv"


def test_soft_reserved_memory_is_beside_system_ram() -> None:
    lines = booted(sample_machine(ARCH)).iomem.lines()
    assert "100000000-13fffffff : System RAM" in lines
    assert "180000000-1ffffffff : Soft Reserved" in lines


def test_memory_that_is_not_cacheable_is_not_ram() -> None:
    above = (descriptor(4 * GIB, GIB), attrs.evolve(descriptor(8 * GIB, GIB), attribute=1))
    assert not any("200000000-" in line for line in booted(sample_machine(ARCH, above=above)).iomem.lines())


def test_soft_reserved_memory_is_where_the_firmware_says() -> None:
    above = (descriptor(4 * GIB, GIB, attribute=CACHEABLE | 1 << 18),)
    lines = booted(sample_machine(ARCH, above=above)).iomem.lines()
    assert "100000000-13fffffff : Soft Reserved" in lines


class _Riscv:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "riscv"

    @pytest.fixture
    def arch(self) -> str:
        return ARCH


class TestPlugin(_Riscv, BasePlugin):
    pass


class TestArch(_Riscv, BaseArch):
    pass
