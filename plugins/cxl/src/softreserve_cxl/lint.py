"""What firmware, or whoever set a machine up, should know of its CXL memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.resource import Resource, walk_system_ram_res
from softreserve.model.acpi.srat import ENABLED, MemoryAffinity, Srat
from softreserve.model.findings import Finding
from softreserve.model.ranges import PhysRange
from softreserve.model.sizes import human_size

from softreserve_cxl.bus import CXL_BUS, option
from softreserve_cxl.dax import CxlDaxRegionDriver
from softreserve_cxl.hardware import hardware
from softreserve_cxl.memdev import NOT_ASSEMBLED
from softreserve_cxl.performance import why_unknown
from softreserve_cxl.region import IN_USE, NOT_INSERTED
from softreserve_cxl.topology import Config, EndpointDecoder, Memdev, Region, RootDecoder

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["lint"]

#: No memory block is larger. Linux: ``arch/x86/mm/init_64.c: MAX_BLOCK_SIZE``.
_MAX_BLOCK: Final = 2 << 30
#: Memory that kmem has made is where it belongs.
_KMEM: Final = "System RAM (kmem)"
#: What specific purpose memory is that has no dax device.
_NO_DEVICE: Final = "no-device"


def lint(system: System) -> Iterator[Finding]:
    """All findings on a booted system."""
    bus = system.stash.get(CXL_BUS)
    if bus is None:
        return
    devices = list(bus.devices.values())
    windows = [device for device in devices if isinstance(device, RootDecoder)]
    for window in windows:
        yield from _window(system, window)
    yield from _blocks(system, windows)
    if windows and not system.machine.cxl:
        message = (
            "nothing is known of what is behind the host bridges of CXL windows, and they count as empty: say it in "
            "[cxl] of a machine file; decoders that the firmware committed make regions, which take memory"
        )
        end = max(window.start + window.size for window in windows)
        yield Finding("note", "cxl-devices-unknown", message, min(window.start for window in windows), end)
    for device in devices:
        if isinstance(device, Region):
            yield from _region(system, device)
    yield from _outside(system)
    free = [device for device in devices if isinstance(device, Memdev)]
    yield from _free_memory(system, free)
    yield from _performance(system, free)
    yield from _restricted(system)


def _window(system: System, window: RootDecoder) -> Iterator[Finding]:
    start, end = window.start, window.start + window.size
    ram: list[Resource] = []

    def collect(res: Resource) -> int:
        if res.name != _KMEM:
            ram.append(res)
        return 0

    walk_system_ram_res(system.iomem.root, start, end - 1, collect)
    if ram:
        message = (
            f"the window of {window.name} holds memory that is ordinary RAM from boot on: the CXL drivers make no dax "
            "device of a region over it; mark it specific purpose if it is CXL memory, or let the window begin after it"
        )
        yield Finding("warning", "cxl-window-over-ram", message, ram[0].start, ram[-1].end + 1)
    for res in system.find_soft_reserved():
        first, last = res.start, res.end + 1
        if first < end and start < last and not (start <= first and last <= end):
            message = (
                f"soft reserved memory reaches beyond the window of {window.name} ({start:#x}-{end - 1:#x}): no region "
                "can hold all of it; let windows and soft reserved ranges end at the same places"
            )
            yield Finding("warning", "cxl-window-smaller", message, first, last)
    if not any(entry.base < end and start < entry.end for entry in _srat(system)):
        nid = system.nodes.phys_to_target_node(start)
        message = (
            f"no SRAT entry describes the window of {window.name}: its memory is node {nid}, which has the default "
            "distance, and no performance but what the devices say"
        )
        yield Finding("note", "cxl-window-without-srat", message, start, end)


def _blocks(system: System, windows: list[RootDecoder]) -> Iterator[Finding]:
    """Windows that decide how large memory blocks are."""
    size = system.memory.block_size
    if size != system.nodes.advised_block_size or size >= _MAX_BLOCK:
        return
    for window in windows:
        if (window.start | window.size) % (2 * size):
            message = (
                f"the window of {window.name} begins or ends between multiples of {human_size(2 * size)}: all memory "
                f"blocks are {human_size(size)}, where they could be up to {human_size(_MAX_BLOCK)}; older kernels "
                "keep larger blocks, and leave the ends of a region in the window unused"
            )
            yield Finding("note", "cxl-window-blocks", message, window.start, window.start + window.size)


def _srat(system: System) -> list[MemoryAffinity]:
    table = system.acpi.get("SRAT")
    entries = Srat.parse(table).entries if table is not None else ()
    return [entry for entry in entries if isinstance(entry, MemoryAffinity) and entry.flags & ENABLED]


def _region(system: System, region: Region) -> Iterator[Finding]:
    res = region.res
    if res is None:
        return
    said = {event.code for event in system.log.over(PhysRange(res.start, res.start + 1)) if event.before == region.name}
    if region.auto and region.state < Config.COMMIT:
        message = (
            f"{region.name} was made of decoders that are committed, and is not whole: {len(region.targets)} of "
            f"{region.ways} devices are there, or a host bridge decodes otherwise than they do; its memory gets no "
            "driver of CXL's"
        )
        yield Finding("error", "cxl-not-assembled", message, res.start, res.end + 1)
    yield from _without_dax(system, region, PhysRange(res.start, res.end + 1))
    if NOT_INSERTED.code in said:
        message = (
            f"{region.name} has no line in /proc/iomem: another resource reaches across one of its ends; let soft "
            "reserved ranges end where regions do"
        )
        yield Finding("warning", "cxl-region-without-line", message, res.start, res.end + 1)
    if IN_USE.code in said:
        message = f"{region.name} holds memory that was System RAM already; it makes no dax device"
        yield Finding("note", "cxl-region-is-ram", message, res.start, res.end + 1)


def _without_dax(system: System, region: Region, where: PhysRange) -> Iterator[Finding]:
    """A region that has a device for the dax bus, which nobody takes."""
    device = region.bus.devices.get(f"dax_region{region.id}")
    if device is None or device.driver is not None or CxlDaxRegionDriver.name in region.bus.drivers:
        return
    what = f"{region.name} has the memory, and makes no dax device of it"
    kept = system.modules.kept_back("dax_cxl")
    if kept:
        message = f"{what}: {kept} keeps dax_cxl away; take that off the command line"
        severity = "note"
    elif option(system.kernel, "DEV_DAX_CXL"):
        message = f"{what}: the module dax_cxl is not loaded; udev loads it, or modprobe"
        severity = "note"
    else:
        message = f"{what}: this kernel is built without CONFIG_DEV_DAX_CXL; build it"
        severity = "error"
    yield Finding(severity, "cxl-region-without-dax", message, where.start, where.end, explains=_NO_DEVICE)


def _performance(system: System, memdevs: list[Memdev]) -> Iterator[Finding]:
    """Devices that say how fast they are, in vain."""
    for memdev in memdevs:
        port = memdev.port
        reason = why_unknown(port) if port is not None else None
        if reason is not None:
            message = (
                f"the kernel does not know how fast the memory of {memdev.name} is, whatever its CDAT says: {reason}"
            )
            yield Finding("note", "cxl-performance-unknown", message)


def _restricted(system: System) -> Iterator[Finding]:
    for bridge in hardware(system):
        if bridge.restricted and bridge.ports:
            message = (
                f"host bridge {bridge.uid} is one of CXL 1.1 by its CHBS: devices below its root ports find no way to "
                "the root of CXL; let the firmware say that it is one of 2.0"
            )
            yield Finding("warning", "cxl-restricted-host", message)
        elif bridge.integrated and not bridge.restricted:
            message = (
                f"devices of CXL 1.1 are on the bus of host bridge {bridge.uid}, which is none of 1.1 by its CHBS: "
                "they find no way to the root of CXL; let the firmware give it an entry of that version, of 8 KiB"
            )
            yield Finding("warning", "cxl-restricted-host", message)


def _outside(system: System) -> Iterator[Finding]:
    """Committed decoders that no region was made of."""
    for event in system.log.of(NOT_ASSEMBLED):
        message = (
            f"{event.before} is committed, and no region was made of it: it lies in no window, or another region is "
            "there; let a window of the CEDT hold it"
        )
        yield Finding("error", "cxl-not-assembled", message, event.start, event.end)


def _free_memory(system: System, memdevs: list[Memdev]) -> Iterator[Finding]:
    free = {memdev.name: memdev.hardware.memdev.volatile - _in_regions(memdev) for memdev in memdevs}
    named = [f"{human_size(size)} of {name}" for name, size in free.items() if size > 0]
    if not named:
        return
    can = system.arch.invalidates_memregions(system.machine)
    advice = (
        "cxl create-region makes one"
        if can
        else "no region can be put to use here, as the CPU says that it is virtual or cannot drop what it has cached"
    )
    yield Finding("note", "cxl-memory-free", f"volatile CXL memory in no region: {', '.join(named)}; {advice}")


def _in_regions(memdev: Memdev) -> int:
    port = memdev.port
    decoders = port.decoders if port is not None else ()
    return sum(
        decoder.dpa.size
        for decoder in decoders
        if isinstance(decoder, EndpointDecoder) and decoder.region is not None and decoder.dpa is not None
    )
