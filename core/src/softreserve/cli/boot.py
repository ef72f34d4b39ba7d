"""``softreserve boot``."""

from __future__ import annotations

import click

from softreserve.cli.emitters import emit_option
from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options, plain_option
from softreserve.cli.terminal import print_kernel_file
from softreserve.views.emit import emit

__all__ = ["boot_command"]


@click.command("boot", cls=MachineCommand)
@machine_argument()
@emit_option("Print this, as the kernel would, and no more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; numbers are bytes.")
@plain_option
@click.option("--svg", metavar="FILE", help="Draw its memory in one lane, for a README; - is standard output.")
@machine_options()
def boot_command(
    machine: str,
    what: str | None,
    as_json: bool,
    svg: str | None,
    choices: Choices,
) -> None:
    """Boot MACHINE and show what Linux makes of its memory: a summary, a picture, or one of the kernel's own files."""
    if svg is not None and (what is not None or as_json):
        raise click.UsageError("--svg draws a picture: leave --emit and --json out")
    # reasons are looked up in the events; the kernel's own files need none
    system = booted(machine, choices, recording=what is None, reproducing=what is not None).system
    if what is not None:
        lines = emit(system, what)
        if as_json:
            from softreserve.cli.jsonout import Emitted, print_json

            print_json("emit", Emitted(what, list(lines)))
        else:
            print_kernel_file(lines)
        return
    if svg is not None:
        from softreserve.cli.picture import draw

        draw(system, svg)
        return
    from softreserve.cli.jsonout import print_json
    from softreserve.views.summary import summarize

    summary = summarize(system)
    if as_json:
        print_json("boot", summary)
    else:
        from softreserve.cli.output import print_summary

        print_summary(summary)
