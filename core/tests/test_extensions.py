"""What plugins bring to descriptions and commands: sections, importers, emitters, lanes, commands, findings.

They are installed as installers do it: a folder on the path with the module and its metadata.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import softreserve as sr
from softreserve.cli import main
from softreserve.model.errors import PluginResultError
from softreserve.plugins.brought import by_name
from softreserve.plugins.hooks import load
from softreserve.plugins.selection import Selection

MAP = """
[kernel]
arch = "riscv64"
[[efi_map]]
start = "2G"
size = "2G"
[[efi_map]]
start = "4G"
size = "1G"
attributes = "SP|WB"
"""

SECTION = """
import attrs
import softreserve as sr

@attrs.frozen
class Bank:
    start: int
    size: int = attrs.field(validator=attrs.validators.ge(4096))
    mode: str = attrs.field(default="fast", validator=attrs.validators.in_(["fast", "slow"]))

@attrs.frozen
class Accelerator:
    node: int
    banks: tuple[Bank, ...] = ()
    speed: float | None = None
    names: dict[str, list[str]] = attrs.field(factory=dict)
    pair: tuple[int, str] = (0, "")

    def __attrs_post_init__(self):
        if self.node == 13:
            raise ValueError("no machine has a node 13")
        if self.node == 14:
            raise KeyError(self.node)

@sr.hookimpl
def softreserve_machine_sections():
    return [sr.MachineSection("accelerator", Accelerator, "memory of accelerators")]

@sr.hookimpl
def softreserve_emitters():
    return [sr.Emitter("sections", lambda system: [repr(system.machine.sections)])]
"""

IMPORTER = """
import softreserve as sr

def read(place):
    match place:
        case "bad":
            raise sr.InputError("is no machine", path=place)
        case "bug":
            raise sr.MachineError("not what an importer raises")
        case "none":
            return None
        case "text":
            return sr.Scenario("machine")
        case "gaps":
            return sr.Scenario(sr.load({machine!r}).machine, gaps=None)
        case "gap":
            scenario = sr.load({machine!r})
            return sr.Scenario(scenario.machine, gaps=(sr.Gap("the moon", "it is dark"),))
    return sr.load({machine!r}).machine

@sr.hookimpl
def softreserve_importers():
    return [sr.Importer("store", read, "machines of a store")]
"""

EMITTER = """
import softreserve as sr

def rising(system):
    for number in range(1_000_000):
        yield f"line {number}"

def late(system):
    yield "first"
    raise RuntimeError("no more")

@sr.hookimpl
def softreserve_emitters():
    return [
        sr.Emitter("rising", rising),
        sr.Emitter("late", late),
        sr.Emitter("text", lambda system: "text"),
        sr.Emitter("nothing", lambda system: None),
        sr.Emitter("numbers", lambda system: [1]),
        sr.Emitter("two-in-one", lambda system: ["a\\nb"]),
    ]
"""

LANES = """
import softreserve as sr

@sr.hookimpl
def softreserve_report_lanes(system):
    return [sr.Lane("banks", (sr.Bar(0x1000, 0x3000, "first"), sr.Bar(0x3000, 0x4000, "second")), "of the accelerator")]

@sr.hookimpl
def softreserve_lint(system, outcome, onlined):
    where = outcome.ranges[0]
    return [sr.Finding("error", "bank-lost", "a bank is lost", where.start, where.end, explains="lost")]
"""

COMMANDS = """
import click
import softreserve as sr

async def later():
    pass

@sr.hookimpl
def softreserve_cli(group):
    @group.command()
    @click.argument("what", default="")
    def greet(what):
        "Say hello."
        match what:
            case "exit":
                raise SystemExit(5)
            case "usage":
                raise click.UsageError("not so")
            case "machine":
                raise sr.MachineError("does not boot")
            case "file":
                open("/nowhere/at/all")
            case "bug":
                raise KeyError("bug")
            case "names":
                print(sr.boot(sr.load("example:two-node")).hooks.names)
            case "text":
                raise SystemExit("text")
            case "own":
                raise sr.PluginError("of its own")
            case "later":
                return later()
        print("hello", what)
