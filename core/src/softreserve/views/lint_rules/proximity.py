"""Proximity domains: what SRAT, SLIT and HMAT say of them, against each other and against the firmware's map."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.numa import NODE_FAKED
from softreserve.model.acpi.hmat_tables import (
    PROCESSOR_PD_VALID,
    Hmat,
    Locality,
    MemorySideCache,
    Proximity,
)
from softreserve.model.acpi.madt import ENABLED as CPU_ENABLED
from softreserve.model.acpi.madt import GenericInterrupt, LocalApic, LocalX2apic, Madt
from softreserve.model.acpi.slit import Slit, slit_valid
from softreserve.model.acpi.srat import (
    ENABLED,
    GENERIC_AFFINITY,
    HOT_PLUGGABLE,
    NON_VOLATILE,
    CpuAffinity,
    GenericAffinity,
    GiccAffinity,
    MemoryAffinity,
    RintcAffinity,
    Srat,
    X2apicAffinity,
)
from softreserve.model.acpi.tables import TableError
from softreserve.model.efi import EfiAttribute, EfiType
from softreserve.model.findings import Finding
from softreserve.model.ranges import merged, uncovered
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["check"]

#: Domains that a table of revision 1 can name: one byte is read of them. Linux: ``acpi_srat_revision``.
_DOMAINS_OF_REVISION_1: Final = 256
#: Types of descriptors that are RAM when the kernel runs. Linux: ``drivers/firmware/efi: is_usable_memory``.
_VOLATILE: Final = (
    EfiType.LOADER_CODE,
    EfiType.LOADER_DATA,
    EfiType.BOOT_SERVICES_CODE,
    EfiType.BOOT_SERVICES_DATA,
    EfiType.CONVENTIONAL,
)
#: What the kernel lets pass that no entry names, in bytes. Linux: ``memblock_validate_numa_coverage``.
_TOLERATED: Final = 1 << 20
#: A distance that says "not to be reached". ACPI 6.5, 5.2.17.
_UNREACHABLE: Final = 255
#: Nanoseconds and MB/s that no memory has, whatever it is made of.
_LATENCIES: Final = range(1, 20_000)
_BANDWIDTHS: Final = range(100, 100_000_000)
#: Kinds of localities, and what they are in: the first ones are latencies. ACPI 6.5, table 5.146.
_KINDS_OF_LATENCY: Final = range(3)
_PICOSECONDS: Final = 1000
_NO_ENTRY: Final = 0xFFFF
#: Bits of a locality's flags that name a level of memory-side cache; 0: the memory itself.
_HIERARCHY: Final = 0x0F


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at the tables as they are, used or not."""
    acpi = system.machine.acpi
    domains = _Domains(Srat.found_in(acpi))
    if "SRAT" in acpi:
        yield from _entries(system, domains)
        yield from _gaps(system, domains)
        yield from _initiators(domains)
    slit = _slit(acpi.get("SLIT"))
    if slit is not None:
        yield from _distances(slit, domains)
    hmat = Hmat.found_in(acpi)
    if hmat is not None and "SRAT" in acpi:
        yield from _Performance(hmat, domains, slit).check(system)


def _slit(data: bytes | None) -> Slit | None:
    try:
        found = Slit.parse(data) if data is not None else None
    except TableError:
        return None  # there is another finding about it
    return found if found is not None and slit_valid(found) else None


class _Domains:
    """What the SRAT says."""

    def __init__(self, srat: Srat | None) -> None:
        entries = srat.entries if srat is not None else ()
        self.revision = srat.header.revision if srat is not None else 0
        self.all_memory = [entry for entry in entries if isinstance(entry, MemoryAffinity)]
        self.memory = [entry for entry in self.all_memory if entry.flags & ENABLED and entry.size_bytes]
        self.processors = [
            (entry.proximity_domain, _processor(entry))
            for entry in entries
            if isinstance(entry, CpuAffinity | X2apicAffinity | GiccAffinity | RintcAffinity) and entry.flags & ENABLED
        ]
        generic = [entry for entry in entries if isinstance(entry, GenericAffinity) and entry.flags & ENABLED]
        self.initiators = [entry for entry in generic if entry.type == GENERIC_AFFINITY]
        self.ports = {entry.proximity_domain for entry in generic if entry.type != GENERIC_AFFINITY}
        self.with_memory = {entry.proximity_domain for entry in self.memory}
        self.with_cpus = {domain for domain, _ in self.processors}
        self.known = self.with_memory | self.with_cpus | {entry.proximity_domain for entry in generic}

    def span(self, domain: int) -> tuple[int | None, int | None]:
        """First byte of a domain's memory and the first one behind it; ``None``: it has none."""
        found = [entry for entry in self.memory if entry.proximity_domain == domain]
        if not found:
            return None, None
        return min(entry.base for entry in found), max(entry.end for entry in found)

    def size(self, domain: int) -> int:
        """Bytes of a domain's memory."""
        return sum(entry.size_bytes for entry in self.memory if entry.proximity_domain == domain)


