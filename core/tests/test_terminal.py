"""What people see on a terminal: nothing cut, nothing that steers it, colours only where they are wanted."""

from __future__ import annotations

import io
import json
import pty
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from softreserve.cli import COMMANDS, main, terminal
from softreserve.cli.jsonout import print_json
from softreserve.cli.terminal import (
    Styled,
    clean,
    guarded_streams,
    plain_output,
    print_kernel_file,
    print_table,
    say,
    tell,
)

#: Colours, a window title, a bell, C1's CSI, reversed writing, a line of its own, nothing at all, half a character.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\nSoft Reserved : all yours\r\x7f\u200b\u3164\ud800"
VISIBLE = r"\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\nSoft Reserved : all yours\r\x7f\u200b\u3164\ud800"


def harmless(text: str) -> bool:
    """Whether it has only characters that are seen, blanks, and line ends."""
    return all(c == "\n" or c == " " or unicodedata.category(c)[0] in "LMNPS" for c in text)


class Terminal(io.StringIO):
    """Like a terminal, without a width."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def shown(monkeypatch: pytest.MonkeyPatch, width: int, command: Callable[[], object]) -> list[str]:
    """The lines that a terminal of this width, without colours, gets."""
    screen = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", screen)
        patch.setenv("COLUMNS", str(width))
        patch.setenv("NO_COLOR", "1")
        command()
    return screen.getvalue().splitlines()


# --- what came from outside


def test_what_is_not_seen_is_escaped() -> None:
    assert clean(HOSTILE) == VISIBLE
    assert clean("nœud 0, メモリ, x̄") == "nœud 0, メモリ, x̄"


def test_all_that_is_printed_is_escaped_and_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE, Styled(HOSTILE, "error"))
    print_table(("a", "b"), [(HOSTILE, Styled(HOSTILE, ""))])
    tell(HOSTILE)
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == VISIBLE * 2
    assert captured.out.splitlines()[2] == f"{VISIBLE}  {VISIBLE}"
    assert captured.err == f"softreserve: {VISIBLE}\n".replace("\\n", " ")


def test_what_a_command_prints_without_thinking_is_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded_streams():
        print(HOSTILE)
        sys.stderr.writelines([HOSTILE, "a\tb"])
    captured = capsys.readouterr()
    assert captured.out == VISIBLE.replace("\\n", "\n") + "\n"
    assert captured.err == VISIBLE.replace("\\n", "\n") + "a\tb"


def test_json_is_visible_ascii_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded_streams():
        print_json("test", {"name": HOSTILE})
    out = capsys.readouterr().out
    assert out.isascii()
    assert harmless(out)
    assert json.loads(out)["name"] == HOSTILE


# --- every command

MACHINE = """
name = "small"
cmdline = 'quiet x={hostile}'
[kernel]
arch = "riscv64"
[[efi_map]]
start = "2G"
size = "2G"
[[efi_map]]
start = "4G"
size = "1G"
attributes = "SP|WB"
[[step]]
name = "{hostile}"
writes = [["/sys/{hostile}", "{hostile}"]]
"""
PLUGIN = """
import click
from softreserve.model.findings import Finding
from softreserve.plugins.hookspecs import hookimpl
HOSTILE = {hostile!r}

@hookimpl
def softreserve_lint(system):
    return [Finding("note", HOSTILE, HOSTILE)]

@hookimpl
def softreserve_cli(group):
    @group.command()
    def careless():
        print(HOSTILE)
        click.echo(HOSTILE, err=True)
        raise ValueError(HOSTILE)
