"""Records of what was done to a system, in the form that steps are given in.

A record is a TOML file of ``[[step]]`` tables with ``writes`` or ``run``, so that it can be replayed like any other
steps; what the machine answered stands beside it. A step is on the disk before the writer gets its answer, and its
answer is its last line: what a killed server left behind it is whole up to the last answered step.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from softreserve.model.errors import InputError

__all__ = ["Recorder", "toml_string", "whole_steps"]

_ANSWERS = ("result = ", "status = ")


class Recorder:
    """Appends steps to a file; goes on with one that is there already, behind its last whole step.

    :raises InputError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            text = whole_steps(self.path.read_text(encoding="utf-8")) if self.path.exists() else ""
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._file, len(text.encode()))
            os.lseek(self._file, 0, os.SEEK_END)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot record: {_reason(error)}", path=path) from error
        #: Steps that the file held already.
        self.resumed = self._steps = text.count("[[step]]\n")

    def wrote(self, path: str, data: bytes, result: int) -> None:
        """One write() of ``data`` to ``path`` was answered with ``result``: bytes taken, or ``-errno``."""
        # As in the outputs of steps: a write that was taken whole is 0.
        answer = 0 if result == len(data) else result
        try:
            value, encoding = data.decode("utf-8"), ""
        except UnicodeDecodeError:
            value, encoding = data.decode("latin-1"), 'encoding = "latin-1"\n'
        self._append(f"writes = [[{toml_string(path)}, {toml_string(value)}]]\n{encoding}result = {answer}\n")

    def ran(self, words: str, status: int) -> None:
        """A command that changes modules ended with ``status``."""
        self._append(f"run = {toml_string(words)}\nstatus = {status}\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _append(self, body: str) -> None:
        self._steps += 1
        data = f'[[step]]\nname = "{self._steps:04}"\n{body}\n'.encode()
        while data:
            data = data[os.write(self._file, data) :]
        os.fdatasync(self._file)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def whole_steps(text: str) -> str:
    """The record without a last step that was never answered."""
    end = max(text.rfind(f"\n{answer}") for answer in _ANSWERS)
    if end < 0:
        return ""
    line_end = text.find("\n", end + 1)
    if line_end < 0:
        # The answer's line itself is torn: the step before it is the last whole one.
        return whole_steps(text[: text.rfind("[[step]]")])
    return text[: line_end + 1] + "\n"


def toml_string(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character == "\n":
        return "\\n"
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x20 or code == 0x7F else character


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is no text"
