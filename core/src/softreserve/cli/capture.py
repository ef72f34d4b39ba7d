"""``softreserve capture``."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import attrs
import click

from softreserve.cli.progress import progress
from softreserve.cli.terminal import tell

__all__ = ["capture_command"]


@attrs.frozen
class Captured:
    """A capture that was made: its files, and what is not in it, each with the reason."""

    directory: str
    files: list[str]
    not_known: dict[str, str]


@click.command("capture")
@click.option("-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="The capture: a new directory.")
@click.option(
    "--sysroot",
    metavar="DIR|TAR",
    help="Take the copies of a host's files in a directory or a tar archive: of the script, of a sosreport, of a "
    "supportconfig, of hwloc's collector.  [default: this machine]",
)
@click.option("--full-log", is_flag=True, help="Keep every line of the log, and the whole command line.")
@click.option(
    "--print-script", is_flag=True, help="Print a shell script that collects, for hosts without this program."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def capture_command(
    output: Path | None, sysroot: str | None, full_log: bool, print_script: bool, as_json: bool
) -> None:
    """Write what decides about this machine's memory, and what its kernel shows of it, as a capture directory.

    An ordinary user gets what the kernel shows to everybody; what was hidden is said. Names, addresses and numbers of
    people, hosts, networks and disks are left out.
    """
    if print_script:
        from softreserve.config.host.script import script

        print(script(), end="")
        return
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    from softreserve.config.host import collect
    from softreserve.config.host.sources import host_tree
    from softreserve.live.whole import whole_directory

    with progress("collecting"):
        case = collect(host_tree(sysroot), full_log=full_log)
    with whole_directory(output) as new:
        for name, data in case.files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    tell(f"{len(case.files)} files in {output}")
    for name, why in case.hidden.items():
        tell(f"not known: {name}: {why}")
    if case.for_root and sysroot is None and os.geteuid() != 0:
        tell(f"with all of it: {_as_root(output, full_log=full_log)}")
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("capture", Captured(str(output), sorted(case.files), dict(case.hidden)))


def _as_root(output: Path, *, full_log: bool) -> str:
    """The line that fetches what was hidden, into another directory: sudo has a search path of its own."""
    program = os.path.abspath(sys.argv[0])
    runs = [program] if os.path.basename(program) == "softreserve" else [sys.executable, "-m", "softreserve"]
    words = ["sudo", *runs, "capture", "-o", f"{output}-as-root", *(["--full-log"] if full_log else [])]
    return shlex.join(words)
