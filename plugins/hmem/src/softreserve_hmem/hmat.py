"""What the kernel makes of the HMAT: targets, their best initiators, their caches.

Linux: ``drivers/acpi/numa/hmat.c``.

Memory ranges of the SRAT become targets, by proximity domain. If the HMAT is sound, every target's ranges are offered
as hmem devices, and performance and caches show up in the node's directory: at boot, or when the node gets its first
memory. Generic ports are targets without ranges: CXL asks how fast they are, and up to 6.17 it puts what it knows of a
node's memory in place of what the HMAT says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from errno import EINVAL, ENODEV
from typing import TYPE_CHECKING, Final

from softreserve.kernel.numa.node import AccessCoordinate, NodeCache
from softreserve.kernel.resource import IORESOURCE_MEM, Resource, request_region
from softreserve.kernel.state import StashKey
from softreserve.model.acpi.hmat_tables import (
    CACHE,
    LOCALITY,
    MEMORY_PD_VALID,
    PROCESSOR_PD_VALID,
    PROXIMITY,
    Hmat,
    Locality,
    MemorySideCache,
    Proximity,
    check_values,
)
from softreserve.model.acpi.srat import (
    ENABLED,
    GENERIC_PORT_AFFINITY,
    MEMORY_AFFINITY,
    GenericAffinity,
    MemoryAffinity,
    Srat,
)
from softreserve.model.acpi.tables import Handler, RawTable, acpi_get_table, acpi_parse_entries_array
from softreserve.model.events import EventLog, Rule
from softreserve.model.kernel import Kernel
from softreserve.model.units import U32_MAX, U64_MAX

from softreserve_hmem import behaviours
from softreserve_hmem.hmat_locality import MemoryLocality, best_value, updated_coordinate

if TYPE_CHECKING:
    from softreserve_hmem.protocols import HmatNodes, HmatTiers

__all__ = ["ENTRY_BAD", "HMAT", "HMAT_SAYS", "TABLE_BAD", "TARGET_OVERLAP", "VALUE_LOST", "HmatState", "MemoryTarget"]

_FILE: Final = "drivers/acpi/numa/hmat.c"
#: What is printed of the table: everything, but for what is wrong with an entry, with the table, with its targets.
HMAT_SAYS: Final = Rule("hmat-says", "a line about the HMAT")
ENTRY_BAD: Final = Rule("hmat-entry-bad", "an entry of the HMAT is malformed")
TABLE_BAD: Final = Rule("hmat-bad", "the HMAT is not used")
TARGET_OVERLAP: Final = Rule("hmat-target-overlap", "two SRAT entries of a domain overlap")
#: The rule under which the log keeps values that do not fit.
VALUE_LOST: Final = Rule("hmat-value-lost", "HMAT value lost")
#: Domains are unsigned here, so that "none" is a number that a table can name.
_PXM_INVAL: Final = (1 << 32) - 1
#: Access classes: the best initiators of all; the best that have CPUs; both of them for generic ports.
_LOCAL, _CPU, _PORT_LOCAL, _PORT_CPU = range(4)
_OF_CPUS: Final = (_CPU, _PORT_CPU)
_FIRST_LEVEL: Final = 0
#: In the order in which they decide who is best. Linux: ``enum locality_types``.
_LOCALITY_TYPES: Final = ("write_latency", "read_latency", "write_bandwidth", "read_bandwidth")
_INDEXING: Final = {1: 0, 2: 1}
_WRITE_POLICY: Final = {1: 0, 2: 1}
_OTHER: Final = 2


class MemoryTarget:
    """Memory of one proximity domain: its ranges, and what is known about it. Linux: ``struct memory_target``."""

    __slots__ = (
        "caches",
        "coordinates",
        "ext_updated",
        "memory_pxm",
        "memregions",
        "port_handle",
        "processor_pxm",
        "registered",
    )

    def __init__(self, memory_pxm: int) -> None:
        self.memory_pxm = memory_pxm
        self.processor_pxm = _PXM_INVAL
        self.memregions = Resource(0, U64_MAX, "ACPI mem", IORESOURCE_MEM)
        self.coordinates = [AccessCoordinate() for _ in (_LOCAL, _CPU, _PORT_LOCAL, _PORT_CPU)]
        self.caches: list[NodeCache] = []
        self.port_handle = bytes(16)
        self.registered = False
        #: Whether CXL has said how fast it is.
        self.ext_updated = False

    @property
    def uid(self) -> int:
        """The number in the handle; 0 where there is none."""
        return int.from_bytes(self.port_handle[8:12], "little")

    @property
    def is_port(self) -> bool:
        """Whether the SRAT names it as a generic port with a handle."""
        return any(self.port_handle[:2])

    def update(self, access: int, data_type: int, value: int) -> None:
        """Set one kind of value of an access class."""
        self.coordinates[access] = updated_coordinate(self.coordinates[access], data_type, value)


class HmatState:
    """Targets, initiators and localities of one boot."""

    def __init__(
        self,
        kernel: Kernel,
        log: EventLog,
        nodes: HmatNodes,
        hmem_register: Callable[[int, Resource], None],
        tiers: HmatTiers | None = None,
    ) -> None:
        """``hmem_register`` takes a target node and a range that may become a device."""
        self._kernel = kernel
        self._log = log
        self._nodes = nodes
        self._hmem_register = hmem_register
        self._tiers = tiers
        self._revision = 0
        #: Latencies and bandwidths that were read so far.
        self._values = 0
        self._access_classes = (_LOCAL, _CPU) if kernel.has(behaviours.HMAT_CPU_ACCESS_CLASS) else (_LOCAL,)
        self.targets: dict[int, MemoryTarget] = {}
        #: Whether its node had CPUs when it was found, by proximity domain; in the order in which they were found.
        self.initiators: dict[int, bool] = {}
        self.localities: list[MemoryLocality] = []
        self._locality_types: dict[str, MemoryLocality] = {}
        #: Who was linked to the target before this one.
        self._last_initiators: set[int] = set()

    # --- boot

    def hmat_init(self, tables: Mapping[str, bytes]) -> bool:
        """Read both tables and register all targets; whether they are of use.

        :raises TableError: a table is no ACPI table.
        """
        if self._nodes.srat_disabled or self._nodes.hmat_disabled:
            return False
        srat, hmat = acpi_get_table(tables, "SRAT"), acpi_get_table(tables, "HMAT")
        if srat is None:
            return False
        if not self._read_srat(srat) or hmat is None or not self._read_hmat(hmat):
            self._free_structures()
            return False
        for target in self.targets.values():
            self._register_target(target)
        if self._kernel.has(behaviours.HMAT_ABSTRACT_DISTANCE):
            self._offer_abstract_distances()
        return True

    def _free_structures(self) -> None:
        self.targets.clear()
        self.initiators.clear()
        self.localities.clear()

    def _parse(self, table: RawTable, offset: int, kind: int, handler: Handler) -> bool:
        return acpi_parse_entries_array(self._log, self._kernel, table, offset, [(kind, handler)]) >= 0

    def _read_srat(self, table: RawTable) -> bool:
        """Targets from memory affinity structures, and from generic ports."""
        first = Srat.entries_offset()
        if not self._parse(table, first, MEMORY_AFFINITY, self._srat_parse_mem_affinity):
            return False
        if not self._kernel.has(behaviours.HMAT_GENERIC_PORTS):
            return True
        return self._parse(table, first, GENERIC_PORT_AFFINITY, self._srat_parse_genport_affinity)

    def _read_hmat(self, table: RawTable) -> bool:
        """Three passes over the table, one per type; the first that fails makes the whole table void."""
        self._revision = table.revision
        if self._revision not in (1, 2):
            self._print(f"Ignoring: Unknown revision:{self._revision}", "hmat_init")
            return False
        passes: tuple[tuple[int, Handler], ...] = (
            (PROXIMITY, self._parse_proximity_domain),
            (LOCALITY, self._parse_locality),
            (CACHE, self._parse_cache),
        )
        for kind, handler in passes:
            if not self._parse(table, Hmat.entries_offset(), kind, handler):
                self._print("Ignoring: Invalid table", "hmat_init", TABLE_BAD)
                return False
        return True

    # --- SRAT

    def _target(self, pxm: int) -> MemoryTarget:
        return self.targets.setdefault(pxm, MemoryTarget(pxm))

    def _srat_parse_mem_affinity(self, table: RawTable, offset: int) -> int:
        entry = MemoryAffinity.read(table.data, offset)
        if entry.flags & ENABLED:
            self._alloc_memory_target(entry.proximity_domain, entry.base, entry.size_bytes)
        return 0

    def _alloc_memory_target(self, pxm: int, start: int, size: int) -> None:
        target = self._target(pxm)
        if request_region(target.memregions, start, size, "memory target", IORESOURCE_MEM) is None:
            end = (start + size) & U64_MAX
            signed = pxm - (1 << 32) if pxm >> 31 else pxm
            self._print(
                f"failed to reserve {start:#x} - {end:#x} in pxm: {signed}", "alloc_memory_target", TARGET_OVERLAP
            )

    def _srat_parse_genport_affinity(self, table: RawTable, offset: int) -> int:
        entry = GenericAffinity.read(table.data, offset)
        # Ports that are named by their place in PCI are not known to Linux yet.
        if entry.flags & ENABLED and entry.device_handle_type == 0:
            self._target(entry.proximity_domain).port_handle = entry.device_handle
        return 0

    # --- HMAT

    def _parse_proximity_domain(self, table: RawTable, offset: int) -> int:
        entry = Proximity.read(table.data, offset)
        if entry.length != Proximity.size():
            self._print(
                f"Unexpected address range header length: {entry.length}", "hmat_parse_proximity_domain", ENTRY_BAD
            )
            return -EINVAL
        where = f"({entry.reserved3:#x} length {entry.reserved4:#x}) " if self._revision == 1 else ""
        text = f"{where}Flags:{entry.flags:04x} Processor Domain:{entry.processor_pd} Memory Domain:{entry.memory_pd}"
        say = self._print_table if self._revision == 1 else self._print
        say(f"Memory {text}", "hmat_parse_proximity_domain")
        if self._revision == 1 and not entry.flags & MEMORY_PD_VALID:
            return 0
        target = self.targets.get(entry.memory_pd)
        if target is None:
            return -EINVAL
        if entry.flags & PROCESSOR_PD_VALID:
            if self._nodes.pxm_to_node(entry.processor_pd) < 0:
                return -EINVAL
            target.processor_pxm = entry.processor_pd
        return 0

    def _parse_locality(self, table: RawTable, offset: int) -> int:
        header = Locality.read(table.data, offset)
        if header.length < Locality.size():
            self._print(f"Unexpected locality header length: {header.length}", "hmat_parse_locality", ENTRY_BAD)
            return -EINVAL
        needed = Locality.size() + header.needed_tail
        # The kernel's sum is 32 bits wide and can wrap; what it would read then is foreign memory, so here it cannot.
        if header.length < needed:
            self._print(
                f"Unexpected locality header length:{header.length}, minimum required:{needed & U32_MAX}",
                "hmat_parse_locality",
                ENTRY_BAD,
            )
            return -EINVAL
        locality = MemoryLocality(table, offset)
        self._values += header.number_of_initiators * header.number_of_targets
        check_values(self._values, offset)
        signed_base = locality.base - (1 << 64) if locality.base >> 63 else locality.base
        self._print_table(
            f"Locality: Flags:{header.flags:02x} Type:{locality.type_name} "
            f"Initiator Domains:{header.number_of_initiators} Target Domains:{header.number_of_targets} "
            f"Base:{signed_base}",
            "hmat_parse_locality",
        )
        first_level = header.flags & 0xF == _FIRST_LEVEL
        for row, initiator in enumerate(locality.initiators):
            self._alloc_memory_initiator(initiator)
            for column, pxm in enumerate(locality.targets):
                value = locality.value(row, column)
                self._print_table(
                    f"  Initiator-Target[{initiator}-{pxm}]:{value}{locality.suffix}", "hmat_parse_locality"
                )
                if not value and locality.is_lost(row, column):
                    after = f"{locality.type_name} from domain {initiator} to {pxm}: none"
                    self._log.record(VALUE_LOST, f"{_FILE}: hmat_normalize", after=after)
                if first_level:
                    self._update_own_initiator(pxm, initiator, locality.data_type, value)
        if first_level:
            self.localities.append(locality)
            self._locality_types |= dict.fromkeys(locality.kinds, locality)
        return 0

    def _alloc_memory_initiator(self, pxm: int) -> None:
        nid = self._nodes.pxm_to_node(pxm)
        if nid >= 0:
            self.initiators.setdefault(pxm, nid in self._nodes.has_cpu)

    def _update_own_initiator(self, target_pxm: int, initiator: int, data_type: int, value: int) -> None:
        """Take over a value from the initiator that the target names as its own. Linux: ``hmat_update_target``."""
        target = self.targets.get(target_pxm)
        if target is None or target.processor_pxm != initiator:
            return
        target.update(_LOCAL, data_type, value)
        if self._nodes.pxm_to_node(initiator) in self._nodes.has_cpu:
            target.update(_CPU, data_type, value)

    def _parse_cache(self, table: RawTable, offset: int) -> int:
        cache = MemorySideCache.read(table.data, offset)
        if cache.length < MemorySideCache.size():
            self._print(f"Unexpected cache header length: {cache.length}", "hmat_parse_cache", ENTRY_BAD)
            return -EINVAL
        bits = cache.cache_attributes
        self._print_table(
            f"Cache: Domain:{cache.memory_pd} Size:{cache.cache_size} Attrs:{bits:08x} "
            f"SMBIOS Handles:{cache.number_of_smbios_handles}",
            "hmat_parse_cache",
        )
        target = self.targets.get(cache.memory_pd)
        if target is not None:
            target.caches.append(
                NodeCache(
                    level=bits >> 4 & 0xF,
                    size=cache.cache_size,
                    line_size=bits >> 16,
                    indexing=_INDEXING.get(bits >> 8 & 0xF, _OTHER),
                    write_policy=_WRITE_POLICY.get(bits >> 12 & 0xF, _OTHER),
                    # only a direct mapped cache can be one with extended addresses
                    address_mode=int(cache.address_mode == 1 and _INDEXING.get(bits >> 8 & 0xF) == 0),
                )
            )
        return 0

    # --- who is best

    def _best_initiators(self, target: MemoryTarget, access: int) -> set[int]:
        """Domains of the best initiators, in an access class; their values are stored.

        Linux: ``hmat_update_target_attrs``.
        """
        own = target.processor_pxm
        if own != _PXM_INVAL and (access == _LOCAL or self._nodes.pxm_to_node(own) in self._nodes.has_cpu):
            return {own}
        if not self.localities:
            return set()
        self.initiators = dict(sorted(self.initiators.items()))
        candidates = set(self.initiators)
        for kind in _LOCALITY_TYPES:
            locality = self._locality_types.get(kind)
            if locality is not None:
                best = self._keep_best(target, locality, candidates, wants_cpu=access in _OF_CPUS)
                if best:
                    target.update(access, locality.data_type, best)
        return candidates

    def _keep_best(
        self, target: MemoryTarget, locality: MemoryLocality, candidates: set[int], *, wants_cpu: bool
    ) -> int:
        """Drop candidates that are not best by one structure; the best value, 0 for none.

        A better one drops all candidates of lower domains, and is itself dropped if it is not among the candidates of
        the moment: the order is part of the answer.
        """
        best = 0
        for initiator, has_cpu in self.initiators.items():
            if wants_cpu and not has_cpu:
                candidates.discard(initiator)
                continue
            if initiator not in candidates:
                continue
            value = locality.between(initiator, target.memory_pxm)
            if best_value(locality.data_type, value, best):
                best = value
                candidates.difference_update([pxm for pxm in candidates if pxm < initiator])
            if value != best:
                candidates.discard(initiator)
        return best

    # --- registration

    def _register_target(self, target: MemoryTarget) -> None:
        """Offer the ranges of a target, and show what is known if its node is online."""
        self._register_devices(target)
        if target.is_port:
            for access in (_PORT_LOCAL, _PORT_CPU):
                self._best_initiators(target, access)
            # Its node never shows anything, whatever else lies in its domain.
            target.registered = True
        self._hotplug_target(target)

    def _register_devices(self, target: MemoryTarget) -> None:
        if not self._kernel.enabled("DEV_DAX_HMEM"):
            return
        nid = self._nodes.pxm_to_node(target.memory_pxm)
        for res in target.memregions.children:
            self._hmem_register(nid, res)

    def _hotplug_target(self, target: MemoryTarget) -> None:
        """Show links, caches and values in the node's directory: once per boot, while the node is online."""
        nid = self._nodes.pxm_to_node(target.memory_pxm)
        if nid not in self._nodes.online or target.registered:
            return
        self._register_initiators(target, nid)
        for cache in target.caches:
            self._nodes.node_add_cache(nid, cache)
        for access in self._access_classes:
            self._nodes.node_set_perf_attrs(nid, target.coordinates[access], access)
        target.registered = True

    def _register_initiators(self, target: MemoryTarget, mem_nid: int) -> None:
        own = target.processor_pxm
        for access in self._access_classes:
            # What CXL has updated is not looked at again, and who was found for the target before stands.
            found = self._last_initiators if target.ext_updated else self._best_initiators(target, access)
            self._last_initiators = found
            if found == {own} and not self._kernel.has(behaviours.HMAT_GENERIC_PORTS):
                # Linked without the detour over a bitmap, which cannot hold large domains.
                initiators = [own]
            else:
                initiators = sorted(pxm for pxm in found if pxm < self._nodes.max_numnodes)
            for pxm in initiators:
                cpu_nid = self._nodes.pxm_to_node(pxm)
                self._nodes.register_memory_node_under_compute_node(mem_nid, cpu_nid, access)

    # --- what CXL asks and tells

    def genport_coordinates(self, uid: int) -> Sequence[AccessCoordinate] | None:
        """How fast the host bridge of that number is reached, by access class. Linux: ``acpi_get_genport_coordinates``.

        Targets that are no ports have the number 0 in their handles, and count for a bridge of that number.
        """
        target = next((target for target in self.targets.values() if target.uid == uid), None)
        return target.coordinates[_PORT_LOCAL:] if target is not None else None

    def update_target_coordinates(self, nid: int, coordinate: AccessCoordinate, access: int) -> int:
        """Put what CXL knows in place of the HMAT's: 0 or -ENODEV. Linux: ``hmat_update_target_coordinates``."""
        target = self.targets.get(self._nodes.node_to_pxm(nid) & U32_MAX)
        if target is None:
            return -ENODEV
        target.coordinates[access] = coordinate
        target.ext_updated = True
        return 0

    def initiator_coordinate(self, initiator: int, nid: int) -> AccessCoordinate:
        """How fast the memory of a node is for the processors of another, whichever initiators Linux shows."""
        source, target = self._nodes.node_to_pxm(initiator), self._nodes.node_to_pxm(nid)
        if source < 0 or target < 0:
            return AccessCoordinate()
        said = {kind: locality.between(source, target) for kind, locality in self._locality_types.items()}
        return AccessCoordinate(**said)

    # --- later

    def callback(self, action: str, start_pfn: int, nr_pages: int, nid: int) -> None:
        """Memory went online or offline; the first memory of a node shows what is known of it.

        Linux: ``hmat_callback``, a memory notifier.
        """
        if nid < 0 or action != "online":
            return
        target = self.targets.get(self._nodes.node_to_pxm(nid) & U32_MAX)
        if target is None:
            return
        if self._kernel.has(behaviours.HMEM_PLATFORM_DEVICE):
            self._hotplug_target(target)
        else:
            self._register_target(target)

    def _offer_abstract_distances(self) -> None:
        """Give memory tiers the performance of ordinary DRAM; if all of it agrees, answer for other nodes.

        Linux: ``hmat_set_default_dram_perf``.
        """
        if self._tiers is None:
            return
        for nid in sorted(self._tiers.default_dram_nodes):
            target = self.targets.get(self._nodes.node_to_pxm(nid) & U32_MAX)
            if target is not None and self._tiers.mt_set_default_dram_perf(nid, target.coordinates[_CPU], "ACPI HMAT"):
                return
        self._tiers.register_mt_adistance_algorithm(self.calculate_adistance)

    def calculate_adistance(self, nid: int) -> int | None:
        """Abstract distance of a node by its performance, or ``None``. Linux: ``hmat_calculate_adistance``."""
        target = self.targets.get(self._nodes.node_to_pxm(nid) & U32_MAX)
        if target is None or self._tiers is None:
            return None
        if not target.ext_updated:
            self._best_initiators(target, _CPU)
        status, adistance = self._tiers.mt_perf_to_adistance(target.coordinates[_CPU])
        return None if status else adistance

    def _print_table(self, text: str, function: str) -> None:
        """Print what a table says, in kernels that do so."""
        if self._kernel.has(behaviours.HMAT_TABLES_PRINTED):
            self._print(text, function)

    def _print(self, text: str, function: str, rule: Rule = HMAT_SAYS) -> None:
        self._log.printk(f"acpi/hmat: {text}", f"{_FILE}: {function}", rule, text)


#: The state, where an HMAT is in use.
HMAT: StashKey[HmatState] = StashKey("hmat")
