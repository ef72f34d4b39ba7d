"""Processors and their nodes. Linux: ``arch/arm64/kernel/smp.c``, ``arch/arm64/kernel/acpi_numa.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.model.acpi.madt import ENABLED as GICC_ENABLED
from softreserve.model.acpi.madt import GENERIC_INTERRUPT, GenericInterrupt, Madt
from softreserve.model.acpi.srat import ENABLED, GICC_AFFINITY, GiccAffinity, Srat
from softreserve.model.acpi.tables import acpi_get_table, acpi_parse_entries_array
from softreserve.model.units import EINVAL, U64_MAX

from softreserve_arm64 import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.model.acpi.tables import RawTable
    from softreserve.model.machine import Machine

__all__ = ["smp_init_cpus"]

_SMP: Final = "arch/arm64/kernel/smp.c: acpi_map_gic_cpu_interface"
_ACPI_NUMA: Final = "arch/arm64/kernel/acpi_numa.c: acpi_parse_gicc_pxm"
_MPIDR_HWID_BITMASK: Final = 0xFF_00FF_FFFF
_GICC_ONLINE_CAPABLE: Final = 1 << 3
#: A GICC entry may end before the efficiency class. Linux: ``ACPI_MADT_GICC_MIN_LENGTH``.
_GICC_MIN_LENGTH: Final = 76


class _Cpus:
    """Logical CPUs in the order of the MADT; the first usable entry is taken for the boot CPU."""

    def __init__(self, state: NumaState, machine: Machine) -> None:
        self._state = state
        self._log = state.log
        self._usable = GICC_ENABLED
        if state.kernel.has(behaviours.ARM64_GICC_ONLINE_CAPABLE):
            self._usable |= _GICC_ONLINE_CAPABLE
        #: ``(ACPI UID, MPIDR)`` by logical CPU.
        self.found: list[tuple[int, int]] = []
        self.early_node: dict[int, int] = {}
        madt = acpi_get_table(machine.acpi, "APIC")
        if madt is None:
            self.found = [(cpu, cpu) for cpu in range(machine.cpus)]
        else:
            handlers = [(GENERIC_INTERRUPT, self._gic_cpu_interface)]
            acpi_parse_entries_array(self._log, state.kernel, madt, Madt.entries_offset(), handlers)

    def _gic_cpu_interface(self, table: RawTable, offset: int) -> int:
        """One processor of the MADT. Linux: ``acpi_map_gic_cpu_interface``."""
        entry = GenericInterrupt.read(table.data, offset)
        if entry.length < _GICC_MIN_LENGTH or offset + entry.length > table.length:
            return -EINVAL
        if not entry.flags & self._usable:
            return 0
        mpidr = entry.arm_mpidr
        if mpidr & ~_MPIDR_HWID_BITMASK:
            self._log.printk(f"skipping CPU entry with invalid MPIDR {mpidr:#x}", _SMP)
        elif any(mpidr == known for _, known in self.found):
            self._log.printk(f"duplicate CPU MPIDR {mpidr:#x} in MADT", _SMP)
        else:
            self.found.append((entry.uid, mpidr))
        return 0

    def map_gicc_pxm(self, table: RawTable, offset: int) -> int:
        """One processor of the SRAT. Linux: ``acpi_parse_gicc_pxm``."""
        if self._state.srat_disabled:
            return -EINVAL
        entry = GiccAffinity.read(table.data, offset)
        if not entry.flags & ENABLED:
            return 0
        nid = self._state.pxm_to_node(entry.proximity_domain)
        cpu = self._cpu_of_uid(entry.acpi_processor_uid)
        if cpu is None:
            return 0
        self.early_node[cpu] = nid
        mpidr = self.found[cpu][1] if cpu < len(self.found) else U64_MAX
        text = f"SRAT: PXM {entry.proximity_domain} -> MPIDR {mpidr:#x} -> Node {nid}"
        self._log.printk(f"ACPI: NUMA: {text}", _ACPI_NUMA)
        return 0

    def _cpu_of_uid(self, uid: int) -> int | None:
        """The logical CPU of an ACPI UID; CPUs that no MADT entry describes count as UID 0."""
        for cpu, (known, _) in enumerate(self.found):
            if known == uid:
                return cpu
        return len(self.found) if uid == 0 else None


def smp_init_cpus(state: NumaState, machine: Machine, *, acpi: bool) -> None:
    """Give every CPU its node; node 0 where the SRAT does not say, or where there are no nodes.

    :param acpi: ACPI is on; without it the processors come from a device tree, which names no nodes.
    """
    cpus = _Cpus(state, machine) if acpi else None
    srat = acpi_get_table(machine.acpi, "SRAT") if cpus is not None else None
    if cpus is not None and srat is not None:
        handlers = [(GICC_AFFINITY, cpus.map_gicc_pxm)]
        acpi_parse_entries_array(state.log, state.kernel, srat, Srat.entries_offset(), handlers)
    for cpu in range(machine.cpus):
        nid = cpus.early_node.get(cpu, NUMA_NO_NODE) if cpus is not None else NUMA_NO_NODE
        state.set_cpu_node(cpu, 0 if state.numa_off or not 0 <= nid < state.max_numnodes else nid)
