"""``softreserve diff``."""

from __future__ import annotations

import click

from softreserve.cli.options import (
    Choices,
    MachineCommand,
    booted,
    described,
    machine_argument,
    machine_options,
)
from softreserve.cli.terminal import Styled, say
from softreserve.config.changes import Changes
from softreserve.kernel.system import System
from softreserve.views.difference import unified_diff
from softreserve.views.emit import EMITTERS, emit

__all__ = ["diff_command"]

#: What is compared where nobody says what.
_USUAL = ("iomem", "firmware-memmap", "nodes", "memory-blocks", "dax", "memory-tiers")
_STYLES = {"+": "added", "-": "removed", "@": "aside"}


@click.command("diff", cls=MachineCommand)
@machine_argument()
@machine_argument("other", required=False)
@machine_options()
@click.option(
    "--emit", "what", multiple=True, type=click.Choice(list(EMITTERS)), help="Compare this (may be repeated)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff_command(
    machine: str,
    other: str | None,
    choices: Choices,
    what: tuple[str, ...],
    as_json: bool,
) -> int:
    """Compare MACHINE with OTHER, or with itself, under another kernel, command line or architecture.

    The options change the second of the two. Ends with 1 when something differs.
    """
    if other is None and not choices.changes:
        raise click.UsageError("nothing to compare with: give OTHER, or an option that changes MACHINE")
    first = described(machine, choices)
    second = first if other in (None, machine) else described(str(other), choices)
    before = booted(first, choices._replace(changes=Changes())).system
    after = booted(second, choices).system
    names = before.machine.name, after.machine.name + _words(choices.changes)
    found = {name: _difference(before, after, name, names) for name in what or _USUAL}
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("diff", {"before": names[0], "after": names[1], "differences": found})
    else:
        for name, lines in found.items():
            if lines:
                say(Styled(f"=== {name}", "heading"))
                for line in lines:
                    say(Styled(line, _STYLES.get(line[:1], "")))
        if not any(found.values()):
            say(Styled(f"no difference in {', '.join(found)}", "good"))
    return 1 if any(found.values()) else 0


def _difference(before: System, after: System, name: str, names: tuple[str, str]) -> list[str]:
    return list(unified_diff(emit(before, name), emit(after, name), names, context=1))


def _words(changes: Changes) -> str:
    words = [word for word in (changes.arch, changes.kernel, changes.page_size, changes.cmdline) if word]
    return f" ({', '.join(words)})" if words else ""
