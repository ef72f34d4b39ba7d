"""``softreserve scenario``: troubles that people had, as machines to play them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.consent import run_programs_option
from softreserve.cli.options import on_behalf, plain_option, plugin_option
from softreserve.cli.progress import progress
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.model.errors import nearest, shown
from softreserve.model.trouble import TOLD, Trouble

if TYPE_CHECKING:
    from softreserve.views.scenarios.courses import Looked, Played, Sessions

__all__ = ["scenario_command"]

_AS_TOLD, _OTHERWISE, _NOT_RUN, _LEFT_OUT, _OUTSIDE = "as told", "otherwise", "not run", "left out", "outside"
_STYLES = {_AS_TOLD: "good", _OTHERWISE: "loss", _NOT_RUN: "warning", _LEFT_OUT: "aside", _OUTSIDE: "aside"}


class _Subcommands(click.Group):
    """Commands of a command, with help and hints like those of the others."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"No such command {shown(args[0])}{nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.context_class = type(ctx)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in self.commands.items()])


@attrs.frozen
class Expected:
    """Something that is expected after a ``step`` (0: after the boot) of a ``kernel`` (0: the first one)."""

    kernel: int
    step: int
    words: str


@attrs.frozen
class ToldRun:
    """A run of a scenario: what it is to the trouble, on which kernel, and all that is expected."""

    name: str
    told: str
    on: str
    expected: list[Expected]


@attrs.frozen
class Told:
    """A trouble that people had.

    :param id: its number in the library; empty for others.
    :param problem: what people met, and ``links`` where they tell of it.
    :param source: what the expected values stand on.
    :param outside: what of it is not shown here, and why; empty: nothing. Without runs that is all of it.
    """

    name: str
    id: str
    title: str
    problem: str
    links: tuple[str, ...]
    source: str
    outside: str
    runs: list[ToldRun]


@attrs.frozen
class Library:
    """All scenarios that come with the program."""

    scenarios: list[Told]


@attrs.frozen
class PlayedRun:
    """What came of a run of a scenario.

    :param not_run: why it was not played to its end; empty: it was.
    :param takes_program: whether that is because nobody lets programs run.
    """

    name: str
    told: str
    on: str
    as_told: bool
    not_run: str
    takes_program: bool
    looked: tuple[Looked, ...]


@attrs.frozen
class PlayedScenario:
    """What came of a scenario, and of each of its runs."""

    name: str
    id: str
    title: str
    result: str
    outside: str
    runs: list[PlayedRun]


@attrs.frozen
class PlayedScenarios:
    """What came of scenarios."""

    scenarios: list[PlayedScenario]


@click.group("scenario", cls=_Subcommands, invoke_without_command=True)
@click.pass_context
def scenario_command(ctx: click.Context) -> None:
    """Play troubles that people had again: known reports as machines, steps, and what came of them.

    NAME is that of a scenario of the library, its number (S12), a file of your own, or - for standard input.
    """
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@scenario_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def list_command(as_json: bool) -> None:
    """List the scenarios of the library."""
    from softreserve.config.scenario_file import find_scenario, library_names

    found = [find_scenario(name).trouble for name in library_names()]
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("scenarios", Library([_told(trouble) for trouble in found]))
        return
    print_table(("name", "kernels", "what it shows"), [(one.name, _kernels(one), one.title) for one in found])
    say()
    _print_outside(found)


@scenario_command.command("show")
@click.argument("name")
@click.option("--file", "as_file", is_flag=True, help="Print the file itself, to begin one of your own with.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def show_command(name: str, as_file: bool, as_json: bool) -> None:
    """Tell what a scenario is about, where people met it, and what is expected."""
    from softreserve.config.scenario_file import find_scenario

    file = find_scenario(name)
    if as_file:
        print(file.document.text, end="")
    elif as_json:
        from softreserve.cli.jsonout import print_json

        print_json("scenario", _told(file.trouble))
    else:
        _show(file.trouble)


@scenario_command.command("run")
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "all_", is_flag=True, help="Run the whole library.")
@run_programs_option
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def run_command(names: tuple[str, ...], all_: bool, run_programs: bool, plugin: tuple[str, ...], as_json: bool) -> int:
    """Play scenarios, and compare what comes of them with what people met.

    Ends with 1 where something comes otherwise, or where a scenario cannot be played. Runs that take programs are
    left out, and told, without --run-programs.
    """
    from softreserve.config.scenario_file import find_scenario, library_names
    from softreserve.views.scenarios.courses import play_all

    if all_ == bool(names):
        raise click.UsageError("wanted names of scenarios, or --all")
    sessions = _sessions() if run_programs else None
    with on_behalf(plugin):
        rows: list[_Row] = []
        asked = names or library_names()
        with progress("playing", len(asked)) as step:
            for name in asked:
                file = find_scenario(name)
                rows.append((file.trouble, list(play_all(file, sessions))))
                step(1)
                if not (as_json or all_):
                    _tell(*rows[-1])
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("scenario-run", PlayedScenarios([_outcome(*row) for row in rows]))
    elif all_:
        _print_table(rows)
    return 1 if any(_result(played) in (_OTHERWISE, _NOT_RUN) for _, played in rows) else 0


