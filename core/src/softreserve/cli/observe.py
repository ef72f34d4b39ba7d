"""``softreserve observe``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from softreserve.cli.options import asked, machine_argument, plugin_option

__all__ = ["observe_command"]


@click.command("observe")
@machine_argument("case")
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write here."
)
@plugin_option
def observe_command(case: str, out: Path, plugin: tuple[str, ...]) -> None:
    """Boot CASE, run its steps and its kexec, and write what a real kernel would have shown.

    DIR gets the layout of a capture's expected/ directory. Steps that cannot be run here are named on standard error.
    """
    from softreserve.live.shell import runner
    from softreserve.views.observe import observe

    scenario, selection = asked(case, plugin, with_steps=True)
    for line in observe(scenario, out, selection.hooks_for, runner):
        print(f"softreserve: not run: {line}", file=sys.stderr)
