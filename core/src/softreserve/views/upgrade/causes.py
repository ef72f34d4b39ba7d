"""Why two kernels differ in a fact: found by turning one thing after the other, and looking whether the fact turns.

What can be turned is what the two kernels have unlike: behaviours that follow from their releases, and options that
they were built with. Nothing is concluded from a release's number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING

import attrs

from softreserve.plugins.behaviours import behaviours
from softreserve.views.upgrade.facts import Difference, holds
from softreserve.views.upgrade.kinds import DEATH, Kind, Told
from softreserve.views.upgrade.trial import Trial, untraced

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel
    from softreserve.model.release import Behaviour, Boundary

__all__ = ["Change", "causes"]


@attrs.frozen
class OptionTold:
    """An option of the build, without ``CONFIG_``; ``"n"``: it is not set."""

    option: str
    before: str
    after: str


@attrs.frozen
class BehaviourTold:
    """A behaviour that one of two builds has, whatever its release."""

    behaviour: str
    words: str


@attrs.frozen
class Evidence:
    """What either side of a boundary stands on."""

    older: list[str]
    newer: list[str]


@attrs.frozen
class BoundaryTold:
    """A behaviour that came, or went, with a release.

    :param release: the first that is known to be on the newer side.
    :param not_before: the last that is known to be on the older side, where it is not the one before ``release``.
    :param subject: of the change in the kernel, where it is known.
    """

    behaviour: str
    words: str
    release: str
    not_before: str | None
    subject: str
    evidence: Evidence


@attrs.frozen
class Change:
    """One thing that two kernels have unlike: a behaviour, or an option (without ``CONFIG_``) of the build.

    ``boundary`` is that which lies between the two releases; ``None`` for an option, and for what a build has of its
    own. ``back`` says that it is crossed the other way, to an older kernel, or to a build that lacks it. ``before`` and
    ``after`` are the option's values, ``"n"`` where it is not set.
    """

    name: str
    words: str
    behaviour: Behaviour | None = attrs.field(default=None, repr=False)
    boundary: Boundary | None = attrs.field(default=None, repr=False)
    back: bool = False
    before: str = ""
    after: str = ""

    def as_json(self) -> OptionTold | BehaviourTold | BoundaryTold:
        """For programs."""
        if self.behaviour is None:
            return OptionTold(self.name, self.before, self.after)
        if self.boundary is None:
            return BehaviourTold(self.name, self.words)
        at = self.boundary
        evidence = Evidence(at.older.split("; "), at.newer.split("; "))
        return BoundaryTold(self.name, self.words, at.release, at.after, at.change, evidence)

    def __str__(self) -> str:
        """One line for people."""
        if self.behaviour is None:
            return f"built with CONFIG_{self.name}={self.after}, before {self.before}"
        at = self.boundary
        if at is None:
            return f"{'not ' if self.back else ''}in this build: {self.words} [{self.name}]"
        when = f"{'before' if self.back else 'since'} {at.release}"
        if at.after is not None:
            when += f", or earlier, after {at.after}"
        stable = [("also in", self.behaviour.backported), ("not in", self.behaviour.dropped)]
        if notes := "; ".join(f"{word} {', '.join(series)}" for word, series in stable if series):
            when += f" ({notes})"
        ended = "no longer: " if at is self.behaviour.until and not self.back else ""
        what = f'"{at.change}"' if at.change else ended + self.words
        return f"{when}: {what} [{self.name}]"

    @property
    def evidence(self) -> str:
        """What the side of the boundary that is arrived at stands on; empty: there is none to name."""
        if self.boundary is None:
            return ""
        return self.boundary.older if self.back else self.boundary.newer


#: A difference, the kind of fact that it is in, and what it means.
Item = tuple[Kind, Difference, Told]


def causes(before: Trial, after: Trial, items: Sequence[Item]) -> list[tuple[Change, ...]]:
    """The changes that each difference stands on: with any of them undone it is not there.

    One that brings it about by itself stands alone; where no single one undoes it, there is a smallest set that does.
    Empty: nothing that is known.
    """
    return _Causes(before, after).of(items)


class _Causes:
    """What makes two kernels differ on one machine."""

    def __init__(self, before: Trial, after: Trial) -> None:
        self._before, self._after = before, after

    def of(self, items: Sequence[Item]) -> list[tuple[Change, ...]]:
        changes = self._changes()
        needed: list[list[Change]] = [[] for _ in items]
        still = list(range(len(items)))
        for change in changes:
            undone, done = self._with(self._after, [change]), self._with(self._before, [change])
            for number in tuple(still):
                kind, difference, _ = items[number]
                if _shows(undone, kind, difference, difference.before):
                    needed[number].append(change)
                    if _shows(done, kind, difference, difference.after):
                        needed[number] = [change]
                        still.remove(number)
        several = [item for item, found in zip(items, needed, strict=True) if not found]
        sets = dict(zip(several, self._sets(changes, several), strict=True))
        return [tuple(found) or sets[item] for item, found in zip(items, needed, strict=True)]

    def _changes(self) -> Sequence[Change]:
        """Changes that may matter: nobody has asked for the other behaviours."""
        kernels = self._before.machine.kernel, self._after.machine.kernel
        asked = kernels[0].asked | kernels[1].asked
        return [change for change in _changes(*kernels) if change.behaviour is None or change.behaviour in asked]

    def _sets(self, changes: Sequence[Change], items: Sequence[Item]) -> Iterator[tuple[Change, ...]]:
        """For each difference a set of changes of which none can be left out; empty where all of them do not do."""
        trials: dict[frozenset[Change], Trial] = {}

        def undone(kept: Sequence[Change], kind: Kind, difference: Difference) -> bool:
            key = frozenset(kept)
            if key not in trials:
                trials[key] = self._with(self._after, kept)
            return _shows(trials[key], kind, difference, difference.before)

        for kind, difference, _ in items:
            kept = list(changes) if undone(changes, kind, difference) else []
            for change in tuple(kept):
                rest = [other for other in kept if other is not change]
                if undone(rest, kind, difference):
                    kept = rest
            yield tuple(kept)

    def _with(self, trial: Trial, changes: Iterable[Change]) -> Trial:
        """The machine of a trial, with a kernel that has these as the other one has them."""
        other = self._before if trial is self._after else self._after
        kernel = _mixed(trial.machine.kernel, other.machine.kernel, changes)
        return Trial(attrs.evolve(trial.machine, kernel=kernel), untraced(trial.hooks_for), trial.userspace)


def _shows(trial: Trial, kind: Kind, difference: Difference, value: str) -> bool:
    if trial.death and kind is not DEATH:
        return False
    return holds(trial.seen(kind.look), difference, value, kind.absent)


def _changes(before: Kernel, after: Kernel) -> Iterable[Change]:
    back = _order(after) < _order(before)
    for behaviour in (behaviour for found in behaviours().values() for behaviour in found):
        applies = after.carries(behaviour)
        if applies == before.carries(behaviour):
            continue
        if behaviour.applies_to(after.version) == behaviour.applies_to(before.version):
            yield Change(behaviour.name, behaviour.words, behaviour, back=not applies)  # a builder's own choice
        else:
            boundary = behaviour.until if applies == back else behaviour.since
            yield Change(behaviour.name, behaviour.words, behaviour, boundary, back)
    for option in sorted(before.config.keys() | after.config.keys()):
        old, new = (str(kernel.config.get(option, "n")) for kernel in (before, after))
        if old != new:
            yield Change(option, "", before=old, after=new)


def _order(kernel: Kernel) -> tuple[float, ...]:
    """Releases as they follow each other: one that does not tell its level is the last of its series."""
    version = kernel.version
    return version.major, version.minor, inf if version.patch is None else version.patch


def _mixed(kernel: Kernel, other: Kernel, changes: Iterable[Change]) -> Kernel:
    """A kernel that has some changes as another one."""
    config, turned = dict(kernel.config), set(kernel.turned)
    for change in changes:
        if change.behaviour is not None:
            turned ^= {change.behaviour}
        elif change.name in other.config:
            config[change.name] = other.config[change.name]
        else:
            config.pop(change.name, None)
    return attrs.evolve(kernel, config=config, turned=frozenset(turned))
