"""Nodes on arm64. Linux: ``drivers/base/arch_numa.c``, ``arch/arm64/kernel/acpi_numa.c``.

Two engines: before 6.12 a node id is written straight into memblock as the SRAT is read; from 6.12 on the engine is the
one of ``mm/numa_memblks.c`` that x86 has too. Addresses are bytes, ends exclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.acpi_numa import AcpiNumaArch, acpi_disabled, acpi_numa_init
from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.kernel.numa.numa_memblks import NumaMemblks
from softreserve.model.acpi.srat import ENABLED, GiccAffinity
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.kernel.numa.numa_emulation import NumaEmulation
    from softreserve.model.machine import Machine

__all__ = ["ArchNuma"]

_FILE: Final = "drivers/base/arch_numa.c"


class _AcpiArch(AcpiNumaArch):
    """What the SRAT means here. ``add`` is the engine's ``numa_add_memblk``, ``fill`` its ``numa_fill_memblks``."""

    def __init__(
        self, state: NumaState, add: Callable[[int, int, int], int], fill: Callable[[int, int], int] | None
    ) -> None:
        super().__init__(state)
        self._add = add
        self._fill = fill

    def numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """Memory of a node: 0 or -errno."""
        return self._add(nid, start, end)

    def numa_fill_memblks(self, start: int, end: int) -> int:
        """A CXL window: 0, or -1 where the engine knows no block in it, or no windows."""
        return super().numa_fill_memblks(start, end) if self._fill is None else self._fill(start, end)

    def gicc_affinity_init(self, entry: GiccAffinity) -> None:
        """A processor: its domain gets a node id. Linux: ``acpi_numa_gicc_affinity_init``."""
        state, function = self.state, "arch/arm64/kernel/acpi_numa.c: acpi_numa_gicc_affinity_init"
        if state.srat_disabled:
            return
        if entry.length < GiccAffinity.size():
            state.log.printk(f"ACPI: NUMA: SRAT: Invalid SRAT header length: {entry.length}", function)
            state.bad_srat()
            return
        if not entry.flags & ENABLED:
            return
        nid = state.acpi_map_pxm_to_node(entry.proximity_domain)
        if nid == NUMA_NO_NODE:
            pxm = _signed(entry.proximity_domain)
            state.log.printk(f"ACPI: NUMA: SRAT: Too many proximity domains {pxm}", function)
            state.bad_srat()
            return
        state.parsed.add(nid)


def _signed(value: int) -> int:
    """A 32-bit number as ``%d`` prints it."""
    return value - ((value & 0x8000_0000) << 1)


class ArchNuma:
    """One boot's attempts at finding nodes: from ACPI, else one faked node for everything.

    :param generic: whether the engine is the one of 6.12.
    :param fake: what follows ``numa=fake=``, for that engine.
    """

    def __init__(
        self, state: NumaState, memblock: Memblock, machine: Machine, *, generic: bool, fake: str | None = None
    ) -> None:
        self.state = state
        self.memblock = memblock
        self.machine = machine
        self.log = state.log
        self.kernel = state.kernel
        self.memblks: NumaMemblks | None = None
        if generic:
            page = self.kernel.page_size
            end_of_ram = memblock.end_of_dram() // page * page
            self.memblks = NumaMemblks(state, memblock, end_of_ram, self._emulation(fake))
            if self.kernel.builtin("NUMA_KEEP_MEMINFO"):
                state.address_to_node = self.memblks
        else:
            state.distance_prefix = "NUMA: "

    def _emulation(self, fake: str | None) -> NumaEmulation | None:
        """Emulated nodes should reach below 4 GiB counted from the start of DRAM. CPUs have no nodes yet."""
        if fake is None:
            return None
        from softreserve.kernel.numa.numa_emulation import NumaEmulation

        return NumaEmulation(fake, self.memblock.start_of_dram() + (4 << 30), lambda _map: None)

    def arch_numa_init(self) -> None:
        """Try ACPI unless ``numa=off``; fall back to one node. A bad SRAT leads straight to the fall-back."""
        if not self.state.numa_off:
            disabled = acpi_disabled(self.machine.cmdline)
            method = self._of_numa_init if disabled else self._arch_acpi_numa_init
            if not self._numa_init(method):
                return
        self._numa_init(self._dummy_numa_init)

    # --- methods

    def _arch_acpi_numa_init(self) -> int:
        fill = None if self.memblks is None else self.memblks.numa_fill_memblks
        arch = _AcpiArch(self.state, self._numa_add_memblk, fill)
        status = acpi_numa_init(self.state, self.memblock, self.machine.acpi, arch)
        if status:
            if self.memblks is None:
                self._print("Failed to initialise from firmware", "arch_acpi_numa_init")
            return status
        return -EINVAL if self.state.srat_disabled else 0

    def _of_numa_init(self) -> int:
        """The device tree that the stub makes has no memory nodes."""
        return -EINVAL

    def _dummy_numa_init(self) -> int:
        """One node for all memory. From then on no proximity domain has a node."""
        start, end = self.memblock.start_of_dram(), self.memblock.end_of_dram()
        if self.state.numa_off:
            self._print("NUMA disabled", "dummy_numa_init")
        self._print(f"Faking a node at [mem {start:#018x}-{(end - 1) & U64_MAX:#018x}]", "dummy_numa_init")
        status = self._numa_add_memblk(0, start, end)
        if status:
            self._print("NUMA init failed", "dummy_numa_init")
            return status
        self.state.parsed.add(0)
        self.state.numa_off = True
        self.log.record("one node is faked", f"{_FILE}: dummy_numa_init", start, end, after="node 0")
        return 0

    # --- the engines

    def _numa_add_memblk(self, nid: int, start: int, end: int) -> int:
        """Before 6.12 memory that exists gets the node, whatever it had; a range without memory changes nothing."""
        if self.memblks is not None:
            return self.memblks.numa_add_memblk(nid, start, end)
        status = self.memblock.set_node(start, (end - start) & U64_MAX, self.memblock.memory, nid)
        if status < 0:
            text = f"memblock [{start:#x} - {(end - 1) & U64_MAX:#x}] failed to add on node {nid}"
            self._print(text, "numa_add_memblk")
            return status
        self.state.parsed.add(nid)
        return status

    def _numa_init(self, method: Callable[[], int]) -> int:
        state = self.state
        for mask in (state.parsed, state.possible, state.online):
            mask.clear()
        if self.memblks is None:
            state.numa_alloc_distance(state.max_numnodes)
            status = method()
        else:
            status = self.memblks.numa_memblks_init(method)
        if status >= 0:
            status = self._numa_register_nodes()
        if status < 0:
            state.numa_reset_distance()
        return min(status, 0)

    def _numa_register_nodes(self) -> int:
        """Put every parsed node online, with or without memory; refused where any memory has no node."""
        state = self.state
        if not state.parsed:
            self._print("No NUMA configuration found", "numa_init")
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

    def _all_memory_has_a_node(self) -> bool:
        if self.memblks is not None:
            return self.memblock.validate_numa_coverage(0)
        for region in self.memblock.memory:
            if region.nid == NUMA_NO_NODE or region.nid >= self.state.max_numnodes:
                span = f"[mem {region.base:#018x}-{region.end - 1:#018x}]"
                self._print(f"Warning: invalid memblk node {region.nid} {span}", "numa_register_nodes")
                return False
        return True

    def _print(self, text: str, function: str) -> None:
        self.log.printk(f"NUMA: {text}", f"{_FILE}: {function}")
