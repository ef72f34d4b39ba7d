"""Memory devices and the drivers on the way to them. Linux: ``drivers/cxl/{pci,mem,port}.c``, ``core/memdev.c``.

Left out is what goes through a device's mailbox: labels, health, firmware, poison, events.
"""

from __future__ import annotations

from errno import ENXIO
from functools import partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.sysfs import Link
from softreserve.model.events import Rule

from softreserve_cxl import behaviours, dpa
from softreserve_cxl.attach import cxl_decoder_detach
from softreserve_cxl.bus import CxlBus, CxlDevice, cxl_bus
from softreserve_cxl.hardware import Bridge, Component, DownPort, hardware
from softreserve_cxl.performance import by_cdat, cxl_endpoint_parse_cdat
from softreserve_cxl.region import cxl_add_to_region
from softreserve_cxl.topology import (
    DEVICE_MEMORY_EXPANDER,
    DEVICE_PORT,
    Dport,
    EndpointDecoder,
    Memdev,
    Port,
    SwitchDecoder,
    add_port,
    remove_port,
)

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["NOT_ASSEMBLED", "CxlMemDriver", "CxlPci", "CxlPortDriver"]

#: A decoder that was committed before this kernel, and could not be taken over.
NOT_ASSEMBLED: Final = Rule("cxl-not-assembled", "a committed decoder that no region could be made of")


