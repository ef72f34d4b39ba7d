"""daxctl's configuration: files of sections, as libiniparser reads them.

Checked against libiniparser 4.1. ndctl: ``util/parse-configs.c``; iniparser: ``src/iniparser.c: iniparser_load``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

import attrs

from softreserve.config.reader import StrPath, path_words, read_text
from softreserve.model.daxctl_conf import DaxctlSection
from softreserve.model.errors import InputError, shown
from softreserve.model.scenario import Scenario

__all__ = ["read_daxctl_conf", "with_daxctl_conf"]

#: A value in quotation marks, of which the second one may be missing; without, up to a comment.
_QUOTED: Final = re.compile(r"""([^=]+)=\s*(?:"([^"]+)|'([^']+))""")
_PLAIN: Final = re.compile(r"([^=]+)=\s*([^;#]*)")
_EMPTY: Final = ('""', "''")


def read_daxctl_conf(path: StrPath, inside: StrPath | None = None) -> tuple[DaxctlSection, ...]:
    """The sections of a file, or of all ``*.conf`` of a directory that are no links, by name.

    :param inside: the directory in which it must be; ``None``: anywhere.
    :raises InputError: it cannot be read, or daxctl would not take it.
    """
    if not os.path.isdir(path):
        return tuple(_sections(read_text(path, inside), path))
    names = sorted(name for name in os.listdir(path) if name.endswith(".conf") and name != ".conf")
    files = [os.path.join(path, name) for name in names if not os.path.islink(os.path.join(path, name))]
    if not files:
        raise InputError("no *.conf in it", path=path_words(path))
    return tuple(section for file in files for section in _sections(read_text(file, inside), file))


def with_daxctl_conf(scenario: Scenario, path: StrPath) -> Scenario:
    """The same machine with daxctl's configuration out of a file, or a directory.

    :raises InputError: as :func:`read_daxctl_conf`.
    """
    machine = scenario.machine
    userspace = attrs.evolve(machine.userspace, daxctl=read_daxctl_conf(path))
    return attrs.evolve(scenario, machine=attrs.evolve(machine, userspace=userspace))


def _sections(text: str, path: StrPath) -> Iterator[DaxctlSection]:
    found: dict[str, tuple[int, dict[str, str]]] = {}
    name = ""
    for number, line in _lines(text):
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            named = line[1:].partition("]")[0]
            name = named.strip().lower() if named else name
            found.setdefault(name, (number, {}))
            continue
        pair = _pair(line)
        if pair is None:
            words = f"wanted [section], KEY = VALUE or # comment, not {shown(line)}"
            raise InputError(words, path=path_words(path), place=f"line {number}")
        found.setdefault(name, (number, {}))[1].update([pair])
    for name, (number, keys) in found.items():
        yield DaxctlSection(name, f"{os.path.basename(path)}, line {number}", tuple(keys.items()))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without blanks around them, and with what follows a backslash at their end, by the number of the last."""
    before = ""
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        joined = before + line.rstrip()
        before = joined.removesuffix("\\") if joined.endswith("\\") else ""
        if not joined.endswith("\\"):
            yield number, joined.strip()


def _pair(line: str) -> tuple[str, str] | None:
    """The key, in lower case, and the value; ``None``: it is none."""
    if found := _QUOTED.match(line):
        return found[1].strip().lower(), found[2] or found[3]
    if found := _PLAIN.match(line):
        value = found[2].strip()
        return found[1].strip().lower(), "" if value in _EMPTY else value
    return None
