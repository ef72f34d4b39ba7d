"""Early boot, from the zero page to memblock. Linux: ``arch/x86/kernel/setup.c: setup_arch``.

:class:`Setup` has the tables and one method per step; :func:`early_reserve` takes the steps in the kernel's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from errno import EINVAL
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.e820 import E820_LISTING, E820_TABLE_KEXEC, E820_TABLES
from softreserve.kernel.early_param import Handler, common_handlers, parse_early_param
from softreserve.kernel.efi.efi import EFI, Efi
from softreserve.kernel.mm.memblock_resources import kernel_resources
from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.kernel.resource import IORESOURCE_BUSY, IORESOURCE_SYSTEM_RAM, insert_resource
from softreserve.kernel.state import StashKey
from softreserve.model.behaviours import MEMMAP_NOT_MANAGED_AT_BOOT, SOFT_RESERVED_IN_OWN_TREE
from softreserve.model.events import EventLog, Rule
from softreserve.model.machine import E820Entry
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX, mem_text, round_up

from softreserve_x86 import behaviours, e820, e820_resources
from softreserve_x86 import efi as x86_efi
from softreserve_x86.numa_init import apic_ids, numa_setup, x86_numa_init
from softreserve_x86.pgtable import builds_five_levels, max_arch_pfn

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.efi import EfiMemoryMap
    from softreserve.model.kernel import Kernel

    from softreserve_x86.fake_mem import FakeMem
    from softreserve_x86.memmap_param import MemmapParameters

__all__ = [
    "SETUP",
    "Setup",
    "brk_size",
    "e820_end_of_low_ram_pfn",
    "e820_end_of_ram_pfn",
    "early_reserve",
    "initmem_init",
    "reserve_resources",
    "why_no_fake_mem",
]

HANDED_OVER: Final = Rule("e820-handed-over", "handed over as {}")
ORDINARY: Final = Rule("efi-sp-ordinary", "specific purpose memory is ordinary memory: {}")

_PAGE_SIZE: Final = 4096
_BRK_SLOP: Final = 64 << 10
_BRK_DMI: Final = 64 << 10
#: Where the BIOS's own data begins where it does not say. Linux: ``arch/x86/kernel/ebda.c: BIOS_START_MAX``.
_EBDA_BEGIN: Final = 0x9F000
_BIOS_BEGIN: Final = 0xA0000
_BIOS_END: Final = 0x100000
#: Where processors start, in kernels of 4.x and 5.x.
_TRAMPOLINE: Final = 24 << 10
_MAX_DMA_PFN: Final = 16 << (20 - 12)
_LOW_PFNS: Final = 1 << (32 - 12)
#: The table that is made up where the loader's is useless: 636 KiB, and nothing known above 1 MiB.
_LOWMEM_SIZE: Final = 0x9F000
#: Values of ``acpi=`` that leave tables alone; the last is known to newer kernels only.
_ACPI_WORDS: Final = ("strict", "rsdt", "noirq", "copy_dsdt", "nocmcff", "spcr")
_VENDORS_WITH_NODE_BY_CACHE: Final = ("AuthenticAMD", "HygonGenuine")


def _ram_types(kernel: Kernel) -> frozenset[int]:
    counts_acpi = kernel.has(behaviours.E820_END_PFN_COUNTS_ACPI)
    return frozenset({e820.RAM, e820.ACPI} if counts_acpi else {e820.RAM})


def e820_end_of_ram_pfn(kernel: Kernel, table: e820.E820Table, max_arch_pfn: int) -> int:
    """First page number above RAM; logged. Linux: ``e820__end_of_ram_pfn``."""
    return table.end_pfn(max_arch_pfn, _ram_types(kernel), max_arch_pfn)


def e820_end_of_low_ram_pfn(kernel: Kernel, table: e820.E820Table, max_arch_pfn: int) -> int:
    """First page number above RAM below 4 GiB; logged. Linux: ``e820__end_of_low_ram_pfn``."""
    return table.end_pfn(_LOW_PFNS, _ram_types(kernel), max_arch_pfn)


def why_no_fake_mem(kernel: Kernel) -> str | None:
    """Why the kernel does not know ``efi_fake_mem=``; ``None``: it does."""
    if not kernel.has(behaviours.EFI_FAKE_MEM):
        return "this release does not have it any more"
    return None if kernel.builtin("EFI_FAKE_MEMMAP") else "CONFIG_EFI_FAKE_MEMMAP is not set"


class Setup:
    """The three e820 tables and what the command line says about memory.

    ``table`` is what the kernel works with; ``table_kexec`` and ``table_firmware`` keep what it was handed. ``max_pfn``
    is the first page number above RAM. Parameters that edit the map are there from the first one on that is read.
    """

    def __init__(self, kernel: Kernel, log: EventLog) -> None:
        self.kernel = kernel
        self.log = log
        self.table = e820.E820Table.for_kernel(kernel, log)
        self.table_kexec = self.table.copy()
        self.table_firmware = self.table.copy()
        self.efi = Efi(kernel, log)
        self.add_efi_memmap = False
        #: Whether the EFI map was added to the table.
        self.imported = False
        self.max_pfn = 0

    @cached_property
    def fake_mem(self) -> FakeMem:
        """What ``efi_fake_mem=`` asks for."""
        from softreserve_x86.fake_mem import FakeMem

        return FakeMem(self.kernel, self.log)

    @cached_property
    def memmap(self) -> MemmapParameters:
        """What ``mem=`` and ``memmap=`` ask for."""
        from softreserve_x86.memmap_param import MemmapParameters

        return MemmapParameters(self.table, self.log, self.kernel)

    # --- the table that the kernel is handed

    def e820_memory_setup(self, boot_table: Sequence[E820Entry], ext_entries: int) -> str:
        """Take the zero page's table over, then the extension node's; the name under which it is printed.

        Linux: ``e820__memory_setup``, ``e820__memory_setup_extended``.
        """
        in_zeropage = len(boot_table) - ext_entries
        who = self._memory_setup_default(boot_table[:in_zeropage])
        self._remember()
        self.log.printk(f"{self.table.prefix}BIOS-provided physical RAM map:", rule=E820_LISTING)
        self.table.print_table(who)
        if ext_entries:
            self._append(boot_table[in_zeropage:])
            self.table.update_table()
            self._remember()
            self.log.printk(f"{self.table.prefix}extended physical RAM map:", rule=E820_LISTING)
            self.table.print_table("extended")
        return who

    def _memory_setup_default(self, entries: Sequence[E820Entry]) -> str:
        who = "BIOS-e820"
        fewest = 1 if self.kernel.has(behaviours.E820_REWORKED) else 2
        if len(entries) < fewest or not self._append(entries):
            who = "BIOS-e801"
            self.table.entries.clear()
            self.table.range_add(0, _LOWMEM_SIZE, e820.RAM)
            self.table.range_add(_BIOS_END, 0, e820.RAM)
        self.table.update_table()
        return who

    def _append(self, entries: Iterable[E820Entry]) -> bool:
        """Append until an entry wraps around: whether none did. Linux: ``__append_e820_table``."""
        for entry in entries:
            if entry.start > (entry.start + entry.size - 1) & U64_MAX and entry.size:
                return False
            self.table.range_add(entry.start, entry.size, entry.type)
        return True

    def _remember(self) -> None:
        self.table_kexec = self.table.copy()
        self.table_firmware = self.table.copy()

    # --- the command line and what follows from it

    def early_params(self) -> dict[str, Handler]:
        """Handlers of the early options that edit the memory map, by name."""
        handlers: dict[str, Handler] = {
            "mem": lambda value: self.memmap.parse_memopt(value),
            "memmap": lambda value: self.memmap.parse_memmap_opt(value),
            "add_efi_memmap": self._setup_add_efi_memmap,
        }
        if why_no_fake_mem(self.kernel) is None:
            handlers["efi_fake_mem"] = lambda value: self.fake_mem.setup_fake_mem(value)
        return handlers

    def _setup_add_efi_memmap(self, value: str | None) -> int:
        self.add_efi_memmap = True
        return 0

    def efi_memblock_x86_reserve_range(self, efi_map: EfiMemoryMap) -> bool:
        """Map the EFI map, and import it into e820 where that is asked for: whether it was.

        The import comes after the command line was read: RAM that ``mem=`` took away is back afterwards.
        """
        self.efi.memmap = efi_map
        self.imported = self.add_efi_memmap or x86_efi.do_efi_soft_reserve(self.efi)
        if self.imported:
            x86_efi.do_add_efi_memmap(self.efi, self.table, self.log)
        if "fake_mem" in vars(self):
            self.fake_mem.memmap_early(self.efi, self.table)
        if not self.efi.soft_reserve_enabled:
            self._note_ordinary(efi_map)
        return self.imported

    def _note_ordinary(self, efi_map: EfiMemoryMap) -> None:
        """Specific purpose memory that nobody sets aside is worth a note."""
        why = "efi=nosoftreserve" if self.efi.no_soft_reserve else "CONFIG_EFI_SOFT_RESERVE is not set"
        for descriptor in efi_map:
            if descriptor.is_special_purpose and descriptor.size:
                self.log.record(
                    ORDINARY.of(why),
                    "drivers/firmware/efi/efi.c: __efi_soft_reserve_enabled",
                    descriptor.start,
                    descriptor.start + descriptor.size,
                )

    def e820_reserve_setup_data(self, nodes: Sequence[PhysRange], from_kexec: bool) -> None:
        """Keep the loader's setup_data nodes: RAM of a type of its own. Linux: ``e820__reserve_setup_data``.

        :param from_kexec: the nodes are of kinds that kexec makes anew, so that the next kernel need not keep them.
        """
        if not nodes or not self.kernel.has(behaviours.SETUP_DATA_SPLITS_RAM):
            return
        both = self.kernel.has(behaviours.SETUP_DATA_KEPT_FOR_KEXEC) and not from_kexec
        for node in nodes:
            self.table.range_update(node.start, node.size, e820.RAM, e820.RESERVED_KERN)
            if both:
                self.table_kexec.range_update(node.start, node.size, e820.RAM, e820.RESERVED_KERN)
        self.table.update_table()
        if self.kernel.has(behaviours.SETUP_DATA_KEPT_FOR_KEXEC):
            self.table_kexec.update_table()
        self.log.printk(f"{self.table.prefix}extended physical RAM map:", rule=E820_LISTING)
        self.table.print_table("reserve setup_data")

    # --- fix-ups

    def e820_add_kernel_range(self, start: int, end: int) -> None:
        """Make sure that the kernel image (bytes, half open) lies in RAM."""
        if self.table.mapped_all(start, end, e820.RAM):
            return
        self.log.printk(".text .data .bss are not marked as E820_TYPE_RAM!")
        self.table.range_remove(start, end - start, e820.RAM, check_type=False)
        self.table.range_add(start, end - start, e820.RAM)

    def trim_bios_range(self) -> None:
        """Keep the first page and the BIOS area from being RAM; sanitise."""
        self.table.range_update(0, _PAGE_SIZE, e820.RAM, e820.RESERVED)
        self.table.range_remove(_BIOS_BEGIN, _BIOS_END - _BIOS_BEGIN, e820.RAM, check_type=True)
        self.table.update_table()

    def trim_uncached_memory(self, uncached: Iterable[PhysRange]) -> bool:
        """Take away RAM that MTRRs do not make cacheable: whether there was any.

        Linux: ``arch/x86/kernel/cpu/mtrr/cleanup.c: mtrr_trim_uncached_memory``.
        """
        lost = sum(self.table.range_update(it.start, it.size, e820.RAM, e820.RESERVED) for it in uncached)
        if lost:
            what = f"losing {lost >> 20}MB of RAM"
            self.log.printk(f"WARNING: BIOS bug: CPU MTRRs don't cover all of memory, {what}.")
            self.log.printk("update e820 for mtrr")
            self.update_table_print()
        return bool(lost)

    def update_table_print(self) -> None:
        """Sanitise the table, and print it. Linux: ``e820__update_table_print``."""
        if not self.table.update_table():
            self.log.printk(f"{self.table.prefix}modified physical RAM map:", rule=E820_LISTING)
            self.table.print_table("modified")

    def find_max_pfn(self, max_arch_pfn: int, uncached: Iterable[PhysRange] = ()) -> None:
        """Find where RAM ends, and print it; also for RAM below 4 GiB where there is more."""
        self.max_pfn = e820_end_of_ram_pfn(self.kernel, self.table, max_arch_pfn)
        if self.trim_uncached_memory(uncached):
            self.max_pfn = e820_end_of_ram_pfn(self.kernel, self.table, max_arch_pfn)
        if self.max_pfn > _LOW_PFNS:
            e820_end_of_low_ram_pfn(self.kernel, self.table, max_arch_pfn)


#: Who made the table that the kernel is handed, by the way in which it was entered.
_TABLE_BY: Final = {
    "stub": "drivers/firmware/efi/libstub/x86-stub.c: setup_e820",
    "loader": "boot loader: zero page",
    "kexec": "kexec: zero page",
}


def _record_handoff(log: EventLog, boot: str, table: Sequence[E820Entry]) -> None:
    """Note what kernel or loader made of the firmware's map before the kernel ran."""
    for entry in table if log.recording else ():
        rule = HANDED_OVER.of(e820.type_text(entry.type))
        log.record(rule, _TABLE_BY.get(boot, boot), entry.start, entry.start + entry.size)


