"""``/sys/firmware/memmap``. Linux: ``drivers/firmware/memmap.c``."""

from __future__ import annotations

from softreserve.kernel.sysfs import Attribute, Directory, Node, SysfsTree, number_in
from softreserve.model.value import NamedTuple

__all__ = ["FirmwareMemmap", "FirmwareMemmapEntry"]


class FirmwareMemmapEntry(NamedTuple):
    """One entry, in bytes; ``end`` is inclusive as the kernel shows it; ``number`` is its directory."""

    number: int
    start: int
    end: int
    type: str


class FirmwareMemmap:
    """Entries by number; a number is never given twice."""

    def __init__(self) -> None:
        self.entries: dict[int, FirmwareMemmapEntry] = {}
        self._next = 0

    def add_early(self, start: int, end_inclusive: int, type_name: str) -> None:
        """Add an entry of the boot map. Linux: ``firmware_map_add_early``."""
        self.entries[self._next] = FirmwareMemmapEntry(self._next, start, end_inclusive, type_name)
        self._next += 1

    def add_hotplug(self, start: int, end_inclusive: int, type_name: str) -> None:
        """Add hot-added memory unless the same entry exists. Linux: ``firmware_map_add_hotplug``."""
        if self._find(start, end_inclusive, type_name) is None:
            self.add_early(start, end_inclusive, type_name)

    def remove(self, start: int, end_inclusive: int, type_name: str) -> bool:
        """Remove the entry that matches exactly; False where there is none. Linux: ``firmware_map_remove``."""
        entry = self._find(start, end_inclusive, type_name)
        if entry is None:
            return False
        del self.entries[entry.number]
        return True

    def _find(self, start: int, end: int, type_name: str) -> FirmwareMemmapEntry | None:
        for entry in self.entries.values():
            if (entry.start, entry.end, entry.type) == (start, end, type_name):
                return entry
        return None

    def lines(self) -> list[str]:
        """``index start end type`` per entry, ends inclusive."""
        return [f"{e.number} {e.start:#x} {e.end:#x} {e.type}" for e in self.entries.values()]

    def publish(self, sysfs: SysfsTree) -> None:
        """Show the entries in sysfs; nothing where no firmware map exists. Linux: ``firmware_memmap_init``."""
        if self._next:
            sysfs.add("/sys/firmware/memmap", Directory(names=self._names, lookup=self._lookup))

    def _names(self) -> list[str]:
        return [str(number) for number in self.entries]

    def _lookup(self, name: str) -> Node | None:
        number = number_in(name)
        entry = None if number is None else self.entries.get(number)
        if entry is None:
            return None
        return Directory(
            {
                "start": Attribute(0o444, lambda: f"{entry.start:#x}\n"),
                "end": Attribute(0o444, lambda: f"{entry.end:#x}\n"),
                "type": Attribute(0o444, lambda: f"{entry.type}\n"),
            }
        )
