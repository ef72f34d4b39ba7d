"""``arch/x86/kernel/e820.c``: update, remove, add, sanitise, print, ask, find a gap, one after the other."""

from __future__ import annotations

from typing import Any

from softreserve.model.events import EventLog
from softreserve_x86.e820 import E820Table
from softreserve_x86.e820_resources import setup_pci_gap

from families._common import number
from families._e820 import Lines, shown, table


def _apply(e820: E820Table, op: dict[str, Any], log: EventLog) -> dict[str, Any]:
    kind = op["op"]
    if kind == "sanitize":
        return {"rc": e820.update_table()}
    if kind == "print":
        e820.print_table("BIOS-e820")
        return {}
    if kind == "gap":
        setup_pci_gap(e820, number(op["max_pfn"]), log)
        return {}
    if kind == "mapped":
        start, end = number(op["start"]), number(op["end"])
        asked = (start, end, op["type"])
        return {"all": int(e820.mapped_all(*asked)), "any": int(e820.mapped_any(*asked))}
    start, size = number(op["start"]), number(op["size"])
    if kind == "update":
        return {"ret": hex(e820.range_update(start, size, op["old"], op["new"]))}
    if kind == "remove":
        removed = e820.range_remove(start, size, op["old"], check_type=bool(op["check_type"]))
        return {} if e820.reworked else {"ret": hex(removed)}
    e820.range_add(start, size, op["type"])
    return {}


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    """The release matters only where a case names one."""
    log = EventLog(recording=False)
    e820 = table(in_["table"], in_.get("release", "6.1"), log)
    lines = Lines(log)
    steps = []
    for op in in_["ops"]:
        answer = _apply(e820, op, log)
        steps.append({"table": shown(e820.entries), "log": lines.new(), **answer})
    return {"out": steps}