def _processor(entry: CpuAffinity | X2apicAffinity | GiccAffinity | RintcAffinity) -> tuple[str, int]:
    """What a processor is called: two forms of an entry may name the same."""
    if isinstance(entry, CpuAffinity | X2apicAffinity):
        return "APIC", entry.apic_id
    return "ACPI UID", entry.acpi_processor_uid


def _listed(numbers: Iterable[int]) -> str:
    found = sorted(numbers)
    return f"domain{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


# --- SRAT


def _entries(system: System, domains: _Domains) -> Iterator[Finding]:
    """Memory entries by themselves, and against the firmware's map."""
    described = merged((d.start, d.start + d.size) for d in system.machine.efi_map or () if d.size)
    windows = [(r.start, r.end + 1) for _, r in system.iomem.walk() if (r.name or "").startswith("CXL Window")]
    volatile = _volatile(system)
    for entry in domains.all_memory:
        start, end, domain = entry.base, entry.end, entry.proximity_domain
        if not entry.flags & ENABLED:
            held = entry.size_bytes and _memory_in(system, start, end)
            if held:
                message = (
                    f"the SRAT entry of domain {domain} for this range is not enabled: the kernel passes over it, and "
                    f"{human_size(held)} of memory in it have no domain by it; enable it"
                )
                yield Finding("warning", "srat-not-enabled", message, start, end)
        elif not entry.size_bytes or end > 1 << 64:
            message = f"an SRAT entry of domain {domain} at {start:#x} has no bytes, or ends beyond 64 bits; correct it"
            yield Finding("warning", "srat-empty-entry", message)
        elif described and not entry.flags & HOT_PLUGGABLE and not _meets((*described, *windows), start, end):
            message = (
                f"the SRAT has {human_size(end - start)} of domain {domain} here, which the firmware's map does not "
                "know and which are not hot-pluggable: the memory is not there, or the map lacks it"
            )
            yield Finding("warning", "srat-without-memory", message, start, end)
        elif entry.flags & HOT_PLUGGABLE:
            yield from _hot_pluggable(system, entry)
        if entry.flags & ENABLED and entry.flags & NON_VOLATILE:
            yield from _non_volatile(volatile, entry)
    if domains.revision == 1:
        for entry in domains.memory:
            if entry.proximity_domain >= _DOMAINS_OF_REVISION_1:
                message = (
                    f"domain {entry.proximity_domain} in an SRAT of revision 1, of which the kernel reads 8 bits: it "
                    f"takes it for {entry.proximity_domain % _DOMAINS_OF_REVISION_1}; make it revision 2 or later"
                )
                where = entry.base, entry.end
                yield Finding("warning", "srat-revision", message, *where)
    yield from _twice(domains)
    yield from _processors(system, domains)


def _twice(domains: _Domains) -> Iterator[Finding]:
    """Entries of one domain that overlap; those of several are told of where the kernel refuses them."""
    for domain in sorted(domains.with_memory):
        mine = sorted((e.base, e.end) for e in domains.memory if e.proximity_domain == domain)
        for low, high in pairwise(mine):
            if high[0] < low[1]:
                message = f"two SRAT entries of domain {domain} overlap; let each byte have one entry"
                yield Finding("warning", "srat-entries-overlap", message, high[0], min(low[1], high[1]))


def _boot_ram(system: System) -> list[tuple[int, int]]:
    """RAM that was there from boot on (bytes, half open), ascending."""
    return [(r.start, r.end + 1) for r in system.find_boot_ram()]


def _shared(spans: Iterable[tuple[int, int]], start: int, end: int) -> int:
    """Bytes of a range that spans, which are disjoint, have as well."""
    return sum(max(0, min(end, high) - max(start, low)) for low, high in spans)


def _memory_in(system: System, start: int, end: int) -> int:
    """Bytes of memory in a range: RAM, and what is set aside."""
    set_aside = [(r.start, r.end + 1) for r in system.find_soft_reserved()]
    return _shared(merged([*_boot_ram(system), *set_aside]), start, end)


