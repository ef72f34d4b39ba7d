"""``softreserve observe``."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from softreserve.cli.consent import agreed, run_programs_option
from softreserve.cli.options import Choices, MachineCommand, asked, machine_argument, machine_options, tell_gaps
from softreserve.cli.terminal import tell

__all__ = ["observe_command"]


@attrs.frozen
class Observed:
    """A directory that was written, and what of the case was not run, a line each."""

    directory: str
    not_run: list[str]


@click.command("observe", cls=MachineCommand)
@machine_argument("case")
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write here."
)
@run_programs_option
@machine_options(changes=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def observe_command(case: str, out: Path, run_programs: bool, choices: Choices, as_json: bool) -> None:
    """Boot CASE, run its steps and its kexec, and write what a real kernel would have shown.

    DIR gets the layout of a capture's expected/ directory, and appears whole or not at all; one that holds something
    already is refused. Steps that cannot be run here, or name programs that nobody has agreed to, are told on standard
    error.
    """
    from softreserve.live.whole import whole_directory
    from softreserve.machine.steps import programs_in
    from softreserve.views.observe import observe

    scenario, hooks_for = asked(case, choices, with_steps=True)
    programs = list(programs_in(scenario.steps, scenario.kexec))
    sessions = None
    if programs and (run_programs or agreed(case, programs)):
        from softreserve.live.shell import runner

        sessions = runner
    with whole_directory(out, hint="; wanted is a new or empty directory") as new:
        skipped = observe(scenario, new, hooks_for, sessions, userspace=choices.userspace or "none")
    tell_gaps(scenario.gaps)
    for line in skipped:
        tell(f"not run: {line}")
    if programs and sessions is None:
        tell("steps that name programs take --run-programs")
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("observe", Observed(str(out), skipped))
