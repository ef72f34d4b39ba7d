"""``--trace``: each call of a hook is told on a line, whatever the answer is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from softreserve.cli import main
from softreserve.cli.trace import traced
from softreserve.plugins.hooks import load

MACHINE = """
[kernel]
arch = "riscv64"
[[efi_map]]
start = 0x80000000
size = "2G"
"""
HOOK = "softreserve_stub_handoff riscv -> "


class Mute:
    """Cannot say what it is."""

    def __repr__(self) -> str:
        raise ValueError


@pytest.fixture
def machine(demo: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine of an architecture that is installed."""
    monkeypatch.syspath_prepend(str(demo))
    (demo / "toy.toml").write_text(MACHINE)
    return str(demo / "toy.toml")


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What a command tells of calls."""
    main(list(arguments))
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("softreserve_")]


@pytest.mark.parametrize(
    ("arguments", "boots"),
    [
        (["boot", "--trace", "{machine}"], 1),
        (["boot", "{machine}", "--emit", "iomem", "--trace-plugins=short"], 1),
        (["lint", "{machine}", "--trace"], 1),
        (["explain", "{machine}", "0", "--trace"], 1),
        (["export", "{machine}", "{folder}/out", "--trace"], 1),
        (["diff", "{machine}", "--cmdline", "+quiet", "--trace"], 2),
        (["diff", "{machine}", "--kernel", "6.1,6.12", "--trace"], 2),
        (["observe", "{machine}", "--out", "{folder}/observed", "--trace"], 1),
        (["run", "{machine}", "{folder}/steps.toml", "--trace-plugins"], 1),
        (["run", "{machine}", "{folder}/steps.toml", "--trace"], 0),
        (["boot", "{machine}"], 0),
    ],
)
def test_every_boot_that_was_asked_for_is_traced(
    machine: str, demo: Path, arguments: list[str], boots: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (demo / "steps.toml").write_text('[[step]]\nname = "one"\nwrite = [["/sys/nothing", "1"]]\n')
    found = lines(capsys, *(argument.format(machine=machine, folder=demo) for argument in arguments))
    assert len([line for line in found if line.startswith(HOOK)]) == boots
    assert all(len(line) <= 100 for line in found)


def test_all_of_an_answer_is_shown_where_that_is_asked_for(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    (short,) = [line for line in lines(capsys, "boot", machine, "--trace") if line.startswith(HOOK)]
    (full,) = [line for line in lines(capsys, "boot", machine, "--trace=full") if line.startswith(HOOK)]
    assert (short[-3:], full[-1]) == ("...", ")")
    assert full.startswith(short[:-3])


def test_another_amount_is_an_error_with_the_nearest(machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boot", machine, "--trace=ful"]) == 2
    assert "did you mean 'full'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "None"),
        ([], "[]"),
        ([SimpleNamespace(name="a"), SimpleNamespace(name="b")], "2 SimpleNamespace: a, b"),
        ([SimpleNamespace(rule="r"), 7], "2 SimpleNamespace or int: r"),
        ([Mute()], "1 Mute"),
        (Mute(), "<Mute>"),
        ("a\x1b[2J\nb" * 90, None),
    ],
)
def test_an_answer_is_told_in_few_words(answer: Any, words: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    with traced(full=False):
        hooks = load([])
    assert hooks.trace is not None
    hooks.trace("softreserve_sysfs", "toy", answer)
    err = capsys.readouterr().err
    if words is not None:
        assert err == f"softreserve_sysfs toy -> {words}\n"
    assert err[:-1].isprintable()
    assert len(err) <= 101
    assert load([]).trace is None
