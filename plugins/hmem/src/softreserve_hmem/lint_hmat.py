"""Whether the kernel uses the HMAT, and what of it is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding

from softreserve_hmem.hmat import ENTRY_BAD, HMAT, HMAT_SAYS, TABLE_BAD, TARGET_OVERLAP, VALUE_LOST

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.ranges import PhysRange

__all__ = ["hmat_findings"]


def hmat_findings(system: System, reserved: Sequence[PhysRange]) -> Iterator[Finding]:
    """Findings about the table as a whole, and about single values.

    :param reserved: the soft reserved ranges of the system; without any a missing table is no news.
    """
    without = "nodes have no performance values, and memory tiers tell no node from another"
    if "HMAT" not in system.machine.acpi:
        if reserved:
            yield Finding("note", "hmat-missing", f"the firmware has no HMAT: {without}")
        return
    if system.stash.get(HMAT) is None:
        severity, why = _ignored(system)
        yield Finding(severity, "hmat-ignored", f"the HMAT is not used, {without}: {why}")
        return
    yield from _values(system)


def _ignored(system: System) -> tuple[str, str]:
    """How bad it is that the table is not used, and why it is not, with what to change."""
    if not system.kernel.builtin("ACPI_HMAT"):
        return "warning", "this kernel is built without CONFIG_ACPI_HMAT; build it"
    if "SRAT" not in system.machine.acpi:
        return "warning", "there is no SRAT, which says where its domains are; add one"
    if system.nodes.hmat_disabled:
        return "note", "numa=nohmat is on the command line"
    if system.nodes.numa_off or system.nodes.srat_disabled:
        return "warning", "the SRAT is not used either, for which there is a finding of its own"
    said = [event.after for event in system.log.of(HMAT_SAYS, ENTRY_BAD, TABLE_BAD)]
    if not system.log.of(TABLE_BAD):
        return "warning", f"{said[-1] if said else 'the SRAT is malformed'}; correct it"
    before = said[-2:][0]
    if system.log.of(ENTRY_BAD):
        return "warning", f"an entry is malformed ({before}); correct it"
    return "warning", f"the SRAT does not know a domain of an entry ({before}), or an entry has no length; correct it"


def _values(system: System) -> Iterator[Finding]:
    lost = [event.after for event in system.log.of(VALUE_LOST)]
    if lost:
        message = (
            f"{len(lost)} values of the HMAT are lost, the first is {lost[0]}: entry times base unit does not fit into "
            "32 bits, or is less than the kernel counts in; choose another base unit"
        )
        yield Finding("warning", "hmat-values-lost", message)
    for event in system.log.of(TARGET_OVERLAP):
        message = f"two SRAT entries of one domain overlap: the HMAT's target lacks the later one ({event.text})"
        yield Finding("warning", "hmat-target-overlap", f"{message}; let each byte have one entry")
