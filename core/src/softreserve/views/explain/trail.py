"""The way of memory through a boot: what every stage decided about it, and what it is to the next kernel.

A plain value: nothing is booted for it but, where that is asked for, the kernels that kexec starts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.machine.boot import boot
from softreserve.machine.kexec import load
from softreserve.model.errors import SoftReserveError
from softreserve.model.events import Event, EventLog, Rule
from softreserve.model.kexec import KexecRequest
from softreserve.model.outcome import Marked, Outcome, Part
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import hooks_of
from softreserve.views.outcome import outcome
from softreserve.views.summary import told_by_firmware

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.views.report import Report

__all__ = ["STAGES", "Decision", "Trail", "decided", "firmware_log", "stage_of", "trails"]

#: Stages of the way, in order: their names, and what decisions of them begin with in the kernel's sources. An empty
#: prefix: by the stage of the boot.
STAGES: Final = (
    "firmware",
    "memory map",
    "NUMA",
    "resources",
    "HMAT and hmem",
    "CXL",
    "dax",
    "kmem",
    "memory blocks",
    "kexec",
)
_SOURCES: Final = (
    ("drivers/acpi/numa/hmat", "HMAT and hmem"),
    ("drivers/dax/hmem", "HMAT and hmem"),
    ("drivers/dax/kmem", "kmem"),
    ("drivers/dax/", "dax"),
    ("drivers/cxl/", "CXL"),
    ("mm/memory_hotplug", "memory blocks"),
    ("drivers/base/memory", "memory blocks"),
)
_OF_THE_BOOT: Final = {
    "firmware": "firmware",
    "efi stub": "memory map",
    "early reservation": "memory map",
    "numa info": "NUMA",
    "resources": "resources",
    "dax bus": "dax",
    "running": "dax",
    "kexec": "kexec",
}
_FIRMWARE_SAYS: Final = Rule("firmware-says", "{}")
_CALLS: Final = ("kexec_load", "kexec_file_load")


@attrs.frozen
class Decision:
    """What one stage made of memory.

    ``rule`` are the words of what decided in the end, ``function`` is where in the kernel; ``before`` and ``after`` may
    be empty. ``start`` and ``end`` (bytes, half open) are all memory that it was decided about; ``None``: just the
    piece itself. ``events`` are all decisions of the stage, this one among them, in order.
    """

    stage: str
    rule: str
    function: str
    before: str
    after: str
    start: int | None
    end: int | None
    events: tuple[Event, ...] = ()

    @property
    def words(self) -> str:
        """The decision in one line, without its range."""
        change = " -> ".join(filter(None, (self.before, self.after)))
        return f"{self.rule}: {change}" if change else self.rule


@attrs.frozen
class Trail:
    """The way of memory with one fate, by stage; stages that say nothing of it are left out.

    ``part`` is what it is in the end, with the reason where nobody has anything of it.
    """

    part: Part
    decisions: tuple[Decision, ...]


def trails(system: System, told: Report, ranges: Iterable[PhysRange], *, kexec: bool = False) -> Iterator[Trail]:
    """The ways of all memory in some ranges, one for each piece with one fate, ascending.

    :param system: a booted system whose events were recorded.
    :param kexec: whether to try what the kernels that kexec starts make of it, with the same command line.
    """
    marked = [Marked(where.start, where.end, "") for where in ranges]
    following = list(_following(system, marked)) if kexec else []
    firmware = firmware_log(system)
    for part in outcome(system, marked).parts:
        found = _by_stage(system, firmware, PhysRange(part.start, part.end))
        decisions = [_decision(stage, events) for stage, events in found.items()]
        nexts = [one for spans in following for one in _nexts(part, spans)]
        yield Trail(_with_reason(told.outcome, part), (*decisions, *nexts) if decisions else ())


def firmware_log(system: System) -> EventLog:
    """What the firmware's map says, to be looked up by address."""
    log = EventLog()
    log.stage = STAGES[0]
    for event in told_by_firmware(system):
        log.record(_FIRMWARE_SAYS.of(event.rule), event.function, event.start, event.end, event.before, event.after)
    return log


def decided(system: System, firmware: EventLog, ranges: Iterable[PhysRange]) -> dict[str, object]:
    """What each stage of a boot decided about memory, in a form that can be compared."""
    found: dict[str, list[object]] = {}
    for where in ranges:
        for stage, events in _by_stage(system, firmware, where).items():
            found.setdefault(stage, []).append([(e.rule, e.before, e.after, e.start, e.end) for e in events])
    return {**found}


def _by_stage(system: System, firmware: EventLog, where: PhysRange) -> dict[str, list[Event]]:
    """Decisions about memory; of those about less than it, too."""
    found: dict[str, list[Event]] = {}
    for event in [*firmware.over(where), *system.log.over(where)]:
        found.setdefault(stage_of(event), []).append(event)
    return {stage: found[stage] for stage in STAGES if stage in found}


def _nexts(part: Part, spans: Sequence[tuple[int, int, Decision]]) -> Iterator[Decision]:
    """Decisions of a kernel that comes after about a piece; without a range where all of it has one."""
    for low, high, one in spans[max(bisect_right(spans, part.start, key=itemgetter(0)) - 1, 0) :]:
        start, end = max(low, part.start), min(high, part.end)
        if (start, end) == (part.start, part.end):
            yield one
        elif start < end:
            yield attrs.evolve(one, start=start, end=end)
        if low >= part.end:
            return


def _with_reason(told: Outcome, part: Part) -> Part:
    """The piece with what is said of the memory where it begins."""
    found = told.part_at(part.start)
    if found is None or found.use != part.use:
        return part
    return attrs.evolve(part, severity=found.severity, rule=found.rule, why=found.why)


def stage_of(event: Event) -> str:
    """The stage of the way that a decision belongs to."""
    by_source = next((stage for prefix, stage in _SOURCES if event.function.startswith(prefix)), None)
    return by_source or _OF_THE_BOOT.get(event.stage, "dax")


def _decision(stage: str, events: list[Event]) -> Decision:
    """The last event that says what memory became, or the last one."""
    last = next((event for event in reversed(events) if event.after or event.before), events[-1])
    return Decision(stage, last.rule, last.function, last.before, last.after, last.start, last.end, tuple(events))


def _following(system: System, marked: list[Marked]) -> Iterator[list[tuple[int, int, Decision]]]:
    """What the next kernel makes of memory, by each system call that loads one: spans, ascending."""
    stage = system.log.stage
    for call in _CALLS:
        hooks = hooks_of(system)
        try:
            with hooks.untraced():  # nobody asked for this kexec
                image = load(system, KexecRequest(call))
                if image.status:
                    continue
                found = outcome(boot(image.machine, hooks, recording=False), marked)
        except SoftReserveError:
            continue
        finally:
            system.log.stage = stage
        rule = f"after {call}"
        yield [(p.start, p.end, Decision("kexec", rule, "", "", p.words, None, None)) for p in found.parts]
