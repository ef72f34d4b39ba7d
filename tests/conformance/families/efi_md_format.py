"""efi-md-format: how descriptors are printed, and which are thrown out."""

from __future__ import annotations

from typing import Any

from softreserve.model.efi_text import typeattr_format
from softreserve.model.events import EventLog
from softreserve_x86.efi_memmap import efi_clean_memmap, efi_print_memmap

from families._common import by_release, efi_map, kernel


def compute(in_: list[dict[str, Any]]) -> dict[str, Any]:
    """One map, printed and cleaned by both releases."""
    return by_release(in_, lambda release: _answer(release, in_))


def _answer(release: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    running, memory_map = kernel(release), efi_map(items)
    printed, cleaned = EventLog(recording=False), EventLog(recording=False)
    efi_print_memmap(memory_map, running, printed)
    left = efi_clean_memmap(memory_map, running, cleaned)
    return {
        "typeattr": [typeattr_format(descriptor, running) for descriptor in memory_map],
        "debug_lines": printed.lines,
        "clean_log": cleaned.lines,
        "left": [
            {"type": d.type, "start": f"{d.start:#x}", "pages": f"{d.pages:#x}", "attr": f"{d.attribute:#x}"}
            for d in left
        ],
    }
