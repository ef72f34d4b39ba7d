"""Many what-ifs beside each other: a row for each thing that is not the same in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import attrs

from softreserve.model.outcome import Marked
from softreserve.model.ranges import joined, merged, span_at
from softreserve.model.sizes import human_size
from softreserve.views.outcome import outcome
from softreserve.views.upgrade import facts
from softreserve.views.upgrade.facts import Spans
from softreserve.views.upgrade.trial import Trial

__all__ = ["Column", "Matrix", "Row", "matrix"]

#: What is said of memory beside what it is: the same facts that upgrades are told by.
_OF_MEMORY: Final[Mapping[str, Callable[[Trial], Spans]]] = {
    "Soft Reserved in /proc/iomem": facts.soft_reserved_lines,
    "below": facts.device_paths,
    "given to kmem": facts.uses_as_system_ram,
    "given to device_dax": facts.uses_as_devdax,
    "once online": facts.withdrawals,
}
#: What a cell says of something that is not there.
_NOTHING: Final = "-"


@attrs.frozen
class Column:
    """What-ifs that are the same in every row, by their names."""

    names: tuple[str, ...]


@attrs.frozen
class Row:
    """Something that can be compared, with its value in every column.

    :param what: what it is about; a range is ``START-END`` with its last byte included, and its size.
    :param start: of a range of memory (bytes, half open); ``None``: it is about none.
    """

    what: str
    values: tuple[str, ...]
    start: int | None = None
    end: int | None = None

    @property
    def differs(self) -> bool:
        """Whether it is not the same in all columns."""
        return len(set(self.values)) > 1


@attrs.frozen
class Matrix:
    """What-ifs that are alike are one column; rows are all that was compared, those that are the same, too."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def differing(self) -> list[Row]:
        """The rows that are worth a look."""
        return [row for row in self.rows if row.differs]


def matrix(trials: Mapping[str, Trial]) -> Matrix:
    """Compare what-ifs by their names. One that does not come up says so in its verdict, and has nothing else."""
    living = {name: trial for name, trial in trials.items() if not trial.death}
    spans = merged(
        (marked.start, marked.end) for trial in living.values() for marked in trial.outcome.ranges if marked.size
    )
    wholes = [Marked(start, end, "") for start, end in spans]
    rows = [
        Row("verdict", tuple(trial.death or trial.report.verdict.text for trial in trials.values())),
        *_of_facts(trials, {name: dict(_facts(trial)) for name, trial in living.items()}),
        *_of_ranges(trials, "", {name: list(_memory(trial, wholes)) for name, trial in living.items()}),
    ]
    for words, look in _OF_MEMORY.items():
        rows += _of_ranges(trials, words, {name: trial.seen(look) for name, trial in living.items()})
    alike: dict[tuple[str, ...], list[str]] = {}
    for number, name in enumerate(trials):
        alike.setdefault(tuple(row.values[number] for row in rows), []).append(name)
    columns = tuple(Column(tuple(names)) for names in alike.values())
    folded = [attrs.evolve(row, values=values) for row, values in zip(rows, zip(*alike, strict=True), strict=True)]
    return Matrix(columns, tuple(folded))


def _memory(trial: Trial, wholes: Sequence[Marked]) -> Iterator[tuple[int, int, str]]:
    """What memory is, and why nobody has anything of it where that is so."""
    for part in outcome(trial.system, wholes).parts:
        told = trial.report.outcome.part_at(part.start)
        reason = f" [{told.rule}]" if told is not None and told.rule and told.use == part.use else ""
        yield part.start, part.end, part.words + reason + (f", node {part.node}" if part.node >= 0 else "")


def _facts(trial: Trial) -> Iterator[tuple[str, str]]:
    """What is about no range in particular."""
    system, found = trial.system, trial.outcome
    devices = {part.device: part for part in found.parts if part.device}
    listed = (f"{name} ({part.driver or 'no driver'}, node {part.node})" for name, part in devices.items())
    yield "dax devices", ", ".join(listed) or _NOTHING
    yield "memory blocks", human_size(system.memory.block_size)
    yield "added memory", system.memory.default_online_type
    for row in found.nodes:
        name = f"node {row.node}" if row.node >= 0 else "no node"
        sizes = (("RAM", row.ram), ("specific purpose", row.special), ("of that online", row.added))
        told = [f"{word} {human_size(size)}" for word, size in sizes if size]
        yield name, ", ".join([*([] if row.online else ["offline"]), *told]) or "no memory"
        yield f"{name}: CPUs", row.cpus or _NOTHING
        yield f"{name}: tier", _NOTHING if row.tier is None else str(row.tier)
        yield f"{name}: demotes to", ",".join(map(str, row.demotes_to)) or _NOTHING
    yield from ((f"nodes: {name}", nodes or _NOTHING) for name, nodes in trial.seen(facts.node_states).items())
    counts = [finding.severity for finding in trial.report.findings]
    yield "errors, warnings of lint", f"{counts.count('error')}, {counts.count('warning')}"


def _of_facts(trials: Mapping[str, Trial], looked: Mapping[str, Mapping[str, str]]) -> Iterator[Row]:
    names = dict.fromkeys(what for found in looked.values() for what in found)
    for what in names:
        yield Row(what, tuple(looked[n].get(what, _NOTHING) if n in looked else _NOTHING for n in trials))


def _of_ranges(trials: Mapping[str, Trial], words: str, looked: Mapping[str, Spans]) -> Iterator[Row]:
    """Memory that some what-if says something of, cut where any of them begins to say something else."""
    borders = sorted({at for spans in looked.values() for span in spans for at in span[:2]})
    rows = [
        Row(words, tuple(_at(looked.get(name, ()), start) for name in trials), start, end)
        for start, end in pairwise(borders)
        if any(span_at(spans, start) is not None for spans in looked.values())
    ]
    for row in joined(rows, _one):
        assert row.start is not None
        assert row.end is not None
        place = f"{row.start:012x}-{row.end - 1:012x} ({human_size(row.end - row.start)})"
        yield attrs.evolve(row, what=f"{place}{': ' if words else ''}{words}")


def _at(spans: Spans, address: int) -> str:
    found = span_at(spans, address)
    return _NOTHING if found is None else found[2]


def _one(row: Row, following: Row) -> Row | None:
    """Neighbours that are alike in every column, as one."""
    if row.end != following.start or row.values != following.values:
        return None
    return attrs.evolve(row, end=following.end)
