"""What plugins bring that is no part of a kernel: to read machines from, to show of them. Frozen.

``plugin`` is the plugin that brought it: who asks for them notes it (:class:`softreserve.plugins.hooks.Hooks`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from softreserve.model.errors import shown
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.model.scenario import Scenario

__all__ = ["Bar", "Emitter", "Importer", "Lane", "MachineSection"]

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


def _a_name(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{attribute.name}: wanted letters, digits and dashes, not {shown(value)}")


def _words(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{attribute.name}: wanted a string, not {shown(value)}")


def _a_title(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{attribute.name}: wanted words, not {shown(value)}")


def _a_function(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not callable(value):
        raise ValueError(f"{attribute.name}: wanted a function, not {shown(value)}")


def _an_address(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or not 0 <= value <= U64_MAX + 1:
        raise ValueError(f"{attribute.name}: wanted an address of 64 bits, not {shown(value)}")


@attrs.frozen
class MachineSection:
    """A table of machine files that a plugin understands: ``[NAME]``.

    :param name: as it stands in the file: letters, digits and dashes; no key that machine files have already.
    :param kind: an attrs class, frozen; the table becomes one, as ``machine.sections[name]``. Its fields are the keys,
        their types what is allowed (``int`` takes ``"4G"`` and ``0x1000``, too), and those without a default must be
        there. A :class:`ValueError` of its validators is told with file, line and key. The schema of machine files is
        made from it.
    :param words: what the table is for, in a line.
    """

    name: str = attrs.field(validator=_a_name)
    kind: type[Any] = attrs.field()
    words: str = attrs.field(default="", validator=_words)
    plugin: str = attrs.field(default="", eq=False, repr=False, kw_only=True)

    @kind.validator
    def _is_attrs(self, _: object, kind: object) -> None:
        if not isinstance(kind, type) or not attrs.has(kind) or kind.__setattr__ is not MachineSection.__setattr__:
            raise ValueError(f"kind: wanted a frozen attrs class, not {shown(kind)}")


@attrs.frozen
class Importer:
    """A way to read a machine: ``PREFIX:PLACE`` on the command line.

    :param prefix: letters, digits and dashes.
    :param read: makes a machine, or a scenario with gaps, of what stands behind the colon.
        It raises :class:`softreserve.InputError` for what it cannot read, and nothing else.
    :param words: what it reads, in a line.
    """

    prefix: str = attrs.field(validator=_a_name)
    read: Callable[[str], Machine | Scenario] = attrs.field(validator=_a_function)
    words: str = attrs.field(default="", validator=_words)
    plugin: str = attrs.field(default="", eq=False, repr=False, kw_only=True)


@attrs.frozen
class Emitter:
    """A way to print a booted system: ``boot --emit NAME``.

    :param name: letters, digits and dashes.
    :param lines: gives lines without newlines, one by one where there may be millions.
    :param words: what it prints, in a line.
    """

    name: str = attrs.field(validator=_a_name)
    lines: Callable[[System], Iterable[str]] = attrs.field(validator=_a_function)
    words: str = attrs.field(default="", validator=_words)
    plugin: str = attrs.field(default="", eq=False, repr=False, kw_only=True)


@attrs.frozen
class Bar:
    """A stretch of a lane: bytes, half open, and what they are."""

    start: int = attrs.field(repr=hex, validator=_an_address)
    end: int = attrs.field(repr=hex, validator=_an_address)
    label: str = attrs.field(validator=_words)

    def __attrs_post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"a bar from {self.start:#x} to {self.end:#x} has no bytes")


def _a_tuple(bars: Iterable[Bar]) -> tuple[Bar, ...]:
    return tuple(bars)


@attrs.frozen
class Lane:
    """A view of the address space that a plugin adds to the report: disjoint bars, ascending.

    :param name: its title, which no other lane has.
    :param words: what it shows, in a line.
    """

    name: str = attrs.field(validator=_a_title)
    bars: tuple[Bar, ...] = attrs.field(converter=_a_tuple)
    words: str = attrs.field(default="", validator=_words)
    plugin: str = attrs.field(default="", eq=False, repr=False, kw_only=True)

    @bars.validator
    def _disjoint(self, _: object, bars: tuple[object, ...]) -> None:
        end = 0
        for bar in bars:
            if not isinstance(bar, Bar):
                raise ValueError(f"bars: wanted a Bar, not {shown(bar)}")
            if bar.start < end:
                raise ValueError(f"bars: {shown(bar)} begins before {end:#x}, where the one before ends")
            end = bar.end
