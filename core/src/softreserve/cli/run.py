"""``softreserve run``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.terminal import print_kernel_file, say, tell
from softreserve.views.difference import unified_diff
from softreserve.views.emit import EMITTERS, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.system import System
    from softreserve.machine.steps import Runner
    from softreserve.model.steps import Step

__all__ = ["run_command"]


@click.command("run", cls=MachineCommand)
@machine_argument()
@click.argument("steps", required=False, type=click.Path(path_type=Path))
@machine_options()
@click.option("--trace", is_flag=True, help="Show the state after every write.")
@click.option("--state", is_flag=True, help="Show the whole state after every step, not only what it changed.")
@click.option("--emit", "what", type=click.Choice(list(EMITTERS)), help="At the end, print this as the kernel would.")
def run_command(
    machine: str,
    steps: Path | None,
    choices: Choices,
    trace: bool,
    state: bool,
    what: str | None,
) -> int:
    """Boot MACHINE and carry out the steps of a file (or of the machine itself), one after the other.

    Shows each step's result, what the kernel logged, and what the step changed (- before, + after). Shell words that
    take real programs run in the machine's namespace. Ends with the status of the last step.
    """
    from softreserve.config.steps import read_steps

    system, scenario, _ = booted(machine, choices, with_steps=steps is None, reproducing=steps is None)
    todo = scenario.steps if steps is None else read_steps(steps, scenario.machine.kernel)[0]
    if not todo:
        raise click.UsageError(f"{steps or machine} has no steps")
    status = 0
    with _session(system, todo) as runner:
        for step in todo:
            status = _carry_out(system, step, runner, trace=trace, state=state, before=status)
    if what is not None:
        print_kernel_file(emit(system, what))
    return status


def _session(system: System, steps: Sequence[Step]) -> contextlib.AbstractContextManager[Runner | None]:
    """Where shell words run; nothing is started for steps that need no program."""
    from softreserve.machine.steps import needs_programs

    if not any(step.run is not None and needs_programs(step.run) for step in steps):
        return contextlib.nullcontext()
    from softreserve.live.shell import runner

    return runner(system) or contextlib.nullcontext()


def _carry_out(system: System, step: Step, runner: Runner | None, *, trace: bool, state: bool, before: int) -> int:
    """One step and what came of it; its status, or the one before where it cannot be run."""
    from softreserve.machine.snapshot import state_lines
    from softreserve.machine.steps import run_step

    was, mark = state_lines(system), len(system.log)
    result = run_step(system, step, runner, trace=trace)
    if result.status is None:
        tell(f"step {step.name} not run: {result.why}")
        return before
    say(f"# {step.name}: {result.status}")
    print((result.trace if trace and result.trace is not None else result.output), end="")
    for line in system.log.lines_since(mark):
        say(f"[log] {line}")
    now = state_lines(system)
    changes = list(unified_diff(was, now, ("", ""), context=0))[2:]
    for line in now if state else (line for line in changes if not line.startswith("@@")):
        say(line)
    return result.status
