"""``softreserve export``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from softreserve.cli.options import Changes, asked, change_options, machine_argument, plugin_option
from softreserve.machine.boot import boot

__all__ = ["export_command"]


@click.command("export")
@machine_argument()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Take the place of a directory that holds something.")
@change_options
@plugin_option
def export_command(
    machine: str,
    directory: Path,
    replace: bool,
    arch: str | None,
    kernel: str | None,
    cmdline: str | None,
    page_size: str | None,
    plugin: tuple[str, ...],
) -> None:
    """Boot MACHINE and write its /sys and /proc files into DIRECTORY, for lsmem -s, lscpu -s, HWLOC_FSROOT= lstopo.

    DIRECTORY appears whole or not at all.
    """
    from softreserve.live.export import export

    scenario, selection = asked(machine, plugin, Changes(arch, kernel, cmdline, page_size))
    system = boot(scenario.machine, selection.hooks_for(scenario.machine), recording=False)
    count = export(system, directory, replace=replace)
    print(f"softreserve: {count} files in {directory}", file=sys.stderr)
