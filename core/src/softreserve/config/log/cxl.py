"""CXL windows and host bridges that a log tells of.

A kernel lists neither: it says that there is a CEDT. Those that debug CXL (``cxl_acpi.dyndbg=+p``) print the windows
when ``cxl_acpi`` takes them; people add ``/proc/iomem``, which has them, too. Linux: ``drivers/cxl/acpi.c``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from softreserve.config.acpi_schema import CxlWindow, Size
from softreserve.config.log.messages import Messages, ends
from softreserve.model.units import U32_MAX

__all__ = ["ReadCxl", "read_cxl"]

#: With what dyndbg may put before it: module, function, line.
_DEBUG: Final = r"(?:[\w:]+: )?"
_RANGE: Final = re.compile(
    _DEBUG
    + r"cxl_acpi \S+: (?:decode range:|add: decoder\d+\.\d+) node: -?\d+ range \[(0x[0-9a-f]+) - (0x[0-9a-f]+)\]$"
)
_BRIDGE: Final = re.compile(_DEBUG + r"acpi \S+: CHBCR found for UID (\d{1,10}): 0x[0-9a-f]+$")
_IOMEM: Final = re.compile(r"([0-9a-f]{8,16})-([0-9a-f]{8,16}) : CXL Window (\d{1,4})$")


class ReadCxl(NamedTuple):
    """What is known of a CEDT: its windows, in its order, and numbers of host bridges."""

    windows: tuple[CxlWindow, ...]
    bridges: tuple[int, ...]


def read_cxl(log: Messages) -> ReadCxl | None:
    """Windows and host bridges; ``None`` where the log tells of no window.

    :raises InputError: a window that ends before it begins.
    """
    bridges = tuple(dict.fromkeys(uid for uid in log.each(_BRIDGE, lambda found: int(found[1])) if uid <= U32_MAX))
    ranges = list(dict.fromkeys(log.each(_RANGE, lambda found: ends(found[1], found[2]))))
    if not ranges:
        shown = dict(log.each(_IOMEM, lambda found: (int(found[3]), ends(found[1], found[2]))))
        ranges = [shown[number] for number in sorted(shown)]
        if list(shown) and sorted(shown) != list(range(len(shown))):
            log.gap("some CXL windows", f"the log shows {len(shown)} of {max(shown) + 1}; the others are left out")
    if not ranges:
        return None
    target = bridges[:1] or (0,)
    log.gap(
        "targets of CXL windows, and CXL devices",
        "the log tells where the windows are; each is taken for one of a single host bridge, without devices",
    )
    return ReadCxl(tuple(CxlWindow(Size(start), Size(end - start), target) for start, end in ranges), bridges)
