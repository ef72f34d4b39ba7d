"""Files of a running system that we predict beside those that it showed."""

from __future__ import annotations

import errno
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.machine.snapshot import FILES as PRINTERS
from softreserve.model.ranges import uncovered
from softreserve.model.sysfs_text import errno_name, natural
from softreserve.views.verify import kinds
from softreserve.views.verify.facts import Fact, sorted_by
from softreserve.views.verify.kinds import Kind, kind_of
from softreserve.views.verify.matching import side_by_side
from softreserve.views.verify.rows import Difference, Row

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.observed import Observed
    from softreserve.model.scenario import Scenario

__all__ = ["FileComparison", "compare_files"]

_IOMEM: Final = "iomem.txt"
_RESOURCE: Final = re.compile(r"( *)([0-9a-fA-F]+)-([0-9a-fA-F]+) : (.*?)\s*$")
_BLOCK: Final = re.compile(r"/memory(\d{1,12})(?:/| -> )")
_VALUE: Final = re.compile(r" (?:=|->|!) ?")
#: What is said of a value that only root may read.
_FOR_ROOT: Final = tuple(f" ! {errno_name(number)}" for number in (errno.EACCES, errno.EPERM))
#: Of which resources a part inside System RAM is an allocation of the early boot.
_RESERVED: Final = "reserved"
_RAM: Final = "System RAM"


class FileComparison(NamedTuple):
    """Rows by kind, and differences."""

    rows: list[Row]
    differences: list[Difference]


class _Line(NamedTuple):
    """A line that is compared, its place in its file (from 1), and its address range in bytes, half open, if it has."""

    text: str
    number: int
    start: int = 0
    end: int = 0


_ByKind = dict[str, list[_Line]]


def compare_files(scenario: Scenario, system: System, observed: Observed) -> FileComparison:
    """Compare every file that was observed, kind by kind."""
    rows: list[Row] = []
    differences: list[Difference] = []
    for name, of_name in kinds.FILES.items():
        text = observed.files.get(name)
        if text is None:
            continue
        devices: list[_Line] = []
        theirs = _by_kind(name, text.splitlines(), devices)
        ours = _by_kind(name, PRINTERS[name](system), [])
        for kind in of_name:
            pairs = [*_pairs(name, theirs.get(kind.name, []), ours.get(kind.name, []))]
            for_root = [a for a, _ in pairs if a is not None and a.text.endswith(_FOR_ROOT)]
            pairs = [(a, b) for a, b in pairs if a not in for_root]
            wrong = [(a, b) for a, b in pairs if a is None or b is None or a.text != b.text]
            for a, b in wrong:
                differences.append(_difference(name, kind, a, b, scenario, {*_found(system, observed, devices, a, b)}))
            note = f"{len(for_root)} more are shown to root only" if for_root else ""
            if pairs or for_root:
                rows.append(Row(name, kind.name, len(pairs) - len(wrong), len(pairs), note))
    return FileComparison(rows, differences)


def _difference(
    name: str, kind: Kind, a: _Line | None, b: _Line | None, scenario: Scenario, found: Collection[Fact]
) -> Difference:
    facts = kind.needs + (kind.there if a is None or b is None else ())
    sort, why = sorted_by(facts, scenario, found)
    return Difference(name, kind.name, sort, why, a and a.number, a and a.text, b and b.text)


def _found(
    system: System, observed: Observed, devices: Iterable[_Line], a: _Line | None, b: _Line | None
) -> Iterator[Fact]:
    """What plays a part in a difference that is not modelled.

    A resource grows around those of devices that it crosses: ``kernel/resource.c: insert_resource_expand_to_fit``.
    """
    if observed.running:
        yield Fact.CHANGED
        if _beyond_boot(system, a, b):
            yield Fact.ADDED
    if a is not None and b is not None and a.start <= b.start and b.end <= a.end:
        borders = {border for device in devices for border in (device.start, device.end)}
        if {a.start, a.end} - {b.start, b.end} <= borders:
            yield Fact.DEVICES


def _beyond_boot(system: System, a: _Line | None, b: _Line | None) -> bool:
    """Whether all that differs is memory that the kernel did not boot with: of a block, or of a range of RAM."""
    ranges: list[tuple[int, int]] = []
    for line in (a, b):
        block = _BLOCK.search(line.text) if line is not None else None
        if block is not None:
            start = int(block[1]) * system.memory.block_size
            ranges.append((start, start + system.memory.block_size))
    if not ranges and a is not None:
        ranges = [*uncovered(a.start, a.end, [(b.start, b.end)] if b is not None else [])]
    booted = [(region.base, region.end) for region in system.memblock.memory]
    return bool(ranges) and all([*uncovered(*range_, booted)] == [range_] for range_ in ranges)


# --- lines


def _by_kind(name: str, lines: Iterable[str], devices: list[_Line]) -> _ByKind:
    found: _ByKind = defaultdict(list)
    if name == _IOMEM:
        for line, kind in _resources(lines, devices):
            found[kind.name].append(line)
        return found
    for number, raw in enumerate(lines, 1):
        text = raw.rstrip()
        known = kind_of(text, name)
        if known is not None:
            found[known.name].append(_Line(text, number))
    return found


def _resources(lines: Iterable[str], devices: list[_Line]) -> list[tuple[_Line, Kind]]:
    """Resources that are modelled, indented by how many such they are in; others go to ``devices``.

    System RAM that touches is one: what a boot loader hands over splits it where the loader likes.
    """
    path: list[tuple[str, bool]] = []
    found: list[tuple[_Line, Kind]] = []
    top = -1  # where the last one of the top level is
    for number, raw in enumerate(lines, 1):
        resource = _RESOURCE.match(raw)
        if resource is None:
            continue
        del path[len(resource[1]) // 2 :]
        start, end, name = int(resource[2], 16), int(resource[3], 16) + 1, resource[4]
        kind = kind_of(name, _IOMEM)
        if name == _RESERVED and any(above.startswith(_RAM) for above, _ in path):
            kind = None
        depth = sum(kept for _, kept in path)
        path.append((name, kind is not None))
        if kind is None:
            devices.append(_Line(name, number, start, end))
            continue
        if not depth and name == _RAM and top >= 0 and found[top][0].end == start and found[top][0].text.endswith(_RAM):
            before, _ = found[top]
            found[top] = _Line(f"{before.start:08x}-{end - 1:08x} : {name}", before.number, before.start, end), kind
            continue
        if not depth:
            top = len(found)
        found.append((_Line(f"{'  ' * depth}{start:08x}-{end - 1:08x} : {name}", number, start, end), kind))
    return found


def _pairs(name: str, theirs: list[_Line], ours: list[_Line]) -> Iterator[tuple[_Line | None, _Line | None]]:
    """Lines that stand for each other: of dumps those of one path, of lists equal ones and then in order."""
    if name in (_IOMEM, "firmware-memmap.txt"):
        texts = [line.text for line in theirs], [line.text for line in ours]
        for a, b in side_by_side(*texts, ordered=True):
            yield None if a is None else theirs[a], None if b is None else ours[b]
        return
    by_path = {_VALUE.split(line.text, maxsplit=1)[0]: line for line in ours}
    for line in theirs:
        yield line, by_path.pop(_VALUE.split(line.text, maxsplit=1)[0], None)
    for path in sorted(by_path, key=natural):
        yield None, by_path[path]
