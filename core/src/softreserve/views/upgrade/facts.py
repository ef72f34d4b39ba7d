"""What people and their scripts see of a booted system, as facts that can be compared.

Facts have a name (a file, a node), or they belong to memory; nothing is worked out here. What is not the same from
boot to boot, or of no use to anybody, is no fact.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.kernel.sysfs import Attribute, Directory
from softreserve.model.outcome import LOSSES
from softreserve.model.ranges import joined, merged, span_at, uncovered
from softreserve.views.emit import emit
from softreserve.views.outcome import dax_ranges

if TYPE_CHECKING:
    from softreserve.model.outcome import Outcome, Part
    from softreserve.views.upgrade.trial import Trial

__all__ = ["KMEM_OFFLINE", "KMEM_ONLINE", "NOBODY", "THERE", "Difference", "Facts", "Spans", "differences", "holds"]

#: Facts about memory: (start, end, what), bytes, half open, ascending and disjoint; and facts that have a name.
Spans = Sequence[tuple[int, int, str]]
Facts = Spans | Mapping[str, str]

#: What memory is of which nobody has anything, whatever the reason.
NOBODY: Final = "nobody's"
#: What memory is that kmem added.
KMEM_ONLINE: Final = "System RAM by way of kmem, online"
KMEM_OFFLINE: Final = "System RAM by way of kmem, offline"
#: What a fact says that says nothing but that it is there.
THERE: Final = "there"
_start = itemgetter(0)
_RAM: Final = "System RAM"
_SOFT_RESERVED: Final = "Soft Reserved"
_DAX: Final = "/sys/bus/dax/devices"
_BUSES: Final = "/sys/bus"
_NODES: Final = "/sys/devices/system/node"
_MEMORY: Final = "/sys/devices/system/memory"
#: Numbers, and a name that has one.
_NUMBER: Final = re.compile(r"\be820\b|0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+")
#: Files of a node whose contents change while it runs, and links to what it has.
_CHANGING: Final = re.compile(r"meminfo|numastat|vmstat|uevent|power|cpumap|(memory|cpu)\d+")


# --- specific purpose memory


def _spans(found: Outcome, what: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    for part in found.parts:
        if part.use in what:
            yield part.start, part.end, what[part.use]


def uses(trial: Trial) -> Spans:
    """What it is used for."""
    return [(part.start, part.end, _use(part)) for part in trial.outcome.parts]


def _use(part: Part) -> str:
    if part.use == "kmem":
        return KMEM_ONLINE if part.online else KMEM_OFFLINE
    return NOBODY if part.use in LOSSES else part.use


def uses_as_system_ram(trial: Trial) -> Spans:
    """Whether it can be System RAM."""
    words = dict.fromkeys(LOSSES, "cannot be System RAM") | {"devdax": "cannot be System RAM", "kmem": _RAM}
    return [*_spans(trial.onlined, words)]


def uses_as_devdax(trial: Trial) -> Spans:
    """Whether programs can map it."""
    words = dict.fromkeys(LOSSES, "cannot be mapped") | {"kmem": "cannot be mapped", "devdax": "can be mapped"}
    return [*_spans(trial.mapped, words)]


def withdrawals(trial: Trial) -> Spans:
    """Whether memory of kmem goes offline again once it was online in a zone of the kernel's choice."""
    words = {False: "goes offline", True: "stays online"}
    return [(p.start, p.end, words[p.online]) for p in trial.withdrawn.parts if p.online is not None]


def zones(trial: Trial) -> Spans:
    """The zone of memory that kmem added and that is online."""
    return [(p.start, p.end, f"zone {p.zone}") for p in trial.outcome.parts if p.online and p.zone]


def device_names(trial: Trial) -> Spans:
    """Names of dax devices."""
    return [(part.start, part.end, part.device) for part in trial.outcome.parts if part.device]


def device_nodes(trial: Trial) -> Spans:
    """Target nodes of dax devices."""
    return [(part.start, part.end, f"node {part.node}") for part in trial.outcome.parts if part.device]


def device_paths(trial: Trial) -> Spans:
    """The device below which each dax device lies in sysfs."""
    tree, found = trial.system.sysfs, []
    for start, end, device in sorted(dax_ranges(trial.system)):
        path = tree.resolve(f"{_DAX}/{device.name}")
        if path is not None:
            found.append((start, end, path.rpartition("/")[0]))
    return found


# --- what names memory


