"""``numa_init`` of x86 with a method given by the case: 6.1 ``arch/x86/mm/numa.c``, 6.12 ``mm/numa_memblks.c``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.mm.memblock import Memblock
from softreserve.kernel.numa.numa import NumaState
from softreserve.kernel.numa.numa_memblks import NumaBlock
from softreserve.model.events import EventLog
from softreserve.model.units import U64_MAX
from softreserve_x86.numa_init import X86Numa

from families._common import by_release, kernel, number

_EINVAL = 22
_PAGE = 4096


def questions(case: dict[str, Any]) -> dict[str, Any]:
    """The addresses that are asked about: only the answers are cut off from a file without results."""
    if "probes" in case["in"]:
        return {}
    probes = (case.get("out_6.1") or case.get("out") or {}).get("probes", [])
    return {"probes": [probe["addr"] for probe in probes]}


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    """See the vectors' description."""
    return by_release(in_, lambda release: _run(in_, release))


def _run(in_: dict[str, Any], release: str) -> dict[str, Any]:
    log = EventLog(recording=False)
    assumed = kernel(release)
    memblock = Memblock(log, assumed)
    for item in in_["ram"]:
        memblock.add(number(item["start"]), number(item["end"]) + 1 - number(item["start"]))
    for item in in_["memblock_reserved"]:
        memblock.reserve(number(item["start"]), number(item["end"]) + 1 - number(item["start"]))
    state = NumaState(log, assumed)
    state.emu_cmdline = in_.get("fake")
    numa = X86Numa(state, memblock, memblock.end_of_dram() // _PAGE)
    block_rc: list[int] = []

    def method() -> int:
        for op in in_["ops"]:
            start = number(op["start"])
            if op["op"] == "fill":
                block_rc.append(numa.numa_fill_memblks(start, number(op["end"]) + 1 & U64_MAX))
                continue
            size = number(op["size"])
            status = numa.numa_add_memblk(op["nid"], start, start + size & U64_MAX)
            block_rc.append(status)
            if status < 0:
                return status
            if 0 <= op["nid"] < state.max_numnodes:
                state.parsed.add(op["nid"])
            if op["hotplug"]:
                memblock.mark_hotplug(start, size)
        return -_EINVAL if in_["reject"] else 0

    out: dict[str, Any] = {"rc": numa.numa_init(method)}
    out |= {"block_rc": block_rc, "log": log.lines, **_blocks(numa)}
    if out["rc"] < 0:
        if not in_["reject"] or len(block_rc) < len(in_["ops"]):
            out["block_rc"] = None
        mark = len(log)
        out["dummy"] = {"rc": numa.numa_init(numa.dummy_numa_init), "log": log.lines_since(mark), **_blocks(numa)}
    if state.emu_cmdline is None:  # else the kernel has taken memory for its tables
        out["memory"] = [_region(r) for r in memblock.memory]
        out["reserved"] = [_region(r) for r in memblock.reserved]
    out |= {"online_nodes": sorted(state.online), "possible_nodes": sorted(state.possible)}
    out["probes"] = [_probe(numa, addr) for addr in in_.get("probes", [])]
    return out


def _blocks(numa: X86Numa) -> dict[str, Any]:
    memblks = numa.memblks
    return {
        "meminfo": [_block(b) for b in memblks.meminfo],
        "reserved_meminfo": [_block(b) for b in memblks.reserved_meminfo],
    }


def _probe(numa: X86Numa, addr: str) -> dict[str, Any]:
    memblks, at = numa.memblks, number(addr)
    return {
        "addr": addr,
        "phys_to_target_node": memblks.phys_to_target_node(at),
        "memory_add_physaddr_to_nid": memblks.memory_add_physaddr_to_nid(at),
    }


def _block(block: NumaBlock) -> dict[str, Any]:
    return {"nid": block.nid, "start": f"{block.start:#x}", "end": f"{block.end - 1:#x}"}


def _region(region: Any) -> dict[str, Any]:
    return {"base": f"{region.base:#x}", "size": f"{region.size:#x}", "nid": region.nid, "flags": region.flags}
