"""The JSON Schema of machine files: it takes what is read, and refuses what is refused."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from softreserve import config
from softreserve.cli import main
from softreserve.config.schema import machine_file_schema
from softreserve.plugins.extensions import MachineSection

EXAMPLES = sorted((Path(config.__file__).parent / "examples").glob("*.toml"))
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def is_valid(value: Any, schema: dict[str, Any], top: dict[str, Any]) -> bool:
    """Whether a value is what a schema says; of JSON Schema's words, those that ours is made of."""
    if "$ref" in schema:
        return is_valid(value, top["definitions"][schema["$ref"].rpartition("/")[2]], top)
    wanted = schema.get("type", [])
    kinds = [kind for name in ([wanted] if isinstance(wanted, str) else wanted) for kind in TYPES[name]]
    if kinds and type(value) not in kinds:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if type(value) is int and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        if not set(schema.get("required", ())) <= set(value) or (others is False and not set(value) <= set(known)):
            return False
        if not all(is_valid(item, known.get(name, others), top) for name, item in value.items()):
            return False
    if isinstance(value, list) and "items" in schema:
        items = schema["items"]
        kinds_of = items if isinstance(items, list) else [items] * len(value)
        if len(kinds_of) != len(value) or not all(map(is_valid, value, kinds_of, [top] * len(value))):
            return False
    return (
        all(is_valid(value, one, top) for one in schema.get("allOf", ()))
        and ("anyOf" not in schema or any(is_valid(value, one, top) for one in schema["anyOf"]))
        and ("not" not in schema or not is_valid(value, schema["not"], top))
    )


@attrs.frozen
class Bank:
    """Memory of an accelerator.

    :param start: where it begins,
        in bytes.
    """

    start: int
    mode: Literal["fast", "slow"] = "fast"
    share: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.5))
    pair: tuple[int, str] | None = None
    level: int = 1
    name: str = attrs.field(default="x", validator=attrs.validators.in_(["x", "y"]))
    inner: tuple[Bank, ...] = ()


SECTIONS = [MachineSection("bank", Bank, "banks")]
MAP = 'efi_map = [{ start = 0, size = "1M" }]\n'


def takes(text: str) -> bool:
    schema = machine_file_schema(SECTIONS)
    return is_valid(tomllib.loads(text), schema, schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_what_the_schema_says(path: Path) -> None:
    assert takes(path.read_text())


GOOD = [
    "",
    "cpus = 8192",
    'phys_bits = 52\nplugins = ["x86"]',
    '[kernel]\npage_size = 65536\nconfig = { CMA = "y", NODES_SHIFT = 6 }',
    "[acpi.slit]\ndistances = [[10, 20], [20, 10]]",
    "[[acpi.windows]]\nstart = '4 GiB'\nsize = '0x1_0000'\ngranularity = '1K'",
    "[[acpi.hmat.locality]]\nkind = 'read latency'\ninitiators = [0]\ntargets = [0]\nvalues = [[-1]]",
    "[[step]]\nrun = 'true'\n[kexec]\nsyscall = 'kexec_load'\n[cxl]\nroot = false",
    '[bank]\nstart = "4G"\nshare = 2\npair = ["4K", "x"]\n[[bank.inner]]\nstart = 1\nmode = "slow"',
]
BAD = [
    "cpus = 8193",
    "cpus = '1'",
    "plugins = 'x86'",
    "efi_map_file = 'x'",  # beside efi_map
    "nam = 'x'",
    "[kernel]\npage_size = 8192",
    "[kernel]\nreleas = '6.1'",
    "[kernel]\nconfig = { CMA = true }",
    "[acpi.hmat]\nlocality = [{ kind = 'read', initiators = [], targets = [], values = [] }]",
    "[bank]\nmode = 'slow'",
    "[bank]\nstart = '4X'",
    "[bank]\nstart = 0\nmode = 'medium'",
    "[bank]\nstart = 0\nname = 'z'",
    "[bank]\nstart = 0\npair = [1]",
    "[[bank]]\nstart = 0",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_read_is_what_the_schema_says(text: str) -> None:
    assert takes(MAP + text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_refused_is_not_what_the_schema_says(text: str) -> None:
    assert not takes(MAP + text)


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("type = 'MMIO'", True),
        ("type = 14", True),
        ("type = 'mmi'", False),
        ("type = -1", False),
        ("attributes = 'SP|wb'", True),
        ("attributes = 64", True),
        ("attributes = 'SP,WB'", False),
        ("attributes = true", False),
    ],
)
def test_names_are_taken_in_upper_and_lower_case_as_they_are_read(value: str, taken: bool) -> None:
    assert takes(f"[[efi_map]]\nstart = 0\nsize = 4096\n{value}") is taken


def test_a_map_is_needed_in_one_of_three_forms() -> None:
    assert not takes("cpus = 1")
    assert takes("e820 = []")
    assert takes("efi_map_file = 'map.txt'")


def test_docstrings_are_descriptions_and_defaults_are_told() -> None:
    schema = machine_file_schema(SECTIONS)
    bank = schema["definitions"]["bank.Bank"]
    assert bank["description"] == "Memory of an accelerator."
    assert bank["required"] == ["start"]
    assert bank["properties"]["start"]["description"] == "where it begins, in bytes."
    assert bank["properties"]["level"]["default"] == 1
    assert bank["properties"]["share"] == {"type": "number", "minimum": 0.5}
    assert schema["properties"]["bank"]["description"] == "banks"
    assert schema["definitions"]["KernelSection"]["properties"]["page_size"]["enum"] == [4096, 16384, 65536]


def test_the_program_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == machine_file_schema()