"""

COMMAND = "softreserve_cli: command 'greet'"
Install = Callable[..., None]


@pytest.fixture
def install(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a plugin of some source; ``default``: one that is wanted everywhere."""
    monkeypatch.syspath_prepend(str(demo))

    def add(name: str, source: str, *, default: bool = False) -> None:
        module = f"{name}_{demo.name.replace('-', '_')}"  # no two tests have one in common
        folder = demo / f"{name}-1.0.dist-info"
        folder.mkdir()
        entry = f"{name} = {module}\n"
        text = f"[softreserve.plugins]\n{entry}" + (f"[softreserve.defaults]\n{entry}" if default else "")
        (folder / "entry_points.txt").write_text(text)
        (demo / f"{module}.py").write_text(source)

    return add


@pytest.fixture
def machine(demo: Path) -> Callable[[str], str]:
    """Writes a machine file with some more text."""

    def write(text: str = "", top: str = "") -> str:
        path = demo / "m.toml"
        path.write_text(top + MAP + text)
        return str(path)

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command: exit code, standard output, standard error without the lines of code that it names."""

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out, re.sub(r" \(\w+\.py:\d+\)$", "", captured.err, flags=re.MULTILINE)

    return call


class Plugin:
    """A plugin of one hook."""

    def __init__(self, hook: str, answer: Any) -> None:
        def call() -> Any:
            return answer() if callable(answer) else answer

        call.__name__ = hook
        setattr(self, hook, sr.hookimpl(call))


# --------------------------------------------------------------------------------------------------------- sections


def test_a_section_becomes_what_the_plugin_says(install: Install, machine: Any, run: Any) -> None:
    install("acc", SECTION)
    path = machine(
        '[accelerator]\nnode = 3\nspeed = 2\nnames = { a = ["b"] }\npair = [1, "x"]\n'
        '[[accelerator.banks]]\nstart = "8G"\nsize = "1G"\nmode = "slow"\n'
    )
    made = sr.load(path, plugins=["acc"]).machine.sections["accelerator"]
    assert (made.node, made.speed, made.names, made.pair) == (3, 2.0, {"a": ["b"]}, (1, "x"))
    assert [(bank.start, bank.size, bank.mode) for bank in made.banks] == [(8 << 30, 1 << 30, "slow")]
    status, out, _ = run("boot", path, "-p", "acc", "--emit", "sections")
    assert (status, out.startswith("{'accelerator': Accelerator(node=3, ")) == (0, True)


@pytest.mark.parametrize("who", ["option", "file", "default"])
def test_whoever_is_loaded_for_the_machine_is_asked(who: str, install: Install, machine: Any, run: Any) -> None:
    install("acc", SECTION, default=who == "default")
    top = 'plugins = ["riscv", "acc"]\n' if who == "file" else ""
    path = machine("[accelerator]\nnode = 3\n", top)
    assert run("boot", path, "--emit", "sections", *(["-p", "acc"] if who == "option" else []))[0] == 0


WRONG_SECTIONS = [
    ("nod = 3", "line 12: accelerator.nod: unknown key; known: node, banks, speed, names, pair; did you mean 'node'?"),
    ("speed = 1", "line 11: accelerator.node: missing"),
    ("node = true", "line 12: accelerator.node: wanted a size like 4096"),
    ("node = 1\nspeed = 'x'", "line 13: accelerator.speed: wanted a number, not 'x'"),
    ("node = 1\npair = [1]", "line 13: accelerator.pair: wanted 2 values, not 1"),
    ("node = 1\npair = [1, 2]", "line 13: accelerator.pair[1]: wanted a string, not 2"),
    ("node = 1\nnames = { a = 1 }", "line 13: accelerator.names.a: wanted an array, not 1"),
    ("node = 13", "line 11: accelerator: no machine has a node 13"),
    (
        "node = 1\nbanks = { start = 1 }",
        "line 13: accelerator.banks: wanted an array, not {'start': 1}: write [[banks]]",
    ),
    (
        "node = 1\n[[accelerator.banks]]\nstart = '1X'\nsize = 4096",
        "line 14: accelerator.banks[0].start: wanted a size",
    ),
    (
        "node = 1\n[[accelerator.banks]]\nstart = 1\nsize = 1",
        "line 15: accelerator.banks[0].size: 'size' must be >= 4096: 1",
    ),
    (
        "node = 1\n[[accelerator.banks]]\nstart = 1\nsize = 4096\nmode = 'x'",
        "line 16: accelerator.banks[0].mode: 'mode' must be in",
    ),
]


@pytest.mark.parametrize(("text", "words"), WRONG_SECTIONS)
def test_what_is_wrong_in_a_section_is_told_as_what_is_wrong_elsewhere(
    text: str, words: str, install: Install, machine: Any, run: Any
) -> None:
    install("acc", SECTION)
    path = machine(f"[accelerator]\n{text}\n")
    status, out, err = run("boot", path, "-p", "acc")
    assert (status, out) == (2, "")
    assert f"softreserve: {path}: {words}" in err


def test_what_is_wrong_elsewhere_is_told_at_the_same_time(install: Install, machine: Any, run: Any) -> None:
    install("acc", SECTION)
    err = run("boot", machine("[accelerator]\nnode = 'x'\n", "cpus = 0\n"), "-p", "acc")[2]
    assert "cpus: wanted a number" in err
    err = run("boot", machine("[accelerator]\nnode = 'x'\n", "nam = 'x'\n"), "-p", "acc")[2]
    assert "line 1: nam: unknown key" in err
    assert "did you mean 'name'?" in err
    assert "accelerator.node: wanted a size" in err


def test_a_section_that_nobody_loaded_understands_is_an_error_that_says_who_would(
    install: Install, machine: Any, run: Any
) -> None:
    path = machine("[accelerator]\nnode = 3\n")
    status, _, err = run("boot", path)
    assert status == 2
    assert "accelerator: unknown key; known: kernel, words" in err
    install("broken", "1 / 0")
    install("acc", SECTION)
    assert run("boot", path)[2].endswith("; plugin 'acc' understands it: -p acc\n")


def test_a_section_whose_class_fails_is_a_mistake_of_the_plugin(install: Install, machine: Any, run: Any) -> None:
    install("acc", SECTION)
    status, _, err = run("boot", machine("[accelerator]\nnode = 14\n"), "-p", "acc")
    assert (status, err) == (
        3,
        "softreserve: plugin acc: softreserve_machine_sections: section 'accelerator' failed: KeyError: 14\n",
    )


KINDS = [
    ("x: 'Unknown'", "section 'bad' failed: NameError"),
    ("x = attrs.field(default=1)", "bad: Bad.x: no type says what it is"),
    ("x: complex = 0", "bad: Bad.x: no value of a file becomes <class 'complex'>"),
    ("x: tuple = ()", "bad: Bad.x: no value of a file becomes <class 'tuple'>"),
    ("x: int | str = 0", "bad: Bad.x: no value of a file becomes int | str"),
    ("x: dict[int, str] = None", "bad: Bad.x: no value of a file becomes dict[int, str]"),
]


@pytest.mark.parametrize(("field", "words"), KINDS)
def test_a_class_that_no_table_becomes_is_a_mistake_of_the_plugin(
    field: str, words: str, install: Install, machine: Any, run: Any
) -> None:
    source = f"import attrs\nimport softreserve as sr\n@attrs.frozen\nclass Bad:\n    {field}\n"
    source += "@sr.hookimpl\ndef softreserve_machine_sections():\n    return [sr.MachineSection('bad', Bad)]\n"
    install("bad", source)
    status, _, err = run("boot", machine("[bad]\nx = 1\n"), "-p", "bad")
    assert status == 3
    assert err.startswith("softreserve: plugin bad: ")
    assert words in err or "bad: Bad: name 'Unknown' is not defined" in err


def test_a_machine_keeps_its_sections_under_another_kernel(install: Install, machine: Any, run: Any) -> None:
    install("acc", SECTION)
    path = machine("[accelerator]\nnode = 3\n")
    out = run("boot", path, "-p", "acc", "--kernel", "6.18", "--cmdline", "+quiet", "--emit", "sections")[1]
    assert "Accelerator(node=3" in out


def test_a_machine_keeps_its_sections_across_a_kexec(install: Install, machine: Any) -> None:
    if "kexec" not in Selection().installed:
        pytest.skip("not installed here: softreserve-kexec")
    install("acc", SECTION)
    path = machine("[accelerator]\nnode = 3\n")
    system = sr.boot(sr.load(path, plugins=["acc"]), plugins=["acc"])
    image = sr.kexec(system, sr.KexecRequest())
    assert image.machine.sections == system.machine.sections
    assert image.machine.sections["accelerator"].node == 3


def test_a_capture_has_sections_in_a_file_of_their_own(install: Install, demo: Path, run: Any) -> None:
    install("acc", SECTION)
    folder = demo / "case" / "input"
    folder.mkdir(parents=True)
    (folder / "kernel.toml").write_text('release = "6.12"\narch = "riscv64"\n')
    (folder / "cmdline.txt").write_text("quiet\n")
    (folder / "efi-memmap.txt").write_text(
        "efi:   0x000080000000-0x0000ffffffff [Conventional|   |  |  |  |WB|  |  |  ]\n"
    )
    (folder / "sections.toml").write_text("[accelerator]\nnode = 3\n")
    assert sr.load(demo / "case", plugins=["acc"]).machine.sections["accelerator"].node == 3
    assert run("boot", str(demo / "case"))[2].endswith(
        "unknown key; known: none; plugin 'acc' understands it: -p acc\n"
    )
    (folder / "sections.toml").write_text("[accelerator]\nnod = 3\n")
    assert "sections.toml: line 2: accelerator.nod: unknown key" in run("boot", str(demo / "case"), "-p", "acc")[2]


# -------------------------------------------------------------------------------------------------------- importers


def test_an_importer_reads_a_machine_for_every_command(install: Install, machine: Any, run: Any) -> None:
    install("store", IMPORTER.format(machine=machine()))
    wanted = run("boot", machine(), "--emit", "iomem")[1]
    assert run("boot", "store:one", "-p", "store", "--emit", "iomem") == (0, wanted, "")
    assert run("-p", "store", "explain", "store:one", "4G")[0] == 0
    assert run("diff", "store:one", machine(), "-p", "store")[0] == 0
    assert sr.load("store:one", plugins=["store"]).path == "store:one"


def test_an_importer_that_is_wanted_everywhere_needs_no_name(install: Install, machine: Any, run: Any) -> None:
    install("store", IMPORTER.format(machine=machine()), default=True)
    assert run("boot", "store:one", "--emit", "iomem")[0] == 0
    assert run("boot", "store:one", "-p", "no:store")[0] == 2


STORE = "plugin store: softreserve_importers: importer 'store'"


def test_what_an_importer_reads_showed_nothing_to_verify_by(install: Install, machine: Any, run: Any) -> None:
    install("store", IMPORTER.format(machine=machine()))
    assert "store:one: nothing to compare with" in run("verify", "store:one", "-p", "store")[2]
    assert "store:one: no such machine" in run("verify", "store:one")[2]


def test_gaps_of_an_importer_are_told(install: Install, machine: Any, run: Any) -> None:
    install("store", IMPORTER.format(machine=machine()))
    status, _, err = run("boot", "store:gap", "-p", "store")
    assert (status, err) == (0, "softreserve: partial answer, without the moon: it is dark\n")


@pytest.mark.parametrize(
    ("place", "status", "words"),
    [
        ("bad", 2, "bad: is no machine"),
        ("bug", 3, f"{STORE} failed: MachineError: not what an importer raises"),
        ("none", 3, f"{STORE} answered NoneType, wanted Machine or Scenario"),
        ("text", 3, f"{STORE}: machine answered str, wanted Machine"),
        ("gaps", 3, f"{STORE}: gaps answered None, wanted a tuple of Gap"),
    ],
)
def test_what_an_importer_cannot_read_is_bad_input_and_all_else_its_mistake(
    place: str, status: int, words: str, install: Install, machine: Any, run: Any
) -> None:
    install("store", IMPORTER.format(machine=machine()))
    assert run("boot", f"store:{place}", "-p", "store") == (status, "", f"softreserve: {words}\n")


def test_a_prefix_that_nobody_loaded_reads_is_told_with_who_would(install: Install, machine: Any, run: Any) -> None:
    assert run("boot", "store:one")[2].startswith("softreserve: store:one: no such machine: wanted a capture directory")
    install("store", IMPORTER.format(machine=machine()))
    assert run("boot", "store:one")[2].endswith("; plugin 'store' reads it: -p store\n")


def test_a_path_with_a_colon_stays_a_path(
    install: Install, machine: Any, run: Any, monkeypatch: pytest.MonkeyPatch, demo: Path
) -> None:
    install("store", IMPORTER.format(machine=machine()))
    (demo / "store:bad").write_text(MAP)
    monkeypatch.chdir(demo)
    assert run("boot", "store:bad", "-p", "store", "--emit", "iomem")[0] == 0


# --------------------------------------------------------------------------------------------------------- emitters


def test_an_emitter_may_print_a_million_lines_and_its_reader_may_go(install: Install, machine: Any) -> None:
    install("printer", EMITTER)
    command = [sys.executable, "-m", "softreserve", "boot", machine(), "-p", "printer", "--emit", "rising"]
    environment = {"PYTHONPATH": str(Path(machine()).parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(
    ("name", "out", "words"),
    [
        ("late", "first\n", "emitter 'late' failed: RuntimeError: no more"),
        ("text", "", "emitter 'text' answered str, wanted lines"),
        ("nothing", "", "emitter 'nothing' answered NoneType, wanted lines"),
        ("numbers", "", "emitter 'numbers' answered 1, wanted a line without its end"),
        (
            "two-in-one",
            "",
            "emitter 'two-in-one' answered 'a\\nb', wanted a line without its end",
        ),
    ],
)
def test_an_emitter_that_fails_is_named(
    name: str, out: str, words: str, install: Install, machine: Any, run: Any
) -> None:
    install("printer", EMITTER)
    assert run("boot", machine(), "-p", "printer", "--emit", name) == (
        3,
        out,
        f"softreserve: plugin printer: softreserve_emitters: {words}\n",
    )


def test_names_of_emitters_are_in_the_help_and_told_where_one_is_unknown(
    install: Install, machine: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    install("printer", EMITTER)
    for arguments in (["-p", "printer", "boot", "--help"], ["boot", "--help", "-p", "printer"]):
        assert "|rising|late|text|nothing|numbers|two-in-one]" in "".join(run(*arguments)[1].split())
    status, out, err = run("boot", machine(), "-p", "printer", "--emit", "risin")
    assert (status, out) == (2, "")
    assert err.endswith("'two-in-one'; did you mean 'rising'?\n")
    assert run("boot", machine(), "--emit", "rising")[2].endswith("; plugin 'printer' prints it: -p printer\n")
    assert run("diff", machine(), "--kernel", "6.18", "--emit", "two", "-p", "printer")[0] == 2


# ------------------------------------------------------------------------------------------------- lanes and findings


def test_lanes_and_findings_of_a_plugin_stand_beside_ours(install: Install, machine: Any, run: Any) -> None:
    install("lanes", LANES)
    out = run("boot", machine(), "-p", "lanes")[1]
    assert out.splitlines()[-4:] == [
        "banks (of the accelerator, plugin lanes)",
        "range (last byte included)   size  what it is",
        "000000001000-000000002fff   8 KiB  first",
        "000000003000-000000003fff   4 KiB  second",
    ]
    found = json.loads(run("boot", machine(), "-p", "lanes", "--json")[1])
    assert found["lanes"] == [
        {
            "name": "banks",
            "bars": [
                {"start": 0x1000, "end": 0x3000, "label": "first"},
                {"start": 0x3000, "end": 0x4000, "label": "second"},
            ],
            "words": "of the accelerator",
            "plugin": "lanes",
        }
    ]
    assert found["findings"]["error"] >= 1
    assert "error: 0x100000000-0x13fffffff: a bank is lost [bank-lost]" in run("lint", machine(), "-p", "lanes")[1]
    findings = json.loads(run("lint", machine(), "-p", "lanes", "--json")[1])["findings"]
    assert "bank-lost" in [finding["rule"] for finding in findings]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: [sr.Lane("x", (sr.Bar(0, 2, "a"), sr.Bar(1, 3, "b")))], "begins before 0x2"),
        (lambda: [sr.Lane("x", (sr.Bar(2, 2, "a"),))], "has no bytes"),
        (lambda: [sr.Lane("x", (sr.Bar(-1, 2, "a"),))], "wanted an address of 64 bits, not -1"),
        (lambda: [sr.Lane("x", (sr.Bar(0, 1 << 65, "a"),))], "wanted an address of 64 bits"),
        (lambda: [sr.Lane("x", ("a",))], "wanted a Bar, not 'a'"),  # type: ignore[arg-type]
        (lambda: ["x"], "answered str, wanted Lane"),
    ],
)
def test_a_lane_has_disjoint_bars_ascending(make: Any, words: str) -> None:
    class Plugin:
        @sr.hookimpl
        def softreserve_report_lanes(self) -> Any:
            return make()

    with pytest.raises(sr.PluginError, match=f"plugin bad: softreserve_report_lanes.*{words}"):
        load([], extra=[("bad", Plugin())]).report_lanes(None)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------- names are unique


def emitter(name: str) -> list[sr.Emitter]:
    return [sr.Emitter(name, lambda system: [])]


def test_what_has_a_name_has_it_alone() -> None:
    hook = "softreserve_emitters"
    words = "plugin two: softreserve_emitters: emitter 'x': "
    first, second = ("one", Plugin(hook, emitter("x"))), ("two", Plugin(hook, emitter("x")))
    with pytest.raises(PluginResultError, match=f"{words}plugin one has that already"):
        by_name(load([], extra=[first, second]).emitters())
    with pytest.raises(PluginResultError, match=f"{words}it brings that twice"):
        by_name(load([], extra=[("two", Plugin(hook, emitter("x") * 2))]).emitters())
    with pytest.raises(PluginResultError, match=f"{words}softreserve has that already"):
        by_name(load([], extra=[second]).emitters(), ["x"])
    assert by_name(load([], extra=[second]).emitters())["x"].plugin == "two"


@attrs.define
class Loose:
    """Not frozen."""


@pytest.mark.parametrize("kind", [Loose, int, "Loose", None])
def test_a_section_becomes_a_frozen_class_of_attrs(kind: Any) -> None:
    hook = "softreserve_machine_sections"
    plugin = Plugin(hook, lambda: [sr.MachineSection("x", kind)])
    with pytest.raises(
        sr.PluginError, match=f"plugin bad: {hook} failed: ValueError: kind: wanted a frozen attrs class"
    ):
        load([], extra=[("bad", plugin)]).machine_sections()


@pytest.mark.parametrize("name", ["", "a b", "a:b", "-a", "ä", None, 3])
def test_names_are_what_people_can_type(name: Any) -> None:
    with pytest.raises(
        sr.PluginError, match="plugin bad: softreserve_emitters failed: ValueError: name: wanted letters"
    ):
        load([], extra=[("bad", Plugin("softreserve_emitters", lambda: emitter(name)))]).emitters()


def test_the_cores_own_names_are_taken(install: Install, machine: Any, run: Any) -> None:
    source = """
