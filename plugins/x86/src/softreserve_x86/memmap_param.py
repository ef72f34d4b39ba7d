"""``mem=`` and ``memmap=``. Linux: ``arch/x86/kernel/e820.c: parse_memopt, parse_memmap_opt``.

Both edit the e820 table as they are met on the command line; nothing is sanitised before
:meth:`MemmapParameters.finish_early_params`.
"""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.kernel.e820 import E820_LISTING
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog, Rule
from softreserve.model.units import U32_MAX, U64_MAX

from softreserve_x86 import e820

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel

__all__ = ["Asked", "Idle", "MemmapParameters"]

MEMMAP_ADDS: Final = Rule("memmap-adds", "memmap= adds a range")
#: ``nn<c>ss`` adds a range of this type.
_ADDED_TYPE: Final = {"@": e820.RAM, "#": e820.ACPI, "$": e820.RESERVED, "!": e820.PRAM}


class Asked(NamedTuple):
    """One wish of the command line: a range (bytes, half open) that is to be of a type, or not any more."""

    text: str
    start: int
    end: int
    type: int
    present: bool


class Idle(NamedTuple):
    """One wish that met nothing: a range (bytes, half open), the type it is about, 0: any, and what was there."""

    text: str
    start: int
    end: int
    type: int
    found: tuple[int, ...]


class MemmapParameters:
    """What ``mem=`` and ``memmap=`` do to a table, and what they leave behind.

    ``max_mem_size`` (bytes) is the end that hot-added memory must keep to while the kernel boots. ``asked``,
    ``ignored`` (elements that are not understood) and ``idle`` (those that changed nothing) are kept for whoever wants
    to know what became of them.
    """

    __slots__ = ("_kernel", "_log", "asked", "idle", "ignored", "max_mem_size", "table", "userdef")

    def __init__(self, table: e820.E820Table, log: EventLog, kernel: Kernel) -> None:
        self.table = table
        self.userdef = False
        self.max_mem_size = U64_MAX
        self.asked: list[Asked] = []
        self.idle: list[Idle] = []
        self.ignored: list[str] = []
        self._log = log
        self._kernel = kernel

    def parse_memopt(self, value: str | None) -> int:
        """``mem=value``: remove RAM from an address on; 0 or -EINVAL. ``None``: given without ``=``."""
        if value is None:
            return -EINVAL
        if value == "nopentium":
            self._log.printk("mem=nopentium ignored! (only supported on x86_32)")
            return -EINVAL
        self.userdef = True
        limit, _ = self._kernel.memparse(value)
        if limit == 0:
            return -EINVAL
        self._remove_ram_from(limit, f"mem={value}")
        self.max_mem_size = limit
        return 0

    def parse_memmap_opt(self, value: str | None) -> int:
        """``memmap=value``: every element of the comma list on its own; always 0, mistakes are never reported.

        :raises MachineError: an element changes a type into itself, which the kernel does not survive.
        """
        for element in value.split(",") if value is not None else ():
            self._parse_memmap_one(element)
        return 0

    def finish_early_params(self) -> None:
        """Sanitise and print what the user made of the table, if anything. Linux: ``e820__finish_early_params``.

        :raises MachineError: fewer than two entries are left or one wraps around: the kernel panics.
        """
        if not self.userdef:
            return
        if self.table.update_table() < 0:
            text = "Kernel panic - not syncing: Invalid user supplied memory map"
            self._log.printk(text)
            raise MachineError(text)
        self._log.printk(f"{self.table.prefix}user-defined physical RAM map:", rule=E820_LISTING)
        self.table.print_table("user")

    def _parse_memmap_one(self, text: str) -> None:
        if text.startswith("exactmap"):
            self.table.entries.clear()
            self.asked.clear()
            self.idle.clear()
            self.userdef = True
            return
        size, rest = self._kernel.memparse(text)
        if rest == text:
            self.ignored.append(text)
            return
        self.userdef = True
        sign = rest[:1]
        if sign in _ADDED_TYPE:
            start, _ = self._kernel.memparse(rest[1:])
            self._add(start, size, _ADDED_TYPE[sign], f"memmap={text}")
        elif sign == "%":
            self._retype(size, rest[1:], f"memmap={text}")
        else:
            self._remove_ram_from(size, f"memmap={text}")

    def _retype(self, size: int, text: str, whole: str) -> None:
        """``ss[-old][+new]``: unlike the other forms, anything that follows makes the element void."""
        start, rest = self._kernel.memparse(text)
        old = new = 0
        if rest[:1] == "-":
            old, rest = self._kernel.simple_strtoull(rest[1:])
        if rest[:1] == "+":
            new, rest = self._kernel.simple_strtoull(rest[1:])
        if rest:
            self.ignored.append(whole.removeprefix("memmap="))
            return
        old, new, end = old & U32_MAX, new & U32_MAX, start + size
        if new and not old:
            self._add(start, size, new, whole)
            return
        there = tuple(sorted({e.type for e in self.table.entries if e.start < end and start < e.end}))
        if new:
            changed = self.table.range_update(start, size, old, new)
        else:
            changed = self.table.range_remove(start, size, old, check_type=bool(old))
        if changed:
            self.asked.append(Asked(whole, start, end, old, present=False))
        else:
            self.idle.append(Idle(whole, start, end, old, there))

    def _add(self, start: int, size: int, e820_type: int, text: str) -> None:
        function = "arch/x86/kernel/e820.c: parse_memmap_one"
        self._log.record(MEMMAP_ADDS, function, start, start + size, after=e820.type_text(e820_type))
        self.table.range_add(start, size, e820_type)
        self.asked.append(Asked(text, start, start + size, e820_type, present=True))

    def _remove_ram_from(self, start: int, text: str) -> None:
        self.table.range_remove(start, U64_MAX - start, e820.RAM, check_type=True)
        self.asked.append(Asked(text, start, U64_MAX, e820.RAM, present=False))
