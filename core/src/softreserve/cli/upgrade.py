"""What several kernels mean for one machine: which are asked for, and their consequences for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import click

from softreserve.cli.options import Choices, asked, tell_gaps
from softreserve.cli.output import VERDICT_STYLES
from softreserve.cli.progress import progress
from softreserve.cli.terminal import Styled, print_table, say

if TYPE_CHECKING:
    from softreserve.model.scenario import Scenario
    from softreserve.views.upgrade.consequences import Consequence
    from softreserve.views.upgrade.matrix import Matrix
    from softreserve.views.upgrade.trial import Trial

__all__ = ["compared", "print_consequences", "print_matrix", "print_verdicts", "several", "tried"]

#: Places of one consequence that are printed; JSON has all.
_PLACES: Final = 8


def several(choices: Choices) -> list[Choices]:
    """The choices for each of the releases that ``--kernel`` names, with commas between them; none: no ``--kernel``.

    :raises click.UsageError: a comma without a release beside it.
    """
    if choices.changes.kernel is None:
        return []
    releases = [release.strip() for release in choices.changes.kernel.split(",")]
    if len(releases) > 1 and not all(releases):
        raise click.UsageError("--kernel: a release is missing beside a comma")
    return [choices._replace(changes=choices.changes._replace(kernel=release)) for release in releases]


def tried(described: Scenario, steps: Iterable[Choices]) -> list[Trial]:
    """A machine with each of several kernels; what its description lacks is told.

    :param steps: the choices for each.
    """
    from softreserve.views.upgrade.trial import Trial

    found = []
    for choices in steps:
        scenario, hooks_for = asked(described, choices)
        found.append(Trial(scenario.machine, hooks_for, scenario.machine.userspace.wanted(choices.userspace)))
    tell_gaps(described.gaps)
    return found


def compared(trials: Sequence[Trial], releases: Sequence[str]) -> list[Consequence]:
    """What each kernel changes, with progress: :func:`softreserve.views.upgrade.consequences.consequences`."""
    from softreserve.views.upgrade.consequences import consequences

    with progress("comparing kernels", len(trials) - 1) as step:
        return consequences(trials, releases, step)


def print_verdicts(trials: Iterable[Trial], releases: Iterable[str]) -> None:
    """How each kernel does with the specific purpose memory."""
    for release, trial in zip(releases, trials, strict=True):
        if trial.death:
            say(Styled(f"{release}: ", "heading"), Styled(trial.death, "loss"))
        else:
            verdict = trial.report.verdict
            say(Styled(f"{release}: ", "heading"), Styled(verdict.text, VERDICT_STYLES[verdict.severity]))


def print_consequences(found: Iterable[Consequence]) -> None:
    """Consequences under the releases that have them, each with its places and with what brings it about."""
    for when, members in groupby(found, key=lambda consequence: consequence.when):
        say(Styled(f"=== on {when}", "heading"))
        for consequence in members:
            say(Styled(consequence.severity, consequence.severity), f": {consequence.words} [{consequence.rule}]")
            places = consequence.places
            for place in places[:_PLACES]:
                say("    ", ": ".join(filter(None, place)), hang="        ")
            if len(places) > _PLACES:
                say(f"    and {len(places) - _PLACES} more")
            for change in consequence.causes:
                evidence = f" ({change.evidence})" if change.evidence else ""
                say(Styled(f"  {change}{evidence}", "aside"))
            if not consequence.causes:
                say(Styled("  for no reason that is known", "aside"))


def print_matrix(found: Matrix) -> None:
    """A table of what is not the same everywhere; what-ifs that are alike share a column."""
    if len(found.columns) == 1:
        names = ", ".join(found.columns[0].names)
        say(Styled(f"no difference in {len(found.rows)} things that were compared: {names}", "good"))
        return
    headings = ["", *(" = ".join(column.names) for column in found.columns)]
    print_table(headings, [(row.what, *row.values) for row in found.differing], prose=False)
    same = len(found.rows) - len(found.differing)
    if same:
        say(Styled(f"the same everywhere: {same} more (--json has them)", "aside"))
