"""Wrong plugins: each a few lines, each wrong in exactly one way; and right ones of every kind.

A row is one plugin: ``wrong(NAME, KIND, what is wrong with it, what a message must say, hook=function ...)``. One that
boots an architecture is the toy with one answer replaced. Packages, and whatever happens at import, are written as the
text of a module (:func:`packaged`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

import softreserve as sr

from wrong import toy

__all__ = ["ROWS", "Row", "anywhere", "install", "packaged", "plugin_of", "right", "wrong"]

Hook = Callable[..., object]

#: Where it can be seen: commands refuse it, only the contract kit can know, or only commands can: of two plugins.
Seen = Literal["commands", "kit", "pair"]


class Row(NamedTuple):
    """A plugin, wrong in one way, or right.

    :param how: what is wrong with it, in words; empty: it is right.
    :param says: what a message about it must have beside its name, in any case of letters.
    :param at: the command at which it shows, with options; ``boot``, ``lint``, ``export``, ``kexec`` or its own.
    :param source: text of its module, where it is more than hooks.
    :param entries: lines of its ``entry_points.txt`` where they are no usual ones.
    """

    name: str
    kind: str
    how: str
    says: tuple[str, ...]
    at: str
    seen: Seen
    hooks: dict[str, Hook]
    source: str = ""
    entries: str = ""


ROWS: Final[dict[str, Row]] = {}


def wrong(
    name: str, kind: str, how: str, says: str = "", /, *, at: str = "boot", seen: Seen = "commands", **hooks: Hook
) -> None:
    """Add a plugin that is wrong.

    :param says: what a message must say beside the names of plugin and hook, parted by ``|``.
    :param hooks: its answers, by the name of the hook without ``softreserve_``; the first one is wrong.
    """
    _add(Row(name, kind, how, (f"softreserve_{next(iter(hooks))}", *_words(says)), at, seen, hooks))


def right(name: str, kind: str, /, *, at: str = "boot", **hooks: Hook) -> None:
    """Add a plugin that is right."""
    _add(Row(name, kind, "", (), at, "commands", hooks))


def packaged(
    name: str,
    how: str,
    says: str,
    source: str,
    *,
    kind: str = "any",
    at: str = "boot",
    seen: Seen = "commands",
    entries: str = "",
) -> None:
    """Add a plugin from the text of its module; in ``entries`` NAME and MODULE are its own."""
    _add(Row(name, kind, how, _words(says), at, seen, {}, textwrap.dedent(source), textwrap.dedent(entries)))


def _words(says: str) -> tuple[str, ...]:
    return tuple(filter(None, says.split("|")))


def _add(row: Row) -> None:
    assert row.name not in ROWS, row.name
    ROWS[row.name] = row


def anywhere(hook: Hook) -> Hook:
    """Mark a hook of an architecture as one that answers for all others, too."""
    vars(hook)["anywhere"] = True
    return hook


def _of_toy(name: str, hook: Hook) -> Hook:
    """A hook of the toy, which says nothing of other architectures."""
    if name == "arch_info" or hasattr(hook, "anywhere"):
        return hook

    @wraps(hook)
    def answer(*args: Any, **kwargs: Any) -> object:
        asked: Any = args[0]
        return hook(*args, **kwargs) if getattr(asked, "machine", asked).arch == toy.ARCH else None

    return answer


def plugin_of(row: Row) -> ModuleType:
    """The plugin of a row as a module, made anew."""
    module = ModuleType(f"wrong_{row.name}")
    hooks = row.hooks
    if row.kind == "arch":
        hooks = {name: _of_toy(name, hook) for name, hook in {**toy.HOOKS, **row.hooks}.items()}
    for name, hook in hooks.items():

        def called(*args: Any, _hook: Hook = hook, **kwargs: Any) -> object:
            return _hook(*args, **kwargs)

        fresh = wraps(hook)(called)  # pluggy marks functions: one that two rows share must not get two marks
        setattr(module, f"softreserve_{name}", sr.hookimpl(fresh))
    return module


def install(row: Row, folder: Path) -> None:
    """Write what is an installed distribution once ``folder`` is on the path."""
    name, module = row.name, f"wrong_{row.name.replace('-', '_')}"
    hooks = f"from wrong import corpus, plugin_of\nglobals().update(vars(plugin_of(corpus.ROWS[{name!r}])))"
    (folder / f"{module}.py").write_text(row.source or hooks)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: wrong-{name}\nVersion: 1.0\n")
    entries = f"[softreserve.plugins]\n{name} = {module}\n"
    if row.kind == "arch":
        entries += f"[softreserve.arches]\n{toy.ARCH} = {module}\n"
    (info / "entry_points.txt").write_text(row.entries.replace("MODULE", module).replace("NAME", name) or entries)