def _sessions() -> Sessions:
    from softreserve.live.shell import runner

    return runner


_Row = tuple[Trouble, Sequence["Played"]]


def _result(played: Sequence[Played]) -> str:
    """What came of a scenario, in a word; runs that were left out do not count where others were played."""
    if not played:
        return _OUTSIDE
    counted = [one for one in played if not one.takes_program]
    if any(one.wrong for one in counted):
        return _OTHERWISE
    return _NOT_RUN if any(one.not_run for one in counted) else _AS_TOLD if counted else _LEFT_OUT


def _kernels(trouble: Trouble) -> str:
    """On which kernels it happened, and where it is gone."""
    by_told: dict[str, list[str]] = {}
    for course in trouble.courses:
        found = by_told.setdefault(course.told, [])
        if course.on not in found:
            found.append(course.on)
    return "; ".join(f"{told} {', '.join(by_told[told])}" for told in TOLD if told in by_told) or "-"


def _print_table(rows: Sequence[_Row]) -> None:
    """A line for each, then everything that came otherwise."""
    results = [_result(played) for _, played in rows]
    table = [
        (trouble.name, Styled(result, _STYLES[result]), _kernels(trouble), trouble.title)
        for (trouble, _), result in zip(rows, results, strict=True)
    ]
    print_table(("name", "result", "kernels", "what it shows"), table)
    say()
    _print_outside([trouble for trouble, _ in rows])
    for trouble, played in rows:
        for one in played:
            _tell_course(one, f"{trouble.name}, ", only_wrong=True)
    counts = Counter(results)
    say(Styled(", ".join(f"{number} {result}" for result, number in counts.items()), "heading"))


def _print_outside(troubles: Sequence[Trouble]) -> None:
    """What is not shown of each, and why."""
    for trouble in troubles:
        if trouble.outside:
            say(Styled(f"{trouble.name}: not shown here: {trouble.outside}", "aside"))


def _tell(trouble: Trouble, played: Sequence[Played]) -> None:
    """All that was looked at."""
    say(Styled(f"{trouble.name}: {trouble.title}", "heading"))
    for one in played:
        _tell_course(one, "")
    if trouble.outside:
        say(Styled(f"not shown here: {trouble.outside}", "aside"))
    result = _result(played)
    say(Styled(result, _STYLES[result]))


def _tell_course(played: Played, prefix: str, *, only_wrong: bool = False) -> None:
    course = played.course
    if only_wrong and played.as_told:
        return
    say(f"{prefix}{course.name} ({TOLD[course.told]}; {course.on})")
    when = ""
    for one in played.looked:
        if only_wrong and not one.found:
            continue
        if one.when != when:
            when = one.when
            say(Styled(f"  {when}:", "aside"))
        if one.found:
            say("    ", Styled("differs", "loss"), f"  {one.words}: {one.found}", hang=" " * 13)
        else:
            say("    ", Styled("yes", "good"), f"      {one.words}", hang=" " * 13)
    if played.not_run:
        hint = "; --run-programs runs it" if played.takes_program else ""
        say("    ", Styled(f"not run: {played.not_run}{hint}", "warning"), hang=" " * 13)


def _show(trouble: Trouble) -> None:
    id_ = f" ({trouble.id})" if trouble.id else ""
    say(Styled(f"{trouble.name}{id_}: {trouble.title}", "heading"))
    say(trouble.problem, hang="")
    for link in trouble.links:
        say(Styled(f"  {link}", "aside"))
    if trouble.source:
        say(f"expected by: {trouble.source}")
    for course in trouble.courses:
        say()
        say(Styled(f"{course.name} ({TOLD[course.told]}; {course.on})", "heading"))
        for number, stage in enumerate(course.stages):
            if number:
                say(Styled("  kexec", "heading"))
            for one in stage.booted:
                say(f"  {one.words}")
            for step, expected in zip(stage.steps, stage.after, strict=True):
                for line in step.splitlines():
                    say(Styled(f"  {line}", "aside"))
                for one in expected:
                    say(f"    {one.words}")
    if trouble.outside:
        say()
        say(f"not shown here: {trouble.outside}")


def _told(trouble: Trouble) -> Told:
    """A scenario for programs."""
    runs = [
        ToldRun(
            course.name,
            course.told,
            course.on,
            [
                Expected(number, step, one.words)
                for number, stage in enumerate(course.stages)
                for step, expected in enumerate((stage.booted, *stage.after))
                for one in expected
            ],
        )
        for course in trouble.courses
    ]
    texts = (trouble.name, trouble.id, trouble.title, trouble.problem)
    return Told(*texts, trouble.links, trouble.source, trouble.outside, runs)


def _outcome(trouble: Trouble, played: Sequence[Played]) -> PlayedScenario:
    """What came of a scenario, for programs."""
    runs = [
        PlayedRun(
            one.course.name,
            one.course.told,
            one.course.on,
            one.as_told,
            one.not_run,
            one.takes_program,
            one.looked,
        )
        for one in played
    ]
    return PlayedScenario(trouble.name, trouble.id, trouble.title, _result(played), trouble.outside, runs)