"""

#: What every command is called with; a command without a line here fails the test.
CALLS = {
    "align": ["{hostile}", "1G"],
    "boot": ["{case}"],
    "capture": ["--sysroot", "{case}", "-o", "{folder}"],
    "careless": [],
    "completion": ["{hostile}"],
    "diff": ["{case}", "{machine}", "--emit", "log", "--cmdline", "+{hostile}"],
    "doctor": [],
    "examples": [],
    "explain": ["{case}", "4G"],
    "export": ["{case}", "{folder}"],
    "fleet": ["{folder}", "--jobs", "1"],
    "fleet-query": ["{folder}/{hostile}", "{hostile}"],
    "inventory": ["--count", "2", "-o", "{folder}/{hostile}"],
    "kaslr": ["{case}"],
    "kexec": ["{case}", "--policy", "{hostile}"],
    "lint": ["{case}"],
    "observe": ["{machine}", "--out", "{folder}"],
    "man": ["{hostile}"],
    "new": ["{folder}/{hostile}.toml"],
    "new-plugin": ["lint", "{hostile}"],
    "plugins": [],
    "report": ["{case}", "-o", "{folder}"],
    "run": ["{machine}", "--trace", "--state"],
    "scenario": ["run", "{machine}"],
    "schema": ["{hostile}"],
    "serve": ["{case}", "{folder}/{hostile}"],
    "shell": ["{case}", "--record", "{folder}/{hostile}", "--", "true"],
    "show-input": ["{case}"],
    "sweep": ["{case}", "--over", "cmdline={hostile}"],
    "verify": ["{case}", "--log", "{folder}/{hostile}"],
}


@pytest.fixture
def words(demo: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Hostile files and words by name; a plugin that is loaded everywhere says hostile things."""
    monkeypatch.syspath_prepend(str(demo))
    folder = demo / "rude-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: rude\nVersion: 1\x1b[31m\n")
    (folder / "entry_points.txt").write_text("[softreserve.plugins]\nrude = rude_plugin\n")
    (demo / "rude_plugin.py").write_text(PLUGIN.format(hostile=HOSTILE))
    argument = HOSTILE.replace("\ud800", "").replace("/", "")
    case = demo / argument
    case.mkdir()
    (case / "cmdline.txt").write_bytes(b"quiet x=\x1b[2J\x9b31m\r\n")
    (case / "kernel.toml").write_text('release = "6.12"\narch = "riscv64"\n')
    (case / "efi-memmap.txt").write_text(
        "efi:   0x000080000000-0x0000ffffffff [Conventional|   |WB|  |  |  ]\n"
        "efi:   0x000100000000-0x00013fffffff [Conventional|   |SP|WB|  |  |  ]\n"
    )
    machine = demo / f"{argument}.toml"
    escaped = "".join(f"\\u{ord(c):04x}" for c in argument)
    machine.write_text(MACHINE.format(hostile=escaped).replace("'", '"'))
    return {"hostile": argument, "case": str(case), "machine": str(machine), "folder": str(demo / f"{argument}.out")}


@pytest.mark.parametrize("name", sorted({*COMMANDS, *CALLS}))
def test_no_command_lets_a_strangers_bytes_steer_the_terminal(
    name: str, words: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [argument.format(**words) for argument in CALLS[name]]
    main(["-p", "rude", name, *arguments])
    captured = capfd.readouterr()
    assert captured.out + captured.err
    assert harmless(captured.out)
    assert harmless(captured.err)


@pytest.mark.parametrize("what", ["{hostile}", "{folder}", "{case}", "{machine}"])
@pytest.mark.parametrize(
    "arguments",
    [["boot"], ["boot", "--from-dmesg"], ["lint"], [], ["-p"], ["boot", "-p"], ["boot", "{case}", "--kernel"]],
)
def test_no_message_lets_an_argument_steer_the_terminal(
    arguments: list[str], what: str, words: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    main([argument.format(**words) for argument in (*arguments, what)])
    captured = capfd.readouterr()
    assert harmless(captured.out)
    assert harmless(captured.err)


def test_a_kernel_file_goes_to_a_pipe_as_it_is_and_to_a_terminal_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with guarded_streams():
        print_kernel_file(["Command line: x=\x1b[2J"])
        assert capsys.readouterr().out == "Command line: x=\x1b[2J\n"
        stream: Any = sys.stdout
        monkeypatch.setattr(stream.unguarded, "isatty", lambda: True)
        print_kernel_file(["Command line: x=\x1b[2J"])
        assert capsys.readouterr().out == "Command line: x=\\x1b[2J\n"


# --- layout

ROWS = [
    ("000000001000-00000009ffff", "636 KiB", "System RAM", "0", "e820: usable"),
    ("000100000000-0001000fefff", "14.01 MiB", "  a long name, and in full", "12", "soft reserved " * 6),
    ("000100000000-0001000fefff", "1 MiB", "Reserved", "", ""),
]
HEADINGS = ("range (last byte included)", "size", "owner", "node", "how it came about")


def test_a_table_away_from_a_terminal_has_one_line_for_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(HEADINGS, ROWS, right={1, 3})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 132])
def test_at_any_width_a_table_has_every_cell_in_full(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, width, lambda: print_table(HEADINGS, ROWS, right={1, 3}))
    assert all(line == line.rstrip() for line in lines)
    for cell in [*HEADINGS[:-1], *(cell.strip() for row in ROWS for cell in row[:-1])]:
        assert any(cell in line for line in lines) or len(cell) > width - 10
    for words in [HEADINGS[-1], *(row[-1] for row in ROWS)]:
        assert " ".join(words.split()) in " ".join(" ".join(lines).split())
    if width >= 40:
        assert max(map(len, lines)) <= width


