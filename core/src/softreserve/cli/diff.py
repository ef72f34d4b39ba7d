"""``softreserve diff``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from softreserve.cli.options import (
    Choice,
    Choices,
    MachineCommand,
    booted,
    described,
    machine_argument,
    machine_options,
)
from softreserve.cli.output import VERDICT_STYLES, print_partial
from softreserve.cli.terminal import Styled, say
from softreserve.config.changes import Changes
from softreserve.views.difference import unified_diff
from softreserve.views.emit import EMITTERS, emit
from softreserve.views.report import Verdict, outcome_lines, report

__all__ = ["diff_command"]

#: What is compared where nobody says what.
_USUAL = ("iomem", "firmware-memmap", "nodes", "memory-blocks", "dax", "memory-tiers")
_SPECIFIC_PURPOSE = "specific purpose memory"
_STYLES = {"+": "added", "-": "removed", "@": "aside"}


@click.command("diff", cls=MachineCommand)
@machine_argument()
@machine_argument("other", required=False)
@machine_options()
@click.option("--emit", "what", multiple=True, type=Choice(list(EMITTERS)), help="Compare this (may be repeated).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff_command(
    machine: str,
    other: str | None,
    choices: Choices,
    what: tuple[str, ...],
    as_json: bool,
) -> int:
    """Compare MACHINE with OTHER, or with itself, under another kernel, command line or architecture.

    The options change the second of the two. What became of specific purpose memory comes first, then the kernel's own
    files; with --emit only those that were asked for. Ends with 1 when something differs.
    """
    if other is None and not choices.changes:
        raise click.UsageError("nothing to compare with: give OTHER, or an option that changes MACHINE")
    first = described(machine, choices)
    second = first if other in (None, machine) else described(str(other), choices)
    before = booted(first, choices._replace(changes=Changes()), recording=not what).system
    after = booted(second, choices, recording=not what).system
    names = before.machine.name, after.machine.name + _words(choices.changes)
    reports = () if what else (report(before), report(after))
    found = {}
    if reports:
        old, new = (outcome_lines(told.outcome) for told in reports)
        found[_SPECIFIC_PURPOSE] = list(unified_diff(old, new, names, context=1))
    found |= {
        name: list(unified_diff(emit(before, name), emit(after, name), names, context=1)) for name in what or _USUAL
    }
    if as_json:
        from softreserve.cli.jsonout import print_json

        verdicts = {"verdicts": [told.verdict.as_json() for told in reports]} if reports else {}
        print_json("diff", {"before": names[0], "after": names[1], **verdicts, "differences": found})
    else:
        _print(names, [told.verdict for told in reports], found)
    return 1 if any(found.values()) else 0


def _print(names: tuple[str, str], verdicts: Sequence[Verdict], found: Mapping[str, Sequence[str]]) -> None:
    print_partial()
    for sign, name, verdict in zip("-+", names, verdicts, strict=False):
        say(Styled(f"{sign} {name}: ", "heading"), Styled(verdict.text, VERDICT_STYLES[verdict.severity]))
    for name, lines in found.items():
        if lines:
            say(Styled(f"=== {name}", "heading"))
            for line in lines:
                say(Styled(line, _STYLES.get(line[:1], "")))
    if not any(found.values()):
        say(Styled(f"no difference in {', '.join(found)}", "good"))


def _words(changes: Changes) -> str:
    words = [word for word in (changes.arch, changes.kernel, changes.page_size, changes.cmdline) if word]
    return f" ({', '.join(words)})" if words else ""
