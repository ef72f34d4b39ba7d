"""``arch/x86/kernel/e820.c``: update, remove, add, sanitise, one after the other."""

from __future__ import annotations

from typing import Any

from softreserve.model.events import EventLog
from softreserve_x86.e820 import E820Table

from families._common import number
from families._e820 import Lines, shown, table


def _apply(e820: E820Table, op: dict[str, Any]) -> dict[str, Any]:
    if op["op"] == "sanitize":
        return {"rc": e820.update_table()}
    start, size = number(op["start"]), number(op["size"])
    if op["op"] == "update":
        return {"ret": hex(e820.range_update(start, size, op["old"], op["new"]))}
    if op["op"] == "remove":
        return {"ret": hex(e820.range_remove(start, size, op["old"], check_type=bool(op["check_type"])))}
    e820.range_add(start, size, op["type"])
    return {}


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    log = EventLog(recording=False)
    e820 = table(in_["table"], log=log)
    lines = Lines(log)
    steps = []
    for op in in_["ops"]:
        answer = _apply(e820, op)
        steps.append({"table": shown(e820.entries), "log": lines.new(), **answer})
    return {"out": steps}
