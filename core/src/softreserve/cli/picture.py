"""What ``boot --svg`` draws, and files that pictures and pages go to."""

from __future__ import annotations

import sys
from collections.abc import Callable

from softreserve.cli.terminal import tell
from softreserve.kernel.system import System

__all__ = ["draw", "write_out"]


def draw(system: System, output: str) -> None:
    """Draw all memory of a system in one lane.

    :param output: a file, where only an earlier picture is replaced; ``-`` is standard output.
    """
    from softreserve.views.picture.lanes import lanes
    from softreserve.views.picture.strip import is_strip, strip
    from softreserve.views.report import report

    told = report(system)
    heading = f"{system.machine.name}: Linux {system.kernel.release}"
    write_out(output, strip(heading, told.verdict.text, lanes(system, told.outcome)), is_strip)


def write_out(output: str, text: str, replaces: Callable[[bytes], bool] | None = None, hint: str = "") -> None:
    """Write a file, whole or not at all; or to standard output, for ``-``.

    :param replaces: see :func:`softreserve.live.whole.new_file`, and for ``hint``.
    """
    content = text.encode("utf-8", "backslashreplace")
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    from softreserve.live.whole import new_file

    new_file(output, content, replaces=replaces, hint=hint)
    tell(f"{output}: {len(content)} bytes")