#: The state of early boot, for the later stages.
SETUP: StashKey[Setup] = StashKey("x86 setup")


def brk_size(kernel: Kernel) -> int:
    """Bytes between the end of bss and that of the image: room for alignment, DMI tables and first page tables.

    Linux: ``arch/x86/kernel/vmlinux.lds.S: .brk``; ``RESERVE_BRK`` in ``setup.c`` and ``arch/x86/mm/init.c``.
    """
    levels = 4 if builds_five_levels(kernel) else 3
    page_tables = (4 if kernel.builtin("RANDOMIZE_MEMORY") else 2) * levels
    dmi = _BRK_DMI if kernel.config.get("DMI", "y") != "n" else 0
    return _BRK_SLOP + dmi + page_tables * _PAGE_SIZE


def _with_brk(system: System) -> PhysRange | None:
    """The kernel's image up to the end of brk, where its place is known."""
    whole = system.machine.image.span
    return whole and PhysRange(whole.start, round_up(whole.end, _PAGE_SIZE) + brk_size(system.kernel))


def early_reserve(system: System) -> None:
    """``setup_arch()`` until memblock is complete.

    :raises MachineError: the command line makes the kernel panic.
    """
    setup = Setup(system.kernel, system.log)
    system.stash[SETUP] = setup
    system.stash[EFI] = setup.efi
    _early_reserve_memory(system)
    system.iomem.limit = (1 << system.machine.phys_bits) - 1
    boot_table = system.handoff.e820 or ()
    _record_handoff(system.log, system.machine.boot, boot_table)
    setup.e820_memory_setup(boot_table, system.handoff.ext_entries)
    system.acpi_disabled = False
    parse_early_param(system.cmdline, _handlers(system, setup), system.log)
    edited = "memmap" in vars(setup)
    if edited:
        system.memory.max_mem_size = setup.memmap.max_mem_size
    if system.handoff.efi_map is not None:
        setup.efi_memblock_x86_reserve_range(system.handoff.efi_map)
    setup.e820_reserve_setup_data(system.machine.setup_data, from_kexec=system.machine.boot == "kexec")
    if edited:
        setup.memmap.finish_early_params()
    x86_efi.init(setup.efi, setup.table, setup.kernel, setup.log, system.machine.marks.mmio)
    _settle_table(system, setup)
    _fill_memblock(system, setup)


