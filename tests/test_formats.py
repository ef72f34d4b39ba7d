"""What ``--json`` prints is what its schema says, and the schemas are those of the classes that are printed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cases
import click
import pytest
from jsonschema import Draft202012Validator
from small_machines import X86, need
from softreserve.cli import COMMANDS, cli, main
from softreserve.cli.schema import SCHEMAS

WRITER = Path(__file__).parents[1] / "docs" / "schemas.py"
#: Answers that have another name than their command.
OTHERS = {"emit": "boot", "fleet-row": "fleet", "scenario-run": "scenario", "scenarios": "scenario"}
#: Every recorded boot counts; these are of all releases, architectures and kinds of machines.
SOME = cases.names()[::9]


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """``docs/schemas.py``."""
    spec = importlib.util.spec_from_file_location("schemas", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command, or the commands of a group."""
    if isinstance(command, click.Group):
        for sub, inner in command.commands.items():
            yield f"{name} {sub}", inner
    else:
        yield name, command


def with_option(wanted: str) -> set[str]:
    """Names of the commands that take an option."""
    found = set()
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for path, leaf in leaves(command, name):
            if any(wanted in option.opts for option in leaf.params):
                found.add(path.partition(" ")[0])
    return found


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What a command says with ``--json``, after a look whether its schema says so, too."""
    capsys.readouterr()
    status = main([*arguments, "--json"])
    out, err = capsys.readouterr()
    assert status in (0, 1), err
    found: dict[str, Any] = json.loads(out)
    name = found["schema"].removeprefix("softreserve.")
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema).validate(found)
    return found


def test_the_schemas_are_those_of_the_classes(writer: ModuleType) -> None:
    pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
    told = "run: python docs/schemas.py"
    texts = {name: writer.text(name) for name in writer.ANSWERS}
    assert texts == {path.stem: path.read_text() for path in writer.FOLDER.glob("*.json")}, told
    assert writer.page() == writer.PAGE.read_text(), told


def test_what_prints_lines_for_people_prints_them_plainly_too() -> None:
    quiet = {"capture", "export", "inventory", "new", "new-plugin", "observe", "report", "serve"}
    assert with_option("--plain") == with_option("--json") - quiet


def test_every_command_that_answers_programs_has_a_schema() -> None:
    assert with_option("--json") == {OTHERS.get(name, name) for name in SCHEMAS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_lets_nothing_by_that_it_does_not_name(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["schema", name])
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    objects = [one for one in inner(schema) if "properties" in one]
    assert objects
    assert all(
        one["additionalProperties"] is False and set(one["required"]) == set(one["properties"]) for one in objects
    )


def inner(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str | list):
            yield schema
        for value in schema.values():
            yield from inner(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from inner(value)


def test_without_a_name_all_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out.split() == [*SCHEMAS, "machine"]


@pytest.mark.parametrize("case", SOME)
def test_answers_on_recorded_boots_are_what_the_schemas_say(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(cases.unpack(case, tmp_path) / "input")
    need(case.partition("-")[0].replace("x86", X86))
    answered(capsys, "boot", path)
    answered(capsys, "lint", path)


CALLS = (
    ("align", "0x880200000", "2046M"),
    ("boot", "{case}", "--emit", "iomem"),
    ("capture", "--sysroot", "{folder}/host", "-o", "{folder}/capture"),
    ("diff", "{case}", "--kernel", "6.1.0-56-amd64"),
    ("diff", "{case}", "--cmdline", "+efi=nosoftreserve", "--emit", "iomem"),
    ("diff", "{case}", "--kernel", "6.12,6.18"),
    ("diff", "{case}", "--kernel", "6.12,6.18", "--emit", "dax"),
    ("explain", "{case}", "4G"),
    ("explain", "{case}", "dax0.0", "--no-changes"),
    ("explain", "{case}", "why not dax", "--no-changes"),
    ("export", "{case}", "{folder}/export"),
    ("fleet", "{folder}/fleet", "--kernel", "6.12,7.3", "--kexec", "default", "--jobs", "1"),
    ("fleet-query", "{folder}/rows.jsonl", "SELECT * FROM fleet"),
    ("inventory", "--count", "10", "-o", "{folder}/made"),
    ("kaslr", "{case}"),
    ("kaslr", "{case}", "--seed", "7", "--samples", "10"),
    ("kexec", "{case}", "--chain", "2"),
    ("lint", "{case}", "--kernel", "6.12,6.18"),
    ("doctor",),
    ("examples",),
    ("new", "{folder}/m.toml"),
    ("new-plugin", "lint", "mine", "-o", "{folder}/mine"),
    ("observe", "{case}", "--out", "{folder}/observed"),
    ("plugins",),
    ("report", "{case}", "-o", "{folder}/page.html"),
    ("report", "{folder}/fleet", "-o", "{folder}/pages"),
    ("run", "{case}", "--skip-unrunnable", "--trace", "--state", "--emit", "iomem"),
    ("scenario", "list"),
    ("scenario", "show", "s12-less-than-a-block"),
    ("scenario", "run", "s12-less-than-a-block"),
    ("show-input", "{case}"),
    ("show-input", "example:two-node"),
    ("sweep", "{case}", "--over", "kernel=6.12,7.3", "--over", "layout=as-is,inward:2M"),
    ("verify", "{case}"),
)


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_answers_of_every_command_are_what_the_schemas_say(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need(X86)
    if words[0] == "report":
        pytest.importorskip("jinja2", reason="needs jinja2: pip install 'softreserve[report]'")
    case = cases.unpack("x86-6.1-two-node-hmat", tmp_path / "fleet")
    if words[0] == "fleet-query":
        pytest.importorskip("duckdb", reason="needs duckdb: pip install 'softreserve[fleet]'")
        assert main(["fleet", str(tmp_path / "fleet"), "--jobs", "1", "-o", str(tmp_path / "rows.jsonl")]) == 0
    (tmp_path / "host/proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "host/proc/sys/kernel/osrelease").write_text("6.1.0-56-amd64\n")
    (tmp_path / "host/proc/version").write_text("Linux version 6.1.0-56-amd64 (x@y) (gcc 12) #1 SMP\n")
    (tmp_path / "host/proc/cpuinfo").write_text("processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu\n\n")
    answered(capsys, *(word.format(case=case / "input", folder=tmp_path) for word in words))


def test_the_calls_are_of_every_command() -> None:
    elsewhere = {"serve"}  # with those that need FUSE
    assert {words[0] for words in CALLS} | elsewhere == with_option("--json")
