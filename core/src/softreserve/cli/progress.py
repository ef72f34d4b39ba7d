"""What a person at a terminal sees who waits: what is being done, how far it is, for how long.

A line on standard error, after a second without any other output; whatever else is printed takes its place. Where
standard error is no terminal there is nothing, and rich is not imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from softreserve.cli.terminal import clean, is_plain, making_room, unguarded

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Step", "no_progress", "progress"]

#: Seconds of silence before it is shown.
_PATIENCE: Final = 1.0


Step = Callable[[int], None]
"""Says that so many more parts of the whole are done."""


class _Display:
    """The line. A thread of its own looks after it, so that one long call does not keep it from being seen."""

    def __init__(self) -> None:
        self._words, self._total, self._done = "", 0, 0
        self._lock, self._over = Lock(), Event()
        self._shown: Progress | None = None
        self._began = monotonic()
        self._due = self._began + _PATIENCE
        Thread(target=self._look_after, name="softreserve-progress", daemon=True).start()

    @contextmanager
    def doing(self, words: str, total: int) -> Iterator[Step]:
        """Tell of something else for a while."""
        before = self._words, self._total, self._done
        self._set(clean(words), total, 0)
        try:
            yield lambda done: self._set(self._words, self._total, self._done + done)
        finally:
            self._set(*before)

    def _set(self, words: str, total: int, done: int) -> None:
        with self._lock:
            self._words, self._total, self._done = words, total, done
            if self._shown is not None:
                self._update(self._shown)

    def _update(self, shown: Progress) -> None:
        words = f"{self._words}: {self._done:,} of {self._total:,}" if self._total else self._words
        shown.update(shown.task_ids[0], description=words, completed=self._done, total=self._total or None)

    def make_room(self) -> None:
        """Take it away until there was silence again."""
        with self._lock:
            self._due = monotonic() + _PATIENCE
            if self._shown is not None:
                self._shown.stop()
                self._shown = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take it away for a while, silence or not."""
        self.make_room()
        with self._lock:
            self._due = inf
        try:
            yield
        finally:
            self.make_room()

    def end(self) -> None:
        """Take it away for good."""
        self._over.set()
        self.make_room()

    def _look_after(self) -> None:
        while not self._over.wait(min(max(self._due - monotonic(), 0.0) or _PATIENCE, _PATIENCE)):
            if self._shown is not None or self._due > monotonic():
                continue
            try:
                made = _made()
            except ImportError:  # whoever packed the program left rich out
                return
            made.add_task("")
            made.tasks[0].start_time = self._began
            with self._lock:
                if not self._over.is_set() and self._due <= monotonic():
                    self._shown = made
                    self._update(made)
                    made.start()


def _made() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(20),
        TimeElapsedColumn(),
        console=Console(file=unguarded(sys.stderr)),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


_running: _Display | None = None


@contextmanager
def progress(words: str, total: int = 0) -> Iterator[Step]:
    """Tell somebody who waits at a terminal what is being done; gives what says how many more parts are done.

    Within another it stands in that one's place.

    :param words: what is being done: ``"drawing"``.
    :param total: how many parts it has; 0: nobody knows.
    """
    global _running
    if _running is not None:
        with _running.doing(words, total) as step:
            yield step
    elif not _is_wanted():
        yield _nothing
    else:
        _running = display = _Display()
        try:
            with making_room(display.make_room), display.doing(words, total) as step:
                yield step
        finally:
            _running = None
            display.end()


@contextmanager
def no_progress() -> Iterator[None]:
    """Leave the terminal to somebody else: a person who is asked something, or a program."""
    if _running is None:
        yield
    else:
        with _running.away():
            yield


def _nothing(done: int) -> None:
    """Step where nobody looks."""


def _is_wanted() -> bool:
    return not is_plain() and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown", None)
