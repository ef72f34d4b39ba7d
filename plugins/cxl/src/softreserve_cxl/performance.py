"""How fast CXL memory is: what devices say of themselves, what lies on the way, what a region makes of it.

Linux: ``drivers/cxl/core/cdat.c``, ``core/port.c: cxl_endpoint_get_perf_coordinates``. Nanoseconds and MB/s; of two
access classes, as nodes have them: from the nearest initiator, and from the nearest one that has CPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import ENODEV
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.model.cxl import CxlLink, CxlPerformance
from softreserve.model.units import U32_MAX

from softreserve_cxl import behaviours
from softreserve_cxl.topology import Coordinates, PartitionPerformance, root_decoders

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel

    from softreserve_cxl.topology import EndpointDecoder, Port, Region

__all__ = [
    "by_cdat",
    "cxl_endpoint_parse_cdat",
    "cxl_region_perf_data_calculate",
    "cxl_region_shared_upstream_bandwidth_update",
    "cxl_region_update_coordinates",
    "why_unknown",
]

_CLASSES: Final = range(2)
#: Bits that carry data, of those that a lane transfers. Linux: ``drivers/pci/pci.h: PCIE_SPEED2MBS_ENC``.
_ENCODING: Final = {2500: (8, 10), 5000: (8, 10), 64000: (1, 1)}
_ENCODING_128: Final = (128, 130)
_FLIT, _FLIT_OF_FLIT_MODE = 68, 256
_PICOSECONDS: Final = 1000
_BITS_PER_BYTE: Final = 8


# --- links


def _bandwidth(link: CxlLink) -> int:
    """MB/s of all lanes, encoding included. Linux: ``cxl_pci_get_bandwidth``."""
    return link.speed * link.width // _BITS_PER_BYTE


def _bandwidth_available(links: Sequence[CxlLink]) -> int:
    """MB/s of data that the narrowest link of a way has. Linux: ``pcie_bandwidth_available``."""
    found: list[int] = []
    for link in links:
        data, bits = _ENCODING.get(link.speed, _ENCODING_128)
        found.append(link.width * (link.speed * data // bits))
    return min(found) // _BITS_PER_BYTE


def _latency(kernel: Kernel, link: CxlLink) -> int:
    """Nanoseconds that a flit takes. Linux: ``cxl_pci_get_latency``, ``add_latency``.

    Before 7.3 it was what one lane would take, in picoseconds that were taken for nanoseconds.
    """
    flit = _FLIT_OF_FLIT_MODE if link.flit else _FLIT
    if not kernel.has(behaviours.CXL_LINK_LATENCY_IN_NS):
        return flit * 10**6 // (link.speed // _BITS_PER_BYTE)
    return -(-(flit * 10**6 // _bandwidth(link)) // _PICOSECONDS)


# --- coordinates


def _combined(one: AccessCoordinate, other: AccessCoordinate) -> AccessCoordinate:
    """One behind the other: the lower bandwidth, the sum of latencies; a bandwidth of 0 is not known."""
    read, write = one.read_bandwidth, one.write_bandwidth
    if read and other.read_bandwidth:
        read = min(read, other.read_bandwidth)
    if write and other.write_bandwidth:
        write = min(write, other.write_bandwidth)
    latency = one.read_latency + other.read_latency & U32_MAX, one.write_latency + other.write_latency & U32_MAX
    return AccessCoordinate(read, write, *latency)


def _added(one: AccessCoordinate, other: AccessCoordinate) -> AccessCoordinate:
    """Bandwidths of both together, with the latencies of the first."""
    read, write = one.read_bandwidth + other.read_bandwidth, one.write_bandwidth + other.write_bandwidth
    return one._replace(read_bandwidth=read & U32_MAX, write_bandwidth=write & U32_MAX)


def _each(one: Coordinates, other: Coordinates) -> Coordinates:
    return [_combined(*pair) for pair in zip(one, other, strict=True)]


def _sum(one: Coordinates, other: Coordinates) -> Coordinates:
    return [_added(*pair) for pair in zip(one, other, strict=True)]


def _of_bandwidth(bandwidth: int) -> Coordinates:
    return [AccessCoordinate(bandwidth, bandwidth)] * len(_CLASSES)


def _is_valid(coordinates: Coordinates) -> bool:
    """Whether both classes are known as a whole. Linux: ``coordinates_valid``."""
    return bool(coordinates) and all(map(all, coordinates))


# --- devices


def cxl_endpoint_parse_cdat(port: Port) -> None:
    """Work out how fast the partitions of a device are, and which QoS class the root device gives them.

    What no window has the class of is forgotten, as is all of a device that no window leads to.
    """
    memdev = port.memdev
    assert memdev is not None
    kernel = port.bus.system.kernel
    described = memdev.hardware.memdev
    told = {"ram": described.volatile_performance, "pmem": described.persistent_performance}
    said = {name: found for name, found in told.items() if found is not None}
    if not said or port.is_bridge or not kernel.has(behaviours.CXL_QOS_CLASS):
        return  # Of devices of CXL 1.1, right below the root, nothing is worked out that would be of use.
    way = _endpoint_coordinates(kernel, port)
    root = port.bus.system.machine.cxl_root
    qos_class = root.qos_class if root is not None else None
    if way is None or qos_class is None:
        return
    memdev.performance.clear()
    if not _has_window(port, qos_class):
        return
    for name, performance in said.items():
        cdat = by_cdat(performance)
        memdev.performance[name] = PartitionPerformance(cdat, _each(cdat, way), qos_class)


def why_unknown(endpoint: Port) -> str | None:
    """Why nothing came of what a device says of itself; ``None``: something did, or it says nothing."""
    memdev = endpoint.memdev
    assert memdev is not None
    described, system = memdev.hardware.memdev, endpoint.bus.system
    says = described.volatile_performance or described.persistent_performance
    if not says or memdev.performance or not system.kernel.has(behaviours.CXL_QOS_CLASS):
        return None
    if endpoint.is_bridge:
        return "it is one of CXL 1.1, for which the HMAT has to say it"
    dport = endpoint.host_bridge.parent_dport
    assert dport is not None
    if not _is_valid(dport.coordinates):
        return (
            f"SRAT and HMAT do not give latencies and bandwidths of a generic port of its host bridge (ACPI0016, _UID "
            f"{dport.number})"
        )
    if _endpoint_coordinates(system.kernel, endpoint) is None:
        return "a link or a switch on the way to it is not known"
    root = system.machine.cxl_root
    if root is None or root.qos_class is None:
        return "the root device has no _DSM that names a QoS class"
    return f"no window that leads to its host bridge, or none of QoS class {root.qos_class}"


def by_cdat(performance: CxlPerformance) -> Coordinates:
    """What a CDAT says, which knows no access classes."""
    read_latency, write_latency, read_bandwidth, write_bandwidth = performance
    return [AccessCoordinate(read_bandwidth, write_bandwidth, read_latency, write_latency)] * len(_CLASSES)


def _endpoint_coordinates(kernel: Kernel, endpoint: Port) -> Coordinates | None:
    """The way from the host to a device; ``None``: part of it is not known.

    Linux: ``cxl_endpoint_get_perf_coordinates``.
    """
    found: Coordinates = _of_bandwidth(U32_MAX)
    links: list[CxlLink] = []
    port = endpoint
    while True:
        dport, parent = port.parent_dport, port.parent
        assert dport is not None
        assert parent is not None
        if dport.link is None:
            return None
        if not parent.is_bridge:
            if not _is_valid(dport.coordinates):
                return None
            found = _each(found, dport.coordinates)
        latency = _latency(kernel, dport.link)
        found = _each(found, [AccessCoordinate(read_latency=latency, write_latency=latency)] * len(_CLASSES))
        links.append(dport.link)
        port = parent
        if port.is_bridge:
            break
    assert port.parent_dport is not None
    if not _is_valid(port.parent_dport.coordinates):
        return None
    found = _each(found, port.parent_dport.coordinates)
    return _each(found, _of_bandwidth(_bandwidth_available(links)))


def _has_window(endpoint: Port, qos_class: int) -> bool:
    """Whether a window leads to the device's host bridge, and one has the class. Linux: ``cxl_qos_class_verify``."""
    bridge = endpoint.host_bridge
    windows = root_decoders(endpoint.bus)
    leads = any(target is not None and target == bridge.parent_dport for window in windows for target in window.targets)
    return leads and any(window.qos_class == qos_class for window in windows)


