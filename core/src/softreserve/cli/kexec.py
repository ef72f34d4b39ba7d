"""``softreserve kexec``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.options import (
    Choice,
    Choices,
    MachineCommand,
    booted,
    in_bytes,
    machine_argument,
    machine_options,
    plain_option,
)
from softreserve.cli.output import print_partial, print_verdict
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.model.kexec import KEXEC_TOOLS, KexecSegment
from softreserve.model.outcome import Marked
from softreserve.model.sizes import human_size
from softreserve.model.units import U64_MAX
from softreserve.views.report import Verdict

if TYPE_CHECKING:
    from softreserve.views.crossing import Generation

__all__ = ["Chain", "Crossed", "Fate", "kexec_command"]


@attrs.frozen
class Fate(Marked):
    """A range that was marked for the first kernel, and what it is to this one.

    :param state: ``soft reserved``, ``reserved``, ``RAM``, ``lost``, another resource's name, or ``mixed``.
    """

    state: str = ""


@attrs.frozen
class Crossed:
    """One kernel of a chain.

    :param generation: its number; the first one's is 0.
    :param problems: what was lost on the way here, or overwritten.
    :param dax_kept: whether the dax devices are what they were one generation before; ``None``: there is none, or
        there were none and are none.
    :param segments: what the loader put where.
    :param warnings: what of that is in the wrong place.
    """

    generation: int
    release: str
    verdict: Verdict
    problems: tuple[str, ...]
    ranges: list[Fate]
    dax_kept: bool | None
    segments: tuple[KexecSegment, ...]
    warnings: tuple[str, ...]


@attrs.frozen
class Chain:
    """Kernels that were started one after the other."""

    generations: list[Crossed]


@click.command("kexec", cls=MachineCommand)
@machine_argument()
@click.option("--kexec-tools", metavar="VERSION", help=f"The loader's version.  [default: {KEXEC_TOOLS}]")
@click.option(
    "--syscall",
    type=Choice(["kexec_load", "kexec_file_load"]),
    help="How the kernel is loaded.  [default: as kexec does]",
)
@click.option("--policy", default="default", show_default=True, help="What is done for specific purpose memory.")
@click.option("--chain", type=click.IntRange(1, 100), default=1, show_default=True, help="How many kexecs in a row.")
@click.option("--to-kernel", metavar="RELEASE", help="The release that is started.")
@click.option("--append", default="", metavar="TEXT", help="Added to the next kernel's command line.")
@click.option("--mem-min", metavar="BYTES", callback=in_bytes, help="Lowest address for segments (kexec_load).")
@click.option("--mem-max", metavar="BYTES", callback=in_bytes, help="Highest address for segments (kexec_load).")
@machine_options()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@plain_option
def kexec_command(
    machine: str,
    kexec_tools: str | None,
    syscall: str | None,
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

    Ends with 1, and says what happened, where a later kernel sets less of it aside than the first one, or can use less
    of it, or where a loader overwrites it.
    """
    from softreserve.config.builds import rebuilt
    from softreserve.model.kexec import KexecRequest, KexecTools
    from softreserve.views.crossing import cross

    tools = KexecTools(kexec_tools or KEXEC_TOOLS)
    system, _, hooks_for = booted(machine, choices, recording=True)
    request = KexecRequest(
        syscall=syscall or tools.syscall(system.kernel),
        tools=tools,
        kernel=rebuilt(system.kernel, release=to_kernel, arch=None, page_size=None) if to_kernel else None,
        cmdline=system.cmdline.appended(append) if append else None,
        policy=policy,
        mem_min=mem_min or 0,
        mem_max=U64_MAX if mem_max is None else mem_max,
    )
    generations = cross(system, request, hooks_for, chain)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("kexec", Chain([_told(generation) for generation in generations]))
    else:
        _print(generations)
    return 1 if any(generation.problems for generation in generations) else 0


def _told(generation: Generation) -> Crossed:
    from softreserve.views.crossing import state

    image = generation.image
    return Crossed(
        generation=generation.number,
        release=generation.release,
        verdict=generation.report.verdict,
        problems=generation.problems,
        ranges=[Fate(m.start, m.end, m.by, m.parts, m.source, state(m)) for m in generation.ranges],
        dax_kept=generation.dax_kept,
        segments=image.segments if image is not None else (),
        warnings=image.warnings if image is not None else (),
    )


def _print(generations: list[Generation]) -> None:
    """Verdicts and problems first, then what each range is to each kernel, and what was put where."""
    print_partial()
    for generation in generations:
        say(Styled(f"generation {generation.number}: Linux {generation.release}", "heading"))
        if generation.problems:
            say(Styled(generation.report.verdict.text, "loss"))
        else:
            print_verdict(generation.report.verdict)
        for problem in generation.problems:
            say(Styled(f"  {problem}", "loss"), hang="      ")
        for warning in generation.image.warnings if generation.image is not None else ():
            if warning not in generation.problems:
                say(Styled(f"  {warning}, which is ordinary RAM to both kernels", "aside"), hang="      ")
        say()
    rows = [
        (f"{first.start:012x}-{first.end - 1:012x}", *(_fate(g.ranges[index]) for g in generations))
        for index, first in enumerate(generations[0].ranges)
    ]
    devices = ("dax devices", *(_dax_devices(generation) for generation in generations))
    headings = ("range (last byte included)", *(f"{g.number}: {g.release}" for g in generations))
    print_table(headings, [*rows, devices], prose=False)
    for generation in generations[1:]:
        assert generation.image is not None
        say()
        say(Styled(f"segments of generation {generation.number}:", "heading"))
        for segment in sorted(generation.image.segments, key=lambda s: s.range):
            say(f"  {segment.range.start:012x}-{segment.range.last:012x} {segment.what}")


def _fate(marked: Marked) -> str:
    """What a range is, its parts in order."""
    if len(marked.parts) == 1:
        return marked.parts[0].words
    return "; ".join(f"{human_size(part.size)} {part.words}" for part in marked.parts)


def _dax_devices(generation: Generation) -> str:
    if not generation.devices:
        return "none"
    words = {None: ", ".join(generation.devices), True: "as before", False: "not as before"}
    return words[generation.dax_kept]
