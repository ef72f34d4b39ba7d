"""A booted system in the terms of the people who run it: who owns which range, on which node, why, and what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from softreserve.events import Event
from softreserve.model.efi import EfiType

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["DaxSummary", "Loss", "RangeSummary", "Summary", "owners_at", "summarize", "why"]

_DAX_MODULE = "dax_hmem"
_DAX_DEVICES = "/sys/bus/dax/devices"


@attrs.frozen
class RangeSummary:
    """One line of ``/proc/iomem``, in bytes, half open; ``node`` is -1 where none is known; ``why`` may be empty."""

    start: int
    end: int
    owner: str
    depth: int
    node: int
    why: str


@attrs.frozen
class DaxSummary:
    """A dax device as it appears when its driver is loaded. ``as_memory``: bytes that fill whole memory blocks."""

    name: str
    size: int
    node: int
    as_memory: int


@attrs.frozen
class Loss:
    """Soft reserved bytes: all, in dax devices, in whole memory blocks of those."""

    soft_reserved: int
    in_devices: int
    in_memory_blocks: int


@attrs.frozen
class Summary:
    """What ``softreserve boot`` shows."""

    machine: str
    release: str
    arch: str
    page_size: int
    plugins: tuple[str, ...]
    nodes: str
    memory_block_size: int
    ranges: tuple[RangeSummary, ...]
    devices: tuple[DaxSummary, ...]
    loss: Loss

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: names as here, numbers in bytes."""
        return attrs.asdict(self)


def summarize(system: System) -> Summary:
    """Sum a system up. Loads the module that makes dax devices, as ``modprobe`` would: the system is changed."""
    ranges = tuple(_ranges(system))
    if system.modules.get(_DAX_MODULE) is not None:
        system.modules.load(_DAX_MODULE)
    block_size = system.memory.block_size
    devices = tuple(_devices(system, block_size))
    return Summary(
        machine=system.machine.name,
        release=system.kernel.release,
        arch=system.kernel.arch,
        page_size=system.kernel.page_size,
        plugins=system.hooks.names,
        nodes=_text(system, "/sys/devices/system/node/online"),
        memory_block_size=block_size,
        ranges=ranges,
        devices=devices,
        loss=Loss(
            soft_reserved=sum(r.end - r.start for r in ranges if r.owner == "Soft Reserved"),
            in_devices=sum(device.size for device in devices),
            in_memory_blocks=sum(device.as_memory for device in devices),
        ),
    )


def _ranges(system: System) -> list[RangeSummary]:
    from intervaltree import IntervalTree

    events = IntervalTree()
    for number, event in enumerate(system.log):
        if event.stage == "numa info" or event.start is None or event.end is None:
            continue  # which node a range is on is another question
        if event.start < event.end:
            events.addi(event.start, event.end, (number, event.rule))
    found = []
    for depth, resource in system.iomem.walk():
        covering = [item.data for item in events.at(resource.start) if item.end > resource.end]
        reason = max(covering)[1] if covering else _firmware_says(system, resource.start) if depth == 0 else ""
        node = system.nodes.phys_to_target_node(resource.start)
        found.append(RangeSummary(resource.start, resource.end + 1, resource.name or "", depth, node, reason))
    return found


def _firmware_says(system: System, address: int) -> str:
    """What the firmware's map says of an address."""
    for descriptor in system.machine.efi_map or ():
        if descriptor.start <= address <= descriptor.last:
            known = {kind.value: kind.name.lower().replace("_", " ") for kind in EfiType}
            return f"firmware: {known.get(descriptor.type, f'type {descriptor.type}')}"
    return ""


def _devices(system: System, block_size: int) -> list[DaxSummary]:
    found = []
    for name in _names(system, _DAX_DEVICES):
        where = f"{_DAX_DEVICES}/{name}"
        whole_blocks = 0
        for mapping in (part for part in _names(system, where) if part.startswith("mapping")):
            start, end = (int(_text(system, f"{where}/{mapping}/{side}"), 16) for side in ("start", "end"))
            first, last = -(-start // block_size), (end + 1) // block_size
            whole_blocks += max(0, last - first) * block_size
        size, node = (int(_text(system, f"{where}/{field}")) for field in ("size", "target_node"))
        found.append(DaxSummary(name, size, node, whole_blocks))
    return found


def _names(system: System, path: str) -> list[str]:
    names = system.sysfs.listdir(path)
    return names if isinstance(names, list) else []


def _text(system: System, path: str) -> str:
    value = system.sysfs.read(path)
    return value.decode().strip() if isinstance(value, bytes) else ""


def why(system: System, address: int) -> list[Event]:
    """Every recorded decision about an address, in order."""
    return [e for e in system.log if e.start is not None and e.end is not None and e.start <= address < e.end]


def owners_at(system: System, address: int) -> list[str]:
    """Names of the resources that hold an address, from the outermost to the innermost."""
    return [r.name or "" for _, r in system.iomem.walk() if r.start <= address <= r.end]
