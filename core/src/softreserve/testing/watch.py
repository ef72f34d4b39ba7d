"""Looking at every call of a plugin: what is called is on the board, and observers look when it came back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from softreserve.kernel import border

if TYPE_CHECKING:
    from softreserve.testing.apart import Board

__all__ = ["Observer", "watched"]

#: Looks when a call of the plugin came back: what was called, and what it answered.
Observer = Callable[[str, Any], None]
#: What a process does once, whichever boot comes first.
_ONCE: Final = frozenset({"import", "the object with its hooks"})


@contextmanager
def watched(
    board: Board, name: str = "", *observers: Observer, begin: Callable[[str, tuple[Any, ...]], None] | None = None
) -> Iterator[None]:
    """Write every call across the border between core and plugins on the board.

    :param name: the plugin after whose calls observers look.
    :param begin: looks before a call of that plugin: at what is called, and with what.
    """
    call = border.call

    def looked_at(
        where: str, function: Callable[..., Any], /, *arguments: Any, plugin: str = "", **options: Any
    ) -> Any:
        before, board.doing = board.doing, where
        board.tick()
        own = bool(observers) and where not in _ONCE and (plugin or border.brought_by(function)) == name
        if own and begin is not None:
            begin(where, arguments)
        answer = call(where, function, *arguments, plugin=plugin, **options)
        for observer in observers if own else ():
            observer(where, answer)
        board.doing = before or where
        return answer

    border.call = looked_at
    try:
        yield
    finally:
        border.call = call
