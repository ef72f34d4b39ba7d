"""What is known of a system's nodes: what memory they have, how fast it is, and where its cold pages go.

Nothing is guessed. Memory is CXL where the firmware has a CXL window over it, DRAM where Linux takes it for that, and
HBM where its numbers are better than those of DRAM; of everything else it is said that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.kernel.numa.numa import format_list
from softreserve.kernel.sysfs import Link, number_in
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow
from softreserve.model.outcome import NodeRow
from softreserve.model.ranges import merged, uncovered
from softreserve.model.sizes import human_size
from softreserve.views.outcome import dax_ranges, ram_ranges

if TYPE_CHECKING:
    from softreserve.kernel.numa.node import NodeCache, NodeDevice
    from softreserve.kernel.system import System
    from softreserve.views.report import Report

__all__ = ["KINDS", "NodeAccess", "NodeMemory", "NodePicture", "NodeView", "Table", "node_tables", "node_view", "speed"]

#: Kinds of memory, and how people call them.
KINDS: Final = {"dram": "DRAM", "hbm": "HBM", "cxl": "CXL", "unknown": "unknown"}
#: Nodes whose ways and distances are told: a table of all of them against all of them is read by nobody.
_MOST: Final = 64
_READ: Final = "read_bandwidth"
_HEADINGS: Final = (
    "node",
    "CPUs",
    "memory",
    "tier",
    "demotes to",
    "bandwidth, latency",
    "best initiators",
    "cache",
)
_CLASSES: Final = {0: "any initiator", 1: "processors"}


@attrs.frozen
class NodeMemory:
    """Bytes of a node of one of :data:`KINDS`, and how that is known."""

    kind: str
    size: int
    why: str

    @property
    def words(self) -> str:
        """How much of what."""
        return f"{human_size(self.size)} {'of unknown kind' if self.kind == 'unknown' else KINDS[self.kind]}"


@attrs.frozen
class NodeAccess:
    """The best initiators of a node in one access class, and what Linux shows of it: MB/s and nanoseconds."""

    number: int
    initiators: tuple[int, ...]
    performance: Mapping[str, int]


@attrs.frozen
class NodePicture:
    """A node; -1: memory whose node nobody knows.

    ``now`` and ``then`` are what it is, and what it is once the memory of all dax devices is online; of one that is not
    there now, or then, the other stands twice. ``near`` is the node whose processors are nearest; -1: none is known.
    """

    now: NodeRow
    then: NodeRow
    memory: tuple[NodeMemory, ...] = ()
    access: tuple[NodeAccess, ...] = ()
    caches: tuple[NodeCache, ...] = ()
    initiates: bool = False
    near: int = -1

    @property
    def node(self) -> int:
        """Its number."""
        return self.now.node

    @property
    def name(self) -> str:
        """As people call it."""
        return f"node {self.node}" if self.node >= 0 else "no node"

    @property
    def performance(self) -> Mapping[str, int]:
        """What Linux shows of it for the best initiators, now or once its memory is online; empty: nothing."""
        return self.now.performance or self.then.performance


@attrs.frozen
class NodeView:
    """The nodes of a system, ascending.

    ``tiered``: this kernel has memory tiers. ``ways`` has what the firmware says of initiators (nodes) and memory
    (nodes): MB/s and nanoseconds, without what it leaves out.
    """

    nodes: tuple[NodePicture, ...]
    tiered: bool
    ways: Mapping[tuple[int, int], Mapping[str, int]]


def node_view(system: System, report: Report) -> NodeView:
    """Look at the nodes of a booted system, of which there is a report."""
    now = {row.node: row for row in report.outcome.nodes}
    then = {row.node: row for row in report.onlined.nodes}
    rows = {
        node: (now.get(node) or then[node], then.get(node) or now[node])
        for node in sorted(now | then, key=lambda node: (node < 0, node))
    }
    ways = dict(_ways(system, rows))
    memory = _memory(system, report, _Speeds(rows, ways))
    nodes = (_picture(system, *pair, memory.get(node, ())) for node, pair in rows.items())
    return NodeView(tuple(nodes), system.nodes.tiering is not None, ways)


def _picture(system: System, now: NodeRow, then: NodeRow, memory: Iterable[NodeMemory]) -> NodePicture:
    node, nodes = now.node, system.nodes
    device = nodes.device(node)
    access = tuple(_access(device)) if device is not None else ()
    caches = tuple(device.caches[level] for level in sorted(device.caches)) if device is not None else ()
    near = _near(system, then, access)
    return NodePicture(now, then, tuple(memory), access, caches, node in nodes.has_generic_initiator, near)


def _access(device: NodeDevice) -> Iterator[NodeAccess]:
    for number, found in sorted(device.access.items()):
        links = [name for name, entry in found.initiators.children.items() if isinstance(entry, Link)]
        initiators = (number_in(name, "node") for name in links)
        performance = found.coordinate._asdict() if found.coordinate is not None else {}
        yield NodeAccess(number, tuple(sorted(n for n in initiators if n is not None)), _said(performance))


def _near(system: System, row: NodeRow, access: Iterable[NodeAccess]) -> int:
    """The node with processors that is nearest: by what Linux links, else by distance, else the lowest."""
    if row.cpus:
        return row.node
    with_cpus = system.nodes.has_cpu
    linked = [node for found in access for node in found.initiators if node in with_cpus]
    if linked:
        return min(linked)
    return min((node for node in row.distances if node in with_cpus), key=lambda n: (row.distances[n], n), default=-1)


def _ways(system: System, nodes: Iterable[int]) -> Iterator[tuple[tuple[int, int], Mapping[str, int]]]:
    firmware = system.nodes.performance
    if firmware is None:
        return
    nodes = [node for node in nodes if node >= 0][:_MOST]
    for initiator in sorted(system.nodes.has_cpu | system.nodes.has_generic_initiator)[:_MOST]:
        for node in nodes:
            said = _said(firmware.initiator_coordinate(initiator, node)._asdict())
            if said:
                yield (initiator, node), said


def _said(performance: Mapping[str, int]) -> dict[str, int]:
    """Without zeros: those are no values."""
    return {name: value for name, value in performance.items() if value}


# --- kinds of memory


class _Speeds:
    """What kind of memory a node has by its numbers: those that Linux shows, else the best that the firmware gives."""

    def __init__(
        self, rows: Mapping[int, tuple[NodeRow, NodeRow]], ways: Mapping[tuple[int, int], Mapping[str, int]]
    ) -> None:
        self._rows = {node: then for node, (_, then) in rows.items()}
        self._read = dict.fromkeys(rows, 0)  # MB/s
        for (_, node), said in ways.items():
            self._read[node] = max(self._read[node], said.get(_READ, 0))
        for node, pair in rows.items():
            shown = next((row.performance[_READ] for row in pair if row.performance.get(_READ)), 0)
            self._read[node] = shown or self._read[node]
        self._dram = max((self._read[node] for node, (row, _) in rows.items() if row.ram and row.cpus), default=0)

    def kind(self, node: int, special: bool) -> tuple[str, str]:
        """The kind of memory that lies in no CXL window, and how that is known."""
        row = self._rows.get(node)
        if row is not None and row.cpus and not special:
            return "dram", "ordinary RAM of a node with processors"
        if row is None or row.cpus or node < 0:
            return "unknown", "set aside; no table says what it is" if special else "no table says what it is"
        found = self._read[node]
        if not found or not self._dram:
            return "unknown", "no table says how fast it is beside DRAM"
        beside = f"reads {_gigabytes(found)}, DRAM {_gigabytes(self._dram)}"
        return (
            ("hbm", f"faster than DRAM: {beside}")
            if found > self._dram
            else ("unknown", f"no faster than DRAM: {beside}")
        )


def _memory(system: System, report: Report, speeds: _Speeds) -> dict[int, tuple[NodeMemory, ...]]:
    """What memory each node has: ordinary RAM, specific purpose memory, and what else has a dax device."""
    windows = _cxl_windows(system)
    sizes: dict[int, dict[tuple[str, str], int]] = {}
    for start, end, node, special in _pieces(system, report, windows):
        of_node = sizes.setdefault(node, {})
        outside = list(uncovered(start, end, windows))
        in_window = end - start - sum(high - low for low, high in outside)
        if in_window:
            _add(of_node, ("cxl", "in a CXL window of the firmware"), in_window)
        if outside:
            _add(of_node, speeds.kind(node, special), end - start - in_window)
    order = list(KINDS)
    return {
        node: tuple(
            NodeMemory(kind, size, why)
            for (kind, why), size in sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0]))
        )
        for node, found in sizes.items()
    }


def _add(sizes: dict[tuple[str, str], int], kind: tuple[str, str], size: int) -> None:
    sizes[kind] = sizes.get(kind, 0) + size


def _pieces(system: System, report: Report, windows: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int, bool]]:
    """Start, end (bytes, half open), node, and whether somebody set it aside: each byte once."""
    parts = list(report.outcome.parts)
    yield from ((part.start, part.end, part.node, True) for part in parts)
    told = merged((part.start, part.end) for part in parts)
    ram = list(ram_ranges(system))
    for start, end, node in ram:
        yield from ((*gap, node, False) for gap in uncovered(start, end, told))
    told = merged([*told, *((start, end) for start, end, _ in ram)])
    # regions that nobody had set aside; a device that no driver can claim may reach over what is no memory at all
    for start, end, device in dax_ranges(system):
        if device.driver or not any(uncovered(start, end, windows)):
            yield from ((*gap, device.node, True) for gap in uncovered(start, end, told))


def _cxl_windows(system: System) -> list[tuple[int, int]]:
    """Where the firmware has CXL windows (bytes, half open)."""
    cedt = Cedt.found_in(system.machine.acpi)
    entries = cedt.entries if cedt is not None else ()
    return merged((entry.base_hpa, entry.end) for entry in entries if isinstance(entry, FixedMemoryWindow))


# --- words and tables


def _gigabytes(megabytes: int) -> str:
    if megabytes < 1000:
        return f"{megabytes} MB/s"
    return f"{megabytes / 1000:.{4 if megabytes < 1_000_000 else 15}g} GB/s"


def speed(performance: Mapping[str, int]) -> str:
    """Bandwidth and latency in a few words, reading before writing where they differ; empty: nothing is known."""
    said = (
        _both([_gigabytes(performance[key]) for key in ("read_bandwidth", "write_bandwidth") if performance.get(key)]),
        _both([f"{performance[key]} ns" for key in ("read_latency", "write_latency") if performance.get(key)]),
    )
    return ", ".join(filter(None, said))


def _both(words: list[str]) -> str:
    return " / ".join(dict.fromkeys(words))


@attrs.frozen
class Table:
    """A table as words; with ``numbers`` all columns behind the first have nothing else."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: bool = False


