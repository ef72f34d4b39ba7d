"""For plugins of an architecture: which machines are theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from softreserve.model.machine import Machine

__all__ = ["arches_of", "for_arch"]

P = ParamSpec("P")
T = TypeVar("T")

#: Where a guarded hook says of which architecture it is.
_MARK = "softreserve_arch"


def for_arch(arch: str) -> Callable[[Callable[P, T]], Callable[P, T | None]]:
    """Make a hook answer ``None`` for machines of other architectures; it stands under ``hookimpl``.

    The first argument of the hook is the machine or the system.
    """

    def guarded(function: Callable[P, T]) -> Callable[P, T | None]:
        @wraps(function)
        def answer(*args: P.args, **kwargs: P.kwargs) -> T | None:
            asked: Any = args[0]
            machine: Machine = getattr(asked, "machine", asked)
            return function(*args, **kwargs) if machine.arch == arch else None

        setattr(answer, _MARK, arch)
        return answer

    return guarded


def arches_of(plugin: object) -> set[str]:
    """The architectures that hooks of a plugin are guarded for: all there is to know where no metadata say it."""
    marks = (getattr(getattr(plugin, name, None), _MARK, None) for name in dir(plugin))
    return {mark for mark in marks if isinstance(mark, str)}
