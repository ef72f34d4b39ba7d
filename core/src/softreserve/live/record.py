"""Records of what is done to a system, in the form that steps are given in.

A record is TOML: a table that says that it is one, and of which machine; then ``[[step]]`` tables with ``writes`` or
``run``, each with what the machine answered, so that it can be replayed like any other steps.

A step is on the disk before it is done: what cannot be recorded is not done, and nothing that was answered is lost. A
killed server may leave a last step without its answer, which doing it again gives, or the beginning of a step that was
not done.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from softreserve.config.toml_text import toml_string
from softreserve.live import recorded
from softreserve.live.claims import TakenError, take
from softreserve.live.recorded import Record, answer_line
from softreserve.live.whole import sync_directory
from softreserve.machine.steps import StepResult, differences
from softreserve.model.errors import InputError, shown
from softreserve.model.steps import Step

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["Recorder"]

_MOST = 1 << 28  # bytes of a record that is gone on with


class Recorder:
    """Appends steps to a file, which is locked as long as it is open.

    A file that holds :attr:`steps` has to be resumed with what they give when they are done again.

    :raises InputError: the file is no record, is somebody else's for now, or cannot be written. It is untouched.
    """

    def __init__(self, path: str | os.PathLike[str], system: System) -> None:
        self.path = Path(path)
        #: Why nothing can be recorded any more, so that nothing can be done either.
        self.failed: str | None = None
        self._about = recorded.about(system)
        try:
            self._file, self._made = _opened(self.path)
            try:
                self._record = self._read(system)
            except BaseException:
                os.close(self._file)
                raise
        except TakenError as error:
            raise InputError(f"is being recorded by {error}", path=path) from None
        except OSError as error:
            raise InputError(f"cannot record: {error.strerror or error}", path=path) from error
        #: What the file held already.
        self.steps = self._record.steps
        self._names = {step.name for step in self.steps}
        self._number = len(self.steps)
        self._ended = self._record.ended
        #: Where the next step begins, or its answer; and where the step began that is being done.
        self._end = self._step_start = os.fstat(self._file).st_size
        #: What the answer of the step that is being done is called.
        self._answer = ""

    def _read(self, system: System) -> Record:
        take(self._file)
        if os.fstat(self._file).st_size == 0:
            self._write_header()
            return Record(self._about, ())
        with open(self._file, "rb", closefd=False) as file:
            data = file.read(_MOST + 1)
        if len(data) > _MOST:
            raise InputError(f"larger than {_MOST >> 20} MiB: too long to go on with", path=self.path)
        return recorded.read_record(data, self.path, system.kernel)

    def _write_header(self) -> None:
        try:
            _write_at(self._file, recorded.header(self._about).encode(), 0)
            os.fsync(self._file)
            sync_directory(os.path.dirname(os.path.realpath(self.path)))
        except OSError:
            os.ftruncate(self._file, 0)
            if self._made:
                self.path.unlink(missing_ok=True)
            raise

    def resume(self, repeat: Callable[[Step], StepResult]) -> None:
        """Go on behind :attr:`steps`.

        :param repeat: does a step again, on the machine as it is now.
        :raises InputError: it gives something else than it gave, or takes a program, or the record is of another
            machine. It is untouched.
        """
        other = recorded.other_machine(self._record.about, self._about)
        line = ""
        for step in self.steps:
            result = repeat(step)
            if result.status is None:
                raise InputError(f"step {shown(step.name)} {result.why}; a record has no such steps", path=self.path)
            line = (
                answer_line("status", result.status) if step.writes is None else answer_line("result", *result.results)
            )
            found = differences(step, result)
            if step is self.steps[-1] and not line.startswith(self._record.begun.decode().strip()):
                found = [f"{line.strip()}, expected {self._record.begun.decode().strip()}"]
            if found:
                why = other or "something else than the record changed the machine"
                raise InputError(f"step {shown(step.name)}: {found[0]}; {why}", path=self.path)
        if other:
            raise InputError(other, path=self.path)
        try:
            self._mend(line)
        except OSError as error:
            raise InputError(f"cannot record: {error.strerror or error}", path=self.path) from error

    def _mend(self, line: str) -> None:
        """Take away the beginning of a step that was not done; complete the last step with its answer."""
        if self._record.torn:
            self._end -= len(self._record.torn)
            os.ftruncate(self._file, self._end)
        if self.steps and not self.steps[-1].expects:
            self._end -= len(self._record.begun)
            os.ftruncate(self._file, self._end)
            self._append(line)

    # --- what is done

    def write(self, path: str, data: bytes) -> bool:
        """``data`` is about to be written to ``path``, in one write(). ``False``: it must not be."""
        try:
            value, encoding = data.decode("utf-8"), ""
        except UnicodeDecodeError:
            value, encoding = data.decode("latin-1"), 'encoding = "latin-1"\n'
        body = f"{encoding}writes = [[{toml_string(path)}, {toml_string(value)}]]\n"
        return self._begin("result", body)

    def run(self, words: str) -> bool:
        """A tool that can change modules is about to run. ``False``: it must not."""
        return self._begin("status", f"run = {toml_string(words)}\n")

    def answer(self, answer: int) -> None:
        """It was done, with this answer: bytes taken (0: all) or ``-errno`` of a write, or a tool's exit status."""
        self._append(answer_line(self._answer, answer))

    def take_back(self) -> None:
        """It was done, and could not have changed anything: it need not be recorded."""
        try:
            if self._is_ours():
                os.ftruncate(self._file, self._step_start)
                self._end, self._number = self._step_start, self._number - 1
        except OSError as error:
            self._fail(error.strerror or str(error))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _begin(self, answer: str, body: str) -> bool:
        number = self._number + 1
        while f"{number:04}" in self._names:
            number += 1
        self._step_start = self._end
        if not self._append(f'\n[[step]]\nname = "{number:04}"\n{body}', sync=True):
            return False
        self._answer, self._number = answer, number
        return True

    def _append(self, text: str, *, sync: bool = False) -> bool:
        """Write at the end, all of it or nothing; whether that went well. Once it did not, nothing more is written."""
        if self.failed is not None:
            return False
        data = (text if self._ended else f"\n{text}").replace("\n", self._record.newline.decode()).encode()
        try:
            if not self._is_ours():
                return False
            try:
                _write_at(self._file, data, self._end)
                if sync:
                    os.fdatasync(self._file)
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
        except OSError as error:
            self._fail(error.strerror or str(error))
            return False
        self._end += len(data)
        self._ended = True
        return True

    def _is_ours(self) -> bool:
        """Whether the file is still what we made of it; if not, it stays as it is."""
        found = os.fstat(self._file)
        if found.st_size == self._end and found.st_nlink:
            return True
        self._fail("somebody else changed or removed it")
        return False

    def _fail(self, why: str) -> None:
        self.failed = why
        print(
            f"softreserve: {self.path}: cannot record: {why}; the machine takes no more changes",
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is not None and self._made and self._number == 0 and self._is_ours():
            self.path.unlink(missing_ok=True)  # what was to be recorded did not begin
        self.close()


def _opened(path: Path) -> tuple[int, bool]:
    """A regular file to read and write, and whether it was made for that. Nothing else is even opened."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644), True
    except FileExistsError:
        pass
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError("is no regular file, so nothing is written to it", path=path)
    return os.open(path, flags), False


def _write_at(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written
