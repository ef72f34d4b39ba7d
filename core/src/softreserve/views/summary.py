"""A booted system in the terms of the people who run it: who owns which range, on which node, why, and what is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from softreserve.kernel.dax import OFFER_NOT_FREE
from softreserve.kernel.mm.added_memory import Written
from softreserve.kernel.numa.node_offers import NODE_RANGE_KNOWN
from softreserve.model.efi import EfiAttribute, type_words
from softreserve.model.events import Event
from softreserve.model.kernel import Origin
from softreserve.model.outcome import Marked, NodeRow, Outcome
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import hooks_of
from softreserve.views.node_map import NodeMap
from softreserve.views.outcome import outcome
from softreserve.views.report import Report, Verdict, report
from softreserve.views.what_if import as_devdax

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.userspace import Userspace
    from softreserve.plugins.extensions import Lane

__all__ = [
    "NodeShare",
    "RangeSummary",
    "RefusedOffer",
    "Summary",
    "owners_at",
    "summarize",
    "told_by_firmware",
    "why",
]

#: Stages that decide whose a range is, and sources that do not though they run then: they say who may use it.
_OWNING = ("efi stub", "early reservation", "resources")
_USERS = ("drivers/acpi/", "drivers/dax/")


@attrs.frozen
class NodeShare:
    """Part of a range (bytes, half open) that is on one node; -1: none is known."""

    start: int
    end: int
    node: int


@attrs.frozen
class RangeSummary:
    """One line of ``/proc/iomem``, in bytes, half open; ``why`` may be empty.

    ``nodes`` are the shares of its nodes, ascending; of a line at the top only.
    """

    start: int
    end: int
    owner: str
    depth: int
    nodes: tuple[NodeShare, ...]
    why: str


@attrs.frozen
class RefusedOffer:
    """A range that a plugin brings memory or a node for (bytes, half open), and why that is not to be had."""

    start: int
    end: int
    why: str


@attrs.frozen
class Onlined:
    """Memory that came online as it was added: bytes, who took it online, and the word that says to which zone."""

    size: int
    by: str
    online_type: str


@attrs.frozen
class SpecificPurpose:
    """Specific purpose memory: its ranges, and bytes by use.

    :param totals: as it is.
    :param as_system_ram: if all dax devices were given to kmem, and their memory onlined.
    :param as_devdax: if all dax devices were given to device_dax.
    """

    totals: dict[str, int]
    as_system_ram: dict[str, int]
    as_devdax: dict[str, int]
    ranges: tuple[Marked, ...]


@attrs.frozen
class Summary:
    """What ``softreserve boot`` shows.

    Numbers are bytes. ``kernel_words`` is ``kernel`` as a line. ``modules`` are those that were loaded, oldest first,
    ``nodes`` those that are online, as the kernel lists them.
    ``onlined_by`` says who took added memory online. ``findings`` counts those of lint by severity. ``refused`` is what
    plugins bring and this kernel did not take; ``lanes`` are what they show beside all that.
    """

    JSON = (
        *("machine", "release", "kernel", "arch", "page_size", "plugins", "userspace", "modules", "nodes"),
        *("onlined_by", "memory_block_size", "ranges", "verdict", "findings", "refused", "lanes"),
        *("specific_purpose", "per_node", "per_node_as_system_ram"),
    )
    machine: str
    release: str
    kernel: Origin
    kernel_words: str
    arch: str
    page_size: int
    plugins: tuple[str, ...]
    userspace: Userspace
    modules: tuple[str, ...]
    nodes: str
    memory_block_size: int
    ranges: tuple[RangeSummary, ...]
    outcome: Outcome
    onlined: Outcome
    verdict: Verdict
    as_devdax: dict[str, int]
    findings: dict[str, int]
    refused: tuple[RefusedOffer, ...] = ()
    onlined_by: tuple[Onlined, ...] = ()
    lanes: tuple[Lane, ...] = ()

    @property
    def as_system_ram(self) -> dict[str, int]:
        """Uses of the specific purpose memory if all dax devices were given to kmem, and their memory onlined."""
        return self.onlined.totals

    @property
    def specific_purpose(self) -> SpecificPurpose:
        """The specific purpose memory by use and by range."""
        return SpecificPurpose(self.outcome.totals, self.as_system_ram, self.as_devdax, self.outcome.ranges)

    @property
    def per_node(self) -> tuple[NodeRow, ...]:
        """The nodes as they are."""
        return self.outcome.nodes

    @property
    def per_node_as_system_ram(self) -> tuple[NodeRow, ...]:
        """The nodes if all dax devices were given to kmem, and their memory onlined."""
        return self.onlined.nodes


def summarize(system: System, told: Report | None = None) -> Summary:
    """Sum a booted system up.

    :param told: its report, where somebody has it.
    """
    told = report(system) if told is None else told
    return Summary(
        machine=system.machine.name,
        release=system.kernel.release,
        kernel=system.kernel.origin,
        kernel_words=system.kernel.words,
        arch=system.kernel.arch,
        page_size=system.kernel.page_size,
        plugins=system.hooks.names,
        userspace=system.userspace,
        modules=tuple(system.modules.live()),
        nodes=_text(system, "/sys/devices/system/node/online"),
        memory_block_size=system.memory.block_size,
        ranges=tuple(_ranges(system, told.outcome)),
        outcome=told.outcome,
        onlined=told.onlined,
        verdict=told.verdict,
        as_devdax=_as_devdax(system, told.outcome),
        findings=dict(Counter(finding.severity for finding in told.findings)),
        lanes=tuple(_lanes(system)),
        onlined_by=tuple(_onlined_by(system)),
        refused=tuple(
            RefusedOffer(e.start or 0, e.end or 0, e.rule) for e in system.log.of(OFFER_NOT_FREE, NODE_RANGE_KNOWN)
        ),
    )


def _onlined_by(system: System) -> Iterator[Onlined]:
    sizes: Counter[Written] = Counter()
    for (_, size), written in system.memory.added.onlined.items():
        sizes[written] += size
    return (Onlined(size, written.who, written.online_type) for written, size in sizes.items())


def _lanes(system: System) -> Iterable[Lane]:
    found = hooks_of(system).report_lanes(system)
    if not found:
        return ()
    from softreserve.plugins.brought import by_name

    return by_name(found).values()


def _as_devdax(system: System, now: Outcome) -> dict[str, int]:
    """Uses of the specific purpose memory if all dax devices were given to device_dax: looked up where they are not."""
    if now.size("devdax", "ram", "lost") == now.total:
        return now.totals
    return outcome(as_devdax(system)).totals


def _ranges(system: System, now: Outcome) -> list[RangeSummary]:
    where = NodeMap(system, ((part.start, part.end, part.node) for part in now.parts if part.device))
    found = []
    reasons: list[str] = []  # of the resources that hold this one
    for depth, resource in system.iomem.walk():
        said = [event.rule for event in _owning(system, PhysRange.from_resource(resource.start, resource.end))]
        reason = said[-1] if said else _firmware_says(system, resource.start) if depth == 0 else ""
        reasons[depth:] = [reason]
        if depth and reason == reasons[depth - 1]:
            reason = ""
        shares = () if depth else tuple(NodeShare(*share) for share in where.split(resource.start, resource.end + 1))
        found.append(RangeSummary(resource.start, resource.end + 1, resource.name or "", depth, shares, reason))
    return found


def _owning(system: System, where: PhysRange) -> Iterator[Event]:
    """Decisions about all of a range that say whose it is, in order."""
    for event in system.log.over(PhysRange(where.start, where.start + 1)):
        covers = event.end is not None and event.end >= where.end
        if covers and event.stage in _OWNING and not event.function.startswith(_USERS):
            yield event


def _firmware_says(system: System, address: int) -> str:
    """What the firmware's map says of an address."""
    return next((f"firmware: {type_words(d.type)}" for _, d in system.machine.efi_descriptors_at(address)), "")


def told_by_firmware(system: System, address: int | None = None) -> list[Event]:
    """What the firmware's map says, of an address or everywhere, as events before all others; empty: nothing."""
    machine = system.machine
    found = []
    for number, descriptor in (
        enumerate(machine.efi_map or ()) if address is None else machine.efi_descriptors_at(address)
    ):
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
