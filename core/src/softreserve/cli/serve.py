"""``softreserve serve``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from softreserve.cli.live import record_option, recorded_system
from softreserve.cli.options import Changes, change_options, machine_argument, plugin_option

__all__ = ["serve_command"]


@click.command("serve")
@machine_argument()
@click.argument("directory", type=click.Path(path_type=Path))
@record_option
@change_options
@plugin_option
def serve_command(
    machine: str,
    directory: Path,
    record: Path | None,
    arch: str | None,
    kernel: str | None,
    cmdline: str | None,
    page_size: str | None,
    plugin: tuple[str, ...],
) -> None:
    """Boot MACHINE and mount its /sys, /proc files and device nodes at DIRECTORY until ^C or umount.

    Writes to DIRECTORY/sys change the machine and fail as they would there.
    """
    from softreserve.live.fuse import check_fuse, mount
    from softreserve.live.server import LiveSystem

    check_fuse()
    with recorded_system(machine, Changes(arch, kernel, cmdline, page_size), plugin, record) as (system, recorder):
        ready = f"softreserve: {system.machine.name} is at {directory}; ^C ends it"
        mount(LiveSystem(system, recorder=recorder), directory, lambda: print(ready, file=sys.stderr, flush=True))
