"""``softreserve schema``: what programs can rely on, in JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from softreserve.cli.options import Choice, on_behalf, plugin_option

__all__ = ["MACHINE", "SCHEMAS", "print_machine_schema", "schema_command"]

_FOLDER: Final = Path(__file__).with_name("schemas")
#: Names of the answers that ``--json`` gives, most of them those of commands.
SCHEMAS: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))
#: What machine files are.
MACHINE: Final = "machine"


@click.command("schema")
@click.argument("name", metavar="NAME", required=False, type=Choice((*SCHEMAS, MACHINE)))
@plugin_option
def schema_command(name: str | None, plugin: tuple[str, ...]) -> None:
    """Print the JSON Schema of an answer, or of machine files.

    NAME is a command: what its --json prints; emit, what boot --emit --json prints; fleet-row, a row that fleet writes;
    or machine, for editors and whoever writes machine files: with the tables of plugins. Without NAME, all names.
    """
    if name is None:
        for known in (*SCHEMAS, MACHINE):
            print(known)
    elif name == MACHINE:
        with on_behalf(plugin):
            print_machine_schema()
    else:
        print((_FOLDER / f"{name}.json").read_text("utf-8"), end="")


def print_machine_schema() -> None:
    """The schema of machine files that are read with the plugins that are wanted everywhere, and with those named."""
    import json

    from softreserve.config.machine_file import OWN_KEYS
    from softreserve.config.schema import machine_file_schema
    from softreserve.config.sections import sections_of
    from softreserve.plugins.selection import Selection

    sections = sections_of(Selection().hooks(), OWN_KEYS).values()
    print(json.dumps(machine_file_schema(sections), indent=1))