def _handlers(system: System, setup: Setup) -> dict[str, Handler]:
    return {
        **common_handlers(setup.efi, system.memblock),
        **setup.early_params(),
        "acpi": lambda value: _parse_acpi(system, value),
        "numa": lambda value: numa_setup(system.nodes, value, system.kernel),
    }


def _parse_acpi(system: System, value: str | None) -> int:
    """``acpi=value``: 0 or -EINVAL. Linux: ``arch/x86/kernel/acpi/boot.c: parse_acpi``."""
    if value in ("off", "force"):
        system.acpi_disabled = value == "off"
        return 0
    return 0 if value in _ACPI_WORDS else -EINVAL


def _early_reserve_memory(system: System) -> None:
    """Keep what is in use already, before any memory is known. Linux: ``early_reserve_memory``."""
    image, memblock = system.machine.image, system.memblock
    whole = image.span
    if whole is not None:
        memblock.reserve_kern(whole.start, whole.size)
    memblock.reserve(0, 64 << 10)
    if image.initrd is not None:
        memblock.reserve_kern(image.initrd.start, round_up(image.initrd.end, _PAGE_SIZE) - image.initrd.start)
    for node in system.machine.setup_data:
        memblock.reserve_kern(node.start, node.size)
    memblock.reserve(_EBDA_BEGIN, _BIOS_END - _EBDA_BEGIN)


