"""``softreserve completion``: scripts for shells, and what they ask when somebody presses the key.

The scripts hand over the line up to the cursor; what may stand there follows from the commands themselves: their names,
their options, and the kinds of their values.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import click

from softreserve.cli.options import Choice
from softreserve.model.errors import SoftReserveError

__all__ = ["SHELLS", "Files", "Word", "answers", "completer", "completion_command"]

SHELLS: Final = ("bash", "zsh", "fish")
_SCRIPTS: Final = Path(__file__).with_name("shells")
#: What ends a word of a line for a moment, where a cursor stands.
_CURSOR: Final = "\0"
#: What bash has to have a backslash before, outside of quotes.
_SPECIAL: Final = re.compile(r"([^\w@%+=:,./~-])")


class Word(NamedTuple):
    """What may stand at the cursor, and what it means."""

    value: str
    words: str = ""


class Files(NamedTuple):
    """Names of files may stand at the cursor, behind something that is there already."""

    before: str = ""
    directories: bool = False


Answer = Word | Files
Completer = Callable[[str], Iterator[Answer]]


@click.command("completion")
@click.argument("shell", type=Choice(SHELLS))
@click.option("--line", hidden=True, help="Answer what may stand at the end of this line.")
@click.option("--breaks", hidden=True, default="", help="What separates words for bash.")
def completion_command(shell: str, line: str | None, breaks: str) -> None:
    """Print what makes a shell complete commands, options, example:NAME, files, releases and plugins.

    SHELL is bash, zsh or fish. For now: source <(softreserve completion bash). For good: write it to where the shell
    looks, as docs/terminal.md says.
    """
    if line is None:
        print((_SCRIPTS / f"softreserve.{shell}").read_text("utf-8"), end="")
        return
    words = _split(line)
    found = answers(words[1:])
    printed = {"bash": _for_bash, "zsh": _for_zsh, "fish": _for_fish}[shell](found, words[-1], breaks)
    for text in printed:
        print(text)


def _split(line: str) -> list[str]:
    """The words of a line as a shell has them, the last one as far as it is there; quotes may be open."""
    for end in ("", '"', "'"):
        try:
            words = shlex.split(f"{line}{_CURSOR}{end}")
        except ValueError:
            continue
        return [*words[:-1], words[-1].removesuffix(_CURSOR)]
    return line.split(" ")


# --- what may stand there


def answers(words: Sequence[str]) -> list[Answer]:
    """What may stand in the place of the last word, behind those before it.

    :param words: those behind the program's name, the last one as far as it is typed; it may be empty.
    """
    from softreserve.cli import cli

    *before, word = words or [""]
    command: click.Command = cli
    context = click.Context(cli, info_name="softreserve", resilient_parsing=True)
    path: list[str] = []
    with context.scope():
        context.params["plugin"] = tuple(_plugins_before(before))
        while isinstance(command, click.Group):
            name, rest = _subcommand(command, before)
            if name is None:
                break
            found = command.get_command(context, name)
            if found is None:
                return []
            path.append(name)
            command, before = found, rest
            context = click.Context(command, info_name=name, parent=context, resilient_parsing=True)
        with context.scope():
            return [*_within(command, context, " ".join(path), before, word)]


def _plugins_before(words: Sequence[str]) -> Iterator[str]:
    """What ``-p`` names."""
    for option, value in pairwise(words):
        if option in ("-p", "--plugin"):
            yield value


def _subcommand(group: click.Group, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The first word that is neither an option of a group nor its value, and what follows it."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            return word, rest
        option = _option(group, word)
        if option is not None and _takes_value(option) and "=" not in word and rest:
            rest.pop(0)
    return None, []


def _option(command: click.Command, word: str) -> click.Option | None:
    name = word.partition("=")[0] if word.startswith("--") else word[:2]
    return next((one for one in command.params if isinstance(one, click.Option) and name in one.opts), None)


def _takes_value(option: click.Option) -> bool:
    # how much --trace tells stands behind a sign of equality
    return not option.is_flag and not option.count and option.name != "trace_plugins"


def _within(
    command: click.Command, context: click.Context, path: str, before: Sequence[str], word: str
) -> Iterator[Answer]:
    """What may stand behind a command and the words after it."""
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    position, pending, only_arguments = 0, None, False
    for one in before:
        if pending is not None:
            pending = None
        elif only_arguments or not one.startswith("-") or one == "-":
            position += 1
        elif one == "--":
            only_arguments = True
        elif (option := _option(command, one)) is not None and _takes_value(option):
            pending = option if "=" not in one and (one.startswith("--") or len(one) == 2) else None
    if pending is not None:
        yield from _values(pending, context, path, word)
        return
    if word.startswith("-") and word != "-" and not only_arguments:
        yield from _options(command, context, path, word)
        return
    if isinstance(command, click.Group):
        yield from _commands(command, context, word)
    elif arguments:
        argument = arguments[min(position, len(arguments) - 1)]
        if position < len(arguments) or argument.nargs == -1:
            yield from _values(argument, context, path, word)


def _options(command: click.Command, context: click.Context, path: str, word: str) -> Iterator[Answer]:
    name, equals, value = word.partition("=")
    option = _option(command, name)
    if equals:
        for found in _values(option, context, path, value) if option is not None else ():
            if isinstance(found, Word):
                yield found._replace(value=f"{name}={found.value}")
            else:
                yield found._replace(before=f"{name}={found.before}")
        return
    for param in command.get_params(context):
        if isinstance(param, click.Option) and not param.hidden:
            words = _first_sentence(param.help or "")
            yield from (
                Word(one, words) for one in param.opts if one.startswith(word) and (one[1] == "-" or word == one)
            )


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[^.])\.(?:\s|$)|  ", text)[0]


def _commands(group: click.Group, context: click.Context, word: str) -> Iterator[Word]:
    from softreserve.cli import COMMANDS, cli

    for name in group.list_commands(context):
        if name.startswith(word):
            if group is cli and name in COMMANDS:
                yield Word(name, COMMANDS[name][1].rstrip("."))  # importing all of them takes a second
            elif (command := group.get_command(context, name)) is not None:
                yield Word(name, command.get_short_help_str(100).rstrip("."))


def _values(param: click.Parameter, context: click.Context, path: str, word: str) -> Iterator[Answer]:
    found = completer(param, path)
    if found is not None:
        yield from found(word)
        return
    for item in param.type.shell_complete(context, param, word):
        if item.type == "plain":
            yield Word(item.value, item.help or "")
        else:
            yield Files(directories=item.type == "dir")


# --- by what a value is


def completer(param: click.Parameter, path: str) -> Completer | None:
    """What completes a value; ``None``: its type does, if anybody.

    :param path: the command, and its commands: ``"scenario show"``.
    """
    found = _OF_COMMANDS.get(f"{path} {param.name}") or _BY_NAME.get(param.name or "")
    if found is not None:
        return found
    words = re.findall(r"\w+", param.metavar or "")
    if {"FILE", "TAR"} & set(words):
        return _files
    return _directories if "DIR" in words else None


def _machines(word: str) -> Iterator[Answer]:
    from softreserve import config

    names = [f"{config.EXAMPLE}{name}" for name in config.example_names()]
    yield from (Word(name) for name in names if name.startswith(word))
    if word.startswith(config.LOG):
        yield Files(before=config.LOG)
        return
    if word and config.LOG.startswith(word):
        yield Word(config.LOG, "a kernel log")
    yield Files()
    if word and not os.path.dirname(word):
        yield from (Word(prefix, "read by a plugin") for prefix in _prefixes() if prefix.startswith(word))


def _prefixes() -> list[str]:
    """Prefixes of machines that plugins read; none where plugins are broken, which a command tells."""
    from softreserve.plugins.selection import Selection

    try:
        return [f"{importer.prefix}:" for importer in Selection().hooks().importers()]
    except SoftReserveError:
        return []


def _files(word: str) -> Iterator[Answer]:
    yield Files()


def _directories(word: str) -> Iterator[Answer]:
    yield Files(directories=True)


def _releases(word: str) -> Iterator[Answer]:
    from softreserve.model.release import OLDEST, RELEASES

    before, comma, _ = word.rpartition(",")
    for name in dict.fromkeys((str(OLDEST), *RELEASES)):
        if (found := f"{before}{comma}{name}").startswith(word):
            yield Word(found)


def _plugins(word: str) -> Iterator[Answer]:
    from softreserve.plugins.selection import WITHOUT, Selection

    for name in sorted(Selection().installed):
        yield from (Word(found) for found in (name, f"{WITHOUT}{name}") if found.startswith(word))
    if word and not word.startswith(WITHOUT):
        yield Files()  # code of one's own


def _arches(word: str) -> Iterator[Answer]:
    from softreserve.plugins.selection import Selection

    yield from (Word(name) for name in sorted(Selection().arches) if name.startswith(word))


def _page_sizes(word: str) -> Iterator[Answer]:
    yield from (Word(name) for name in ("4K", "16K", "64K") if name.startswith(word.upper()))


def _config(word: str) -> Iterator[Answer]:
    """Options that decide something, without ``CONFIG_``, of the newest release of each architecture."""
    from softreserve.config.builds import built
    from softreserve.model.release import NEWEST
    from softreserve.plugins.selection import Selection

    try:
        names = {name for arch in Selection().arches for name in built(str(NEWEST), arch).config}
    except SoftReserveError:
        return
    before = "CONFIG_" if word.startswith("CONFIG_") else ""
    yield from (Word(f"{found}=") for name in sorted(names) if (found := f"{before}{name}").startswith(word))


def _userspaces(word: str) -> Iterator[Answer]:
    from softreserve.cli.userspace import userspaces

    yield from (Word(name, words) for name, words in (*userspaces(), ("help", "list them")) if name.startswith(word))


def _overs(word: str) -> Iterator[Answer]:
    """What can be varied, and values of that."""
    from softreserve.cli.fleet.sweep import AXES

    axis, equals, value = word.partition("=")
    if not equals:
        yield from (Word(f"{name}=") for name in AXES if name.startswith(word))
        return
    values = {"kernel": _releases, "page-size": _page_sizes, "arch": _arches, "layout": _layouts}.get(axis)
    for found in values(value) if values is not None else ():
        if isinstance(found, Word):
            yield found._replace(value=f"{axis}={found.value}")


def _layouts(word: str) -> Iterator[Answer]:
    from softreserve.views.fleet.layout import AS_IS, STEPS

    names = (AS_IS, "search", *(f"{name}:" if sized else name for name, sized in STEPS.items()))
    yield from (Word(name) for name in names if name.startswith(word))


def _names_of_commands(word: str) -> Iterator[Answer]:
    from softreserve.cli import COMMANDS

    yield from (Word(name, words.rstrip(".")) for name, (_, words) in COMMANDS.items() if name.startswith(word))


def _scenarios(word: str) -> Iterator[Answer]:
    from softreserve.config.scenario_file import library_names

    yield from (Word(name) for name in library_names() if name.startswith(word))
    yield Files()


_BY_NAME: Final[Mapping[str, Completer]] = {
    "arch": _arches,
    "case": _machines,
    "config": _config,
    "directory": _directories,
    "inventory": _machines,
    "from_dmesg": _files,
    "kernel": _releases,
    "machine": _machines,
    "machines": _machines,
    "others": _machines,
    "overs": _overs,
    "page_size": _page_sizes,
    "plugin": _plugins,
    "steps": _files,
    "to_kernel": _releases,
    "userspace": _userspaces,
}
_OF_COMMANDS: Final[Mapping[str, Completer]] = {
    "man name": _names_of_commands,
    "new file": _files,
    "scenario run names": _scenarios,
    "scenario show name": _scenarios,
}


# --- as a shell wants it


def _listed(files: Files, word: str) -> Iterator[str]:
    """Names of files that begin as a word does, directories with a slash behind them."""
    begun = word.removeprefix(files.before)
    directory, name = os.path.split(begun)
    try:
        found = sorted(os.scandir(os.path.expanduser(directory) or os.curdir), key=lambda entry: entry.name)
    except (OSError, ValueError):
        return
    for entry in found:
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            if entry.is_dir():
                yield f"{files.before}{os.path.join(directory, entry.name)}/"
            elif not files.directories:
                yield f"{files.before}{os.path.join(directory, entry.name)}"


def _expanded(found: Sequence[Answer], word: str) -> Iterator[Word]:
    for one in found:
        if isinstance(one, Word):
            yield one
        else:
            yield from map(Word, _listed(one, word))


def _for_bash(found: Sequence[Answer], word: str, breaks: str) -> Iterator[str]:
    """Whether all are paths, and the words: what bash takes for words of their own is left out at their beginning."""
    words = [one.value for one in _expanded(found, word)]
    paths = all(isinstance(one, Files) for one in found)
    yield "paths" if paths else "words"
    begun = max((word.rfind(sign) for sign in breaks if sign in ":=@"), default=-1) + 1
    for value in words:
        rest = value[begun:]
        yield rest if paths else _SPECIAL.sub(r"\\\1", rest)


def _for_zsh(found: Sequence[Answer], word: str, breaks: str) -> Iterator[str]:
    """Words with what they mean; files are zsh's own matter."""
    for one in found:
        if isinstance(one, Files):
            yield f"{'directories' if one.directories else 'files'}:{one.before}"
        else:
            value = one.value.replace("\\", "\\\\").replace(":", "\\:")
            yield f"word:{value}:{one.words}" if one.words else f"word:{value}"


def _for_fish(found: Sequence[Answer], word: str, breaks: str) -> Iterator[str]:
    for one in _expanded(found, word):
        yield f"{one.value}\t{one.words}" if one.words else one.value
