"""From tables, arrays and values, as tomllib reads them, to frozen classes: every mistake is found, with its key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs

from softreserve.config.reader import not_a_list
from softreserve.config.toml_lines import Key
from softreserve.model.errors import InputError, MachineError, nearest, shown

__all__ = ["FieldError", "Number", "OneOf", "exactly", "fields_of", "structure", "unreadable"]

T = TypeVar("T")

_SHOWN_KEYS: Final = 5  # unknown ones of a table that are told
_WRONG: Final = object()


class FieldError(ValueError):
    """A value that a field cannot have; raised by validators."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@attrs.frozen
class Number:
    """A validator: a number from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __call__(self, _: object, attribute: attrs.Attribute[int], value: int) -> None:
        """Raise :class:`FieldError` for another one."""
        if not self.low <= value <= self.high:
            raise FieldError(attribute.name, f"wanted a number from {self.low} to {self.high}, not {shown(value)}")


@attrs.frozen
class OneOf:
    """A validator: one of some values."""

    known: Sequence[object]

    def __call__(self, _: object, attribute: attrs.Attribute[Any], value: object) -> None:
        """Raise :class:`FieldError` for another one."""
        if value not in self.known:
            raise FieldError(attribute.name, _none_of(self.known, value))


def _none_of(known: Sequence[object], value: object) -> str:
    hint = nearest(value, map(str, known)) if isinstance(value, str) else ""
    return f"wanted one of {', '.join(map(str, known))}, not {shown(value)}{hint}"


def exactly(kind: type, words: str) -> Callable[[object], object]:
    """What makes a value of just that type of itself."""

    def check(value: object) -> object:
        if type(value) is not kind:
            raise ValueError(f"wanted {words}, not {shown(value)}")
        return value

    return check


def fields_of(kind: type[Any]) -> dict[str, tuple[Any, attrs.Attribute[Any]]]:
    """What a table that becomes a ``kind`` may have: the type and the field of each key.

    :raises NameError: a type is not known where the class is defined.
    """
    kinds = get_type_hints(kind)
    return {field.alias or field.name: (kinds[field.name], field) for field in attrs.fields(kind) if field.init}


def structure(
    values: object, kind: type[T], hooks: Mapping[Any, Callable[[object], object]]
) -> tuple[T | None, list[tuple[Key, str]]]:
    """Make a ``kind`` of what stands in a file.

    Tables become attrs classes or dictionaries, arrays become tuples, or lists where those are wanted; everything else
    goes through the hook of its type.

    :param hooks: what makes a value of a type; raises :class:`ValueError` for what is none.
    :returns: the object, or ``None``; and what is wrong, each with its key.
    """
    reader = _Reader(hooks)
    found = reader.read(values, kind, ())
    return (None if reader.problems else cast(T, found)), reader.problems


def unreadable(kind: Any, known: Collection[Any]) -> str:
    """What of a type :func:`structure` cannot make, in words; empty: nothing.

    :param known: types that have a hook.
    """
    return next(_unreadable(kind, known, []), "")


def _unreadable(kind: Any, known: Collection[Any], seen: list[Any]) -> Iterator[str]:
    parts, origin = get_args(kind), get_origin(kind)
    if kind in known or origin is Literal or kind in seen:
        return
    if attrs.has(kind):
        seen.append(kind)
        untyped = [field.name for field in attrs.fields(kind) if field.init and field.type is None]
        if untyped:
            yield f"{kind.__name__}.{untyped[0]}: no type says what it is"
            return
        try:
            fields = fields_of(kind)
        except NameError as error:
            yield f"{kind.__name__}: {error}: its types are looked up when the program runs"
            return
        for name, (of_field, _) in fields.items():
            for words in _unreadable(of_field, known, seen):
                yield words if ":" in words else f"{kind.__name__}.{name}: {words}"
        return
    inner = [part for part in parts if part not in (NoneType, ...)]
    is_array = origin in (list, tuple, Sequence) and inner
    is_table = origin in (dict, Mapping) and parts[0] is str
    is_optional = origin in (Union, UnionType) and len(inner) == 1
    if not (is_array or is_table or is_optional):
        yield f"no value of a file becomes {shown(kind)}"
        return
    for part in inner:
        yield from _unreadable(part, known, seen)


def _guilty(error: Exception, fields: Collection[str]) -> tuple[str, ...]:
    """The field that a validator of attrs means: behind its message, or quoted at the beginning of it."""
    behind = [argument.name for argument in error.args if isinstance(argument, attrs.Attribute)]
    quoted = str(error.args[0]).split("'")[1:2] if error.args and str(error.args[0]).startswith("'") else []
    return tuple(name for name in (*behind, *quoted) if name in fields)[:1]


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
        parts, origin = get_args(kind), get_origin(kind)
        if origin is Literal:
            return value if value in parts else self._wrong(key, _none_of(parts, value))
        if origin in (list, tuple, Sequence):
            items = self._array(value, parts, key, length=None if ... in parts or origin is not tuple else len(parts))
            return list(items) if origin is list and items is not _WRONG else items
        if origin in (dict, Mapping):
            if not isinstance(value, dict):
                return self._wrong(key, f"wanted a table, not {shown(value)}")
            items = {name: self.read(item, parts[1], (*key, name)) for name, item in value.items()}
            return _WRONG if _WRONG in items.values() else items
        (some,) = (part for part in parts if part is not NoneType)
        return self.read(value, some, key)

    def _table(self, value: object, kind: type[attrs.AttrsInstance], key: Key) -> Any:
        if not isinstance(value, dict):
            return self._wrong(key, f"wanted a table, not {shown(value)}")
        fields = fields_of(kind)
        unknown = [name for name in value if name not in fields]
        for name in unknown[:_SHOWN_KEYS]:
            self._wrong((*key, name), f"unknown key; known: {', '.join(fields)}{nearest(name, fields)}")
        if len(unknown) > _SHOWN_KEYS:
            self._wrong((*key, unknown[_SHOWN_KEYS]), f"one of {len(unknown) - _SHOWN_KEYS} more unknown keys")
        found = {name: self.read(value[name], fields[name][0], (*key, name)) for name in fields if name in value}
        for name, (_, field) in fields.items():
            if name not in value and field.default is attrs.NOTHING:
                found[name] = self._wrong((*key, name), "missing")
        if _WRONG in found.values():
            return _WRONG
        try:
            return kind(**found)
        except FieldError as error:
            return self._wrong((*key, error.field), str(error))
        except (ValueError, TypeError, InputError, MachineError) as error:
            guilty = _guilty(error, fields)
            if isinstance(error, TypeError) and not guilty:
                raise
            return self._wrong((*key, *guilty), str(error.args[0]) if error.args else str(error))

    def _array(self, value: object, kinds: tuple[Any, ...], key: Key, length: int | None) -> Any:
        """An array of values of a type (the first of ``kinds``), or of so many, each of its own."""
        if not isinstance(value, list):
            if kinds[0] is str and isinstance(value, str):
                return self._wrong(key, not_a_list(value))
            hint = f": write [[{key[-1]}]]" if attrs.has(kinds[0]) and isinstance(value, dict) else ""
            return self._wrong(key, f"wanted an array, not {shown(value)}{hint}")
        if length is not None and len(value) != length:
            return self._wrong(key, f"wanted {length} values, not {len(value)}")
        found = tuple(
            self.read(item, kinds[0 if length is None else number], (*key, number)) for number, item in enumerate(value)
        )
        return _WRONG if _WRONG in found else found

    def _wrong(self, key: Key, message: str) -> object:
        self.problems.append((key, message))
        return _WRONG
