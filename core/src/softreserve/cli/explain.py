"""``softreserve explain``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs
import click

from softreserve.cli.options import (
    Booted,
    Choices,
    MachineCommand,
    booted,
    machine_argument,
    machine_options,
    plain_option,
)
from softreserve.cli.output import VERDICT_STYLES, print_kernel, print_partial
from softreserve.cli.progress import progress
from softreserve.cli.terminal import Styled, say
from softreserve.model.scenario import EFI_MAP
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.events import Event
    from softreserve.model.kernel import Origin
    from softreserve.model.outcome import Part
    from softreserve.model.ranges import PhysRange
    from softreserve.views.explain.edits.change import Edit
    from softreserve.views.explain.search import Found, Search
    from softreserve.views.explain.subjects import Subject
    from softreserve.views.explain.trail import Decision, Trail
    from softreserve.views.report import Report

__all__ = ["explain_command"]

#: Pieces of one subject whose way is printed, and changes that have the same effect; JSON has all.
_PIECES: Final = 6
_ALIKE: Final = 6


@attrs.frozen
class Effect:
    """A change of the input that was booted, and what the subject is then.

    :param kind: of the change; ``options`` are those of commands that make it, ``edits`` those of files.
    :param stage: the first that decides otherwise; empty: none says so.
    :param then: what is not as before; ``parts`` are all of the subject's memory. Their ``severity``, ``rule`` and
        ``why`` are empty: reasons are known of the machine as it is, not of each changed one.
    """

    kind: str
    words: str
    options: tuple[str, ...]
    edits: tuple[Edit, ...]
    stage: str
    then: str
    parts: tuple[Part, ...]


@attrs.frozen
class Effects:
    """Changes that make a difference, the easiest first.

    :param tried: how many changes of each kind were booted.
    :param cut: whether the time was over before all were.
    """

    found: list[Effect]
    tried: dict[str, int]
    cut: bool


@attrs.frozen
class ExplainedSubject:
    """What somebody asked for; ranges are bytes, half open.

    :param words: what it is.
    :param ways: the way of each of its pieces through the boot.
    :param changes: what would have made it something else; ``None``: nobody looked for that.
    """

    kind: str
    name: str
    ranges: tuple[PhysRange, ...]
    words: str
    facts: dict[str, str]
    ways: list[Trail]
    changes: Effects | None


@attrs.frozen
class Explained:
    """Answers to a question: several where it names several things."""

    target: str
    kernel: Origin
    answers: list[ExplainedSubject]


@attrs.frozen(kw_only=True)
class ExplainedAddress(Explained):
    """An address, too: bytes.

    :param owners: names of the resources that hold it, from the outermost to the innermost.
    :param node: the node that it is looked up on; -1: none.
    :param specific_purpose: the specific purpose memory that it is in; ``None``: it is in none.
    :param events: every decision about it, in order.
    """

    address: int
    owners: list[str]
    node: int
    specific_purpose: Part | None
    events: list[Event]


@click.command("explain", cls=MachineCommand)
@machine_argument()
@click.argument("target", metavar="WHAT")
@machine_options()
@click.option("--no-changes", is_flag=True, help="Do not look for what would have changed it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def explain_command(
    machine: str,
    target: str,
    choices: Choices,
    no_changes: bool,
    as_json: bool,
) -> None:
    """Say what WHAT is to MACHINE, every decision on the way there, and what would have changed it.

    WHAT is an address (bytes; 0x240000000, 9G), a range (4G+512M, or with its last byte, as /proc/iomem has it), a dax
    device (dax0.0), a node (node1), a memory block (memory32), a name of /proc/iomem, a rule that lint found, or "why
    not": each reason for which specific purpose memory cannot be used ("why not dax", "why not system ram" and "why not
    online" ask for more).

    Each change is one of the command line, of user space, of a CONFIG_ option, of the firmware's tables or of the
    release; all that are told were booted.
    """
    from softreserve.views.explain.search import SECONDS
    from softreserve.views.explain.subjects import subjects
    from softreserve.views.report import report

    found = booted(machine, choices, recording=True)
    told = report(found.system)
    subjects_ = subjects(found.system, told, target)
    seconds = 0.0 if no_changes else SECONDS / max(len(subjects_), 1)
    answers = [_Answered(found, told, subject, seconds, whole=as_json) for subject in subjects_]
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("explain", _told(found.system, told, target, answers))
        return
    print_kernel(found.system.kernel)
    print_partial()
    if not answers:
        say(Styled(told.verdict.text, VERDICT_STYLES[told.verdict.severity]))
        say(Styled("nothing to explain: all specific purpose memory is what is asked for", "good"))
    for number, answered in enumerate(answers):
        if number:
            say()
        _print(found.system, answered)


class _Answered:
    """A subject, its ways through the boot, and what was found that changes it.

    :param seconds: how long to look for changes; 0: not at all.
    :param whole: whether all ways are wanted, not only those that are printed.
    """

    def __init__(self, found: Booted, told: Report, subject: Subject, seconds: float, *, whole: bool) -> None:
        from softreserve.views.explain.answers import answer
        from softreserve.views.explain.trail import trails

        self.subject = subject
        self.answer = answer(found.system, subject)
        ways = trails(found.system, told, subject.ranges, kexec=True)
        self.trails = list(ways if whole else islice(ways, _PIECES))
        self.search: Search | None = None
        self.in_files = found.scenario.recorded
        # where nothing is, nothing is made otherwise
        if seconds and (any(trail.decisions for trail in self.trails) or not self.trails):
            from softreserve.views.explain.search import search

            known = all(gap.missing != EFI_MAP for gap in found.scenario.gaps)
            with progress("booting what may change it"):
                self.search = search(found.system, subject, found.hooks_for, seconds, map_known=known)


def _told(system: System, told: Report, target: str, answers: Sequence[_Answered]) -> Explained:
    from softreserve.views.summary import owners_at, why

    origin, explained = system.kernel.origin, [_subject(answered) for answered in answers]
    if len(answers) != 1 or answers[0].subject.kind != "address":
        return Explained(target, origin, explained)
    address = answers[0].subject.ranges[0].start
    return ExplainedAddress(
        target=target,  # before 25.4, attrs takes inherited fields by name only, too
        kernel=origin,
        answers=explained,
        address=address,
        owners=owners_at(system, address),
        node=system.nodes.phys_to_target_node(address),
        specific_purpose=told.outcome.part_at(address),
        events=why(system, address),
    )


def _subject(answered: _Answered) -> ExplainedSubject:
    subject, search = answered.subject, answered.search
    changes = None
    if search is not None:
        effects = [
            Effect(
                found.change.kind,
                found.change.words,
                tuple(found.change.options),
                tuple(found.change.edits),
                found.stage,
                found.answer.words_unlike(search.before),
                found.answer.parts,
            )
            for found in search.found
        ]
        changes = Effects(effects, search.tried, search.cut)
    facts = dict(answered.answer.facts)
    words = answered.answer.words
    return ExplainedSubject(subject.kind, subject.name, subject.ranges, words, facts, answered.trails, changes)


# --- for people


def _print(system: System, answered: _Answered) -> None:
    subject = answered.subject
    if subject.kind == "address":
        _print_address(system, answered)
    else:
        size = f", {human_size(subject.size)}" if subject.ranges and subject.kind != "block" else ""
        places = f" in {len(subject.ranges)} ranges" if len(subject.ranges) > 1 else ""
        say(Styled(f"{subject.name}{size}{places}", "heading"), f" is {answered.answer.words or 'without memory'}")
        pieces = len(answered.answer.parts)
        for trail in answered.trails:
            _print_trail(trail, alone=pieces == 1)
        if pieces > _PIECES:
            say(Styled(f"  and {pieces - _PIECES} pieces more (--json has all)", "aside"))
    if answered.search is not None:
        _print_search(answered.search, subject, in_files=answered.in_files)


def _print_address(system: System, answered: _Answered) -> None:
    from softreserve.views.summary import owners_at

    address = answered.subject.ranges[0].start
    owners, node = owners_at(system, address), system.nodes.phys_to_target_node(address)
    say(f"{address:#x} is {' > '.join(owners) or 'no resource'}" + (f", looked up as node {node}" if node >= 0 else ""))
    trail = answered.trails[0]
    if not trail.decisions:
        say("  neither the firmware's map nor anything later names it")
    for decision in trail.decisions:
        for event in decision.events or (decision,):
            _print_decision(decision.stage, event)
    if trail.part.rule or trail.part.use not in ("lost", "ram"):
        say(f"  in the end: {trail.part.words}{f': {trail.part.why}' if trail.part.why else ''}")


def _print_trail(trail: Trail, *, alone: bool) -> None:
    part = trail.part
    indent = "  "
    if not alone:
        say(
            Styled(f"  {part.start:012x}-{part.end - 1:012x}", "heading"), f" ({human_size(part.size)}): {_fate(trail)}"
        )
        indent = "    "
    if not trail.decisions:
        say(f"{indent}neither the firmware's map nor anything later names it")
    for decision in trail.decisions:
        _print_decision(decision.stage, decision, indent)
    if alone and part.why:
        say(f"{indent}in the end: {_fate(trail)}: {part.why}")
    elif part.why:
        say(f"{indent}{part.why}")


def _fate(trail: Trail) -> str:
    part = trail.part
    return part.words + (f", node {part.node}" if part.node >= 0 else "")


def _print_decision(stage: str, decision: Event | Decision, indent: str = "  ") -> None:
    words = f"{stage}: {decision.rule}"
    if change := " -> ".join(filter(None, (decision.before, decision.after))):
        words += f": {change}"
    if decision.start is not None and decision.end is not None:
        words += f" [{decision.start:#x}-{decision.end - 1:#x}]"
    say(indent + words, hang=indent + "    ")
    if decision.function:
        say(Styled(f"{indent}    {decision.function}", "aside"), hang=indent + "      ")


def _print_search(search: Search, subject: Subject, *, in_files: bool) -> None:
    """What would have changed it.

    :param in_files: whether the machine is a capture, whose files have tables as bytes.
    """
    tried = ", ".join(f"{kind} {count}" for kind, count in search.tried.items())
    cut = "; the time was over before all were tried" if search.cut else ""
    if not search.tried:
        say(Styled("no change was tried: a boot of this machine takes longer than the time for all of them", "warning"))
        return
    if not search.found:
        what = "helps" if subject.wanted else "changes it"
        which = "no change that was tried" if search.cut else "no single change"
        say(Styled(f"{which} {what} ", "warning"), Styled(f"(booted: {tried}{cut})", "aside"))
        return
    what = "would help" if subject.wanted else "would have changed it"
    say(Styled(f"what {what} ", "heading"), Styled(f"(booted: {tried}{cut})", "aside"))
    for then, members in _by_effect(search).items():
        say(Styled(f"  -> {then}", "good" if subject.wanted else "note"), hang="     ")
        for found in members[:_ALIKE]:
            _print_change(found, in_files=in_files)
        if len(members) > _ALIKE:
            say(Styled(f"      and {len(members) - _ALIKE} more (--json has all)", "aside"))


def _by_effect(search: Search) -> Mapping[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for one in search.found:
        found.setdefault(one.answer.words_unlike(search.before), []).append(one)
    return found


def _print_change(found: Found, *, in_files: bool) -> None:
    change = found.change
    stage = Styled(f" (from {found.stage} on)" if found.stage else "", "aside")
    kind = "" if change.kind in change.words else f"{change.kind}: "
    say(f"      {kind}{change.words}", stage, hang="        ")
    if change.options:
        say(Styled(f"        {shlex.join(change.options)}", "aside"), hang="          ")
    for edit in change.edits:
        if edit.file.endswith(".txt"):
            where, how = edit.file if in_files else "--efi-map FILE", edit.after or f"without {edit.before}"
        elif in_files and (edit.before or edit.after):
            where, how = f"{edit.file}, {edit.place}", _bytes(edit.before, edit.after)
        else:
            continue
        say(Styled(f"        {where}: {how}", "aside"), hang="          ")


def _bytes(before: str, after: str) -> str:
    if not before:
        return f"add {after}"
    return f"{before} -> {after}" if after else f"take {len(before) // 2} bytes out"
