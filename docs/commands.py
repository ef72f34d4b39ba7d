"""Writes ``commands.md`` from what the commands say of themselves: ``python docs/commands.py``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Final

import click
from softreserve.cli import COMMANDS, cli

PAGE: Final = Path(__file__).with_name("commands.md")
#: What stands above it is written by hand.
MARK: Final = "<!-- what follows is written by docs/commands.py -->\n"

#: An option that so many commands have, with the same words, is told once.
_COMMON: Final = 4

#: An option as help has it, and what it does.
_Row = tuple[str, str]


def page() -> str:
    """The whole page as it should be."""
    head, mark, _ = PAGE.read_text("utf-8").partition(MARK)
    assert mark, "the mark is gone"
    return head + mark + "".join(f"{line}\n" for line in lines())


def lines() -> Iterator[str]:
    """Everything below the mark."""
    found = {name: one for word in COMMANDS for name, one in commands(word, command(word))}
    rows = {name: [*options(name, one)] for name, one in found.items()}
    counted = Counter(row for each in rows.values() for row in each)
    common = [row for row, times in counted.items() if times >= _COMMON]
    for name, one in found.items():
        yield from ("", f"## {name}", "", *described(one.help or ""))
        yield from ("```text", usage(name, one), "```")
        yield from table([row for row in rows[name] if row not in common])
        shared = [f"`{option.split()[0].rstrip(',')}`" for option, words in common if (option, words) in rows[name]]
        if shared:
            yield from ("", f"And [what many have](#options-of-many-commands): {', '.join(shared)}.")
    yield from ("", "## Options of many commands")
    yield from table(common)


def command(name: str) -> click.Command:
    """The command of a name."""
    with click.Context(cli) as context:
        found = cli.get_command(context, name)
    assert found is not None
    return found


def commands(name: str, found: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command, and those below it."""
    yield name, found
    if isinstance(found, click.Group):
        for word, one in found.commands.items():
            yield from commands(f"{name} {word}", one)


def usage(name: str, found: click.Command) -> str:
    """How it is typed, on one line."""
    with click.Context(found, info_name=f"softreserve {name}") as context:
        return " ".join([context.command_path, *found.collect_usage_pieces(context)])


def options(name: str, found: click.Command) -> Iterator[_Row]:
    """Its options, but the one for help."""
    with click.Context(found, info_name=name) as context:
        for parameter in found.params:
            record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
            if record is not None:
                yield " ".join(record[0].split()), " ".join(record[1].split())


def described(text: str) -> Iterator[str]:
    """Paragraphs of a help text, each on a line of its own."""
    for paragraph in cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from ("```text", paragraph.removeprefix("\b\n"), "```", "")
        else:
            yield from (plain(" ".join(paragraph.split())), "")


def table(rows: list[_Row]) -> Iterator[str]:
    """Options, and what they do."""
    if rows:
        yield from ("", "| option | what it does |", "|---|---|")
        for option, words in rows:
            yield f"| `{bar(option)}` | {bar(plain(words))} |"


def bar(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|")


def plain(text: str) -> str:
    """Words without what Markdown would take for its own; options are code."""
    text = re.sub(r"(?<![\w`<-])(--[a-z][\w-]*)", r"`\1`", text)
    return re.sub(r"\*|<(?=[a-zA-Z/!])", r"\\\g<0>", text)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
