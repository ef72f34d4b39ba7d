"""For plugins of an architecture: which machines are theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from softreserve.model.machine import Machine

__all__ = ["for_arch"]

P = ParamSpec("P")
T = TypeVar("T")


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

        return answer

    return guarded
