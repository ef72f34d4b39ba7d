"""A kernel with CXL: windows, host bridges, devices; and what is written to its files."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from softreserve.kernel.system import System
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.arch import ArchInfo
from softreserve.model.cxl import CxlHostBridge, CxlMemdev, CxlRootPort, ways_to_eiw
from softreserve.plugins.hookspecs import hookimpl

BUS = "/sys/bus/cxl/devices"
MIB = 1 << 20
GIB = 1 << 30
CONFIG = {
    "CXL_BUS": "y",
    "CXL_ACPI": "m",
    "CXL_PCI": "m",
    "CXL_MEM": "m",
    "CXL_PORT": "y",
    "CXL_REGION": "y",
    "CXL_PMEM": "n",
    "DEV_DAX_CXL": "m",
}
#: A device of 1 GiB below each of a bridge's root ports.
DEVICE = CxlMemdev(volatile=GIB)


class Firmware:
    """Stands for an architecture whose CPUs can drop what they have cached, unless told otherwise."""

    def __init__(self, invalidates: bool) -> None:
        self._invalidates = invalidates

    def phys_to_target_node(self, addr: int) -> int:
        return 1

    def memory_add_physaddr_to_nid(self, addr: int) -> int:
        return 0

    def borders(self) -> list[int]:
        return []

    @hookimpl
    def softreserve_arch_info(self, arch: str) -> ArchInfo:
        return ArchInfo(arch, invalidates_memregions=lambda machine: self._invalidates)

    @hookimpl
    def softreserve_register_resources(self, system: System) -> None:
        system.nodes.address_to_node = self


def window(start: int, size: int, targets: Sequence[int] = (12,), **more: int) -> FixedMemoryWindow:
    """A window that is good for everything."""
    fields = {"restrictions": 0x0F, "interleave_ways": ways_to_eiw(len(targets))} | more
    found = FixedMemoryWindow(base_hpa=start, window_size=size, length=36 + 4 * len(targets), **fields)
    found.tail = struct.pack(f"<{len(targets)}I", *targets)
    return found


def cedt(*windows: FixedMemoryWindow, bridges: Sequence[int] = (12,)) -> dict[str, bytes]:
    """A CEDT with registers of bridges, and windows."""
    return {"CEDT": Cedt([*(HostBridge(uid=uid, base=0x1000) for uid in bridges), *windows]).sealed()}


def bridge(uid: int = 12, devices: int = 1, memdev: CxlMemdev = DEVICE) -> CxlHostBridge:
    """A host bridge with a device below each of its root ports; its decoders are those of QEMU's."""
    ports = tuple(CxlRootPort(number, memdev) for number in range(devices))
    return CxlHostBridge(uid, uid, ports, decoders=4 if devices > 1 else 0)


Boot = Callable[..., System]


def write(system: System, path: str, value: object) -> int:
    """0, or ``-errno``."""
    data = f"{value}\n".encode()
    taken = system.sysfs.write(f"{BUS}/{path}", data)
    return 0 if taken == len(data) else taken


def read(system: System, path: str) -> str | int:
    value = system.sysfs.read(f"{BUS}/{path}")
    return value if isinstance(value, int) else value.decode().removesuffix("\n")


def lines(system: System) -> list[str]:
    return [line for line in system.iomem.lines() if "System RAM" not in line]


def prepare(system: System, size: int = GIB, decoder: str = "decoder2.0", region: str = "region0") -> None:
    """Everything up to the target."""
    assert write(system, "decoder0.0/create_ram_region", region) == 0
    for path, value in (
        (f"{region}/interleave_granularity", 256),
        (f"{region}/interleave_ways", 1),
        (f"{decoder}/mode", "ram"),
        (f"{decoder}/dpa_size", size),
        (f"{region}/size", size),
    ):
        assert write(system, path, value) == 0, path


def make(system: System, size: int = GIB, decoder: str = "decoder2.0", region: str = "region0") -> None:
    """A region that is committed, and has its driver."""
    prepare(system, size, decoder, region)
    assert write(system, f"{region}/target0", decoder) == 0
    assert write(system, f"{region}/commit", 1) == 0
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_region/bind", region.encode()) > 0
