"""``softreserve examples``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from softreserve.cli.options import plain_option
from softreserve.cli.terminal import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Example", "examples_command"]


@attrs.frozen
class Example:
    """A bundled machine: what commands take it by, its architecture and kernel, what it is, and its file."""

    name: str
    arch: str
    kernel: str
    words: str
    file: str


@attrs.frozen
class Examples:
    """All bundled machines."""

    examples: list[Example]


def _examples() -> Iterator[Example]:
    """All of them, as their files tell."""
    import tomllib

    from softreserve import config

    for name in config.example_names():
        path = config.example_path(name)
        with open(path, "rb") as file:
            top = tomllib.load(file)
        kernel = top["kernel"]
        yield Example(f"{config.EXAMPLE}{name}", kernel["arch"], kernel["release"], top["words"], path)


@click.command("examples")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_option
def examples_command(as_json: bool) -> None:
    """List the example machines that are bundled: what every command takes as a MACHINE, and what each is."""
    found = list(_examples())
    if as_json:
        from softreserve.cli.jsonout import print_json

        print_json("examples", Examples(found))
        return
    rows = [(example.name, example.arch, example.kernel, example.words) for example in found]
    print_table(("MACHINE", "arch", "kernel", "what it is"), rows)
