"""``softreserve explain``."""

from __future__ import annotations

import attrs
import click

from softreserve.cli.options import Choices, MachineCommand, booted, in_bytes, machine_argument, machine_options
from softreserve.cli.output import print_kernel, print_partial
from softreserve.cli.terminal import say
from softreserve.model.events import Event

__all__ = ["explain_command"]


@click.command("explain", cls=MachineCommand)
@machine_argument()
@click.argument("address", callback=in_bytes)
@machine_options()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain_command(
    machine: str,
    address: int,
    choices: Choices,
    as_json: bool,
) -> None:
    """Say what ADDRESS (bytes; 0x240000000, 9G) is to MACHINE, and every decision on the way there."""
    from softreserve.views.report import report
    from softreserve.views.summary import owners_at, why

    system = booted(machine, choices, recording=True).system
    part = report(system).outcome.part_at(address)
    events, owners = why(system, address), owners_at(system, address)
    node = system.nodes.phys_to_target_node(address)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json(
            "explain",
            {
                "address": address,
                "kernel": system.kernel.origin,
                "owners": owners,
                "node": node,
                "specific_purpose": attrs.asdict(part) if part is not None else None,
                "events": [event._asdict() for event in events],
            },
        )
        return
    print_kernel(system.kernel)
    print_partial()
    say(f"{address:#x} is {' > '.join(owners) or 'no resource'}" + (f", looked up as node {node}" if node >= 0 else ""))
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
