"""What plugins bring that is no part of a kernel: to read machines from, to show of them. Frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine
    from softreserve.model.scenario import Scenario

__all__ = ["Bar", "Emitter", "Importer", "Lane", "MachineSection"]


@attrs.frozen
class MachineSection:
    """A table of machine files that a plugin understands: ``[NAME]``.

    :param name: as it stands in the file: letters, digits and dashes; no key that machine files have already.
    :param kind: an attrs class, frozen; the table becomes one, as ``machine.sections[name]``. Its fields are the keys,
        their types what is allowed (``int`` takes ``"4G"`` and ``0x1000``, too), and those without a default must be
        there. The schema of machine files is made from it.
    :param words: what the table is for, in a line.
    """

    name: str
    kind: type[Any]
    words: str = ""


@attrs.frozen
class Importer:
    """A way to read a machine: ``PREFIX:PLACE`` on the command line.

    :param prefix: letters, digits and dashes.
    :param read: makes a machine, or a scenario with gaps, of what stands behind the colon.
        It raises :class:`softreserve.InputError` for what it cannot read, and nothing else.
    :param words: what it reads, in a line.
    """

    prefix: str
    read: Callable[[str], Machine | Scenario]
    words: str = ""


@attrs.frozen
class Emitter:
    """A way to print a booted system: ``boot --emit NAME``.

    :param name: letters, digits and dashes.
    :param lines: gives lines without newlines.
    :param words: what it prints, in a line.
    """

    name: str
    lines: Callable[[System], Iterable[str]]
    words: str = ""


@attrs.frozen
class Bar:
    """A stretch of a lane: bytes, half open, and what they are."""

    start: int
    end: int
    label: str


@attrs.frozen
class Lane:
    """A view of the address space that a plugin adds to the report: disjoint bars, ascending.

    :param name: its title.
    :param words: what it shows, in a line.
    """

    name: str
    bars: tuple[Bar, ...]
    words: str = ""
