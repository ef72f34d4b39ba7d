"""The EFI stub's e820 table, what the kernel makes of it, and the import of the EFI map."""

from __future__ import annotations

from typing import Any

from softreserve.model.efi import EfiMemoryMap, EfiType
from softreserve.model.events import EventLog
from softreserve_x86.efi import remove_e820_mmio
from softreserve_x86.setup import Setup
from softreserve_x86.stub import extension_entries, setup_e820

from families._common import by_release, efi_map, kernel
from families._e820 import Lines, shown


def _boot(in_: dict[str, Any], release: str, memory_map: EfiMemoryMap) -> tuple[Setup, Lines, dict[str, Any]]:
    unaccepted = "y" if in_["config_unaccepted_memory"] else "n"
    log = EventLog(recording=False)
    lines = Lines(log)
    setup = Setup(kernel(release, UNACCEPTED_MEMORY=unaccepted), log)
    stub = setup_e820(setup.kernel, memory_map.descriptors, in_["stub_soft_reserve"])
    ext_entries = extension_entries(stub)
    answer: dict[str, Any] = {"stub": shown(stub), "ext_entries": ext_entries}
    answer["who"] = setup.e820_memory_setup(stub, ext_entries)
    answer["sanitized"] = shown(setup.table.entries)
    lines.new()
    setup.efi.no_soft_reserve = not in_["kernel_soft_reserve"]
    setup.add_efi_memmap = in_["add_efi_memmap"]
    answer["imported"] = setup.efi_memblock_x86_reserve_range(memory_map)
    answer["after_import"] = shown(setup.table.entries) if answer["imported"] else None
    import_log = lines.new()
    if import_log:
        answer["import_log"] = import_log
    return setup, lines, answer


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    memory_map = efi_map(in_["map"], in_["desc_size"])
    answers = by_release(in_, lambda release: _boot(in_, release, memory_map)[2])
    setup, lines, _ = _boot(in_, "6.12", memory_map)
    remove_e820_mmio(setup.efi, setup.table, setup.log)
    has_mmio = any(descriptor.type == EfiType.MMIO for descriptor in memory_map)
    mmio = {"log": lines.new(), "table": shown(setup.table.entries) if has_mmio else None}
    return {**answers, "mmio_6.12": mmio}
