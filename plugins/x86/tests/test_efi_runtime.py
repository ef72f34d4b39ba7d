"""The EFI map in virtual mode. Expected: what a recorded boot of 7.3.4 (OVMF 2022.11) had in ``runtime-map``."""

from __future__ import annotations

import struct
from errno import ENODATA

import attrs
import pytest
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.plugins.hooks import load
from softreserve.testing.machines import sample_machine

RUNTIME = 1 << 63
#: Type, pages, first address, virtual address, attribute; number 0 first, which is the highest in the firmware's map.
RECORDED = [
    (0xB, 0x400, 0xFFC00000, 0xFFFFFFFEFFC00000, RUNTIME | 0x1),
    (0x6, 0x84, 0x7FEEC000, 0xFFFFFFFEFFAEC000, RUNTIME | 0xF),
    (0x3, 0x14, 0x7FED8000, 0xFFFFFFFEFFAD8000, 0xF),
    (0x4, 0x19, 0x7FEBF000, 0xFFFFFFFEFFABF000, 0xF),
    (0x3, 0x2E, 0x7FE91000, 0xFFFFFFFEFFA91000, 0xF),
    (0x4, 0x20, 0x7FE71000, 0xFFFFFFFEFFA71000, 0xF),
    (0x4, 0x602, 0x7F7FE000, 0xFFFFFFFEFF3FE000, 0xF),
    (0x5, 0x100, 0x7F5EC000, 0xFFFFFFFEFF1EC000, RUNTIME | 0xF),
    (0x6, 0x100, 0x7F4EC000, 0xFFFFFFFEFF0EC000, RUNTIME | 0xF),
]


def booted(cmdline: str) -> System:
    """The machine of these descriptors, with 1 GiB of RAM below them."""
    ram = EfiDescriptor(7, 0x100000, 0x40000, 0xF)
    found = [EfiDescriptor(kind, start, pages, attribute) for kind, pages, start, _, attribute in RECORDED]
    machine = sample_machine("x86_64", release="7.3", cmdline=cmdline)
    machine = attrs.evolve(machine, efi_map=EfiMemoryMap((ram, *reversed(found))), acpi={})
    return boot(machine, load(["x86"]))


def entries(system: System) -> list[tuple[int, ...]]:
    root = "/sys/firmware/efi/runtime-map"
    found = []
    listed = system.sysfs.listdir(root)
    for number in range(0 if isinstance(listed, int) else len(listed)):
        names = ("type", "num_pages", "phys_addr", "virt_addr", "attribute")
        values = [system.sysfs.read(f"{root}/{number}/{name}") for name in names]
        found.append(tuple(int(value, 0) for value in values if isinstance(value, bytes)))
    return found


def test_regions_are_mapped_from_the_top_of_the_window_down() -> None:
    assert entries(booted("efi=debug")) == RECORDED


def test_boot_services_leave_their_place_in_the_window_when_they_go() -> None:
    assert entries(booted("")) == [entry for entry in RECORDED if entry[0] not in (3, 4)]


def test_boot_services_that_the_kernel_does_not_own_become_runtime_memory() -> None:
    """Worked out by hand from efi_reserve_boot_services(): low memory is reserved, soft reserved memory is not RAM."""
    sp = 1 << 18
    descriptors = [
        EfiDescriptor(4, 0x8000, 0x1, 0xF),
        EfiDescriptor(4, 0x20000, 0x1, 0xF),
        EfiDescriptor(7, 0x100000, 0x40000, 0xF),
        EfiDescriptor(4, 0x50000000, 0x1000, 0xF | sp),
        EfiDescriptor(3, 0x60000000, 0x1000, 0xF),
    ]
    machine = sample_machine("x86_64", release="6.1", cmdline="efi=debug")
    machine = attrs.evolve(machine, efi_map=EfiMemoryMap(descriptors), acpi={})
    system = boot(machine, load(["x86"]))
    found = [(start, bool(attribute & RUNTIME)) for _, _, start, _, attribute in entries(system)]
    assert found == [(0x60000000, False), (0x50000000, True), (0x20000, False), (0x8000, True)]
    system = boot(attrs.evolve(machine, cmdline=CommandLine("")), load(["x86"]))
    assert [start for _, _, start, _, _ in entries(system)] == [0x50000000, 0x8000]
    system = boot(attrs.evolve(machine, cmdline=CommandLine("efi=nosoftreserve")), load(["x86"]))
    assert [start for _, _, start, _, _ in entries(system)] == [0x8000]


@pytest.mark.parametrize("cmdline", ["noefi", "efi=noruntime"])
def test_without_runtime_services_there_is_no_map(cmdline: str) -> None:
    system = booted(cmdline)
    assert entries(system) == []
    assert system.sysfs.read("/sys/firmware/efi/fw_platform_size") == b"64\n"


def test_the_zero_page_has_the_e820_table_and_the_size_of_the_efi_map() -> None:
    """Offsets as the boot protocol of x86 has them."""
    page = booted("").sysfs.read("/sys/kernel/boot_params/data")
    assert isinstance(page, bytes)
    assert len(page) == 4096
    signature, _, size, version, _, length = struct.unpack_from("<4s5I", page, 0x1C0)
    assert (signature, size, version, length) == (b"EL64", 48, 1, 48 * 10)
    # the stub joins boot services with RAM next to them, and runtime services are reserved
    first = struct.unpack_from("<QQI", page, 0x2D0)
    assert first == (0x100000, 0x40000000, 1)
    assert (page[0x1E8], page[0x202:0x206]) == (6, b"HdrS")


def test_what_no_description_of_a_machine_tells_has_no_data() -> None:
    system = booted("")
    names = ("config_table", "fw_vendor", "runtime", "systab")
    assert [system.sysfs.read(f"/sys/firmware/efi/{name}") for name in names] == [-ENODATA] * 4
