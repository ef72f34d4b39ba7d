"""``softreserve align``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.options import TracedCommand, in_bytes, on_behalf, plain_option, plugin_option, trace_option
from softreserve.cli.terminal import columns, is_plain, print_table, say, tell

if TYPE_CHECKING:
    from softreserve.views.alignment import Row

__all__ = ["Alignment", "align_command"]


@attrs.frozen
class Alignment:
    """What alignment leaves of a range: bytes, half open.

    :param rows: by kind of kernel.
    :param left_out: a sentence on each kind of kernel that cannot address the range.
    :param refused: a sentence on each kind of kernel where kmem can add none of what alignment leaves.
    """

    start: int
    end: int
    rows: list[Row]
    left_out: list[str]
    refused: list[str]


@click.command("align", cls=TracedCommand)
@click.argument("start", callback=in_bytes)
@click.argument("size", callback=in_bytes)
@plugin_option
@trace_option()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; sizes are bytes.")
@plain_option
def align_command(start: int, size: int, plugin: tuple[str, ...], trace_plugins: str | None, as_json: bool) -> None:
    """Show what alignment leaves of a specific purpose range: START and SIZE in bytes (0x880200000, 2046M).

    One row per architecture, page size and release that makes a difference; each is booted. Away from a terminal the
    table is Markdown.
    """
    from softreserve.model.ranges import PhysRange
    from softreserve.plugins.selection import Selection
    from softreserve.views.alignment import HEADINGS, answer, cells, markdown

    if not size:
        raise click.BadParameter("an empty range", param_hint="'SIZE'")
    range_ = PhysRange.from_size(start, size)
    if range_.end > 1 << 64:
        raise click.BadParameter(f"the range ends at {range_.end:#x}; addresses have 64 bits", param_hint="'SIZE'")
    with on_behalf(plugin, trace_plugins):
        found, notes, refused = answer(range_, Selection())
    for note in notes:
        tell(f"left out: {note}")
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("align", Alignment(range_.start, range_.end, found, notes, refused))
        return
    if columns() is None and not is_plain():  # Markdown, to be pasted
        for line in markdown(range_, found):
            say(line)
    else:
        say(f"{range_.start:#x}-{range_.last:#x}, {range_.size >> 20} MiB:")
        print_table(HEADINGS, [cells(range_, row) for row in found], right={2, 3, 4, 5}, prose=False)
    for sentence in refused if not is_plain() else ():  # whose lines are rows
        say("")
        say(sentence)