def _settle_table(system: System, setup: Setup) -> None:
    """The kernel's own resources, the last changes of the table, and the end of RAM."""
    if system.machine.kvm and system.kernel.has(behaviours.X86_KVM_GUEST_LOOKS_AT_RAM):
        e820_end_of_low_ram_pfn(system.kernel, setup.table, max_arch_pfn(system.machine))
    image = system.machine.image
    for res in kernel_resources(image, system.arch.image_parts, IORESOURCE_BUSY | IORESOURCE_SYSTEM_RAM):
        insert_resource(system.iomem.root, res)
    whole = _with_brk(system)
    if whole is not None:
        setup.e820_add_kernel_range(whole.start, whole.end)
    setup.trim_bios_range()
    setup.find_max_pfn(max_arch_pfn(system.machine), system.machine.marks.uncached)
    system.stash[E820_TABLE_KEXEC] = _entries(setup.table_kexec)


def _entries(table: e820.E820Table) -> tuple[E820Entry, ...]:
    return tuple(E820Entry(entry.start, entry.size, entry.type) for entry in table.entries)


def _fill_memblock(system: System, setup: Setup) -> None:
    memblock = system.memblock
    e820_resources.memblock_setup(setup.table, memblock, system.kernel.page_size)
    if "fake_mem" in vars(setup):
        setup.fake_mem.memmap(setup.efi)
    setup.efi.find_mirror(memblock)
    x86_efi.arch_mem_reserve(system.machine.marks.kept, memblock, setup.table)
    for range_ in system.machine.marks.kept_late:  # boot services memory, or it would not be kept
        memblock.reserve(range_.start, range_.size, "efi_reserve_boot_services")
    if system.machine.marks.attributes_table and setup.efi.memmap is not None:
        # as much as tells whose descriptor it is in; its length is in the table. Linux: memattr.c: efi_memattr_init
        memblock.reserve(system.machine.marks.attributes_table, 1, "efi_memattr_init")
    x86_efi.reserve_boot_services(setup.efi, memblock, setup.table, _with_brk(system))
    if system.kernel.has(behaviours.FIRST_MIB_RESERVED):
        memblock.reserve(0, _BIOS_END, "reserve_real_mode")  # trampoline, and a BIOS that writes there
    else:
        memblock.alloc_range_nid(_TRAMPOLINE, _PAGE_SIZE, 0, _BIOS_END, NUMA_NO_NODE)
        if system.cmdline.has("crashkernel") and system.kernel.has(behaviours.CRASH_KERNEL_TAKES_FIRST_MIB):
            memblock.reserve(0, _BIOS_END, "crash_reserve_low_1M")
            system.printk("Reserving the low 1M of memory for crashkernel", "arch/x86/kernel/crash.c")
    if memblock.marks_kernel:
        memblock.clear_kho_scratch(0, _BIOS_END)