def node_tables(view: NodeView) -> Iterator[Table]:
    """All that the picture shows, as tables: the nodes, then distances, then what the firmware says of initiators."""
    yield Table("Nodes", _HEADINGS, tuple(_row(found) for found in view.nodes))
    apart = sorted({other for found in view.nodes for other in found.then.distances})
    first = "" if len(apart) <= _MOST else f" of the first {_MOST} nodes"
    del apart[_MOST:]
    if len(apart) > 1:
        rows = (
            (found.name, *(str(found.then.distances.get(other, "-")) for other in apart))
            for found in view.nodes
            if found.node in apart
        )
        names = tuple(f"node {node}" for node in apart)
        yield Table(f"Distances{first}", ("from", *names), tuple(rows), numbers=True)
    if view.ways:
        targets = sorted({node for _, node in view.ways})
        rows = (
            (f"node {initiator}", *(speed(view.ways.get((initiator, node), {})) or "-" for node in targets))
            for initiator in sorted({initiator for initiator, _ in view.ways})
        )
        headings = ("initiator", *(f"memory of node {node}" for node in targets))
        yield Table("What the firmware's HMAT says of each way", headings, tuple(rows))


def _row(found: NodePicture) -> tuple[str, ...]:
    return (
        str(found.node) if found.node >= 0 else "none",
        found.now.cpus or "-",
        "; ".join(f"{memory.words} ({memory.why})" for memory in found.memory) or "-",
        tier_words(found) or "-",
        demotion_words(found) or "-",
        speed(found.performance) or "-",
        "; ".join(_initiators(found.access)) or "-",
        ", ".join(f"{human_size(cache.size)} at level {cache.level}" for cache in found.caches) or "-",
    )


def _initiators(classes: Iterable[NodeAccess]) -> Iterator[str]:
    """Who is best, once where all classes have the same."""
    linked = [access for access in classes if access.initiators]
    alike = len({(access.initiators, speed(access.performance)) for access in linked}) == 1
    for access in linked[:1] if alike else linked:
        who = "" if alike else f"{_CLASSES.get(access.number, f'class {access.number}')}: "
        words = "" if alike else f" ({speed(access.performance)})"
        yield f"{who}node {format_list(access.initiators)}{words}"


def tier_words(found: NodePicture) -> str:
    """The tier, and the one that it has once all is online where that differs; empty: neither."""
    return _now_and_then(*("" if row.tier is None else str(row.tier) for row in (found.now, found.then)))


def demotion_words(found: NodePicture) -> str:
    """Where cold pages go, likewise."""
    return _now_and_then(*(format_list(row.demotes_to) for row in (found.now, found.then)))


def _now_and_then(now: str, then: str) -> str:
    if now == then:
        return now
    return f"{now or 'none'}; {then or 'none'} once all dax memory is online"
