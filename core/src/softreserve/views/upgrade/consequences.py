"""What people notice who take a machine from one kernel to the next: consequences, with what brings each of them.

Every kernel is booted and compared with the one before it. What a kernel changes and a later one takes back is one
consequence, of the kernels between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import attrs

from softreserve.model.findings import SEVERITIES, Finding
from softreserve.model.sizes import human_size
from softreserve.views.upgrade.causes import Change, causes
from softreserve.views.upgrade.facts import NOBODY, THERE, Difference, differences, without
from softreserve.views.upgrade.kinds import DEATH, FINDING_RULE, KINDS, QUIET, Kind, Told, shown

if TYPE_CHECKING:
    from softreserve.views.upgrade.trial import Trial

__all__ = ["Consequence", "consequences"]


@attrs.frozen
class Consequence:
    """Something that people notice, in one or several places.

    ``severity`` and ``rule`` are as of findings. ``releases`` have it, ``before`` is the last before them; ``lasts``
    says whether no later kernel takes it back. ``causes`` bring it about together; empty: nothing that is known.
    """

    JSON = ("severity", "rule", "words", "before", "releases", "size", "differences", "causes")
    severity: str
    rule: str
    words: str
    differences: tuple[Difference, ...]
    before: str
    releases: tuple[str, ...]
    lasts: bool
    causes: tuple[Change, ...]

    @property
    def size(self) -> int:
        """Bytes of memory that it is about; 0 where it is about none in particular."""
        return sum(difference.size for difference in self.differences)

    @property
    def when(self) -> str:
        """Which of the kernels have it."""
        first, last = self.releases[0], self.releases[-1]
        if self.lasts:
            return first if first == last else f"{first} and later"
        return f"{first} only" if first == last else f"{first} to {last}"

    @property
    def places(self) -> list[tuple[str, str]]:
        """Where it shows, and what was there and is; the latter is empty where the words say it."""
        found = []
        for d in self.differences:
            where = d.name
            if d.start is not None and d.end is not None:
                where = f"{d.start:012x}-{d.end - 1:012x} ({human_size(d.size)})"
            change = f"{shown(d.before)} -> {shown(d.after)}"
            if THERE in (d.before, d.after):
                change = "new" if d.after else "gone"
            found.append((where, "" if self.rule == FINDING_RULE else change))
        return found

    @property
    def finding(self) -> Finding:
        """The same as a finding: the first place stands for all."""
        first, (where, change) = self.differences[0], self.places[0]
        where = human_size(self.size) if self.size else where
        others = f" ({len(self.differences)} in all)" if len(self.differences) > 1 else ""
        place = ", ".join(words for words in (where, change) if words) + others
        why = "; ".join(map(str, self.causes)) or "for no reason that is known"
        message = f"from {self.before} to {self.releases[0]}: {self.words}: {place}; {why}"
        return Finding(self.severity, self.rule, message, first.start, first.end)


class _Found(NamedTuple):
    """A difference; ``first`` and ``last`` are numbers of trials."""

    first: int
    last: int
    told: Told
    difference: Difference
    causes: tuple[Change, ...]


def consequences(
    trials: Sequence[Trial], releases: Sequence[str], step: Callable[[int], object] = int
) -> list[Consequence]:
    """What each kernel changes for a machine: by the kernels that have it, what lasts first, then the worst.

    :param trials: the same machine with several kernels, in the order in which they are installed.
    :param releases: what these kernels are called.
    :param step: is told of each kernel that has been compared with the one before it.
    """
    found: list[_Found] = []
    standing: dict[tuple[Kind, Difference], int] = {}  # what a later kernel may take back: where it is in ``found``
    for number, (before, after) in enumerate(pairwise(trials), 1):
        items = list(_items(before, after))
        now: dict[tuple[Kind, Difference], int] = {}
        for (kind, difference, told), changes in zip(items, causes(before, after, items), strict=True):
            back = attrs.evolve(difference, before=difference.after, after=difference.before)
            at = standing.pop((kind, back), None)
            if at is not None:
                found[at] = found[at]._replace(last=number - 1)
                continue
            now[kind, difference] = len(found)
            found.append(_Found(number, len(trials) - 1, told, difference, changes))
        standing |= now
        step(1)
    return _grouped(found, releases)


def _items(before: Trial, after: Trial) -> Iterator[tuple[Kind, Difference, Told]]:
    """All differences between two kernels that mean something to somebody."""
    kinds = (DEATH,) if before.death or after.death else KINDS
    nobody: list[Difference] = []
    for kind in kinds:
        old, new = before.seen(kind.look), after.seen(kind.look)
        found = differences(old, new, kind.absent) if (old and new) or not kind.paired else []
        if kind is KINDS[0]:
            nobody = [d for d in found if NOBODY in (d.before, d.after)]
        elif kind.hidden:
            found = without(found, nobody)
        for difference in found:
            told = kind.tell(difference, after)
            if told is not None:
                yield kind, difference, told


def _grouped(found: Sequence[_Found], releases: Sequence[str]) -> list[Consequence]:
    groups: dict[tuple[int, int, Told, tuple[Change, ...]], list[Difference]] = {}
    others = {(one.first, change) for one in found if one.told.rule not in QUIET for change in one.causes}
    for first, last, told, difference, changes in found:
        if told.rule not in QUIET or not any((first, change) in others for change in changes):
            groups.setdefault((first, last, told, changes), []).append(difference)
    ordered = sorted(groups.items(), key=lambda g: (g[0][0], -g[0][1], SEVERITIES.index(g[0][2].severity)))
    return [
        Consequence(
            *told,
            tuple(members),
            before=releases[first - 1],
            releases=tuple(releases[first : last + 1]),
            lasts=last == len(releases) - 1,
            causes=changes,
        )
        for (first, last, told, changes), members in ordered
    ]
