"""What ``serve`` and ``shell`` have in common: a system that goes on from its record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from softreserve.cli.options import Choices, booted
from softreserve.cli.terminal import tell
from softreserve.kernel.system import System
from softreserve.live.record import Recorder

__all__ = ["record_option", "recorded_system"]

record_option = click.option(
    "--record",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every change here, as steps. What it holds already is done again first.",
)


@contextmanager
def recorded_system(machine: str, choices: Choices, record: Path | None) -> Iterator[tuple[System, Recorder | None]]:
    """Boot; carry out what the record holds; record what follows."""
    system = booted(machine, choices).system
    if record is None:
        yield system, None
        return
    with Recorder(record) as recorder:
        if recorder.resumed:
            _repeat(system, record)
            tell(f"did {recorder.resumed} recorded steps again")
        yield system, recorder


def _repeat(system: System, record: Path) -> None:
    from softreserve.config.steps import read_steps
    from softreserve.machine.steps import run_step

    for step in read_steps(record, system.kernel)[0]:
        run_step(system, step)
