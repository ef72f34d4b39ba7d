"""``softreserve verify``."""

from __future__ import annotations

import attrs
import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options, plain_option
from softreserve.cli.output import print_partial
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.config.observed import host_observed, load_observed
from softreserve.kernel.system import System
from softreserve.model.kernel import Origin
from softreserve.views.verify.facts import OURS
from softreserve.views.verify.rows import CLASSES, Difference, Row, Verification
from softreserve.views.verify.verification import verify

__all__ = ["Verified", "verify_command"]

_STYLES = {"ours": "loss", "input": "warning", "outside": "aside"}


@attrs.frozen
class Verified:
    """A boot beside what was observed.

    :param equal: lines that are equal, of the ``total`` that were compared.
    :param other_lines: lines of the log that are of no kind that is modelled.
    :param not_compared: what could not be compared, and why.
    """

    machine: str
    arch: str
    kernel: Origin
    equal: int
    total: int
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    other_lines: int
    not_compared: dict[str, str]


@click.command("verify", cls=MachineCommand)
@machine_argument(required=False)
@click.option("--log", metavar="FILE", help="Compare with this kernel log; without MACHINE it is the machine, too.")
@click.option(
    "--sysroot", metavar="DIR", help="The machine is a host whose files are there: a sosreport's, or / itself."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
@machine_options()
def verify_command(machine: str | None, log: str | None, sysroot: str | None, as_json: bool, choices: Choices) -> int:
    """Boot MACHINE and compare with what it showed, line by line.

    MACHINE is a capture (softreserve capture makes one), or a kernel log. Differences are sorted by what decides the
    line: the prediction is wrong (ours), the input lacks something (input), it is not modelled (outside). Ends with 1
    when a prediction is wrong.
    """
    if (machine, log, sysroot) == (None, None, None):
        raise click.UsageError("nothing to verify: give MACHINE, --log FILE or --sysroot DIR")
    if sysroot is not None and (machine, log, choices.acpi) != (None, None, None):
        raise click.UsageError("--sysroot names the machine and what it showed: leave MACHINE, --log and --acpi out")
    if sysroot is not None:
        scenario, observed = host_observed(sysroot)
    else:
        scenario, observed = load_observed(machine, log, choices.acpi, choices.release)
    made = booted(scenario, choices, reproducing=True)
    found = verify(made.scenario, made.system, observed)
    if as_json:
        from softreserve.cli.jsonout import print_json

        about = made.system.machine
        print_json(
            "verify",
            Verified(
                machine=about.name,
                arch=about.arch,
                kernel=about.kernel.origin,
                equal=found.equal,
                total=found.total,
                rows=found.rows,
                differences=found.differences,
                other_lines=found.unread,
                not_compared=dict(found.hidden),
            ),
        )
    else:
        _print(made.system, found)
    return 1 if found.of(OURS) else 0


def _print(system: System, found: Verification) -> None:
    origin = Styled(f"; {system.kernel.words}", "aside")
    say(Styled(f"{system.machine.name}: Linux {system.kernel.release}, {system.machine.arch}", "heading"), origin)
    print_partial()
    say()
    rows = [(row.where, row.kind, f"{row.equal}/{row.total}", row.note) for row in found.rows]
    if rows:
        print_table(("of", "lines", "equal", ""), rows, right={2})
        say()
    for sort, words in CLASSES.items():
        differences = found.of(sort)
        if differences:
            say(Styled(f"{sort}: {words}", _STYLES[sort]))
            for difference in differences:
                _print_difference(difference)
            say()
    for name, why in found.hidden:
        say(Styled(f"not compared: {name}: {why}", "aside"))
    say(Styled(_conclusion(found), "loss" if found.of(OURS) else "good" if found.total else "warning"))


def _print_difference(difference: Difference) -> None:
    where = difference.where if difference.line is None else f"{difference.where}, line {difference.line}"
    why = f" ({difference.why})" if difference.why else ""
    say(f"  {where}: {difference.kind}{why}")
    if difference.observed is not None:
        say(Styled(f"    observed:  {difference.observed}", "removed"), hang="        ")
    if difference.predicted is not None:
        say(Styled(f"    predicted: {difference.predicted}", "added"), hang="        ")


def _conclusion(found: Verification) -> str:
    if not found.total:
        return "nothing that can be compared"
    counts = ", ".join(f"{len(found.of(sort))} {sort}" for sort in CLASSES)
    return f"{found.equal} of {found.total} lines equal; differences: {counts}"
