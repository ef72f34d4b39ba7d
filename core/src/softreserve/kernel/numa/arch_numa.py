"""Nodes on architectures that leave them to generic code. Linux: ``drivers/base/arch_numa.c``.

Two engines: before 6.12 a node id is written straight into memblock as the SRAT is read; from 6.12 on the engine is
that of ``mm/numa_memblks.c``. Addresses are bytes, ends exclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.memblock import NOT_COVERED
from softreserve.kernel.numa.acpi_numa import SRAT_ENTRY_BAD, AcpiNumaArch, acpi_numa_init
from softreserve.kernel.numa.numa import NO_NUMA, NODE_FAKED, NUMA_NO_NODE
from softreserve.kernel.numa.numa_memblks import NumaMemblks
from softreserve.kernel.state import StashKey
from softreserve.model.acpi.srat import ENABLED, GiccAffinity, RintcAffinity, UidAffinity
from softreserve.model.behaviours import NUMA_MEMBLKS_GENERIC
from softreserve.model.units import U64_MAX, mem_text, signed

if TYPE_CHECKING:
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.kernel.numa.numa_emulation import NumaEmulation
    from softreserve.kernel.state import KernelState
    from softreserve.model.events import Rule

__all__ = ["ARCH_NUMA", "ArchNuma", "GenericArchNuma", "arch_numa"]

_FILE: Final = "drivers/base/arch_numa.c"


class ArchNuma(AcpiNumaArch):
    """One boot's attempts at finding nodes: from ACPI, else one faked node for everything.

    :param processors: the kind of SRAT entry that names processors here; others mean nothing.
    :param source: the file of the architecture that reads it.
    """

    def __init__(self, state: KernelState, nodes: NumaState, processors: type[UidAffinity], source: str) -> None:
        super().__init__(nodes)
        self.machine = state.machine
        self._boot = state
        self.memblock = state.memblock
        self.kernel = state.kernel
        self.log = state.log
        self._processors = processors
        self._source = source

    def early_param(self, value: str | None) -> int:
        """``numa=value``: 0 or -EINVAL. Linux: ``numa_parse_early_param``."""
        if value is None:
            return -EINVAL
        if value.startswith("off"):
            self.state.numa_off = True
        return 0

    def arch_numa_init(self) -> None:
        """Try ACPI unless ``numa=off``; fall back to one node. A bad SRAT leads straight to the fall-back."""
        self._begin()
        if not self.state.numa_off:
            method = self._of_numa_init if self._boot.acpi_disabled else self._arch_acpi_numa_init
            if not self._numa_init(method):
                return
        self._numa_init(self._dummy_numa_init)

    # --- what the SRAT says

    def gicc_affinity_init(self, entry: GiccAffinity) -> None:
        """Take a processor of Arm."""
        self._affinity(entry)

    def rintc_affinity_init(self, entry: RintcAffinity) -> None:
        """Take a processor of RISC-V."""
        self._affinity(entry)

    def _affinity(self, entry: UidAffinity) -> None:
        """A processor: its domain gets a node id. Linux: ``acpi_numa_gicc_affinity_init``, ``acpi_numa_rintc_...``."""
        if self.state.srat_disabled or not isinstance(entry, self._processors):
            return
        if entry.length < self._processors.size():
            self._bad_srat(f"Invalid SRAT header length: {entry.length}")
            return
        if not entry.flags & ENABLED:
            return
        nid = self.state.acpi_map_pxm_to_node(entry.proximity_domain)
        if nid == NUMA_NO_NODE:
            self._bad_srat(f"Too many proximity domains {signed(entry.proximity_domain)}")
            return
        self.state.parsed.add(nid)

    def _bad_srat(self, why: str) -> None:
        self.log.printk(f"ACPI: NUMA: SRAT: {why}", self._source, SRAT_ENTRY_BAD)
        self.state.bad_srat()

    # --- methods

    def _arch_acpi_numa_init(self) -> int:
        status = acpi_numa_init(self.state, self.memblock, self.machine.acpi, self)
        if status:
            self._acpi_failed()
            return status
        return -EINVAL if self.state.srat_disabled else 0

    def _of_numa_init(self) -> int:
        """Nothing tells of nodes in a device tree, which is no mistake; what the stub makes has no memory at all."""
        return 0

    def _dummy_numa_init(self) -> int:
        """One node for all memory. From then on no proximity domain has a node."""
        start, end = self.memblock.start_of_dram(), self.memblock.end_of_dram()
        if self.state.numa_off:
            self._print("NUMA disabled", "dummy_numa_init", NO_NUMA)
        self._print(f"Faking a node at {mem_text(start, end, wide=True)}", "dummy_numa_init")
        status = self.numa_add_memblk(0, start, end)
        if status:
            self._print("NUMA init failed", "dummy_numa_init", NO_NUMA)
            return status
        self.state.parsed.add(0)
        self.state.numa_off = True
        self.log.record(NODE_FAKED, f"{_FILE}: dummy_numa_init", start, end, after="node 0")
        return 0

    # --- the engine of before 6.12

    def _acpi_failed(self) -> None:
        self._print("Failed to initialise from firmware", "arch_acpi_numa_init", NO_NUMA)

    def _begin(self) -> None:
        self.state.distance_prefix = "NUMA: "

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """Give memory that exists its node, whatever it had; a range without memory changes nothing: 0 or -errno."""
        status = self.memblock.set_node(start, (end - start) & U64_MAX, self.memblock.memory, nid)
        if status < 0:
            text = f"memblock [{start:#x} - {(end - 1) & U64_MAX:#x}] failed to add on node {nid}"
            self._print(text, "numa_add_memblk")
            return status
        self.state.parsed.add(nid)
        return status

    def _run_method(self, method: Callable[[], int]) -> int:
        self.state.numa_alloc_distance(self.state.max_numnodes)
        return method()

    def _all_memory_has_a_node(self) -> bool:
        for region in self.memblock.memory:
            if region.nid == NUMA_NO_NODE or region.nid >= self.state.max_numnodes:
                span = mem_text(region.base, region.end, wide=True)
                self._print(f"Warning: invalid memblk node {region.nid} {span}", "numa_register_nodes", NOT_COVERED)
                return False
        return True

    # --- what follows is the same for both

    def _numa_init(self, method: Callable[[], int]) -> int:
        state = self.state
        for mask in (state.parsed, state.possible, state.online):
            mask.clear()
        status = self._run_method(method)
        if status >= 0:
            status = self._numa_register_nodes()
        if status < 0:
            state.numa_reset_distance()
        return min(status, 0)

    def _numa_register_nodes(self) -> int:
        """Put every parsed node online, with or without memory; refused where any memory has no node."""
        state = self.state
        if not state.parsed:
            self._print("No NUMA configuration found", "numa_init", NO_NUMA)
            return -EINVAL
        if not self._all_memory_has_a_node():
            return -EINVAL
        with_memory = {nid for _, _, nid in self.memblock.mem_pfn_ranges()}
        for nid in sorted(state.parsed):
            if nid not in with_memory:
                self._print(f"Initmem setup node {nid} [<memory-less node>]", "setup_node_data")
            state.online.add(nid)
        state.possible.clear()
        state.possible |= state.parsed
        return 0

    def _print(self, text: str, function: str, rule: Rule | None = None) -> None:
        self.log.printk(f"NUMA: {text}", f"{_FILE}: {function}", rule)


class GenericArchNuma(ArchNuma):
    """The same with the engine of 6.12; ``numa=fake=`` works."""

    _fake: str | None = None
    _memblks: NumaMemblks

    def early_param(self, value: str | None) -> int:
        """``numa=value``: 0 or -EINVAL."""
        status = super().early_param(value)
        if value is not None and value.startswith("fake="):
            if not self.kernel.builtin("NUMA_EMU"):
                return -EINVAL
            self._fake = value.removeprefix("fake=")
        return status

    def _begin(self) -> None:
        page = self.kernel.page_size
        end_of_ram = self.memblock.end_of_dram() // page * page
        self._memblks = NumaMemblks(self.state, self.memblock, end_of_ram, self._emulation())
        if self.kernel.builtin("NUMA_KEEP_MEMINFO"):
            self.state.address_to_node = self._memblks

    def _emulation(self) -> NumaEmulation | None:
        """Emulated nodes should reach below 4 GiB counted from the start of DRAM. CPUs have no nodes yet."""
        if self._fake is None:
            return None
        from softreserve.kernel.numa.numa_emulation import NumaEmulation

        return NumaEmulation(self._fake, self.memblock.start_of_dram() + (4 << 30), lambda _map: None)

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """Note a block: 0 or -errno."""
        return self._memblks.numa_add_memblk(nid, start, end)

    def numa_add_reserved_memblk(self, nid: int, start: int, end: int) -> int:
        """Note a block of what is no RAM now: 0 or -errno."""
        return self._memblks.numa_add_reserved_memblk(nid, start, end)

    def numa_fill_memblks(self, start: int, end: int) -> int:
        """A CXL window: 0, or -1 where no block is in it."""
        return self._memblks.numa_fill_memblks(start, end)

    def _of_numa_init(self) -> int:
        """Nothing tells of nodes in a device tree: fail."""
        return -EINVAL

    def _acpi_failed(self) -> None:
        """Say nothing of it: it is a line of debug level."""

    def _run_method(self, method: Callable[[], int]) -> int:
        return self._memblks.numa_memblks_init(method)

    def _all_memory_has_a_node(self) -> bool:
        return self.memblock.validate_numa_coverage(0)


def arch_numa(
    state: KernelState, nodes: NumaState, processors: type[UidAffinity], source: str, *, initiators: bool = True
) -> ArchNuma:
    """What finds the nodes of a kernel that boots, by its release; see :class:`ArchNuma`.

    :param initiators: whether the architecture knows generic initiators.
    """
    engine = GenericArchNuma if state.kernel.has(NUMA_MEMBLKS_GENERIC) else ArchNuma
    numa = engine(state, nodes, processors, source)
    numa.takes_initiators = initiators
    return numa


#: Between the command line and the end of early boot.
ARCH_NUMA: StashKey[ArchNuma] = StashKey("arch numa")
