"""``efi_fake_mem=``: memory that the firmware did not mark, marked all the same.

Linux: ``drivers/firmware/efi/fake_mem.c``, ``drivers/firmware/efi/x86_fake_mem.c`` and
``arch/x86/platform/efi/memmap.c``, all gone in 6.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EINVAL
from typing import TYPE_CHECKING, NamedTuple

from softreserve.kernel.sort import sort
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.events import EventLog, Rule
from softreserve.model.units import EFI_PAGE_SIZE, U64_MAX, memparse, simple_strtoull

from softreserve_x86 import behaviours, e820
from softreserve_x86.efi_memmap import efi_print_memmap

if TYPE_CHECKING:
    from softreserve.kernel.efi.efi import Efi
    from softreserve.model.kernel import Kernel

__all__ = ["FakeMem", "FakeRange", "memmap_insert"]

FAKE_SET_ASIDE = Rule("fake-mem-set-aside", "efi_fake_mem= sets memory aside")
FAKE_PARTIAL_PAGES = Rule("fake-mem-partial-pages", "efi_fake_mem= of partial pages: undefined EFI map")

_SP = int(EfiAttribute.SP)
_DEFAULT_LIMIT = 8


class FakeRange(NamedTuple):
    """A range in bytes, ``end`` inclusive (``start - 1``: empty), and the attribute bits to add."""

    start: int
    end: int
    attribute: int

    @property
    def is_specific_purpose(self) -> bool:
        """Whether EFI_MEMORY_SP is among the bits."""
        return bool(self.attribute & _SP)


class FakeMem:
    """The ranges of all ``efi_fake_mem=`` parameters, and what is done with them."""

    __slots__ = ("_kernel", "_limit", "_log", "ranges")

    def __init__(self, kernel: Kernel, log: EventLog) -> None:
        self._kernel = kernel
        self._log = log
        self._limit = kernel.number("EFI_MAX_FAKE_MEM", _DEFAULT_LIMIT)
        self.ranges: list[FakeRange] = []

    def setup_fake_mem(self, value: str | None) -> int:
        """``efi_fake_mem=nn@ss:attr[,...]``: 0, or -EINVAL where text is left over; what was read stays.

        The element that finds the table full is read and dropped: with nothing after it that is no error.
        """
        if value is None:
            return -EINVAL
        rest = value
        while rest:
            size, rest = memparse(rest)
            if rest[:1] != "@":
                break
            start, rest = memparse(rest[1:])
            if rest[:1] != ":":
                break
            attribute, rest = simple_strtoull(rest[1:])
            if len(self.ranges) >= self._limit:
                break
            self.ranges.append(FakeRange(start, (start + size - 1) & U64_MAX, attribute))
            rest = rest.removeprefix(",")
        sort(self.ranges, key=lambda r: r.start)
        for r in self.ranges:
            self._log.printk(f"efi_fake_mem: add attr=0x{r.attribute:016x} to [mem 0x{r.start:016x}-0x{r.end:016x}]")
        return -EINVAL if rest else 0

    def memmap_early(self, efi: Efi, table: e820.E820Table) -> None:
        """Set aside what is to be specific purpose memory, before memory is handed out; conventional memory only.

        Linux: ``efi_fake_memmap_early``.
        """
        if not efi.soft_reserve_enabled or efi.memmap is None:
            return
        for fake in self.ranges:
            if not fake.is_specific_purpose:
                continue
            for descriptor in efi.memmap:
                start, end = max(descriptor.start, fake.start), min(descriptor.last, fake.end)
                # a single byte is passed over as well as nothing at all
                if descriptor.type == EfiType.CONVENTIONAL and start < end:
                    self._set_aside(table, start, end - start + 1)

    def _set_aside(self, table: e820.E820Table, start: int, size: int) -> None:
        if self._kernel.has(behaviours.EFI_FAKE_MEM_ENTRY_PER_INSTANCE):
            table.range_remove(start, size, e820.RAM, check_type=True)
            table.range_add(start, size, e820.SOFT_RESERVED)
        else:
            table.range_update(start, size, e820.RAM, e820.SOFT_RESERVED)
        table.update_table()
        self._log.record(
            FAKE_SET_ASIDE,
            "drivers/firmware/efi/x86_fake_mem.c: efi_fake_memmap_early",
            start,
            start + size,
            "usable",
            "soft reserved",
        )

    def memmap(self, efi: Efi) -> None:
        """Put the attributes into the EFI map and print it. Linux: ``efi_fake_memmap``.

        A range that is not made of whole pages leaves the real kernel with a map of uninitialised memory; here there is
        no map from then on. The oldest releases insert every range into the map as it was, so that only the last stays.
        """
        original = efi.memmap
        if original is None or not self.ranges:
            return
        adds_up = self._kernel.has(behaviours.EFI_FAKE_MEM_ADDS_UP)
        found = original
        for fake in self.ranges:
            inserted = memmap_insert(found if adds_up else original, fake)
            if inserted is None:
                self._log.record(
                    FAKE_PARTIAL_PAGES,
                    "arch/x86/platform/efi/memmap.c: efi_memmap_insert",
                    fake.start,
                    fake.end + 1,
                )
                efi.memmap = None
                return
            found = inserted
        efi.memmap = found
        efi_print_memmap(found, self._kernel, self._log)


def memmap_insert(efi_map: EfiMemoryMap, fake: FakeRange) -> EfiMemoryMap | None:
    """The map with an attribute added to a range, split where needed; ``None``: not whole pages, result undefined.

    Linux: ``arch/x86/platform/efi/memmap.c: efi_memmap_insert``.
    """
    if fake.start % EFI_PAGE_SIZE or (fake.end + 1) % EFI_PAGE_SIZE:
        return None
    return efi_map.replaced(piece for descriptor in efi_map for piece in _split(descriptor, fake))


def _split(old: EfiDescriptor, fake: FakeRange) -> Iterator[EfiDescriptor]:
    """One to three descriptors in place of one: what lies before, inside and after the range."""
    start, end = old.start, old.last
    if fake.start <= start:
        if end <= fake.end:
            yield _piece(old, start, end, fake.attribute)
        elif start < fake.end:
            yield _piece(old, start, fake.end, fake.attribute)
            yield _piece(old, fake.end + 1, end, 0)
        else:
            yield old
    elif fake.start < end:
        yield _piece(old, start, fake.start - 1, 0)
        yield _piece(old, fake.start, min(fake.end, end), fake.attribute)
        if fake.end < end:
            yield _piece(old, fake.end + 1, end, 0)
    else:
        yield old


def _piece(old: EfiDescriptor, start: int, end: int, attribute: int) -> EfiDescriptor:
    """``old`` cut down to ``[start, end]`` (inclusive), with attribute bits added."""
    if (start, end) == (old.start, old.last):
        pages = old.pages  # whole ones keep their count, which may be more than 64 bits of address can show
    else:
        pages = ((end - start + 1) & U64_MAX) // EFI_PAGE_SIZE
    return EfiDescriptor(old.type, start, pages, old.attribute | attribute, old.virt)