# --- regions


def cxl_region_perf_data_calculate(region: Region, decoder: EndpointDecoder) -> None:
    """Another device wants to be part of a region: the worst latency, and the sum of bandwidths."""
    performance = _performance(decoder)
    if performance is None:
        return
    for access in _CLASSES:
        own, new = region.coordinates[access], performance.coordinates[access]
        region.coordinates[access] = _added(own, new)._replace(
            read_latency=max(own.read_latency, new.read_latency),
            write_latency=max(own.write_latency, new.write_latency),
        )


def _performance(decoder: EndpointDecoder) -> PartitionPerformance | None:
    return decoder.memdev.performance.get(decoder.part) if decoder.part is not None else None


def cxl_region_shared_upstream_bandwidth_update(region: Region) -> None:
    """All devices are there: what they have in common on the way to the host counts once."""
    if not region.bus.system.kernel.has(behaviours.CXL_SHARED_BANDWIDTH):
        return
    gathered = _by_upstream(region)
    if gathered is None:
        return
    by_bridge: dict[Port, Coordinates] = {}
    for port, coordinates in gathered:
        by_bridge[port] = _sum(by_bridge.get(port, _of_bandwidth(0)), coordinates)
    total = _of_bandwidth(0)
    for bridge, coordinates in by_bridge.items():
        dport = bridge.parent_dport
        assert dport is not None
        total = _sum(total, _each(coordinates, dport.coordinates) if dport.coordinates else coordinates)
    for access in _CLASSES:
        region.coordinates[access] = region.coordinates[access]._replace(
            read_bandwidth=total[access].read_bandwidth, write_bandwidth=total[access].write_bandwidth
        )