def test_cells_below_the_others_say_which_ones_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, 40, lambda: print_table(HEADINGS, ROWS[::2], right={1, 3})) == [
        "range (last byte included)     size",
        "    how it came about",
        "000000001000-00000009ffff   636 KiB",
        "    owner: System RAM  node: 0",
        "    e820: usable",
        "000100000000-0001000fefff     1 MiB",
        "    owner: Reserved",
    ]
    rows = [("000100000000-0001000fefff", "soft reserved", "reserved")]
    assert shown(monkeypatch, 40, lambda: print_table(("range", "6.1", "6.12"), rows, prose=False)) == [
        "range                      6.1",
        "000100000000-0001000fefff  soft reserved",
        "    6.12: reserved",
    ]


def test_a_heading_without_words_takes_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a long name of a row", "a value that does not fit")]
    wanted = ["a long name of a row", "    value: a value that does not fit"]
    assert shown(monkeypatch, 40, lambda: print_table(("", "value"), rows, prose=False)) == wanted


def test_a_sentence_is_broken_between_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ": 0x1000ff000-0x1400fefff: no dax device, all 1024 MiB are lost"
    assert shown(monkeypatch, 80, lambda: say(Styled("error", "error"), words)) == [f"error{words}"]
    assert shown(monkeypatch, 30, lambda: say(Styled("error", "error"), words)) == [
        "error:",
        "    0x1000ff000-0x1400fefff:",
        "    no dax device, all",
        "    1024 MiB are lost",
    ]


def test_wide_characters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [("記憶", "1"), ("abcd", "2")])
    assert capsys.readouterr().out == "a     b\n記憶  1\nabcd  2\n"


# --- for grep and awk


def test_plain_output_is_cut_at_two_blanks_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[str | Styled, ...]] = [
        (" two  blanks", "1", "  inner", ""),
        ("a", "22", "", Styled("b c", "loss")),
    ]

    def command() -> None:
        with plain_output():
            print_table(("first", "second", "", "last one"), rows, right={1})
            say(Styled("a long line, " * 9, "error"))

    lines = shown(monkeypatch, 40, command)
    cells = [re.split("  +", line.lstrip()) for line in lines[:3]]
    assert cells == [["first", "second", "-", "last one"], ["two blanks", "1", "inner", "-"], ["a", "22", "-", "b c"]]
    assert lines[2][0] == "a"
    assert len(lines) == 4
    assert terminal.columns() is None


@pytest.mark.parametrize(
    "command", ["boot {case}", "lint {case}", "kaslr {case}", "kexec {case}", "plugins", "explain {case} 4G"]
)
def test_plain_output_does_not_depend_on_the_terminal(
    command: str, words: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*(word.format(**words) for word in command.split()), "--plain"]
    narrow = shown(monkeypatch, 40, lambda: main(arguments))
    monkeypatch.setenv("FORCE_COLOR", "1")
    capsys.readouterr()
    main(arguments)
    assert capsys.readouterr().out.splitlines() == narrow
    assert not any("\x1b" in line for line in narrow)


# --- colours


@pytest.mark.parametrize(
    ("environment", "on_terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_are_where_they_are_wanted(
    environment: dict[str, str], on_terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if on_terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    say(Styled("error", "error"), ": no")
    assert stream.getvalue() == ("\x1b[1;31merror\x1b[0m: no\n" if coloured else "error: no\n")


def test_the_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 57, 0, 0))
    with open(ours, "rb"), open(theirs, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert terminal.columns() == 57
        monkeypatch.setenv("COLUMNS", "33")
        assert terminal.columns() == 33
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert terminal.columns() is None
