"""What devices keep whatever the kernel does: registers of their HDM decoders.

A kernel that is started by kexec finds them as the one before left them.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from softreserve.kernel.state import StashKey
from softreserve.kernel.sysfs import Link
from softreserve.model.acpi.cedt import CHBS, CXL_1_1, RCRB_SIZE, Cedt, HostBridge
from softreserve.model.cxl import (
    GRANULARITIES,
    CxlDecoder,
    CxlHostBridge,
    CxlLink,
    CxlMemdev,
    CxlPerformance,
    CxlRootPort,
    CxlSwitch,
)

from softreserve_cxl import behaviours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from softreserve.kernel.system import System

__all__ = ["HARDWARE", "Bridge", "Component", "DownPort", "Endpoint", "Hdm", "hardware"]


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
    """A memory device in a port: ``path`` is its PCI function."""

    def __init__(self, memdev: CxlMemdev, path: str) -> None:
        self.memdev = memdev
        self.path = path
        self.decoders = _decoders(memdev.decoders, memdev.committed)

    def frozen(self) -> CxlMemdev:
        """As the next kernel finds it."""
        return self.memdev._replace(committed=_committed(self.decoders))


class DownPort:
    """A root port of a host bridge, or a downstream port of a switch: ``path`` is its PCI function."""

    def __init__(self, port: CxlRootPort, path: str, buses: Iterator[int], performance: CxlPerformance | None) -> None:
        """``performance``: of the way through the switch that it is of."""
        self.number = port.number
        self.path = path
        self.performance = performance
        bus = next(buses) & 0xFF
        function = f"{path}/0000:{bus:02x}:00.0"
        self.endpoint = Endpoint(port.memdev, function) if port.memdev is not None else None
        self.switch = Switch(port.switch, function, buses) if port.switch is not None else None

    @property
    def link(self) -> CxlLink | None:
        """The link to what is plugged in."""
        if self.switch is not None:
            return self.switch.switch.link
        return self.endpoint.memdev.link if self.endpoint is not None else None

    def frozen(self) -> CxlRootPort:
        """As the next kernel finds it."""
        endpoint, switch = self.endpoint, self.switch
        memdev = endpoint.frozen() if endpoint is not None else None
        return CxlRootPort(self.number, memdev, switch.frozen() if switch is not None else None)


class Component:
    """What has decoders, and ports below it: a host bridge or a switch. ``path`` is its directory among PCI devices."""

    path: str
    decoders: list[Hdm]
    ports: list[DownPort]

    def endpoints(self) -> Iterator[Endpoint]:
        """All devices below it."""
        for port in self.ports:
            if port.endpoint is not None:
                yield port.endpoint
            if port.switch is not None:
                yield from port.switch.endpoints()

    def way_to(self, endpoint: Endpoint) -> list[tuple[Component, DownPort]]:
        """Components down to a device, itself first, each with the port that leads on; empty: it is not here."""
        for port in self.ports:
            if port.endpoint is endpoint:
                return [(self, port)]
            further = port.switch.way_to(endpoint) if port.switch is not None else []
            if further:
                return [(self, port), *further]
        return []


class Switch(Component):
    """A switch: ``path`` is the PCI function of its upstream port."""

    def __init__(self, switch: CxlSwitch, path: str, buses: Iterator[int]) -> None:
        """``buses`` numbers those behind it, from one port to the next."""
        self.switch = switch
        self.path = path
        self.decoders = _decoders(switch.decoders, switch.committed)
        self.ports = _ports(switch.ports, path, next(buses) & 0xFF, buses, switch.performance)

    def frozen(self) -> CxlSwitch:
        """As the next kernel finds it."""
        ports = tuple(port.frozen() for port in self.ports)
        return self.switch._replace(ports=ports, committed=_committed(self.decoders))


class Bridge(Component):
    """A host bridge.

    :ivar has_registers: the CEDT says where its registers are.
    :ivar restricted: by which it is of CXL 1.1 (RCH).
    """

    def __init__(self, bridge: CxlHostBridge, *, has_registers: bool, restricted: bool) -> None:
        self.bridge = bridge
        self.uid = bridge.uid
        self.has_registers = has_registers
        self.restricted = restricted
        self.path = f"/sys/devices/pci0000:{bridge.bus:02x}"
        self.decoders = _decoders(bridge.decoders, bridge.committed)
        self.ports = _ports(bridge.root_ports, self.path, bridge.bus, count(bridge.bus + 1), None)
        #: Devices of CXL 1.1 on its own bus.
        self.integrated = [
            Endpoint(memdev, f"{self.path}/0000:{bridge.bus:02x}:{at:02x}.0")
            for at, memdev in enumerate(bridge.memdevs)
        ]

    def endpoints(self) -> Iterator[Endpoint]:
        """All devices below it."""
        yield from self.integrated
        yield from super().endpoints()

    def frozen(self) -> CxlHostBridge:
        """As the next kernel finds it."""
        ports = tuple(port.frozen() for port in self.ports)
        memdevs = tuple(endpoint.frozen() for endpoint in self.integrated)
        return self.bridge._replace(root_ports=ports, committed=_committed(self.decoders), memdevs=memdevs)


def _ports(
    ports: Sequence[CxlRootPort], path: str, bus: int, buses: Iterator[int], performance: CxlPerformance | None
) -> list[DownPort]:
    return [DownPort(port, f"{path}/0000:{bus:02x}:{at:02x}.0", buses, performance) for at, port in enumerate(ports)]


HARDWARE: Final = StashKey["list[Bridge]"]("cxl hardware")


def hardware(system: System) -> list[Bridge]:
    """The host bridges of a machine, in the order of the description, made on first use.

    Where only the CEDT names bridges they are there, with nothing known of what is behind them.
    """
    found = system.stash.get(HARDWARE)
    if found is None:
        registers = _with_registers(system)
        bridges = system.machine.cxl or tuple(CxlHostBridge(uid, 0) for uid in registers)
        found = [
            Bridge(bridge, has_registers=bridge.uid in registers, restricted=registers.get(bridge.uid, False))
            for bridge in bridges
        ]
        system.stash[HARDWARE] = found
        for number, bridge in enumerate(found):
            companion = f"/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0016:{number:02x}"
            system.sysfs.directory(companion)
            system.sysfs.add(f"{bridge.path}/firmware_node", Link(companion))
            for path in (*(endpoint.path for endpoint in bridge.integrated), *_functions(bridge)):
                system.sysfs.directory(path)
    return found


def _functions(component: Component) -> Iterator[str]:
    """PCI functions with nothing behind them; those on the way to them come by themselves."""
    for port in component.ports:
        if port.switch is not None:
            yield port.switch.path
            yield from _functions(port.switch)
        else:
            yield port.path if port.endpoint is None else port.endpoint.path


def _with_registers(system: System) -> dict[int, bool]:
    """Bridges whose entries the kernel can use, by number: whether they are of CXL 1.1.

    Linux: ``drivers/cxl/acpi.c: cxl_get_chbs_iter``.
    """
    table = Cedt.found_in(system.acpi)
    entries = table.entries if table is not None else ()
    bridges = (entry for entry in entries if isinstance(entry, HostBridge) and entry.type == CHBS)
    knows_old = system.kernel.has(behaviours.CXL_RESTRICTED_HOSTS)
    found: dict[int, bool] = {}
    for bridge in bridges:
        is_old = knows_old and bridge.cxl_version == CXL_1_1
        if bridge.base and not (is_old and bridge.size_bytes != RCRB_SIZE):
            found.setdefault(bridge.uid, is_old)
    return found
