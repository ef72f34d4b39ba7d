"""What a person hands over: a machine, steps to carry out on it, and perhaps a kexec after them. Frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from softreserve.model.machine import Machine

if TYPE_CHECKING:
    from os import PathLike

    from softreserve.model.steps import KexecScenario, Step

__all__ = ["Scenario"]


@attrs.frozen
class Scenario:
    """A machine and what is to happen to it.

    :param plugins: names of the plugins to load; ``None``: those that the architecture asks for.
    :param path: where it was read from; ``None`` where it was made in process.
    :param recorded: whether it is a capture: the input of a boot whose outcome was recorded.
    """

    machine: Machine
    steps: tuple[Step, ...] = ()
    kexec: KexecScenario | None = None
    plugins: tuple[str, ...] | None = None
    path: str | PathLike[str] | None = None
    recorded: bool = False
