"""What a person hands over: a machine, steps to carry out on it, and perhaps a kexec after them. Frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.model import value
from softreserve.model.machine import Machine
from softreserve.model.value import NamedTuple

if TYPE_CHECKING:
    from os import PathLike

    from softreserve.model.steps import KexecScenario, Step

__all__ = ["EFI_MAP", "Gap", "Scenario"]

#: What the largest gap is about.
EFI_MAP: Final = "the EFI memory map"


class Gap(NamedTuple):
    """What an input lacks, and what that does to the answers: ``"the page size"``, ``"4 KiB is assumed"``."""

    missing: str
    so: str

    def __str__(self) -> str:
        return f"partial answer, without {self.missing}: {self.so}"


@value.frozen
class Scenario:
    """A machine and what is to happen to it.

    :param plugins: names of the plugins to load; ``None``: those that the architecture asks for.
    :param path: where it was read from; ``None`` where it was made in process.
    :param gaps: what the description lacks, so that answers that need it are missing or rest on an assumption.
    :param recorded: whether it is a capture: the input of a boot whose outcome was recorded.
    """

    machine: Machine
    steps: tuple[Step, ...] = ()
    kexec: KexecScenario | None = None
    plugins: tuple[str, ...] | None = None
    path: str | PathLike[str] | None = None
    recorded: bool = False
    gaps: tuple[Gap, ...] = ()