def _meets(spans: Iterable[tuple[int, int]], start: int, end: int) -> bool:
    return any(low < end and start < high for low, high in spans)


def _hot_pluggable(system: System, entry: MemoryAffinity) -> Iterator[Finding]:
    start, end = entry.base, entry.end
    ram = _shared(_boot_ram(system), start, end)
    if not ram:
        return
    movable = system.cmdline.has("movable_node")
    message = f"{human_size(ram)} of RAM from boot on lie in an SRAT entry that says hot-pluggable"
    if movable:
        message += ": with movable_node the kernel itself can have none of it; clear the flag, or leave the word out"
    else:
        message += ", which matters with movable_node only"
    yield Finding("warning" if movable else "note", "srat-hot-pluggable-ram", message, start, end)


def _volatile(system: System) -> list[tuple[int, int]]:
    """What the firmware's map has as ordinary memory (bytes, half open)."""
    if system.machine.efi_map is None:
        return merged(_boot_ram(system))
    kinds = [d for d in system.machine.efi_map if d.size and d.type in _VOLATILE and not d.attribute & EfiAttribute.NV]
    return merged((d.start, d.start + d.size) for d in kinds)


def _non_volatile(volatile: list[tuple[int, int]], entry: MemoryAffinity) -> Iterator[Finding]:
    """An entry that says of ordinary memory (``volatile``, bytes, half open) that it keeps what is in it."""
    size = _shared(volatile, entry.base, entry.end)
    if size:
        message = (
            f"the SRAT entry of domain {entry.proximity_domain} says that this memory is non-volatile, and "
            f"{human_size(size)} of it are ordinary memory in the firmware's map, which the kernel goes by; correct one"
        )
        yield Finding("warning", "srat-non-volatile", message, entry.base, entry.end)


def _processors(system: System, domains: _Domains) -> Iterator[Finding]:
    known = {processor for _, processor in domains.processors}
    missing = [name for name in _enabled(system) if name not in known]
    if missing and domains.memory:
        kind, number = missing[0]
        message = (
            f"the SRAT says of {len(missing)} processors not where they are, the first has {kind} {number}: they land "
            "on a node of the kernel's choice; name them"
        )
        yield Finding("warning", "srat-processor-missing", message)
    places = defaultdict(set)
    for domain, processor in domains.processors:
        places[processor].add(domain)
    for (kind, number), found in places.items():
        if len(found) > 1:
            message = f"the SRAT puts the processor with {kind} {number} into {_listed(found)}; let it be in one"
            yield Finding("warning", "srat-processor-twice", message)


def _enabled(system: System) -> Iterator[tuple[str, int]]:
    """Processors that the MADT has, by the names that the SRAT calls them."""
    madt = Madt.found_in(system.machine.acpi)
    for entry in madt.entries if madt is not None else ():
        if isinstance(entry, LocalApic | LocalX2apic) and entry.flags & CPU_ENABLED:
            yield "APIC", entry.apic_id
        elif isinstance(entry, GenericInterrupt) and entry.flags & CPU_ENABLED:
            yield "ACPI UID", entry.uid


def _gaps(system: System, domains: _Domains) -> Iterator[Finding]:
    """RAM that no entry names, where the kernel uses the table all the same: it fills gaps between a node's ranges."""
    named = merged((entry.base, entry.end) for entry in domains.memory)
    if not named or system.log.of(NODE_FAKED):
        return  # the kernel does not go by it
    for start, end in (gap for span in _boot_ram(system) for gap in uncovered(*span, named)):
        if end - start > _TOLERATED:
            message = (
                f"no SRAT entry names {human_size(end - start)} of RAM here: the kernel gives them to the node whose "
                "ranges lie around them; name them"
            )
            yield Finding("warning", "srat-gap", message, start, end)


def _initiators(domains: _Domains) -> Iterator[Finding]:
    for entry in domains.initiators:
        domain = entry.proximity_domain
        if domain in domains.with_cpus:
            message = (
                f"a generic initiator is in domain {domain}, which has CPUs: it says nothing that they do not say; "
                "give it a domain of its own"
            )
            yield Finding("warning", "initiator-with-cpus", message, *domains.span(domain))
        if not any(entry.device_handle):
            message = f"the generic initiator of domain {domain} names no device: its handle is all zero; name it"
            yield Finding("warning", "initiator-without-device", message)


# --- SLIT


