"""Values as JSON has them: what programs read of an answer is made of the classes that the answer is made of.

A class is an object with its fields (attrs, named tuples), unless it says otherwise: ``JSON`` has the names of those
attributes, properties included, that are told; a method ``as_json`` gives what stands for it. The schemas of
``--json`` are made by the same rules (``docs/schemas.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

__all__ = ["plain", "told_names"]

_SCALARS: Final = (str, int, float, bool, type(None))


def told_names(kind: type[Any]) -> tuple[str, ...] | None:
    """Names of the attributes of a class that are told; ``None``: it is no class of that sort."""
    names: tuple[str, ...] | None = getattr(kind, "JSON", None)
    if names is None and attrs.has(kind):
        names = tuple(field.name for field in attrs.fields(kind))
    return getattr(kind, "_fields", None) if names is None else names


def plain(value: Any) -> Any:
    """A value of JSON: dictionaries with strings as keys, lists, strings, numbers, booleans, ``None``."""
    if isinstance(value, _SCALARS):
        return value
    if hasattr(value, "as_json"):
        return plain(value.as_json())
    names = told_names(type(value))
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    assert isinstance(value, Iterable), f"{type(value).__name__} is nothing that JSON has"
    return [plain(item) for item in value]
