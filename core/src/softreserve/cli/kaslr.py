"""``softreserve kaslr``."""

from __future__ import annotations

import attrs
import click

from softreserve.cli.options import (
    Choices,
    MachineCommand,
    asked,
    machine_argument,
    machine_options,
    plain_option,
    tell_gaps,
)
from softreserve.cli.progress import progress
from softreserve.cli.terminal import print_table, say
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import MachineError
from softreserve.model.machine import Machine
from softreserve.model.placement import Placement, SlotArea
from softreserve.plugins.hooks import Hooks
from softreserve.views.sampling import Bucket, Sample

__all__ = ["Places", "kaslr_command"]

_BAR = 40  # characters of the longest bar of the histogram
_NOKASLR = "nokaslr"
_ANY_SEED = 1  # for what does not depend on it; 0 means "no randomness" to some architectures


@attrs.frozen
class Seeded:
    """Where a seed puts the image: nowhere if ``address`` is ``None``; ``fixed`` says why the seed was not asked."""

    seed: int
    address: int | None
    fixed: str | None


@attrs.frozen
class DrawnArea:
    """One range of the map (bytes, half open), its slots, and how often one of them was drawn."""

    start: int
    end: int
    slots: int
    first: int | None
    why: str
    hits: int


@attrs.frozen
class Samples:
    """Draws, by range of the map and by piece of the address space."""

    count: int
    areas: list[DrawnArea]
    buckets: tuple[Bucket, ...]


@attrs.frozen
class Places:
    """Where the kernel image may go: bytes. From ``without_nokaslr`` on: what would be without that word.

    :param image_size: of the image while it is unpacked.
    :param align: the distance of slots.
    :param fixed: why it goes to one ``address`` only; ``None``: a seed chooses.
    :param slots: how many addresses there are to choose from.
    :param areas: every range of the map.
    """

    machine: str
    release: str
    arch: str
    image_size: int
    align: int
    fixed: str | None
    address: int | None
    notes: tuple[str, ...]
    without_nokaslr: bool
    slots: int
    areas: tuple[SlotArea, ...]
    seed: Seeded | None
    samples: Samples | None


def _seed(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A number of up to 64 bits, decimal or with ``0x``."""
    if value is None:
        return None
    try:
        seed = int(value, 0)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number") from None
    if not 0 <= seed < 1 << 64:
        raise click.BadParameter(f"{value!r} is not a number of 64 bits")
    return seed


@click.command("kaslr", cls=MachineCommand)
@machine_argument()
@machine_options(boots=False)
@click.option("--seed", callback=_seed, metavar="NUMBER", help="Show where these random bits put the kernel image.")
@click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Draw N times, and count.")
@click.option(
    "--sample-seed", type=int, default=0, metavar="NUMBER", help="Draw other numbers; the same ones give the same."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; numbers are bytes, ends not included.")
@plain_option
def kaslr_command(
    machine: str,
    choices: Choices,
    seed: int | None,
    samples: int | None,
    sample_seed: int,
    as_json: bool,
) -> None:
    """Show where KASLR may put the kernel image of MACHINE, where not, and why.

    With nokaslr on the command line it goes to one place only; --seed and --samples show what it would do without.
    """
    scenario, hooks_for = asked(machine, choices)
    described, randomized = scenario.machine, _without_nokaslr(scenario.machine)
    hooks = hooks_for(described)
    bits = _ANY_SEED if seed is None else seed
    placement = _placement(hooks, described, bits)
    free = placement if randomized is described else _placement(hooks, randomized, bits)
    tell_gaps(scenario.gaps)
    drawn = None
    if samples is not None:
        from random import Random

        from softreserve.views.sampling import sample

        with progress("drawing", samples) as step:
            drawn = sample(free, samples, Random(sample_seed), step)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("kaslr", _told(described, placement, free, seed, drawn))
        return
    without = "" if free is placement else f" without {_NOKASLR}"
    _print(described, placement, free, without)
    if seed is not None and not free.fixed:
        say(f"seed {seed:#x}{without}: {_address(free)}" + (f", slot {free.slot(seed)}" if free.slots else ""))
    if drawn is not None:
        _print_sample(drawn, without)


def _placement(hooks: Hooks, machine: Machine, seed: int) -> Placement:
    placement = hooks.stub_place_image(machine, seed)
    if placement is None:
        loaded = ", ".join(hooks.names) or "none"
        raise MachineError(f"no loaded plugin places the kernel image of {machine.arch}; loaded: {loaded}")
    return placement


def _without_nokaslr(machine: Machine) -> Machine:
    """The same machine with its address space randomised, if the kernel can do it."""
    words = machine.cmdline.text.split(" ")
    if _NOKASLR not in words:
        return machine
    return attrs.evolve(machine, cmdline=CommandLine(" ".join(word for word in words if word != _NOKASLR)))


def _told(machine: Machine, placement: Placement, free: Placement, seed: int | None, drawn: Sample | None) -> Places:
    """Everything that is printed, and the hits per map range."""
    samples = None
    if drawn is not None:
        areas = [
            DrawnArea(area.start, area.end, area.slots, area.first, area.why, hits)
            for area, hits in zip(free.areas, drawn.hits, strict=True)
        ]
        samples = Samples(drawn.count, areas, drawn.buckets)
    return Places(
        machine=machine.name,
        release=machine.kernel.release,
        arch=machine.arch,
        image_size=free.size,
        align=free.align,
        fixed=placement.fixed or None,
        address=placement.address if placement.fixed else None,
        notes=placement.notes,
        without_nokaslr=free is not placement,
        slots=free.slots,
        areas=free.areas,
        seed=None if seed is None else Seeded(seed, free.address, free.fixed or None),
        samples=samples,
    )


def _print(machine: Machine, placement: Placement, free: Placement, without: str) -> None:
    from softreserve.model.sizes import human_size

    size, align = human_size(free.size), human_size(free.align)
    say(f"{machine.name}: Linux {machine.kernel.release}, {machine.arch}, image of {size}, a slot every {align}")
    rows = [(_span(area.range.start, area.range.end), str(area.slots), _why(area)) for area in free.areas]
    print_table(("range (last byte included)", "slots", "why"), rows, right={1})
    say(f"{free.slots} slots{without}")
    for note in placement.notes:
        say(note)
    if placement.fixed:
        say(f"always at {_address(placement)}: {placement.fixed}")


def _address(placement: Placement) -> str:
    return "nowhere" if placement.address is None else f"{placement.address:#x}"


def _span(start: int, end: int) -> str:
    return f"{start:016x}-{end - 1:016x}"


def _why(area: SlotArea) -> str:
    return area.why if area.first is None else f"{area.why}, from {area.first:#x} on"


def _print_sample(drawn: Sample, without: str) -> None:
    """Hits per piece of the address space, as a histogram."""
    say(f"{drawn.count:,} samples{without}:" + ("" if drawn.buckets else " no slot to draw from"))
    most = max((bucket.hits for bucket in drawn.buckets), default=0) or 1
    rows = [
        (
            _span(bucket.start, bucket.end),
            f"{bucket.hits:,}",
            f"{100 * bucket.hits / drawn.count:.1f} %",
            "#" * round(_BAR * bucket.hits / most),
        )
        for bucket in drawn.buckets
    ]
    if rows:
        print_table(("range (last byte included)", "hits", "share", ""), rows, right={1, 2})
