"""``softreserve kexec``."""

from __future__ import annotations

from typing import Any

import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.terminal import print_table, say, tell
from softreserve.model.units import U64_MAX

__all__ = ["kexec_command"]


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    from softreserve.config.reader import parse_size

    if value is None:
        return None
    try:
        return parse_size(int(value) if value.isdecimal() else value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("kexec", cls=MachineCommand)
@machine_argument()
@click.option(
    "--syscall", type=click.Choice(["kexec_load", "kexec_file_load"]), default="kexec_load", show_default=True
)
@click.option("--policy", default="default", show_default=True, help="What is done for specific purpose memory.")
@click.option("--chain", type=click.IntRange(1, 100), default=1, show_default=True, help="How many kexecs in a row.")
@click.option("--to-kernel", metavar="RELEASE", help="The release that is started.")
@click.option("--append", default="", metavar="TEXT", help="Added to the next kernel's command line.")
@click.option("--mem-min", metavar="BYTES", callback=_size, help="Lowest address for segments (kexec_load).")
@click.option("--mem-max", metavar="BYTES", callback=_size, help="Highest address for segments (kexec_load).")
@machine_options()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def kexec_command(
    machine: str,
    syscall: str,
    policy: str,
    chain: int,
    to_kernel: str | None,
    append: str,
    mem_min: int | None,
    mem_max: int | None,
    choices: Choices,
    as_json: bool,
) -> int:
    """Boot MACHINE, kexec into the next kernel, and show what each generation makes of specific purpose memory.

    Ends with 1 where memory of a device is overwritten or specific purpose memory is no longer soft reserved.
    """
    from softreserve.config.builds import rebuilt
    from softreserve.machine.crossing import cross
    from softreserve.model.kexec import KexecRequest

    system, _, hooks_for = booted(machine, choices)
    request = KexecRequest(
        syscall=syscall,
        kernel=rebuilt(system.kernel, release=to_kernel, arch=None, page_size=None) if to_kernel else None,
        cmdline=system.cmdline.appended(append) if append else None,
        policy=policy,
        mem_min=mem_min or 0,
        mem_max=U64_MAX if mem_max is None else mem_max,
    )
    generations = cross(system, request, hooks_for, chain)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("kexec", {"generations": [_as_json(generation) for generation in generations]})
    else:
        _print(generations)
    first = [f.state for f in generations[0].fates]
    changed = any([f.state for f in g.fates] != first for g in generations[1:])
    warned = any(g.image is not None and g.image.warnings for g in generations)
    return 1 if changed or warned else 0


def _as_json(generation: Any) -> dict[str, Any]:
    image = generation.image
    return {
        "generation": generation.number,
        "release": generation.release,
        "ranges": [
            {"start": f.range.start, "end": f.range.end, "state": f.state, "devices": list(f.devices)}
            for f in generation.fates
        ],
        "dax_kept": generation.dax_kept,
        "segments": [{"start": s.range.start, "end": s.range.end, "what": s.what} for s in image.segments]
        if image is not None
        else [],
        "warnings": list(image.warnings) if image is not None else [],
    }


def _print(generations: list[Any]) -> None:
    headings = ["range (last byte included)", *(f"{g.number}: {g.release}" for g in generations)]
    rows = []
    for index, first in enumerate(generations[0].fates):
        states = [generation.fates[index].state for generation in generations]
        rows.append([f"{first.range.start:012x}-{first.range.last:012x}", *states])
    kept = ["" if g.dax_kept is None else "kept" if g.dax_kept else "not kept" for g in generations]
    print_table(headings, [*rows, ["dax configuration", *kept]])
    for generation in generations[1:]:
        say(f"segments of generation {generation.number}:")
        for segment in sorted(generation.image.segments, key=lambda s: s.range):
            say(f"  {segment.range.start:012x}-{segment.range.last:012x} {segment.what}")
        for warning in generation.image.warnings:
            tell(f"generation {generation.number}: {warning}")
