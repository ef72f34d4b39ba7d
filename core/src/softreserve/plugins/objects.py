"""What a plugin must be: an object with hooks that can be called. What it answers is not looked at here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import isroutine
from operator import is_
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from softreserve.model.errors import nearest, shown

__all__ = ["answers_later", "as_it_was", "hook_problem", "modules_of", "object_problem"]

_PREFIX: Final = "softreserve_"
#: Marks of pluggy, on functions.
_MARKS: Final = ("softreserve_impl", "softreserve_spec")
#: ``CO_GENERATOR``, ``CO_COROUTINE`` and ``CO_ASYNC_GENERATOR``: calling it does nothing yet.
_NOT_NOW: Final = 0x20 | 0x80 | 0x200


def object_problem(plugin: object, hooks: Iterable[str]) -> str | None:
    """Why something is no plugin, or ``None``.

    :param hooks: names of all hooks that there are.
    """
    if isinstance(plugin, type):
        return f"its entry points to the class {plugin.__name__}; point to an object of it, or to a module"
    if plugin is None or isinstance(plugin, (str, bytes, int, float, list, tuple, dict, set, FunctionType)):
        return f"its entry points to {shown(plugin)}; point to a module with hooks, or to an object with them"
    if as_it_was(plugin):
        return None
    known = frozenset(hooks)
    for name, is_function in _marked(plugin):
        if name not in known:
            return f"unknown hook {name}{nearest(name, known)}"
        if not is_function:
            return f"{name} is no function"
    for name, is_function in _unmarked(plugin):
        if name in known:
            return f"{name} is not marked: put @hookimpl above it" if is_function else f"{name} is no function"
        likely = nearest(name, known, 0.85) if is_function else ""
        if likely:
            return f"{name} is no hook and not marked{likely}"
    if type(plugin) is ModuleType:
        _sound[plugin] = dict(vars(plugin))
    return None


#: Modules that were found to be plugins, and what was in them then: each command loads several.
_sound: WeakKeyDictionary[ModuleType, dict[str, object]] = WeakKeyDictionary()


def as_it_was(plugin: object) -> bool:
    """Whether just the objects are in a module that were there when it was found to be a plugin."""
    if type(plugin) is not ModuleType:
        return False
    then, now = _sound.get(plugin, {}), vars(plugin)
    return len(then) == len(now) and all(map(is_, then, now)) and all(map(is_, then.values(), now.values()))


def _marked(plugin: object) -> Iterator[tuple[str, bool]]:
    """What of a plugin has the mark of a hook, and whether it is a function: pluggy passes over what is none."""
    for names in _namespaces(plugin):
        for name, value in names.items():
            function = getattr(value, "__func__", value)
            mark = getattr(function, _MARKS[0], None)
            if isinstance(mark, dict):
                yield mark.get("specname") or name, isroutine(function)


def _unmarked(plugin: object) -> Iterator[tuple[str, bool]]:
    """What of a plugin is named like a hook and has no mark, and whether it is a function at all."""
    for names in _namespaces(plugin):
        for name, value in names.items():
            if isinstance(name, str) and name.startswith(_PREFIX):
                function = getattr(value, "__func__", value)
                if not any(hasattr(function, mark) for mark in _MARKS):
                    yield name, isinstance(function, FunctionType)


def _namespaces(plugin: object) -> list[dict[str, Any]]:
    """The names of a plugin and of its classes."""
    own = [dict(vars(plugin))] if hasattr(plugin, "__dict__") else []
    return own if isinstance(plugin, ModuleType) else [*own, *(dict(vars(kind)) for kind in type(plugin).__mro__)]


def hook_problem(function: Any) -> str | None:
    """Why a function cannot answer a hook, or ``None``."""
    if answers_later(function):
        return "a generator or async function answers nothing when it is called; return a list"
    return None


def answers_later(function: Any) -> bool:
    """Whether calling it does nothing yet."""
    function = getattr(function, "__func__", function)
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _NOT_NOW)


def modules_of(plugin: object) -> list[str]:
    """The modules that a plugin comes from: its own, and those of its hooks."""
    try:
        own = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        names = _namespaces(plugin)
    except Exception:  # told when it is registered
        return []
    functions = (getattr(v, "__func__", v) for found in names for k, v in found.items() if k.startswith(_PREFIX))
    return list(dict.fromkeys((own, *(f.__module__ for f in functions if isinstance(f, FunctionType)))))
