"""Answers as they come in, in a file beside the output: what an interrupted run had, and where rows are taken from.

The first line says what is asked. Each other line is the answer of a machine, by its digest, so that it does not
matter in which order they came, nor what the inventory called the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import IO, Any, Final

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
                self._read(head)
            elif not replace and self._file.seek(0, os.SEEK_END):
                raise InputError(f"an interrupted run left it: {_HINT}", path=path)
            else:
                self._file.seek(0)
                self._file.truncate(0)
            if not self._file.tell():
                self._file.write(head)
            self._end = self._file.tell()
        except InputError:
            self._file.close()
            raise

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

    def _read(self, head: bytes) -> None:
        """Find the answers that are there; a line that was being written is left out."""
        first = self._file.readline()
        if first and first != head:
            raise InputError(
                f"is no journal of this run: {_unlike(first, head)}; --replace begins anew", path=self.path
            )
        place = len(first)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            self._places[bytes.fromhex(line[DIGEST].decode())] = place
            place += len(line)
        self._file.truncate(place)
        self._file.seek(place)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *what: object) -> None:
        self._file.close()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, answers: bytes) -> list[bytes]:
        """Keep answers: they are there when this returns, whatever becomes of the process. Returns their digests."""
        self._file.seek(self._end)
        self._file.write(answers)
        self._file.flush()
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


def _unlike(first: bytes, head: bytes) -> str:
    """In what a journal differs, in words."""
    try:
        was, now = json.loads(first), json.loads(head)
        if was["is"] != now["is"]:
            return "it is something else"
        unlike = [name for name in now if was.get(name) != now[name]]
    except (ValueError, KeyError, TypeError):
        return "it is something else"
    words = {"wishes": "plugins", "timed": "--time"}
    return f"it has other {' and '.join(words.get(name, name) for name in unlike)}"