import attrs
import softreserve as sr
@attrs.frozen
class Empty: pass
@sr.hookimpl
def softreserve_machine_sections(): return [sr.MachineSection("acpi", Empty)]
@sr.hookimpl
def softreserve_importers(): return [sr.Importer("dmesg", print)]
@sr.hookimpl
def softreserve_emitters(): return [sr.Emitter("iomem", print)]
"""
    install("thief", source)
    hook = "softreserve: plugin thief: softreserve_"
    said = f"{hook}machine_sections: section 'acpi': softreserve has that already\n"
    assert run("boot", machine("[x]\n"), "-p", "thief") == (3, "", said)
    said = f"{hook}importers: importer 'dmesg': softreserve has that already\n"
    assert run("boot", "x:y", "-p", "thief") == (3, "", said)
    said = f"{hook}emitters: emitter 'iomem': softreserve has that already\n"
    assert run("boot", machine(), "--emit", "x", "-p", "thief") == (3, "", said)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("emitters(): return [sr.Emitter('iomem', print)]", "emitters: emitter 'iomem': softreserve has that already"),
        ("importers(): return [sr.Importer('example', print)]", "importers: importer 'example': softreserve has that"),
        (
            "machine_sections(): return [sr.MachineSection('cpus', K)]",
            "machine_sections: section 'cpus': softreserve has",
        ),
        (
            "machine_sections(): return [sr.MachineSection('x', K)]",
            "machine_sections: x: K.a: no value of a file becomes",
        ),
        ("cli(group): group.commands['x'] = 'text'", "cli: command 'x' answered 'text', wanted a click command"),
        ("report_lanes(system): return [sr.Lane('x', ())] * 2", "report_lanes: lane 'x': it brings that twice"),
        (
            "report_lanes(system): return [sr.Lane(' ', ())]",
            "report_lanes failed: ValueError: name: wanted words, not ' '",
        ),
    ],
)
def test_whoever_names_a_plugin_is_told_what_is_wrong_with_what_it_brings(
    line: str, words: str, install: Install, machine: Any, run: Any
) -> None:
    source = "import attrs\nimport softreserve as sr\n@attrs.frozen\nclass K:\n    a: complex\n"
    install("wrong", f"{source}@sr.hookimpl\ndef softreserve_{line}\n")
    status, out, err = run("boot", machine(), "-p", "wrong")
    assert (status, out) == (3, "")
    assert err.startswith(f"softreserve: plugin wrong: softreserve_{words}")


def test_two_plugins_with_a_lane_of_one_name_are_both_named(install: Install, machine: Any, run: Any) -> None:
    install("first", LANES)
    install("second", LANES.partition("@sr.hookimpl\ndef softreserve_lint")[0])
    words = "plugin second: softreserve_report_lanes: lane 'banks': plugin first has that already"
    assert f"softreserve: {words}\n" in run("boot", machine(), "-p", "first", "-p", "second")[2]


def test_no_command_of_the_core_is_replaced(install: Install, machine: Any, run: Any) -> None:
    source = "import softreserve as sr\n@sr.hookimpl\ndef softreserve_cli(group): group.command('boot')(lambda: 5)\n"
    install("thief", source)
    said = "softreserve: plugin thief: softreserve_cli: command 'boot': softreserve has that already\n"
    assert run("greet", "-p", "thief") == (3, "", said)
    assert run("boot", machine(), "-p", "thief") == (3, "", said)
    assert run("-p", "thief", "lint", machine()) == (3, "", said)
    assert run("boot", machine(), "--emit", "iomem")[0] == 0


# --------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    "arguments",
    [
        ["-p", "greeter", "greet", "you"],
        ["greet", "you", "-p", "greeter"],
        ["greet", "-pgreeter", "you"],
        ["greet", "--plugin=greeter", "you"],
        ["--plugin", "greeter", "greet", "you"],
    ],
)
def test_a_command_of_a_named_plugin_is_found(arguments: list[str], install: Install, run: Any) -> None:
    install("greeter", COMMANDS)
    assert run(*arguments) == (0, "hello you\n", "")


def test_a_command_of_a_default_plugin_needs_no_name(install: Install, run: Any) -> None:
    install("greeter", COMMANDS, default=True)
    assert run("greet", "you") == (0, "hello you\n", "")
    assert re.search(r"\n  greet +Say hello\.\n", run("--help")[1])
    assert run("-p", "no:greeter", "greet", "you")[0] == 2


def test_the_help_lists_commands_of_named_plugins(install: Install, run: Any) -> None:
    install("greeter", COMMANDS)
    assert re.search(r"\n  greet +Say hello\.\n", run("--help", "-p", "greeter")[1])
    assert run("greet", "--help", "-p", "greeter")[1].startswith("Usage: softreserve greet [OPTIONS] [WHAT]")
    assert run("greet")[2] == "softreserve: No such command 'greet'; plugin 'greeter' has it: -p greeter\n"
    assert run("gret", "-p", "greeter")[2].endswith("did you mean 'greet'?\n")


@pytest.mark.parametrize(
    ("what", "status", "err"),
    [
        ("exit", 5, ""),
        ("usage", 2, "softreserve: not so\n"),
        ("machine", 2, "softreserve: does not boot\n"),
        ("file", 2, "softreserve: /nowhere/at/all: No such file or directory\n"),
        ("bug", 3, "softreserve: plugin greeter: softreserve_cli: command 'greet' failed: KeyError: 'bug'\n"),
        ("text", 3, "softreserve: plugin greeter: softreserve_cli: command 'greet' failed: SystemExit: text\n"),
        ("own", 3, "softreserve: plugin greeter: softreserve_cli: command 'greet' failed: PluginError: of its own\n"),
        (
            "later",
            3,
            f"softreserve: plugin greeter: {COMMAND} answered coroutine, wanted a number or None\n",
        ),
    ],
)
def test_a_command_ends_as_click_lets_it_and_a_mistake_in_it_names_the_plugin(
    what: str, status: int, err: str, install: Install, run: Any
) -> None:
    install("greeter", COMMANDS)
    assert run("greet", what, "-p", "greeter") == (status, "", err)


def test_a_machine_that_a_command_boots_has_the_plugins_that_are_named(install: Install, run: Any) -> None:
    if "x86_64" not in Selection().arches:
        pytest.skip("not installed here: softreserve-x86")
    install("greeter", COMMANDS)
    status, out, _ = run("greet", "names", "-p", "greeter", "-p", "no:kexec")
    assert status == 0
    assert "'greeter'" in out
    assert "'kexec'" not in out


def test_an_option_of_the_commands_own_is_left_to_it(install: Install, run: Any) -> None:
    source = COMMANDS.replace('@click.argument("what", default="")', '@click.option("-p", "what")')
    install("greeter", source, default=True)
    assert run("greet", "-p", "you") == (0, "hello you\n", "")


def test_two_plugins_with_one_command_are_both_named(install: Install, run: Any) -> None:
    install("first", COMMANDS, default=True)
    install("second", COMMANDS, default=True)
    words = "plugin second: softreserve_cli: command 'greet': plugin first has that already"
    assert run("greet") == (3, "", f"softreserve: {words}\n")
    status, out, _ = run("--help")
    assert status == 0
    assert words in " ".join(out.split())


def test_a_broken_default_plugin_breaks_no_list_of_commands(install: Install, run: Any, machine: Any) -> None:
    install("broken", "1 / 0", default=True)
    status, out, err = run("--help")
    assert status == 0
    assert "  boot " in out
    assert err.startswith("softreserve: plugin 'broken'")
    assert err.count("\n") == 1
    assert run("--version")[2] == ""
    assert run("greet")[0] == 2


@pytest.mark.parametrize(
    "line", ["group.add_command(greet)", "group.add_command(3)", "group.add_command(greet, 'a b')"]
)
def test_what_is_no_new_command_is_refused(line: str, install: Install, run: Any) -> None:
    install("greeter", COMMANDS + f"    {line}\n")
    status, _, err = run("greet", "-p", "greeter")
    assert status == 3
    assert err.startswith("softreserve: plugin greeter: softreserve_cli failed: ValueError: ")


def test_no_plugin_is_loaded_for_a_command_of_the_core(install: Install, run: Any) -> None:
    install("broken", "1 / 0", default=True)
    assert run("plugins", "--help")[2] == ""


def test_selection_without_a_machine_is_what_is_wanted_everywhere(install: Install) -> None:
    install("every", "", default=True)
    names = Selection(["riscv"]).names("")
    assert "every" in names
    assert names[-1] == "riscv"
    assert "x86" not in names
