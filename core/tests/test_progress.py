"""What people see who wait: only on a terminal, only after a while, and never among what is printed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, suppress

import pytest
from softreserve.cli import progress as module
from softreserve.cli.progress import no_progress, progress
from softreserve.cli.terminal import guarded_streams, say, tell

#: How long the tests wait for what is shown or not: rich is imported meanwhile.
LONG = 10.0
#: The cursor is there again, the line is not.
GONE = "\x1b[?25h\r\x1b[1A\x1b[2K"


Screen = Callable[[], AbstractContextManager[int]]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """Makes standard error a terminal for a while, and gives where that is read; progress is shown at once."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(module, "_PATIENCE", 0.02)

    @contextmanager
    def made() -> Iterator[int]:
        with redirect_stderr(stream), guarded_streams():
            yield ours

    with open(theirs, "w") as stream:
        yield made
    os.close(ours)


def seen(terminal: int, words: str, until: float = LONG) -> str:
    """What comes until ``words`` are among it, or for so many seconds."""
    text, end = "", time.monotonic() + until
    while words not in text and time.monotonic() < end:
        with suppress(BlockingIOError):
            text += os.read(terminal, 1 << 16).decode(errors="replace")
        time.sleep(0.005)
    return text


def test_who_waits_sees_what_is_done_and_how_far_it_is(screen: Screen) -> None:
    with screen() as terminal, progress("drawing [b]\x1b[2J[/b]", 4000) as step:
        assert "0 of 4,000" in seen(terminal, "0 of 4,000")
        step(1500)
        assert r"drawing [b]\x1b[2J[/b]: 1,500 of 4,000" in seen(terminal, "1,500 of 4,000")
        with progress("counting"):
            assert "counting" in seen(terminal, "counting")
        assert "drawing" in seen(terminal, "1,500 of 4,000")
    with screen() as terminal:
        assert GONE in seen(terminal, GONE)


def test_what_is_quick_is_done_in_silence(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    with screen() as terminal, progress("quick"):
        pass
    assert not seen(terminal, "quick", 0.05)


def test_what_is_printed_takes_its_place(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    with screen() as terminal, progress("waiting"):
        seen(terminal, "waiting")
        tell("first")
        before, _, _ = seen(terminal, "first").partition("softreserve: first")
        assert GONE in before
        seen(terminal, "waiting")
        say("second")  # on standard output
        assert GONE in seen(terminal, GONE)
        with no_progress():
            seen(terminal, GONE, 0.1)
            assert "waiting" not in seen(terminal, "waiting", 0.1)


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_cannot_take_a_line_back_gets_none(
    term: str | None, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    with screen() as terminal, progress("waiting"):
        assert not seen(terminal, "waiting", 0.1)


def test_it_goes_away_when_the_command_is_interrupted(screen: Screen) -> None:
    def interrupted(terminal: int) -> None:
        with progress("waiting"):
            seen(terminal, "waiting")
            raise KeyboardInterrupt

    with screen() as terminal:
        with pytest.raises(KeyboardInterrupt):
            interrupted(terminal)
        assert GONE in seen(terminal, GONE)
    with screen() as terminal, progress("again"):
        assert "again" in seen(terminal, "again")


def test_a_pipe_gets_nothing_and_nothing_is_imported_for_it() -> None:
    code = (
        "import sys, time; from softreserve.cli import progress as module; module._PATIENCE = 0.0\n"
        "with module.progress('waiting'): time.sleep(0.05)\n"
        "assert not {'rich', 'jinja2'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