# --- after memblock: nodes and resources


def initmem_init(system: System) -> None:
    """Nodes, zones, and which CPU belongs to which node.

    :raises TableError: SRAT, SLIT or CEDT cannot be read as a table.
    """
    setup = system.stash[SETUP]
    initrd = system.machine.image.initrd
    if initrd is not None:
        end = round_up(initrd.end, _PAGE_SIZE)
        system.printk(f"RAMDISK: {mem_text(initrd.start, end)}", "arch/x86/kernel/setup.c: reserve_initrd")
    for range_ in system.machine.marks.tables:
        system.memblock.reserve(range_.start, range_.size, "acpi_table_upgrade")
        setup.table.range_add(range_.start, range_.size, e820.NVS)
        setup.update_table_print()
    zones = _zone_limits(system.kernel, setup.max_pfn)
    if not system.kernel.builtin("NUMA"):
        system.memblock.set_node(0, U64_MAX, system.memblock.memory, 0)
        system.nodes.possible.intersection_update({0})
        _reserve_contiguous(system, setup.max_pfn)
        _zone_sizes_init(system, zones)
        return
    numa = x86_numa_init(system, setup.max_pfn)
    _reserve_contiguous(system, setup.max_pfn)
    _zone_sizes_init(system, zones)
    numa.init_cpu_to_node(apic_ids(system))
    numa.init_gi_nodes()
    for nid in sorted(system.nodes.online):
        system.memory.zones.free_area_init_memoryless_node(nid)
    if system.machine.cpu_vendor in _VENDORS_WITH_NODE_BY_CACHE:
        numa.srat_detect_node(apic_ids(system))