def _distances(slit: Slit, domains: _Domains) -> Iterator[Finding]:
    count = len(slit.rows)
    left_out = {domain for domain in domains.with_memory | domains.with_cpus if domain >= count}
    if left_out:
        message = (
            f"the SLIT has {count} localities, and nothing of {_listed(left_out)}: the distances are 20 there, "
            "whatever the machine is; complete it"
        )
        yield Finding("warning", "slit-incomplete", message, *domains.span(min(left_out)))
    known = sorted(domain for domain in domains.known if domain < count)
    pairs = [(a, b) for a, b in product(known, known) if a < b]
    uneven = [(a, b) for a, b in pairs if slit.rows[a][b] != slit.rows[b][a]]
    if uneven:
        (a, b), others = uneven[0], f" ({len(uneven)} pairs in all)" if len(uneven) > 1 else ""
        message = (
            f"by the SLIT domain {b} is at {slit.rows[a][b]} from domain {a}, and {a} at {slit.rows[b][a]} from "
            f"{b}{others}: one of the two is likely to be wrong"
        )
        yield Finding("warning", "slit-asymmetric", message, *domains.span(b))
    for a, b in pairs:
        if _UNREACHABLE in (slit.rows[a][b], slit.rows[b][a]):
            message = (
                f"by the SLIT domains {a} and {b} do not reach each other (255): the kernel takes it for a distance, "
                "and allocates there last"
            )
            yield Finding("warning", "slit-unreachable", message, *domains.span(b))


# --- HMAT


