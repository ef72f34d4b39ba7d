"""The JSON Schema of machine files, made of the classes that their tables become.

Editors read it. It says what :func:`softreserve.config.structure.structure` takes: what is read key by key (steps,
kexec, CXL) is a table or an array there, and no more; what validators compare with other fields is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import attrs

from softreserve.config.acpi_schema import Size
from softreserve.config.machine_file import E820_TYPES, Attributes, E820Type, MachineFile, MemoryType
from softreserve.config.structure import Number, OneOf, fields_of
from softreserve.model.efi import EfiAttribute, EfiType, type_words
from softreserve.model.units import U32_MAX, U64_MAX
from softreserve.plugins.extensions import MachineSection

__all__ = ["machine_file_schema"]

_Schema = dict[str, Any]

#: Editors know this draft best.
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
#: What is read key by key, with the page that tells of it.
_OTHERS: Final[Mapping[str, _Schema]] = {
    "step": {
        "type": "array",
        "items": {"type": "object"},
        "description": "What is done on the machine: docs/captures.md",
    },
    "kexec": {"type": "object", "description": "The kernel that is started after the steps: docs/captures.md"},
    "cxl": {"type": "object", "description": "CXL host bridges and what is behind them: docs/machines.md"},
}
_MAPS: Final = ("efi_map", "efi_map_file", "e820")

_SIZE: Final[_Schema] = {
    "description": 'Bytes: 4096, "0x1000", "4G" or "4GiB".',
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": U64_MAX},
        {"type": "string", "pattern": r"^\s*(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)\s*([KMGTPEkmgtpe](iB)?)?\s*$"},
    ],
}


def machine_file_schema(sections: Iterable[MachineSection] = ()) -> _Schema:
    """The schema of machine files as a JSON value.

    :param sections: tables of plugins.
    """
    maker = _Maker(_CORE)
    top = maker.table(MachineFile)
    top["properties"] |= _OTHERS
    for section in sections:
        of_plugin = _Maker(_PLUGIN, f"{section.name}.", maker.defs)
        made = of_plugin.schema(section.kind)
        top["properties"][section.name] = {**made, "description": section.words} if section.words else made
    return {
        "$schema": _DRAFT,
        "title": "A machine file of softreserve",
        **top,
        "anyOf": [{"required": [name]} for name in _MAPS],
        "not": {"required": list(_MAPS[:2])},
        "definitions": dict(sorted(maker.defs.items())),
    }


class _Maker:
    """Makes schemas of types.

    :param leaves: those of types that are made of no others.
    :param prefix: before names of definitions.
    """

    def __init__(self, leaves: Mapping[Any, _Schema], prefix: str = "", defs: dict[str, _Schema] | None = None) -> None:
        self.leaves = leaves
        self.prefix = prefix
        self.defs: dict[str, _Schema] = {} if defs is None else defs

    def schema(self, kind: Any) -> _Schema:
        """What a value of a type is in a file."""
        if kind in self.leaves:
            return dict(self.leaves[kind])
        if attrs.has(kind):
            name = f"{self.prefix}{kind.__name__}"
            if name not in self.defs:
                self.defs[name] = {}  # it may hold itself
                self.defs[name] = self.table(kind)
            return {"allOf": [{"$ref": f"#/definitions/{name}"}]}
        parts, origin = get_args(kind), get_origin(kind)
        if origin is Literal:
            return {"enum": list(parts)}
        if origin is tuple and ... not in parts:
            return {
                "type": "array",
                "items": [self.schema(part) for part in parts],
                "minItems": len(parts),
                "maxItems": len(parts),
            }
        if origin in (list, tuple, Sequence):
            return {"type": "array", "items": self.schema(parts[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.schema(parts[1])}
        (some,) = (part for part in parts if part is not NoneType)
        return self.schema(some)

    def table(self, kind: type[Any]) -> _Schema:
        """A table that becomes an attrs class."""
        words = dict(re.findall(r":param (\w+): (.+?)(?=\s*(?:\n\s*:|\n\s*\n|$))", kind.__doc__ or "", re.DOTALL))
        properties = {}
        required = []
        for name, (of_field, field) in fields_of(kind).items():
            made = self.schema(of_field)
            _restrict(made, field.validator)
            if isinstance(field.default, str | int) and field.default not in ("", False):
                made["default"] = field.default
            if name in words:
                made["description"] = " ".join(words[name].split())
            properties[name] = made
            if field.default is attrs.NOTHING:
                required.append(name)
        found: _Schema = {"type": "object"}
        first = (kind.__doc__ or "").strip().split("\n\n")[0]
        if first and not first.startswith("Method generated by attrs"):
            found["description"] = " ".join(first.split())
        return {**found, "properties": properties, "required": required, "additionalProperties": False}


def _restrict(made: _Schema, validator: Any) -> None:
    """Add what a validator says, where it is one of ours or says it in one of the words of attrs' own.

    Only of plain types: a size may be written in several ways.
    """
    if isinstance(validator, Number) and made.get("type") == "integer":
        made |= {"minimum": validator.low, "maximum": validator.high}
    elif isinstance(validator, OneOf) and "type" in made:
        made["enum"] = list(validator.known)
    elif hasattr(validator, "member_validator") and made.get("type") == "array":
        if isinstance(made["items"], dict):
            _restrict(made["items"], validator.member_validator)
    elif hasattr(validator, "validator"):  # optional
        _restrict(made, validator.validator)
    elif hasattr(validator, "_validators"):  # and_
        for one in validator._validators:
            _restrict(made, one)
    elif hasattr(validator, "options") and "type" in made:  # in_
        made["enum"] = (
            sorted(validator.options) if isinstance(validator.options, set | frozenset) else [*validator.options]
        )
    elif hasattr(validator, "bound") and made.get("type") in ("integer", "number"):
        words = {">=": "minimum", "<=": "maximum", ">": "exclusiveMinimum", "<": "exclusiveMaximum"}
        made[words[validator.compare_op]] = validator.bound


def _folded(words: str) -> str:
    """A pattern of some words in upper or lower case."""
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else re.escape(c) for c in words)


def _named(names: Iterable[str], largest: int) -> _Schema:
    """One of some names, or a number."""
    names = list(names)
    pattern = f"^({'|'.join(map(_folded, names))})$"
    numbers = {"type": "integer", "minimum": 0, "maximum": largest}
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": pattern}, numbers]}


def _flags(names: Iterable[str]) -> _Schema:
    """Names with bars between them, or a number."""
    one = rf"\s*({'|'.join(map(_folded, names))})\s*"
    numbers = {"type": "integer", "minimum": 0, "maximum": U64_MAX}
    return {"anyOf": [{"type": "string", "pattern": rf"^{one}(\|{one})*$"}, numbers]}


_PLAIN: Final[Mapping[Any, _Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    str | int: {"type": ["string", "integer"]},
}
_CORE: Final[Mapping[Any, _Schema]] = {
    **_PLAIN,
    Size: _SIZE,
    MemoryType: _named(map(type_words, EfiType), U32_MAX),
    E820Type: _named(E820_TYPES, U32_MAX),
    Attributes: _flags(EfiAttribute.__members__),
}
_PLUGIN: Final[Mapping[Any, _Schema]] = {
    **_PLAIN,
    int: {"anyOf": [{"type": "integer"}, _SIZE["anyOf"][1]], "description": _SIZE["description"]},
    float: {"type": "number"},
    Any: {},
    object: {},
}
