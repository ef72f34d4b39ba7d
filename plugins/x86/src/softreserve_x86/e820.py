"""The e820 memory map. Linux: ``arch/x86/kernel/e820.c``.

Entries are start and size in bytes, as the kernel keeps them. A table may be unsorted, overlapping and full of emptied
slots until :meth:`E820Table.update_table` sanitises it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from softreserve.kernel.e820 import E820_LISTING
from softreserve.model.e820 import (
    ACPI,
    MAX_ENTRIES_ZEROPAGE,
    NEW_TYPE_TEXT,
    NVS,
    PMEM,
    PRAM,
    RAM,
    RESERVED,
    RESERVED_KERN,
    SOFT_RESERVED,
    UNUSABLE,
    type_text,
)
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog, Rule
from softreserve.model.kernel import Kernel
from softreserve.model.units import U64_MAX, mem_text

from softreserve_x86 import behaviours

__all__ = [
    "ACPI",
    "MAX_ENTRIES_ZEROPAGE",
    "NVS",
    "PMEM",
    "PRAM",
    "RAM",
    "RESERVED",
    "RESERVED_KERN",
    "SOFT_RESERVED",
    "UNUSABLE",
    "E820Table",
    "Entry",
    "max_entries",
    "type_text",
]

TYPE_CHANGED: Final = Rule("e820-type-changed", "e820 type changed")
REMOVED: Final = Rule("e820-removed", "removed from e820")

_FILE: Final = "arch/x86/kernel/e820.c"
_PAGE_SHIFT: Final = 12
#: End of what the log calls 32-bit addresses, where PCI devices without a place go. Linux: ``MAX_GAP_END``.
_MAX_GAP_END: Final = 1 << 32


def max_entries(kernel: Kernel) -> int:
    """Capacity of the kernel's tables: E820_MAX_ENTRIES."""
    return MAX_ENTRIES_ZEROPAGE + 3 * kernel.max_numnodes


class Entry:
    """One entry: ``start`` and ``size`` in bytes."""

    __slots__ = ("size", "start", "type")

    def __init__(self, start: int, size: int, e820_type: int) -> None:
        self.start = start
        self.size = size
        self.type = e820_type

    @property
    def end(self) -> int:
        """First byte after the entry, modulo 2**64."""
        return (self.start + self.size) & U64_MAX

    def __repr__(self) -> str:
        return f"Entry({self.start:#x}, {self.size:#x}, {self.type:#x})"


