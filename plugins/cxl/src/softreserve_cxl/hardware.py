"""What devices keep whatever the kernel does: registers of their HDM decoders.

A kernel that is started by kexec finds them as the one before left them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.state import StashKey
from softreserve.kernel.sysfs import Link
from softreserve.model.acpi.cedt import CHBS, Cedt, HostBridge
from softreserve.model.cxl import GRANULARITIES, CxlDecoder, CxlHostBridge, CxlLink, CxlMemdev, CxlRootPort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.system import System

__all__ = ["HARDWARE", "Bridge", "Endpoint", "Hdm", "RootPort", "hardware"]


class Hdm:
    """Registers of one HDM decoder: bytes. Those of one that is not committed keep how it interleaved."""

    __slots__ = ("committed", "granularity", "locked", "size", "skip", "start", "targets", "ways")

    def __init__(self) -> None:
        self.committed = False
        self.start = 0
        self.size = 0
        self.ways = 1
        self.granularity = GRANULARITIES[0]
        self.targets: tuple[int, ...] = ()
        self.locked = False
        self.skip = 0

    def load(self, decoder: CxlDecoder) -> None:
        """Take over what was committed before this kernel."""
        self.committed = True
        self.start, self.size, self.ways, self.granularity, self.targets, self.locked, self.skip = decoder

    def frozen(self) -> CxlDecoder:
        """As the next kernel finds it."""
        return CxlDecoder(self.start, self.size, self.ways, self.granularity, self.targets, self.locked, self.skip)


def _decoders(count: int, committed: Sequence[CxlDecoder]) -> list[Hdm]:
    found = [Hdm() for _ in range(count)]
    for registers, decoder in zip(found, committed, strict=False):
        registers.load(decoder)
    return found


def _committed(decoders: Sequence[Hdm]) -> tuple[CxlDecoder, ...]:
    return tuple(registers.frozen() for registers in decoders if registers.committed)


class Endpoint:
    """A memory device in a root port: ``path`` is its PCI function."""

    def __init__(self, memdev: CxlMemdev, path: str) -> None:
        self.memdev = memdev
        self.path = path
        self.decoders = _decoders(memdev.decoders, memdev.committed)


class RootPort:
    """A root port: ``path`` is its PCI function."""

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.endpoint: Endpoint | None = None

    @property
    def link(self) -> CxlLink | None:
        """The link to what is plugged in."""
        return self.endpoint.memdev.link if self.endpoint is not None else None


class Bridge:
    """A host bridge; ``has_registers``: the CEDT says where its registers are."""

    def __init__(self, bridge: CxlHostBridge, has_registers: bool) -> None:
        self.bridge = bridge
        self.uid = bridge.uid
        self.has_registers = has_registers
        self.path = f"/sys/devices/pci0000:{bridge.bus:02x}"
        self.decoders = _decoders(bridge.decoders, bridge.committed)
        self.root_ports: list[RootPort] = []
        for at, port in enumerate(bridge.root_ports):
            path = f"{self.path}/0000:{bridge.bus:02x}:{at:02x}.0"
            found = RootPort(port.number, path)
            if port.memdev is not None:
                # Buses behind root ports are numbered in the order of the ports.
                found.endpoint = Endpoint(port.memdev, f"{path}/0000:{(bridge.bus + 1 + at) & 0xFF:02x}:00.0")
            self.root_ports.append(found)

    def frozen(self) -> CxlHostBridge:
        """As the next kernel finds it."""
        ports = tuple(CxlRootPort(port.number, _memdev(port.endpoint)) for port in self.root_ports)
        return self.bridge._replace(root_ports=ports, committed=_committed(self.decoders))


def _memdev(endpoint: Endpoint | None) -> CxlMemdev | None:
    return None if endpoint is None else endpoint.memdev._replace(committed=_committed(endpoint.decoders))


HARDWARE: Final = StashKey["list[Bridge]"]("cxl hardware")


def hardware(system: System) -> list[Bridge]:
    """The host bridges of a machine, in the order of the description, made on first use.

    Where only the CEDT names bridges they are there, with nothing known of what is behind them.
    """
    found = system.stash.get(HARDWARE)
    if found is None:
        registers = _with_registers(system)
        bridges = system.machine.cxl or tuple(CxlHostBridge(uid, 0) for uid in registers)
        found = [Bridge(bridge, bridge.uid in registers) for bridge in bridges]
        system.stash[HARDWARE] = found
        for bridge in found:
            companion = f"/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0016:{found.index(bridge):02x}"
            system.sysfs.directory(companion)
            system.sysfs.add(f"{bridge.path}/firmware_node", Link(companion))
            for port in bridge.root_ports:
                system.sysfs.directory(port.path if port.endpoint is None else port.endpoint.path)
    return found


def _with_registers(system: System) -> list[int]:
    """Numbers of the bridges whose entries the kernel can use. Linux: ``drivers/cxl/acpi.c: cxl_get_chbs_iter``."""
    table = Cedt.parse(system.machine.acpi["CEDT"])
    bridges = (entry for entry in table.entries if isinstance(entry, HostBridge) and entry.type == CHBS)
    return [bridge.uid for bridge in bridges if bridge.base]
