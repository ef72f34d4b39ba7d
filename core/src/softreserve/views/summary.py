"""A booted system in the terms of the people who run it: who owns which range, on which node, why, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from softreserve.model.efi import EfiAttribute, type_words
from softreserve.model.events import Event
from softreserve.model.ranges import PhysRange
from softreserve.views.capacity import soft_reserved_capacity

if TYPE_CHECKING:
    from softreserve.kernel.state import Userspace
    from softreserve.kernel.system import System

__all__ = ["CapacitySummary", "RangeSummary", "Summary", "owners_at", "summarize", "told_by_firmware", "why"]

#: Stages that decide whose a range is, and sources that do not though they run then: they say who may use it.
_OWNING = ("efi stub", "early reservation", "resources")
_USERS = ("drivers/acpi/", "drivers/dax/")


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
class CapacitySummary:
    """What is left of a soft reserved range (bytes, half open) for dax devices, and of that as System RAM."""

    start: int
    end: int
    as_device: int
    as_memory: int


@attrs.frozen
class Summary:
    """What ``softreserve boot`` shows. ``modules``: those that were loaded, oldest first."""

    machine: str
    release: str
    arch: str
    page_size: int
    plugins: tuple[str, ...]
    userspace: Userspace
    modules: tuple[str, ...]
    nodes: str
    memory_block_size: int
    ranges: tuple[RangeSummary, ...]
    soft_reserved: tuple[CapacitySummary, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: names as here, numbers in bytes."""
        return attrs.asdict(self)


def summarize(system: System) -> Summary:
    """Sum a booted system up."""
    return Summary(
        machine=system.machine.name,
        release=system.kernel.release,
        arch=system.kernel.arch,
        page_size=system.kernel.page_size,
        plugins=system.hooks.names,
        userspace=system.userspace,
        modules=tuple(system.modules.live()),
        nodes=_text(system, "/sys/devices/system/node/online"),
        memory_block_size=system.memory.block_size,
        ranges=tuple(_ranges(system)),
        soft_reserved=tuple(
            CapacitySummary(
                left.range.start,
                left.range.end,
                as_device=left.devdax.size if left.devdax else 0,
                as_memory=left.kmem.size if left.kmem else 0,
            )
            for left in soft_reserved_capacity(system)
        ),
    )


def _ranges(system: System) -> list[RangeSummary]:
    found = []
    reasons: list[str] = []  # of the resources that hold this one
    for depth, resource in system.iomem.walk():
        said = [event.rule for event in _owning(system, PhysRange.from_resource(resource.start, resource.end))]
        reason = said[-1] if said else _firmware_says(system, resource.start) if depth == 0 else ""
        reasons[depth:] = [reason]
        if depth and reason == reasons[depth - 1]:
            reason = ""
        node = system.nodes.phys_to_target_node(resource.start)
        found.append(RangeSummary(resource.start, resource.end + 1, resource.name or "", depth, node, reason))
    return found


def _owning(system: System, where: PhysRange) -> Iterator[Event]:
    """Decisions about all of a range that say whose it is, in order."""
    for event in system.log.over(PhysRange(where.start, where.start + 1)):
        covers = event.end is not None and event.end >= where.end
        if covers and event.stage in _OWNING and not event.function.startswith(_USERS):
            yield event


def _firmware_says(system: System, address: int) -> str:
    """What the firmware's map says of an address."""
    for descriptor in system.machine.efi_map or ():
        if descriptor.start <= address <= descriptor.last:
            return f"firmware: {type_words(descriptor.type)}"
    return ""


def told_by_firmware(system: System, address: int) -> list[Event]:
    """What the firmware's map says of an address, as events before all others; empty: it says nothing."""
    found = []
    for number, descriptor in enumerate(system.machine.efi_map or ()):
        if descriptor.start <= address <= descriptor.last:
            attributes = "|".join(a.name or "" for a in EfiAttribute if descriptor.attribute & a)
            after = f"{type_words(descriptor.type)}, {attributes or 'no attributes'}"
            end = descriptor.start + descriptor.size
            found.append(Event("firmware", f"EFI descriptor {number}", "", descriptor.start, end, after=after))
    return found


def _text(system: System, path: str) -> str:
    value = system.sysfs.read(path)
    return value.decode().strip() if isinstance(value, bytes) else ""


def why(system: System, address: int) -> list[Event]:
    """Every decision about an address, in order: the firmware's, then what the boot recorded."""
    return [*told_by_firmware(system, address), *system.log.over(PhysRange(address, address + 1))]


def owners_at(system: System, address: int) -> list[str]:
    """Names of the resources that hold an address, from the outermost to the innermost."""
    return [r.name or "" for _, r in system.iomem.walk() if r.start <= address <= r.end]
