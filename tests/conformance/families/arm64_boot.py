"""``arm64-boot.jsonl``: from the EFI map to ``/proc/iomem`` on arm64."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.efi.efi import Efi
from softreserve.kernel.efi.efi_init import reserve_regions
from softreserve.kernel.efi.runtime import register_soft_reserved
from softreserve.kernel.mm.memblock import Memblock, MemblockType
from softreserve.kernel.mm.memblock_resources import (
    kernel_resources,
    request_standard_resources,
    reserve_memblock_reserved_regions,
)
from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.kernel.resource import ResourceTree
from softreserve.model import behaviours
from softreserve.model.events import EventLog
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX
from softreserve_arm64.memblock import Layout, add_back_initrd, apply_memory_limit
from softreserve_arm64.sizes import linear_region_size

from families._common import by_release, efi_map, kernel, number


def _regions(type_: MemblockType) -> list[dict[str, Any]]:
    return [{"base": hex(r.base), "size": hex(r.size), "nid": r.nid, "flags": r.flags} for r in type_]


def _run(in_: dict[str, Any], release: str) -> dict[str, Any]:
    k = kernel(release, "arm64", in_["page_size"])
    log = EventLog()
    memblock, iomem, efi = Memblock(log, k), ResourceTree(log), Efi(k, log)
    efi.memmap, efi.dbg, efi.no_soft_reserve = efi_map(in_["map"]), True, not in_["soft_reserve"]
    reserve_regions(memblock, efi, k, log)
    out: dict[str, Any] = {
        "log": log.lines,
        "memory_after_regions": _regions(memblock.memory),
        "reserved_after_regions": _regions(memblock.reserved),
    }
    parts = {name: number(value) for name, value in in_["kernel"].items()}
    layout = Layout(parts["text"], parts["text"], parts["end"])
    apply_memory_limit(memblock, number(in_["memory_limit"]) if in_["memory_limit"] else None, layout)
    if in_["initrd"]:
        initrd = in_["initrd"]
        add_back_initrd(memblock, number(initrd["start"]), number(initrd["size"]), linear_region_size(k), log)
    memblock.reserve(layout.stext, layout.end - layout.stext)
    for block in in_["reserve"]:
        memblock.reserve(number(block["start"]), number(block["size"]))
    if k.has(behaviours.NUMA_MEMBLKS_GENERIC):  # it begins with taking all nodes away
        memblock.set_node(0, U64_MAX, memblock.memory, NUMA_NO_NODE)
    for block in in_["numa_blocks"] or [{"start": "0x0", "end": "0xfffffffffffffffe", "nid": 0}]:
        start = number(block["start"])
        memblock.set_node(start, number(block["end"]) + 1 - start, memblock.memory, block["nid"])
    image = KernelImage(
        code=PhysRange(parts["text"], parts["init_begin"]), data=PhysRange(parts["sdata"], parts["end"])
    )
    standard = request_standard_resources(iomem, memblock, kernel_resources(image, ("code", "data")), "setup.c")
    if efi.soft_reserve_enabled:
        register_soft_reserved(iomem, efi, k, "arm-runtime.c")
    reserve_memblock_reserved_regions(standard, memblock, log)
    out |= {"memory": _regions(memblock.memory), "reserved": _regions(memblock.reserved), "iomem": iomem.lines()}
    return out


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    return by_release(in_, lambda release: _run(in_, release))
