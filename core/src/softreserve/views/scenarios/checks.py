"""Whether a running system is as somebody expects: :mod:`softreserve.model.expectations`, one by one.

Nothing is worked out here: what is compared is what the commands show, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from softreserve.model.errors import MachineError, nearest
from softreserve.model.expectations import (
    DaxDevices,
    DaxRange,
    Differs,
    Expectation,
    Found,
    IomemLine,
    KaslrSlot,
    LogLine,
    NodeIs,
    Same,
    Segment,
    SysfsFile,
    Used,
    VerdictIs,
)
from softreserve.model.ranges import PhysRange
from softreserve.model.sizes import human_size
from softreserve.model.sysfs_text import errno_name
from softreserve.views.emit import EMITTERS, emit
from softreserve.views.outcome import dax_ranges, outcome
from softreserve.views.report import Report, report

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage
    from softreserve.model.outcome import NodeRow, Outcome
    from softreserve.model.placement import Placement

__all__ = ["Moment", "unmet"]

_NO_DRIVER: Final = "none"
#: A seed for what does not depend on it; 0 means "no randomness" to some architectures.
_ANY_SEED: Final = 1


class Moment:
    """A running system between two steps.

    :param mark: how much of the log was there when the last step began.
    :param image: how this kernel was loaded; ``None`` for the first.
    :param others: the ends of other runs, by their names.
    """

    def __init__(
        self,
        system: System,
        mark: int = 0,
        image: KexecImage | None = None,
        others: Mapping[str, Moment] | None = None,
    ) -> None:
        self.system = system
        self.image = image
        self._mark = mark
        self._others = others or {}

    @cached_property
    def report(self) -> Report:
        """Everything about the system."""
        return report(self.system)

    @cached_property
    def outcome(self) -> Outcome:
        """What became of specific purpose memory."""
        return outcome(self.system)

    @property
    def log(self) -> Sequence[str]:
        """What the kernel said since the last step began."""
        return self.system.log.lines_since(self._mark)

    def lines(self, what: str) -> list[str]:
        """What ``--emit`` prints.

        :raises MachineError: nobody prints that.
        """
        try:
            return list(emit(self.system, what))
        except KeyError:
            known = ", ".join(EMITTERS)
            raise MachineError(f"nobody prints {what!r}; known: {known}{nearest(what, EMITTERS)}") from None

    def left(self, run: str, what: str) -> list[str]:
        """The same at the end of another run.

        :raises MachineError: nobody prints that, or that run was not carried out.
        """
        if run not in self._others:
            raise MachineError(f"what {run!r} left is not known")
        return self._others[run].lines(what)

    @cached_property
    def placement(self) -> Placement | None:
        """Where the kernel image can go, by chance; ``None``: no plugin says so."""
        from softreserve.plugins.hooks import hooks_of

        return hooks_of(self.system).stub_place_image(self.system.machine, _ANY_SEED)


def unmet(expected: Expectation, now: Moment) -> str:
    """What is there instead of what is expected; empty where it is met.

    :raises MachineError: it cannot be looked at.
    """
    return _CHECKS[type(expected)](expected, now)


def _iomem(expected: IomemLine, now: Moment) -> str:
    pattern = _pattern(expected.iomem)
    above: list[str] = []
    near = ""
    for line in now.system.iomem.lines():
        text = line.lstrip()
        del above[(len(line) - len(text)) // 2 :]
        name = text.partition(" : ")[2]
        inside = not expected.under or any(_pattern(expected.under).fullmatch(one) for one in above)
        if pattern.fullmatch(text) or pattern.fullmatch(name):
            if inside:
                return f"there is {_below(text, above)!r}" if expected.absent else ""
            near = f"; there is {_below(text, above)!r}"
        above.append(name)
    return "" if expected.absent else f"there is no such line{near}"


def _below(line: str, above: Sequence[str]) -> str:
    return f"{' > '.join(above)} > {line}" if above else line


def _log(expected: LogLine, now: Moment) -> str:
    pattern = _pattern(expected.log)
    found = next((line for line in now.log if pattern.search(line)), None)
    if expected.absent:
        return "" if found is None else f"the log says {found!r}"
    return "" if found is not None else "no line says that"


def _file(expected: SysfsFile, now: Moment) -> str:
    node = now.system.sysfs.node(expected.file, follow=True)
    if node is None or expected.absent:
        return "there is none" if not expected.absent else "" if node is None else "there is one"
    if expected.holds is None and not expected.errno:
        return ""
    found = now.system.sysfs.read(expected.file)
    if isinstance(found, int):
        name = errno_name(found)
        return "" if name == expected.errno else f"reading it fails with {name}"
    text = found.decode("utf-8", "replace").removesuffix("\n")
    if expected.errno:
        return f"it can be read: {text!r}"
    return "" if _pattern(expected.holds or "").fullmatch(text) else f"it holds {text!r}"


def _dax(expected: DaxRange, now: Moment) -> str:
    wanted = expected.dax
    ranges = [(PhysRange(start, end), device) for start, end, device in dax_ranges(now.system) if start < end]
    touching = [
        (range_, device) for range_, device in ranges if range_.start < wanted.end and wanted.start < range_.end
    ]
    if expected.absent:
        return f"{touching[0][1].name} has {_words(touching[0][0])}" if touching else ""
    if not touching:
        return "no dax device has any of it"
    range_, device = next(((r, d) for r, d in touching if r == wanted), touching[0])
    if range_ != wanted:
        return f"{device.name} has {_words(range_)}"
    driver = device.driver or _NO_DRIVER
    if expected.driver not in ("", driver):
        return f"the driver of {device.name} is {driver}"
    if expected.node not in (None, device.node):
        return f"the target node of {device.name} is {device.node}"
    return ""


def _devices(expected: DaxDevices, now: Moment) -> str:
    found = sorted({d.name for _, _, d in dax_ranges(now.system) if expected.driver in ("", d.driver or _NO_DRIVER)})
    return "" if len(found) == expected.dax_devices else f"there are {len(found)}: {', '.join(found)}".rstrip(": ")


def _used(expected: Used, now: Moment) -> str:
    parts = [part for part in now.outcome.parts if part.use == expected.use]
    if expected.within is not None:
        low, high = expected.within.start, expected.within.end
        found = sum(max(0, min(part.end, high) - max(part.start, low)) for part in parts)
    else:
        found = sum(part.size for part in parts)
    return "" if found == expected.size else f"{human_size(found)} is"


def _finding(expected: Found, now: Moment) -> str:
    of_rule = [found for found in now.report.findings if found.rule == expected.finding]
    at = expected.at
    found = [
        one
        for one in of_rule
        if expected.severity in ("", one.severity) and (at is None or (one.start, one.end) == (at.start, at.end))
    ]
    if expected.absent:
        return f"there is: {found[0].message}" if found else ""
    if found:
        return ""
    if of_rule:
        one = of_rule[0]
        place = f" of {one.start:#x}-{one.end - 1:#x}" if one.start is not None and one.end is not None else ""
        return f"there is the {one.severity}{place} instead"
    rules = ", ".join(dict.fromkeys(one.rule for one in now.report.findings))
    return f"lint has {rules or 'nothing'}"


def _verdict(expected: VerdictIs, now: Moment) -> str:
    text = now.report.verdict.text
    return "" if _pattern(expected.verdict).match(text) else f"it is {text!r}"


def _node(expected: NodeIs, now: Moment) -> str:
    rows: dict[int, NodeRow] = {row.node: row for row in now.outcome.nodes}
    row = rows.get(expected.node)
    if row is None:
        return "" if expected.online is False else f"there are nodes {', '.join(map(str, rows)) or 'none'}"
    found: list[str] = []
    if expected.online not in (None, row.online):
        found.append("it is online" if row.online else "it is not online")
    sizes = {"RAM": (expected.ram, row.ram), "specific purpose memory": (expected.special, row.special)}
    sizes["specific purpose memory online"] = (expected.added, row.added)
    found += [f"it has {human_size(is_)} {what}" for what, (wanted, is_) in sizes.items() if wanted not in (None, is_)]
    if expected.tier not in (None, row.tier):
        found.append(f"it is in tier {row.tier}")
    if expected.tier_of is not None:
        other = rows.get(expected.tier_of)
        if other is None or other.tier != row.tier or row.tier is None:
            found.append(f"it is in tier {row.tier}, node {expected.tier_of} in {other.tier if other else 'none'}")
    if expected.demotes_to is not None and set(expected.demotes_to) != set(row.demotes_to):
        found.append(f"it demotes to {', '.join(map(str, row.demotes_to)) or 'no node'}")
    return ", ".join(found)


def _segment(expected: Segment, now: Moment) -> str:
    assert now.image is not None, "the reader of scenarios sees to that"
    wanted = expected.segment
    for segment in now.image.segments:
        touches = segment.range.start < wanted.end and wanted.start < segment.range.end
        inside = wanted.start <= segment.range.start and segment.range.end <= wanted.end
        if expected.absent and touches:
            return f"{segment.what} is at {_words(segment.range)}"
        if inside and not expected.absent:
            return ""
    places = ", ".join(f"{segment.what} {_words(segment.range)}" for segment in now.image.segments)
    return "" if expected.absent else f"there is {places or 'nothing'}"


def _kaslr(expected: KaslrSlot, now: Moment) -> str:
    placement = now.placement
    if placement is None:
        raise MachineError(f"no loaded plugin says where a kernel of {now.system.machine.arch} may be put")
    wanted = expected.kaslr
    for area in placement.areas:
        if area.first is None or not area.slots:
            continue
        last = area.first + (area.slots - 1) * placement.align
        # the lowest slot that is not below the range
        first = area.first + max(0, -((area.first - wanted.start) // placement.align)) * placement.align
        if first <= last and first < wanted.end:
            return f"it may be put at {first:#x}" if expected.absent else ""
    return "" if expected.absent else "it is never put there"


def _same(expected: Same, now: Moment) -> str:
    return _difference(now.lines(expected.same), now.left(expected.of_run, expected.same))


def _differs(expected: Differs, now: Moment) -> str:
    differ = _difference(now.lines(expected.differs), now.left(expected.of_run, expected.differs))
    return "" if differ else "it is the same"


def _difference(ours: list[str], theirs: list[str]) -> str:
    if ours == theirs:
        return ""
    more = [line for line in ours if line not in theirs] or [line for line in theirs if line not in ours]
    return f"one of them has {more[0].strip()!r}" if more else "the same lines come in another order"


_CHECKS: Final[Mapping[type[Expectation], Callable[[Any, Moment], str]]] = {
    IomemLine: _iomem,
    LogLine: _log,
    SysfsFile: _file,
    DaxRange: _dax,
    DaxDevices: _devices,
    Used: _used,
    Found: _finding,
    VerdictIs: _verdict,
    NodeIs: _node,
    Segment: _segment,
    KaslrSlot: _kaslr,
    Same: _same,
    Differs: _differs,
}


def _pattern(text: str) -> re.Pattern[str]:
    """What matches a text in which ``*`` stands for any."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _words(range_: PhysRange) -> str:
    return f"{range_.start:#x}-{range_.last:#x}"
