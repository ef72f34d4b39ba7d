"""What others want of the e820 tables of an architecture that has them. Linux: ``arch/x86/kernel/e820.c``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from softreserve.kernel.state import StashKey
from softreserve.model.events import Rule
from softreserve.model.machine import E820Entry

__all__ = ["E820_LISTING", "E820_TABLES", "E820_TABLE_KEXEC"]

#: A line about an e820 table: its title, an entry of it, or a change.
E820_LISTING: Final = Rule("e820-listing", "e820 table")

#: The table for the next kernel, which a kexec plugin reads: as handed over, not as the command line left it.
#: Linux: ``e820_table_kexec``.
E820_TABLE_KEXEC: Final[StashKey[tuple[E820Entry, ...]]] = StashKey("e820_table_kexec")

#: The tables as ``/proc/iomem`` is made of them, by name, each made when it is asked for: "firmware" and "kexec", which
#: keep what was handed over, and "kernel", which it works with. Linux: ``e820_table_firmware``, ``e820_table_kexec``,
#: ``e820_table``.
E820_TABLES: Final[StashKey[Mapping[str, Callable[[], tuple[E820Entry, ...]]]]] = StashKey("e820_tables")
