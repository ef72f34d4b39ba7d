"""From tables, arrays and values, as tomllib reads them, to frozen classes: every mistake is found, with its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

import attrs

from softreserve.config.toml_lines import Key
from softreserve.model.errors import nearest, shown

__all__ = ["FieldError", "a_number", "one_of", "structure"]

T = TypeVar("T")

_SHOWN_KEYS: Final = 5  # unknown ones of a table that are told
_WRONG: Final = object()


class FieldError(ValueError):
    """A value that a field cannot have; raised by validators."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def a_number(low: int, high: int) -> Callable[[object, attrs.Attribute[int], int], None]:
    """A validator: a number from ``low`` to ``high``, both included."""

    def check(_: object, attribute: attrs.Attribute[int], value: int) -> None:
        if not low <= value <= high:
            raise FieldError(attribute.name, f"wanted a number from {low} to {high}, not {shown(value)}")

    return check


def one_of(known: Sequence[object]) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """A validator: one of some values."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in known:
            hint = nearest(value, map(str, known)) if isinstance(value, str) else ""
            raise FieldError(attribute.name, f"wanted one of {', '.join(map(str, known))}, not {shown(value)}{hint}")

    return check


def structure(
    values: object, kind: type[T], hooks: Mapping[Any, Callable[[object], object]]
) -> tuple[T | None, list[tuple[Key, str]]]:
    """Make a ``kind`` of what stands in a file.

    Tables become attrs classes, arrays become tuples; everything else goes through the hook of its type.

    :param hooks: what makes a value of a type; raises :class:`ValueError` for what is none.
    :returns: the object, or ``None``; and what is wrong, each with its key.
    """
    reader = _Reader(hooks)
    found = reader.read(values, kind, ())
    return (None if reader.problems else cast(T, found)), reader.problems


class _Reader:
    def __init__(self, hooks: Mapping[Any, Callable[[object], object]]) -> None:
        self.hooks = hooks
        self.problems: list[tuple[Key, str]] = []

    def read(self, value: object, kind: Any, key: Key) -> Any:
        """A value of a type; ``_WRONG`` where a problem was noted instead."""
        if kind in self.hooks:
            try:
                return self.hooks[kind](value)
            except ValueError as error:
                return self._wrong(key, str(error))
        if attrs.has(kind):
            return self._table(value, kind, key)
        parts = get_args(kind)
        if get_origin(kind) is tuple:
            return self._array(value, parts[0], key)
        if get_origin(kind) is dict:
            if not isinstance(value, dict):
                return self._wrong(key, f"wanted a table, not {shown(value)}")
            items = {name: self.read(item, parts[1], (*key, name)) for name, item in value.items()}
            return _WRONG if _WRONG in items.values() else items
        (some,) = (part for part in parts if part is not NoneType)
        return self.read(value, some, key)

    def _table(self, value: object, kind: type[attrs.AttrsInstance], key: Key) -> Any:
        if not isinstance(value, dict):
            return self._wrong(key, f"wanted a table, not {shown(value)}")
        fields = {field.name: field for field in attrs.fields(kind)}
        unknown = [name for name in value if name not in fields]
        for name in unknown[:_SHOWN_KEYS]:
            self._wrong((*key, name), f"unknown key; known: {', '.join(fields)}{nearest(name, fields)}")
        if len(unknown) > _SHOWN_KEYS:
            self._wrong((*key, unknown[_SHOWN_KEYS]), f"one of {len(unknown) - _SHOWN_KEYS} more unknown keys")
        kinds = get_type_hints(kind)
        found = {name: self.read(value[name], kinds[name], (*key, name)) for name in fields if name in value}
        for name, field in fields.items():
            if name not in value and field.default is attrs.NOTHING:
                found[name] = self._wrong((*key, name), "missing")
        if _WRONG in found.values():
            return _WRONG
        try:
            return kind(**found)
        except FieldError as error:
            return self._wrong((*key, error.field), str(error))

    def _array(self, value: object, kind: Any, key: Key) -> Any:
        if not isinstance(value, list):
            hint = f": write [[{key[-1]}]]" if attrs.has(kind) and isinstance(value, dict) else ""
            return self._wrong(key, f"wanted an array, not {shown(value)}{hint}")
        found = tuple(self.read(item, kind, (*key, number)) for number, item in enumerate(value))
        return _WRONG if _WRONG in found else found

    def _wrong(self, key: Key, message: str) -> object:
        self.problems.append((key, message))
        return _WRONG
