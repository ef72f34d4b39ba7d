"""``efi_fake_mem=``: grammar, the early half (e820) and the late half (EFI map)."""

from __future__ import annotations

from typing import Any

from softreserve.model.efi import EfiMemoryMap
from softreserve.model.events import EventLog
from softreserve_x86.setup import Setup
from softreserve_x86.stub import extension_entries, setup_e820

from families._common import efi_map, kernel
from families._e820 import Lines, shown


def _shown_map(memory_map: EfiMemoryMap | None) -> list[dict[str, Any]] | None:
    if memory_map is None:
        return None
    return [
        {"type": d.type, "start": hex(d.start), "pages": hex(d.pages), "attr": hex(d.attribute)} for d in memory_map
    ]


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    memory_map = efi_map(in_["map"])
    log = EventLog(recording=False)
    lines = Lines(log)
    setup = Setup(kernel("6.1", EFI_FAKE_MEMMAP="y", EFI_MAX_FAKE_MEM=8), log)
    status = [setup.fake_mem.setup_fake_mem(value) for value in in_["params"]]
    entries = [{"start": hex(r.start), "end": hex(r.end), "attr": hex(r.attribute)} for r in setup.fake_mem.ranges]
    parse_log = lines.new()
    stub = setup_e820(setup.kernel, memory_map.descriptors, in_["soft_reserve"])
    setup.e820_memory_setup(stub, extension_entries(stub))
    setup.efi.no_soft_reserve = not in_["soft_reserve"]
    ranges, setup.fake_mem.ranges = setup.fake_mem.ranges, []
    setup.efi_memblock_x86_reserve_range(memory_map)
    setup.fake_mem.ranges = ranges
    before = shown(setup.table.entries)
    lines.new()
    setup.fake_mem.memmap_early(setup.efi, setup.table)
    early_log = lines.new()
    after = shown(setup.table.entries)
    setup.fake_mem.memmap(setup.efi)
    return {
        "rc": status,
        "entries": entries,
        "parse_log": parse_log,
        "e820_before": before,
        "early_log": early_log,
        "e820_after": after,
        "map_after": _shown_map(setup.efi.memmap),
        "misaligned_warn": setup.efi.memmap is None,
    }
