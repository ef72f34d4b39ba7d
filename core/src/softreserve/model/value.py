"""``attrs`` and named tuples for what every command imports: declared in the same way, and doing the same.

``attrs`` writes code for each class and compiles it, and to import it takes longer than a boot. Classes of this module
share their few methods, and are classes of ``attrs`` to its functions; it is imported when somebody asks for what it
alone knows (``attrs.evolve``, ``attrs.fields``, ``attrs.asdict``). :class:`typing.NamedTuple` compiles the annotation
of each field; ours leaves it as it is. Type checkers see the real things. A class of which thousands are made has an
``__init__`` of its own.
"""

from __future__ import annotations

import operator
from collections import namedtuple
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

__all__ = ["NamedTuple", "define", "field", "frozen", "put"]

#: Sets a field of an object that refuses to be changed, while it is made.
put: Final = object.__setattr__
_REQUIRED: Final = object()

if TYPE_CHECKING:
    from inspect import Signature
    from typing import NamedTuple

    from attrs import define, field, frozen
else:

    class _Tuples(type):
        """Makes a named tuple of each class below :class:`NamedTuple`."""

        def __new__(mcs, name, bases, body):
            if not bases:
                return super().__new__(mcs, name, bases, body)
            names = list(body["__annotations__"])
            defaults = [body.pop(field) for field in names if field in body]
            made = namedtuple(name, names, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Tuples):
        """A tuple with names. See :class:`typing.NamedTuple`."""

    def field(**options):
        """A field of a class. See :func:`attrs.field`."""
        return _Field(**options)

    def frozen(kind=None, *, order=False):
        """Make a class whose objects stay as they are made. See :func:`attrs.frozen`."""
        methods = {**_MADE, **_EQUAL, **(_ORDERED if order else {}), "__setattr__": _refuse, "__delattr__": _refuse}
        return _built(kind, methods) if kind is not None else lambda kind: _built(kind, methods)

    def define(*, eq):
        """Make a class whose objects can be changed. See :func:`attrs.define`."""
        methods = {**_MADE, **_EQUAL, "__hash__": None} if eq else _MADE
        return lambda kind: _built(kind, methods)


