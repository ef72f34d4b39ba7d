"""Kernel logs as people keep them: what stands before a message, form by form, and the message itself.

A prefix is a sequence of forms that programs are known to write: dmesg with its options, journalctl, syslog daemons,
``/dev/kmsg``, pstore, serial consoles, containers, mail. What is not known stays where it is, so that whoever looks for
a message finds that the line does not begin with it. A time that the kernel puts before its messages begins a message
wherever it stands: other output on a console ends where it likes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

__all__ = ["LogLine", "kmsg_text", "log_lines", "message"]

_FACILITY: Final = (
    r"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|security|ntp|audit|alert|clock|local\d)"
)
_LEVEL: Final = r"(?:emerg|panic|alert|crit|err|error|warn|warning|notice|info|debug)"
_WORD: Final = r"[^\W\d_]+\.?,?"  # of a date, in whatever language
_TIME: Final = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_ZONE: Final = r"(?: ?(?:Z|[A-Z]{3,5}|[+-]\d\d(?::?\d\d)?)(?![\w:]))?"
_ISO: Final = rf"(?:{_WORD} )?\d{{4}}-\d\d-\d\d[T ]{_TIME}{_ZONE}"
_CTIME: Final = rf"{_WORD} +(?:{_WORD} +\d{{1,2}}|\d{{1,2}}\.? +{_WORD}) +{_TIME}(?: [A-Z]{{3,5}})? \d{{4}}"
_SINCE: Final = r"<[ +\d.]*>"
_HOST: Final = r"[\w.:%-]+"

_STAMP: Final = r"\[\s*\d+\.\d{6}\]"
#: What the names of files are followed by where grep names them.
_LINE_BEGINS: Final = rf"(?:{_STAMP}|<\d|{_ISO}|{_WORD} +\d{{1,2}} {_TIME}|\[{_CTIME}\]|\d+[:-])"

#: Each form with an example of it.
_FORMS: Final = (
    r"\s+",
    r"[>|`]",  # > [    0.000000]
    r"(?:[-*+\u2022\u00b7]|\d{1,4}[.)])\s",  # items of lists: - [    0.000000], 1. [    0.000000]
    r"<\d{1,3}>(?:1 (?=\d{4}-))?",  # <6>[    0.000000]; <6>1 2026-11-21T16:18:01Z
    r"\d+,\d+,\d+,[^;\s]*;",  # 6,0,0,-;
    rf"(?:{_HOST}: +)?{_FACILITY} *: *{_LEVEL} *:(?=\s)",  # kern  :info  : [    0.000000]; 10.0.0.2: kern:    info: [
    rf"{_FACILITY}\.{_LEVEL}:?(?=\s)",  # kern.info kernel:
    rf"\[\s*\+?\d+\.\d+(?:@\d+)?(?: +\d+\.\d+)?(?: *{_SINCE})? *\]",  # [    0.000000], [  +0.000001], [ 0.000 < 0.000>]
    rf"\[{_SINCE}\]",  # [<    0.000000>]
    r"\[\s*[TC]\d+\]",  # the caller: [    T0]
    rf"\[(?:{_CTIME}|{_ISO})(?: *{_SINCE})?\]:?",  # [Sat Nov 21 16:18:01 2026], [2026-11-21 16:18:01]
    rf"\[{_WORD} ?\d{{1,2}} \d\d:\d\d\]",  # [Nov21 16:18]
    rf"(?:{_CTIME}|{_ISO})(?=[\s:])",  # 2026-11-21T16:18:01+00:00, Sat 2026-11-21 16:18:01 UTC
    rf"{_WORD} +\d{{1,2}} {_TIME}(?=[\s:])",  # Nov 21 16:18:01
    rf"{_TIME}(?=\s)",  # 16:18:01.123456
    r"\d{9,11}\.\d+:?(?=\s)",  # 1763741881.123456
    r"std(?:out|err) [FP](?=\s)",  # a container's: 2026-11-21T16:18:01Z stdout F [    0.000000]
    r"\d+(?:[:\t]|-(?=\[))",  # line numbers of grep -n and cat -n
    rf"(?:[\w.+~-]*/)*[\w.+~-]+[:-](?={_LINE_BEGINS})",  # names of files of grep -H
    r"\*\* \d+ printk messages dropped \*\*(?= \S)",  # older kernels put it before the next message
    rf"{_HOST} kernel (?:-|\d+) \S+ (?:-|\[[^\]]*\])(?=\s)",  # host kernel - - -
    rf"(?:{_HOST} )?(?:{_FACILITY}\.{_LEVEL} )?kernel(?:\[\d+\])?:(?=\s|$)",  # host kernel:
    r"MESSAGE=",
)
_PREFIX: Final = re.compile(rf"(?:{'|'.join(_FORMS)})*+")
#: Characters; several programs' prefixes together have fewer, and longer ones could take for ever to match.
_LONGEST_PREFIX: Final = 500
#: How ``/dev/kmsg`` spells a backslash and what cannot be printed.
_KMSG: Final = re.compile(r"\d,\d+,\d+,[^;\s]*;")
_KMSG_ESCAPE: Final = re.compile(r"\\x([0-9a-f]{2})")
#: Colours and other terminal sequences.
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
#: Other control characters; a tab separates.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTE: Final = re.compile(r"([`\"']),?$")
#: Blanks of other kinds, and what takes no room.
_BLANKS: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u200b": None, "\ufeff": None})
#: Where the kernel's own time says that a message begins.
_BEGINS: Final = re.compile(rf"(?={_STAMP}(?: ?\[\s*[TC]\d+\])?\s)")
#: By what names programs keep messages in JSON: dmesg and Talos, journald, docker, the consoles of clouds, collectors.
_JSON_NAMES: Final = ("msg", "MESSAGE", "log", "message", "Output", "output", "contents", "textPayload", "line", "_raw")
_JSON_FIELD: Final = re.compile(rf'"(?:{"|".join(_JSON_NAMES)})"\s*:\s*("(?:[^"\\]|\\.)*+")')
_JSON_TEXT: Final = re.compile(r'("(?:[^"\\]|\\.)*+"),?$')
#: What stands before a value of JSON on a line of its own.
_JSON_ITEM: Final = re.compile(r"^(?:data: *|[-*,] *)+")


class LogLine(NamedTuple):
    """A message in a file: its line from 1, what it says, and the line without what drives a terminal.

    ``parts`` is of how many lines it was put together.
    """

    number: int
    message: str
    line: str
    parts: int = 1


def log_lines(text: str) -> Iterator[LogLine]:
    """Every line of a log that says anything; where there are several messages in a line, each of them."""
    for number, raw in enumerate(text.split("\n"), 1):
        for line in _parts(raw) if raw else ():
            said = _said(line)
            if said:
                yield LogLine(number, said, line)


def kmsg_text(said: str) -> str:
    """A message without the escapes of ``/dev/kmsg``."""
    return _KMSG_ESCAPE.sub(lambda byte: chr(int(byte[1], 16)), said)


def message(line: str) -> str:
    """What a line says last, without anything that is known to stand before it, and without padding."""
    return next((said for part in reversed([*_parts(line)]) if (said := _said(part))), "")


def _said(line: str) -> str:
    found = _PREFIX.match(line, 0, _LONGEST_PREFIX)
    assert found is not None
    said = line[found.end() :]
    if said[1:] and said[-1] in "`\"'," and (quote := _QUOTE.search(said)) and said.count(quote[1]) % 2:
        said = said[: quote.start()]  # of a text that lists have in quotes
    # a group within the prefix cannot say so: Python 3.11 fails at some lines where repetition is possessive
    kmsg = "\\x" in said and _KMSG.search(found[0])
    return kmsg_text(said) if kmsg else said


def _parts(raw: str) -> Iterator[str]:
    """The lines that the kernel wrote in one of a file: JSON holds any number of them, and ends of lines get lost."""
    line = _clean(raw)
    for written in _from_json(line) if '"' in line else (line,):
        yield from filter(None, _BEGINS.split(written))


def _clean(line: str) -> str:
    if line.isprintable():  # no control characters, no blanks but the common one
        return line.strip()
    return _CONTROLS.sub("", _ESCAPES.sub("", line)).translate(_BLANKS).strip()


def _from_json(line: str) -> list[str]:
    """The messages in a line of JSON, whoever made it; else the line."""
    rest = _JSON_ITEM.sub("", line)
    field = _JSON_FIELD.match(rest) or _JSON_TEXT.match(rest)
    if field:
        rest = field[1]
    texts: list[str] = []
    for text in (rest, rest.strip("[], ")) if rest[:1] in ("{", "[", '"') else ():
        with suppress(ValueError, RecursionError):
            texts = list(_messages(json.loads(text)))
            break
    return [cleaned for text in texts for part in text.splitlines() if (cleaned := _clean(part))] or [line]


def _messages(value: object) -> Iterator[str]:
    """Messages anywhere in what was read of JSON, in its order."""
    if isinstance(value, dict):
        for name in _JSON_NAMES:
            told = value.get(name)
            if isinstance(told, list) and told and all(isinstance(byte, int) and 0 <= byte < 256 for byte in told):
                told = bytes(told).decode("utf-8", "replace")  # as journald gives what is no text
            if isinstance(told, str):
                yield told
                return
        value = [part for part in value.values() if isinstance(part, dict | list)]
    if isinstance(value, list):
        for part in value:
            yield from _messages(part)
    elif isinstance(value, str):
        yield value