def soft_reserved_lines(trial: Trial) -> Spans:
    """Whether ``/proc/iomem`` says of memory that is set aside that it is."""
    shown = [(r.start, r.end + 1) for r in trial.system.iomem.find(_SOFT_RESERVED)]
    found = []
    for part in trial.outcome.parts:
        if part.use != "ram":
            found.append((part.start, part.end, "a line" if span_at(shown, part.start) else "no line"))
    return found


def hmem_lines(trial: Trial) -> Spans:
    """Lines of hmem devices in ``/proc/iomem``."""
    return [
        (res.start, res.end + 1, f"a line {res.name}")
        for _, res in trial.system.iomem.walk()
        if re.fullmatch(r"hmem\.\d+", res.name or "")
    ]


def other_lines(trial: Trial) -> Mapping[str, str]:
    """Kinds of other lines of ``/proc/iomem``: numbers are all ``N``."""
    names = {_NUMBER.sub("N", res.name or "") for _, res in trial.system.iomem.walk()}
    return dict.fromkeys(names - {_SOFT_RESERVED, "hmem.N"}, THERE)


def ram(trial: Trial) -> Spans:
    """RAM from boot on, as ``/proc/iomem`` has it, but for specific purpose memory."""
    marked = merged((one.start, one.end) for one in trial.outcome.ranges)
    lines = trial.system.find_boot_ram()
    return [(*gap, _RAM) for res in lines for gap in uncovered(res.start, res.end + 1, marked)]


def firmware_map(trial: Trial) -> Spans:
    """What ``/sys/firmware/memmap`` says; of entries that overlap the lower one counts."""
    found: list[tuple[int, int, str]] = []
    for entry in sorted(trial.system.firmware_memmap.entries.values(), key=lambda entry: entry.start):
        start = max(entry.start, found[-1][1] if found else 0)
        if start <= entry.end:
            found.append((start, entry.end + 1, entry.type))
    return found


# --- files


def _children(trial: Trial, path: str) -> dict[str, object]:
    node = trial.system.sysfs.node(path, follow=True)
    return dict(node.children) if isinstance(node, Directory) else {}


def _files(directory: Directory, prefix: str) -> Iterator[tuple[str, Attribute]]:
    """Every file in a directory that is listed without being asked for."""
    for name, child in directory.children.items():
        if _CHANGING.fullmatch(name):
            continue
        if isinstance(child, Attribute):
            yield f"{prefix}{name}", child
        elif isinstance(child, Directory):
            yield from _files(child, f"{prefix}{name}/")


def _text(attribute: Attribute) -> str:
    value = attribute.read()
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else ""


def dax_files(trial: Trial) -> Mapping[str, str]:
    """Files that dax devices and their regions have."""
    tree = trial.system.sysfs
    found: dict[str, str] = {}
    for name in _listing(trial, _DAX):
        path = tree.resolve(f"{_DAX}/{name}") or ""
        for where, shown in ((path, "daxX.Y"), (f"{path.rpartition('/')[0]}/dax_region", "dax_region")):
            node = tree.node(where)
            names = node.listing() if isinstance(node, Directory) else []
            found |= {f"{shown}/{_NUMBER.sub('N', file)}": THERE for file in names if file != "driver"}
    return found


def _listing(trial: Trial, path: str) -> list[str]:
    names = trial.system.sysfs.listdir(path)
    return names if isinstance(names, list) else []


def drivers(trial: Trial) -> Mapping[str, str]:
    """Drivers of all buses."""
    return _on_buses(trial, "drivers", ())


def devices(trial: Trial) -> Mapping[str, str]:
    """Devices of the buses of which nothing else tells more."""
    return _on_buses(trial, "devices", ("cpu", "dax", "memory", "node"))


def _on_buses(trial: Trial, what: str, told: Sequence[str]) -> Mapping[str, str]:
    buses = [bus for bus in _listing(trial, _BUSES) if bus not in told]
    return {f"{bus} {name}": THERE for bus in buses for name in _listing(trial, f"{_BUSES}/{bus}/{what}")}


def modules(trial: Trial) -> Mapping[str, str]:
    """Modules that are loaded or built in."""
    return dict.fromkeys(_listing(trial, "/sys/module"), THERE)


def node_states(trial: Trial) -> Mapping[str, str]:
    """The lists of nodes that have something."""
    files = _children(trial, _NODES).items()
    return {name: _text(file) for name, file in files if isinstance(file, Attribute)}


def _node_files(trial: Trial) -> Iterator[tuple[str, Attribute]]:
    for node in sorted(trial.system.nodes.online):
        directory = trial.system.sysfs.node(f"{_NODES}/node{node}")
        if isinstance(directory, Directory):
            yield from _files(directory, f"node{node}/")


