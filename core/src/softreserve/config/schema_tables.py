"""The JSON Schema of what machine files have that is read key by key: CXL and steps.

A test compares the keys with those that the readers ask for (:mod:`softreserve.config.cxl`,
:mod:`softreserve.config.steps`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from softreserve.model.cxl import GRANULARITIES, LINK_SPEEDS, LINK_WIDTHS, WAYS, CxlPerformance
from softreserve.model.units import U32_MAX, U64_MAX

__all__ = ["DEFINITIONS", "SIZE", "TABLES"]

_Schema = dict[str, Any]

SIZE: Final[_Schema] = {
    "description": 'Bytes: 4096, "0x1000", "4G" or "4GiB".',
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": U64_MAX},
        {"type": "string", "pattern": r"^\s*(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)\s*([KMGTPEkmgtpe](iB)?)?\s*$"},
    ],
}
_TEXT: Final[_Schema] = {"type": "string"}
_FLAG: Final[_Schema] = {"type": "boolean"}


def _number(highest: int, words: str = "") -> _Schema:
    return {"type": "integer", "minimum": 0, "maximum": highest, **({"description": words} if words else {})}


def _one_of(values: Collection[object], words: str = "") -> _Schema:
    return {"enum": [*values], **({"description": words} if words else {})}


def _said(schema: _Schema, words: str) -> _Schema:
    return {**schema, "description": words}


def _array(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _of(name: str) -> _Schema:
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}


def _table(words: str, properties: Mapping[str, _Schema], required: Collection[str] = ()) -> _Schema:
    return {
        "type": "object",
        "description": words,
        "properties": dict(properties),
        "required": [*required],
        "additionalProperties": False,
    }


_DECODERS: Final = {
    "decoders": _number(32, "how many HDM decoders there are"),
    "committed": _array(_of("CxlDecoder")),
}
_SPEED: Final = {name: _number(U32_MAX, "ns" if "latency" in name else "MB/s") for name in CxlPerformance._fields}

DEFINITIONS: Final[Mapping[str, _Schema]] = {
    "CxlDecoder": _table(
        "An HDM decoder that the firmware has programmed.",
        {
            "start": SIZE,
            "size": _said(SIZE, "of the region; a multiple of 256 MiB"),
            "ways": _one_of(WAYS, "of interleaving"),
            "granularity": _said(SIZE, f"of interleaving: {', '.join(map(str, GRANULARITIES))}"),
            "targets": _said(_array(_number(255)), "numbers of ports, in the order of interleaving"),
            "locked": _FLAG,
            "skip": _said(SIZE, "of the device's memory, before what is decoded"),
        },
        ("start", "size"),
    ),
    "CxlHostBridge": _table(
        "A host bridge, as ACPI has it.",
        {
            "uid": _number(U32_MAX, "as in the CEDT, and among the targets of windows"),
            "bus": _number(255, "its PCI bus"),
            "domain": _number(U32_MAX, "its proximity domain (_PXM)"),
            "root_port": _array(_of("CxlPort")),
            "memdev": _said(_array(_of("CxlMemdev")), "devices of CXL 1.1, on its own bus"),
            **_DECODERS,
        },
        ("uid", "bus"),
    ),
    "CxlLink": _table(
        "A link, as it was trained.",
        {
            "speed": _one_of([speed / 1000 if speed % 1000 else speed // 1000 for speed in LINK_SPEEDS], "GT/s"),
            "width": _one_of(LINK_WIDTHS, "lanes"),
            "flit": _FLAG,
        },
        ("speed", "width"),
    ),
    "CxlMemdev": _table(
        "A memory device, of type 3.",
        {
            "volatile": _said(SIZE, "a multiple of 256 MiB"),
            "persistent": _said(SIZE, "a multiple of 256 MiB"),
            "serial": _number(U64_MAX),
            "link": _of("CxlLink"),
            "cdat": _table("How fast it is.", {"volatile": _of("CxlSpeed"), "persistent": _of("CxlSpeed")}),
            **_DECODERS,
        },
    ),
    "CxlPort": _table(
        "A port, with a device, with a switch, or empty.",
        {"number": _number(255), "memdev": _array(_of("CxlMemdev")), "switch": _array(_of("CxlSwitch"))},
        ("number",),
    ),
    "CxlSpeed": _table("What a CDAT says.", _SPEED, CxlPerformance._fields),
    "CxlSwitch": _table(
        "A switch in the place of a device.",
        {"port": _array(_of("CxlPort")), "link": _of("CxlLink"), "cdat": _of("CxlSpeed"), **_DECODERS},
    ),
    "Step": _table(
        "Something that is done on the machine, and what is expected of it: writes, or words for a shell.",
        {
            "name": _said(_TEXT, "a name for a directory"),
            "run": _said(_TEXT, "words for a shell"),
            "status": _said({"type": "integer"}, "what the words are expected to end with"),
            "output": _said(_TEXT, "what they are expected to print"),
            "writes": _said({"type": "array"}, '[["/sys/...", "value"], ...]'),
            "result": {"description": '0, a number of bytes, -errno or "-EBUSY": of all writes, or one for each'},
            "encoding": _one_of(("utf-8", "latin-1")),
        },
    ),
}

#: Tables at the top of a machine file, with the page that tells of them.
TABLES: Final[Mapping[str, _Schema]] = {
    "step": _said(_array(_of("Step")), "What is done on the machine: docs/captures.md"),
    "kexec": {"type": "object", "description": "The kernel that is started after the steps: docs/captures.md"},
    "cxl": _table(
        "CXL host bridges and what is behind them: docs/machines.md",
        {
            "root": _said(_FLAG, "whether there is a root device, ACPI0017"),
            "qtg": _number(0xFFFF, "the QoS class that the root device names"),
            "host_bridge": _array(_of("CxlHostBridge")),
        },
    ),
}
