"""Classes of :mod:`softreserve.model.value` beside those of ``attrs`` and ``typing``, whose place they take."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

import attrs
import pytest
from softreserve.model import value


def _pair(kit: Any) -> Any:
    """A class as ``kit`` makes it."""

    @kit.frozen(order=True)
    class Pair:
        """Two of something."""

        first: Any = kit.field(repr=hex)
        second: tuple[int, ...] = kit.field(default=(), converter=tuple)
        seen: dict[str, int] = kit.field(factory=dict, eq=False, repr=False)
        sum: Any = kit.field(init=False, hash=False)
        _hidden: int = kit.field(default=7, hash=False)

        def _added(self) -> Any:
            return self.first + sum(self.second)

        def _is_small(self, _: object, first: int) -> None:
            if first > 1000:
                raise ValueError(f"{first} is too much")

        sum.default(_added)
        first.validator(_is_small)

        @property
        def double(self) -> Any:
            return self.first * 2

    return Pair


OURS, THEIRS = _pair(value), _pair(attrs)

QUESTIONS: dict[str, Callable[[Any], object]] = {
    "shown": lambda pair: repr(pair(5, [1, 2])),
    "shown by names": lambda pair: repr(pair(second=[3], first=4, hidden=8)),
    "equal": lambda pair: (pair(1, [2]) == pair(1, (2,)), pair(1) == pair(1, seen={"x": 1}), pair(1) != pair(1, [0])),
    "not equal to another class": lambda pair: (pair(1) == 1, pair(1) != "x", pair(1) == (1, (), 1, 7)),
    "hashed": lambda pair: len({pair(1), pair(1, seen={"x": 2}), pair(1, [1]), pair(2)}),
    "in order": lambda pair: [p.first for p in sorted([pair(3), pair(1), pair(2)])],
    "compared": lambda pair: (pair(1) < pair(2), pair(1) <= pair(1), pair(1) > pair(2), pair(2) >= pair(1)),
    "made of a default": lambda pair: (pair(4, [1]).sum, pair(4).seen, pair(4).double),
    "evolved": lambda pair: repr(attrs.evolve(pair(1, [2]), first=9, hidden=1)),
    "as a dict": lambda pair: attrs.asdict(pair(1, [2], {"x": 3})),
    "as a tuple": lambda pair: attrs.astuple(pair(1)),
    "fields": lambda pair: [(f.name, f.alias, f.init, f.type, f.eq) for f in attrs.fields(pair)],
    "one field": lambda pair: attrs.fields(pair).first.name,
    "of attrs": lambda pair: attrs.has(pair),
    "called": lambda pair: list(inspect.signature(pair).parameters),
    "defaults": lambda pair: [p.default == () for p in inspect.signature(pair).parameters.values()],
    "matched": lambda pair: pair.__match_args__,
    "copied": lambda pair: (copy.copy(pair(1)) == pair(1), copy.deepcopy(pair(1, [2])) == pair(1, [2])),
    "told": lambda pair: (pair.__doc__, pair.__name__, pair.__module__, pair.__qualname__),
    "without a dict": lambda pair: hasattr(pair(1), "__dict__"),
    "subclass": lambda pair: repr(attrs.frozen(type("More", (pair,), {"__annotations__": {"x": int}, "x": 3}))(1)),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_class_answers_as_attrs_would(question: Callable[[Any], object]) -> None:
    assert question(OURS) == question(THEIRS)


REFUSED: dict[str, Callable[[Any], object]] = {
    "a change": lambda pair: setattr(pair(1), "first", 2),
    "another attribute": lambda pair: setattr(pair(1), "other", 2),
    "a deletion": lambda pair: delattr(pair(1), "first"),
    "too little": lambda pair: pair(),
    "too much": lambda pair: pair(1, (), {}, 7, 8),
    "twice": lambda pair: pair(1, first=2),
    "an unknown name": lambda pair: pair(1, third=2),
    "what is not to be given": lambda pair: pair(1, sum=2),
    "what a validator refuses": lambda pair: pair(1001),
    "an order of two kinds": lambda pair: pair(1) < 2,
}


@pytest.mark.parametrize("question", REFUSED.values(), ids=REFUSED)
def test_what_attrs_refuses_is_refused_with_the_same_error(question: Callable[[Any], object]) -> None:
    expected: type[Exception] | None = None
    try:
        question(THEIRS)
    except (AttributeError, TypeError, ValueError) as error:
        expected = type(error)
    assert expected is not None
    with pytest.raises(expected):
        question(OURS)


@value.define(eq=False)
class Counter:
    name: str
    count: int = 0


@value.frozen
class Plain:
    name: str


@value.define(eq=True)
class Named:
    name: str


def test_what_can_be_changed_is_equal_to_itself_only() -> None:
    counter = Counter("a")
    counter.count += 1
    assert (counter.count, counter == Counter("a", 1), counter == counter) == (1, False, True)
    assert len({counter, Counter("a", 1)}) == 2


def test_what_can_be_changed_and_compared_has_no_hash() -> None:
    named = Named("a")
    named.name = "b"
    assert (named == Named("b"), repr(named)) == (True, "Named(name='b')")
    with pytest.raises(TypeError, match="unhashable"):
        hash(named)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_values_are_pickled(protocol: int) -> None:
    again = pickle.loads(pickle.dumps(Plain("x"), protocol))
    assert again == Plain("x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        again.name = "y"


class Ours(value.NamedTuple):
    """Some."""

    one: int
    two: str = "b"

    @property
    def both(self) -> str:
        return f"{self.one}{self.two}"


class Theirs(NamedTuple):
    """Some."""

    one: int
    two: str = "b"

    @property
    def both(self) -> str:
        return f"{self.one}{self.two}"


TUPLES: dict[str, Callable[[Any], object]] = {
    "made": lambda kind: (kind(1), kind(one=1), kind(1, "c"), tuple(kind(2))),
    "replaced": lambda kind: (kind(1)._replace(two="c"), kind(1)._asdict(), kind._make([3, "d"])),
    "described": lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__, kind.__doc__, kind.__module__),
    "typed": lambda kind: (get_type_hints(kind), issubclass(kind, tuple), kind.__bases__),
    "in order": lambda kind: (sorted([kind(2), kind(1)]), kind(1) < kind(2), hash(kind(1)), kind(1) == (1, "b")),
    "with what it says": lambda kind: (kind(4).both, hasattr(kind(4), "__dict__")),
    "called": lambda kind: [(p.name, p.default) for p in inspect.signature(kind).parameters.values()],
    "copied": lambda kind: (pickle.loads(pickle.dumps(kind(1))), copy.deepcopy(kind(1))),
}


@pytest.mark.parametrize("question", TUPLES.values(), ids=TUPLES)
def test_a_named_tuple_answers_as_that_of_typing(question: Callable[[Any], object]) -> None:
    assert repr(question(Ours)).replace("Ours", "Theirs") == repr(question(Theirs))


def test_a_named_tuple_misses_what_it_needs() -> None:
    with pytest.raises(TypeError, match="one"):
        Ours(two="c")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Ours(1).one = 2  # type: ignore[misc]
