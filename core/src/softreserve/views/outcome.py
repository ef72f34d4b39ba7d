"""What became of specific purpose memory on a booted system: every byte of it, once.

Nothing is worked out here: the resource tree, the dax bus in sysfs and the memory blocks are looked at. What people are
told of such memory - the summary, findings, comparisons, the crossing of a kexec - is told from an :class:`Outcome`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from softreserve.kernel.numa.numa import format_list
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node
from softreserve.model.outcome import Marked, NodeRow, Outcome, Part
from softreserve.model.ranges import joined, span_at, uncovered
from softreserve.views.node_map import NodeMap

if TYPE_CHECKING:
    from softreserve.kernel.resource import Resource
    from softreserve.kernel.system import System

__all__ = ["DaxDevice", "dax_ranges", "innermost", "marked_ranges", "outcome", "ram_ranges"]

_BUS: Final = "/sys/bus/dax/devices"
_MAPPING: Final = re.compile(r"mapping\d+")
_RAM: Final = "System RAM"
_SOFT_RESERVED: Final = "Soft Reserved"
_start = itemgetter(0)


# --- what was marked


def marked_ranges(system: System) -> tuple[Marked, ...]:
    """What the firmware marked as specific purpose memory, and what the kernel or a plugin sets aside beside it.

    Each byte once: descriptors that overlap are joined, those that only touch are not.
    """
    found: list[Marked] = []
    descriptors = sorted(
        (d.start, d.start + d.size) for d in system.machine.efi_map or () if d.is_special_purpose and d.size
    )
    for start, end in descriptors:
        if end > 1 << 64:
            continue
        if found and start < found[-1].end:
            found[-1] = attrs.evolve(found[-1], end=max(found[-1].end, end))
        else:
            found.append(Marked(start, end, "firmware"))
    others = system.find_soft_reserved()
    spans = [(marked.start, marked.end) for marked in found]
    brought = sorted((offer.start, offer.end, offer.source) for offer in system.dax_offers)
    added = [_added(*gap, brought) for r in others for gap in uncovered(r.start, r.end + 1, spans)]
    return tuple(sorted([*found, *added], key=lambda marked: marked.start))


def _added(start: int, end: int, brought: list[tuple[int, int, str]]) -> Marked:
    """A range that the firmware did not mark (bytes, half open)."""
    offer = span_at(brought, start)
    return Marked(start, end, "kernel") if offer is None else Marked(start, end, "plugin", source=offer[2])


# --- what became of it


class DaxDevice(NamedTuple):
    """A dax device: its driver, empty where it has none, and its target node or -1."""

    name: str
    driver: str
    node: int


def outcome(system: System, marked: Iterable[Marked] | None = None) -> Outcome:
    """What became of specific purpose memory.

    :param marked: the ranges to tell of; those of the system itself where not given. A kernel that was started by
        kexec may not know them any more.
    """
    look = _Look(system)
    ranges = marked_ranges(system) if marked is None else marked
    found = tuple(attrs.evolve(m, parts=tuple(joined(look.parts(m.start, m.end), _one))) for m in ranges)
    return Outcome(found, tuple(_node_rows(system, found)))


class _Look:
    """One look at a system: its resources and devices by address."""

    def __init__(self, system: System) -> None:
        self._resources = list(innermost(system.iomem.root.children))
        self._set_aside = [(r.start, r.end + 1) for r in system.find_soft_reserved()]
        self._devices = sorted(dax_ranges(system), key=_start)
        self._nodes = NodeMap(system)
        self._blocks, self._block_size = system.memory.blocks, system.memory.block_size
        borders = {at for start, end, _ in (*self._resources, *self._devices) for at in (start, end)}
        borders |= {at for span in self._set_aside for at in span}
        for blocks in self._blocks:
            borders |= {blocks.first * self._block_size, blocks.end * self._block_size}
        self._borders = sorted(borders)
        self._with_ram = {device.name for start, end, device in self._devices if self._has_ram(start, end)}

    def _has_ram(self, start: int, end: int) -> bool:
        at = bisect_right(self._resources, start, key=_start)
        at = max(at - 1, 0)
        while at < len(self._resources) and self._resources[at][0] < end:
            if self._resources[at][1] > start and _is_ram(_kind(self._resources[at][2])):
                return True
            at += 1
        return False

    def parts(self, start: int, end: int) -> Iterator[Part]:
        """The parts of a range, cut wherever anything may change."""
        cuts = [start, *self._borders[bisect_right(self._borders, start) : bisect_left(self._borders, end)], end]
        for low, high in pairwise(cuts):
            part = self._part(low, high)
            if part.node != _SPLIT:
                yield part
                continue
            for first, last, node in self._nodes.split(low, high):
                yield attrs.evolve(part, start=first, end=last, node=node)

    def _part(self, start: int, end: int) -> Part:
        resource, owned = span_at(self._resources, start), span_at(self._devices, start)
        names = resource[2] if resource is not None else ()
        device = owned[2] if owned is not None else None
        owner = names[-1] if names else ""
        kind = _kind(names)
        if _is_ram(kind) and (device is not None or names[0] != _RAM):
            blocks = self._blocks.find(start // self._block_size)
            return Part(
                start,
                end,
                "kmem",
                owner,
                device.name if device is not None else "",
                device.driver if device is not None else "",
                blocks.nid if blocks is not None else _SPLIT,
                online=blocks is not None and blocks.online,
                zone=blocks.zone.name if blocks is not None and blocks.zone is not None else "",
            )
        if _is_ram(kind):
            return Part(start, end, "ram", kind, node=_SPLIT)
        if device is not None:
            used = bool(device.driver) and device.name not in self._with_ram
            return Part(start, end, "devdax" if used else "unused", owner, device.name, device.driver, device.node)
        set_aside = span_at(self._set_aside, start) is not None
        return Part(start, end, "no-device" if set_aside else "lost", owner, node=_SPLIT)


#: Stands for the nodes that the addresses are looked up on.
_SPLIT: Final = -2


def _is_ram(name: str) -> bool:
    return name == _RAM or name.startswith(f"{_RAM} (")


def _kind(names: tuple[str, ...]) -> str:
    """The innermost of nested resources that says what memory is; empty: none does."""
    return next((name for name in reversed(names) if name == _SOFT_RESERVED or _is_ram(name)), "")


def innermost(siblings: Iterable[Resource], names: tuple[str, ...] = ()) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Resources without overlaps: (start, end, names from the outermost to the innermost), half open, ascending."""
    for res in siblings:
        path = (*names, res.name or "")
        reached = res.start
        for start, end, inner in innermost(res.children, path):
            if reached < start:
                yield reached, start, path
            yield start, end, inner
            reached = end
        if reached <= res.end:
            yield reached, res.end + 1, path


