"""Kernel logs as people keep them: what stands before a message, form by form, and the message itself.

A prefix is a sequence of forms that programs are known to write: dmesg with its options, journalctl, syslog daemons,
``/dev/kmsg``, pstore, serial consoles, mail. What is not known stays where it is, so that whoever looks for a message
finds that the line does not begin with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["LogLine", "log_lines", "message"]

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

#: Each form with an example of it.
_FORMS: Final = (
    r"\s+",
    r"[>|]",  # > [    0.000000]
    r"<\d{1,3}>(?:1 (?=\d{4}-))?",  # <6>[    0.000000]; <6>1 2026-11-21T16:18:01Z
    r"(?P<kmsg>\d+,\d+,\d+,[^;\s]*;)",  # 6,0,0,-;
    rf"{_FACILITY} *: *{_LEVEL} *:(?=\s)",  # kern  :info  : [    0.000000]
    rf"{_FACILITY}\.{_LEVEL}:?(?=\s)",  # kern.info kernel:
    rf"\[ *\+?\d+\.\d+(?:@\d+)?(?: +\d+\.\d+)?(?: *{_SINCE})? *\]",  # [    0.000000], [  +0.000001], [ 0.000 < 0.000>]
    rf"\[{_SINCE}\]",  # [<    0.000000>]
    r"\[ *[TC]\d+\]",  # the caller: [    T0]
    rf"\[(?:{_CTIME}|{_ISO})(?: *{_SINCE})?\]",  # [Sat Nov 21 16:18:01 2026], [2026-11-21 16:18:01]
    rf"\[{_WORD} ?\d{{1,2}} \d\d:\d\d\]",  # [Nov21 16:18]
    rf"(?:{_CTIME}|{_ISO})(?=[\s:])",  # 2026-11-21T16:18:01+00:00, Sat 2026-11-21 16:18:01 UTC
    rf"{_WORD} +\d{{1,2}} {_TIME}(?=[\s:])",  # Nov 21 16:18:01
    rf"{_TIME}(?=\s)",  # 16:18:01.123456
    r"\d{9,11}\.\d+:?(?=\s)",  # 1763741881.123456
    r"\d+[:\t]",  # line numbers of grep -n and cat -n
    rf"{_HOST} kernel - - (?:-|\[[^\]]*\])(?=\s)",  # host kernel - - -
    rf"(?:{_HOST} )?(?:{_FACILITY}\.{_LEVEL} )?kernel(?:\[\d+\])?:(?=\s|$)",  # host kernel:
    r"MESSAGE=",
)
_PREFIX: Final = re.compile(rf"(?:{'|'.join(_FORMS)})*+")
#: Characters; several programs' prefixes together have fewer, and longer ones could take for ever to match.
_LONGEST_PREFIX: Final = 500
#: How ``/dev/kmsg`` spells a backslash and what cannot be printed.
_KMSG_ESCAPE: Final = re.compile(r"\\x([0-9a-f]{2})")
#: Colours and other terminal sequences.
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
#: Other control characters; a tab separates.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_JSON_FIELD: Final = re.compile(r'\s*"(?:msg|MESSAGE)"\s*:\s*("(?:[^"\\]|\\.)*")')


class LogLine(NamedTuple):
    """A line of a file: its number from 1, what it says, and the line without what drives a terminal."""

    number: int
    message: str
    line: str


def log_lines(text: str) -> Iterator[LogLine]:
    """Every line of a log that says anything."""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw and _clean(raw)
        if line:
            yield LogLine(number, message(line), line)


def message(line: str) -> str:
    """What a line says, without anything that is known to stand before it, and without padding."""
    line = _clean(line)
    if line[:1] in ('"', "{"):
        line = _from_json(line)
    found = _PREFIX.match(line, 0, _LONGEST_PREFIX)
    assert found is not None
    said = line[found.end() :]
    return _KMSG_ESCAPE.sub(lambda byte: chr(int(byte[1], 16)), said) if found["kmsg"] else said


def _clean(line: str) -> str:
    return _CONTROLS.sub("", _ESCAPES.sub("", line)).strip()


def _from_json(line: str) -> str:
    """The message of a line of ``dmesg --json``, ``journalctl -o json`` or ``json-pretty``; else the line."""
    field = _JSON_FIELD.match(line)
    try:
        found = json.loads(field[1] if field else line)
    except (ValueError, RecursionError):
        return line
    if isinstance(found, dict):
        found = found.get("MESSAGE", found.get("msg"))
    return _clean(found) if isinstance(found, str) else line