def _reserve_contiguous(system: System, max_pfn: int) -> None:
    asked = any(word in system.cmdline.text for word in ("crashkernel=", "cma"))
    if asked or (system.kernel.builtin("CMA") and system.kernel.number("CMA_SIZE_MBYTES", 0)):
        from softreserve_x86.crash_reserve import reserve_contiguous

        reserve_contiguous(system, max_pfn)


def _zone_sizes_init(system: System, limits: dict[str, int]) -> None:
    """Lay out zones; before, see how much of zone DMA is taken. Linux: ``memblock_find_dma_reserve``."""
    memblock, zones = system.memblock, system.memory.zones
    if system.kernel.has(MEMMAP_NOT_MANAGED_AT_BOOT):
        memory = sum(min(end, _MAX_DMA_PFN) - min(start, _MAX_DMA_PFN) for start, end, _ in memblock.mem_pfn_ranges())
        free = ((-(-start // _PAGE_SIZE), end // _PAGE_SIZE) for start, end in memblock.free_mem_ranges())
        zones.dma_reserve = memory - sum(max(0, min(end, _MAX_DMA_PFN) - start) for start, end in free)
    zones.zone_sizes_init(limits)


def _zone_limits(kernel: Kernel, max_pfn: int) -> dict[str, int]:
    """First pfn above each zone that the kernel has. Linux: ``arch/x86/mm/init.c: zone_sizes_init``."""
    limits = {"DMA": min(_MAX_DMA_PFN, max_pfn), "DMA32": min(_LOW_PFNS, max_pfn), "Normal": max_pfn}
    return {zone: limit for zone, limit in limits.items() if kernel.config.get(f"ZONE_{zone}", "y") != "n"}


def reserve_resources(system: System) -> Callable[[], None]:
    """Insert the first batch of resources and publish the firmware's map; what is left to do when PCI is set up.

    Before that graphics memory is found, and ACPI tables are read, one of which has a boot logo that is kept. Linux:
    ``early_quirks``, ``acpi_boot_init``.
    """
    setup = system.stash[SETUP]
    for range_ in system.machine.marks.stolen:
        function = "arch/x86/kernel/early-quirks.c: intel_graphics_stolen"
        as_numbers = system.kernel.has(behaviours.GRAPHICS_MEMORY_AS_NUMBERS)
        where = f"{range_.start:#018x}-{range_.last:#018x}" if as_numbers else mem_text(range_.start, range_.end)
        system.printk(f"Reserving Intel graphics memory at {where}", function)
        setup.table.range_add(range_.start, range_.size, e820.RESERVED)
        setup.table.update_table()
    x86_efi.arch_mem_reserve(system.machine.marks.kept_late, system.memblock, setup.table)
    own_tree = system.kernel.has(SOFT_RESERVED_IN_OWN_TREE)
    soft_reserved = system.soft_reserved.root if own_tree else system.iomem.root
    resources = e820_resources.E820Resources(setup.table, system.iomem.root, soft_reserved, system.log)
    resources.reserve_resources()
    tables: dict[str, Callable[[], tuple[E820Entry, ...]]] = {
        "firmware": partial(_entries, setup.table_firmware),
        "kexec": partial(_entries, setup.table_kexec),
        "kernel": partial(_entries, setup.table),
    }
    system.stash[E820_TABLES] = tables
    if system.kernel.config.get("FIRMWARE_MEMMAP", "y") != "n":
        e820_resources.firmware_map_add(setup.table_firmware, system.firmware_memmap)
    if system.kernel.config.get("HIBERNATION", "y") != "n":
        e820_resources.register_nosave_regions(setup.table, setup.max_pfn, system.kernel, system.log)
    e820_resources.setup_pci_gap(setup.table, setup.max_pfn, system.log)

    def pci_subsys_init() -> None:
        """Without PCI nobody inserts the second batch. Linux: ``arch/x86/pci/common.c: pcibios_init``."""
        if not system.machine.pci or any("off" in (value or "").split(",") for value in system.cmdline.all("pci")):
            system.printk("PCI: System does not support PCI", "arch/x86/pci/legacy.c: pci_subsys_init")
        else:
            resources.reserve_resources_late()

    return pci_subsys_init
