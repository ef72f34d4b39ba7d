"""A machine to boot: 2 GiB of RAM from 1 GiB on (node 0, both CPUs), 2 GiB of specific purpose memory behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.acpi.srat import GiccAffinity, MemoryAffinity, Srat
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.plugins import hooks

WB, SP, RUN = 0x8, 0x40000, 1 << 63
CONFIG: dict[str, str | int] = {
    "EFI_SOFT_RESERVE": "y",
    "NODES_SHIFT": 4,
    "NUMA": "y",
    "NUMA_KEEP_MEMINFO": "y",
    "MEMORY_HOTPLUG": "y",
    "RANDOMIZE_BASE": "y",
    "ZONE_DMA": "y",
    "ZONE_DMA32": "y",
}
IMAGE = KernelImage(
    code=PhysRange(0x80010000, 0x81000000),
    data=PhysRange(0x81200000, 0x81600000),
    initrd=PhysRange(0x90000000, 0x90300000),
)


def md(type_: int, start: int, end: int, attribute: int = WB) -> EfiDescriptor:
    return EfiDescriptor(type_, start, (end - start) >> 12, attribute)


EFI_MAP = EfiMemoryMap(
    [
        md(7, 0x40000000, 0xBC440000),
        md(5, 0xBC440000, 0xBC730000, WB | RUN),
        md(9, 0xBC730000, 0xBC740000),
        md(7, 0xBC740000, 0xC0000000),
        md(7, 0xC0000000, 0x140000000, WB | SP),
        md(11, 0x9010000, 0x9011000, 1 | RUN),
    ]
)


SRAT = Srat(
    [
        GiccAffinity(proximity_domain=0, acpi_processor_uid=0),
        GiccAffinity(proximity_domain=0, acpi_processor_uid=1),
        MemoryAffinity(proximity_domain=0, base=0x40000000, size_bytes=0x80000000),
        MemoryAffinity(proximity_domain=1, base=0xC0000000, size_bytes=0x80000000),
    ]
).sealed()


@pytest.fixture
def machine() -> Callable[..., Machine]:
    def make(release: str = "6.12", cmdline: str = "nokaslr", page_size: int = 4096, **changes: Any) -> Machine:
        fields = {"efi_map": EFI_MAP, "acpi": {"SRAT": SRAT}, "image": IMAGE, "cpus": 2, **changes}
        kernel = Kernel(release, "arm64", page_size, config=CONFIG)
        return Machine("m", kernel, CommandLine(cmdline), **fields)

    return make


@pytest.fixture
def booted(machine: Callable[..., Machine]) -> Callable[..., System]:
    def run(*args: Any, **changes: Any) -> System:
        return boot(machine(*args, **changes), hooks.load(["arm64"]))

    return run
