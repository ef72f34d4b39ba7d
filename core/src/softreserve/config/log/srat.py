"""SRAT and MADT of what a kernel said of proximity domains, so that domains get the nodes that were printed.

A kernel numbers nodes as it meets their domains: first those of processors and other initiators, then those of memory
(``drivers/acpi/numa/srat.c``). Memory is printed by every release; processors are not by newer ones of x86, other
initiators by none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Final, NamedTuple

from softreserve.config.log.messages import Messages, ends
from softreserve.config.log.processors import FAKED, Processors
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.madt import GenericInterrupt, LocalApic, LocalX2apic, Madt
from softreserve.model.acpi.srat import (
    ENABLED,
    HOT_PLUGGABLE,
    NON_VOLATILE,
    CpuAffinity,
    GenericAffinity,
    MemoryAffinity,
    Srat,
    X2apicAffinity,
)
from softreserve.model.acpi.tables import Header
from softreserve.model.arch import ArchInfo
from softreserve.model.errors import shown
from softreserve.model.units import U32_MAX, U64_MAX

__all__ = ["SRAT_LINES", "ReadSrat", "read_srat"]

_MEMORY: Final = re.compile(r"(?:ACPI: )?SRAT: Node (\d+) PXM (\d+) \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\](.*)")
#: Before 3.5: the end is exclusive.
_OLD_MEMORY: Final = re.compile(r"SRAT: Node (\d+) PXM (\d+) ([0-9a-f]+)-([0-9a-f]*[1-9a-f][0-9a-f]*)()$")
_CPU: Final = re.compile(
    r"(?:ACPI: )?(?:NUMA: )?SRAT: PXM (\d+) -> (APIC|MPIDR|CPU|HARTID) (0x[0-9a-f]+|\d+) -> Node (-?\d+)$"
)
#: Lines that tell of the SRAT: memory, processors.
SRAT_LINES: Final = (_MEMORY, _CPU, _OLD_MEMORY)
#: Of memory for whose domain the kernel had no node left: the table is refused, and which domain it was is not said.
_TOO_MANY: Final = "SRAT: Too many proximity domains."
#: The highest node that there can be, counted from 1.
_NODE_IDS: Final = re.compile(r"setup_percpu: .*\bnr_node_ids:(\d+)")
_MEMORYLESS: Final = re.compile(
    r"(?:NUMA: )?(?:Initmem setup|Initializing) node (\d+) (?:as memoryless|\[<memory-less)"
)

#: How many nodes are online, and which have memory.
_ZONELISTS: Final = re.compile(r"Built (\d+) zonelists")
_RANGE: Final = re.compile(r"node +(\d+): \[mem ")
#: What numbers of processors are called.
_APIC: Final = "APIC"
_MPIDR: Final = "MPIDR"
#: Nodes of the largest kernel that can be built. Linux: ``NODES_SHIFT``.
_NODES_MAX: Final = 1 << 10
#: The largest APIC id that the older entries can have; they print two digits of it, the newer ones four.
_SHORT_MAX: Final = 0xFF
_LONG: Final = len("0x0000")


class _Cpu(NamedTuple):
    """A processor of the SRAT: its domain and node, what its number is called, and the number as it is printed."""

    domain: int
    node: int
    called: str
    digits: str

    @property
    def hardware_id(self) -> int:
        return int(self.digits, 16 if self.digits.startswith("0x") else 10)

    @property
    def is_short(self) -> bool:
        """Whether it is an entry for APIC ids of eight bits."""
        return len(self.digits) < _LONG and self.hardware_id <= _SHORT_MAX


class _Memory(NamedTuple):
    """A range of the SRAT."""

    domain: int
    node: int
    entry: MemoryAffinity


class ReadSrat(NamedTuple):
    """SRAT and MADT, whole tables by signature; ``is_whole``: with memory, too; all its domains."""

    tables: dict[str, bytes]
    is_whole: bool
    domains: Collection[int]


def read_srat(log: Messages, arch: ArchInfo, cpus: Processors) -> ReadSrat | None:
    """SRAT and MADT; ``None`` where the log does not tell of a SRAT.

    :raises InputError: lines that contradict each other, or that no kernel prints.
    """
    memory = [*log.each(_MEMORY, _memory), *log.each(_OLD_MEMORY, _old_memory)]
    listed = log.each(_CPU, _cpu)
    if not memory and not listed:
        return None
    domains = _domains(log)
    nodes = _Nodes(log, {cpu.node for cpu in listed if cpu.node >= 0} | set(cpus.nodes.values()), domains)
    if not listed and not cpus.nodes and cpus.number > 1 and len(domains) > 1:
        log.gap("the nodes of the CPUs", "they are dealt out as by a kernel that is not told")
    first = nodes.met_before(memory)
    entries = list(_processors(arch, cpus, listed, nodes, [nodes.domains[node] for node in range(first + 1)]))
    entries += [item.entry for item in memory]
    if log.has(_TOO_MANY):
        spare = next(domain for domain in count() if domain not in nodes.domains.values())
        entries.append(MemoryAffinity(proximity_domain=spare, base=0, size_bytes=0, flags=ENABLED))
    tables = {
        "SRAT": Srat(entries, header=Header(signature=b"SRAT", revision=3)).sealed(),
        "APIC": Madt(_madt(arch, cpus, listed)).sealed(),
    }
    return ReadSrat(tables, bool(memory), nodes.domains.values())


class _Nodes:
    """The nodes that a log tells of, with those between and behind them that no line of the SRAT names."""

    def __init__(self, log: Messages, with_cpus: set[int], domains: Mapping[int, int]) -> None:
        self.with_cpus = with_cpus
        self.domains = dict(domains)
        named = max((*domains, *with_cpus), default=-1)
        told = [*log.each(_NODE_IDS, lambda found: _node(found) - 1), *log.each(_MEMORYLESS, _node)]
        if not domains or log.has("ACPI: CEDT ") or log.matching(FAKED):  # CXL windows have nodes, too
            told = []
        last = max((named, *told))
        unnamed = [node for node in range(last + 1) if node not in domains]
        online = {*with_cpus, *log.each(_RANGE, _node)}
        zonelists = max(log.each(_ZONELISTS, _node), default=0)
        #: Nodes of initiators that are no processors, as far as one can tell: they are online without anything.
        self.initiators = {node for node in unnamed if node not in with_cpus and zonelists > len(online)}

        for node in unnamed:
            taken = set(self.domains.values())
            self.domains[node] = next(domain for domain in count(node) if domain not in taken)
            what = "has processors" if node in with_cpus else "is taken for one without processors and memory"
            log.gap(f"the proximity domain of node {node}", f"it {what}; domain {self.domains[node]} is assumed")

    def met_before(self, memory: Iterable[_Memory]) -> int:
        """The highest node that was met before any memory was, or -1: others came in the order of their memory."""
        in_order = list(dict.fromkeys(item.node for item in memory))
        highest = max({*self.with_cpus, *(set(self.domains) - set(in_order))}, default=-1)
        while [node for node in in_order if node > highest] != list(
            range(highest + 1, max(self.domains, default=-1) + 1)
        ):
            highest += 1
        return highest


def _domains(log: Messages) -> dict[int, int]:
    """Domain by node.

    :raises InputError: a node of two domains, or a domain with two nodes.
    """
    domains: dict[int, int] = {}
    nodes: dict[int, int] = {}
    for line in log.matching(*SRAT_LINES):
        memory, cpu = _MEMORY.match(line.message) or _OLD_MEMORY.match(line.message), _CPU.match(line.message)
        item: _Cpu | _Memory | None = None
        if memory is not None:
            item = (_memory if memory.re is _MEMORY else _old_memory)(memory)
        elif cpu is not None:
            item = _cpu(cpu)
        if item is None or item.node < 0:
            continue
        if domains.setdefault(item.node, item.domain) != item.domain:
            other = f"domain {domains[item.node]}"
        elif nodes.setdefault(item.domain, item.node) != item.node:
            other = f"node {nodes[item.domain]}"
        else:
            continue
        raise log.error(f"node {item.node} for domain {item.domain} contradicts {other} above", line)
    return domains


def _processors(
    arch: ArchInfo, cpus: Processors, listed: Sequence[_Cpu], nodes: _Nodes, domains: Sequence[int]
) -> Iterator[Struct]:
    """Entries of processors and other initiators, by which a kernel meets ``domains`` in this order."""
    named = [(cpu.domain, _srat_entry(arch, number, cpu)) for number, cpu in enumerate(listed)]
    if not listed:
        in_order = sorted(cpus.nodes.items(), key=lambda item: (item[1], item[0]))
        named = [(domains[node], arch.srat_processor(cpu, domains[node])) for cpu, node in in_order]
    spare = max(cpus.number, len(listed))  # no processor has this number
    all_printed = bool(listed) and listed[0].called == _APIC
    met = 0
    for domain, entry in (*named, (None, None)):
        at = len(domains) if domain is None else domains.index(domain) + 1 if domain in domains else 0
        for node in range(met, at - (domain is not None)):
            if all_printed or node in nodes.initiators:
                yield GenericAffinity(proximity_domain=domains[node])
            else:
                yield arch.srat_processor(spare + node, domains[node])
        met = max(met, at)
        if entry is not None:
            yield entry


def _srat_entry(arch: ArchInfo, number: int, cpu: _Cpu) -> Struct:
    """The entry of a processor that the log names."""
    if cpu.called != _APIC:
        return arch.srat_processor(number, cpu.domain)
    if not cpu.is_short:
        return X2apicAffinity(proximity_domain=cpu.domain, apic_id=cpu.hardware_id)
    domain = cpu.domain.to_bytes(4, "little")
    return CpuAffinity(proximity_domain_lo=domain[0], proximity_domain_hi=domain[1:], apic_id=cpu.hardware_id)


def _madt(arch: ArchInfo, cpus: Processors, listed: Sequence[_Cpu]) -> list[Struct]:
    """Processors in the order in which the kernel numbers them, as far as the log tells it."""
    waiting = dict(enumerate(listed))
    entries: list[Struct] = []
    for cpu in range(max(cpus.number, len(listed))):
        hardware_id, node = cpus.hardware_ids.get(cpu), cpus.nodes.get(cpu)
        mine = (n for n, item in waiting.items() if item.hardware_id == hardware_id)
        near = (n for n, item in waiting.items() if item.node == node)
        number = next(chain(mine, near, waiting), cpu)
        entries.append(_madt_entry(arch, number, waiting.pop(number, None)))
    return entries


def _madt_entry(arch: ArchInfo, number: int, cpu: _Cpu | None) -> Struct:
    """A processor that is there."""
    if cpu is not None and cpu.called == _APIC:
        if not cpu.is_short:
            return LocalX2apic(apic_id=cpu.hardware_id, uid=number)
        return LocalApic(apic_id=cpu.hardware_id, processor_id=number & 0xFF)
    if cpu is not None and cpu.called == _MPIDR:
        return GenericInterrupt(cpu_interface_number=number, uid=number, arm_mpidr=cpu.hardware_id)
    return arch.madt_processor(number)


def _node(found: re.Match[str]) -> int:
    return _small(found[1], "nodes", _NODES_MAX)


def _small(digits: str, what: str, limit: int) -> int:
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise ValueError(f"{what} have numbers up to {limit}, not {shown(digits)}")
    return int(digits)


def _memory(found: re.Match[str]) -> _Memory:
    return _range(found, *ends(found[3], found[4]))


def _old_memory(found: re.Match[str]) -> _Memory:
    return _range(found, *ends(found[3], hex(int(found[4], 16) - 1)))


def _range(found: re.Match[str], start: int, end: int) -> _Memory:
    flags = ENABLED | HOT_PLUGGABLE * ("hotplug" in found[5]) | NON_VOLATILE * ("non-volatile" in found[5])
    domain = _small(found[2], "domains", U32_MAX)
    entry = MemoryAffinity(proximity_domain=domain, base=start, size_bytes=end - start, flags=flags)
    return _Memory(domain, _node(found), entry)


def _cpu(found: re.Match[str]) -> _Cpu:
    if len(found[3]) > len(hex(U64_MAX)):
        raise ValueError(f"no processor has such a number: {shown(found[3])}")
    if found[2] == _APIC and int(found[3], 16) > U32_MAX:
        raise ValueError(f"an APIC id has 32 bits, which do not hold {shown(found[3])}")
    node = -1 if found[4].startswith("-") else _small(found[4], "nodes", _NODES_MAX)
    return _Cpu(_small(found[1], "domains", U32_MAX), node, found[2], found[3])
