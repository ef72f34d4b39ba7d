"""``softreserve explain``."""

from __future__ import annotations

import attrs
import click

from softreserve.cli.options import Choices, MachineCommand, booted, machine_argument, machine_options
from softreserve.cli.output import print_partial
from softreserve.cli.terminal import say
from softreserve.model.events import Event

__all__ = ["explain_command"]


@click.command("explain", cls=MachineCommand)
@machine_argument()
@click.argument("address")
@machine_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain_command(
    machine: str,
    address: str,
    choices: Choices,
    as_json: bool,
) -> None:
    """Say what ADDRESS (bytes; 0x240000000, 9G) is to MACHINE, and every decision on the way there."""
    from softreserve.config.reader import parse_size
    from softreserve.views.report import report
    from softreserve.views.summary import owners_at, why

    try:
        at = parse_size(address)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ADDRESS") from None
    system = booted(machine, choices, recording=True).system
    part = report(system).outcome.part_at(at)
    events, owners = why(system, at), owners_at(system, at)
    node = system.nodes.phys_to_target_node(at)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json(
            "explain",
            {
                "address": at,
                "owners": owners,
                "node": node,
                "specific_purpose": attrs.asdict(part) if part is not None else None,
                "events": [event._asdict() for event in events],
            },
        )
        return
    print_partial()
    say(f"{at:#x} is {' > '.join(owners) or 'no resource'}" + (f", looked up as node {node}" if node >= 0 else ""))
    if not events:
        say("  neither the firmware's map nor anything later names it")
    for event in events:
        _print(event)
    if part is not None:
        say(f"  in the end: {part.words}{f': {part.why}' if part.why else ''}")


def _print(event: Event) -> None:
    words = f"  {event.stage}: {event.rule}"
    if event.before and event.after:
        words += f": {event.before} -> {event.after}"
    elif event.before or event.after:
        words += f": {event.before or event.after}"
    if event.start is not None and event.end is not None:
        words += f" [{event.start:#x}-{event.end - 1:#x}]"
    say(words)
    if event.function:
        say(f"      {event.function}", hang="        ")
