"""Which memory the decompressor takes for immovable. Linux: ``arch/x86/boot/compressed/acpi.c``."""

from __future__ import annotations

import struct
from typing import Final

from softreserve.model.kernel import Kernel

from softreserve_x86.kaslr_options import cmdline_find_option

__all__ = ["count_immovable_mem_regions"]

_SRAT_HEADER: Final = 48
_MEMORY_AFFINITY: Final = 1
_HOT_PLUGGABLE: Final = 1 << 1
_MEMORY: Final = struct.Struct("<8xQQ4xI")  # base, length, flags: behind type, length, domain and a reserved field


def count_immovable_mem_regions(srat: bytes | None, text: str, kernel: Kernel) -> tuple[tuple[int, int], ...]:
    """Memory entries of the SRAT that are not hot-pluggable, as (start, size); whether they are enabled is not asked.

    Nothing means "no filtering": no SRAT, ``acpi=off``, an entry of length 0 in the table, or 2 * MAX_NUMNODES
    ranges and more. Linux: the same function.
    """
    if srat is None or not kernel.builtin("MEMORY_HOTREMOVE") or cmdline_find_option(text, "acpi") == "off":
        return ()
    end = min(struct.unpack_from("<I", srat, 4)[0], len(srat)) if len(srat) >= 8 else 0
    memory = srat + bytes(_MEMORY.size)  # an entry may reach behind the table; what is there nobody knows
    found: list[tuple[int, int]] = []
    at = _SRAT_HEADER
    while at + 2 < end:
        kind, length = memory[at], memory[at + 1]
        if not length:
            return ()
        if kind == _MEMORY_AFFINITY:
            base, size, flags = _MEMORY.unpack_from(memory, at)
            if size and not flags & _HOT_PLUGGABLE:
                found.append((base, size))
            if len(found) >= 2 * kernel.max_numnodes:
                return ()
        at += length
    return tuple(found)
