"""x86 early boot end to end, from the firmware's map to ``/proc/iomem``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.firmware_memmap import FirmwareMemmap
from softreserve.kernel.mm.memblock import Memblock, MemblockType
from softreserve.kernel.resource import (
    IORESOURCE_BUSY,
    IORESOURCE_MEM,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    ResourceTree,
    insert_resource,
)
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog
from softreserve_x86 import efi as x86_efi
from softreserve_x86.e820_resources import E820Resources, firmware_map_add, memblock_setup
from softreserve_x86.setup import Setup
from softreserve_x86.stub import extension_entries, setup_e820

from families._common import by_release, efi_map, kernel, number
from families._e820 import Lines, shown


def _insert(tree: ResourceTree, ranges: list[dict[str, Any]], flags: int) -> None:
    for r in ranges:
        insert_resource(tree.root, Resource(number(r["start"]), number(r["end"]), r["name"], flags))


def _regions(type_: MemblockType) -> list[dict[str, str]]:
    return [{"base": hex(region.base), "size": hex(region.size)} for region in type_]


class _Boot:
    """One boot of one release; the answer grows step by step."""

    def __init__(self, in_: dict[str, Any], release: str) -> None:
        self.in_ = in_
        self.log = EventLog(recording=False)
        self.lines = Lines(self.log)
        unaccepted = "y" if in_["config_unaccepted_memory_6.12"] else "n"
        self.kernel = kernel(release, UNACCEPTED_MEMORY=unaccepted, EFI_FAKE_MEMMAP="y", EFI_MAX_FAKE_MEM=8)
        self.setup = Setup(self.kernel, self.log)
        self.tree = ResourceTree(self.log)
        self.tree.limit = (1 << in_["phys_bits"]) - 1
        self.answer: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        memory_map = efi_map(self.in_["map"])
        stub = setup_e820(self.kernel, memory_map.descriptors, self.in_["stub_soft_reserve"])
        self.setup.e820_memory_setup(stub, extension_entries(stub))
        self.lines.new()
        self.answer["boot_e820"] = shown(self.setup.table.entries)
        self.setup.efi.no_soft_reserve = not self.in_["kernel_soft_reserve"]
        self.setup.add_efi_memmap = self.in_["add_efi_memmap"]
        try:
            self._command_line(memory_map)
        except MachineError:
            return {**self.answer, "panic": True, "log": self.lines.new()}
        self.answer["panic"] = False
        self._settle()
        self._resources()
        return self.answer

    def _command_line(self, memory_map: EfiMemoryMap) -> None:
        handlers = self.setup.early_params()
        self.answer["param_rc"] = [
            handlers[p["name"]](p["value"]) if p["name"] in handlers else None for p in self.in_["params"]
        ]
        self.answer["imported"] = self.setup.efi_memblock_x86_reserve_range(memory_map)
        self.setup.memmap.finish_early_params()

    def _settle(self) -> None:
        setup, in_ = self.setup, self.in_
        x86_efi.init(setup.efi, setup.table, self.kernel, self.log)
        _insert(self.tree, in_["kernel_resources"], IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY)
        setup.e820_add_kernel_range(number(in_["kernel_text"]), number(in_["kernel_end"]))
        setup.trim_bios_range()
        self.answer["log"] = self.lines.new()
        self.answer["final_e820"] = shown(setup.table.entries)
        setup.find_max_pfn(1 << 34)
        self.lines.new()
        memblock = Memblock(self.log, self.kernel)
        memblock_setup(setup.table, memblock, self.kernel.page_size)
        self.answer["max_pfn"] = hex(setup.max_pfn)
        self.answer["memblock_memory"] = _regions(memblock.memory)
        self.answer["memblock_reserved"] = _regions(memblock.reserved)

    def _resources(self) -> None:
        resources = E820Resources(self.setup.table, self.tree.root, self.tree.root, self.log)
        resources.reserve_resources()
        firmware_memmap = FirmwareMemmap()
        firmware_map_add(self.setup.table_firmware, firmware_memmap)
        self.answer["firmware_memmap"] = [
            {"start": hex(e.start), "end": hex(e.end), "type": e.type} for e in firmware_memmap.entries.values()
        ]
        self.answer["iomem_early"] = self.tree.lines()
        _insert(self.tree, self.in_["other_resources"], IORESOURCE_MEM)
        self.lines.new()
        resources.reserve_resources_late()
        self.answer["late_log"] = self.lines.new()
        self.answer["iomem"] = self.tree.lines()


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    return by_release(in_, lambda release: _Boot(in_, release).run())
