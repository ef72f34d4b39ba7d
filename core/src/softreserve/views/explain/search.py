"""What would have made a subject something else: changes of the input, each booted.

One change is tried at a time, of every kind in turn, until all are tried or the time is over; of releases the nearest
on either side that does otherwise. Where memory is to be had back and no single change does it, another one is tried
after each that came nearer. Only what was seen to make a difference is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.machine.boot import boot
from softreserve.model.errors import SoftReserveError
from softreserve.model.outcome import Marked, Part
from softreserve.views.explain.answers import Answer, answer
from softreserve.views.explain.edits import command_line, firmware_map, kernels, running, tables
from softreserve.views.explain.edits.change import Change, Maker, Place
from softreserve.views.explain.trail import STAGES, decided, firmware_log
from softreserve.views.outcome import outcome
from softreserve.views.upgrade.trial import untraced
from softreserve.views.what_if import as_devdax, as_system_ram

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.plugins.hooks import Hooks
    from softreserve.views.explain.subjects import Subject

__all__ = ["SECONDS", "Found", "Search", "search"]

#: How long is searched, where nobody says.
SECONDS: Final = 2.0
#: Pieces of a subject whose borders changes are made from.
_PIECES: Final = 3
#: Those that make changes, what is the easiest to do first.
_MAKERS: Final[tuple[Maker, ...]] = (
    running.changes,
    command_line.changes,
    kernels.options,
    kernels.other_page_sizes,
    firmware_map.changes,
    tables.srat_changes,
    tables.hmat_changes,
    tables.whole_tables,
)
#: Those that are asked again, for a second change; and how many first ones that is tried after.
_SECOND_MAKERS: Final[tuple[Maker, ...]] = (running.changes, command_line.changes, kernels.options)
_FIRSTS: Final = 4
#: How far on its way to a user memory is.
_STEPS: Final = {"lost": 0, "ram": 0, "no-device": 1, "unused": 2, "devdax": 3, "kmem": 3}


@attrs.frozen
class Found:
    """A change that makes a difference, and what the subject is then.

    ``stage`` is the first of :data:`softreserve.views.explain.trail.STAGES` that decides otherwise; empty: none says
    so.
    """

    change: Change
    answer: Answer
    stage: str = ""


@attrs.frozen
class Search:
    """What came of a search.

    :param found: the easiest first; of a loss only those by which less is lost, those first that leave nothing lost.
    :param tried: how many changes of each kind were booted.
    :param cut: whether the time was over before all were.
    """

    before: Answer
    found: tuple[Found, ...]
    tried: dict[str, int]
    cut: bool


def search(
    system: System,
    subject: Subject,
    hooks_for: Callable[[Machine], Hooks],
    seconds: float = SECONDS,
    clock: Callable[[], float] = monotonic,
    *,
    map_known: bool = True,
) -> Search:
    """Look for what makes a difference to a subject.

    :param system: the running kernel that the subject was found on, as it booted.
    :param hooks_for: loads the plugins for a machine.
    :param map_known: whether the firmware's map is known; else no change of it, and of words about it, can be tried.
    """
    return _Searching(system, subject, hooks_for, map_known=map_known).all(seconds, clock)


class _Searching:
    """One search."""

    def __init__(
        self,
        system: System,
        subject: Subject,
        hooks_for: Callable[[Machine], Hooks],
        *,
        map_known: bool,
    ) -> None:
        self._system, self._subject = system, subject
        self._hooks_for = untraced(hooks_for)
        self._before = answer(system, subject)
        #: How good the memory has to become, and more, for a change to be told.
        self._least = self._good(self._before)
        self._map_known = map_known
        self._ranges = subject.ranges[:_PIECES]
        self._decided = decided(system, firmware_log(system), self._ranges)
        self._tried: Counter[str] = Counter()
        self._nearer: list[tuple[Change, System]] = []
        self._cut = False

    def all(self, seconds: float, clock: Callable[[], float]) -> Search:
        self._until, self._clock = clock() + seconds, clock
        found = self._each(self._system, _MAKERS)
        wanted, had = self._subject.wanted, self._before.size_of(self._subject.wanted)
        same = [one for one in found if one.change.kind != "release"]
        if wanted and all(one.answer.size_of(wanted) <= had for one in same):
            self._least = max((self._good(one.answer) for one in same), default=self._least)
            for first, system in self._nearer[:_FIRSTS]:
                found += self._each(system, _SECOND_MAKERS, first)
        if wanted:
            found.sort(key=lambda one: -self._good(one.answer))
        return Search(self._before, tuple(found), dict(self._tried), self._cut)

    def _each(self, system: System, makers: Sequence[Maker], first: Change | None = None) -> list[Found]:
        """What each change of a machine makes of the subject, by those who make them, in their order.

        :param first: the change that the machine has already.
        """
        place = Place(system, self._subject, _pieces(system, self._subject), self._map_known)
        sources: list[tuple[int, Iterator[Change], bool]] = [(n, maker(place), False) for n, maker in enumerate(makers)]
        if first is None:
            sides = [(iter(changes), True) for changes in kernels.releases(place)]
            sources += [(len(makers) + n, *side) for n, side in enumerate(sides)]
        found: list[tuple[int, Found]] = []
        while sources:
            for source in tuple(sources):
                number, changes, one_is_enough = source
                if self._clock() > self._until:
                    self._cut = True
                    return [one for _, one in sorted(found, key=itemgetter(0))]
                change = next(changes, None)
                told = None
                if change is not None and (first is None or change.kind != first.kind):
                    told = self._tried_out(system, change, first)
                if told is not None:
                    found.append((number, told))
                if change is None or (told is not None and one_is_enough):
                    sources.remove(source)
        return [one for _, one in sorted(found, key=itemgetter(0))]

    def _tried_out(self, system: System, change: Change, first: Change | None) -> Found | None:
        """What a change makes of the subject; ``None``: the same, nothing better, or the kernel does not come up."""
        self._tried[change.kind] += 1
        both = change.after(first) if first is not None else change
        try:
            changed = self._changed(system, both)
            after = answer(changed, self._subject)
        except SoftReserveError:
            return None
        if after.key == self._before.key:
            return None
        if self._subject.wanted and self._good(after) <= self._least:
            if first is None and not change.devices and _progress(after) > _progress(self._before):
                self._nearer.append((change, changed))
            return None
        return Found(both, after, self._first_stage(changed))

    def _first_stage(self, changed: System) -> str:
        """The first stage that decides otherwise about the subject."""
        now = decided(changed, firmware_log(changed), self._ranges)
        return next((stage for stage in STAGES if now.get(stage) != self._decided.get(stage)), "")

    def _good(self, found: Answer) -> int:
        """How much is what is wanted: in bytes, of which those count half that are only better than nothing."""
        subject = self._subject
        return 2 * found.size_of(subject.wanted, online=subject.online) + found.size_of(subject.also)

    def _changed(self, system: System, change: Change) -> System:
        """The running kernel of the changed machine.

        :param system: the machine before the devices are given to somebody.
        """
        if change.devices:
            return (as_system_ram if change.devices == "kmem" else as_devdax)(system)
        userspace = change.userspace or system.userspace
        return boot(change.machine, self._hooks_for(change.machine), userspace=userspace)


def _progress(found: Answer) -> int:
    """How far memory came on its way, in bytes and steps: set aside, a device, a driver."""
    return sum(part.size * _STEPS.get(part.use, 0) for part in found.parts)


def _pieces(system: System, subject: Subject) -> tuple[Part, ...]:
    """The subject's memory by its fate, the largest first; of an address all around it with the same fate."""
    ranges: Sequence[tuple[int, int]] = [(where.start, where.end) for where in subject.ranges]
    if subject.kind == "address":
        ranges = [_around(system, ranges[0][0])]
    found = outcome(system, [Marked(start, end, "") for start, end in ranges])
    return tuple(sorted(found.parts, key=lambda part: -part.size)[:_PIECES])


def _around(system: System, address: int) -> tuple[int, int]:
    """The smallest range that something has a name for: a resource, a descriptor; else the byte itself."""
    spans = [(r.start, r.end + 1) for _, r in system.iomem.walk() if r.start <= address <= r.end]
    spans += [(d.start, d.start + d.size) for _, d in system.machine.efi_descriptors_at(address) if d.size]
    return min(spans, key=lambda span: span[1] - span[0], default=(address, address + 1))
