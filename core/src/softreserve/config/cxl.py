"""CXL host bridges and memory devices in TOML: ``cxl.toml`` of a capture, ``[cxl]`` of a machine file."""

from __future__ import annotations

from typing import Final

from softreserve.config.reader import Table
from softreserve.model.cxl import (
    DECODER_MULTIPLE,
    GRANULARITIES,
    LINK_SPEEDS,
    LINK_WIDTHS,
    WAYS,
    CxlDecoder,
    CxlHostBridge,
    CxlLink,
    CxlMemdev,
    CxlPerformance,
    CxlRoot,
    CxlRootPort,
    CxlSwitch,
)
from softreserve.model.errors import shown

__all__ = ["host_bridges", "root_device"]

#: HDM decoders of a switch, and of a host bridge with several root ports, where the description does not say.
_BRIDGE_DECODERS: Final = 4
#: Switches below each other; PCI has no more than 256 buses.
_LEVELS: Final = 16
_DECODERS: Final = (1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32)
_BUSES: Final = range(256)
_PORTS: Final = range(256)
_QTGS: Final = range(1 << 16)
_U32: Final = range(1 << 32)
_U64: Final = range(1 << 64)


def host_bridges(top: Table) -> tuple[CxlHostBridge, ...]:
    """All ``[[host_bridge]]`` of a table; what is wrong is noted there."""
    found: list[CxlHostBridge] = []
    for table in top.tables("host_bridge"):
        bridge = _host_bridge(table)
        if any(bridge.uid == other.uid for other in found):
            table.problem("uid", f"two host bridges have the number {bridge.uid}")
        found.append(bridge)
    return tuple(found)


def root_device(top: Table) -> CxlRoot | None:
    """What a table says of the root device, ACPI0017; ``None``: nothing."""
    if "root" not in top and "qtg" not in top:
        return None
    present = top.get("root", bool, True) is not False
    return CxlRoot(present, _number(top, "qtg", _QTGS) if "qtg" in top else None)


def _host_bridge(table: Table) -> CxlHostBridge:
    uid = _number(table, "uid", _U32)
    bus = _number(table, "bus", _BUSES)
    ports = _ports(table, "root_port", depth=0)
    committed = tuple(_decoder(item) for item in table.tables("committed"))
    default = _BRIDGE_DECODERS if len(ports) > 1 or committed else 0
    domain = _number(table, "domain", _U32) if "domain" in table else None
    memdevs = tuple(_memdev(item) for item in table.tables("memdev"))
    if memdevs and ports:
        table.problem("memdev", "a host bridge has root ports, or devices of CXL 1.1 on its own bus")
    return CxlHostBridge(uid, bus, ports, _decoders(table, default, committed), committed, domain, memdevs)


def _ports(table: Table, name: str, depth: int) -> tuple[CxlRootPort, ...]:
    """Root ports of a host bridge, or downstream ports of a switch."""
    found: list[CxlRootPort] = []
    for item in table.tables(name):
        port = _port(item, depth)
        if any(port.number == other.number for other in found):
            item.problem("number", f"two ports have the number {port.number}")
        found.append(port)
    return tuple(found)


def _port(table: Table, depth: int) -> CxlRootPort:
    number = _number(table, "number", _PORTS)
    memdevs = [_memdev(item) for item in table.tables("memdev")]
    tables = table.tables("switch")
    if tables and depth == _LEVELS:
        table.problem("switch", f"switches in {_LEVELS} levels are enough")
        tables = []
    switches = [_switch(item, depth + 1) for item in tables]
    if len(memdevs) + len(switches) > 1:
        table.problem("switch" if switches else "memdev", "one device or switch fits a port")
    return CxlRootPort(number, memdevs[0] if memdevs else None, switches[0] if switches and not memdevs else None)


def _switch(table: Table, depth: int) -> CxlSwitch:
    ports = _ports(table, "port", depth)
    committed = tuple(_decoder(item) for item in table.tables("committed"))
    link, cdat = _link(table), table.table("cdat")
    return CxlSwitch(
        ports,
        _decoders(table, _BRIDGE_DECODERS, committed),
        committed,
        link,
        _speed(cdat) if cdat is not None else None,
    )


