"""``arch/x86/kernel/e820.c``: what memblock and the trees of resources get from a table.

Resources are ``[depth, start, end (inclusive), name, flags, description]``.
"""

from __future__ import annotations

from typing import Any

from softreserve.kernel.mm.memblock import MemblockType
from softreserve.kernel.resource import Resource, ResourceTree, insert_resource
from softreserve.kernel.state import KernelState
from softreserve.model import behaviours
from softreserve.model.machine import Machine
from softreserve_x86.arch import X86_64
from softreserve_x86.e820_resources import E820Resources, memblock_setup
from softreserve_x86.setup import e820_end_of_low_ram_pfn, e820_end_of_ram_pfn

from families._common import by_release, kernel, number
from families._e820 import Lines, table

#: Of four levels of page tables.
_MAX_ARCH_PFN = 1 << (46 - 12)


def _regions(type_: MemblockType) -> list[dict[str, Any]]:
    return [{"base": hex(r.base), "size": hex(r.size), "nid": r.nid, "flags": r.flags} for r in type_]


def _listing(tree: ResourceTree) -> list[list[Any]]:
    return [[depth, hex(r.start), hex(r.end), r.name, hex(r.flags), r.desc] for depth, r in tree.walk()]


def _insert(tree: ResourceTree, items: list[dict[str, Any]]) -> list[int]:
    return [
        insert_resource(tree.root, Resource(number(i["start"]), number(i["end"]), i["name"], i["flags"])) for i in items
    ]


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    def one(release: str) -> dict[str, Any]:
        state = KernelState(Machine("vectors", kernel(release)), X86_64)
        lines = Lines(state.log)
        e820 = table(in_["table"], release, state.log)
        e820.update_table()
        memblock_setup(e820, state.memblock, 4096)
        found: dict[str, Any] = {
            "memory": _regions(state.memblock.memory),
            "reserved": _regions(state.memblock.reserved),
            "end_of_ram": hex(e820_end_of_ram_pfn(state.kernel, e820, _MAX_ARCH_PFN)),
            "end_of_low_ram": hex(e820_end_of_low_ram_pfn(state.kernel, e820, _MAX_ARCH_PFN)),
            "early_rc": _insert(state.iomem, in_["early_resources"]),
        }
        apart = state.kernel.has(behaviours.SOFT_RESERVED_IN_OWN_TREE)
        soft = state.soft_reserved if apart else state.iomem
        resources = E820Resources(e820, state.iomem.root, soft.root, state.log)
        resources.reserve_resources()
        found["iomem_early"] = _listing(state.iomem)
        found["other_rc"] = _insert(state.iomem, in_["other_resources"])
        lines.new()
        resources.reserve_resources_late()
        found |= {"iomem": _listing(state.iomem), "log": lines.new()}
        return {**found, "soft": _listing(soft)} if apart else found

    return by_release(in_, one)
