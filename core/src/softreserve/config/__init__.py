"""From what a person names to a :class:`~softreserve.model.scenario.Scenario`.

Three forms: a capture directory, a TOML machine file, ``example:NAME``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from softreserve.model.errors import InputError
from softreserve.model.scenario import Scenario

if TYPE_CHECKING:
    from softreserve.config.reader import StrPath

__all__ = ["EXAMPLE", "example_names", "load"]

#: What the name of a bundled example begins with.
EXAMPLE = "example:"

_EXAMPLES = os.path.join(os.path.dirname(__file__), "examples")
_SUFFIX = ".toml"


def example_names() -> tuple[str, ...]:
    """Names of the bundled example machines."""
    return tuple(sorted(name[: -len(_SUFFIX)] for name in os.listdir(_EXAMPLES) if name.endswith(_SUFFIX)))


def load(spec: StrPath, *, with_steps: bool = True) -> Scenario:
    """Read a machine; without ``with_steps`` only what a boot needs.

    :param spec: a capture directory (``CASE`` or ``CASE/input``), a machine file (``*.toml``) or ``example:NAME``.
    :raises InputError: there is no such machine.
    :raises ConfigError: everything that is wrong with its files.
    """
    path = _example(spec) if isinstance(spec, str) and spec.startswith(EXAMPLE) else os.fspath(spec)
    if os.path.isdir(path):
        from softreserve.config.capture import read_capture

        return read_capture(path, with_steps=with_steps)
    if not os.path.exists(path):
        raise InputError("no such machine: wanted a capture directory, a TOML file or example:NAME", path=spec)
    from pathlib import Path

    from softreserve.config.machine_file import read_machine_file

    return read_machine_file(Path(path))


def _example(spec: str) -> str:
    name = spec.removeprefix(EXAMPLE)
    names = example_names()
    if name not in names:
        import difflib

        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"no such example; bundled: {', '.join(names)}{hint}", path=spec)
    return os.path.join(_EXAMPLES, name + _SUFFIX)
