"""Writes the JSON Schemas of what ``--json`` prints, of the classes that are printed: ``python docs/schemas.py``.

They lie in the core, ``softreserve schema NAME`` prints them, and ``formats.md``, whose table is written too, tells of
them.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import types
import typing
from collections.abc import Collection, Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

import attrs
from softreserve import cli
from softreserve.cli.jsonout import VERSION
from softreserve.model.findings import SEVERITIES
from softreserve.model.outcome import USES
from softreserve.model.plain import told_names
from softreserve.model.scenario import Gap
from softreserve.views.explain.trail import STAGES
from softreserve.views.verify.rows import CLASSES

FOLDER = Path(cli.__file__).with_name("schemas")
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

PAGE: Final = Path(__file__).with_name("formats.md")
#: What stands above it is written by hand.
MARK: Final = "<!-- what follows is written by docs/schemas.py -->\n"

#: What each answer is made of, as ``module:class``; several classes are several forms.
ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "align": ("softreserve.cli.align:Alignment",),
    "boot": ("softreserve.views.summary:Summary",),
    "capture": ("softreserve.cli.capture:Captured",),
    "diff": ("softreserve.cli.diff:Compared", "softreserve.cli.diff:Upgrades", "softreserve.cli.diff:WhatIfs"),
    "doctor": ("softreserve.cli.doctor:Checkup",),
    "emit": ("softreserve.cli.jsonout:Emitted",),
    "examples": ("softreserve.cli.examples:Examples",),
    "explain": ("softreserve.cli.explain:Explained", "softreserve.cli.explain:ExplainedAddress"),
    "export": ("softreserve.cli.export:Exported",),
    "fleet": ("softreserve.views.fleet.summary:FleetSummary",),
    "fleet-query": ("softreserve.cli.fleet.query:Queried",),
    "fleet-row": ("softreserve.views.fleet.row:Row",),
    "inventory": ("softreserve.cli.inventory:WrittenInventory",),
    "kaslr": ("softreserve.cli.kaslr:Places",),
    "kexec": ("softreserve.cli.kexec:Chain",),
    "lint": ("softreserve.cli.lint:Linted",),
    "new": ("softreserve.cli.new:Written",),
    "new-plugin": ("softreserve.cli.new_plugin:NewPlugin",),
    "observe": ("softreserve.cli.observe:Observed",),
    "plugins": ("softreserve.cli.plugins:Inventory",),
    "report": (
        "softreserve.cli.report:Page",
        "softreserve.cli.report:Folder",
        "softreserve.views.fleet.summary:FleetSummary",
    ),
    "run": ("softreserve.cli.run:Ran",),
    "scenario": ("softreserve.cli.scenario:Told",),
    "scenario-run": ("softreserve.cli.scenario:PlayedScenarios",),
    "scenarios": ("softreserve.cli.scenario:Library",),
    "serve": ("softreserve.cli.serve:Served",),
    "show-input": ("softreserve.views.understood:Understood",),
    "sweep": ("softreserve.cli.fleet.sweep:Swept",),
    "verify": ("softreserve.cli.verify:Verified",),
}

#: Lines of a file, not answers of their own: they have no head.
ROWS: Final = ("fleet-row",)

#: Words that attributes of classes can be, or their keys, where neither the type nor a validator says so.
_WORDS: Final[Mapping[tuple[str, str], Collection[str]]] = {
    ("Consequence", "severity"): SEVERITIES,
    ("Decision", "stage"): STAGES,
    ("Difference", "sort"): tuple(CLASSES),
    ("Marked", "by"): ("firmware", "kernel", "plugin"),
    ("Part", "severity"): ("", *SEVERITIES),
    ("Part", "use"): tuple(USES),
    ("Shortfall", "severity"): SEVERITIES,
    ("Shortfall", "use"): tuple(USES),
    ("SpecificPurpose", "as_devdax"): tuple(USES),
    ("SpecificPurpose", "as_system_ram"): tuple(USES),
    ("SpecificPurpose", "totals"): tuple(USES),
    ("Summary", "findings"): SEVERITIES,
    ("Told", "severities"): ("good", *SEVERITIES),
    ("Told", "uses"): tuple(USES),
    ("Verdict", "severity"): ("good", *SEVERITIES),
}

_SCALARS: Final[Mapping[Any, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}
#: Keys of JSON objects that are numbers here.
_NUMBERS: Final = "^-?[0-9]+$"
_ROLE: Final = re.compile(r":\w+:`(?:~[\w.]*?(\w+)|([^`]*))`")


def schema(name: str) -> dict[str, Any]:
    """The schema of an answer."""
    maker = _Maker()
    top = maker.bare if name in ROWS else partial(maker.top, name)
    forms = [top(_named(place)) for place in ANSWERS[name]]
    head = {"$schema": DRAFT, "$id": f"urn:softreserve:{name}:{VERSION}", "title": f"softreserve.{name}"}
    body = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {**head, **body, "$defs": dict(sorted(maker.defs.items()))}


def page() -> str:
    """``formats.md`` as it should be."""
    head, mark, _ = PAGE.read_text().partition(MARK)
    assert mark, "the mark is gone"
    rows = [f"| `{name}` | {_readable('; or '.join(map(_first, map(_named, ANSWERS[name]))))} |" for name in ANSWERS]
    return "\n".join((head + mark, "| answer | what it is |", "|---|---|", *rows, ""))


def _first(kind: type[Any]) -> str:
    """The first sentence about a class."""
    return (kind.__doc__ or "").partition("\n\n")[0].rstrip(".")


def text(name: str) -> str:
    """The same as the text of a file."""
    return json.dumps(schema(name), indent=1) + "\n"


def _named(place: str) -> type[Any]:
    module, _, name = place.partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


class _Maker:
    """Makes schemas of types; those of classes are collected in ``defs``."""

    def __init__(self) -> None:
        self.defs: dict[str, Any] = {}
        self._kinds: dict[str, type[Any]] = {}

    def bare(self, kind: type[Any]) -> dict[str, Any]:
        """A class by itself."""
        return self._object(kind)

    def top(self, name: str, kind: type[Any]) -> dict[str, Any]:
        """An answer: its class with what all answers have."""
        made = self._object(kind)
        made["properties"] = {
            "schema": {"const": f"softreserve.{name}"},
            "version": {"const": VERSION},
            **made["properties"],
            "gaps": {"type": "array", "items": self.schema(Gap), "description": "What the input lacks."},
        }
        made["required"] = list(made["properties"])
        return made

    def schema(self, kind: Any) -> dict[str, Any]:
        """What a value of a type is."""
        if kind in _SCALARS:
            return {"type": _SCALARS[kind]}
        if kind is type(None):
            return {"type": "null"}
        if kind is Any or kind is object:
            return {}
        parts, origin = get_args(kind), get_origin(kind)
        if origin is Literal:
            return {"enum": list(parts)}
        if origin in (Union, types.UnionType):
            return self._one_of([self.schema(part) for part in parts])
        if origin is tuple and ... not in parts:
            return {
                "type": "array",
                "prefixItems": [self.schema(part) for part in parts],
                "minItems": len(parts),
                "maxItems": len(parts),
            }
        if isinstance(origin, type) and issubclass(origin, Mapping):
            made = {"type": "object", "additionalProperties": self.schema(parts[1])}
            return made if parts[0] is str else {**made, "propertyNames": {"pattern": _NUMBERS}}
        if origin is not None:
            return {"type": "array", "items": self.schema(parts[0])}
        if "as_json" in vars(kind):
            return self.schema(_hints(kind.as_json)["return"])
        assert _names(kind) is not None, f"{kind!r} is nothing that JSON has"
        if self._kinds.setdefault(kind.__name__, kind) is not kind:
            raise ValueError(f"two classes have one name: {kind}, {self._kinds[kind.__name__]}")
        if kind.__name__ not in self.defs:
            self.defs[kind.__name__] = {}  # it may hold itself
            self.defs[kind.__name__] = self._object(kind)
        return {"$ref": f"#/$defs/{kind.__name__}"}

    def _object(self, kind: type[Any]) -> dict[str, Any]:
        words, params = _told(kind)
        properties = {}
        for name in _names(kind) or ():
            attribute = getattr(kind, name, None)
            found = _hints(attribute.fget)["return"] if isinstance(attribute, property) else _hints(kind)[name]
            properties[name] = self.schema(found)
            choice = _choice(kind, name)
            if choice:
                is_map = properties[name].get("type") == "object"
                properties[name] |= {"propertyNames": {"enum": choice}} if is_map else {"enum": choice}
            said = params.get(name) or (_readable(attribute.__doc__) if isinstance(attribute, property) else "")
            if said:
                properties[name]["description"] = said
        made: dict[str, Any] = {"description": words} if words else {}
        return made | {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    @staticmethod
    def _one_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
        """One of several: of plain types as a list of them."""
        if all(made.keys() == {"type"} for made in schemas):
            return {"type": [made["type"] for made in schemas]}
        return {"anyOf": schemas}


def _names(kind: type[Any]) -> tuple[str, ...] | None:
    """Names of what is told of a class, or of the keys of a dictionary."""
    return tuple(kind.__annotations__) if typing.is_typeddict(kind) else told_names(kind)


def _choice(kind: type[Any], name: str) -> list[str]:
    """The words that an attribute, or a key of it, can be; empty: any."""
    field = getattr(attrs.fields(kind), name, None) if attrs.has(kind) else None
    said = next((_WORDS[one.__name__, name] for one in kind.__mro__ if (one.__name__, name) in _WORDS), ())
    return [*getattr(field and field.validator, "options", said)]


def _told(kind: type[Any]) -> tuple[str, dict[str, str]]:
    """What the docstring of a class says of it, and of its attributes."""
    doc = kind.__doc__ or ""
    if doc.startswith("Method generated by attrs") or re.match(rf"{kind.__name__}\(", doc):
        return "", {}
    words, *params = re.split(r"\n\s*:(?:param (?=\w+:)|raises )", doc)
    found = dict(re.findall(r"(?s)^(\w+): (.*)", param)[0] for param in params if re.match(r"\w+: ", param))
    return _readable(words), {name: _readable(said) for name, said in found.items()}


def _readable(doc: str | None) -> str:
    """A docstring as one paragraph without markup."""
    words = " ".join(_ROLE.sub(r"\1\2", doc or "").replace("``", "").split())
    return re.sub(r"\bNone\b", "null", words)


def _hints(what: Any) -> dict[str, Any]:
    """Types of attributes or of what is returned; also those whose names only type checkers import."""
    owners = what.__mro__ if isinstance(what, type) and not typing.is_typeddict(what) else (what,)
    names = {name: value for owner in owners for name, value in _for_type_checkers(owner.__module__).items()}
    return typing.get_type_hints(what, localns=names)


@cache
def _for_type_checkers(module: str) -> dict[str, Any]:
    """Names that a module imports below ``if TYPE_CHECKING:``."""
    path = getattr(sys.modules[module], "__file__", None)
    names: dict[str, Any] = {}
    for node in ast.parse(Path(path).read_text()).body if path is not None else ():
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for found in node.body:
                if isinstance(found, ast.ImportFrom) and found.module is not None:
                    imported = import_module(found.module)
                    names |= {alias.asname or alias.name: getattr(imported, alias.name) for alias in found.names}
    return names


if __name__ == "__main__":
    for path in FOLDER.glob("*.json"):
        if path.stem not in ANSWERS:
            path.unlink()
    for name in ANSWERS:
        (FOLDER / f"{name}.json").write_text(text(name))
    PAGE.write_text(page())
