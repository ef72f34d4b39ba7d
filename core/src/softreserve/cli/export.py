"""``softreserve export``."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.terminal import tell

__all__ = ["export_command"]


@attrs.frozen
class Exported:
    """A directory that was written, and how many files are in it."""

    directory: str
    files: int


@click.command("export", cls=MachineCommand)
@machine_argument()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Take the place of an earlier export.")
@machine_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export_command(
    machine: str,
    directory: Path,
    replace: bool,
    choices: Choices,
    as_json: bool,
) -> None:
    """Boot MACHINE and write its /sys and /proc files into DIRECTORY, for lsmem -s, lscpu -s, HWLOC_FSROOT= lstopo.

    DIRECTORY appears whole or not at all.
    """
    from softreserve.live.export import export

    count = export(booted(machine, choices).system, directory, replace=replace)
    tell(f"{count} files in {directory}")
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("export", Exported(str(directory), count))
