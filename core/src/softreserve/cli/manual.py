"""``softreserve man``: manual pages, of the same texts as ``--help``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from inspect import cleandoc
from typing import Final

import click

from softreserve import __version__
from softreserve.cli.options import Choice

__all__ = ["man_command", "manual_page", "page_names"]

_PROGRAM: Final = "softreserve"
_ENDS: Final = (
    ("0", "Done; help was shown."),
    ("1", "Findings or differences; steps that went otherwise than they say."),
    ("2", "Bad usage or bad input: a line each on standard error."),
    ("3", "A plugin failed, and is named; or the program did."),
    ("130", "Interrupted."),
)
_ENVIRONMENT: Final = (
    ("NO_COLOR", "No colours, whatever they are written to; FORCE_COLOR: colours everywhere."),
    ("SOFTRESERVE_PLUGINS", "Plugins to load, as -p names them, with commas between them."),
    ("SOFTRESERVE_CONFIG", "The user's configuration, in place of ~/.config/softreserve/config.toml."),
    ("SOFTRESERVE_TRACEBACK", "Where it is set, a mistake of the program's own ends in a traceback."),
)
#: Lines that begin so are requests to the formatter.
_REQUEST: Final = re.compile(r"^(?=[.'])", re.MULTILINE)


@click.command("man")
@click.argument("name", metavar="[COMMAND]", required=False)
@click.option("--list", "listed", is_flag=True, help="List the names of all pages.")
def man_command(name: str | None, listed: bool) -> None:
    """Print the manual page of the program, or of a command.

    softreserve man boot | man -l - shows one. Where the program is installed for everybody, so does man
    softreserve-boot.
    """
    from softreserve.cli import COMMANDS

    if listed:
        for page in page_names():
            print(page)
        return
    if name is not None and name not in COMMANDS:
        Choice(tuple(COMMANDS)).convert(name, None, click.get_current_context())
    print(manual_page(f"{_PROGRAM}-{name}" if name else _PROGRAM), end="")


def page_names() -> list[str]:
    """Names of all pages: the program's, and one of each command of the core."""
    from softreserve.cli import COMMANDS

    return [_PROGRAM, *(f"{_PROGRAM}-{name}" for name in COMMANDS)]


def manual_page(name: str) -> str:
    """A page for ``man``, in section 1. It has the date of today, or that of ``SOURCE_DATE_EPOCH``.

    :param name: one of :func:`page_names`.
    """
    from softreserve.cli import COMMANDS, cli

    settings = cli.context_settings
    with click.Context(cli, info_name=_PROGRAM, resilient_parsing=True, **settings) as top:
        word = name.removeprefix(_PROGRAM).removeprefix("-")
        command: click.Command = cli
        context = top
        summary = "what Linux makes of EFI specific purpose memory"
        if word:
            found = cli.get_command(top, word)
            assert found is not None
            command, summary = found, COMMANDS[word][1].rstrip(".")
            context = click.Context(command, info_name=word, parent=top, resilient_parsing=True)
        lines = [
            f'.TH {_text(name.upper())} 1 "{_date()}" "{_PROGRAM} {__version__}" "User Commands"',
            ".SH NAME",
            f"{_text(name)} \\- {_text(summary[0].lower() + summary[1:])}",
            ".SH SYNOPSIS",
            *_synopsis(command, context),
            ".SH DESCRIPTION",
            *_paragraphs(command.help or ""),
            *_options(command, context),
        ]
        if command is cli:
            lines += [".SH COMMANDS"]
            for one, (_, words) in COMMANDS.items():
                lines += [".TP", f"\\fB{_text(f'{_PROGRAM}-{one}')}\\fR(1)", _text(words)]
            lines += [".SH ENVIRONMENT", *_terms(_ENVIRONMENT)]
        elif isinstance(command, click.Group):
            lines += _subcommands(command, context)
        if command.epilog:
            lines += [".SH MACHINES", *_paragraphs(command.epilog)]
        lines += [".SH EXIT STATUS", *_terms(_ENDS)]
        others = [] if command is cli else [_PROGRAM]
        lines += [".SH SEE ALSO", *(f"\\fB{other}\\fR(1)" for other in others)]
        if command is cli:
            lines += ["softreserve examples, softreserve doctor, and the documentation in docs/."]
        return "".join(f"{line}\n" for line in lines)


def _date() -> str:
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    return time.strftime("%Y-%m-%d", time.gmtime(int(seconds) if seconds.isdecimal() else None))


def _synopsis(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = " ".join(_text(piece) for piece in command.collect_usage_pieces(context))
    yield f"\\fB{_text(context.command_path)}\\fR {pieces}".rstrip()


def _options(command: click.Command, context: click.Context, heading: str = ".SH OPTIONS") -> Iterator[str]:
    options = (param for param in command.get_params(context) if isinstance(param, click.Option))
    records = [record for option in options if (record := option.get_help_record(context)) is not None]
    if records and heading:
        yield heading
    for names, words in records:
        yield ".TP"
        yield f"\\fB{_text(' '.join(names.split()))}\\fR"
        yield _text(" ".join(words.split())) or "\\&"


def _subcommands(group: click.Group, context: click.Context) -> Iterator[str]:
    yield ".SH COMMANDS"
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context, resilient_parsing=True)
        (synopsis,) = _synopsis(command, below)
        yield from (".SS " + _text(name), synopsis, ".PP", *_paragraphs(command.help or ""))
        yield from list(_options(command, below, ""))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of a help text; those that click leaves as they are stay so."""
    for number, paragraph in enumerate(cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith("\b\n"):
            yield from (".nf", *map(_text, paragraph.removeprefix("\b\n").splitlines()), ".fi")
        else:
            yield _text(" ".join(paragraph.split()))


def _terms(terms: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, words in terms:
        yield from (".TP", f"\\fB{_text(name)}\\fR", _text(words))


def _text(text: str) -> str:
    """A text as a line that holds no request and no escape; a dash is one that can be typed."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    return _REQUEST.sub(r"\\&", escaped)
