"""``kernel/kexec_file.c: kexec_locate_mem_hole``: where buffers go, one after the other; ``null``: nowhere.

``walk`` says what the kernel looks through: System RAM of ``/proc/iomem``, or memblock (``CONFIG_ARCH_KEEP_MEMBLOCK``).
"""

from __future__ import annotations

from typing import Any

from softreserve.kernel.kexec.holes import KernelHoles, NoHoleError, busy_system_ram
from softreserve.kernel.resource import (
    IORESOURCE_BUSY,
    IORESOURCE_SYSRAM_DRIVER_MANAGED,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    insert_resource,
)
from softreserve.kernel.state import KernelState
from softreserve.model.behaviours import KEXEC_FILE_EXACT_TOP
from softreserve.model.machine import Machine
from softreserve_x86.arch import X86_64

from families._common import by_release, kernel, number


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    def one(release: str) -> dict[str, Any]:
        exact_top = kernel(release).has(KEXEC_FILE_EXACT_TOP)
        if in_["walk"] == "memblock":
            ranges = [(number(r["start"]), number(r["end"])) for r in in_["ranges"]]
            holes = KernelHoles(ranges, exact_top=exact_top, both_ways=True)
        else:
            state = KernelState(Machine("vectors", kernel(release)), X86_64, recording=False)
            for r in in_["ranges"]:
                flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY
                flags |= IORESOURCE_SYSRAM_DRIVER_MANAGED if r["driver_managed"] else 0
                assert insert_resource(state.iomem.root, Resource(number(r["start"]), number(r["end"]), "", flags)) == 0
            holes = KernelHoles(busy_system_ram(state), exact_top=exact_top)
        return {"mem": [_place(holes, buffer) for buffer in in_["buffers"]]}

    return by_release(in_, one)


def _place(holes: KernelHoles, buffer: dict[str, Any]) -> str | None:
    size, align, low, high = (number(buffer[name]) for name in ("size", "align", "min", "max"))
    try:
        return hex(holes.add(size, align, low, high, top_down=buffer["top_down"]))
    except NoHoleError:
        return None
