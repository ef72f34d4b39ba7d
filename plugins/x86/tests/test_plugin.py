"""Whole boots with nothing but this plugin."""

from typing import Any

import pytest
from softreserve.kernel.e820 import E820_TABLE_KEXEC
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.plugins import hooks
from softreserve.views.emit import emit

G = 1 << 30
WB, SP = 0xF, 0x40000
CONFIG = {"EFI_SOFT_RESERVE": "y", "NUMA": "y", "ACPI_NUMA": "y", "NUMA_KEEP_MEMINFO": "y", "MEMORY_HOTPLUG": "y"}
IMAGE = KernelImage(code=PhysRange(0x1000000, 0x1800000), bss=PhysRange(0x1800000, 0x1A00000))
EFI_MAP = EfiMemoryMap(
    [
        EfiDescriptor(7, 0, 0xA0, WB),
        EfiDescriptor(7, 0x100000, (G - 0x100000) >> 12, WB),
        EfiDescriptor(7, 4 * G, G >> 12, WB | SP),
        EfiDescriptor(11, 0xFFC00000, 0x400, 1 << 63 | 1),
    ]
)


def booted(cmdline: str = "", release: str = "6.12", config: dict[str, str] = CONFIG, **changes: Any) -> System:
    fields: dict[str, Any] = {"efi_map": EFI_MAP, "image": IMAGE, **changes}
    machine = Machine("m", Kernel(release, "x86_64", config=config), CommandLine(cmdline), **fields)
    return boot(machine, hooks.load(["x86"]))


def test_specific_purpose_memory_is_soft_reserved() -> None:
    system = booted()
    assert system.iomem.lines() == [
        "00000000-00000fff : Reserved",
        "00001000-0009ffff : System RAM",
        "00100000-3fffffff : System RAM",
        "  01000000-017fffff : Kernel code",
        "  01800000-019fffff : Kernel bss",
        "100000000-13fffffff : Soft Reserved",
    ]
    assert system.firmware_memmap.lines() == [
        "0 0x0 0x9ffff System RAM",
        "1 0x100000 0x3fffffff System RAM",
        "2 0xffc00000 0xffffffff Reserved",
        "3 0x100000000 0x13fffffff Soft Reserved",
    ]


def test_before_6_2_mmio_of_the_firmware_stays_reserved() -> None:
    assert "ffc00000-ffffffff : Reserved" in booted(release="6.1").iomem.lines()


def test_every_printed_table_is_shown_with_its_title() -> None:
    nodes = (PhysRange(0x3F000000, 0x3F001000),)
    lines = emit(booted("mem=512M", setup_data=nodes), "e820")
    assert [line for line in lines if line.endswith("RAM map:")] == [
        "BIOS-provided physical RAM map:",
        "extended physical RAM map:",
        "user-defined physical RAM map:",
    ]
    assert [line for line in lines if line.startswith("reserve setup_data: ")]


def test_nosoftreserve_makes_it_ram() -> None:
    assert "100000000-13fffffff : System RAM" in booted("efi=nosoftreserve").iomem.lines()


def test_stub_and_kernel_may_disagree() -> None:
    """The stub takes nosoftreserve back at the next efi=; the kernel does not, but e820 stays as the stub made it."""
    system = booted("efi=nosoftreserve efi=debug")
    assert "100000000-13fffffff : Soft Reserved" in system.iomem.lines()


def test_without_runtime_services_the_map_is_neither_printed_nor_cleaned_of_mmio() -> None:
    system = booted("efi=debug efi=noruntime")
    assert not any(line.startswith("efi: mem") for line in system.log.lines)
    assert "ffc00000-ffffffff : Reserved" in system.iomem.lines()


def test_a_kernel_without_numa_looks_for_no_nodes() -> None:
    system = booted(config={"EFI_SOFT_RESERVE": "y"})
    assert not any("NUMA" in line for line in system.log.lines)
    assert {region.nid for region in system.memblock.memory} == {0}


def test_without_pci_nothing_is_ever_shown_as_soft_reserved() -> None:
    system = booted("pci=off")
    assert not any("Soft Reserved" in line for line in system.iomem.lines())
    assert "PCI: System does not support PCI" in system.log.lines


def test_malformed_options_are_named_as_they_were_written_and_the_boot_goes_on() -> None:
    system = booted("mem=0 efi numa")
    malformed = [line for line in system.log.lines if line.startswith("Malformed")]
    assert malformed == [f"Malformed early option '{name}'" for name in ("mem", "efi", "numa")]


def test_a_loader_that_knows_no_efi_boots_with_its_own_table() -> None:
    table = (E820Entry(0, 0x9FC00, 1), E820Entry(0x100000, G - 0x100000, 1), E820Entry(4 * G, G, 2))
    system = booted("", efi_map=None, boot="loader", e820=table, setup_data=(PhysRange(0x200000, 0x200040),))
    lines = system.iomem.lines()
    assert "00200000-0020003f : System RAM" in lines
    assert "100000000-13fffffff : Reserved" in lines
    assert system.stash[E820_TABLE_KEXEC] == table


def test_a_panic_is_told_as_what_it_is() -> None:
    with pytest.raises(MachineError, match="Invalid user supplied memory map"):
        booted("memmap=exactmap,1G@0 efi=nosoftreserve")


def test_another_architecture_is_not_answered() -> None:
    machine = Machine("m", Kernel("6.12", "arm64"))
    with pytest.raises(MachineError, match="no loaded plugin boots arm64"):
        boot(machine, hooks.load(["x86"]))


@pytest.mark.parametrize(
    ("end", "hypervisor", "megabytes"), [(32, True, 128), (64, True, 2048), (65, True, 1024), (65, False, 2048)]
)
def test_memory_blocks_follow_the_end_of_ram(end: int, hypervisor: bool, megabytes: int) -> None:
    table = (E820Entry(0, 0x9F000, 1), E820Entry(0x100000, end * G - 0x100000, 1))
    system = booted("", efi_map=None, boot="loader", e820=table, hypervisor=hypervisor)
    assert system.memory.block_size == megabytes << 20
    assert f"x86/mm: Memory block size: {megabytes}MB" in system.log.lines
