"""``softreserve shell``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from softreserve.cli.live import record_option, recorded_system
from softreserve.cli.options import Choice, Choices, MachineCommand, machine_argument, machine_options
from softreserve.cli.terminal import tell

__all__ = ["shell_command"]

#: How a test says that it was skipped: by its exit code, as meson and automake take it, or in TAP.
_SKIPPED, _TAP = "77", "tap"


@click.command("shell", cls=MachineCommand, waits=False)
@machine_argument()
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@record_option
@click.option(
    "--skip-as",
    type=Choice([_SKIPPED, _TAP]),
    help="Where no program can be run on a machine, do not fail: end with 77, or with 0 and a plan of no tests (TAP).",
)
@machine_options()
def shell_command(
    machine: str,
    command: tuple[str, ...],
    record: Path | None,
    skip_as: str | None,
    choices: Choices,
) -> int:
    """Boot MACHINE and run COMMAND (or a shell) where /sys, /dev/dax* and parts of /proc are the machine's.

    Put -- before a COMMAND with options. The rest of the host stays as it is; modprobe and its relatives mean the
    machine's modules, and kernels cannot be loaded. Ends with COMMAND's exit code.
    """
    from softreserve.live.fuse import FuseError
    from softreserve.live.shell import Helper, Session, SessionError, interactive_command

    # it starts while the machine boots
    with closing(Helper()) as helper, recorded_system(machine, choices, record) as (system, recorder):
        try:
            session = Session(system, recorder=recorder, helper=helper)
        except (FuseError, SessionError) as error:
            if skip_as is None:
                raise
            if skip_as == _TAP:
                print(f"1..0 # SKIP {error}")
                return 0
            tell(str(error))
            return int(_SKIPPED)
        with session:
            return session.attach(command or interactive_command())