def _memdev(table: Table) -> CxlMemdev:
    volatile, persistent = _capacity(table, "volatile"), _capacity(table, "persistent")
    serial = _number(table, "serial", _U64, 0)
    committed = tuple(_decoder(item) for item in table.tables("committed"))
    link, cdat = _link(table), table.table("cdat")
    if cdat is not None and link is None:
        table.problem("link", "missing: how fast a device with a CDAT is depends on its link")
    performance = [
        _performance(cdat, name, size) for name, size in (("volatile", volatile), ("persistent", persistent))
    ]
    return CxlMemdev(volatile, persistent, serial, _decoders(table, 4, committed), committed, link, *performance)


def _link(table: Table) -> CxlLink | None:
    link = table.table("link")
    if link is None:
        return None
    told = link.value("speed")
    speed = next((known for known in LINK_SPEEDS if told == known / 1000), 0)
    if not speed:
        known = ", ".join(f"{speed / 1000:g}" for speed in LINK_SPEEDS)
        link.problem("speed", "missing" if told is None else f"wanted one of {known} (GT/s), not {shown(told)}")
    width = link.need("width", int, LINK_WIDTHS[0])
    if width not in LINK_WIDTHS:
        link.problem("width", f"wanted one of {', '.join(map(str, LINK_WIDTHS))} lanes, not {shown(width)}")
    return CxlLink(speed, width, link.get("flit", bool, False) or False)


def _performance(cdat: Table | None, name: str, size: int) -> CxlPerformance | None:
    table = cdat.table(name) if cdat is not None else None
    if table is None or cdat is None:
        return None
    if not size:
        cdat.problem(name, f"the device has no {name} memory")
    return _speed(table)


def _speed(table: Table) -> CxlPerformance:
    return CxlPerformance(*(_number(table, field, _U32) for field in CxlPerformance._fields))


def _decoders(table: Table, default: int, committed: tuple[CxlDecoder, ...]) -> int:
    count = table.get("decoders", int, default) or 0
    if count and count not in _DECODERS:
        table.problem("decoders", f"a device has {', '.join(map(str, _DECODERS))} decoders, not {shown(count)}")
    if len(committed) > count:
        table.problem("committed", f"{len(committed)} are committed of {count}")
    return count


def _decoder(table: Table) -> CxlDecoder:
    start, size = table.size("start"), table.size("size")
    for name, value in (("start", start), ("size", size)):
        if value is None and name not in table:
            table.problem(name, "missing")
        elif value is not None and value % DECODER_MULTIPLE:
            table.problem(name, f"{value:#x} is no multiple of 256 MiB")
    if size == 0:
        table.problem("size", "a committed decoder decodes something")
    ways = table.get("ways", int, 1) or 1
    if ways not in WAYS:
        table.problem("ways", f"wanted one of {', '.join(map(str, WAYS))}, not {shown(ways)}")
    granularity = table.size("granularity", GRANULARITIES[0]) or GRANULARITIES[0]
    if granularity not in GRANULARITIES:
        table.problem("granularity", f"wanted one of {', '.join(map(str, GRANULARITIES))}, not {shown(granularity)}")
    targets = table.get("targets", list, []) or []
    for index, target in enumerate(targets):
        if type(target) is not int or target not in _PORTS:
            table.problem_in("targets", index, f"wanted the number of a port, not {shown(target)}")
    locked = table.get("locked", bool, False) or False
    return CxlDecoder(start or 0, size or 0, ways, granularity, tuple(targets), locked, table.size("skip", 0) or 0)


def _capacity(table: Table, name: str) -> int:
    size = table.size(name, 0) or 0
    if size % DECODER_MULTIPLE:
        table.problem(name, f"{size:#x} is no multiple of 256 MiB")
    return size


def _number(table: Table, name: str, known: range, default: int | None = None) -> int:
    value = table.need(name, int, 0) if default is None else table.get(name, int, default) or 0
    if value not in known:
        table.problem(name, f"wanted a number from 0 to {known[-1]}, not {shown(value)}")
    return value
