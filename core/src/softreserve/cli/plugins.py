"""``softreserve plugins``."""

from __future__ import annotations

from typing import Any

import click

from softreserve.cli.options import on_behalf, plugin_option
from softreserve.cli.terminal import say
from softreserve.model.errors import PluginError
from softreserve.plugins.hooks import load
from softreserve.plugins.selection import Selection

__all__ = ["plugins_command"]


@click.command("plugins")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plugins_command(plugin: tuple[str, ...], as_json: bool) -> int:
    """List the installed plugins: distribution, version, what each is loaded for, and its hooks.

    A plugin that cannot be loaded is said to be broken, and the exit code is 3. -p asks for these plugins only.
    """
    with on_behalf(plugin):
        selection = Selection()
    rows = [_row(name, selection) for name in selection.wanted or sorted(selection.installed)]
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("plugins", {"plugins": rows})
    else:
        for row in rows:
            _print(row)
        if not rows:
            say("no plugin is installed")
    return PluginError.exit_code if any(row["error"] for row in rows) else 0


def _row(name: str, selection: Selection) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "distribution": None, "version": None, "hooks": [], "error": None}
    found["arches"] = [arch for arch, names in selection.arches.items() if name in names]
    found["everywhere"] = name in selection.defaults
    entries = selection.installed.get(name, [])
    if entries:
        found["distribution"], found["version"] = entries[0].distribution, entries[0].version
    try:
        hooks = load([name], available=selection.installed)
    except PluginError as error:
        found["error"] = str(error)
    else:
        module = hooks.manager.get_plugin(name)
        found["hooks"] = sorted(caller.name for caller in hooks.manager.get_hookcallers(module) or ())
    return found


def _print(row: dict[str, Any]) -> None:
    purposes = [*row["arches"], *(["every architecture"] if row["everywhere"] else [])]
    loaded_for = ", ".join(purposes) or "nothing by itself"
    say(f"{row['name']}  ({row['distribution']} {row['version']}; loaded for: {loaded_for})")
    if row["error"]:
        say(f"    broken: {row['error']}")
    for hook in row["hooks"]:
        say(f"    {hook}")
