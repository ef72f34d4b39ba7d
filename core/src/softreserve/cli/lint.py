"""``softreserve lint``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.options import (
    Choices,
    MachineCommand,
    booted,
    described,
    machine_argument,
    machine_options,
    plain_option,
)
from softreserve.cli.output import VERDICT_STYLES, counted, print_kernel, print_partial
from softreserve.cli.terminal import Styled, say
from softreserve.cli.upgrade import compared, several, tried
from softreserve.model.findings import SEVERITIES, Finding
from softreserve.views.report import Verdict, report

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel, Origin
    from softreserve.views.upgrade.consequences import Consequence

__all__ = ["Linted", "lint_command"]


@attrs.frozen
class Linted:
    """What there is to find; ranges are bytes, half open.

    :param verdict: what became of specific purpose memory; ``None``: the kernel does not come up.
    :param consequences: what an upgrade brings; ``None``: no ``--kernel`` asks for one.
    """

    kernel: Origin
    verdict: Verdict | None
    findings: Sequence[Finding]
    consequences: Sequence[Consequence] | None


@click.command("lint", cls=MachineCommand)
@machine_argument()
@machine_options(kernels=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; ranges are bytes, half open.")
@plain_option
def lint_command(
    machine: str,
    choices: Choices,
    as_json: bool,
) -> int:
    """Find mistakes of the firmware and surprises for the operator.

    Says first what became of specific purpose memory. Under another kernel (--kernel) what breaks by the upgrade is
    found too; of several releases each is an upgrade of the one before, and the last is looked at. Ends with 1 when
    there is an error or a warning.
    """
    kernels = several(choices)
    if not kernels:
        from softreserve.views.lint_rules.tables import without_unreadable

        scenario = described(machine, choices)
        readable, unreadable = without_unreadable(scenario.machine)
        system = booted(attrs.evolve(scenario, machine=readable), choices, recording=True).system
        told = report(system)
        return _tell(system.kernel, told.verdict, [*unreadable, *told.findings], None, as_json=as_json)
    from softreserve.views.upgrade.kinds import FINDING_RULE

    scenario = described(machine, choices)
    if len(kernels) == 1:
        kernels.insert(0, choices._replace(changes=choices.changes._replace(kernel=None)))
    trials = tried(scenario, kernels)
    found = compared(trials, [choices.changes.kernel or scenario.machine.kernel.release for choices in kernels])
    findings = [one.finding for one in found if one.rule != FINDING_RULE]
    if trials[-1].death and found:
        return _tell(trials[-1].machine.kernel, None, findings, found, as_json=as_json)
    told = report(trials[-1].system)
    findings = sorted([*told.findings, *findings], key=lambda finding: SEVERITIES.index(finding.severity))
    return _tell(trials[-1].machine.kernel, told.verdict, findings, found, as_json=as_json)


def _tell(
    kernel: Kernel,
    verdict: Verdict | None,
    findings: Sequence[Finding],
    upgrade: Sequence[Consequence] | None,
    *,
    as_json: bool,
) -> int:
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("lint", Linted(kernel.origin, verdict, findings, upgrade))
    else:
        print_kernel(kernel)
        _print(verdict, findings)
    return 1 if any(finding.severity != "note" for finding in findings) else 0


def _print(verdict: Verdict | None, findings: Sequence[Finding]) -> None:
    print_partial()
    if verdict is not None:
        say(Styled(verdict.text, VERDICT_STYLES[verdict.severity]))
    for finding in findings:
        say(Styled(finding.severity, finding.severity), f": {_where(finding)}{finding.message} [{finding.rule}]")
    counts = Counter(finding.severity for finding in findings)
    say(*counted(counts))


def _where(finding: Finding) -> str:
    if finding.start is None or finding.end is None:
        return ""
    return f"{finding.start:#x}-{finding.end - 1:#x}: "
