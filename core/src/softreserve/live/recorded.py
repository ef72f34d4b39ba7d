"""What a record says: which machine it is of, and its steps with their answers.

A record is read as bytes, and understood as a whole: what is neither a step nor the beginning of one is an error, and
nobody's to cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import attrs

from softreserve.config.reader import Document, Problems, StrPath
from softreserve.config.steps import scenario_steps
from softreserve.config.toml_text import toml_string
from softreserve.model.errors import ConfigError, InputError, shown
from softreserve.model.steps import Step

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel
    from softreserve.model.machine import Machine

__all__ = [
    "Record",
    "about",
    "answer_line",
    "header",
    "other_machine",
    "other_machine_of",
    "read_record",
]

_SCHEMA, _VERSION = "softreserve.record", 1
#: Bytes at the beginning of a file in which a record says what it is.
_HEAD = 4096

#: What of the machine the header says in words; the digest has the rest.
_WORDS = ("kernel", "arch", "command_line", "modules")

_STEP = b"[[step]]"
#: Lines that come before the last one of a step that is being written.
_STEP_LINE = re.compile(rb'\[\[step\]\]|name = "\d+"|encoding = "latin-1"|')
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f]")
_ANSWER = re.compile(rb"(result|status) = -?\d*")


@attrs.frozen
class Record:
    """What a file says.

    :param about: the header.
    :param newline: what ends its lines.
    :param begun: the last line, where that is the beginning of the last step's answer.
    :param torn: what comes after the last step, where that is the beginning of a step.
    :param ended: whether a line can follow at once.
    """

    about: Mapping[str, object]
    steps: tuple[Step, ...]
    newline: bytes = b"\n"
    begun: bytes = b""
    torn: bytes = b""
    ended: bool = True


def read_record(data: bytes, path: StrPath, kernel: Kernel) -> Record:
    """Understand a record.

    :raises InputError: it is none.
    :raises ConfigError: it is one, with mistakes in it.
    """
    if _SCHEMA.encode() not in data[:_HEAD]:
        raise InputError(_what_instead(data), path=path)
    newline = b"\r\n" if data.partition(b"\n")[0].endswith(b"\r") else b"\n"
    mistake: ConfigError | None = None
    for whole, begun, torn in _readings(data):
        try:
            found, steps = _understood(whole, path, kernel)
        except ConfigError as error:
            mistake = error if whole == data else mistake
            continue
        if begun and (not steps or steps[-1].expects):
            continue
        return Record(found, steps, newline, begun, torn, whole.endswith(b"\n"))
    assert mistake is not None
    raise mistake


def _what_instead(data: bytes) -> str:
    if data.lstrip().startswith(_STEP):
        return (
            "holds steps but no record's header, as records of softreserve 0.1: `softreserve run` does them,"
            " a record goes into another file"
        )
    return "is no record, so nothing is written to it"


def _readings(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """What may be steps, the beginning of an answer, the beginning of a step."""
    body, line_end, last = data.rpartition(b"\n")
    body += line_end
    plain = last.rstrip(b"\r")
    if plain and (_ANSWER.fullmatch(plain) or any(word.startswith(plain) for word in (b"result = ", b"status = "))):
        yield body, last, b""
    yield data, b"", b""
    # From the last line that begins a step, if it is only begun itself.
    start = len(body) if last and _STEP.startswith(plain) else body.rfind(b"\n" + _STEP) + 1
    *lines, last = data[start:].split(b"\n")
    if start and all(_STEP_LINE.fullmatch(line.rstrip(b"\r")) for line in lines) and not _CONTROL.search(plain):
        yield data[:start], b"", data[start:]


def _understood(data: bytes, path: StrPath, kernel: Kernel) -> tuple[Mapping[str, object], tuple[Step, ...]]:
    problems = Problems()
    top = Document(path, problems, data).read()
    problems.check()
    found = top.table("record")
    if found is None or found.get("schema", str) != _SCHEMA:
        raise InputError(_what_instead(data), path=path)
    if found.get("version", int) != _VERSION:
        raise InputError(f"is a record of version {shown(found.values.get('version'))}, not {_VERSION}", path=path)
    steps, _ = scenario_steps(top, kernel, None)
    problems.check()
    return found.values, steps


# --- what is written


def about(system: System) -> dict[str, object]:
    """What a header says of the system that a record begins with."""
    machine = system.machine
    return {
        "schema": _SCHEMA,
        "version": _VERSION,
        "machine": machine.name,
        "kernel": machine.kernel.release,
        "arch": machine.arch,
        "command_line": machine.cmdline.text,
        "modules": " ".join(sorted(system.modules.live())),
        "digest": _digest(machine),
    }


def header(values: Mapping[str, object]) -> str:
    """The beginning of a record."""
    lines = [f"{key} = {toml_string(value) if isinstance(value, str) else value}" for key, value in values.items()]
    first = "# What was done to a machine. `softreserve run MACHINE FILE` does it again."
    return "\n".join([first, "[record]", *lines, ""])


def other_machine(recorded: Mapping[str, object], ours: Mapping[str, object]) -> str:
    """How a record's machine is not ours, in words; empty: it is, as far as the headers say."""
    said = f"it is the record of {shown(recorded.get('machine'))}, another machine"
    for key in _WORDS:
        if recorded.get(key) != ours[key]:
            return f"{said}: {key.replace('_', ' ')} {shown(recorded.get(key))}, not {shown(ours[key])}"
    if recorded.get("digest") != ours["digest"]:
        return f"{said}: its memory map, tables, CPUs or configuration are not the same"
    return ""


def other_machine_of(path: StrPath, system: System) -> str:
    """How a file of steps is the record of another machine, in words; empty: it is not, or no record."""
    found = Document(path, Problems()).read().table("record")
    if found is None or found.values.get("schema") != _SCHEMA:
        return ""
    return other_machine(found.values, about(system))


def _digest(machine: Machine) -> str:
    """A digest of the description without its name.

    What is derived, has its default or makes no machine another one is left out, too.
    """
    left_out = ("name", "sections")
    values = attrs.asdict(
        machine,
        filter=lambda field, value: field.init and field.eq and field.name not in left_out and value != field.default,
    )
    if machine.sections:  # older records know nothing of them
        values["sections"] = dict(machine.sections)
    return blake2b(json.dumps(values, sort_keys=True, default=_plain).encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    if attrs.has(type(value)):
        return attrs.asdict(value)
    return str(value)  # whatever a plugin made of a section


def answer_line(key: str, *answers: int) -> str:
    """How the answers of a step are recorded."""
    return f"{key} = {answers[0] if len(answers) == 1 else list(answers)}\n"
