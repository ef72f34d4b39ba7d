"""``softreserve fleet``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import product
from typing import TYPE_CHECKING

import click

from softreserve.cli.options import Choices, MachineCommand, machine_options, plain_option
from softreserve.cli.output import VERDICT_STYLES
from softreserve.cli.progress import progress
from softreserve.cli.terminal import Styled, print_table, say, tell
from softreserve.cli.upgrade import several
from softreserve.model.errors import InputError
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from types import FrameType

    from softreserve.cli.fleet.journal import Journal
    from softreserve.cli.fleet.schedulers import Scheduler
    from softreserve.cli.fleet.work import Asked
    from softreserve.views.fleet.question import Crossing, Question
    from softreserve.views.fleet.summary import FleetSummary

__all__ = ["checked_release", "fleet_command"]

_STDOUT = "-"
#: How many reasons, rules and names are printed; JSON has all.
_MOST = 8


@click.command("fleet", cls=MachineCommand, epilog="")
@click.argument("inventory")
@machine_options(one=False)
@click.option(
    "--kexec",
    "kexecs",
    multiple=True,
    metavar="POLICY[,KEY=VALUE...]",
    help="Cross a kexec after the boot; KEYs are options of softreserve kexec. May be given again.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="The rows: JSON Lines, or Parquet (.parquet); - is standard output."
)
@click.option("--replace", is_flag=True, help="Take the place of earlier rows.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Processes that work.  [default: one for each core]")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Have the workers of a dask.distributed scheduler do it.")
@click.option("--time", "timed", is_flag=True, help="Say in each row how many seconds it took.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@plain_option
def fleet_command(
    inventory: str,
    choices: Choices,
    kexecs: tuple[str, ...],
    output: str | None,
    replace: bool,
    resume: bool,
    jobs: int | None,
    scheduler: str | None,
    timed: bool,
    as_json: bool,
) -> int:
    """Ask every machine of INVENTORY the same questions: a row for each answer, and a summary.

    INVENTORY is a folder of captures, logs and machine files, at any depth; a tar of one; a list of them (JSON Lines or
    Parquet); or a MACHINE. Every release (--kernel 6.12,7.3) with every command line and every kexec that is given is a
    question; without any, machines are asked as they are.

    The rows stand in the order of the inventory, whoever made them. A machine that cannot be read, or does not come
    up, is a row that says why, and the exit code is 2. What an interrupted run had is kept in FILE.journal.
    """
    from softreserve.cli.fleet.work import Asked
    from softreserve.plugins.selection import wishes

    if as_json and output == _STDOUT:
        raise click.UsageError("--json is for standard output, too: name a file for the rows")
    if resume and output in (None, _STDOUT):
        raise click.UsageError("--resume goes on with a file: name it by -o")
    asked = Asked(tuple(questions(choices, kexecs)), wishes(), timed)
    summary = answered(inventory, asked, output, replace=replace, resume=resume, jobs=jobs, address=scheduler)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("fleet", summary)
    elif output != _STDOUT:
        print_fleet(summary)
    return summary.status


def questions(choices: Choices, kexecs: Sequence[str]) -> list[Question]:
    """Every kernel with every command line and every kexec.

    :raises SoftReserveError: something that no machine can be asked.
    """
    from softreserve.views.fleet.question import Question, crossing

    kernels = several(choices) or [choices]
    for one in kernels:
        if one.changes.kernel is not None:
            checked_release(one.changes.kernel)
    crossings: list[Crossing | None] = [crossing(text) for text in kexecs]
    found = [
        Question(one.changes._replace(cmdline=text), one.userspace, kexec)
        for one, text, kexec in product(kernels, choices.cmdlines or (None,), crossings or [None])
    ]
    return list(dict.fromkeys(found))


def checked_release(name: str) -> None:
    """See that there can be such a kernel.

    :raises MachineError: it does not begin with a version.
    """
    from softreserve.model.release import Release

    Release.parse(name)


def answered(
    inventory: str,
    asked: Asked,
    output: str | None,
    *,
    replace: bool,
    resume: bool,
    jobs: int | None,
    address: str | None,
) -> FleetSummary:
    """Ask all machines, and write their rows.

    :param output: ``None``: nowhere.
    :param jobs: how many processes; ``None``: one for each core.
    :param address: of a cluster's scheduler.
    :raises InputError: there is no such inventory, or the rows cannot be written.
    """
    from softreserve.cli.fleet.journal import SUFFIX, Journal
    from softreserve.cli.fleet.output import PARQUET, check_writable, is_rows, write_rows
    from softreserve.cli.fleet.run import Run
    from softreserve.config.inventory.sources import about, machines
    from softreserve.live.whole import whole_file
    from softreserve.views.fleet.summary import FleetSummary

    is_file = output not in (None, _STDOUT)
    workers = _workers(jobs, address)
    summary = FleetSummary(output)
    hint = "" if replace else "; --replace takes the place of earlier rows"
    path = output if output is not None and is_file else ""
    if path:
        check_writable(path)
        if not replace and os.path.lexists(path):
            raise InputError(f"is there already, and stays as it is{hint}", path=path)
    with Journal(path and path + SUFFIX, asked, resume=resume, replace=replace) as journal:
        found = machines(inventory, but=(path, path + SUFFIX) if path else ())
        run = Run(found, asked, journal)
        with _ended_by_signals(), closing(found), _keeping(journal):
            with progress("asking", about(inventory)) as step:
                run.work(workers, step)
            rows = run.rows(summary)
            if path:
                with whole_file(path, replaces=is_rows if replace else None, hint=hint) as file:
                    write_rows(file, rows, parquet=path.endswith(PARQUET))
                    _check_some(summary, inventory, journal)
        if output == _STDOUT:
            sys.stdout.flush()
            write_rows(sys.stdout.buffer, rows)
        elif not path:
            for _ in rows:
                pass
        _check_some(summary, inventory, journal)
        journal.remove()
    return summary


class _EndedError(BaseException):
    """A signal came that ends the process."""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have signals end the process when what is unfinished has been taken away, and not before."""
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise _EndedError

    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if came:
            os.kill(os.getpid(), came[0])


