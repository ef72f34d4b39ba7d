"""ACPI tables written out in a machine file, and the bytes that they become. Domains are proximity domains.

Sizes and addresses are bytes; latencies nanoseconds; bandwidths MB/s.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import NewType

import attrs

from softreserve.config.structure import FieldError, Number, OneOf
from softreserve.model.acpi.cedt import CXL_1_1, RCRB_SIZE, Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.acpi.hmat_tables import Hmat, Locality, MemorySideCache, Proximity
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.madt import Madt
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import (
    ENABLED,
    GENERIC_PORT_AFFINITY,
    HOT_PLUGGABLE,
    NON_VOLATILE,
    GenericAffinity,
    MemoryAffinity,
    Srat,
)
from softreserve.model.acpi.tables import Header
from softreserve.model.arch import ArchInfo
from softreserve.model.cxl import GRANULARITIES, WAYS, ways_to_eiw
from softreserve.model.errors import shown
from softreserve.model.machine import CPUS_MAX
from softreserve.model.units import U32_MAX

__all__ = ["Acpi", "Size", "build_acpi"]

_Rows = tuple[tuple[int, ...], ...]

#: Bytes, from ``4096``, ``"0x1000"``, ``"4G"`` or ``"4GiB"``.
Size = NewType("Size", int)

#: What a locality structure can describe. ACPI 6.5, table 5.146.
DATA_TYPES = (
    "access latency",
    "read latency",
    "write latency",
    "access bandwidth",
    "read bandwidth",
    "write bandwidth",
)
_INDEXING = ("none", "direct", "complex")
_WRITE_POLICIES = ("none", "back", "through")

#: The largest value of a locality matrix; the one above says "not reachable".
_LARGEST = 0xFFFE
_NO_ENTRY = 0xFFFF
_PICOSECONDS = 1000

_HANDLE = 16  # bytes
#: What ACPI calls CXL host bridges.
_BRIDGE_HID = b"ACPI0016"

#: What a window may be used for: devices of types 2 and 3, volatile and persistent memory; and that it never moves.
_UNRESTRICTED = 0x0F
_FIXED = 0x10
#: Where registers of made-up host bridges lie: anywhere but 0, and of that many bytes each.
_CHBS_BASE = 0xFE00_0000
_CHBS_SIZE = 0x10000


_DOMAIN = Number(0, U32_MAX)
_DOMAINS = attrs.validators.deep_iterable(_DOMAIN)


@attrs.frozen
class SratCpus:
    """The next ``count`` CPUs are in a domain."""

    domain: int = attrs.field(validator=_DOMAIN)
    count: int = attrs.field(validator=Number(1, CPUS_MAX))


@attrs.frozen
class SratMemory:
    """A range of memory of a domain."""

    domain: int = attrs.field(validator=_DOMAIN)
    start: Size
    size: Size
    hotplug: bool = False
    non_volatile: bool = False
    enabled: bool = True


@attrs.frozen
class SratInitiator:
    """A generic initiator in a domain, by the first 16 bytes of its device handle in hexadecimal."""

    domain: int = attrs.field(validator=_DOMAIN)
    handle: str = attrs.field(default="00" * _HANDLE)

    @handle.validator
    def _check(self, attribute: attrs.Attribute[str], handle: str) -> None:
        try:
            bytes.fromhex(handle)
        except ValueError:
            raise FieldError(attribute.name, f"wanted {_HANDLE} bytes in hexadecimal, not {shown(handle)}") from None


@attrs.frozen
class SratPort:
    """The generic port of a CXL host bridge, which is named by its ``uid``."""

    domain: int = attrs.field(validator=_DOMAIN)
    bridge: int = attrs.field(validator=Number(0, U32_MAX))


@attrs.frozen
class SratTable:
    """Who is in which domain."""

    cpus: tuple[SratCpus, ...] = attrs.field(default=())
    memory: tuple[SratMemory, ...] = ()
    initiators: tuple[SratInitiator, ...] = ()
    ports: tuple[SratPort, ...] = ()

    @cpus.validator
    def _check(self, attribute: attrs.Attribute[tuple[SratCpus, ...]], cpus: tuple[SratCpus, ...]) -> None:
        if sum(item.count for item in cpus) > CPUS_MAX:
            raise FieldError(attribute.name, f"Linux has at most {CPUS_MAX} CPUs")


@attrs.frozen
class SlitTable:
    """Distances between domains 0, 1, ...: one row per domain."""

    distances: _Rows = attrs.field()

    @distances.validator
    def _check(self, attribute: attrs.Attribute[_Rows], rows: _Rows) -> None:
        if any(len(row) != len(rows) for row in rows):
            raise FieldError(attribute.name, "as many columns as rows are wanted")
        for value in chain.from_iterable(rows):
            if not 0 <= value <= 255:
                raise FieldError(attribute.name, f"a distance is a number from 0 to 255, not {shown(value)}")


@attrs.frozen
class HmatProximity:
    """The initiator that a memory domain is attached to."""

    memory: int = attrs.field(validator=_DOMAIN)
    initiator: int | None = attrs.field(default=None, validator=attrs.validators.optional(_DOMAIN))


@attrs.frozen
class HmatLocality:
    """One kind of latency (ns) or bandwidth (MB/s); a row of ``values`` per initiator, -1 where there is no entry."""

    kind: str = attrs.field(validator=OneOf(DATA_TYPES))
    initiators: tuple[int, ...] = attrs.field(validator=_DOMAINS)
    targets: tuple[int, ...] = attrs.field(validator=_DOMAINS)
    values: _Rows = attrs.field()

    @values.validator
    def _check(self, attribute: attrs.Attribute[_Rows], rows: _Rows) -> None:
        if len(rows) != len(self.initiators) or any(len(row) != len(self.targets) for row in rows):
            raise FieldError(attribute.name, f"wanted {len(self.initiators)} rows of {len(self.targets)} values")
        for value in chain.from_iterable(rows):
            if value < -1:
                raise FieldError(attribute.name, f"wanted a number, or -1 for no entry, not {shown(value)}")
        self.base(rows)

    def base(self, rows: _Rows) -> int:
        """The unit in which every value is a 16-bit number.

        :raises FieldError: there is none.
        """
        values = [value for row in rows for value in row if value >= 0]
        for power in range(8):
            base: int = 10**power
            if all(value % base == 0 and value // base <= _LARGEST for value in values):
                return base
        raise FieldError("values", "no unit of 1, 10, 100 ... makes all of these fit into 16 bits")

    def build(self) -> Locality:
        """The structure."""
        base = self.base(self.values)
        rows = [[value // base if value >= 0 else _NO_ENTRY for value in row] for row in self.values]
        unit = base * (_PICOSECONDS if "latency" in self.kind else 1)
        return Locality.build(DATA_TYPES.index(self.kind), unit, self.initiators, self.targets, rows)


@attrs.frozen
class HmatCache:
    """A cache in front of a memory domain."""

    memory: int = attrs.field(validator=_DOMAIN)
    size: Size
    level: int = attrs.field(default=1, validator=Number(0, 15))
    levels: int = attrs.field(default=1, validator=Number(0, 15))
    indexing: str = attrs.field(default="direct", validator=OneOf(_INDEXING))
    write_policy: str = attrs.field(default="back", validator=OneOf(_WRITE_POLICIES))
    line_size: int = attrs.field(default=64, validator=Number(0, 0xFFFF))

    def build(self) -> MemorySideCache:
        """The structure."""
        attributes = self.levels | self.level << 4 | _INDEXING.index(self.indexing) << 8
        attributes |= _WRITE_POLICIES.index(self.write_policy) << 12 | self.line_size << 16
        return MemorySideCache(memory_pd=self.memory, cache_size=self.size, cache_attributes=attributes)


@attrs.frozen
class HmatTable:
    """How fast which memory is for whom."""

    proximity: tuple[HmatProximity, ...] = ()
    locality: tuple[HmatLocality, ...] = ()
    cache: tuple[HmatCache, ...] = ()


@attrs.frozen
class CxlWindow:
    """A CXL fixed memory window over host bridges, which are named by their ``uid``."""

    start: Size
    size: Size
    targets: tuple[int, ...] = attrs.field(default=(0,))
    granularity: Size = attrs.field(default=Size(GRANULARITIES[0]), validator=OneOf(GRANULARITIES))
    fixed: bool = False
    qtg: int = attrs.field(default=0, validator=Number(0, 0xFFFF))

    @targets.validator
    def _as_many_as_there_can_be(self, attribute: attrs.Attribute[tuple[int, ...]], targets: tuple[int, ...]) -> None:
        if len(targets) not in WAYS:
            raise FieldError(attribute.name, f"a window has {', '.join(map(str, WAYS))} targets, not {len(targets)}")
        if not all(0 <= uid <= U32_MAX for uid in targets):
            raise FieldError(attribute.name, "the uid of a host bridge has 32 bits")


@attrs.frozen
class Acpi:
    """``[acpi]`` of a machine file."""

    srat: SratTable | None = None
    slit: SlitTable | None = None
    hmat: HmatTable | None = None
    windows: tuple[CxlWindow, ...] = ()


def build_acpi(
    acpi: Acpi, arch: ArchInfo, cpus: int, cxl_bridges: Sequence[int] = (), restricted: Collection[int] = ()
) -> dict[str, bytes]:
    """Whole tables by signature; the MADT lists ``cpus`` processors wherever another table is there.

    :param cxl_bridges: numbers of CXL host bridges, for the CEDT; those that windows name are there anyway.
    :param restricted: those of CXL 1.1 among them.
    """
    tables: dict[str, bytes] = {}
    if acpi.srat is not None:
        tables["SRAT"] = Srat(_srat(acpi.srat, arch), header=Header(signature=b"SRAT", revision=3)).sealed()
    if acpi.slit is not None:
        tables["SLIT"] = Slit(acpi.slit.distances).sealed()
    if acpi.hmat is not None:
        tables["HMAT"] = Hmat(tuple(_hmat(acpi.hmat)), header=Header(signature=b"HMAT", revision=2)).sealed()
    if acpi.windows or cxl_bridges:
        uids = dict.fromkeys((*cxl_bridges, *(uid for window in acpi.windows for uid in window.targets)))
        bridges = [_chbs(at, uid, uid in restricted) for at, uid in enumerate(uids)]
        tables["CEDT"] = Cedt([*bridges, *(_window(window) for window in acpi.windows)]).sealed()
    if tables:
        tables["APIC"] = Madt([arch.madt_processor(number) for number in range(cpus)]).sealed()
    return tables


def _chbs(at: int, uid: int, restricted: bool) -> HostBridge:
    base = _CHBS_BASE + at * _CHBS_SIZE
    if restricted:
        return HostBridge(uid=uid, base=base, size_bytes=RCRB_SIZE, cxl_version=CXL_1_1)
    return HostBridge(uid=uid, base=base)


def _window(window: CxlWindow) -> FixedMemoryWindow:
    ways = len(window.targets)
    found = FixedMemoryWindow(
        length=FixedMemoryWindow.size() + 4 * ways,
        base_hpa=window.start,
        window_size=window.size,
        interleave_ways=ways_to_eiw(ways),
        granularity=GRANULARITIES.index(window.granularity),
        restrictions=_UNRESTRICTED | _FIXED * window.fixed,
        qtg_id=window.qtg,
    )
    found.tail = struct.pack(f"<{ways}I", *window.targets)
    return found


def _srat(srat: SratTable, arch: ArchInfo) -> list[Struct]:
    entries: list[Struct] = []
    number = 0
    for cpus in srat.cpus:
        entries += [arch.srat_processor(number + index, cpus.domain) for index in range(cpus.count)]
        number += cpus.count
    for memory in srat.memory:
        flags = ENABLED * memory.enabled | HOT_PLUGGABLE * memory.hotplug | NON_VOLATILE * memory.non_volatile
        entries.append(
            MemoryAffinity(proximity_domain=memory.domain, base=memory.start, size_bytes=memory.size, flags=flags)
        )
    for initiator in srat.initiators:
        handle = bytes.fromhex(initiator.handle)[:_HANDLE].ljust(_HANDLE, b"\0")
        entries.append(GenericAffinity(proximity_domain=initiator.domain, device_handle=handle))
    for port in srat.ports:
        handle = _BRIDGE_HID + port.bridge.to_bytes(4, "little") + bytes(4)
        entries.append(GenericAffinity(type=GENERIC_PORT_AFFINITY, proximity_domain=port.domain, device_handle=handle))
    return entries


def _hmat(hmat: HmatTable) -> Iterator[Struct]:
    for item in hmat.proximity:
        if item.initiator is None:
            yield Proximity(memory_pd=item.memory, processor_pd=0, flags=0)
        else:
            yield Proximity(memory_pd=item.memory, processor_pd=item.initiator)
    for locality in hmat.locality:
        yield locality.build()
    for cache in hmat.cache:
        yield cache.build()
