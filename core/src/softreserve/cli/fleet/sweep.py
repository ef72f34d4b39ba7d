"""``softreserve sweep``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from softreserve.cli.fleet.command import checked_release
from softreserve.cli.options import (
    Choices,
    MachineCommand,
    described,
    machine_argument,
    machine_options,
    plain_option,
    tell_gaps,
)
from softreserve.cli.output import VERDICT_STYLES
from softreserve.cli.progress import progress
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.model.errors import nearest, shown
from softreserve.model.sizes import human_size
from softreserve.model.userspace import USERSPACES
from softreserve.views.fleet.row import Row

if TYPE_CHECKING:
    from softreserve.model.scenario import Scenario
    from softreserve.views.fleet.question import Question

__all__ = ["AXES", "Placed", "Swept", "sweep_command"]

#: What can be varied, and whether commas stand between its values; others are given again.
AXES: Final[Mapping[str, bool]] = {
    "kernel": True,
    "page-size": True,
    "arch": True,
    "userspace": True,
    "cmdline": False,
    "config": False,
    "kexec": False,
    "layout": True,
}
#: Stands for all layouts that are worth a try.
_SEARCH: Final = "search"


@attrs.frozen
class Placed:
    """A layout, over all other questions: bytes.

    :param lost: the most that nobody can use as it is; ``lost_as_system_ram`` if kmem had all dax devices.
    :param total: the least specific purpose memory.
    :param changed: what is marked, or is RAM, otherwise than in the machine's own layout.
    :param descriptors: how many more descriptors there are.
    :param on_front: whether no other one is better in one of these and worse in none.
    """

    layout: str
    lost: int
    lost_as_system_ram: int
    total: int
    changed: int
    descriptors: int
    on_front: bool


@attrs.frozen
class Swept:
    """One machine with many questions.

    :param axes: what was varied, and its values.
    :param layouts: where layouts are among them: how each does; those on the front first.
    """

    machine: str
    axes: dict[str, list[str]]
    rows: list[Row]
    layouts: list[Placed]


@click.command("sweep", cls=MachineCommand)
@machine_argument()
@click.option(
    "--over",
    "overs",
    multiple=True,
    required=True,
    metavar="AXIS=VALUES",
    help="Vary this: kernel=6.1,7.3, cmdline=TEXT (given again), layout=search ...",
)
@machine_options()
@click.option("-o", "--output", metavar="FILE", help="The rows as softreserve fleet writes them (.jsonl, .parquet).")
@click.option("--replace", is_flag=True, help="Take the place of earlier rows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def sweep_command(
    machine: str, overs: tuple[str, ...], choices: Choices, output: str | None, replace: bool, as_json: bool
) -> int:
    """Ask MACHINE every combination of some kernels, page sizes, command lines, kexecs or layouts.

    An AXIS is kernel, page-size, arch, userspace, cmdline, config, kexec or layout; other options go for all. Layouts
    move, align, join and split the specific purpose memory in the firmware's map: layout=join+inward:2M, or
    layout=search, which tries many and shows those than which none is better: less lost, or less changed.
    """
    from softreserve.views.fleet.row import row

    scenario = described(machine, choices)
    axes = _axes(overs)
    asked = [*_questions(scenario, choices, axes)]
    rows: list[Row] = []
    with progress("asking", len(asked)) as step:
        for question in asked:
            rows.append(row(scenario, question, machine=scenario.machine.name, digest=""))
            step(1)
    tell_gaps(scenario.gaps)
    found = Swept(scenario.machine.name, axes, rows, _layouts(scenario, asked, rows))
    if output is not None:
        _write(output, rows, replace=replace)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("sweep", found)
    else:
        _print(found, asked)
    return max(row.status for row in rows)


def _axes(overs: Sequence[str]) -> dict[str, list[str]]:
    """What is varied, each value once.

    :raises click.BadParameter: there is no such axis, or no such value.
    """
    found: dict[str, list[str]] = {}
    for over in overs:
        name, equals, text = over.partition("=")
        axis = name.strip().replace("_", "-")
        if axis not in AXES or not equals:
            hint = nearest(axis, AXES) if axis not in AXES else ""
            wanted = f"wanted AXIS=VALUES, with one of {', '.join(AXES)}, not {shown(over)}{hint}"
            raise click.BadParameter(wanted, param_hint="'--over'")
        values = [value.strip() for value in text.split(",")] if AXES[axis] else [text]
        if not all(values) and axis != "cmdline":
            raise click.BadParameter(f"{axis}: a value is missing", param_hint="'--over'")
        known = found.setdefault(axis, [])
        known += [value for value in dict.fromkeys(values) if value not in known]
    for release in found.get("kernel", ()):
        checked_release(release)
    for name in found.get("userspace", ()):
        if name not in USERSPACES:
            words = f"{shown(name)} is not one of {', '.join(USERSPACES)}{nearest(name, USERSPACES)}"
            raise click.BadParameter(words, param_hint="'--over userspace'")
    return found


def _questions(scenario: Scenario, choices: Choices, axes: dict[str, list[str]]) -> Iterator[Question]:
    """Every combination; all layouts that are worth a try in the place of the word for them."""
    from softreserve.views.fleet.layout import AS_IS, relaid
    from softreserve.views.fleet.question import Question, crossing

    if _SEARCH in axes.get("layout", ()):
        axes["layout"] = [*dict.fromkeys((AS_IS, *_candidates(scenario, choices), *axes["layout"]))]
        axes["layout"].remove(_SEARCH)
    for layout in axes.get("layout", ()):
        relaid(scenario.machine, layout)
    for values in product(*axes.values()):
        one: dict[str, Any] = dict(zip(axes, values, strict=True))
        kexec, layout, userspace = (one.pop(name, None) for name in ("kexec", "layout", "userspace"))
        changes = choices.changes._replace(**{name.replace("-", "_"): value for name, value in one.items()})
        if "config" in one:
            changes = changes._replace(config=(*(choices.changes.config or ()), one["config"]))
        yield Question(changes, userspace or choices.userspace, crossing(kexec) if kexec else None, layout)


def _candidates(scenario: Scenario, choices: Choices) -> Iterator[str]:
    from softreserve.cli.options import booted
    from softreserve.views.fleet.layout import candidates

    system = booted(scenario, choices).system
    return candidates(system.machine, system.memory.block_size)


def _layouts(scenario: Scenario, asked: Sequence[Question], rows: Sequence[Row]) -> list[Placed]:
    """How each layout does over all other questions: those first than which none is better."""
    from softreserve.views.fleet.layout import cost, relaid

    groups: dict[str, list[Row]] = {}
    for question, row in zip(asked, rows, strict=True):
        if question.layout is not None:
            groups.setdefault(question.layout, []).append(row)
    found = []
    for layout, members in groups.items():
        if any(row.error is not None for row in members):
            continue
        changed = cost(scenario.machine.efi_map, relaid(scenario.machine, layout).efi_map)
        lost, as_ram = (max(getattr(row, name) for row in members) for name in ("lost", "lost_as_system_ram"))
        total = min(row.total or 0 for row in members)
        found.append(Placed(layout, lost, as_ram, total, changed.changed, changed.descriptors, on_front=False))
    front = [one for one in found if not any(_better(other, one) for other in found)]
    seen: set[tuple[int, ...]] = set()
    ordered = []
    for one in sorted(front, key=_prices):
        ordered.append(attrs.evolve(one, on_front=_prices(one) not in seen))
        seen.add(_prices(one))
    rest = [one for one in found if one not in front]
    return sorted(ordered, key=lambda one: not one.on_front) + sorted(rest, key=_prices)


def _prices(one: Placed) -> tuple[int, ...]:
    """What is to be small: what is lost, what becomes of RAM, what changes."""
    return one.lost, one.lost_as_system_ram, -one.total, one.changed, one.descriptors


def _better(one: Placed, other: Placed) -> bool:
    pairs = [*zip(_prices(one), _prices(other), strict=True)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _write(output: str, rows: Sequence[Row], *, replace: bool) -> None:
    from softreserve.cli.fleet.output import PARQUET, check_writable, is_rows, write_rows
    from softreserve.live.whole import whole_file
    from softreserve.model.plain import plain

    check_writable(output)
    hint = "" if replace else "; --replace takes the place of earlier rows"
    with whole_file(output, replaces=is_rows if replace else None, hint=hint) as file:
        write_rows(file, map(plain, rows), parquet=output.endswith(PARQUET))


def _print(found: Swept, asked: Sequence[Question]) -> None:
    say(Styled(f"{found.machine}: {len(found.rows):,} questions", "heading"))
    say()
    if found.layouts:
        _print_layouts(found.layouts)
        if len(found.axes) == 1:
            return
        say()
    shown_layouts = {None, *(one.layout for one in found.layouts if one.on_front)}
    rows = [
        (*(_value(question, axis) for axis in found.axes), *_answer(row))
        for question, row in zip(asked, found.rows, strict=True)
        if question.layout in shown_layouts or row.error is not None
    ]
    print_table((*found.axes, "lost", "as system RAM", "verdict"), rows, right={len(found.axes), len(found.axes) + 1})


def _value(question: Question, axis: str) -> str:
    if axis in ("userspace", "layout"):
        return str(getattr(question, axis))
    if axis == "kexec":
        return question._replace(changes=type(question.changes)(), userspace=None, layout=None).words
    value = getattr(question.changes, axis.replace("-", "_"))
    return str(value[-1] if isinstance(value, tuple) else value)


def _answer(row: Row) -> tuple[str | Styled, ...]:
    if row.error is not None:
        return ("", "", Styled(row.error, "error"))
    kexec = f"; over kexec {row.kexec}" if row.kexec is not None else ""
    words = Styled(f"{row.verdict}{kexec}", VERDICT_STYLES[str(row.severity)])
    return (_size(row.lost or 0), _size(row.lost_as_system_ram or 0), words)


def _size(size: int) -> str | Styled:
    return Styled(human_size(size), "loss") if size else "-"


def _print_layouts(layouts: Sequence[Placed]) -> None:
    """Those than which none is better, and the machine's own."""
    from softreserve.views.fleet.layout import AS_IS

    chosen = [one for one in layouts if one.on_front or one.layout == AS_IS]
    rows = [
        (
            Styled(one.layout, "good" if one.on_front else ""),
            _size(one.lost),
            _size(one.lost_as_system_ram),
            human_size(one.total) if one.total else "-",
            human_size(one.changed) if one.changed else "-",
            f"{one.descriptors:+}" if one.descriptors else "-",
        )
        for one in chosen
    ]
    headings = ("layout", "lost", "as system RAM", "specific purpose", "changed", "descriptors")
    print_table(headings, rows, right={1, 2, 3, 4, 5}, prose=False)
    if len(rows) < len(layouts):
        say(Styled(f"{len(layouts) - len(rows)} more layouts were tried (--json has them)", "aside"))
