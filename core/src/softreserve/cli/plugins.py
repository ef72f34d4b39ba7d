"""``softreserve plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.options import on_behalf, plain_option, plugin_option
from softreserve.cli.terminal import Styled, print_table, say
from softreserve.model.errors import PluginError
from softreserve.plugins.inventory import inventory, remarks
from softreserve.plugins.selection import Selection

if TYPE_CHECKING:
    from softreserve.plugins.inventory import Row

__all__ = ["Inventory", "plugins_command"]


@attrs.frozen
class Inventory:
    """The plugins that are there, and remarks on what is odd about them."""

    plugins: list[Row]
    remarks: list[str]


_HEADINGS = ("plugin", "from", "API", "kind", "loaded")


@click.command("plugins")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
@click.option("--schema", is_flag=True, help="The same as softreserve schema machine.")
def plugins_command(plugin: tuple[str, ...], as_json: bool, schema: bool) -> int:
    """List the installed plugins: wheel, version, what each is, when it is loaded, its hooks, and what it brings.

    A plugin that cannot be loaded is said to be broken, and the exit code is 3. -p asks for these plugins only.
    """
    with on_behalf(plugin):
        if schema:
            from softreserve.cli.schema import print_machine_schema

            print_machine_schema()
            return 0
        selection = Selection()
        rows, odd = inventory(selection), remarks(selection)
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("plugins", Inventory(rows, odd))
    else:
        _print(rows, selection.only_named)
        for line in odd:
            say(Styled("note", "note"), f": {line}")
    return PluginError.exit_code if any(row.error for row in rows) else 0


def _print(rows: list[Row], only_named: str) -> None:
    if not rows:
        say("no plugin is installed")
        return
    table = [(row.name, _from(row), str(row.api or "-"), _kind(row), _loaded(row, only_named)) for row in rows]
    print_table(_HEADINGS, table, right={2}, prose=False)
    for row in rows:
        say()
        say(Styled(row.name, "heading"), *([f" ({row.value})"] if row.value else []))
        if row.error:
            say("  ", Styled("broken", "error"), f": {row.error}")
        if row.prints:
            say("  ", Styled("prints", "warning"), f": {row.prints}")
        for what, names in row.brings.items():
            say(f"  {what}: {', '.join(names)}")
        if row.hooks:
            say(f"  hooks: {', '.join(row.hooks)}")
        elif not row.error:
            say("  ", Styled("note", "note"), ": implements no hook, so nothing is ever asked of it")


def _from(row: Row) -> str:
    """The wheel and its version."""
    if row.distribution is None:
        return "code" if row.value else "nowhere"
    return f"{row.distribution} {row.version or ''}".strip()


def _kind(row: Row) -> Styled:
    return Styled("broken", "error") if row.error else Styled(", ".join(row.kinds) or "-", "")


def _loaded(row: Row, only_named: str) -> str:
    """For which machines a plugin is loaded, and who said so."""
    if row.named:
        return f"{'left out' if row.left_out else 'named'} by {row.named}"
    if only_named:
        return f"when named ({only_named})"
    if row.everywhere:
        return "for every architecture"
    return f"for {', '.join(row.arches)}" if row.arches else "when named"
