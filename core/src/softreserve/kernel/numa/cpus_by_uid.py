"""Which CPU is on which node, where the SRAT names processors by their ACPI UID.

Linux: ``acpi_map_cpus_to_nodes()`` and ``early_map_cpu_to_node()`` in ``acpi_numa.c`` of the architectures.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EINVAL
from typing import TYPE_CHECKING, NamedTuple

from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.model.acpi.srat import ENABLED, Srat, UidAffinity
from softreserve.model.acpi.tables import acpi_get_table, acpi_parse_entries_array
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.numa.numa import NumaState
    from softreserve.model.acpi.tables import RawTable
    from softreserve.model.machine import Machine

__all__ = ["UidCpu", "map_cpus_to_nodes"]


class UidCpu(NamedTuple):
    """A processor: its ACPI UID, and the number by which the hardware knows it."""

    uid: int
    hardware_id: int


def map_cpus_to_nodes(
    nodes: NumaState,
    machine: Machine,
    cpus: Sequence[UidCpu] | None,
    processors: type[UidAffinity],
    *,
    called: str,
    function: str,
) -> None:
    """Give every CPU its node; node 0 where the SRAT does not say, or where there are no nodes.

    :param cpus: the processors of the MADT by logical number; ``None``: ACPI is off, and a device tree names no nodes.
    :param processors: the kind of SRAT entry that names processors here.
    :param called: what the kernel calls the hardware's number: ``MPIDR``.
    :param function: the kernel's file and function.
    """
    early_node: dict[int, int] = {}

    def processor(table: RawTable, offset: int) -> int:
        if nodes.srat_disabled:
            return -EINVAL
        entry = processors.read(table.data, offset)
        if not entry.flags & ENABLED:
            return 0
        nid = nodes.pxm_to_node(entry.proximity_domain)
        cpu = _cpu_of_uid(cpus or (), entry.acpi_processor_uid)
        if cpu is None:
            return 0
        early_node[cpu] = nid
        hardware_id = cpus[cpu].hardware_id if cpus and cpu < len(cpus) else U64_MAX
        text = f"SRAT: PXM {entry.proximity_domain} -> {called} {hardware_id:#x} -> Node {nid}"
        nodes.log.printk(f"ACPI: NUMA: {text}", function)
        return 0

    srat = acpi_get_table(machine.acpi, Srat.SIGNATURE) if cpus is not None else None
    if srat is not None:
        handlers = [(processors.type, processor)]
        acpi_parse_entries_array(nodes.log, nodes.kernel, srat, Srat.entries_offset(), handlers)
    for cpu in range(machine.cpus):
        nid = early_node.get(cpu, NUMA_NO_NODE)
        nodes.set_cpu_node(cpu, 0 if nodes.numa_off or not 0 <= nid < nodes.max_numnodes else nid)


def _cpu_of_uid(cpus: Sequence[UidCpu], uid: int) -> int | None:
    """The logical CPU of an ACPI UID; CPUs that no MADT entry describes count as UID 0."""
    for cpu, known in enumerate(cpus):
        if known.uid == uid:
            return cpu
    return len(cpus) if uid == 0 else None
