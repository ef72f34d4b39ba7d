"""``softreserve serve``."""

from __future__ import annotations

from pathlib import Path

import click

from softreserve.cli.live import record_option, recorded_system
from softreserve.cli.options import Choices, MachineCommand, machine_argument, machine_options
from softreserve.cli.terminal import tell

__all__ = ["serve_command"]


@click.command("serve", cls=MachineCommand, waits=False)
@machine_argument()
@click.argument("directory", type=Path)  # click.Path looks at it, and waits for one that does not answer
@record_option
@machine_options()
def serve_command(
    machine: str,
    directory: Path,
    record: Path | None,
    choices: Choices,
) -> None:
    """Boot MACHINE and mount its /sys, /proc files and device nodes at DIRECTORY until ^C or umount.

    Writes to DIRECTORY/sys change the machine and fail as they would there.
    """
    from softreserve.live.fuse import check_fuse, mount
    from softreserve.live.server import LiveSystem

    check_fuse()
    with recorded_system(machine, choices, record) as (system, recorder):
        ready = f"{system.machine.name} is at {directory}; ^C ends it"
        mount(LiveSystem(system, recorder=recorder), directory, lambda: tell(ready))
