"""Which processors there are. Linux: ``arch/arm64/kernel/smp.c``."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.cpus_by_uid import UidCpu
from softreserve.model.acpi.madt import ENABLED, GENERIC_INTERRUPT, GenericInterrupt, Madt
from softreserve.model.acpi.tables import acpi_get_table, acpi_parse_entries_array

from softreserve_arm64 import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.model.acpi.tables import RawTable
    from softreserve.model.machine import Machine

__all__ = ["acpi_cpus"]

_SMP: Final = "arch/arm64/kernel/smp.c: acpi_map_gic_cpu_interface"
_MPIDR_HWID_BITMASK: Final = 0xFF_00FF_FFFF
_GICC_ONLINE_CAPABLE: Final = 1 << 3
#: A GICC entry may end before the efficiency class. Linux: ``ACPI_MADT_GICC_MIN_LENGTH``.
_GICC_MIN_LENGTH: Final = 76


def acpi_cpus(nodes: NumaState, machine: Machine) -> list[UidCpu]:
    """UID and MPIDR by logical CPU, in the order of the MADT; the first usable entry is taken for the boot CPU.

    Linux: ``acpi_map_gic_cpu_interface``. Without a MADT both are the CPU's number.
    """
    madt = acpi_get_table(machine.acpi, Madt.SIGNATURE)
    if madt is None:
        return [UidCpu(cpu, cpu) for cpu in range(machine.cpus)]
    usable = ENABLED | (_GICC_ONLINE_CAPABLE if nodes.kernel.has(behaviours.ARM64_GICC_ONLINE_CAPABLE) else 0)
    found: dict[int, UidCpu] = {}

    def gic_cpu_interface(table: RawTable, offset: int) -> int:
        entry = GenericInterrupt.read(table.data, offset)
        if entry.length < _GICC_MIN_LENGTH or offset + entry.length > table.length:
            return -EINVAL
        if not entry.flags & usable:
            return 0
        mpidr = entry.arm_mpidr
        if mpidr & ~_MPIDR_HWID_BITMASK:
            nodes.log.printk(f"skipping CPU entry with invalid MPIDR {mpidr:#x}", _SMP)
        elif mpidr in found:
            nodes.log.printk(f"duplicate CPU MPIDR {mpidr:#x} in MADT", _SMP)
        else:
            found[mpidr] = UidCpu(entry.uid, mpidr)
        return 0

    handlers = [(GENERIC_INTERRUPT, gic_cpu_interface)]
    acpi_parse_entries_array(nodes.log, nodes.kernel, madt, Madt.entries_offset(), handlers)
    return list(found.values())
