"""``memblock.jsonl``: ``mm/memblock.c``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softreserve.kernel.mm.memblock import Memblock, MemblockType
from softreserve.model.events import EventLog

from families._common import by_release, kernel, number


def _regions(type_: MemblockType) -> list[dict[str, Any]]:
    return [{"base": hex(r.base), "size": hex(r.size), "nid": r.nid, "flags": r.flags} for r in type_]


def _operations(m: Memblock) -> dict[str, Callable[[dict[str, Any]], tuple[str, Any] | None]]:
    """What each ``op`` calls; the answer is the name and value of its own result field, if it has one."""

    def simple(method: Callable[[int, int], int]) -> Callable[[dict[str, Any]], tuple[str, Any]]:
        return lambda op: ("rc", method(number(op["base"]), number(op["size"])))

    def coverage(op: dict[str, Any]) -> tuple[str, Any]:
        return "rc", int(m.validate_numa_coverage(number(op["limit"])))

    def scratch_only(op: dict[str, Any]) -> None:
        m.kho_scratch_only = bool(op["on"])

    def add_node(op: dict[str, Any]) -> tuple[str, Any]:
        return "rc", m.add_node(number(op["base"]), number(op["size"]), op["nid"], op["flags"])

    def set_node(type_: MemblockType) -> Callable[[dict[str, Any]], tuple[str, Any]]:
        return lambda op: ("rc", m.set_node(number(op["base"]), number(op["size"]), type_, op["nid"]))

    def alloc(op: dict[str, Any]) -> tuple[str, Any]:
        size, align, start, end = (number(op[key]) for key in ("size", "align", "start", "end"))
        return "ret", hex(m.alloc_range_nid(size, align, start, end, op["nid"], bool(op["exact"])))

    return {
        "add": simple(m.add),
        "add_node": add_node,
        "remove": simple(m.remove),
        "reserve": simple(m.reserve),
        "free": simple(m.free),
        "mark_hotplug": simple(m.mark_hotplug),
        "clear_hotplug": simple(m.clear_hotplug),
        "mark_mirror": simple(m.mark_mirror),
        "mark_nomap": simple(m.mark_nomap),
        "clear_nomap": simple(m.clear_nomap),
        "reserve_kern": simple(m.reserve_kern),
        "mark_kern": simple(m.reserved_mark_kern),
        "mark_noinit": simple(m.reserved_mark_noinit),
        "mark_kho_scratch": simple(m.mark_kho_scratch),
        "clear_kho_scratch": simple(m.clear_kho_scratch),
        "kho_scratch_only": scratch_only,
        "numa_coverage": coverage,
        "set_node_mem": set_node(m.memory),
        "set_node_res": set_node(m.reserved),
        "trim": lambda op: m.trim_memory(number(op["align"])),
        "limit": lambda op: m.enforce_memory_limit(number(op["limit"])),
        "cap": lambda op: m.cap_memory_range(number(op["base"]), number(op["size"])),
        "limit_map": lambda op: m.mem_limit_remove_map(number(op["limit"])),
        "alloc": alloc,
    }


def _probe(m: Memblock, probe: dict[str, Any]) -> dict[str, Any]:
    addr, size = number(probe["addr"]), number(probe["size"])
    answers = {
        "is_memory": m.is_memory(addr),
        "is_map_memory": m.is_map_memory(addr),
        "is_reserved": m.is_reserved(addr),
        "region_memory": m.is_region_memory(addr, size),
        "region_reserved": m.is_region_reserved(addr, size),
        "overlaps_memory": m.overlaps_region(m.memory, addr, size),
    }
    return {"addr": probe["addr"], "size": probe["size"], **{key: int(value) for key, value in answers.items()}}


def questions(case: dict[str, Any]) -> dict[str, Any]:
    """The ranges that are asked about: only the answers are cut off from a file without results."""
    if "probes" in case["in"]:
        return {}
    probes = (case.get("out_6.1") or case.get("out") or {}).get("probes", [])
    return {"probes": [{"addr": probe["addr"], "size": probe["size"]} for probe in probes]}


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    def run(release: str) -> dict[str, Any]:
        log = EventLog()
        m = Memblock(log, kernel(release))
        m.mirrored_kernelcore = bool(in_["kernelcore_mirror"])
        m.movable_node = bool(in_["movable_node"])
        m.bottom_up = bool(in_["bottom_up"])
        if in_.get("resize"):
            m.allow_resize()
        operations = _operations(m)
        steps = []
        for op in in_["ops"]:
            mark = len(log)
            answer = operations[op["op"]](op)
            step = {
                "memory": _regions(m.memory),
                "reserved": _regions(m.reserved),
                "total_memory": hex(m.memory.total_size),
                "total_reserved": hex(m.reserved.total_size),
                **({answer[0]: answer[1]} if answer else {}),
            }
            if lines := log.lines_since(mark):
                step["log"] = lines
            steps.append(step)
        final: dict[str, Any] = {
            "start_of_dram": hex(m.start_of_dram()),
            "end_of_dram": hex(m.end_of_dram()),
            "dump": m.dump(),
        }
        if "release" in in_:
            final["free"] = [[hex(start), hex(end)] for start, end in m.free_mem_ranges()]
            final["pages"] = [[hex(start), hex(end), nid] for start, end, nid in m.mem_pfn_ranges()]
        return {"steps": steps, "final": final, "probes": [_probe(m, probe) for probe in in_.get("probes", [])]}

    return by_release(in_, run)
