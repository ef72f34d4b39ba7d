"""What an architecture's boot code keeps for the kernel after this one; a kexec plugin reads it."""

from __future__ import annotations

from softreserve.kernel.state import StashKey
from softreserve.model.machine import E820Entry

__all__ = ["E820_TABLE_KEXEC"]

#: The e820 table for the next kernel: as handed over, not as the command line left it.
#: Linux: ``arch/x86/kernel/e820.c: e820_table_kexec``.
E820_TABLE_KEXEC: StashKey[tuple[E820Entry, ...]] = StashKey("e820_table_kexec")
