"""What ``--emit`` takes: the kernel's own files, and what plugins print of a system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from softreserve.cli.options import EMITTED, Choice
from softreserve.model.errors import SoftReserveError
from softreserve.views.emit import EMITTERS

__all__ = ["emit_option"]

F = TypeVar("F", bound=Callable[..., Any])


class _EmitterName(Choice):
    """The name of an emitter. One that the core does not know is looked up as soon as plugins are loaded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As it is, if a plugin has to know it."""
        if isinstance(value, str) and value not in EMITTERS and ctx is not None:
            ctx.meta.setdefault(EMITTED, []).append(value)
            return value
        return super().convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The names, with those of plugins that are named beside it."""
        return f"[{'|'.join((*EMITTERS, *_brought_for_help()))}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in (*EMITTERS, *_brought_for_help()) if name.startswith(incomplete)]


def _brought_for_help() -> list[str]:
    """Names that plugins bring; none where a plugin or the choice of them is broken, which running a command tells."""
    try:
        return _brought()
    except SoftReserveError:
        return []


def _brought() -> list[str]:
    context = click.get_current_context(silent=True)
    if context is None:
        return []
    from softreserve.cli.brought import in_the_name_of, named_plugins
    from softreserve.plugins.brought import by_name
    from softreserve.plugins.hooks import load
    from softreserve.plugins.selection import Selection

    with in_the_name_of(named_plugins(context)):
        named = Selection()
    return list(by_name(load(named.wanted, available=named.installed).emitters(), EMITTERS))


def emit_option(words: str, *, multiple: bool = False) -> Callable[[F], F]:
    """``--emit NAME``, as the argument ``what``."""
    return click.option("--emit", "what", multiple=multiple, type=_EmitterName(list(EMITTERS)), help=words)
