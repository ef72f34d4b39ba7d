"""What an editor is told of machine files: whole ones are right by it, and mistakes are not."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pages
import pytest
from jsonschema import Draft7Validator
from softreserve import config
from softreserve.cli import main
from softreserve.config.account import accounting
from softreserve.config.new_machine import SCHEMA_FILE, Plan, machine_text
from softreserve.config.reader import Document
from softreserve.config.schema_tables import DEFINITIONS, TABLES
from softreserve.plugins.selection import Selection

pytestmark = pytest.mark.skipif(not Selection().arches, reason="needs a plugin that boots: pip install ./plugins/x86")

EXAMPLES = sorted((Path(config.__file__).parent / "examples").glob("*.toml"))
MAP = 'efi_map = [{ start = 0, size = "1M" }]\n'


@pytest.fixture
def wrong(capsys: pytest.CaptureFixture[str]) -> Any:
    """What is wrong with the text of a machine file, by the schema that the program prints."""
    assert main(["schema", "machine"]) == 0
    schema = json.loads(capsys.readouterr().out)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    return lambda text: [error.message for error in validator.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_right(path: Path, wrong: Any) -> None:
    assert wrong(path.read_text()) == []


def test_tables_in_the_documentation_are_right(wrong: Any) -> None:
    found = [piece for piece in pages.pieces("docs/machines.md") if getattr(piece, "language", "") == "toml"]
    assert len(found) >= 3
    for piece in found:
        assert wrong(MAP + piece.text) == [], piece


@pytest.mark.parametrize("arch", sorted(Selection().arches))
def test_what_new_writes_is_right_and_says_where_the_schema_is(arch: str, wrong: Any) -> None:
    text = machine_text(
        Plan(name="any", arch=arch, sockets=1, dram=8 << 30, hbm=8 << 30, cxl=8 << 30), command="a test"
    )
    assert text.startswith(f"#:schema ./{SCHEMA_FILE}\n")
    assert wrong(text) == []


#: Every table of CXL and of steps.
DEEP = (
    MAP
    + """
[[step]]
run = "true"
[[step]]
writes = [["/sys/kernel/mm/numa/demotion_enabled", "1"]]
[cxl]
[[cxl.host_bridge]]
uid = 1
bus = 1
[[cxl.host_bridge.committed]]
start = "4G"
size = "1G"
targets = [0]
[[cxl.host_bridge.root_port]]
number = 0
[[cxl.host_bridge.root_port.memdev]]
volatile = "1G"
persistent = "1G"
link = { speed = 32, width = 16 }
[cxl.host_bridge.root_port.memdev.cdat]
volatile = { read_latency = 1, write_latency = 1, read_bandwidth = 1, write_bandwidth = 1 }
[[cxl.host_bridge.root_port]]
number = 1
[[cxl.host_bridge.root_port.switch]]
[[cxl.host_bridge.root_port.switch.port]]
number = 0
"""
)


def test_the_keys_of_what_is_read_key_by_key_are_those_that_are_asked_for(tmp_path: Path, wrong: Any) -> None:
    assert wrong(DEEP) == []
    (tmp_path / "m.toml").write_text(DEEP)
    with accounting() as account:
        config.load(tmp_path / "m.toml")
    (document,) = account.documents
    assert isinstance(document, Document)
    seen = set()
    for table in document._tables:
        names = [name for name in table.key if isinstance(name, str)]
        if names[:1] not in (["cxl"], ["step"]):
            continue
        *_, name = ["", *names]
        known = DEFINED.get((*names[-2:-1], name), DEFINED.get((name,)))
        assert known is not None, names
        properties = (TABLES if known == "cxl" else DEFINITIONS)[known]["properties"]
        if known == "Step":  # which has writes or words
            assert set(table.asked) <= set(properties)
        elif names[-2:] == ["memdev", "cdat"]:
            assert set(table.asked) == {"volatile", "persistent"}
        else:
            assert set(table.asked) == set(properties), names
        seen.add(known)
    assert seen == {"cxl", *DEFINITIONS}


#: What describes a table, by the end of its key.
DEFINED = {
    ("cxl",): "cxl",
    ("host_bridge",): "CxlHostBridge",
    ("committed",): "CxlDecoder",
    ("root_port",): "CxlPort",
    ("port",): "CxlPort",
    ("memdev",): "CxlMemdev",
    ("cdat",): "CxlMemdev",
    ("cdat", "volatile"): "CxlSpeed",
    ("switch",): "CxlSwitch",
    ("link",): "CxlLink",
    ("step",): "Step",
}

FAULTS = {
    "no map": "cpus = 4",
    "two maps": MAP + 'efi_map_file = "map.txt"',
    "an unknown key": MAP + "cpu = 4",
    "a number that is a string": MAP + 'cpus = "4"',
    "too many": MAP + "cpus = 100000",
    "an unknown key of the kernel": MAP + '[kernel]\nrelase = "6.1"',
    "no such page size": MAP + "[kernel]\npage_size = 5000",
    "a size in other units": 'efi_map = [{ start = 0, size = "1MB" }]',
    "a negative size": "efi_map = [{ start = 0, size = -4096 }]",
    "a range without an end": "efi_map = [{ start = 0 }]",
    "no such type": 'efi_map = [{ start = 0, size = "1M", type = "ram" }]',
    "no such attribute": 'efi_map = [{ start = 0, size = "1M", attributes = "SP|XX" }]',
    "no such type of e820": 'e820 = [{ start = 0, size = "1M", type = "ram" }]',
    "a table for an array": MAP + "[acpi.srat]\nmemory = { domain = 0, start = 0, size = 4096 }",
    "an entry without a domain": MAP + '[acpi.srat]\nmemory = [{ start = 0, size = "1G" }]',
    "no such kind": MAP + "[[acpi.hmat.locality]]\nkind = 'latency'\ninitiators = [0]\ntargets = [0]\nvalues = [[1]]",
    "a word for a number": MAP + "[acpi.slit]\ndistances = [['near']]",
    "no such part of the image": MAP + "[image]\ntext = { start = 0, size = 4096 }",
    "steps that are a table": MAP + "[step]\nrun = 'true'",
    "an unknown key of a device": DEEP.replace("persistent =", "persistant ="),
    "a link that nobody has": DEEP.replace("width = 16", "width = 3"),
    "a host bridge without a number": MAP + "[[cxl.host_bridge]]\nbus = 1",
    "an unknown key of a step": MAP + "[[step]]\nrum = 'true'",
    "bits beyond any processor": MAP + "phys_bits = 64",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_found(fault: str, wrong: Any) -> None:
    assert wrong(FAULTS[fault]) != []
