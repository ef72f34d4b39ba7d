"""``softreserve serve``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.live import record_option, recorded_system
from softreserve.cli.options import Choices, MachineCommand, machine_argument, machine_options
from softreserve.cli.terminal import tell

if TYPE_CHECKING:
    from softreserve.model.kernel import Origin

__all__ = ["Served", "serve_command"]


@attrs.frozen
class Served:
    """A machine that is mounted, and where."""

    machine: str
    kernel: Origin
    directory: str


@click.command("serve", cls=MachineCommand, waits=False)
@machine_argument()
@click.argument("directory", type=Path)  # click.Path looks at it, and waits for one that does not answer
@record_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as soon as it is mounted.")
@machine_options()
def serve_command(
    machine: str,
    directory: Path,
    record: Path | None,
    choices: Choices,
    as_json: bool,
) -> None:
    """Boot MACHINE and mount its /sys, /proc files and device nodes at DIRECTORY until ^C or umount.

    Writes to DIRECTORY/sys change the machine and fail as they would there.
    """
    from softreserve.live.fuse import check_fuse, mount
    from softreserve.live.server import LiveSystem

    check_fuse()
    with recorded_system(machine, choices, record) as (system, recorder):

        def ready() -> None:
            if as_json:
                from softreserve.cli.jsonout import print_json

                print_json("serve", Served(system.machine.name, system.kernel.origin, str(directory)))
                sys.stdout.flush()
            tell(f"{system.machine.name} is at {directory}; ^C ends it")

        mount(LiveSystem(system, recorder=recorder), directory, ready)