@contextmanager
def _keeping(journal: Journal) -> Iterator[None]:
    """Say where answers are if something goes wrong; without any there is nothing to be kept."""
    try:
        yield
    except (KeyboardInterrupt, _EndedError, InputError, OSError):
        if journal.path and len(journal):
            tell(f"{journal.path}: has the answers of {len(journal):,} machines; --resume goes on with them")
        else:
            journal.remove()
        raise


def _check_some(summary: FleetSummary, inventory: str, journal: Journal) -> None:
    """See that there was a machine; without one nothing is left behind."""
    if not summary.machines:
        journal.remove()
        raise InputError("no machine in it", path=inventory)


def _workers(jobs: int | None, address: str | None) -> Scheduler:
    """Who does the work.

    :raises InputError: something is not installed.
    """
    if address is not None:
        from softreserve.cli.fleet.cluster import cluster

        return cluster(address)
    from softreserve.cli.fleet.schedulers import cores, here, processes

    wanted = jobs or cores()
    try:
        return here if wanted == 1 else processes(wanted)
    except InputError:
        if jobs is not None:
            raise
        tell("one core does the work: the others take joblib, pip install 'softreserve[fleet]'")
        return here


def print_fleet(summary: FleetSummary) -> None:
    """How many machines there are, and what each question told, the worst first."""
    same = summary.machines - summary.different
    words = f"{summary.machines:,} machine{'' if summary.machines == 1 else 's'}" + (
        f", {summary.different:,} different" if same else ""
    )
    say(Styled(words, "heading"), f"; rows: {summary.output}" if summary.output else "")
    if summary.passed_over:
        names = ", ".join(summary.passed_over[:_MOST])
        more = f" and {len(summary.passed_over) - _MOST:,} more" if len(summary.passed_over) > _MOST else ""
        say(Styled(f"no machines: {names}{more}", "aside"))
    say()
    rows = [
        (
            told.question or "as they are",
            f"{told.answers:,}",
            Styled(f"{told.failed:,}", "loss") if told.failed else "-",
            Styled(f"{told.losing:,}", "loss") if told.losing else "-",
            human_size(told.total) if told.total else "-",
            Styled(human_size(told.lost), "loss") if told.lost else "-",
            ", ".join(f"{count:,} {word}" for word, count in sorted(told.kexec.items())) or "-",
        )
        for told in summary.questions
    ]
    headings = ("question", "machines", "no answer", "losing", "specific purpose", "lost", "over kexec")
    print_table(headings, rows, right={1, 2, 3, 4, 5}, prose=False)
    found: dict[str, list[int]] = {}
    for number, told in enumerate(summary.questions):
        for rule, count in told.lint.items():
            found.setdefault(rule, [0] * len(summary.questions))[number] = count
    if found:
        say()
        ordered = sorted(found.items(), key=lambda item: (-max(item[1]), item[0]))
        columns = [told.question or "as they are" for told in summary.questions]
        print_table(
            ("machines with a finding", *columns),
            [(rule, *(f"{count:,}" if count else "-" for count in counts)) for rule, counts in ordered[:_MOST]],
            right=set(range(1, len(columns) + 1)),
            prose=False,
        )
        if len(ordered) > _MOST:
            say(Styled(f"and {len(ordered) - _MOST} more rules", "aside"))
    for why, count in [*summary.errors.items()][:_MOST]:
        times = f" ({count:,} rows)" if count > 1 else ""
        say(Styled(f"{why}{times}", VERDICT_STYLES["error"]))
    if len(summary.errors) > _MOST:
        say(Styled(f"and {len(summary.errors) - _MOST:,} more reasons", "aside"))
