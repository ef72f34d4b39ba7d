"""``softreserve show-input``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from softreserve.cli.options import (
    Choices,
    MachineCommand,
    described,
    machine_argument,
    machine_options,
    plain_option,
    tell_gaps,
)
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.config.reader import path_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from softreserve.model.findings import Finding
    from softreserve.model.scenario import Scenario
    from softreserve.views.understood import LogLines, Part, Understood

__all__ = ["show_input_command"]

#: How many names of files and lines of a log are listed, where nobody asks for all.
_SHOWN = 12
_STYLES = {"used": "good", "ignored": "aside", "broken": "error", "missing": "warning"}


@click.command("show-input", cls=MachineCommand)
@machine_argument()
@machine_options(changes=False, boots=False)
@click.option("--kernel", metavar="RELEASE", help="Which kernel wrote a log that does not tell.")
@click.option("--all", "everything", is_flag=True, help="Name every file, and every line of a log that was left aside.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def show_input_command(machine: str, choices: Choices, everything: bool, as_json: bool) -> None:
    """Show what was understood of MACHINE's files, what was taken for granted, and what was left aside.

    Of a kernel log: which lines told something, and which speak of memory and did not. Of ACPI tables: which are used,
    which the kernel refuses, and why. Of a machine file: what is taken for keys that it does not have.
    """
    from softreserve.views.understood import understood

    told, scenario = understood(machine, lambda: described(machine, choices, with_steps=True), _found)
    tell_gaps(scenario.gaps)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("show-input", told)
    else:
        _print(told, scenario, everything=everything)


def _found(scenario: Scenario) -> Iterable[Finding]:
    """What ``lint`` finds."""
    from softreserve.machine.boot import boot
    from softreserve.plugins.selection import Selection
    from softreserve.views.report import report

    hooks = Selection(exactly=scenario.plugins).hooks_for(scenario.machine)
    return report(boot(scenario.machine, hooks, recording=True, userspace=scenario.machine.userspace.wanted())).findings


def _print(told: Understood, scenario: Scenario, *, everything: bool) -> None:
    say(Styled(f"{path_words(told.input)}: {told.kind}", "heading"))
    for fact in told.facts:
        say(f"  {fact.name}: {fact.value}")
    _print_parts("ACPI tables", told.tables, len(told.tables))
    _print_parts("files", told.files, len(told.files) if everything else _SHOWN)
    for log in told.logs:
        _print_log(log, everything=everything)
    if told.defaults:
        say()
        say(Styled("not said, and taken", "heading"))
        for default in told.defaults:
            say(f"  {default.name} = {default.value}")
    if told.ignored:
        say()
        say(Styled("keys that mean nothing here", "heading"))
        for key in told.ignored:
            say(f"  {key}")
    if scenario.gaps:
        say()
        say(Styled("not known", "heading"))
        for gap in scenario.gaps:
            say(f"  {gap.missing}: {gap.so}", hang="      ")


def _print_parts(heading: str, parts: Sequence[Part], shown: int) -> None:
    if not parts:
        return
    say()
    rows = [(part.name, Styled(part.state, _STYLES[part.state]), part.words) for part in parts]
    print_table((heading, "", ""), [*rows[:shown]])
    if len(rows) > shown:
        say(Styled(f"... and {len(rows) - shown} more (--all)", "aside"))


def _print_log(log: LogLines, *, everything: bool) -> None:
    say()
    boots = f"; of {log.boots} boots in it the last one" if log.boots > 1 else ""
    say(Styled("kernel log", "heading"), f": {log.messages} messages{boots}, of which {log.used} told something")
    if not log.unused:
        return
    shown = len(log.unused) if everything else _SHOWN
    say(f"  {len(log.unused)} others speak of memory; nothing was taken of them:")
    for number, message in log.unused[:shown]:
        say(Styled(f"  line {number}", "aside"), f": {message}", hang="      ")
    if len(log.unused) > shown:
        say(Styled(f"  ... and {len(log.unused) - shown} more (--all)", "aside"))
