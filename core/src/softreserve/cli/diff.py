"""``softreserve diff``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count, pairwise
from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.emitters import emit_option
from softreserve.cli.options import (
    Booted,
    Choices,
    MachineCommand,
    booted,
    described,
    machine_argument,
    machine_options,
    plain_option,
)
from softreserve.cli.output import VERDICT_STYLES, print_partial
from softreserve.cli.terminal import Styled, say
from softreserve.cli.upgrade import compared, print_consequences, print_matrix, print_verdicts, several, tried
from softreserve.config.changes import Changes
from softreserve.views.difference import unified_diff
from softreserve.views.emit import emit
from softreserve.views.report import Report, Verdict, outcome_lines, report

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.views.upgrade.consequences import Consequence
    from softreserve.views.upgrade.matrix import Matrix
    from softreserve.views.upgrade.trial import Trial

__all__ = ["Compared", "Upgrades", "WhatIfs", "diff_command"]

#: What is compared where nobody says what.
_USUAL = ("iomem", "firmware-memmap", "nodes", "memory-blocks", "dax", "memory-tiers")
_SPECIFIC_PURPOSE = "specific purpose memory"
_STYLES = {"+": "added", "-": "removed", "@": "aside"}


@attrs.frozen
class Compared:
    """Two machines, or one and another.

    :param verdicts: of both; ``None``: only files are compared.
    :param consequences: what another kernel alone means; ``None`` as for the verdicts.
    :param differences: by name of a file, as a unified diff.
    """

    before: str
    after: str
    verdicts: list[Verdict] | None
    consequences: list[Consequence] | None
    differences: dict[str, list[str]]


@attrs.frozen
class Upgrades:
    """A machine with one kernel after the other.

    :param verdicts: of each kernel; ``None``: it does not come up.
    :param differences: of each kernel and the one before, by name of a file; ``None``: no ``--emit`` asks for any.
    :param matrix: the kernels beside each other.
    """

    machine: str
    releases: list[str]
    verdicts: list[Verdict | None]
    consequences: list[Consequence]
    differences: list[dict[str, list[str]]] | None
    matrix: Matrix


@attrs.frozen
class WhatIfs:
    """Machines, kernels and command lines beside each other."""

    matrix: Matrix


@click.command("diff", cls=MachineCommand)
@machine_argument()
@machine_argument("others", required=False, several=True)
@machine_options(kernels=True, cmdlines=True)
@emit_option("Compare this (may be repeated).", multiple=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def diff_command(
    machine: str,
    others: tuple[str, ...],
    choices: Choices,
    what: tuple[str, ...],
    as_json: bool,
) -> int:
    """Compare MACHINE with OTHERS, or with itself, under another kernel, command line or architecture.

    The options change the second of the two. What became of specific purpose memory comes first, then the kernel's own
    files; with --emit only those that were asked for. Ends with 1 when something differs.

    Under another kernel alone, what an upgrade means is said in words, with the change of the kernel that brings it
    about. Several releases (--kernel 6.12,6.18,7.3) are one upgrade after the other, and other options go for all.

    Several others, several releases of several machines, or --cmdline given again make a table: a column for each
    what-if, those that are alike as one, and a row for each thing that is not the same in all.
    """
    if not others and not choices.changes:
        raise click.UsageError("nothing to compare with: give OTHERS, or an option that changes MACHINE")
    kernels = several(choices)
    if len(others) > 1 or len(choices.cmdlines) > 1 or (others and len(kernels) > 1):
        if what:
            raise click.UsageError("--emit compares two machines, or a machine's releases: a table has no files")
        return _what_ifs((machine, *others), kernels, choices, as_json=as_json)
    if len(kernels) > 1:
        return _upgrades(machine, kernels, what, as_json=as_json)
    other = others[0] if others else None
    first = described(machine, choices)
    second = first if other in (None, machine) else described(str(other), choices)
    before = booted(first, choices._replace(changes=Changes()), recording=not what)
    after = booted(second, choices, recording=not what)
    names = before.system.machine.name, after.system.machine.name + _words(choices.changes)
    found: dict[str, list[str]] = {}
    reports: tuple[Report, ...] = ()
    told: list[Consequence] = []
    if not what:
        reports = report(before.system), report(after.system)
        old, new = (outcome_lines(one.outcome) for one in reports)
        found[_SPECIFIC_PURPOSE] = list(unified_diff(old, new, names, context=1))
        if first is second and choices.changes == Changes(kernel=choices.changes.kernel):
            told = _told(before, after)
    found |= _differences(before.system, after.system, names, what or _USUAL)
    if as_json:
        from softreserve.cli.jsonout import print_json

        verdicts = [one.verdict for one in reports]
        print_json("diff", Compared(*names, None if what else verdicts, None if what else told, found))
    else:
        _print(names, [one.verdict for one in reports], told, found)
    return 1 if told or any(found.values()) else 0


def _what_ifs(machines: Sequence[str], kernels: Sequence[Choices], choices: Choices, *, as_json: bool) -> int:
    """Every machine with every kernel and every command line."""
    from softreserve.views.upgrade.matrix import matrix

    if len(kernels) < 2:
        plain = choices._replace(changes=choices.changes._replace(kernel=None))
        kernels = [plain, *kernels] if len(machines) == 1 else kernels or [plain]
    texts = [None, *choices.cmdlines] if len(choices.cmdlines) > 1 else [choices.changes.cmdline]
    columns: dict[str, Trial] = {}
    for machine in machines:
        scenario = described(machine, choices)
        steps = [one._replace(changes=one.changes._replace(cmdline=text)) for one in kernels for text in texts]
        for one, trial in zip(steps, tried(scenario, steps), strict=True):
            words = [trial.machine.name] if len(machines) > 1 else []
            words += [one.changes.kernel] if one.changes.kernel else []
            words += [one.changes.cmdline] if one.changes.cmdline and len(texts) > 1 else []
            columns.setdefault(_unused(", ".join(words) or "as it is", columns), trial)
    found = matrix(columns)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("diff", WhatIfs(found))
    else:
        print_partial()
        print_matrix(found)
    return 1 if found.differing else 0


def _unused(name: str, names: Collection[str]) -> str:
    """A name that nobody else has: machines may be called alike."""
    return next(one for n in count(1) if (one := name if n == 1 else f"{name} ({n})") not in names)


def _told(before: Booted, after: Booted) -> list[Consequence]:
    from softreserve.views.upgrade.trial import Trial

    trials = [Trial(one.scenario.machine, one.hooks_for, one.system.userspace) for one in (before, after)]
    return compared(trials, [trial.machine.kernel.release for trial in trials])


def _differences(before: System, after: System, names: tuple[str, str], what: Iterable[str]) -> dict[str, list[str]]:
    return {name: list(unified_diff(emit(before, name), emit(after, name), names, context=1)) for name in what}


def _upgrades(machine: str, kernels: Sequence[Choices], what: Sequence[str], *, as_json: bool) -> int:
    """A machine with one kernel after the other: what that means, and the files that were asked for."""
    from softreserve.views.upgrade.matrix import matrix

    trials = tried(described(machine, kernels[0]), kernels)
    releases = [str(choices.changes.kernel) for choices in kernels]
    told = compared(trials, releases)
    files: list[dict[str, list[str]]] = []
    for old, new in pairwise(zip(trials, releases, strict=True)) if what else ():
        files.append(_differences(old[0].system, new[0].system, (old[1], new[1]), what))
    if as_json:
        from softreserve.cli.jsonout import print_json

        verdicts = [None if trial.death else trial.report.verdict for trial in trials]
        beside = matrix(dict(zip(releases, trials, strict=True)))
        print_json("diff", Upgrades(trials[0].machine.name, releases, verdicts, told, files if what else None, beside))
    else:
        say(Styled(f"{trials[0].machine.name}: {' -> '.join(releases)}", "heading"))
        print_partial()
        print_verdicts(trials, releases)
        print_consequences(told)
        for found in files:
            _print_files(found)
        if told:
            say(Styled("=== side by side", "heading"))
            print_matrix(matrix(dict(zip(releases, trials, strict=True))))
        else:
            say(Styled("no consequence for this machine", "good"))
    return 1 if told or any(lines for found in files for lines in found.values()) else 0


def _print(
    names: tuple[str, str],
    verdicts: Sequence[Verdict],
    told: Sequence[Consequence],
    found: Mapping[str, Sequence[str]],
) -> None:
    print_partial()
    for sign, name, verdict in zip("-+", names, verdicts, strict=False):
        say(Styled(f"{sign} {name}: ", "heading"), Styled(verdict.text, VERDICT_STYLES[verdict.severity]))
    print_consequences(told)
    _print_files(found)
    if not any(found.values()):
        say(Styled(f"no difference in {', '.join(found)}", "good"))


def _print_files(found: Mapping[str, Sequence[str]]) -> None:
    for name, lines in found.items():
        if lines:
            say(Styled(f"=== {name}", "heading"))
            for line in lines:
                say(Styled(line, _STYLES.get(line[:1], "")))


def _words(changes: Changes) -> str:
    words = [word for word in (changes.arch, changes.kernel, changes.page_size, changes.cmdline) if word]
    return f" ({', '.join(words)})" if words else ""
