"""Initcalls: what a kernel runs after its early boot, by level and then by link order.

Linux: ``include/linux/init.h`` (levels), ``Makefile`` and ``drivers/Makefile`` (the order in which objects are linked).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache

from softreserve.model.value import NamedTuple

__all__ = ["Initcall", "Level", "link_rank", "sorted_initcalls"]


class Level(IntEnum):
    """Initcall levels in their order. ``DEVICE`` is also where built-in modules start."""

    EARLY = 0
    PURE = 1
    CORE = 2
    POSTCORE = 3
    ARCH = 4
    SUBSYS = 5
    FS = 6
    DEVICE = 7
    LATE = 8


#: Directories in link order, as far as initcalls that we model live there. The longest prefix wins; ``*`` is any name.
_LINK_ORDER = (
    "arch/",
    "kernel/",
    "mm/",
    "drivers/acpi/",
    "drivers/base/",
    "drivers/dax/super.c",
    "drivers/dax/bus.c",
    "drivers/dax/device.c",
    "drivers/dax/kmem.c",
    "drivers/dax/",
    "drivers/dax/hmem/device.c",
    "drivers/dax/hmem/hmem.c",
    "drivers/cxl/",
    "drivers/firmware/",
    "drivers/",
    "net/",
    "arch/*/pci/",
)


@lru_cache
def link_rank(source: str) -> int:
    """Where a source file comes in the link order."""
    if source.startswith("arch/"):
        _, _, rest = source.split("/", 2)
        source = f"arch/*/{rest}"
    best, length = len(_LINK_ORDER), -1
    for rank, prefix in enumerate(_LINK_ORDER):
        if source.startswith(prefix) and len(prefix) > length:
            best, length = rank, len(prefix)
    return best


class Initcall(NamedTuple):
    """One initcall: ``source`` is the kernel file that it stands in, which decides its place within a level.

    ``owner`` is the plugin that brought it; the core notes it.
    """

    level: Level
    source: str
    name: str
    call: Callable[[], None]
    owner: str = ""


def sorted_initcalls(calls: Iterable[Initcall]) -> list[Initcall]:
    """In the order of the kernel: level, link order, then the order given."""
    return sorted(calls, key=lambda c: (c.level, link_rank(c.source)))
