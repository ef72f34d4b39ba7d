"""Nodes on x86: where they come from, and which CPU belongs to which.

Linux: ``arch/x86/mm/numa.c``, ``arch/x86/mm/srat.c``, ``arch/x86/kernel/acpi/boot.c``.
Addresses are bytes, ends exclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.memblock import NOT_COVERED
from softreserve.kernel.numa.acpi_numa import SRAT_ENTRY_BAD, AcpiNumaArch, acpi_numa_init
from softreserve.kernel.numa.numa import NO_NUMA, NODE_FAKED, NUMA_NO_NODE, NumaState
from softreserve.kernel.numa.numa_memblks import NumaMemblks
from softreserve.model.acpi.madt import ENABLED as CPU_ENABLED
from softreserve.model.acpi.madt import LOCAL_APIC, LOCAL_X2APIC, LocalApic, LocalX2apic, Madt
from softreserve.model.acpi.srat import ENABLED, CpuAffinity, X2apicAffinity
from softreserve.model.acpi.tables import RawTable, acpi_get_table, acpi_parse_entries_array
from softreserve.model.units import mem_text

from softreserve_x86 import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.numa.numa_emulation import NumaEmulation
    from softreserve.kernel.system import System
    from softreserve.model.events import EventLog, Rule
    from softreserve.model.kernel import Kernel

__all__ = ["X86Numa", "apic_ids", "numa_setup", "x86_numa_init"]

_FILE: Final = "arch/x86/mm/numa.c"
_MAX_LOCAL_APIC: Final = 32768
#: The highest APIC id while the CPUs are not in x2APIC mode.
_MAX_XAPIC_ID: Final = 254
_SZ_1M: Final = 1 << 20
_DMA32_END: Final = 1 << 32


def numa_setup(state: NumaState, value: str | None, kernel: Kernel) -> int:
    """One ``numa=`` on the command line: 0 or -EINVAL. Several words do not fit in one ``numa=``."""
    if value is None:
        return -EINVAL
    if value.startswith("off"):
        state.numa_off = True
    if value.startswith("fake="):
        if not kernel.builtin("NUMA_EMU"):
            return -EINVAL
        state.emu_cmdline = value.removeprefix("fake=")
        return 0
    if value.startswith("noacpi"):
        state.srat_disabled = True
    if value.startswith("nohmat"):
        state.hmat_disabled = True
    return 0


class X86Numa(AcpiNumaArch):
    """The run of ``numa_init()`` over one method after the other.

    :param state: masks and maps of the kernel; filled.
    :param memblock: RAM; gets its nodes.
    :param max_pfn: pfn after the last page of RAM, in pages of 4096 bytes.
    :param cpus: CPU numbers that are possible.
    :param x2apic: whether the CPUs are in x2APIC mode, where every APIC id is valid: only so do those with large ones
        come up.
    """

    def __init__(
        self,
        state: NumaState,
        memblock: Memblock,
        max_pfn: int,
        *,
        cpus: int = 1,
        x2apic: bool = False,
    ) -> None:
        super().__init__(state)
        self.log: EventLog = state.log
        self.kernel: Kernel = state.kernel
        self.memblock = memblock
        self.end_of_ram = max_pfn * self.kernel.page_size
        self.cpus = cpus
        self.x2apic = x2apic
        self.apicid_to_node: dict[int, int] = {}
        self.memblks = NumaMemblks(state, memblock, self.end_of_ram, self._emulation())

    def _emulation(self) -> NumaEmulation | None:
        if self.state.emu_cmdline is None:
            return None
        from softreserve.kernel.numa.numa_emulation import NumaEmulation

        return NumaEmulation(self.state.emu_cmdline, _DMA32_END, self._update_apic_nodes)

    def _update_apic_nodes(self, emu_nid_to_phys: dict[int, int]) -> None:
        """Give CPUs the first emulated node of their physical node, or 0. Linux: ``numa_emu_update_cpu_to_node``."""
        first: dict[int, int] = {}
        for nid in sorted(emu_nid_to_phys):
            first.setdefault(emu_nid_to_phys[nid], nid)
        self.apicid_to_node = {apic_id: first.get(nid, 0) for apic_id, nid in self.apicid_to_node.items()}

    # --- methods, one after the other

    def run(self, acpi_method: Callable[[], int] | None) -> None:
        """Try ACPI (``None``: the kernel has none), then fall back to one node. Linux: ``x86_numa_init``."""
        if not self.state.numa_off and acpi_method is not None and self.numa_init(acpi_method) == 0:
            return
        self.numa_init(self.dummy_numa_init)

    def numa_init(self, init_func: Callable[[], int]) -> int:
        """Try one method: 0 or -errno."""
        self.apicid_to_node.clear()
        status = self.memblks.numa_memblks_init(init_func) or self._register_nodes()
        if status < 0:
            return status
        self._init_array()
        return 0

    def dummy_numa_init(self) -> int:
        """One node over all of RAM; cannot fail."""
        function = f"{_FILE}: dummy_numa_init"
        self.log.printk("NUMA turned off" if self.state.numa_off else "No NUMA configuration found", function, NO_NUMA)
        self.log.printk(f"Faking a node at {mem_text(0, self.end_of_ram, wide=True)}", function)
        self.state.parsed.add(0)
        self.numa_add_memblk(0, 0, self.end_of_ram)
        self.log.record(NODE_FAKED, function, 0, self.end_of_ram, after="node 0")
        return 0

    def _register_nodes(self) -> int:
        """Nodes with memory go online, if the nodes cover all of it. Linux: ``numa_register_nodes``."""
        if self.memblks.generic:
            if not self.memblock.validate_numa_coverage(_SZ_1M):
                return -EINVAL
            with_memory = {nid for _, _, nid in self.memblock.mem_pfn_ranges()}
        else:
            if not self._meminfo_covers_memory():
                return -EINVAL
            with_memory = {block.nid for block in self.memblks.meminfo if block.start < min(block.end, self.end_of_ram)}
        self.state.online |= self.state.possible & with_memory
        self.memblock.dump_all()
        return 0

    def _meminfo_covers_memory(self) -> bool:
        """Whether less than 1 MiB of RAM is in no block of its node. Linux: ``numa_meminfo_cover_memory``."""
        page = self.kernel.page_size
        covered = 0
        for block in self.memblks.meminfo:
            covered = max(covered + self._present(block.nid, block.start // page, block.end // page), 0)
        ram = self._present(NUMA_NO_NODE, 0, self.end_of_ram // page)
        if (ram - covered) * page < _SZ_1M:
            return True
        self.log.printk(
            f"NUMA: nodes only cover {covered * page >> 20}MB of your {ram * page >> 20}MB e820 RAM. Not used.",
            f"{_FILE}: numa_meminfo_cover_memory",
            NOT_COVERED,
        )
        return False

    def _present(self, nid: int, start_pfn: int, end_pfn: int) -> int:
        """Pages of RAM of a node (-1: any) in a range of pfn."""
        return sum(
            min(max(end, start_pfn), end_pfn) - min(max(start, start_pfn), end_pfn)
            for start, end, _ in self.memblock.mem_pfn_ranges(nid)
        )

    # --- what the SRAT says

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """See :meth:`softreserve.kernel.numa.numa_memblks.NumaMemblks.numa_add_memblk`."""
        return self.memblks.numa_add_memblk(nid, start, end)

    def numa_add_reserved_memblk(self, nid: int, start: int, end: int) -> int:
        """See :meth:`softreserve.kernel.numa.numa_memblks.NumaMemblks.numa_add_reserved_memblk`."""
        return self.memblks.numa_add_reserved_memblk(nid, start, end)

    def numa_fill_memblks(self, start: int, end: int) -> int:
        """See :meth:`softreserve.kernel.numa.numa_memblks.NumaMemblks.numa_fill_memblks`."""
        return self.memblks.numa_fill_memblks(start, end)

    def x86_acpi_numa_init(self, tables: Mapping[str, bytes], *, disabled: bool = False) -> int:
        """The ACPI method: 0 or -errno.

        :param tables: whole tables by signature.
        :param disabled: ACPI is off.
        """
        status = acpi_numa_init(self.state, self.memblock, tables, self, disabled=disabled)
        if status < 0:
            return status
        return -EINVAL if self.state.srat_disabled else 0

    def processor_affinity_init(self, entry: CpuAffinity) -> None:
        """A processor by APIC id; its entry must have exactly the right length."""
        if self.state.srat_disabled:
            return
        if entry.length != CpuAffinity.size():
            self.state.bad_srat()
            return
        if entry.flags & ENABLED:
            pxm = entry.proximity_domain if self.state.srat_revision >= 2 else entry.proximity_domain_lo
            self._map_apic(pxm, entry.apic_id, 2)

    def x2apic_affinity_init(self, entry: X2apicAffinity) -> None:
        """A processor by x2APIC id."""
        if self.state.srat_disabled:
            return
        if entry.length < X2apicAffinity.size():
            self.state.bad_srat()
            return
        if not entry.flags & ENABLED:
            return
        if not self.x2apic and entry.apic_id > _MAX_XAPIC_ID:
            self._srat_line(f"PXM {entry.proximity_domain} -> X2APIC 0x{entry.apic_id:04x} ignored")
            return
        self._map_apic(entry.proximity_domain, entry.apic_id, 4)

    def _map_apic(self, pxm: int, apic_id: int, digits: int) -> None:
        nid = self.state.acpi_map_pxm_to_node(pxm)
        if nid == NUMA_NO_NODE:
            self._srat_line(f"Too many proximity domains {pxm:x}", SRAT_ENTRY_BAD)
            self.state.bad_srat()
            return
        text = f"PXM {pxm} -> APIC 0x{apic_id:0{digits}x} -> Node {nid}"
        if _MAX_LOCAL_APIC <= apic_id < 1 << 31:
            self._srat_line(f"{text} skipped apicid that is too big")
            return
        if apic_id < _MAX_LOCAL_APIC:  # the kernel's number has a sign: a larger one is written outside its map
            self.apicid_to_node[apic_id] = nid
        self.state.parsed.add(nid)
        if not self.kernel.has(behaviours.SRAT_CPU_LINES_AT_DEBUG_LEVEL):
            self._srat_line(text)

    def _srat_line(self, text: str, rule: Rule | None = None) -> None:
        self.log.printk(f"SRAT: {text}", "arch/x86/mm/srat.c", rule)

    # --- CPUs

    def _init_array(self) -> None:
        """Deal CPUs without a node out over the online nodes in turn. Linux: ``numa_init`` and ``numa_init_array``."""
        online = sorted(self.state.online)
        at = 0
        for cpu in range(self.cpus):
            if self.state.cpu_node(cpu) not in self.state.online and online:
                self.state.set_cpu_node(cpu, online[at % len(online)])
                at += 1

    def init_cpu_to_node(self, apic_ids: list[int]) -> None:
        """Give each CPU (by position: its APIC id) the node that the SRAT names, and bring that node online.

        Runs after the zones were laid out: nodes with nothing but CPUs were still offline then.
        """
        for cpu, apic_id in enumerate(apic_ids):
            nid = self.apicid_to_node.get(apic_id, NUMA_NO_NODE)
            if nid != NUMA_NO_NODE:
                self.state.online.add(nid)
                self.state.set_cpu_node(cpu, nid)

    def srat_detect_node(self, apic_ids: list[int]) -> None:
        """Move CPUs that the SRAT does not name to where their cache is: how AMD's CPUs find their node.

        All CPUs of a machine are taken to share the cache with number 0, as those of one processor do. Should there be
        no such node, that of the CPU with the next lower APIC id is taken, else of the next higher one.
        Linux: ``arch/x86/kernel/cpu/{amd,hygon}.c: srat_detect_node``, ``nearby_node``.
        """
        online = self.state.online
        known = sorted(apic_id for apic_id, nid in self.apicid_to_node.items() if nid in online)
        for cpu, apic_id in enumerate(apic_ids):
            if apic_id in self.apicid_to_node:
                continue
            below = [other for other in known if other < apic_id]
            nearby = below[-1:] or known[:1]
            nid = self.apicid_to_node[nearby[0]] if nearby else min(online, default=NUMA_NO_NODE)
            self.state.set_cpu_node(cpu, 0 if 0 in online else nid)

    def init_gi_nodes(self) -> None:
        """Bring nodes online that have nothing but a generic initiator; runs after :meth:`init_cpu_to_node`."""
        self.state.online |= self.state.has_generic_initiator


def x86_numa_init(system: System, max_pfn: int) -> X86Numa:
    """Find the nodes of a system whose ``memblock`` is complete; install its address-to-node answers.

    ``numa=`` must have been taken by :func:`numa_setup`. When the zones are laid out, the caller goes on with
    ``numa.init_cpu_to_node(apic_ids(system))`` and ``numa.init_gi_nodes()``, as ``setup_arch()`` does.

    :param max_pfn: pfn after the last page of RAM.
    :raises TableError: SRAT, SLIT or CEDT cannot be read as a table.
    """
    state, machine = system.nodes, system.machine
    if system.acpi_disabled and machine.efi_map is not None:
        system.cpus = 1  # UEFI has no MP tables, which would name the others
    numa = X86Numa(
        state,
        system.memblock,
        max_pfn,
        cpus=system.cpus,
        x2apic=system.cpus > _MAX_XAPIC_ID or max(apic_ids(system)) > _MAX_XAPIC_ID,
    )
    disabled = system.acpi_disabled
    acpi = (
        (lambda: numa.x86_acpi_numa_init(machine.acpi, disabled=disabled))
        if system.kernel.builtin("ACPI_NUMA")
        else None
    )
    numa.run(acpi)
    if system.kernel.builtin("NUMA_KEEP_MEMINFO"):
        state.address_to_node = numa.memblks
    return numa


def apic_ids(system: System) -> list[int]:
    """APIC id of each CPU, in the order of the MADT's usable processors; as many as the machine has CPUs.

    Linux: ``arch/x86/kernel/acpi/boot.c: acpi_parse_madt_lapic_entries``. Without a MADT: 0, 1, 2 ...
    """
    madt = acpi_get_table(system.acpi, Madt.SIGNATURE)
    found: dict[int, None] = {}
    if madt is not None:

        def lapic(table: RawTable, offset: int) -> int:
            entry = LocalApic.read(table.data, offset)
            return _register(entry.apic_id, entry.apic_id != 0xFF and bool(entry.flags & CPU_ENABLED))

        def x2apic(table: RawTable, offset: int) -> int:
            entry = LocalX2apic.read(table.data, offset)
            return _register(entry.apic_id, entry.apic_id != 0xFFFFFFFF and bool(entry.flags & CPU_ENABLED))

        def _register(apic_id: int, usable: bool) -> int:
            if usable and apic_id < _MAX_LOCAL_APIC:
                found.setdefault(apic_id)
            return 0

        handlers = [(LOCAL_APIC, lapic), (LOCAL_X2APIC, x2apic)]
        acpi_parse_entries_array(system.log, system.kernel, madt, Madt.entries_offset(), handlers)
    return list(found)[: system.cpus] if found else list(range(system.cpus))
