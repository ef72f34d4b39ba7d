"""What of a log and of a command line leaves a host: what decides about memory, and nothing that says whose host it is.

``kept.toml`` lists what stays: lines that it does not know are left out, and the values of parameters that it does not.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from softreserve.model.cmdline import next_arg
from softreserve.model.log_text import LogLine, log_lines

__all__ = ["LEFT_OUT", "kept", "private_cmdline", "private_log"]

#: What stands where something was left out.
LEFT_OUT: Final = "***"


@cache
def kept(what: str) -> re.Pattern[str]:
    """What fits one of the lists of ``kept.toml``."""
    lists = tomllib.loads(Path(__file__).with_name("kept.toml").read_text())
    return re.compile("|".join(f"(?:{pattern})" for pattern in lists[what]))


# --- the command line

#: What begins the words for init.
_FOR_INIT: Final = "--"
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,40}")


def private_cmdline(text: str) -> str:
    """A command line without what could name somebody: words for init, and values of parameters that are on no list."""
    return " ".join(_kept_words(text))


def _kept_words(text: str) -> Iterator[str]:
    rest = text.strip()
    while rest:
        parameter, after = next_arg(rest)
        word = rest[: len(rest) - len(after)].strip()
        rest = after
        if word == _FOR_INIT:
            return
        if kept("parameters").fullmatch(parameter.name):
            yield _scrubbed(word)
        elif parameter.value is not None and _PLAIN_NAME.fullmatch(parameter.name):
            yield f"{parameter.name}={LEFT_OUT}"


# --- the log

#: Lines that look like those above and are about somebody's hardware or certificates.
_DROPPED_LINES: Final = re.compile(r"serial|asset|\buuid\b|\bcert|\bkey\b|X\.509|Loaded|hostname|DMI:", re.IGNORECASE)
_STAMP: Final = re.compile(r"\[ *\d+\.\d{6}\]")
_COMMAND: Final = re.compile(r"((?:Kernel c|C)ommand line: ?)(.*)")
#: How a line of a command line ends that goes on; from 7.0 on.
_CONTINUED: Final = " \\"
_VERSION: Final = "Linux version "
#: What only machines with a device tree say.
_MODEL: Final = "Machine model: "
_BUILDER: Final = re.compile(r"\([^()\s]*@[^()\s]*\)")
_HOME: Final = re.compile(r"/(?:home|Users|root)/[^\s/()\"']+")
#: A number of a thing, of a network card, of a network.
_NUMBERS: Final = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b"
)
_ADDRESSES: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")


def private_log(text: str) -> str:
    """A log with the lines that decide about memory, each with its time stamp and nothing else before the message."""
    found = list(log_lines(text))
    kept = list(_kept_lines(found, text.split("\n")))
    left = len(found) - len(kept)
    if left:
        kept.append(f"# {left} of {len(found)} lines are left out, which do not decide about memory")
    return "".join(f"{line}\n" for line in kept)


def _kept_lines(found: Iterable[LogLine], lines: Sequence[str]) -> Iterator[str]:
    for_init = False
    for number, message, *_ in found:
        line = lines[number - 1].rstrip()
        prefix = line[: -len(message)] if message and line.endswith(message) else ""
        stamp = _STAMP.search(prefix)
        # one blank follows what stands before a message; more are the message's own
        blanks = prefix[len(prefix.rstrip(" ")) :]
        before = (f"{stamp[0]} " if stamp else "") + (blanks[1:] if prefix.strip() else blanks)
        command = _COMMAND.match(message)
        if command:
            # a long command line goes on with the next such line
            words, more = command[2].removesuffix(_CONTINUED), command[2].endswith(_CONTINUED)
            yield f"{before}{command[1]}{'' if for_init else private_cmdline(words)}{_CONTINUED if more else ''}"
            for_init = more and (for_init or _FOR_INIT in words.split())
        elif message.startswith(_VERSION):
            yield before + _HOME.sub(LEFT_OUT, _BUILDER.sub(f"({LEFT_OUT})", _scrubbed(message)))
        elif message.startswith(_MODEL):
            yield f"{before}{_MODEL}{LEFT_OUT}"
        elif kept("lines").match(message) and not _DROPPED_LINES.search(message):
            yield before + _ADDRESSES.sub(LEFT_OUT, _HOME.sub(LEFT_OUT, _scrubbed(message)))


def _scrubbed(text: str) -> str:
    return _NUMBERS.sub(LEFT_OUT, text)
