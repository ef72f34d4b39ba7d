"""Fresh interpreters: for what can only be seen where nothing was imported yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from softreserve.testing.apart import Board
    from softreserve.testing.subject import Subject

__all__ = ["fresh"]

#: Seconds that starting an interpreter and the core may take on a machine that is busy.
_START: Final = 20.0


def fresh(
    subject: Subject, board: Board, arguments: Sequence[Sequence[str]], *, environment: Sequence[Mapping[str, str]] = ()
) -> list[Any]:
    """Run interpreters side by side; what each of them printed last, as JSON.

    :param arguments: of each.
    :param environment: what is different for each.
    :raises BrokenError: one ended otherwise, or not in time.
    """
    path = os.pathsep.join(entry for entry in sys.path if entry)
    board.stop()
    runs = [
        subprocess.Popen(
            [sys.executable, *given],
            env={**os.environ, "PYTHONPATH": path, **(environment[number] if environment else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for number, given in enumerate(arguments)
    ]
    found = []
    for run in runs:
        try:
            output, errors = run.communicate(timeout=_START + board.limit)
        except subprocess.TimeoutExpired as error:
            run.kill()
            words = f"a fresh process that loads it did not end within {_START + board.limit:g} s"
            raise subject.broken("import", words) from error
        lines = output.strip().splitlines()
        if run.returncode or not lines:
            said = errors.strip().rpartition("\n")[2]
            raise subject.broken("import", f"a fresh process that loads it ended with {run.returncode}: {said[:300]}")
        found.append(json.loads(lines[-1]))
    board.resume()
    return found
