"""``softreserve run``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.consent import check_agreed, run_programs_option
from softreserve.cli.emitters import emit_option
from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options, plain_option
from softreserve.cli.progress import progress
from softreserve.cli.terminal import print_kernel_file, say, tell
from softreserve.model.errors import SoftReserveError
from softreserve.views.difference import unified_diff
from softreserve.views.emit import emit

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.machine.steps import Runner
    from softreserve.model.steps import Step

__all__ = ["run_command"]


@attrs.frozen
class Done:
    """A step, and what came of it.

    :param status: what it ended with; ``None``: it was not run, and ``why`` says the reason.
    :param results: of its writes: 0, ``-errno``, or how many bytes were taken.
    :param trace: the state after each write, where that is asked for.
    :param differs: what is not as the step says.
    :param log: what the kernel said meanwhile.
    :param changes: of the state: lines that are gone with ``-``, new ones with ``+`` before them.
    :param state: all of it, where that is asked for.
    """

    name: str
    status: int | None
    results: tuple[int, ...]
    output: str
    trace: str | None
    why: str
    differs: list[str]
    log: list[str]
    changes: list[str]
    state: list[str] | None


@attrs.frozen
class Ran:
    """Steps that were carried out on a machine.

    :param wrong: what went otherwise than the steps say, a line each.
    :param emitted: what ``--emit`` asks for, line by line.
    """

    machine: str
    steps: list[Done]
    wrong: list[str]
    emitted: list[str] | None


@click.command("run", cls=MachineCommand)
@machine_argument()
@click.argument("steps", required=False, type=click.Path(path_type=Path))
@run_programs_option
@click.option("--skip-unrunnable", is_flag=True, help="Leave out steps that cannot be run, or take programs unasked.")
@machine_options(own_trace=True)
@click.option("--trace", is_flag=True, help="Show the state after every write.")
@click.option("--state", is_flag=True, help="Show the whole state after every step, not only what it changed.")
@emit_option("At the end, print this as the kernel would.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def run_command(
    machine: str,
    steps: Path | None,
    run_programs: bool,
    skip_unrunnable: bool,
    choices: Choices,
    trace: bool,
    state: bool,
    what: str | None,
    as_json: bool,
) -> int:
    """Boot MACHINE and carry out the steps of a file (or of the machine itself), one after the other.

    Shows each step's result, what the kernel logged, and what the step changed (- before, + after). Steps that name
    programs take a yes at the terminal, or the option.

    Ends with 1 where a step gave another result than it says, or could not be run; else with the status of the last
    step, or 0 where that is the one that it says.
    """
    from softreserve.config.steps import read_steps
    from softreserve.live.recorded import other_machine_of
    from softreserve.machine.steps import programs_in

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
    done: list[Done] = []
    with _session(system) if programs and run_programs else nullcontext() as runner:
        for number, step in enumerate(todo, 1):
            with progress(f"step {step.name} ({number} of {len(todo)})"):
                result = _carried_out(system, step, runner, trace=trace, state=state)
            done.append(result)
            if not as_json:
                _print(result)
            if result.status is not None:
                status = 0 if step.expects else result.status
                wrong += [f"step {step.name}: {line}" for line in result.differs[:1]]
            else:
                tell(f"step {step.name} not run: {result.why}")
                wrong += [] if skip_unrunnable else [f"step {step.name}: not run: {result.why}"]
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("run", Ran(system.machine.name, done, wrong, None if what is None else [*emit(system, what)]))
    elif what is not None:
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


def _carried_out(system: System, step: Step, runner: Runner | None, *, trace: bool, state: bool) -> Done:
    """Do one step, and see what came of it."""
    from softreserve.machine.snapshot import state_lines
    from softreserve.machine.steps import differences, run_step

    was, mark = state_lines(system), len(system.log)
    result = run_step(system, step, runner, trace=trace)
    now = state_lines(system)
    changes = [line for line in list(unified_diff(was, now, ("", ""), context=0))[2:] if not line.startswith("@@")]
    return Done(
        result.name,
        result.status,
        result.results,
        result.output,
        result.trace,
        result.why,
        differences(step, result) if result.status is not None else [],
        system.log.lines_since(mark),
        changes,
        now if state else None,
    )


def _print(done: Done) -> None:
    if done.status is None:
        return
    say(f"# {done.name}: {done.status}")
    print(done.output if done.trace is None else done.trace, end="")
    for line in done.log:
        say(f"[log] {line}")
    for line in done.changes if done.state is None else done.state:
        say(line)
    for line in done.differs:
        say(f"[differs] {line}")
