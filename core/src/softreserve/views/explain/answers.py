"""What a subject is on a booted machine, in a form that can be compared, and in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.model.outcome import Marked, Part
from softreserve.model.sizes import human_size
from softreserve.views.outcome import outcome
from softreserve.views.report import report

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.findings import Finding
    from softreserve.views.explain.subjects import Subject

__all__ = ["Answer", "answer"]

#: Kinds of memory that the words of an answer tell apart before they only count them.
_KINDS: Final = 4


@attrs.frozen
class Answer:
    """What the memory of a subject is, and what else there is to say of it.

    ``parts`` have no reasons. ``facts`` are those of a node or memory block, or whether a finding is there: name and
    value, in order.
    """

    parts: tuple[Part, ...]
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> object:
        """What makes answers differ: not the number of a device, which others may take first."""
        spans: list[tuple[object, ...]] = []
        for part in self.parts:
            fate: tuple[object, ...] = (part.use, part.driver, part.node, part.online, part.zone)
            if part.use == "lost":
                fate = (part.use, part.owner)  # its node is nobody's business
            if spans and spans[-1][1] == part.start and spans[-1][2:] == fate:
                spans[-1] = (spans[-1][0], part.end, *fate)
            else:
                spans.append((part.start, part.end, *fate))
        return tuple(spans), self.facts

    @property
    def words(self) -> str:
        """What it is, in a few words."""
        return "; ".join(filter(None, (_memory(self.parts), *(f"{name} {value}" for name, value in self.facts))))

    def words_unlike(self, other: Answer) -> str:
        """The same, without the facts that another answer has, too."""
        facts = [f"{name} {value}" for name, value in self.facts if (name, value) not in other.facts]
        same = attrs.evolve(self, facts=()).key == attrs.evolve(other, facts=()).key
        return "; ".join([*([] if same and facts else [_memory(self.parts)]), *facts])

    def size_of(self, uses: Iterable[str], *, online: bool = False) -> int:
        """Bytes that are put to one of these uses, and are online if that is asked for."""
        wanted = frozenset(uses)
        return sum(p.size for p in self.parts if p.use in wanted and not (online and p.online is False))


def answer(system: System, subject: Subject) -> Answer:
    """What a subject is on a booted machine."""
    found = outcome(system, [Marked(where.start, where.end, "") for where in subject.ranges])
    return Answer(tuple(found.parts), tuple(_facts(system, subject)))


def _memory(parts: Iterable[Part]) -> str:
    """Memory by what became of it, the most first; with sizes where there is more than one kind."""
    sizes: dict[str, int] = {}
    for part in parts:
        words = part.words + (f", node {part.node}" if part.node >= 0 else "")
        sizes[words] = sizes.get(words, 0) + part.size
    if len(sizes) == 1:
        return next(iter(sizes))
    ordered = sorted(sizes, key=lambda words: -sizes[words])
    told = [f"{human_size(sizes[words])} {words}" for words in ordered[:_KINDS]]
    if len(ordered) > _KINDS:
        told.append(f"{human_size(sum(sizes[words] for words in ordered[_KINDS:]))} otherwise")
    return "; ".join(told)


def _facts(system: System, subject: Subject) -> Iterator[tuple[str, str]]:
    if subject.kind == "node" and subject.number is not None:
        yield from _node_facts(system, subject.number)
    elif subject.kind == "block" and subject.number is not None:
        yield from _block_facts(system, subject.number)
    elif subject.kind == "finding":
        found = [finding for finding in report(system).findings if finding.rule == subject.rule]
        here = [finding for finding in found if finding.start is None or _meets(subject, finding)]
        yield "finding", f"{subject.rule}, {len(here)} times" if len(here) > 1 else subject.rule if here else "none"


def _meets(subject: Subject, finding: Finding) -> bool:
    start, end = finding.start or 0, finding.end or 0
    return any(where.start < end and start < where.end for where in subject.ranges)


def _node_facts(system: System, number: int) -> Iterator[tuple[str, str]]:
    row = next((row for row in outcome(system).nodes if row.node == number), None)
    if row is None:
        yield "node", "not there"
        return
    yield "node", "online" if row.online else "offline"
    yield "RAM", human_size(row.ram) if row.ram else "-"
    yield "specific purpose", human_size(row.special) if row.special else "-"
    yield "CPUs", row.cpus or "-"
    yield "tier", "-" if row.tier is None else str(row.tier)
    yield "demotes to", ",".join(map(str, row.demotes_to)) or "-"
    yield "distances", " ".join(f"{other}:{distance}" for other, distance in row.distances.items()) or "-"
    for name, value in sorted(row.performance.items()):
        yield name, str(value)


def _block_facts(system: System, number: int) -> Iterator[tuple[str, str]]:
    blocks = system.memory.blocks.find(number)
    if blocks is None:
        yield "memory block", "not there"
        return
    yield "memory block", "online" if blocks.online else "offline"
    yield "block size", human_size(system.memory.block_size)
    yield "zone", blocks.zone.name if blocks.zone is not None else "several" if blocks.online else "-"
    yield "nodes", ",".join(map(str, sorted(blocks.nodes))) or str(blocks.nid)
