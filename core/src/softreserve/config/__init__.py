"""From what a person names to a :class:`~softreserve.model.scenario.Scenario`.

Three forms: a capture directory, a TOML machine file, ``example:NAME``.
"""

from __future__ import annotations

from pathlib import Path

from softreserve.errors import InputError
from softreserve.model.scenario import Scenario

__all__ = ["EXAMPLE", "examples", "load"]

#: What the name of a bundled example begins with.
EXAMPLE = "example:"

_EXAMPLES = Path(__file__).parent.parent / "examples"


def examples() -> tuple[str, ...]:
    """Names of the bundled example machines."""
    return tuple(sorted(path.stem for path in _EXAMPLES.glob("*.toml")))


def load(spec: str | Path, *, with_steps: bool = True) -> Scenario:
    """Read a machine; without ``with_steps`` only what a boot needs.

    :param spec: a capture directory (``CASE`` or ``CASE/input``), a machine file (``*.toml``) or ``example:NAME``.
    :raises InputError: there is no such machine.
    :raises ConfigError: everything that is wrong with its files.
    """
    if isinstance(spec, str) and spec.startswith(EXAMPLE):
        path = _example(spec)
    else:
        path = Path(spec)
    if path.is_dir():
        from softreserve.config.capture import read_capture

        return read_capture(path, with_steps=with_steps)
    if not path.exists():
        raise InputError("no such machine: wanted a capture directory, a TOML file or example:NAME", path=spec)
    from softreserve.config.machine_file import read_machine_file

    return read_machine_file(path)


def _example(spec: str) -> Path:
    name = spec.removeprefix(EXAMPLE)
    names = examples()
    if name not in names:
        import difflib

        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"no such example; bundled: {', '.join(names)}{hint}", path=spec)
    return _EXAMPLES / f"{name}.toml"
