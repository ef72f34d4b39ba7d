"""``softreserve shell``."""

from __future__ import annotations

from pathlib import Path

import click

from softreserve.cli.live import record_option, recorded_system
from softreserve.cli.options import Choices, MachineCommand, machine_argument, machine_options

__all__ = ["shell_command"]


@click.command("shell", cls=MachineCommand, waits=False)
@machine_argument()
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@record_option
@machine_options()
def shell_command(
    machine: str,
    command: tuple[str, ...],
    record: Path | None,
    choices: Choices,
) -> int:
    """Boot MACHINE and run COMMAND (or a shell) where /sys, /dev/dax* and parts of /proc are the machine's.

    Put -- before a COMMAND with options. The rest of the host stays as it is; modprobe and its relatives mean the
    machine's modules, and kernels cannot be loaded. Ends with COMMAND's exit code.
    """
    from softreserve.live.shell import Session, interactive_command

    with (
        recorded_system(machine, choices, record) as (system, recorder),
        Session(system, recorder=recorder) as session,
    ):
        return session.attach(command or interactive_command())
