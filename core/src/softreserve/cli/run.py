"""``softreserve run``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from softreserve.boot import boot
from softreserve.cli.options import Changes, asked, change_options, machine_argument, plugin_option
from softreserve.emit import EMITTERS, emit

__all__ = ["run_command"]


@click.command("run")
@machine_argument()
@click.argument("steps", required=False, type=click.Path(path_type=Path))
@change_options
@plugin_option
@click.option("--trace", is_flag=True, help="Show the state after every write.")
@click.option("--emit", "what", type=click.Choice(list(EMITTERS)), help="At the end, print this as the kernel would.")
def run_command(
    machine: str,
    steps: Path | None,
    arch: str | None,
    kernel: str | None,
    cmdline: str | None,
    page_size: str | None,
    plugin: tuple[str, ...],
    trace: bool,
    what: str | None,
) -> int:
    """Boot MACHINE and carry out the steps of a file (or of the machine itself), one after the other.

    Ends with the status of the last step.
    """
    from softreserve.config.steps import read_steps
    from softreserve.steps import run_step

    scenario, selection = asked(machine, plugin, Changes(arch, kernel, cmdline, page_size), with_steps=steps is None)
    todo = scenario.steps if steps is None else read_steps(steps, scenario.machine.kernel)[0]
    if not todo:
        raise click.UsageError(f"{steps or machine} has no steps")
    system = boot(scenario.machine, selection.hooks_for(scenario.machine), recording=False)
    status = 0
    for step in todo:
        mark = len(system.log)
        result = run_step(system, step, trace=trace)
        if result.status is None:
            print(f"softreserve: step {step.name} not run: {result.why}", file=sys.stderr)
            continue
        status = result.status
        print(f"# {step.name}: {status}")
        print((result.trace if trace and result.trace is not None else result.output), end="")
        for line in system.log.lines_since(mark):
            print(f"[log] {line}")
    if what is not None:
        sys.stdout.write("".join(f"{line}\n" for line in emit(system, what)))
    return status