class _Performance:
    """What the HMAT says of domains, as numbers."""

    def __init__(self, hmat: Hmat, domains: _Domains, slit: Slit | None) -> None:
        self._domains, self._slit = domains, slit
        self._near = [entry for entry in hmat.entries if isinstance(entry, Proximity)]
        self._caches = [entry for entry in hmat.entries if isinstance(entry, MemorySideCache)]
        whole = [e for e in hmat.entries if isinstance(e, Locality) and len(e.tail) >= e.needed_tail]
        self._localities = [entry for entry in whole if not entry.flags & _HIERARCHY]

    def check(self, system: System) -> Iterator[Finding]:
        """All rules."""
        yield from self._unknown()
        yield from self._implausible()
        yield from self._attached()
        yield from self._inverted()
        yield from self._against_slit()
        yield from self._cached()

    @cached_property
    def _latency(self) -> Mapping[tuple[int, int], float]:
        """Nanoseconds from an initiator to a target; the largest of what is given."""
        return self._numbers(of_latency=True)

    @cached_property
    def _bandwidth(self) -> Mapping[tuple[int, int], float]:
        """MB/s from an initiator to a target."""
        return self._numbers(of_latency=False)

    def _numbers(self, *, of_latency: bool) -> dict[tuple[int, int], float]:
        found: dict[tuple[int, int], float] = {}
        for entry in self._localities:
            if (entry.data_type in _KINDS_OF_LATENCY) != of_latency:
                continue
            unit = entry.entry_base_unit / _PICOSECONDS if of_latency else entry.entry_base_unit
            for pair, value in zip(product(entry.initiators, entry.targets), entry.entries, strict=True):
                if value not in (0, _NO_ENTRY):
                    found[pair] = max(found.get(pair, 0), value * unit)
        return found

    def _unknown(self) -> Iterator[Finding]:
        """Domains that the SRAT does not have."""
        domains = self._domains
        targets = {domain for entry in self._localities for domain in entry.targets}
        initiators = {domain for entry in self._localities for domain in entry.initiators}
        named = {
            "targets": targets - domains.with_memory - domains.ports,
            "initiators": initiators - domains.known,
            "memory-side caches": {entry.memory_pd for entry in self._caches} - domains.with_memory,
        }
        for what, missing in named.items():
            if missing and domains.memory:
                of = "no memory of" if what != "initiators" else "nothing of"
                message = f"among the {what} of the HMAT is {_listed(missing)}, and the SRAT has {of} it; correct one"
                yield Finding("warning", "hmat-unknown-domain", message)

    def _implausible(self) -> Iterator[Finding]:
        for numbers, plausible, what, unit, hint in (
            (self._latency, _LATENCIES, "latency", "ns", "the base unit of latencies is picoseconds"),
            (self._bandwidth, _BANDWIDTHS, "bandwidth", "MB/s", "the base unit of bandwidths is MB/s"),
        ):
            wrong = [(pair, value) for pair, value in numbers.items() if int(value) not in plausible]
            if wrong:
                (initiator, target), value = wrong[0]
                others = f" ({len(wrong)} such values)" if len(wrong) > 1 else ""
                message = (
                    f"by the HMAT the {what} from domain {initiator} to {target} is {value:g} {unit}{others}, which no "
                    f"memory has: {hint}; correct unit or entries"
                )
                yield Finding("warning", "hmat-implausible", message, *self._domains.span(target))

    def _attached(self) -> Iterator[Finding]:
        """What memory is said to be attached to."""
        domains = self._domains
        initiators = domains.with_cpus | {entry.proximity_domain for entry in domains.initiators}
        attached = [e for e in self._near if e.flags & PROCESSOR_PD_VALID]
        for entry in attached:
            if entry.processor_pd not in initiators and initiators:
                message = (
                    f"by the HMAT the memory of domain {entry.memory_pd} is attached to domain {entry.processor_pd}, "
                    "which has neither CPUs nor a generic initiator; correct it"
                )
                yield Finding("warning", "hmat-initiator", message, *domains.span(entry.memory_pd))
        counts = Counter(entry.memory_pd for entry in attached)
        for domain, count in counts.items():
            if count > 1:
                message = (
                    f"the HMAT attaches the memory of domain {domain} {count} times: the kernel goes by the last "
                    "entry; give one"
                )
                yield Finding("warning", "hmat-duplicate", message, *domains.span(domain))

    def _inverted(self) -> Iterator[Finding]:
        """Sockets that reach the RAM of others faster than their own."""
        domains = self._domains
        sockets = sorted(domains.with_cpus & domains.with_memory)
        for numbers, sign, word in ((self._latency, 1, "latency"), (self._bandwidth, -1, "bandwidth")):
            for own in sockets:
                known = {other: sign * numbers[own, other] for other in sockets if (own, other) in numbers}
                other = next((other for other in known if own in known and known[other] < known[own]), None)
                if other is not None:
                    message = (
                        f"by the {word} of the HMAT the CPUs of domain {own} reach the RAM of domain {other} better "
                        "than their own: entries are exchanged, or rows with columns; correct them"
                    )
                    yield Finding("warning", "hmat-inverted", message, *domains.span(own))

    def _against_slit(self) -> Iterator[Finding]:
        """Which CPUs are nearest to memory that has none."""
        slit, domains = self._slit, self._domains
        if slit is None:
            return
        attached = {e.memory_pd: e.processor_pd for e in self._near if e.flags & PROCESSOR_PD_VALID}
        for memory in sorted(domains.with_memory - domains.with_cpus):
            rows = {cpus: slit.rows[cpus][memory] for cpus in domains.with_cpus if max(cpus, memory) < len(slit.rows)}
            near = _least(rows)
            by_latency = _least({cpus: self._latency[cpus, memory] for cpus in rows if (cpus, memory) in self._latency})
            best = by_latency if by_latency is not None else _least(self._slowness(rows, memory))
            claims = (attached.get(memory) if attached.get(memory) in rows else None, best)
            said = next((domain for domain in claims if domain not in (None, near)), None)
            if near is not None and said is not None:
                message = (
                    f"by the SLIT the CPUs of domain {near} are the nearest to the memory of domain {memory}, by the "
                    f"HMAT those of domain {said}: allocations go by the one, tiers and applications by the other; "
                    "correct one"
                )
                yield Finding("warning", "slit-against-hmat", message, *domains.span(memory))

    def _slowness(self, cpus: Iterable[int], memory: int) -> dict[int, float]:
        """Bandwidths to a domain's memory, the best one least."""
        found = self._bandwidth
        return {domain: -found[domain, memory] for domain in cpus if (domain, memory) in found}

    def _cached(self) -> Iterator[Finding]:
        for entry in self._caches:
            domain, attributes = entry.memory_pd, entry.cache_attributes
            levels, level = attributes & 0xF, attributes >> 4 & 0xF
            size = self._domains.size(domain)
            if level > levels or not level:
                message = f"a memory-side cache of domain {domain} is of level {level} of {levels}; correct it"
                yield Finding("warning", "hmat-cache", message, *self._domains.span(domain))
            if size and entry.cache_size > size:
                message = (
                    f"the memory-side cache of domain {domain} has {human_size(entry.cache_size)}, its memory "
                    f"{human_size(size)}; correct it"
                )
                yield Finding("warning", "hmat-cache", message, *self._domains.span(domain))


def _least(values: Mapping[int, float]) -> int | None:
    """The key of the least value; ``None``: there is none, or it is not alone."""
    least = sorted(values, key=lambda key: values[key])[:2]
    alone: Sequence[int] = least if len(least) < 2 or values[least[0]] < values[least[1]] else ()
    return alone[0] if alone else None
