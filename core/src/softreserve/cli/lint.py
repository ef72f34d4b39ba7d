"""``softreserve lint``."""

from __future__ import annotations

import attrs
import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.terminal import Styled, say
from softreserve.model.findings import SEVERITIES, Finding
from softreserve.views.lint import lint

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

    Ends with 1 when there is an error or a warning.
    """
    found = lint(booted(machine, choices, recording=True).system)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("lint", {"findings": [attrs.asdict(finding) for finding in found]})
    else:
        for finding in found:
            _print(finding)
        say(Styled(_count(found), "heading" if found else "good"))
    return 1 if any(finding.severity != "note" for finding in found) else 0


def _print(finding: Finding) -> None:
    where = ""
    if finding.start is not None and finding.end is not None:
        where = f"{finding.start:#x}-{finding.end - 1:#x}: "
    say(Styled(finding.severity, finding.severity), f": {where}{finding.message} [{finding.rule}]")


def _count(found: list[Finding]) -> str:
    """How many there are of each severity, the worst first."""
    counts = [(sum(finding.severity == name for finding in found), name) for name in SEVERITIES]
    words = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts if count]
    return ", ".join(words) or "no findings"
