"""The kernel command line. Linux: ``lib/cmdline.c: next_arg``, ``kernel/params.c: parse_args``."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from softreserve.model import value
from softreserve.model.value import NamedTuple

__all__ = ["CommandLine", "Parameter", "acpi_disabled", "next_arg", "words"]

_SPACE = " \t\n\v\f\r\xa0"


class Parameter(NamedTuple):
    """One word of the command line. ``value`` is ``None`` where there was no ``=``."""

    name: str
    value: str | None

    @property
    def canonical(self) -> str:
        """The name with ``-`` written as ``_``: the kernel compares names so (``kernel/params.c: parameqn``)."""
        return self.name.replace("-", "_")


def next_arg(text: str) -> tuple[Parameter, str]:
    """Split the first word off: ``(parameter, rest)``; ``text`` must not begin with white space.

    Double quotes protect white space anywhere; a quote at the very beginning, or right after the ``=``, is taken off
    together with one at the end. Linux: ``lib/cmdline.c: next_arg``.
    """
    quoted_word = text[:1] == '"'
    args = text[1:] if quoted_word else text
    in_quote = quoted_word
    equals = 0
    at = 0
    while at < len(args):
        char = args[at]
        if char in _SPACE and not in_quote:
            break
        if equals == 0 and char == "=":
            equals = at
        if char == '"':
            in_quote = not in_quote
        at += 1
    word = args[:at]
    # one quote at the very end goes with a quote that opened the value or the word: never more than one
    closing = word.endswith('"')
    name, value = (word[:equals], word[equals + 1 :]) if equals else (word, None)
    if value is not None and value[:1] == '"':
        value = value[1:-1] if closing and len(value) > 1 else value[1:]
    elif quoted_word and closing:
        name, value = (name, value[:-1]) if value is not None else (name[:-1], None)
    return Parameter(name, value), args[at + 1 :].lstrip(_SPACE)


def words(text: str) -> Iterator[tuple[Parameter, str]]:
    """Each word in order, and how it is written, quotes included; those after ``--`` too."""
    rest = text.lstrip(_SPACE)
    while rest:
        parameter, following = next_arg(rest)
        yield parameter, rest[: len(rest) - len(following)].rstrip(_SPACE)
        rest = following


#: Bytes of a command line without the final zero. Linux: ``COMMAND_LINE_SIZE`` in ``asm/setup.h`` of x86 and arm64.
COMMAND_LINE_MAX = 2047


@value.frozen
class CommandLine:
    """The text, and its words in order. Words after ``--`` are for init and are left out."""

    text: str = ""
    parameters: tuple[Parameter, ...] = value.field(init=False)

    @parameters.default
    def _split(self) -> tuple[Parameter, ...]:
        found: list[Parameter] = []
        for parameter, _ in words(self.text):
            if parameter.name == "--" and parameter.value is None:
                break
            found.append(parameter)
        return tuple(found)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __str__(self) -> str:
        return self.text

    def all(self, name: str) -> tuple[str | None, ...]:
        """The values of every occurrence of ``name``, in order; ``-`` and ``_`` are the same."""
        wanted = name.replace("-", "_")
        return tuple(
            [p.value for p in self.parameters if p.name == wanted or ("-" in p.name and p.canonical == wanted)]
        )

    def last(self, name: str) -> str | None:
        """The value of the last occurrence; ``None`` when absent or given without a value (see ``has``)."""
        values = self.all(name)
        return values[-1] if values else None

    def has(self, name: str) -> bool:
        """Whether ``name`` is given at all, with or without a value."""
        return bool(self.all(name))

    def appended(self, text: str) -> CommandLine:
        """The same command line with ``text`` after a blank."""
        return CommandLine(f"{self.text} {text}" if self.text else text)


def acpi_disabled(cmdline: CommandLine, undone_by: Collection[str] = ("on", "force")) -> bool:
    """Whether the command line turns ACPI off.

    :param undone_by: values that take an ``acpi=off`` before them back; which these are is up to the architecture.
    """
    disabled = False
    for word in cmdline.all("acpi"):
        if word == "off" or word in undone_by:
            disabled = word == "off"
    return disabled
