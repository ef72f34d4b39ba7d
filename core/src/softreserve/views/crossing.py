"""From kernel to kernel: what becomes of specific purpose memory over a chain of kexecs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs

from softreserve.machine.boot import boot
from softreserve.machine.kexec import load
from softreserve.model.errors import MachineError
from softreserve.model.outcome import Marked, Outcome, Part
from softreserve.model.sizes import human_size
from softreserve.views.outcome import outcome
from softreserve.views.report import Report, report

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.model.ranges import PhysRange
    from softreserve.plugins.hooks import Hooks

__all__ = ["Generation", "cross", "fate", "state"]

#: Uses of memory that a kernel set aside, and of that which somebody can use.
_SET_ASIDE = ("devdax", "kmem", "unused", "no-device")
_USABLE = ("devdax", "kmem")
#: What memory is, by its use.
_WORDS = {
    "ram": "ordinary RAM",
    "devdax": "a dax device",
    "kmem": "a dax device that is system RAM",
    "unused": "a dax device that nobody can use",
    "no-device": "soft reserved without a dax device",
}


@attrs.frozen
class Generation:
    """One kernel of a chain, as it runs. ``image`` is how it was loaded; ``None`` for the first.

    ``dax_kept`` says whether the dax devices are what they were one generation before; ``None`` for the first kernel,
    and where there were none and are none. ``problems`` are sentences: what was lost on the way here, or overwritten.
    """

    number: int
    release: str
    report: Report
    system: System = attrs.field(repr=False, eq=False)
    image: KexecImage | None = None
    dax_kept: bool | None = None
    problems: tuple[str, ...] = ()

    @property
    def ranges(self) -> tuple[Marked, ...]:
        """What was specific purpose memory to the first kernel, and what it is to this one."""
        return self.report.outcome.ranges

    @property
    def devices(self) -> list[str]:
        """Names of the dax devices, by address."""
        return list(dict.fromkeys(part.device for part in self.report.outcome.parts if part.device))


def fate(system: System, where: PhysRange) -> str:
    """What the running kernel makes of a range: see :func:`state`."""
    return state(outcome(system, [Marked(where.start, where.end, "")]).ranges[0])


def state(marked: Marked) -> str:
    """What a range is to a kernel: "soft reserved", "reserved", "RAM", "lost", another resource's name, or "mixed"."""
    states = {_state(part) for part in marked.parts}
    return states.pop() if len(states) == 1 else "mixed"


def _state(part: Part) -> str:
    if part.use in _SET_ASIDE:
        return "soft reserved"
    return "RAM" if part.use == "ram" else part.owner.lower() or "lost"


def cross(
    system: System, request: KexecRequest, hooks_for: Callable[[Machine], Hooks], generations: int = 1
) -> list[Generation]:
    """Cross ``generations`` kexecs from a running system, always with the same request and the same user space.

    :returns: the running kernel first, then each following one.
    :raises MachineError: a load failed, or the next kernel dies; the message is the loader's, or says why.
    """
    found = [Generation(1, system.kernel.release, report(system), system)]
    marked = [attrs.evolve(range_, parts=()) for range_ in found[0].ranges]
    for number in range(2, generations + 2):
        image = load(system, request)
        if image.status:
            raise MachineError(f"generation {number}: {image.output[-1] if image.output else 'kexec failed'}")
        try:
            system = boot(image.machine, hooks_for(image.machine), userspace=system.userspace)
        except MachineError as error:
            raise MachineError(f"generation {number}: {error}") from error
        told = report(system, marked)
        before = found[-1].report.outcome
        kept = _devices(told.outcome) == _devices(before) if _devices(told.outcome) or _devices(before) else None
        problems = (*_overwritten(image, before, told.outcome), *_worse(found[0], found[-1], told.outcome))
        found.append(Generation(number, system.kernel.release, told, system, image, kept, problems))
    return found


def _devices(found: Outcome) -> list[tuple[str, str, int, int, int]]:
    return [(part.device, part.driver, part.node, part.start, part.end) for part in found.parts if part.device]


def _overwritten(image: KexecImage, before: Outcome, after: Outcome) -> Iterator[str]:
    """The loader's warnings, unless a segment lies in memory that is RAM like any other to both kernels."""
    touched = [
        part
        for part in (*before.parts, *after.parts)
        if any(part.start < segment.range.end and segment.range.start < part.end for segment in image.segments)
    ]
    if not touched or any(part.use != "ram" for part in touched):
        yield from image.warnings


def _worse(first: Generation, last: Generation, now: Outcome) -> Iterator[str]:
    """Ranges of which less is set aside, or can be used, than by the first kernel; not again if that was so before."""
    groups: dict[tuple[str, str, str], list[Marked]] = {}
    reasons: dict[tuple[str, str, str], str] = {}
    for was, before, is_now in zip(first.ranges, last.ranges, now.ranges, strict=True):
        same = _sizes(before) == _sizes(is_now) and last is not first
        if same or all(old <= new for old, new in zip(_sizes(was), _sizes(is_now), strict=True)):
            continue
        worst = next((part for part in is_now.parts if part.why), None)
        key = (_words(was), _words(is_now), worst.rule if worst is not None else "")
        groups.setdefault(key, []).append(is_now)
        reasons.setdefault(key, f": {worst.why} [{worst.rule}]" if worst is not None else "")
    for (old, new, rule), members in groups.items():
        one = members[0]
        size = human_size(sum(marked.size for marked in members))
        place = f"{one.start:#x}-{one.end - 1:#x}" if len(members) == 1 else f"{len(members)} ranges"
        yield f"{place} ({size}): was {old}, is now {new}{reasons[old, new, rule]}"


def _sizes(marked: Marked) -> list[int]:
    """Bytes that are set aside, and bytes that can be used."""
    return [sum(part.size for part in marked.parts if part.use in uses) for uses in (_SET_ASIDE, _USABLE)]


def _words(marked: Marked) -> str:
    words = dict.fromkeys(_WORDS.get(part.use) or part.owner or "in no resource" for part in marked.parts)
    return " and ".join(words)
