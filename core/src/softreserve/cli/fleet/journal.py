"""Answers as they come in, in a file beside the output: what an interrupted run had, and where rows are taken from.

The first line says what is asked. Each other line is the answer of a machine, by its digest, so that it does not
matter in which order they came, nor what the inventory called the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from typing import IO, Any, Final

from softreserve.cli.fleet.output import is_row
from softreserve.cli.fleet.work import DIGEST, Asked
from softreserve.model.errors import InputError

__all__ = ["SUFFIX", "Journal"]

#: What the journal of an output is called behind its name.
SUFFIX: Final = ".journal"
_HINT: Final = "--resume goes on with it, --replace begins anew"
_KIND: Final = "softreserve fleet journal"


class Journal:
    """Answers by digest, in a file. A context manager; the file stays unless :meth:`remove` takes it away.

    :param path: empty: a file without a name, which nobody can go on with.
    :param resume: go on with one that is there.
    :param replace: begin anew where one is there.
    :raises InputError: it cannot be written, somebody else is writing it, or it is of other questions; or there is one,
        and nobody says what to do about it.
    """

    def __init__(self, path: str, asked: Asked, *, resume: bool = False, replace: bool = False) -> None:
        self.path = path
        #: Where each answer is: the place of its line.
        self._places: dict[bytes, int] = {}
        head = json.dumps({"is": _KIND, **asked.as_json()}).encode() + b"\n"
        try:
            self._file = self._opened(path)
        except OSError as error:
            raise InputError(error.strerror or str(error), path=path) from None
        try:
            if resume and path:
                self._read(head, len(asked.questions))
            elif not replace and self._file.seek(0, os.SEEK_END):
                raise InputError(f"an interrupted run left it: {_HINT}", path=path)
            else:
                self._file.seek(0)
                self._file.truncate(0)
            if not self._file.tell():
                self._file.write(head)
                self._file.flush()
            self._end = self._file.tell()
        except (InputError, OSError) as error:
            self._close()
            if isinstance(error, InputError):
                raise
            if path:
                os.unlink(path)  # it has no answers: none is written before its head
            raise InputError(str(error.strerror), path=path) from None

    @staticmethod
    def _opened(path: str) -> IO[bytes]:
        if not path:
            import tempfile

            return tempfile.TemporaryFile(prefix="softreserve-")
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise InputError("another run is writing it", path=path) from None
        return file

    def _read(self, head: bytes, questions: int) -> None:
        """Find the answers that are there; what is none, or was being written, is left out with all behind it."""
        first = self._file.readline()
        if first and first != head:
            raise InputError(
                f"is no journal of this run: {_unlike(first, head)}; --replace begins anew", path=self.path
            )
        place = len(first)
        for line in self._file:
            if not _is_answer(line, questions):
                break
            self._places[bytes.fromhex(line[DIGEST].decode())] = place
            place += len(line)
        self._file.truncate(place)
        self._file.seek(place)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *what: object) -> None:
        self._close()

    def _close(self) -> None:
        with suppress(OSError):  # of what could not be written either before: that was told
            self._file.close()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, answers: bytes) -> list[bytes]:
        """Keep answers: they are there when this returns, whatever becomes of the process. Returns their digests."""
        try:
            self._file.seek(self._end)
            self._file.write(answers)
            self._file.flush()
        except OSError as error:
            raise InputError(error.strerror or str(error), path=self.path) from None
        found = []
        for line in answers.splitlines(keepends=True):
            found.append(bytes.fromhex(line[DIGEST].decode()))
            self._places[found[-1]] = self._end
            self._end += len(line)
        return found

    def place(self, key: bytes) -> int:
        """Where the answer of a machine stands: another place for each that is described otherwise."""
        return self._places[key]

    def answer(self, key: bytes) -> dict[str, Any]:
        """The answer of a machine that has one."""
        self._file.seek(self._places[key])
        found: dict[str, Any] = json.loads(self._file.readline())
        return found

    def remove(self) -> None:
        """Take the file away."""
        if self.path:
            os.unlink(self.path)
            self.path = ""


def _is_answer(line: bytes, questions: int) -> bool:
    """Whether a line is the answer of a machine that was asked so much."""
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
        bytes.fromhex(line[DIGEST].decode())
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or found.get("digest") != line[DIGEST].decode():
        return False
    rows = found.get("rows")
    return isinstance(found.get("passed_over"), str) or (
        isinstance(rows, list) and len(rows) == questions and all(isinstance(row, dict) and is_row(row) for row in rows)
    )


def _unlike(first: bytes, head: bytes) -> str:
    """In what a journal differs, in words."""
    try:
        was, now = json.loads(first), json.loads(head)
        if was["is"] != now["is"]:
            return "it is something else"
        unlike = [name for name in now if was.get(name) != now[name]] or ["lines"]
    except (ValueError, KeyError, TypeError):
        return "it is something else"
    words = {"wishes": "plugins", "timed": "--time"}
    return f"it has other {' and '.join(words.get(name, name) for name in unlike)}"
