"""Whether programs that a file names may run: whoever wrote the file, a person here has to say so."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from softreserve.cli.progress import no_progress
from softreserve.cli.terminal import clean, tell
from softreserve.model.errors import ConfigError

__all__ = ["agreed", "check_agreed", "run_programs_option"]

run_programs_option = click.option(
    "--run-programs", is_flag=True, help="Run the programs that steps name, sealed off from this host."
)

#: Names and words of steps that need programs.
_Programs = Sequence[tuple[str, str]]


def agreed(source: object, programs: _Programs) -> bool:
    """Whether the person at the terminal lets these steps of ``source`` run; nobody there is a no."""
    if not (programs and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    tell(f"{source}: these steps run programs, without this host's network and homes, its files read-only:")
    for line in _lines(programs):
        tell(line)
    with no_progress():
        return click.confirm("softreserve: run them?", err=True)


def check_agreed(source: object, programs: _Programs) -> None:
    """Go on only where no program would run, or a person agrees to it.

    :raises ConfigError: nobody does; it says what would have run.
    """
    if programs and not agreed(source, programs):
        raise ConfigError([f"{source}: these steps run programs, which takes --run-programs:", *_lines(programs)])


def _lines(programs: _Programs) -> list[str]:
    return [f"step {name}: {clean(words)}" for name, words in programs]
