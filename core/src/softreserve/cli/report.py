"""``softreserve report``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from softreserve import __version__
from softreserve.cli.options import Booted, Choices, MachineCommand, booted, described, machine_options
from softreserve.cli.picture import write_out
from softreserve.cli.upgrade import several
from softreserve.model.errors import MachineError

if TYPE_CHECKING:
    from softreserve.views.page.page import Dead, Shown

__all__ = ["report_command"]


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
@machine_options(kernels=True)
def report_command(
    machines: tuple[str, ...],
    output: str,
    replace: bool,
    kexec: int,
    choices: Choices,
) -> int:
    """Boot each MACHINE and draw what Linux makes of its memory, as one HTML page that needs no network.

    Several machines, releases (--kernel 6.1,6.12,7.3) or generations (--kexec) stand beside each other on one axis of
    addresses. FILE appears whole or not at all. A folder of machines becomes a directory: a page for each and an index.
    """
    from softreserve.config.fleet import machines_in
    from softreserve.views.page.page import environment, is_page, page

    environment()  # before anything is booted
    names = machines_in(machines[0]) if len(machines) == 1 else None
    if names is not None:
        from softreserve.cli.report_folder import report_folder

        return report_folder(machines[0], names, output, lambda one: list(_shown(one, choices, kexec)), replace=replace)
    dead: list[Dead] = []
    systems = [one for machine in machines for one in _shown(machine, choices, kexec, dead)]
    if not systems:
        raise MachineError(dead[0].why)
    text = page(systems, __version__, dead)
    hint = "" if replace else "; --replace takes the place of an earlier report"
    write_out(output, text, is_page if replace else None, hint)
    return 0


def _shown(machine: str, choices: Choices, kexecs: int, dead: list[Dead] | None = None) -> Iterator[Shown]:
    """A machine with each of the kernels that are asked for, and those that follow by kexec.

    :param dead: gets the kernels that do not come up.
    :raises MachineError: without ``dead``, one does not.
    """
    from softreserve.views.page.page import Dead, shown

    scenario = described(machine, choices)
    for one in several(choices) or [choices]:
        try:
            found = booted(scenario, one, recording=True)
        except MachineError as error:
            if dead is None:
                raise
            release = one.changes.kernel or scenario.machine.kernel.release
            dead.append(Dead(f"{scenario.machine.name}: Linux {release}", str(error)))
            continue
        system = found.system
        title = f"{system.machine.name}: Linux {system.kernel.release}"
        if kexecs:
            yield from _generations(found, title, kexecs)
        else:
            yield shown(title, system, gaps=found.scenario.gaps)


def _generations(found: Booted, title: str, kexecs: int) -> Iterator[Shown]:
    from softreserve.model.kexec import KexecRequest, KexecTools
    from softreserve.views.crossing import cross
    from softreserve.views.page.page import shown

    tools = KexecTools()
    request = KexecRequest(syscall=tools.syscall(found.system.kernel), tools=tools)
    for one in cross(found.system, request, found.hooks_for, kexecs):
        name = title if one.number == 1 else f"generation {one.number}: Linux {one.release}"
        yield shown(name, one.system, one.report, found.scenario.gaps, one.problems)
