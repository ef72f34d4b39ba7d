"""``softreserve doctor``."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import attrs
import click

from softreserve import __version__
from softreserve.cli.options import given_plugins, plain_option, plugin_option
from softreserve.cli.terminal import Styled, say

if TYPE_CHECKING:
    from softreserve.live.probes import Probe

__all__ = ["Checkup", "doctor_command"]

_STYLES = {"works": "good", "missing": "warning", "broken": "error"}
_WIDTH = 18


@attrs.frozen
class Checkup:
    """What works here: the version of the program, and all that was tried."""

    softreserve: str
    probes: tuple[Probe, ...]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
@plugin_option
def doctor_command(plugin: tuple[str, ...], as_json: bool) -> int:
    """Try out what works here, and say how to get the rest.

    Machines are booted, mounted and lived in, programs are asked for their versions, plugins are loaded: each in a
    process of its own, for half a minute at most. What is missing is optional, and named with what brings it. Ends with
    1 when something is there and does not work.
    """
    from softreserve.cli.progress import progress
    from softreserve.live.probes import probes

    with progress("trying out what works here"):
        found = tuple(probes(given_plugins(plugin)))
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("doctor", Checkup(__version__, found))
    else:
        _print(found)
    return int(any(probe.state == "broken" for probe in found))


def _print(found: tuple[Probe, ...]) -> None:
    say(f"softreserve {__version__}")
    for group, some in groupby(sorted(found, key=attrgetter("group")), attrgetter("group")):
        say()
        say(Styled(group, "heading"))
        for probe in some:
            get = f"; to get it: {probe.get}" if probe.get and probe.state != "works" else ""
            say(
                "  ",
                Styled(probe.state.ljust(8), _STYLES[probe.state]),
                f"{probe.name.ljust(_WIDTH)}  {probe.words}{get}",
            )
    counts = {state: sum(probe.state == state for probe in found) for state in _STYLES}
    say()
    say(", ".join(f"{count} {_COUNTED[state]}" for state, count in counts.items() if count))


_COUNTED = {"works": "work", "missing": "missing", "broken": "broken"}
