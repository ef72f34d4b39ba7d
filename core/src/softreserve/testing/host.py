"""The running machine of a test: where programs cannot be run on it, the test is told so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from softreserve.live.exported import Exported
from softreserve.live.fuse import FuseError
from softreserve.live.session import Session
from softreserve.live.shell import SessionError

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.live.shell import Session as Programs

__all__ = ["host"]

RECORD: Final = "record.toml"


class _Host(Session):
    """A session that is recorded, and asks what to do where there can be no programs."""

    def __init__(self, system: System, folder: Path, unavailable: Callable[[str], object]) -> None:
        super().__init__(system, record=folder / RECORD)
        self._unavailable = unavailable

    def _on_it(self) -> Programs:
        try:
            return super()._on_it()
        except (FuseError, SessionError) as error:
            reason = error
        self._unavailable(str(reason))
        raise reason


def host(
    system: System, folder: Path, mode: Literal["live", "export"], unavailable: Callable[[str], object]
) -> Session:
    """A session for a test.

    :param folder: for what belongs to it.
    :param mode: whether programs run on the machine, or read a tree of its files.
    :param unavailable: called with the reason, where programs cannot be run here; raises what ends the test.
    """
    return Exported(system, folder) if mode == "export" else _Host(system, folder, unavailable)