class CxlPci:
    """The cxl_pci module: a ``memN`` for every memory device, in the order of the bridges."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._memdevs: list[Memdev] = []

    def init(self) -> int:
        """Probe all devices. Linux: ``cxl_pci_probe``."""
        bus = cxl_bus(self._system)
        for bridge in hardware(self._system):
            domain = bridge.bridge.domain
            node = -1 if domain is None else self._system.nodes.pxm_to_node(domain)
            for endpoint in bridge.endpoints():
                memdev = Memdev(bus, endpoint, node)
                self._memdevs.append(memdev)
                self._system.sysfs.add(f"/sys/dev/char/{memdev.dev}", Link(memdev.path, f"cxl/{memdev.name}"))
                bus.register(memdev)
        return 0

    def exit(self) -> None:
        """Take the devices away."""
        for memdev in reversed(self._memdevs):
            memdev.bus.unregister(memdev)
            self._system.sysfs.remove(f"/sys/dev/char/{memdev.dev}")
            memdev.bus.memdev_ids.free(memdev.id)
        self._memdevs.clear()


class CxlMemDriver:
    """``cxl_mem``: finds the way from a memory device to the root, and makes its endpoint."""

    name = "cxl_mem"
    module = "cxl_mem"
    number = DEVICE_MEMORY_EXPANDER

    def probe(self, device: CxlDevice) -> int:
        """Bind: 0, or -ENXIO where the root is not there or the host bridge has no driver. Linux: ``cxl_mem_probe``."""
        assert isinstance(device, Memdev)
        found = self._find_port(device)
        if found is None:
            return -ENXIO
        port, dport = found
        endpoint = Port(device.bus, "endpoint", port, device.path, dport)
        endpoint.memdev = device
        endpoint.endpoint = device.hardware
        device.port = endpoint
        add_port(endpoint)
        if endpoint.driver is None:
            text = f"{self.name} {device.name}: {endpoint.name} failed probe"
            device.bus.system.printk(text, "drivers/cxl/mem.c: devm_cxl_add_endpoint")
            self.remove(device)
            return -ENXIO
        return 0

    def _find_port(self, device: Memdev) -> tuple[Port, Dport] | None:
        """The port that a device hangs below, with the end that leads to it; ``None``: there is no way to the root."""
        bridges = hardware(device.bus.system)
        host = next((bridge for bridge in bridges if device.hardware in bridge.integrated), None)
        if host is not None:
            return self._find_root(device, host)
        port = self._enumerate_ports(device)
        return (port, port.dports[self._way_to(device)[-1][1].number]) if port is not None else None

    def _find_root(self, device: Memdev, host: Bridge) -> tuple[Port, Dport] | None:
        """A device of CXL 1.1 hangs below the root itself. Linux: ``cxl_mem_find_port``."""
        ports = (port for port in device.bus.devices.values() if isinstance(port, Port) and port.parent is None)
        root = next(ports, None)
        if root is not None and host.uid in root.dports and host.restricted:
            return root, root.dports[host.uid]
        what = "not found" if root is None or host.uid not in root.dports else f"{root.name} not enabled"
        text = f"{self.name} {device.name}: CXL port topology {what}"
        device.bus.system.printk(text, "drivers/cxl/mem.c: cxl_mem_probe")
        return None

    def _enumerate_ports(self, device: Memdev) -> Port | None:
        """Ports down to a device, made where they are missing; the last one. Linux: ``devm_cxl_enumerate_ports``."""
        parent: Port | None = None
        parent_dport: Dport | None = None
        for component, down in self._way_to(device):
            port = _port_of(device.bus, component)
            if port is None:
                if parent is None:
                    return None
                port = Port(device.bus, "port", parent, component.path, parent_dport)
                port.component = component
                add_port(port)
            if port.driver is None:
                return None
            if down.number not in port.dports:
                _add_dport(port, _dport(down))
            port.passing.add(device)
            parent, parent_dport = port, port.dports[down.number]
        return parent

    def _way_to(self, device: Memdev) -> list[tuple[Component, DownPort]]:
        ways = (bridge.way_to(device.hardware) for bridge in hardware(device.bus.system))
        return next(way for way in ways if way)

    def remove(self, device: CxlDevice) -> None:
        """Take the endpoint away, and switches that lead to no other device. Linux: ``cxl_detach_ep``."""
        assert isinstance(device, Memdev)
        port = device.port
        assert port is not None
        for decoder in reversed(port.decoders):
            assert isinstance(decoder, EndpointDecoder)
            decoder.part = None
            cxl_decoder_detach(decoder)
            if decoder.dpa is not None:
                dpa.cxl_dpa_release(decoder)
        above = port.parent
        remove_port(port)
        device.port = None
        while above is not None and above.parent is not None:
            above.passing.discard(device)
            further = above.parent
            if not above.passing and not above.is_bridge and not above.leaving:
                remove_port(above)
            above = further


def _port_of(bus: CxlBus, component: Component) -> Port | None:
    ports = (device for device in bus.devices.values() if isinstance(device, Port))
    return next((port for port in ports if port.component is component), None)


def _dport(down: DownPort) -> Dport:
    """The end of a port; how fast the way through a switch is stands in its CDAT. Linux: ``cxl_switch_parse_cdat``."""
    coordinates = by_cdat(down.performance) if down.performance is not None else ()
    return Dport(down.number, down.path, down.link, coordinates)


def _add_dport(port: Port, dport: Dport) -> None:
    """Add a downstream end of a port; the first one makes its decoders. Linux: ``cxl_port_add_dport``."""
    if not port.decoders:
        port.dports[dport.number] = dport
        _setup_decoders(port)
    port.dports[dport.number] = dport
    for decoder in port.decoders:
        if isinstance(decoder, SwitchDecoder):
            decoder.find_targets()


def _setup_decoders(port: Port) -> None:
    """Decoders of a host bridge or a switch: those that it has, or one that stands for none.

    Linux: ``devm_cxl_switch_port_decoders_setup``.
    """
    component = port.component
    assert component is not None
    if not component.decoders:
        if len(component.ports) == 1:
            passthrough = SwitchDecoder(port, 1)
            passthrough.target_map[0] = component.ports[0].number
            passthrough.find_targets()
            port.add_decoder(passthrough)
        return
    nr_targets = _TARGETS
    for registers in component.decoders:
        decoder = SwitchDecoder(port, nr_targets, registers)
        decoder.init_hdm_decoder()
        for at, number in enumerate(registers.targets):
            decoder.target_map[at] = number
        decoder.find_targets()
        port.add_decoder(decoder)


#: How many targets a decoder of a host bridge or a switch has.
_TARGETS: Final = 8


class CxlPortDriver:
    """``cxl_port``: decoders of a port; committed ones of an endpoint make regions. Linux: ``drivers/cxl/port.c``."""

    name = "cxl_port"
    module = "cxl_port"
    number = DEVICE_PORT

    def __init__(self, *, assembles: bool) -> None:
        """``assembles``: whether regions are made of committed decoders."""
        self._assembles = assembles

    def probe(self, device: CxlDevice) -> int:
        """Bind. Linux: ``cxl_port_probe``."""
        assert isinstance(device, Port)
        if device.endpoint is not None:
            return self._endpoint_probe(device)
        if not device.bus.system.kernel.has(behaviours.CXL_DPORTS_WITH_ENDPOINTS) and device.component is not None:
            for down in device.component.ports:
                device.dports[down.number] = _dport(down)
            _setup_decoders(device)
        return 0

    def _endpoint_probe(self, port: Port) -> int:
        assert port.endpoint is not None
        assert port.memdev is not None
        cxl_endpoint_parse_cdat(port)
        base = 0
        for registers in port.endpoint.decoders:
            decoder = EndpointDecoder(port, port.memdev, registers)
            if decoder.init_hdm_decoder():
                size, remainder = divmod(registers.size, registers.ways)
                first = base + registers.skip
                if remainder:
                    size_and_ways = f"size: {registers.size:#x} ways: {registers.ways}"
                    self._error(port, f"{decoder.name}: invalid committed configuration {size_and_ways}")
                # The kernel's line about memory that cannot be had is worded anew every few releases, and left out.
                status = -ENXIO if remainder else dpa.cxl_dpa_reserve(decoder, first, size, registers.skip)
                if status:
                    self._error(port, f"Failed to initialize {decoder.name}")
                    return status
                base = first + size
                decoder.auto = True
            decoder.more = partial(dpa.files, decoder)
            port.add_decoder(decoder)
        if not self._assembles:
            return 0
        for found in list(port.decoders):
            if isinstance(found, EndpointDecoder) and found.enabled and found.auto:
                status = cxl_add_to_region(found)
                if status:
                    where = (found.start, found.start + found.size)
                    function = "drivers/cxl/port.c: discover_region"
                    port.bus.system.log.record(NOT_ASSEMBLED, function, *where, found.name, f"errno {-status}")
        return 0

    def _error(self, port: Port, text: str) -> None:
        port.bus.system.printk(f"{self.name} {port.name}: {text}", "drivers/cxl/core/hdm.c: init_hdm_decoder")

    def remove(self, device: CxlDevice) -> None:
        """Devices below a port lose their drivers, its decoders go; those of an endpoint go with the port."""
        assert isinstance(device, Port)
        bus = device.bus
        if device.memdev is not None:
            bus.queue_work(partial(bus.device_release_driver, device.memdev))
            return
        if device.passing and not device.is_bridge:
            # The last device takes a switch with it, once that is unbound.
            device.leaving = True
            bus.queue_work(partial(remove_port, device))
        for memdev in sorted(device.passing, key=lambda memdev: memdev.id):
            bus.device_release_driver(memdev)
        for decoder in reversed(device.decoders):
            decoder.unregister()
        device.decoders.clear()
        device.dports.clear()
