"""``softreserve boot``."""

from __future__ import annotations

import sys

import click

from softreserve.cli.emitters import emit_option
from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.terminal import clean, print_kernel_file
from softreserve.views.emit import emit

__all__ = ["boot_command"]


@click.command("boot", cls=MachineCommand)
@machine_argument()
@emit_option("Print this, as the kernel would, and no more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; numbers are bytes.")
@machine_options()
@click.option("--trace", is_flag=True, help="Say on standard error which plugin answers which hook.")
def boot_command(
    machine: str,
    what: str | None,
    as_json: bool,
    choices: Choices,
    trace: bool,
) -> None:
    """Boot MACHINE and show what Linux makes of its memory: a summary, or one of the kernel's own files."""
    # reasons are looked up in the events; the kernel's own files need none
    tell = (lambda line: print(clean(line), file=sys.stderr)) if trace else None
    system = booted(machine, choices, recording=what is None, reproducing=what is not None, trace=tell).system
    if what is not None:
        lines = emit(system, what)
        if as_json:
            from softreserve.cli.jsonout import print_json

            print_json("emit", {"what": what, "lines": list(lines)})
        else:
            print_kernel_file(lines)
        return
    from softreserve.cli.jsonout import print_json
    from softreserve.plugins.hooks import hooks_of
    from softreserve.views.summary import summarize

    hooks_of(system).trace = None  # whoever asked wants to see this boot, not those of the copies
    summary = summarize(system)
    if as_json:
        print_json("boot", summary.as_json())
    else:
        from softreserve.cli.output import print_summary

        print_summary(summary)
