"""``arch/x86/mm/init_64.c``: memory block size, from the end of RAM in ``arch/x86/kernel/e820.c``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.numa.numa import NumaState
from softreserve.model.events import EventLog
from softreserve_x86.init_64 import MemoryBlockSize
from softreserve_x86.setup import e820_end_of_low_ram_pfn, e820_end_of_ram_pfn

from families._common import by_release, kernel, number
from families._e820 import Lines, table

#: Of four levels of page tables.
_MAX_ARCH_PFN = 1 << (46 - 12)


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    return by_release(in_, lambda release: _by_pfn(in_, release) if "max_pfn" in in_ else _by_e820(in_, release))


def _by_pfn(in_: dict[str, Any], release: str) -> dict[str, Any]:
    """The size alone, for an end of RAM; and what was advised before, where a kernel takes advice."""
    log = EventLog(recording=False)
    assumed = kernel(release)
    state = NumaState(log, assumed)
    advice = [state.memory_block_advise_max_size(number(size)) for size in in_.get("advise", [])]
    block = MemoryBlockSize(assumed, log)
    order = in_["set_order"]
    found = {"advise_rc": advice} if "advise" in in_ else {}
    return {
        **found,
        "set_order_rc": None if order is None else block.set_memory_block_size_order(order),
        "block_size": hex(
            block.probe_memory_block_size(number(in_["max_pfn"]), in_["hypervisor"], state.advised_block_size)
        ),
        "log": log.lines,
    }


def _by_e820(in_: dict[str, Any], release: str) -> dict[str, Any]:
    log = EventLog(recording=False)
    lines = Lines(log)
    e820 = table(in_["e820"], release, log)
    max_pfn = e820_end_of_ram_pfn(kernel(release), e820, _MAX_ARCH_PFN)
    last_pfn_log = lines.new()
    low_ram_pfn = e820_end_of_low_ram_pfn(kernel(release), e820, _MAX_ARCH_PFN)
    lines.new()
    block = MemoryBlockSize(kernel(release), log)
    order = in_["set_order"]
    status = None if order is None else block.set_memory_block_size_order(order)
    size = block.probe_memory_block_size(max_pfn, in_["hypervisor"])
    return {
        "max_pfn": hex(max_pfn),
        "low_ram_pfn": hex(low_ram_pfn),
        "last_pfn_log": last_pfn_log,
        "set_order_rc": status,
        "block_size": hex(size),
        "log": lines.new(),
    }
