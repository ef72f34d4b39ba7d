"""``softreserve lint``."""

from __future__ import annotations

from collections import Counter

import attrs
import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.output import VERDICT_STYLES, counted, print_partial
from softreserve.cli.terminal import Styled, say
from softreserve.model.findings import Finding
from softreserve.views.report import Report, report

__all__ = ["lint_command"]


@click.command("lint", cls=MachineCommand)
@machine_argument()
@machine_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; ranges are bytes, half open.")
def lint_command(
    machine: str,
    choices: Choices,
    as_json: bool,
) -> int:
    """Find mistakes of the firmware and surprises for the operator.

    Says first what became of specific purpose memory. Ends with 1 when there is an error or a warning.
    """
    told = report(booted(machine, choices, recording=True).system)
    if as_json:
        from softreserve.cli.jsonout import print_json

        findings = [attrs.asdict(finding) for finding in told.findings]
        print_json("lint", {"verdict": told.verdict.as_json(), "findings": findings})
    else:
        _print(told)
    return 1 if any(finding.severity != "note" for finding in told.findings) else 0


def _print(told: Report) -> None:
    print_partial()
    say(Styled(told.verdict.text, VERDICT_STYLES[told.verdict.severity]))
    for finding in told.findings:
        say(Styled(finding.severity, finding.severity), f": {_where(finding)}{finding.message} [{finding.rule}]")
    counts = Counter(finding.severity for finding in told.findings)
    say(Styled(counted(counts), "heading" if told.findings else "good"))


def _where(finding: Finding) -> str:
    if finding.start is None or finding.end is None:
        return ""
    return f"{finding.start:#x}-{finding.end - 1:#x}: "