class _Field:
    """A field; its default is ``value``, or what ``given`` makes of the object as far as that is made."""

    __slots__ = ("alias", "converter", "eq", "given", "hash", "init", "name", "repr", "validators", "value")

    def __init__(
        self,
        *,
        default: Any = _REQUIRED,
        factory: Callable[[], Any] | None = None,
        converter: Callable[[Any], Any] | None = None,
        init: bool = True,
        eq: bool = True,
        hash: bool | None = None,
        repr: bool | Callable[[Any], str] = True,
    ) -> None:
        self.name = self.alias = ""
        self.value = default
        self.given: Callable[[Any], Any] | None = None if factory is None else lambda _: factory()
        self.converter = converter
        self.init, self.eq, self.repr = init, eq, repr
        self.hash = eq if hash is None else hash
        self.validators: list[Callable[[Any, Any, Any], None]] = []

    def default(self, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Take the default from a method."""
        self.given = method
        return method

    def validator(self, method: Callable[[Any, Any, Any], None]) -> Callable[[Any, Any, Any], None]:
        """Let a method look at the value when all fields are there."""
        self.validators.append(method)
        return method

    def made(self, value: Any) -> Any:
        """The default.

        :raises TypeError: there is none.
        """
        if self.given is not None:
            return self.given(value)
        if self.value is _REQUIRED:
            raise TypeError(f"{_name(value)}.__init__() missing 1 required positional argument: {self.alias!r}")
        return self.value


class _Kind(type):
    """What these classes are made by, so that what is seldom asked for is made then."""

    _made_of: tuple[_Field, ...]

    def __getattr__(cls, name: str) -> Any:
        if name == "__attrs_attrs__":
            found = _attributes(cls)
            setattr(cls, name, found)
            return found
        if name == "__signature__" and cls.__init__ is _init:  # type: ignore[misc]
            return _signature(cls)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def _built(kind: type, methods: dict[str, Any]) -> _Kind:
    """The class again, with slots, and with those of the methods that it does not have itself."""
    body = {name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")}
    fields = []
    for name in kind.__annotations__:
        given = body.pop(name, _REQUIRED)
        found = given if isinstance(given, _Field) else _Field(default=given)
        found.name, found.alias = name, name.lstrip("_")
        fields.append(found)
    own = {
        "__qualname__": kind.__qualname__,
        "__slots__": (*(found.name for found in fields), "__weakref__"),
        "__match_args__": tuple(found.name for found in fields if found.init),
        "_made_of": tuple(fields),
        "_compared": operator.attrgetter(*(found.name for found in fields if found.eq)),
        "_hashed": operator.attrgetter(*(found.name for found in fields if found.hash)),
    }
    return _Kind(kind.__name__, kind.__bases__, {**methods, **body, **own})


def _name(value: Any) -> str:
    return str(type(value).__qualname__.rpartition(">.")[2])


def _init(self: Any, *arguments: Any, **named: Any) -> None:
    left = iter(arguments)
    for found in self._made_of:
        if not found.init:
            put(self, found.name, found.made(self))
            continue
        value = next(left, _REQUIRED)
        if found.alias in named:
            if value is not _REQUIRED:
                raise TypeError(f"{_name(self)}.__init__() got multiple values for argument {found.alias!r}")
            value = named.pop(found.alias)
        elif value is _REQUIRED:
            value = found.made(self)
        put(self, found.name, value if found.converter is None else found.converter(value))
    if named:
        raise TypeError(f"{_name(self)}.__init__() got an unexpected keyword argument {next(iter(named))!r}")
    if next(left, _REQUIRED) is not _REQUIRED:
        raise TypeError(f"{_name(self)}.__init__() takes fewer than the {len(arguments)} positional arguments given")
    for found in self._made_of:
        for look in found.validators:
            look(self, found, getattr(self, found.name))


def _repr(self: Any) -> str:
    parts = []
    for found in self._made_of:
        if found.repr:
            shown = found.repr if callable(found.repr) else repr
            parts.append(f"{found.name}={shown(getattr(self, found.name, None))}")
    return f"{_name(self)}({', '.join(parts)})"


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compare(self._compared(self), self._compared(other))

    return method


def _hash(self: Any) -> int:
    return hash((self.__class__, self._hashed(self)))


def _refuse(self: Any, *_: Any) -> None:
    from attrs.exceptions import FrozenInstanceError

    raise FrozenInstanceError


def _getstate(self: Any) -> dict[str, Any]:
    return {found.name: getattr(self, found.name) for found in self._made_of}


def _setstate(self: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        put(self, name, value)


_MADE: Final = {"__init__": _init, "__repr__": _repr, "__getstate__": _getstate, "__setstate__": _setstate}
_EQUAL: Final = {"__eq__": _comparing(operator.eq), "__hash__": _hash}
_ORDERED: Final = {
    f"__{compare.__name__}__": _comparing(compare) for compare in (operator.lt, operator.le, operator.gt, operator.ge)
}


def _attributes(kind: _Kind) -> Any:
    """The fields as ``attrs`` describes them."""
    import attrs

    def described(found: _Field) -> Any:
        default = attrs.NOTHING if found.value is _REQUIRED else found.value
        if found.given is not None:
            default = attrs.Factory(found.given, takes_self=True)
        return attrs.field(
            default=default,
            converter=found.converter,
            init=found.init,
            eq=found.eq,
            hash=found.hash,
            repr=found.repr,
            type=kind.__annotations__[found.name],
        )

    return attrs.fields(attrs.make_class(kind.__name__, {found.name: described(found) for found in kind._made_of}))


def _signature(kind: _Kind) -> Signature:
    """How a class is called, for ``help()``."""
    from inspect import Parameter, Signature

    def parameter(found: _Field) -> Parameter:
        default = Parameter.empty if found.value is _REQUIRED else found.value
        annotation = kind.__annotations__[found.name]
        wanted = Parameter.POSITIONAL_OR_KEYWORD
        return Parameter(found.alias, wanted, default=default if found.given is None else ..., annotation=annotation)

    return Signature([parameter(found) for found in kind._made_of if found.init], return_annotation=None)
