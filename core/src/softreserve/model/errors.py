"""Errors that a person caused or can mend; what the *emulated kernel* refuses is never one of them.

Every error ends in one line on stderr and an exit code: 2 for bad usage or bad input, 3 for a plugin that failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "ConfigError",
    "InputError",
    "MachineError",
    "PluginError",
    "PluginResultError",
    "SoftReserveError",
    "UnknownPluginError",
    "nearest",
    "shown",
]


_SHOWN = 60  # characters of a value that a message quotes


def shown(value: object) -> str:
    """A value as a message quotes it: on one line, and not longer than a line; also of one that cannot say itself."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """What a message adds where somebody may have meant another word: ``; did you mean 'X'?``, or nothing.

    :param likeness: how near that has to be: 1 is the word itself, up to upper and lower case.
    """
    from difflib import get_close_matches

    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_folded, 1, likeness)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


class SoftReserveError(Exception):
    """Root of all errors of this project. ``exit_code`` is what the command line ends with."""

    exit_code = 2


class InputError(SoftReserveError):
    """A file or argument that cannot be used: ``path`` and ``place`` (a line, an offset or a key) say where."""

    def __init__(self, message: str, *, path: object = None, place: str | None = None) -> None:
        self.path = None if path is None else str(path)
        self.place = place
        where = ": ".join(part for part in (self.path, place) if part)
        super().__init__(f"{where}: {message}" if where else message)


class ConfigError(SoftReserveError):
    """One or more problems of a configuration, collected and shown together."""

    def __init__(self, problems: Sequence[InputError | str]) -> None:
        self.problems = tuple(str(problem) for problem in problems)
        super().__init__("; ".join(self.problems))


class MachineError(SoftReserveError):
    """A machine that cannot be booted as described."""


class UnknownPluginError(SoftReserveError):
    """A plugin that was asked for and is not installed, or is installed twice."""


class PluginError(SoftReserveError):
    """A plugin that could not be imported, or raised; ``plugin`` is its name, empty where the core does not say so."""

    exit_code = 3

    def __init__(self, message: str, plugin: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin


class PluginResultError(PluginError):
    """A plugin that answered a hook with something the hook does not allow."""
