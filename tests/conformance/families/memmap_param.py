"""``arch/x86/kernel/e820.c``: ``mem=``, ``memmap=`` and ``e820__finish_early_params``."""

from __future__ import annotations

from typing import Any

from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve_x86.memmap_param import MemmapParameters

from families._common import kernel
from families._e820 import Lines, shown, table


def _state(parameters: MemmapParameters) -> dict[str, Any]:
    return {"userdef": parameters.userdef, "max_mem_size": hex(parameters.max_mem_size)}


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    log = EventLog(recording=False)
    assumed = kernel(in_.get("release", "6.1"))
    e820 = table(in_["table"], assumed.release, log)
    lines = Lines(log)
    parameters = MemmapParameters(e820, log, assumed)
    handlers = {"mem": parameters.parse_memopt, "memmap": parameters.parse_memmap_opt}
    steps: list[dict[str, Any]] = []
    for parameter in in_["params"]:
        try:
            status = handlers[parameter["name"]](parameter["value"])
        except MachineError:
            steps.append({"bug": True, "log": lines.new()})
            return {"out": {"steps": steps, **_state(parameters)}}
        steps.append({"rc": status, "table": shown(e820.entries), "log": lines.new()})
    panic = False
    try:
        parameters.finish_early_params()
    except MachineError:
        panic = True
    final = {"final_table": shown(e820.entries), "final_log": lines.new()}
    return {"out": {"steps": steps, **_state(parameters), "panic": panic, **final}}
