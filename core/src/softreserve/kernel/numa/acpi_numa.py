"""What a kernel learns about nodes from SRAT, SLIT and CEDT at boot. Linux: ``drivers/acpi/numa/srat.c``.

Proximity domains become node ids in the order in which they are first seen: first processors and generic initiators,
then memory, then CXL windows that no memory entry covers. All addresses are bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from errno import EINVAL, ENOENT
from typing import TYPE_CHECKING, Final, TypeVar

from softreserve.kernel.numa.numa import NUMA_NO_MEMBLK, NUMA_NO_NODE, NumaState
from softreserve.model import behaviours
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.srat import (
    CPU_AFFINITY,
    ENABLED,
    GENERIC_AFFINITY,
    GICC_AFFINITY,
    HOT_PLUGGABLE,
    MEMORY_AFFINITY,
    NON_VOLATILE,
    RINTC_AFFINITY,
    X2APIC_AFFINITY,
    CpuAffinity,
    GenericAffinity,
    GiccAffinity,
    MemoryAffinity,
    RintcAffinity,
    Srat,
    X2apicAffinity,
)
from softreserve.model.acpi.tables import Handler, RawTable, acpi_get_table, acpi_parse_entries_array
from softreserve.model.events import Rule
from softreserve.model.units import U64_MAX, mem_text

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock

__all__ = ["SLIT_BAD", "SRAT_ENTRY_BAD", "SRAT_MEMORY", "AcpiNumaArch", "acpi_numa_init"]

S = TypeVar("S", bound=Struct)

_FILE: Final = "drivers/acpi/numa/srat.c"
#: A line that says what is wrong with an entry of the SRAT.
SRAT_ENTRY_BAD: Final = Rule("srat-entry-bad", "an entry of the SRAT is not valid")
SLIT_BAD: Final = Rule("slit-bad", "the SLIT is not valid")
#: The rule under which the log keeps what the SRAT says of memory.
SRAT_MEMORY: Final = Rule("srat-memory", "SRAT memory")
CXL_WINDOW: Final = Rule("cxl-window", "CXL window")


class AcpiNumaArch(ABC):
    """What an architecture adds to the walk over the SRAT. The defaults are what the kernel does without it.

    ``takes_initiators``: whether generic initiators make nodes where the release lets them; else they mean nothing.
    """

    takes_initiators = True

    def __init__(self, state: NumaState) -> None:
        self.state = state

    @abstractmethod
    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """Note that memory (end exclusive) belongs to a node: 0 or -errno."""

    def numa_add_reserved_memblk(self, nid: int, start: int, end: int) -> int:
        """Note that what may become memory (end exclusive) would belong to a node: 0 or -errno."""
        return self.numa_add_memblk(nid, start, end)

    def numa_fill_memblks(self, start: int, end: int) -> int:
        """Stretch what is known in a window (end exclusive) over all of it: 0, or -1 where nothing is known."""
        return NUMA_NO_MEMBLK

    def processor_affinity_init(self, entry: CpuAffinity) -> None:  # noqa: B027 - not refused, just nothing to do
        """Take a processor by APIC id."""

    def x2apic_affinity_init(self, entry: X2apicAffinity) -> None:
        """Take a processor by x2APIC id."""
        self.state.log.printk(f"ACPI: Found unsupported x2apic [0x{entry.apic_id:08x}] SRAT entry")

    def gicc_affinity_init(self, entry: GiccAffinity) -> None:  # noqa: B027 - as above
        """Take a processor of Arm by its UID."""

    def rintc_affinity_init(self, entry: RintcAffinity) -> None:  # noqa: B027 - as above
        """Take a processor of RISC-V by its UID."""


def acpi_numa_init(
    state: NumaState,
    memblock: Memblock,
    tables: Mapping[str, bytes],
    arch: AcpiNumaArch,
    *,
    disabled: bool = False,
) -> int:
    """Read SRAT, SLIT and CEDT: 0, or -errno if they name no memory. The caller looks at ``state.srat_disabled`` too.

    :param tables: whole tables by signature.
    :param disabled: ACPI is off.
    :raises TableError: one of them cannot be read as a table.
    """
    return -EINVAL if disabled else _Walk(state, memblock, tables, arch).run()


class _Walk:
    """One run over the tables."""

    def __init__(self, state: NumaState, memblock: Memblock, tables: Mapping[str, bytes], arch: AcpiNumaArch) -> None:
        self.state = state
        self.log = state.log
        self.kernel = state.kernel
        self.memblock = memblock
        self.tables = tables
        self.arch = arch
        self.parsed_numa_memblks = 0
        self.fake_pxm = 0

    def run(self) -> int:
        """Linux: ``acpi_numa_init``."""
        count = 0
        srat = acpi_get_table(self.tables, "SRAT")
        if srat is not None:
            self.state.srat_revision = srat.revision
            self._parse(srat, Srat.entries_offset(), self._initiator_handlers())
            count = self._parse(srat, Srat.entries_offset(), [(MEMORY_AFFINITY, self._memory_affinity)])
        self._parse_slit()
        self._parse_cfmws()
        if count < 0:
            return count
        return 0 if self.parsed_numa_memblks else -ENOENT

    def _parse(self, table: RawTable, offset: int, handlers: list[tuple[int, Handler]]) -> int:
        return acpi_parse_entries_array(self.log, self.kernel, table, offset, handlers)

    def _initiator_handlers(self) -> list[tuple[int, Handler]]:
        arch = self.arch
        handlers: list[tuple[int, Handler]] = [
            (CPU_AFFINITY, _taken(CpuAffinity, arch.processor_affinity_init)),
            (X2APIC_AFFINITY, _taken(X2apicAffinity, arch.x2apic_affinity_init)),
            (GICC_AFFINITY, _taken(GiccAffinity, arch.gicc_affinity_init)),
        ]
        if arch.takes_initiators and self.kernel.has(behaviours.ACPI_GENERIC_INITIATORS):
            handlers.append((GENERIC_AFFINITY, self._gi_affinity))
        if self.kernel.has(behaviours.ACPI_RINTC_AFFINITY):
            handlers.append((RINTC_AFFINITY, _taken(RintcAffinity, arch.rintc_affinity_init)))
        return handlers

    def _gi_affinity(self, table: RawTable, offset: int) -> int:
        """A generic initiator; a disabled one ends the walk. Linux: ``acpi_parse_gi_affinity``."""
        entry = GenericAffinity.read(table.data, offset)
        if not entry.flags & ENABLED:
            return -EINVAL
        nid = self.state.acpi_map_pxm_to_node(entry.proximity_domain)
        if nid == NUMA_NO_NODE:
            self.log.printk("ACPI: SRAT: Too many proximity domains.", f"{_FILE}: acpi_parse_gi_affinity")
            return -EINVAL
        self.state.parsed.add(nid)
        self.state.has_generic_initiator.add(nid)
        return 0

    # --- memory

    def _memory_affinity(self, table: RawTable, offset: int) -> int:
        """A range of memory. Whatever is wrong with it, the walk goes on. Linux: ``acpi_parse_memory_affinity``."""
        if self.state.srat_disabled:
            return 0
        entry = MemoryAffinity.read(table.data, offset)
        function = f"{_FILE}: acpi_parse_memory_affinity"
        if entry.length < MemoryAffinity.size():
            self.log.printk(f"ACPI: SRAT: Unexpected header length: {entry.length}", function, SRAT_ENTRY_BAD)
            self.state.bad_srat()
            return 0
        if entry.flags & ENABLED:
            self._add_memory(entry, function)
        return 0

    def _add_memory(self, entry: MemoryAffinity, function: str) -> None:
        start = entry.base
        end = (start + entry.size_bytes) & U64_MAX
        pxm = entry.proximity_domain
        if self.state.srat_revision <= 1:
            pxm &= 0xFF
        nid = self.state.acpi_map_pxm_to_node(pxm)
        if nid == NUMA_NO_NODE:
            self.log.printk("ACPI: SRAT: Too many proximity domains.", function, SRAT_ENTRY_BAD)
            self.state.bad_srat()
            return
        where = mem_text(start, end)
        if self.arch.numa_add_memblk(nid, start, end) < 0:
            self.log.printk(f"ACPI: SRAT: Failed to add memblk to node {nid} {where}", function, SRAT_ENTRY_BAD)
            self.state.bad_srat()
            return
        self.state.parsed.add(nid)
        hotplug = self.kernel.enabled("MEMORY_HOTPLUG") and bool(entry.flags & HOT_PLUGGABLE)
        self.log.printk(
            f"ACPI: SRAT: Node {nid} PXM {pxm} {where}"
            f"{' hotplug' if hotplug else ''}{' non-volatile' if entry.flags & NON_VOLATILE else ''}",
            function,
        )
        if hotplug and self.memblock.mark_hotplug(start, entry.size_bytes):
            self.log.printk(f"ACPI: SRAT: Failed to mark hotplug range {where} in memblock", function)
        if start < end:
            self.log.record(SRAT_MEMORY, function, start, end, after=f"node {nid} (domain {pxm})")
        self.parsed_numa_memblks += 1

    # --- distances and windows

    def _parse_slit(self) -> None:
        """Linux: ``acpi_parse_slit``."""
        raw = acpi_get_table(self.tables, "SLIT")
        if raw is None:
            return
        from softreserve.model.acpi.slit import Slit, slit_valid

        slit = Slit.from_raw(raw, "ACPI table SLIT")
        if not slit_valid(slit):
            self.log.printk("ACPI: SLIT table looks invalid. Not used.", f"{_FILE}: acpi_parse_slit", SLIT_BAD)
            return
        nodes = [self.state.pxm_to_node(pxm) for pxm in range(len(slit.rows))]
        for from_, row in zip(nodes, slit.rows, strict=True):
            if from_ == NUMA_NO_NODE:
                continue
            for to, distance in zip(nodes, row, strict=True):
                if to != NUMA_NO_NODE:
                    self.state.numa_set_distance(from_, to, distance)

    def _parse_cfmws(self) -> None:
        """Windows get the domain numbers behind the highest one of the SRAT."""
        if not self.kernel.has(behaviours.ACPI_CXL_WINDOW_NODES):
            return
        if self.kernel.has(behaviours.CXL_WINDOWS_NEED_CXL_ACPI) and not self.kernel.enabled("CXL_ACPI"):
            return
        cedt = acpi_get_table(self.tables, "CEDT")
        self.state.last_real_pxm = self.state.highest_pxm()
        self.fake_pxm = self.state.last_real_pxm + 1
        if cedt is not None:
            from softreserve.model.acpi.cedt import CFMWS, Cedt

            self._parse(cedt, Cedt.entries_offset(), [(CFMWS, self._cfmws)])

    def _cfmws(self, table: RawTable, offset: int) -> int:
        """A CXL window: memory of the node that has part of it, else of a new node. Linux: ``acpi_parse_cfmws``."""
        from softreserve.model.acpi.cedt import FixedMemoryWindow

        window = FixedMemoryWindow.read(table.data, offset)
        start = window.base_hpa
        end = (start + window.window_size) & U64_MAX
        function = f"{_FILE}: acpi_parse_cfmws"
        if self.kernel.has(behaviours.CXL_WINDOW_BOUNDS_BLOCK_SIZE):
            self._advise_block_size(start | end, function)
        if self.arch.numa_fill_memblks(start, end) == 0:
            return 0
        nid = self.state.acpi_map_pxm_to_node(self.fake_pxm)
        if nid == NUMA_NO_NODE:
            text = "ACPI: ACPI NUMA: Too many proximity domains while processing CFMWS."
            self.log.printk(text, function)
            return -EINVAL
        reserved = self.kernel.has(behaviours.CXL_WINDOW_BLOCKS_RESERVED)
        add = self.arch.numa_add_reserved_memblk if reserved else self.arch.numa_add_memblk
        if add(nid, start, end) < 0:
            text = f"ACPI: ACPI NUMA: Failed to add memblk for CFMWS node {nid} [mem {start:#x}-{end:#x}]"
            self.log.printk(text, function)
        self.state.parsed.add(nid)
        if start < end:
            self.log.record(CXL_WINDOW, function, start, end, after=f"node {nid}")
        self.fake_pxm += 1
        return 0

    def _advise_block_size(self, borders: int, function: str) -> None:
        """Memory blocks should not reach over the ends of a window."""
        from softreserve.model.acpi.cedt import WINDOW_ALIGN

        align = borders & -borders
        if align >= WINDOW_ALIGN:
            self.state.memory_block_advise_max_size(align)
        else:
            self.log.printk("ACPI: CFMWS: [BIOS BUG] base/size alignment violates spec", function)


def _taken(kind: type[S], take: Callable[[S], None]) -> Handler:
    """What hands an entry to the architecture; the walk always goes on."""

    def handler(table: RawTable, offset: int) -> int:
        take(kind.read(table.data, offset))
        return 0

    return handler