def node_files(trial: Trial) -> Mapping[str, str]:
    """Files that nodes have."""
    return {re.sub(r"^node\d+", "nodeN", name): THERE for name, _ in _node_files(trial)}


def node_values(trial: Trial) -> Mapping[str, str]:
    """What files of nodes say."""
    return {name: _text(file) for name, file in _node_files(trial) if file.mode & 0o444}


def tiers(trial: Trial) -> Mapping[str, str]:
    """Memory tiers of nodes, once all memory is online."""
    rows = trial.onlined.nodes
    return {f"node {row.node}": "no tier" if row.tier is None else f"tier {row.tier}" for row in rows if row.node >= 0}


def demotion(trial: Trial) -> Mapping[str, str]:
    """Where nodes demote cold pages to, once all memory is online."""
    rows = trial.onlined.nodes
    return {f"node {row.node}": ",".join(map(str, row.demotes_to)) or "nowhere" for row in rows if row.node >= 0}


def hotplug(trial: Trial) -> Mapping[str, str]:
    """How memory comes and goes."""
    files = _children(trial, _MEMORY)
    wanted = ("auto_online_blocks", "block_size_bytes")
    return {name: _text(file) for name in wanted if isinstance(file := files.get(name), Attribute)}


# --- words


def log(trial: Trial) -> Mapping[str, str]:
    """Kinds of lines of the kernel log: numbers are all ``N``."""
    return {_NUMBER.sub(_any_number, line.strip()): THERE for line in emit(trial.system, "log")}


def _any_number(found: re.Match[str]) -> str:
    return found[0] if found[0] == "e820" else "N"


def findings(trial: Trial) -> Mapping[str, str]:
    """What ``lint`` says of it, but for the reasons why memory is nobody's, which is told of the memory itself."""
    found = {}
    for finding in trial.report.findings:
        if not finding.explains:
            where = "" if finding.start is None or finding.end is None else f"{finding.start:#x}-{finding.end - 1:#x}: "
            found[f"{finding.rule} {where}".rstrip(": ")] = f"{finding.severity}: {where}{finding.message}"
    return found


def death(trial: Trial) -> Mapping[str, str]:
    """Whether the kernel comes up at all."""
    return {"": trial.death or "comes up"}


# --- comparing


@attrs.frozen
class Difference:
    """One fact that is not the same: of a name, or of memory (bytes, half open)."""

    name: str
    start: int | None
    end: int | None
    before: str
    after: str

    @property
    def size(self) -> int:
        """Bytes of memory that it is about."""
        return self.end - self.start if self.start is not None and self.end is not None else 0


def differences(before: Facts, after: Facts, absent: str | None) -> list[Difference]:
    """What is not the same.

    :param absent: what a fact is that is not there; ``None``: only what both have is compared.
    """
    found: list[Difference] = []
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name, absent), after.get(name, absent)
            if old is not None and new is not None and old != new:
                found.append(Difference(name, None, None, old, new))
        return found
    assert not isinstance(before, Mapping)
    assert not isinstance(after, Mapping)
    borders = sorted({at for spans in (before, after) for span in spans for at in span[:2]})
    for start, end in pairwise(borders):
        old, new = _at(before, start, absent), _at(after, start, absent)
        if old is not None and new is not None and old != new:
            found.append(Difference("", start, end, old, new))
    return list(joined(found, _one))


def _one(difference: Difference, following: Difference) -> Difference | None:
    """Neighbours that differ in the same way as one."""
    same = attrs.evolve(difference, start=difference.end, end=following.end) == following
    return attrs.evolve(difference, end=following.end) if same else None


def _at(spans: Spans, address: int, absent: str | None) -> str | None:
    found = span_at(spans, address)
    return absent if found is None else found[2]


def holds(facts: Facts, difference: Difference, value: str, absent: str | None) -> bool:
    """Whether the fact that a difference is about has that value, for memory in all of its range."""
    if isinstance(facts, Mapping):
        return facts.get(difference.name, absent) == value
    assert difference.start is not None
    assert difference.end is not None
    reached = difference.start
    first = max(bisect_right(facts, reached, key=_start) - 1, 0)
    for start, end, what in facts[first : bisect_left(facts, difference.end, key=_start)]:
        if end > reached:
            if what != value or (start > reached and absent != value):
                return False
            reached = end
    return reached >= difference.end or absent == value


def without(found: Iterable[Difference], memory: Iterable[Difference]) -> list[Difference]:
    """Differences of memory but for those of which a part lies where one of the others does."""
    hidden = [(other.start or 0, other.end or 0) for other in memory]
    return [d for d in found if not any(start < (d.end or 0) and (d.start or 0) < end for start, end in hidden)]