def _by_upstream(region: Region) -> list[tuple[Port, Coordinates]] | None:
    """What comes through each root port, with its host bridge; ``None``: it cannot be known.

    Linux: ``cxl_endpoint_gather_bandwidth``, ``cxl_switch_gather_bandwidth``.
    """
    here: dict[str, tuple[Port, Coordinates]] = {}
    depths: set[bool] = set()
    for decoder in region.targets.values():
        endpoint, performance = decoder.port, _performance(decoder)
        dport, parent = endpoint.parent_dport, endpoint.parent
        assert dport is not None
        assert parent is not None
        if performance is None or dport.link is None:
            return None
        coordinates = _each(_of_bandwidth(_bandwidth(dport.link)), performance.cdat)
        if not parent.is_bridge:
            if not _is_valid(dport.coordinates):
                return None
            coordinates = _each(coordinates, dport.coordinates)
        depths.add(parent.is_bridge)
        _gather(here, parent, dport.path if parent.is_bridge else parent.uport, coordinates)
    while depths == {False}:
        below, here, depths = here, {}, set()
        for port, coordinates in below.values():
            dport, parent = port.parent_dport, port.parent
            assert dport is not None
            assert parent is not None
            if dport.link is None:
                return None
            coordinates = _each(_of_bandwidth(_bandwidth(dport.link)), coordinates)
            if not parent.is_bridge and dport.coordinates:
                coordinates = _each(coordinates, dport.coordinates)
            depths.add(parent.is_bridge)
            _gather(here, parent, dport.path if parent.is_bridge else parent.uport, coordinates)
    # Devices of one region at unequal depths are left alone.
    return list(here.values()) if depths == {True} else None


def _gather(found: dict[str, tuple[Port, Coordinates]], port: Port, where: str, coordinates: Coordinates) -> None:
    there = found.get(where, (port, _of_bandwidth(0)))[1]
    found[where] = (port, _sum(there, coordinates))


def cxl_region_update_coordinates(region: Region, nid: int, *, updates_nodes: bool) -> None:
    """The node of a region has its first memory: tell how fast that is, and show it with the region, too.

    :param updates_nodes: whether only values are changed that the node shows.
    """
    nodes, told = region.bus.system.nodes, False
    for access in _CLASSES:
        coordinate = region.coordinates[access]
        if not coordinate.read_bandwidth:
            continue
        status = 0
        if updates_nodes:
            nodes.node_update_perf_attrs(nid, coordinate, access)
        elif nodes.node_to_pxm(nid) > nodes.last_real_pxm:
            nodes.node_set_perf_attrs(nid, coordinate, access)
        else:
            firmware = nodes.performance
            status = firmware.update_target_coordinates(nid, coordinate, access) if firmware is not None else -ENODEV
        told |= not status
    if told:
        region.shown_coordinates = [
            {name for name, value in coordinate._asdict().items() if value} for coordinate in region.coordinates
        ]
