"""Whether the kernel uses the HMAT, and what of it is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.numa import format_list
from softreserve.model.findings import Finding

from softreserve_hmem import behaviours
from softreserve_hmem.hmat import ENTRY_BAD, HMAT, HMAT_SAYS, TABLE_BAD, TARGET_OVERLAP, VALUE_LOST
from softreserve_hmem.memory_tiers import MEMTIER_ADISTANCE_DRAM, tier_of_adistance

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import NodeRow, Outcome

__all__ = ["hmat_findings"]

_OLD: Final = "this release puts all memory that kmem brings into one slow tier, whatever the HMAT says (before 6.7)"


def hmat_findings(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Findings about the table as a whole, about single values, and about the tiers that nodes get by it, or without.

    Where no memory is soft reserved, a missing table is no news; where nobody knows whether there is one, nor is that.
    """
    tiers = _Tiers(system, outcome, onlined)
    if "HMAT" in system.machine.unknown:
        return
    if "HMAT" not in system.machine.acpi:
        if outcome.size("ram", "lost") < outcome.total:
            severity = "warning" if tiers.slow else "note"
            yield Finding(severity, "hmat-missing", f"the firmware has no HMAT: {tiers.without()}")
        return
    if system.stash.get(HMAT) is None:
        severity, why = _ignored(system)
        yield Finding(severity, "hmat-ignored", f"the HMAT is not used, {why}: {tiers.without()}")
        return
    yield from _values(system)
    yield from tiers.with_numbers()


class _Tiers:
    """Nodes of specific purpose memory that land in a slower tier than DRAM once their memory is online."""

    def __init__(self, system: System, outcome: Outcome, onlined: Outcome) -> None:
        self._system = system
        #: Whether the kernel puts nodes into tiers by the HMAT.
        self._places_nodes = system.kernel.has(behaviours.KMEM_ASKS_FOR_ABSTRACT_DISTANCE)
        self._now = {row.node: row for row in outcome.nodes}
        self._rows = {row.node: row for row in onlined.nodes}
        dram = [row for row in onlined.nodes if row.ram and row.cpus and row.tier is not None]
        self._dram = min(dram, key=lambda row: row.tier or 0, default=None)
        named = [row for row in onlined.nodes if row.node not in system.nodes.without_domain]
        self.slow = [row for row in named if row.added and not row.ram and self._is_slower(row)]

    def _is_slower(self, row: NodeRow) -> bool:
        dram = self._dram
        return dram is not None and dram.tier is not None and row.tier is not None and row.tier > dram.tier

    def without(self) -> str:
        """What it means that there are no numbers."""
        if not self.slow:
            if self._system.nodes.tiering is None:
                return "nodes have no performance values (this release has no memory tiers)"
            return "nodes have no performance values"
        hint = "give the firmware one with latency and bandwidth of these domains, or leave the memory devdax"
        if not self._places_nodes:
            hint = f"{_OLD}; leave the memory devdax, or use a newer release and an HMAT"
        return f"without its numbers {self._consequence(self.slow)}; {hint}"

    def with_numbers(self) -> Iterator[Finding]:
        """Nodes that are in a slower tier though the HMAT does not say that they are slower, or says nothing."""
        dram = self._dram
        silent = [row for row in self.slow if not _complete(row) or dram is None or not _complete(dram)]
        if silent:
            message = (
                "the HMAT does not give latency and bandwidth of both DRAM and the memory of "
                f"{_nodes(row.node for row in silent)}: {self._consequence(silent)}; complete it"
            )
            yield Finding("warning", "hmat-incomplete", message)
        wrong = [row for row in self.slow if row not in silent and dram is not None and not _slower(row, dram)]
        if wrong:
            why = "DRAM nodes differ too much in their numbers" if self._places_nodes else _OLD
            message = f"by the HMAT it is not slower than DRAM, and yet {self._consequence(wrong)}: {why}"
            yield Finding("warning", "hmat-not-for-tiers", f"{message}; leave the memory devdax where that matters")

    def _consequence(self, rows: list[NodeRow]) -> str:
        assert self._dram is not None
        numbers = {row.node for row in rows}
        online = all(self._now[row.node].tier == row.tier for row in rows if row.node in self._now)
        by_tier: dict[int | None, list[int]] = {}
        for row in rows:
            by_tier.setdefault(row.tier, []).append(row.node)
        is_in = ("is" if len(rows) == 1 else "are") if online else "would be"
        tiers = ", ".join(f"{_nodes(nodes)} {is_in} in tier {tier}" for tier, nodes in by_tier.items())
        result = f"high-bandwidth memory lands in a slower tier: as system RAM {tiers}, "
        above = [row.node for row in self._rows.values() if numbers & set(row.demotes_to)]
        demoted = f", and cold pages of {_nodes(above)} are demoted to it" if above else ""
        return f"{result}DRAM is in tier {self._dram.tier}{demoted}"


def _nodes(numbers: Iterable[int]) -> str:
    listed = format_list(numbers)
    return f"{'node' if listed.isdecimal() else 'nodes'} {listed}"


def _complete(row: NodeRow) -> bool:
    found = row.performance
    return bool(found) and _latency(found) > 0 and _bandwidth(found) > 0


def _slower(row: NodeRow, dram: NodeRow) -> bool:
    """Whether the numbers put a node into a slower tier than DRAM. Linux: ``mt_perf_to_adistance``."""
    distance = MEMTIER_ADISTANCE_DRAM * _latency(row.performance) // _latency(dram.performance)
    distance = distance * _bandwidth(dram.performance) // _bandwidth(row.performance)
    return tier_of_adistance(distance) > tier_of_adistance(MEMTIER_ADISTANCE_DRAM)


def _latency(found: dict[str, int]) -> int:
    return found["read_latency"] + found["write_latency"]


def _bandwidth(found: dict[str, int]) -> int:
    return found["read_bandwidth"] + found["write_bandwidth"]


def _ignored(system: System) -> tuple[str, str]:
    """How bad it is that the table is not used, and why it is not, with what to change."""
    if not system.kernel.builtin("ACPI_HMAT"):
        return "warning", "this kernel is built without CONFIG_ACPI_HMAT; build it"
    if "hmat_init" in system.denied.initcalls:
        return "note", "initcall_blacklist=hmat_init is on the command line"
    if system.srat_turned_off:
        return "note", f"{system.srat_turned_off} is on the command line"
    if "SRAT" not in system.acpi:
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
        ends = re.search(r"(0x[0-9a-f]+) - (0x[0-9a-f]+)", event.text or "")
        start, end = (int(ends[1], 16), int(ends[2], 16)) if ends is not None else (0, 0)
        if start < end:  # of one without bytes there is a finding already
            message = f"two SRAT entries of one domain overlap: the HMAT's target lacks the later one ({event.text})"
            yield Finding("warning", "hmat-target-overlap", f"{message}; let each byte have one entry", start, end)
