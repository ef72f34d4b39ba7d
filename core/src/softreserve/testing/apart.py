"""Work in a process of its own, which may hang, print, die, or change whatever it likes.

The process is forked: it has all that this one has, and nothing that it does comes back but its answer. When a call
takes too long the process ends itself and says where it was; if it cannot even do that, it is killed.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import pickle
import re
import select
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Final, NoReturn, TypeVar

from softreserve.model.errors import PluginError

__all__ = ["LIMIT", "Board", "BrokenError", "DiedError", "HungError", "apart", "place_of"]

T = TypeVar("T")

#: Seconds that one call of a plugin may take.
LIMIT: Final = 10.0
_BOARD: Final = 512
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (\S+)')


class BrokenError(PluginError):
    """A promise that was not kept; the message is one paragraph for people."""


class HungError(Exception):
    """Something did not come back; ``doing`` is what the board said, ``place`` the line of code."""

    def __init__(self, doing: str, place: str) -> None:
        self.doing = doing
        self.place = place
        super().__init__(f"{doing} at {place}")


class DiedError(Exception):
    """The process ended without an answer; ``doing`` is what the board said, ``how`` says how it ended."""

    def __init__(self, doing: str, how: str) -> None:
        self.doing = doing
        self.how = how
        super().__init__(f"{doing}: {how}")


class Board:
    """What the process is doing, where its parent can read it; and the clock that ends what takes too long."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._memory = mmap.mmap(-1, _BOARD)
        self._doing = ""
        self._ends: IO[bytes] | None = None
        self._armed = 0.0

    @property
    def doing(self) -> str:
        """What was written last."""
        return bytes(self._memory).rstrip(b"\0").decode("utf-8", "replace")

    @doing.setter
    def doing(self, words: str) -> None:
        if words != self._doing:
            self._doing = words
            self._memory[:] = words.encode("utf-8", "replace")[:_BOARD].ljust(_BOARD, b"\0")

    def start(self, file: IO[bytes]) -> None:
        """Start the clock; ``file`` gets where everything was when it ends the process."""
        self._ends = file
        self._arm()

    def tick(self) -> None:
        """Something came back, or begins: the clock starts anew. Cheap."""
        if self._ends is not None and time.monotonic() - self._armed > self.limit / 8:
            self._arm()

    def stop(self) -> None:
        """Stop the clock: a process that is forked while it runs could never set one of its own."""
        if self._ends is not None:
            faulthandler.cancel_dump_traceback_later()

    def resume(self) -> None:
        """Let the clock start anew after a stop."""
        if self._ends is not None:
            self._arm()

    def _arm(self) -> None:
        assert self._ends is not None
        self._armed = time.monotonic()
        faulthandler.dump_traceback_later(self.limit, exit=True, file=self._ends)


def apart(work: Callable[[Board], T], *, limit: float = LIMIT, within: Board | None = None) -> T:
    """Do ``work`` in a forked process and return its answer, which must be plain data.

    :param limit: seconds that may pass between two ticks of the board; all of it may take twelve times as long.
    :param within: the board of this process, where it is one of these itself.
    :raises BrokenError: as the work raised it; whatever else it raises becomes one, too.
    :raises HungError: a call did not come back.
    :raises DiedError: the process ended, or was killed.
    """
    board = Board(limit)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as trace:
        reading, writing = os.pipe()
        if within is not None:
            within.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child uses none of them
            child = os.fork()
        if not child:
            os.close(reading)
            _work(work, board, writing, output, trace)
        os.close(writing)
        try:
            data, how = _answer(child, reading, time.monotonic() + 12 * limit)
        finally:
            os.close(reading)
            if within is not None:
                within.resume()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
        if data is None:
            trace.seek(0)
            place = place_of(trace.read().decode("utf-8", "replace"))
            if place or how == "killed":
                raise HungError(board.doing, place)
            raise DiedError(board.doing, how)
    kind, answer = pickle.loads(data)
    if kind == "broken":
        raise BrokenError(*answer)
    return answer  # type: ignore[no-any-return]


def _work(work: Callable[[Board], Any], board: Board, writing: int, output: IO[bytes], trace: IO[bytes]) -> NoReturn:
    """The child: never returns."""
    pid = os.getpid()
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        for number, name in enumerate(("stdout", "stderr"), 1):
            stream = open(number, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        board.start(trace)
        try:
            told = ("answer", work(board))
        except BrokenError as error:
            told = ("broken", (str(error), error.plugin))
        except BaseException as error:
            told = ("broken", (f"{board.doing}: {type(error).__name__}: {_said(error)}{_where(error)}", ""))
        data = pickle.dumps(told)
        if os.getpid() == pid:  # else a plugin has forked, and come back twice
            os.write(writing, len(data).to_bytes(8, "little"))
            for at in range(0, len(data), 1 << 16):
                os.write(writing, data[at : at + (1 << 16)])
    finally:
        os._exit(0)


def _said(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:300]
    except BaseException:
        return "it cannot say why"


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""


def _answer(child: int, reading: int, until: float) -> tuple[bytes | None, str]:
    """What the child wrote; or ``None`` and how it ended."""
    data = b""
    ended = status = 0
    while True:
        ready, _, _ = select.select([reading], [], [], 0 if ended else 0.05)
        if ready:
            part = os.read(reading, 1 << 16)
            data += part
            if len(data) >= 8 and len(data) - 8 >= int.from_bytes(data[:8], "little"):
                if not ended:
                    os.waitpid(child, 0)
                return data[8:], ""
            if part:
                continue
        if ended:
            return None, _ending(status)
        ended, status = os.waitpid(child, os.WNOHANG)  # what it wrote just before may lie in the pipe still
        if not ended and time.monotonic() > until:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, "killed"


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"


def place_of(trace: str) -> str:
    """``FILE:LINE in FUNCTION`` where the main thread was, from what faulthandler wrote; empty: it wrote nothing."""
    threads = re.split(r"(?m)^(?=(?:Current t|T)hread 0x)", trace)
    mine = f"0x{threading.main_thread().ident or 0:016x}"
    for thread in sorted(threads, key=lambda text: mine not in text.partition("\n")[0]):
        frame = _FRAME.search(thread)
        if frame is not None:
            return f"{frame[1]}:{frame[2]} in {frame[3]}"
    return ""
