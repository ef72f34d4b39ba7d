"""``softreserve run``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from softreserve.cli.consent import check_agreed, run_programs_option
from softreserve.cli.emitters import emit_option
from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.progress import progress
from softreserve.cli.terminal import print_kernel_file, say, tell
from softreserve.model.errors import SoftReserveError
from softreserve.views.difference import unified_diff
from softreserve.views.emit import emit

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.machine.steps import Runner, StepResult
    from softreserve.model.steps import Step

__all__ = ["run_command"]


@click.command("run", cls=MachineCommand)
@machine_argument()
@click.argument("steps", required=False, type=click.Path(path_type=Path))
@run_programs_option
@click.option("--skip-unrunnable", is_flag=True, help="Leave out steps that cannot be run, or take programs unasked.")
@machine_options(own_trace=True)
@click.option("--trace", is_flag=True, help="Show the state after every write.")
@click.option("--state", is_flag=True, help="Show the whole state after every step, not only what it changed.")
@emit_option("At the end, print this as the kernel would.")
def run_command(
    machine: str,
    steps: Path | None,
    run_programs: bool,
    skip_unrunnable: bool,
    choices: Choices,
    trace: bool,
    state: bool,
    what: str | None,
) -> int:
    """Boot MACHINE and carry out the steps of a file (or of the machine itself), one after the other.

    Shows each step's result, what the kernel logged, and what the step changed (- before, + after). Steps that name
    programs take a yes at the terminal, or the option.

    Ends with 1 where a step gave another result than it says, or could not be run; else with the status of the last
    step, or 0 where that is the one that it says.
    """
    from softreserve.config.steps import read_steps
    from softreserve.live.recorded import other_machine_of
    from softreserve.machine.steps import differences, programs_in

    source = steps or machine
    system, scenario, _ = booted(machine, choices, with_steps=steps is None, reproducing=steps is None)
    todo = scenario.steps if steps is None else read_steps(steps, scenario.machine.kernel)[0]
    if not todo:
        raise click.UsageError(f"{source} has no steps")
    if steps is not None and (other := other_machine_of(steps, system)):
        tell(f"{steps}: {other}")
    programs = list(programs_in(todo))
    if not run_programs and not skip_unrunnable:
        check_agreed(source, programs)
        run_programs = True
    status = 0
    wrong: list[str] = []
    with _session(system) if programs and run_programs else nullcontext() as runner:
        for number, step in enumerate(todo, 1):
            with progress(f"step {step.name} ({number} of {len(todo)})"):
                result = _carry_out(system, step, runner, trace=trace, state=state)
            if result.status is not None:
                status = 0 if step.expects else result.status
                found = differences(step, result)
                for line in found:
                    say(f"[differs] {line}")
                wrong += [f"step {step.name}: {line}" for line in found[:1]]
            elif not skip_unrunnable:
                wrong.append(f"step {step.name}: not run: {result.why}")
    if what is not None:
        print_kernel_file(emit(system, what))
    if wrong:
        tell(f"{source}: {len(wrong)} of {len(todo)} steps went otherwise than they say; the first: {wrong[0]}")
    return 1 if wrong else status


def _session(system: System) -> AbstractContextManager[Runner | None]:
    """Where shell words run; nowhere if this host cannot, and says why."""
    from softreserve.live.shell import runner

    try:
        return runner(system)
    except SoftReserveError as error:
        tell(str(error))
        return nullcontext()


def _carry_out(system: System, step: Step, runner: Runner | None, *, trace: bool, state: bool) -> StepResult:
    """Do one step and show what came of it."""
    from softreserve.machine.snapshot import state_lines
    from softreserve.machine.steps import run_step

    was, mark = state_lines(system), len(system.log)
    result = run_step(system, step, runner, trace=trace)
    if result.status is None:
        tell(f"step {step.name} not run: {result.why}")
        return result
    say(f"# {step.name}: {result.status}")
    print((result.trace if trace and result.trace is not None else result.output), end="")
    for line in system.log.lines_since(mark):
        say(f"[log] {line}")
    now = state_lines(system)
    changes = list(unified_diff(was, now, ("", ""), context=0))[2:]
    for line in now if state else (line for line in changes if not line.startswith("@@")):
        say(line)
    return result
