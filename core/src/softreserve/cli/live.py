"""What ``serve`` and ``shell`` have in common: a system that goes on from its record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from softreserve.cli.options import Choices, booted
from softreserve.cli.progress import progress
from softreserve.cli.terminal import tell
from softreserve.kernel.system import System
from softreserve.model.errors import InputError

if TYPE_CHECKING:
    from softreserve.live.record import Recorder

__all__ = ["record_option", "recorded_system"]

record_option = click.option(
    "--record",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Record every change here, as steps. Those of an earlier record are done again first.",
)


@contextmanager
def recorded_system(machine: str, choices: Choices, record: Path | None) -> Iterator[tuple[System, Recorder | None]]:
    """Boot; do what the record holds; record what follows.

    :raises InputError: the record is none, is of another machine, or could not be written to its end.
    """
    with progress("booting"):
        system = booted(machine, choices).system
    if record is None:
        yield system, None
        return
    from softreserve.live.record import Recorder
    from softreserve.machine.steps import run_step

    with Recorder(record, system) as recorder:
        with progress("doing recorded steps again"):
            recorder.resume(lambda step: run_step(system, step))
        if recorder.steps:
            tell(f"did {len(recorder.steps)} recorded steps again")
        yield system, recorder
        if recorder.failed is not None:
            raise InputError(f"not all could be recorded, nor done: {recorder.failed}", path=record)
