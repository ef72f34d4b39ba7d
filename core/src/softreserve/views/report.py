"""What there is to say about a booted system: what became of its specific purpose memory, and everything found.

One report for all who tell of a system - ``boot``, ``lint``, ``diff``, ``kexec``, ``explain`` - so that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.model.findings import SEVERITIES, Finding
from softreserve.model.outcome import LOSSES, Marked, NodeRow, Outcome, Part
from softreserve.model.sizes import human_size
from softreserve.plugins.hooks import hooks_of
from softreserve.views.outcome import outcome
from softreserve.views.reasons import Reasons
from softreserve.views.what_if import as_system_ram

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["Report", "Shortfall", "Verdict", "outcome_lines", "report"]


@attrs.frozen
class Shortfall:
    """Specific purpose memory that nobody has anything of, or that is ordinary RAM, for one reason.

    ``size`` is bytes in ``ranges`` parts, ``use`` one of :data:`softreserve.model.outcome.USES`; ``severity``, ``rule``
    and ``why`` are those of the finding that says so, the first of several.
    """

    severity: str
    rule: str
    use: str
    size: int
    ranges: int
    why: str


@attrs.frozen
class Verdict:
    """How a system does with its specific purpose memory, in one sentence. Sizes are bytes.

    ``severity`` is that of the worst finding behind it, ``"good"`` where there is none. ``lost`` is what nobody can use
    as it is, ``waiting`` what somebody could if asked to, ``lost_as_system_ram`` what nobody could use if kmem had all
    dax devices.
    """

    severity: str
    text: str
    total: int
    lost: int
    waiting: int
    lost_as_system_ram: int
    shortfalls: tuple[Shortfall, ...]


@attrs.frozen
class Report:
    """A system's outcome, with the reasons in it; what it were if kmem had every dax device; and all findings."""

    outcome: Outcome
    onlined: Outcome
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        shortfalls = _shortfalls(self.outcome)
        lost = sum(s.size for s in shortfalls if s.use in LOSSES and s.severity != "note")
        waiting = sum(s.size for s in shortfalls if s.use in LOSSES and s.severity == "note")
        severity = shortfalls[0].severity if shortfalls else "good"
        text = _sentence(self.outcome, lost, waiting, shortfalls)
        return Verdict(severity, text, self.outcome.total, lost, waiting, self.onlined.size(*LOSSES), shortfalls)


def report(system: System, marked: Iterable[Marked] | None = None) -> Report:
    """Everything about a booted system.

    :param marked: the memory to tell of; see :func:`softreserve.views.outcome.outcome`.
    """
    from softreserve.views import lint_rules

    marked = None if marked is None else tuple(marked)
    now = outcome(system, marked)
    onlined = outcome(as_system_ram(system), marked) if now.size("ram", "lost") < now.total else now
    # a word that stands twice on the command line is one mistake
    found = [*dict.fromkeys(lint_rules.findings(system, now, onlined)), *hooks_of(system).lint(system, now, onlined)]
    found += lint_rules.unexplained(system, now, found)
    found.sort(key=lambda f: (SEVERITIES.index(f.severity), f.start or 0, f.rule))
    return Report(_explained(now, found), onlined, tuple(found))


def _explained(now: Outcome, findings: Iterable[Finding]) -> Outcome:
    """The outcome with reasons in it."""
    reasons = Reasons(findings)
    ranges = [attrs.evolve(m, parts=tuple(_with_reason(part, reasons) for part in m.parts)) for m in now.ranges]
    return attrs.evolve(now, ranges=tuple(ranges))


def _with_reason(part: Part, reasons: Reasons) -> Part:
    found = reasons.of(part)
    if found is None:
        return part
    return attrs.evolve(part, severity=found.severity, rule=found.rule, why=found.message)


def _shortfalls(found: Outcome) -> tuple[Shortfall, ...]:
    """The worst first, then the largest."""
    groups: dict[tuple[str, str], Shortfall] = {}
    for part in found.parts:
        if not part.rule:
            continue
        group = groups.get((part.rule, part.use), Shortfall(part.severity, part.rule, part.use, 0, 0, part.why))
        groups[part.rule, part.use] = attrs.evolve(group, size=group.size + part.size, ranges=group.ranges + 1)
    return tuple(sorted(groups.values(), key=lambda s: (SEVERITIES.index(s.severity), -s.size)))


def _sentence(found: Outcome, lost: int, waiting: int, shortfalls: Iterable[Shortfall]) -> str:
    """One line: how much is lost, or is not what was meant, then what all of it is, and the rules that say why."""
    total = found.total
    if not total:
        return "no specific purpose memory: nothing that this kernel was told marks any"
    of_all = f"{human_size(total)} of specific purpose memory"
    ram, offline = found.size("ram"), sum(part.size for part in found.parts if part.online is False)
    sizes = {**found.totals, "offline": offline}
    sizes["kmem"] -= offline
    rules: dict[str, list[str]] = {}
    for shortfall in shortfalls:
        rules.setdefault(shortfall.use, []).append(shortfall.rule)
    told = [
        (human_size(sizes[use]), f"{words}{_named(rules.get(use, ()))}") for use, words in _HAD.items() if sizes[use]
    ]
    what = told[0][1] if len(told) == 1 else ", ".join(f"{size} {words}" for size, words in told)
    if lost:
        return f"LOST: {_share(lost, total)}{of_all}: {what}"
    if ram:
        return f"NOT SET ASIDE: {_share(ram, total)}{of_all}: {what}"
    if waiting:
        return f"NOT IN USE: {_share(waiting, total)}{of_all}: {what}"
    if offline:
        return f"OFFLINE: {_share(offline, total)}{of_all}: {what}"
    return f"nothing is lost of {of_all}: {what}"


#: What people have, by use: what they can use first; ``offline`` is that of ``kmem`` which is not online.
_HAD: Final = {
    "devdax": "in dax devices for programs",
    "kmem": "online as system RAM",
    "offline": "system RAM that is not online",
    "ram": "ordinary RAM",
    "unused": "set aside in dax devices that nobody can use",
    "no-device": "set aside without a dax device",
    "lost": "neither set aside nor RAM",
}
#: Names of rules in the sentence; those that are left out stand below it.
_RULES: Final = 2


def _named(rules: Sequence[str]) -> str:
    """Rules in brackets."""
    if not rules:
        return ""
    more = f" and {len(rules) - _RULES} more" if len(rules) > _RULES else ""
    return f" [{', '.join(rules[:_RULES])}{more}]"


def _share(size: int, total: int) -> str:
    return "all " if size == total else f"{human_size(size)} of "


def outcome_lines(found: Outcome) -> list[str]:
    """An outcome as text to be compared, a line per part and per node; addresses with the last byte included."""
    parts = [f"{p.start:012x}-{p.end - 1:012x} {p.words}, node {p.node if p.node >= 0 else '-'}" for p in found.parts]
    return [*parts, *map(_node_line, found.nodes)]


def _node_line(row: NodeRow) -> str:
    sizes = f"RAM {human_size(row.ram)}, specific purpose {human_size(row.special)}, online {human_size(row.added)}"
    tier = "-" if row.tier is None else row.tier
    return f"node {row.node}: {sizes}, CPUs {row.cpus or '-'}, tier {tier}, demotes to {_listed(row.demotes_to)}"


def _listed(nodes: Iterable[int]) -> str:
    return ",".join(map(str, nodes)) or "-"
