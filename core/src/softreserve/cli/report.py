"""``softreserve report``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import attrs
import click

from softreserve import __version__
from softreserve.cli.options import Booted, Choices, MachineCommand, booted, described, machine_options
from softreserve.cli.picture import write_out
from softreserve.cli.progress import progress
from softreserve.cli.upgrade import several
from softreserve.model.errors import InputError, MachineError

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.views.fleet.summary import FleetSummary
    from softreserve.views.page.index import Listed, Unread
    from softreserve.views.page.page import Dead, Shown
    from softreserve.views.report import Verdict

__all__ = ["report_command"]


@attrs.frozen
class OnPage:
    """What is shown on a page, and how it does."""

    title: str
    verdict: Verdict


@attrs.frozen
class Page:
    """A page that was written: what it shows, and kernels that do not come up."""

    output: str
    systems: list[OnPage]
    dead: list[Dead]


@attrs.frozen
class Folder:
    """A directory that was written: an index, and pages of the machines in a folder.

    :param rows: of the index: each kernel of each machine.
    :param failed: machines that cannot be shown.
    :param passed_over: what is no machine.
    """

    output: str
    rows: list[Listed]
    failed: list[Unread]
    passed_over: list[Unread]


@click.command("report", cls=MachineCommand)
@click.argument("machines", metavar="MACHINE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    help="The page; - is standard output. Of a folder of machines: a directory.",
)
@click.option("--replace", is_flag=True, help="Take the place of an earlier report.")
@click.option("--kexec", type=click.IntRange(0, 20), default=0, help="Cross so many kexecs, and show each kernel.")
@click.option(
    "--index", "of_rows", is_flag=True, help="MACHINE is a file of rows that softreserve fleet wrote: a page of them."
)
@machine_options(kernels=True, cmdlines=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def report_command(
    machines: tuple[str, ...],
    output: str,
    replace: bool,
    kexec: int,
    of_rows: bool,
    choices: Choices,
    as_json: bool,
) -> int:
    """Boot each MACHINE and draw what Linux makes of its memory, as one HTML page that needs no network.

    Several machines, releases (--kernel 6.1,6.12,7.3), command lines (--cmdline given again, beside the one that the
    machine has) or generations (--kexec) stand beside each other on one axis of addresses. FILE appears whole or not at
    all. A folder of machines becomes a directory: a page for each and an index. Many thousands are drawn by --index, of
    the rows that softreserve fleet wrote.
    """
    from softreserve.config.fleet import machines_in
    from softreserve.views.page.page import environment, is_page, page

    if as_json and output == "-":
        raise click.UsageError("--json is for standard output, too: name a file for the page")
    environment()  # before anything is booted
    hint = "" if replace else "; --replace takes the place of an earlier report"
    if of_rows:
        _draw_rows(machines, output, is_page if replace else None, hint, as_json=as_json)
        return 0
    names = machines_in(machines[0]) if len(machines) == 1 else None
    if names is not None:
        from softreserve.cli.report_folder import report_folder

        folder, boot = machines[0], lambda one, dead: list(_shown(one, choices, kexec, dead))
        reports = report_folder(folder, names, output, boot, replace=replace)
        if as_json:
            _print_json(Folder(output, reports.rows, reports.failed, reports.passed_over))
        return reports.status
    dead: list[Dead] = []
    systems: list[Shown] = []
    with progress("booting", len(machines)) as step:
        for machine in machines:
            systems += _told_apart(systems, machine, _shown(machine, choices, kexec, dead))
            step(1)
    if not systems:
        raise MachineError(dead[0].why)
    with progress("drawing"):
        text = page(systems, __version__, dead)
    write_out(output, text, is_page if replace else None, hint)
    if as_json:
        _print_json(Page(output, [OnPage(one.title, one.summary.verdict) for one in systems], dead))
    return 0


def _draw_rows(
    files: Sequence[str], output: str, replaces: Callable[[bytes], bool] | None, hint: str, *, as_json: bool
) -> None:
    """Draw a page of the rows of a fleet."""
    from softreserve.cli.fleet.output import read_rows
    from softreserve.views.page.fleet import fleet_page

    if len(files) > 1:
        raise click.UsageError("--index draws one file of rows")
    text, summary = fleet_page(os.path.basename(files[0]), read_rows(files[0]), __version__)
    if not summary.machines:
        raise InputError("no row of softreserve fleet", path=files[0])
    write_out(output, text, replaces, hint)
    if as_json:
        _print_json(attrs.evolve(summary, output=output))


def _print_json(answer: Page | Folder | FleetSummary) -> None:
    from softreserve.cli.jsonout import print_json

    print_json("report", answer)


def _shown(machine: str, choices: Choices, kexecs: int, dead: list[Dead]) -> Iterator[Shown]:
    """A machine with each kernel and command line that is asked for, and the kernels that follow by kexec.

    :param dead: gets the kernels that do not come up.
    """
    from softreserve.views.page.page import Dead, shown

    scenario = described(machine, choices)
    texts = [None, *choices.cmdlines] if len(choices.cmdlines) > 1 else [choices.changes.cmdline]
    for kernel, text in product(several(choices) or [choices], texts):
        words = f", {text}" if text is not None and len(texts) > 1 else ""
        try:
            found = booted(scenario, kernel._replace(changes=kernel.changes._replace(cmdline=text)), recording=True)
        except MachineError as error:
            release = kernel.changes.kernel or scenario.machine.kernel.release
            dead.append(Dead(f"{scenario.machine.name}: Linux {release}{words}", str(error)))
            continue
        if kexecs:
            yield from _generations(found, words, kexecs)
        else:
            yield shown(_title(found.system, words), found.system, gaps=found.scenario.gaps)


def _title(system: System, words: str, generation: int = 1) -> str:
    which = f", generation {generation}" if generation > 1 else ""
    return f"{system.machine.name}{which}: Linux {system.kernel.release}{words}"


def _told_apart(known: Iterable[Shown], machine: str, found: Iterable[Shown]) -> Iterator[Shown]:
    """Systems of a machine whose name another one has: with what the person called it in their titles."""
    titles = {one.title for one in known}
    for one in found:
        yield attrs.evolve(one, title=f"{one.title} ({machine})") if one.title in titles else one


def _generations(found: Booted, words: str, kexecs: int) -> Iterator[Shown]:
    from softreserve.model.kexec import KexecRequest, KexecTools
    from softreserve.views.crossing import cross
    from softreserve.views.page.page import shown

    tools = KexecTools()
    request = KexecRequest(syscall=tools.syscall(found.system.kernel), tools=tools)
    for one in cross(found.system, request, found.hooks_for, kexecs):
        title = _title(one.system, words, one.number)
        yield shown(title, one.system, one.report, found.scenario.gaps, one.problems)
