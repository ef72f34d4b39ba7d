"""CXL windows as the CEDT has them: against each other, its host bridges, and the SRAT."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from softreserve.model.acpi.cedt import WINDOW_ALIGN, Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.srat import ENABLED, MemoryAffinity, Srat
from softreserve.model.cxl import eiw_to_ways
from softreserve.model.findings import Finding
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["check"]


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at every window."""
    cedt = Cedt.found_in(system.machine.acpi)
    entries = cedt.entries if cedt is not None else ()
    windows = sorted((e for e in entries if isinstance(e, FixedMemoryWindow)), key=lambda e: e.base_hpa)
    bridges = {e.uid for e in entries if isinstance(e, HostBridge)}
    for window in windows:
        start, end = window.base_hpa, window.end
        if start % WINDOW_ALIGN or not window.window_size or window.window_size % WINDOW_ALIGN:
            message = (
                f"a CXL window of {human_size(window.window_size)} at {start:#x}: start and size have to be multiples "
                f"of {human_size(WINDOW_ALIGN)}, and the kernel passes over it"
            )
            yield Finding("warning", "cxl-window-invalid", message, *((start, end) if start < end else ()))
        missing = sorted(set(_targets(window)) - bridges)
        if missing:
            names = ", ".join(map(str, missing))
            message = (
                f"a CXL window leads to host bridge {names}, which the CEDT does not have: its memory is not found"
            )
            yield Finding("warning", "cxl-bridge-missing", message, start, end)
    for low, high in pairwise(windows):
        if high.base_hpa < low.end:
            message = "two CXL windows overlap: which host bridges decode these addresses is not said; correct the CEDT"
            yield Finding("error", "cxl-windows-overlap", message, high.base_hpa, min(low.end, high.end))
    yield from _domains(system, windows)


def _targets(window: FixedMemoryWindow) -> tuple[int, ...]:
    """Numbers of the host bridges that a window leads to; none where their list is not whole."""
    ways = eiw_to_ways(window.interleave_ways)
    if ways is None or len(window.tail) < 4 * ways:
        return ()
    return struct.unpack_from(f"<{ways}I", window.tail)


def _domains(system: System, windows: list[FixedMemoryWindow]) -> Iterator[Finding]:
    """What the SRAT makes of windows: one domain for each, and none that goes on beyond it."""
    srat = Srat.found_in(system.machine.acpi)
    entries = srat.entries if srat is not None else ()
    memory = [e for e in entries if isinstance(e, MemoryAffinity) and e.flags & ENABLED and e.size_bytes]
    for window in windows:
        start, end = window.base_hpa, window.end
        inside = [e for e in memory if e.base < end and start < e.end]
        numbers = sorted({e.proximity_domain for e in inside})
        if len(numbers) > 1:
            message = (
                f"SRAT entries give a CXL window to domains {', '.join(map(str, numbers))}: a region over it is of one "
                "node, that of its first byte; give each domain a window of its own"
            )
            yield Finding("warning", "cxl-window-domains", message, start, end)
        for entry in inside:
            if entry.base < start or end < entry.end:
                message = (
                    f"the SRAT entry {entry.base:#x}-{entry.end - 1:#x} of domain {entry.proximity_domain} goes on "
                    "beyond the CXL window: memory of both kinds is on one node; let it end where the window does"
                )
                yield Finding("warning", "cxl-window-domains", message, start, end)
                break