def dax_ranges(system: System) -> Iterator[tuple[int, int, DaxDevice]]:
    """Ranges of dax devices (bytes, half open), as sysfs shows them."""
    bus = system.sysfs.node(_BUS)
    for name in bus.listing() if isinstance(bus, Directory) else ():
        shown = system.sysfs.node(f"{_BUS}/{name}", follow=True)
        if not isinstance(shown, Directory):
            continue
        link, node = shown.get("driver"), _number(shown, "target_node")
        driver = link.target.rpartition("/")[2] if isinstance(link, Link) else ""
        device = DaxDevice(name, driver, -1 if node is None else node)
        mappings = [shown.get(entry) for entry in shown.listing() if _MAPPING.fullmatch(entry)]
        for mapping in mappings:
            start, last = _number(mapping, "start"), _number(mapping, "end")
            if start is not None and last is not None:
                yield start, last + 1, device
        # before devices could be made of several ranges
        size, start = _number(shown, "size"), _number(shown, "resource")
        if not mappings and size and start is not None:
            yield start, start + size, device


def _number(directory: Node | None, name: str) -> int | None:
    node = directory.get(name) if isinstance(directory, Directory) else None
    value = node.read(name) if isinstance(node, Attribute) else None
    return int(value, 0) if isinstance(value, bytes) else None


def _one(part: Part, following: Part) -> Part | None:
    """Neighbours that differ in nothing but where they are, as one."""
    same = attrs.evolve(part, start=following.start, end=following.end) == following
    return attrs.evolve(part, end=following.end) if same else None


# --- nodes


def _node_rows(system: System, ranges: Iterable[Marked]) -> Iterator[NodeRow]:
    """Every node that is online, or that specific purpose memory belongs to; last what is known to be on none."""
    nodes, tiering = system.nodes, system.nodes.tiering
    parts = [part for marked in ranges for part in marked.parts]
    special = _sizes((part.node, part.size) for part in parts if part.use != "ram")
    added = _sizes((part.node, part.size) for part in parts if part.use == "kmem" and part.online)
    ram = _sizes((node, end - start) for start, end, node in ram_ranges(system))
    for node in sorted(nodes.online | special.keys() | ram.keys(), key=lambda node: (node < 0, node)):
        yield NodeRow(
            node,
            online=node in nodes.online,
            ram=ram.get(node, 0),
            special=special.get(node, 0),
            added=added.get(node, 0),
            cpus=format_list(nodes.cpumask(node)),
            tier=tiering.tier_of(node) if tiering is not None else None,
            demotes_to=tuple(sorted(tiering.demotion_targets(node))) if tiering is not None else (),
            distances={other: nodes.distance(node, other) for other in sorted(nodes.online) if node >= 0},
            performance=_performance(system, node),
        )


def _performance(system: System, node: int) -> dict[str, int]:
    """What sysfs shows of the best class of initiators with CPUs, or of all where classes are not told apart."""
    device = system.nodes.device(node)
    classes = [device.access[number] for number in (1, 0) if number in device.access] if device is not None else []
    found = next((shown.coordinate for shown in classes if shown.coordinate is not None), None)
    return found._asdict() if found is not None else {}


def ram_ranges(system: System) -> Iterator[tuple[int, int, int]]:
    """Start, end (bytes, half open) and node of the System RAM that is there from boot on; ascending."""
    where = NodeMap(system)
    for res in system.find_boot_ram():
        yield from where.split(res.start, res.end + 1)


def _sizes(found: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Sums by node."""
    sums: dict[int, int] = {}
    for node, size in found:
        sums[node] = sums.get(node, 0) + size
    return sums