class E820Table:
    """A table of limited capacity.

    ``nomerge`` are the types of which every entry stays an entry of its own when the table is sanitised.
    ``reworked`` tables speak, and look for gaps, as from 7.0 on. ``ram_types`` are those that are RAM: without the type
    of setup_data it is one that nobody knows. ``prefix`` stands before lines of no table or change.
    """

    __slots__ = ("_log", "capacity", "entries", "nomerge", "prefix", "ram_types", "reworked")

    def __init__(
        self,
        capacity: int,
        log: EventLog,
        *,
        nomerge: frozenset[int] = frozenset({PRAM, SOFT_RESERVED}),
        reworked: bool = False,
        ram_types: frozenset[int] = frozenset({RAM, RESERVED_KERN}),
        prefix: str = "",
    ) -> None:
        self.capacity = capacity
        self.entries: list[Entry] = []
        self.nomerge = nomerge
        self.reworked = reworked
        self.ram_types = ram_types
        self.prefix = prefix
        self._log = log

    @classmethod
    def for_kernel(cls, kernel: Kernel, log: EventLog) -> E820Table:
        """An empty table as this kernel has it."""
        nomerge = {PRAM, SOFT_RESERVED} if kernel.has(behaviours.E820_SOFT_RESERVED_NEVER_MERGES) else {PRAM}
        ram_types = {RAM, RESERVED_KERN} if kernel.has(behaviours.SETUP_DATA_SPLITS_RAM) else {RAM}
        return cls(
            max_entries(kernel),
            log,
            nomerge=frozenset(nomerge),
            reworked=kernel.has(behaviours.E820_REWORKED),
            ram_types=frozenset(ram_types),
            prefix="e820: " if kernel.has(behaviours.E820_LINES_PREFIXED) else "",
        )

    def copy(self) -> E820Table:
        """A table of its own with the same entries."""
        other = E820Table(
            self.capacity,
            self._log,
            nomerge=self.nomerge,
            reworked=self.reworked,
            ram_types=self.ram_types,
            prefix=self.prefix,
        )
        other.entries = [Entry(e.start, e.size, e.type) for e in self.entries]
        return other

    # --- editing

    def range_add(self, start: int, size: int, e820_type: int) -> None:
        """Append an entry; a full table ignores it and says so. Linux: ``e820__range_add``."""
        if len(self.entries) >= self.capacity:
            what = "E820 table full" if self.reworked else "too many entries"
            self._log.printk(f"{what}; ignoring {mem_text(start, start + size)}")
            return
        self.entries.append(Entry(start, size, e820_type))

    def range_update(self, start: int, size: int, old_type: int, new_type: int) -> int:
        """Give the parts of a range that have one type another: bytes changed. Linux: ``e820__range_update``.

        :raises MachineError: the types are the same, which the kernel takes for a bug of its own and dies.
        """
        if old_type == new_type:
            raise MachineError("kernel BUG in e820__range_update: old and new type are the same")
        end = start + min(size, U64_MAX - start)
        old, new = self._type_text(old_type), self._type_text(new_type)
        self._log.printk(f"e820: update {mem_text(start, end)} {old} ==> {new}", rule=E820_LISTING)
        self._log.record(TYPE_CHANGED, f"{_FILE}: e820__range_update", start, end, old, new)
        changed = 0
        # entries are appended on the way and the kernel looks at those too
        for entry in self.entries:
            if entry.type != old_type:
                continue
            entry_end = entry.end
            if entry.start >= start and entry_end <= end:
                entry.type = new_type
                changed += entry.size
            elif entry.start < start and entry_end > end:
                self.range_add(start, end - start, new_type)
                self.range_add(end, entry_end - end, old_type)
                entry.size = start - entry.start
                changed += end - start
            else:
                first, last = _cut(entry, start, end)
                if first < last:
                    self.range_add(first, last - first, new_type)
                    changed += last - first
        return changed & U64_MAX

    def range_remove(self, start: int, size: int, old_type: int, check_type: bool) -> int:
        """Take a range out, of one type or (without ``check_type``) of all: bytes removed.

        Entries that are wholly inside become empty slots. Linux: ``e820__range_remove``.
        """
        end = start + min(size, U64_MAX - start)
        old = self._type_text(old_type) if check_type else ""
        blank = "" if self.reworked and not old else " "
        self._log.printk(f"e820: remove {mem_text(start, end)}{blank}{old}", rule=E820_LISTING)
        self._log.record(REMOVED, f"{_FILE}: e820__range_remove", start, end, old)
        removed = 0
        for entry in self.entries:
            if check_type and entry.type != old_type:
                continue
            entry_end = entry.end
            if entry.start >= start and entry_end <= end:
                removed += entry.size
                entry.start = entry.size = entry.type = 0
            elif entry.start < start and entry_end > end:
                self.range_add(end, entry_end - end, entry.type)
                entry.size = start - entry.start
                removed += end - start
            else:
                first, last = _cut(entry, start, end)
                removed += max(last - first, 0)
        return removed & U64_MAX

    def update_table(self) -> int:
        """Sanitise: sorted, without overlaps; where entries overlap the highest type wins. 0, or -1 when refused.

        A table of one entry, or with an entry that wraps around, is left alone. Linux: ``e820__update_table``.
        """
        if len(self.entries) < 2:
            return -1
        points: list[tuple[int, int, int]] = []
        for entry in self.entries:
            end = entry.start + entry.size
            if end > U64_MAX:
                return -1
            if entry.size:
                points.append((entry.start, 0, entry.type))
                points.append((end, 1, entry.type))
        points.sort()  # starts before ends
        self.entries = self._sweep(points)
        return 0

    def _sweep(self, points: list[tuple[int, int, int]]) -> list[Entry]:
        """The new entries from sorted change points ``(address, 1 where an entry ends, its type)``."""
        new: list[Entry] = []
        nomerge = self.nomerge
        open_types: dict[int, int] = {}
        last_type = last_addr = 0
        for addr, is_end, e820_type in points:
            count = open_types.get(e820_type, 0) + (-1 if is_end else 1)
            if count:
                open_types[e820_type] = count
            else:
                del open_types[e820_type]
            current = max(open_types, default=0)
            if current == last_type and current not in nomerge:
                continue
            if last_type and addr > last_addr:
                new.append(Entry(last_addr, addr - last_addr, last_type))
                if len(new) >= self.capacity:
                    break
            last_type, last_addr = current, addr
        return new

    # --- asking

    def mapped_any(self, start: int, end: int, e820_type: int) -> bool:
        """Whether any byte of ``[start, end)`` has the type (0: any type). Linux: ``e820__mapped_any``."""
        return any((not e820_type or e.type == e820_type) and e.start < end and e.end > start for e in self.entries)

    def mapped_all(self, start: int, end: int, e820_type: int) -> bool:
        """Whether all of ``[start, end)`` has the type (0: any type); for a sanitised table.

        Linux: ``e820__mapped_all``.
        """
        for entry in self.entries:
            if (e820_type and entry.type != e820_type) or entry.start >= end:
                continue
            entry_end = entry.end
            if entry_end <= start:
                continue
            if entry.start <= start:
                start = entry_end
            if start >= end:
                return True
        return False

    def end_pfn(self, limit_pfn: int, types: frozenset[int], max_arch_pfn: int) -> int:
        """The highest page number after entries of the types, up to a limit; logged. Linux: ``e820_end_pfn``."""
        last_pfn = 0
        for entry in self.entries:
            if entry.type not in types or entry.start >> _PAGE_SHIFT >= limit_pfn:
                continue
            end_pfn = entry.end >> _PAGE_SHIFT
            if end_pfn > limit_pfn:
                last_pfn = limit_pfn
                break
            last_pfn = max(last_pfn, end_pfn)
        last_pfn = min(last_pfn, max_arch_pfn)
        self._log.printk(f"{self.prefix}last_pfn = {last_pfn:#x} max_arch_pfn = {max_arch_pfn:#x}")
        return last_pfn

    def search_gap(self, size: int) -> tuple[int, int] | None:
        """The largest gap below 4 GiB of at least ``size`` bytes: ``(start, size)``. Linux: ``e820_search_gap``.

        Of gaps of equal size the lowest is taken; in reworked tables the highest, and an entry that reaches above
        4 GiB hides nothing. For a sanitised table.
        """
        found: tuple[int, int] | None = None
        if self.reworked:
            for start, end in self._gaps(_MAX_GAP_END):
                if min(end, _MAX_GAP_END) - start >= size:
                    size = min(end, _MAX_GAP_END) - start
                    found = (start, size)
            return found
        last = _MAX_GAP_END
        for entry in reversed(self.entries):
            if last > entry.end and last - entry.end >= size:
                size = last - entry.end
                found = (entry.end, size)
            last = min(last, entry.start)
        return found

    # --- printing

    def print_table(self, who: str) -> None:
        """Log every entry. Linux: ``e820__print_table``."""
        for line in self.lines(who):
            self._log.printk(line, rule=E820_LISTING)

    def lines(self, who: str) -> Iterator[str]:
        """The lines that the kernel logs for a table."""
        before = 0
        for e in self.entries:
            if self.reworked:
                if e.start < before:
                    yield "[Firmware Bug]: out of order E820 entry!"
                elif e.start > before:
                    yield f"{who}: [gap {before:#018x}-{e.start - 1:#018x}]"
                before = e.end
            blanks = "  " if self.reworked else " "
            yield f"{who}: {mem_text(e.start, e.start + e.size, wide=True)}{blanks}{self._type_text(e.type)}"

    def _type_text(self, e820_type: int) -> str:
        """A type as this kernel's log names it. Linux: ``e820_print_type``."""
        if e820_type == RESERVED_KERN and e820_type not in self.ram_types:
            return f"type {e820_type}"
        found = NEW_TYPE_TEXT.get(e820_type) if self.reworked else None
        return found or type_text(e820_type)

    def _gaps(self, end: int) -> Iterator[tuple[int, int]]:
        """What lies between entries, and behind the last one up to ``end``: starts below ``end``, ends exclusive."""
        before = 0
        for entry in self.entries:
            if before < entry.start and before < end:
                yield before, entry.start
            before = entry.end
        if before < end:
            yield before, end


def _cut(entry: Entry, start: int, end: int) -> tuple[int, int]:
    """Cut the part that overlaps ``[start, end)`` off an entry that sticks out on one side: the part, maybe empty."""
    first, last = max(start, entry.start), min(end, entry.end)
    if first < last:
        entry.size -= last - first
        if entry.start >= first:
            entry.start = last
    return first, last
