"""Regions: made by user space through sysfs, or of decoders that were committed before. Linux: ``core/region.c``.

Store functions return how many bytes they took, or ``-errno``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from errno import EBUSY, EINVAL, ENODEV, ENXIO, EPERM, ERANGE
from functools import partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.driver_core.ida import memregion_ids
from softreserve.kernel.resource import (
    IORES_DESC_NONE,
    IORESOURCE_MEM,
    REGION_DISJOINT,
    Resource,
    insert_resource,
    region_intersects,
    remove_resource,
    walk_system_ram_res,
)
from softreserve.kernel.sysfs import Attribute, Directory, Node, c_text
from softreserve.model.behaviours import CXL_UPDATES_NODES
from softreserve.model.cxl import DECODER_MULTIPLE, GRANULARITIES, WAYS
from softreserve.model.events import Rule
from softreserve.model.units import U64_MAX, kstrtoint, kstrtoull

from softreserve_cxl import behaviours
from softreserve_cxl.attach import cxl_decoder_detach, cxl_region_attach, decode_commit, decode_reset
from softreserve_cxl.bus import CXL_BUS, CxlDevice, shown
from softreserve_cxl.performance import cxl_region_update_coordinates
from softreserve_cxl.topology import DEVICE_REGION, Config, EndpointDecoder, Region, RootDecoder, root_decoders

if TYPE_CHECKING:
    from softreserve.kernel.numa.node import MemoryTiering
    from softreserve.kernel.system import System

__all__ = [
    "IN_USE",
    "NOT_INSERTED",
    "REGION_MADE",
    "CxlRegionDriver",
    "committed_regions",
    "cxl_add_to_region",
    "root_files",
    "unregister_region",
]

_FILE: Final = "drivers/cxl/core/region.c"
#: Linux: ``include/linux/memory.h: CXL_CALLBACK_PRI``.
_CALLBACK_PRIORITY: Final = 5
#: The access class of initiators that have CPUs.
_CPU: Final = 1
_NUMBER: Final = re.compile(r"region\s*([+-]?\d+)")
_UUID: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

REGION_MADE: Final = Rule("cxl-region-made", "{} made")
REGION_GONE: Final = Rule("cxl-region-gone", "{} decodes nothing any more")
#: A region of committed decoders that is not in /proc/iomem: something reaches across one of its ends.
NOT_INSERTED: Final = Rule("cxl-region-not-inserted", "{} has no line: something overlaps it in part")
IN_USE: Final = Rule("cxl-region-in-use", "{} makes no dax device: part of it is System RAM already")


# --- regions come and go


def root_files(root: RootDecoder) -> dict[str, Node]:
    """``create_ram_region``, ``create_pmem_region``, ``delete_region`` of a window that is good for it."""
    found: dict[str, Node] = {}
    ram = root.can_ram and root.bus.system.kernel.has(behaviours.CXL_RAM_REGIONS)
    for mode, can in (("pmem", root.can_pmem), ("ram", ram)):
        if can and root.type3:
            found[f"create_{mode}_region"] = Attribute(
                0o644, lambda: f"region{root.region_id}\n", partial(create_region_store, root, mode)
            )
    if found:
        found["delete_region"] = Attribute(0o200, store=partial(delete_region_store, root))
    return found


def create_region_store(root: RootDecoder, mode: str, data: bytes) -> int:
    """Write to ``create_ram_region``: the name that reading it gave."""
    number = _number(data)
    if number is None:
        return -EINVAL
    return len(data) if create_region(root, mode, number) is not None else -EBUSY


def create_region(root: RootDecoder, mode: str, number: int) -> Region | None:
    """Make an empty region; ``None``: the window hands out another number now. Linux: ``__create_region``."""
    ids = memregion_ids(root.bus.system)
    if number != root.region_id:
        return None
    root.region_id = ids.alloc()
    region = Region(root, number, mode)
    region.more = partial(_files, region)
    root.regions[number] = region
    root.bus.register(region, root)
    return region


def delete_region_store(root: RootDecoder, data: bytes) -> int:
    """Write to ``delete_region``."""
    number = _number(data)
    if number is None:
        return -EINVAL
    region = root.regions.get(number)
    if region is None or c_text(data).removesuffix("\n") != region.name:
        return -ENODEV
    unregister_region(region)
    return len(data)


def _number(data: bytes) -> int | None:
    found = _NUMBER.match(c_text(data))
    return int(found[1]) if found else None


def unregister_region(region: Region) -> None:
    """Take a region away; its number is the next one again if it is lower. Linux: ``unregister_region``."""
    root = region.root
    if region.state >= Config.COMMIT:
        _record(region, REGION_GONE, "unregister_region")
    root.bus.unregister(region, root)
    del root.regions[region.id]
    for decoder in list(region.targets.values()):
        cxl_decoder_detach(decoder)
    _iomem_release(region)
    ids = memregion_ids(root.bus.system)
    if region.id < root.region_id:
        ids.free(root.region_id)
        root.region_id = region.id
    else:
        ids.free(region.id)


def _iomem_release(region: Region) -> None:
    if region.res is not None and region.res.parent is not None:
        remove_resource(region.res)
    region.res = None


def committed_regions(system: System) -> list[Region]:
    """Regions whose decoders are programmed."""
    bus = system.stash.get(CXL_BUS)
    devices = bus.devices.values() if bus is not None else ()
    return [found for found in devices if isinstance(found, Region) and found.state == Config.COMMIT]


# --- the files of a region


def _files(region: Region) -> dict[str, Node]:
    res = region.res
    found: dict[str, Node] = {
        "uuid": Attribute(0o444, lambda: "\n"),
        "commit": _rw(int(region.state >= Config.COMMIT), partial(commit_store, region)),
        "interleave_ways": _rw(region.ways, partial(interleave_ways_store, region)),
        "interleave_granularity": _rw(region.granularity, partial(interleave_granularity_store, region)),
        "resource": shown(f"{res.start if res is not None else U64_MAX:#x}"),
        "size": _rw(f"{res.size if res is not None else 0:#x}", partial(size_store, region)),
        "mode": shown(region.mode),
    }
    if region.bus.system.kernel.has(behaviours.CXL_REGION_PERFORMANCE):
        found |= {f"access{access}": _access(region, access) for access in range(len(region.coordinates))}
    if region.mode == "pmem":
        found["uuid"] = _rw(region.uuid or "00000000-0000-0000-0000-000000000000", partial(uuid_store, region))
    if region.bus.system.kernel.has(behaviours.CXL_LOCKED_REGIONS):
        found["locked"] = shown(int(region.locked))
    for pos in range(region.ways):
        target = region.targets.get(pos)
        found[f"target{pos}"] = _rw(target.name if target is not None else "", partial(target_store, region, pos))
    return found


def _access(region: Region, access: int) -> Directory:
    return Directory(
        {name: shown(getattr(region.coordinates[access], name)) for name in region.shown_coordinates[access]}
    )


def _rw(text: object, store: Callable[[bytes], int]) -> Attribute:
    return Attribute(0o644, lambda: f"{text}\n", store)


def uuid_store(region: Region, data: bytes) -> int:
    """Write to ``uuid``: it cannot change once the region is laid out, and no two regions have the same."""
    # One byte follows, whatever it is: libcxl writes the NUL of its string.
    found = _UUID.match(data) if len(data) == 37 else None
    if found is None or not found[0].strip(b"0-"):
        return -EINVAL
    uuid = found[0].decode().lower()
    if uuid == region.uuid:
        return len(data)
    others = (device for device in region.bus.devices.values() if isinstance(device, Region))
    if region.state >= Config.ACTIVE or any(other.uuid == uuid for other in others):
        return -EBUSY
    region.uuid = uuid
    return len(data)


def interleave_ways_store(region: Region, data: bytes) -> int:
    """Write to ``interleave_ways``: a power of two times those of the window."""
    status, ways = kstrtoint(c_text(data))
    if status:
        return status
    times, remainder = divmod(ways, region.root.ways)
    if ways not in WAYS or remainder or times.bit_count() != 1:
        return -EINVAL
    if region.state >= Config.INTERLEAVE_ACTIVE:
        return -EBUSY
    region.ways = ways
    return len(data)


def interleave_granularity_store(region: Region, data: bytes) -> int:
    """Write to ``interleave_granularity``: that of the window, if that interleaves."""
    status, granularity = kstrtoint(c_text(data))
    if status:
        return status
    if granularity not in GRANULARITIES or (region.root.ways > 1 and granularity != region.root.granularity):
        return -EINVAL
    if region.state >= Config.INTERLEAVE_ACTIVE:
        return -EBUSY
    region.granularity = granularity
    return len(data)


def size_store(region: Region, data: bytes) -> int:
    """Write to ``size``: takes the lowest free space of the window; 0 gives it back."""
    size = kstrtoull(c_text(data))
    if size < 0:
        return size
    return (_alloc_hpa(region, size) if size else _free_hpa(region)) or len(data)


def _alloc_hpa(region: Region, size: int) -> int:
    if region.res is not None:
        return 0 if region.res.size == size else -EBUSY
    if not region.ways or not region.granularity or (region.mode == "pmem" and not region.uuid):
        return -ENXIO
    if size % (DECODER_MULTIPLE * region.ways):
        return -EINVAL
    window = region.root.res
    if window is None:
        return -ENXIO
    region.res = _alloc_free_mem_region(window, size, region.name)
    if region.res is None:
        return -ERANGE
    region.state = Config.INTERLEAVE_ACTIVE
    return 0


def _alloc_free_mem_region(window: Resource, size: int, name: str) -> Resource | None:
    """Free space in a window, from the bottom up. Linux: ``kernel/resource.c: get_free_mem_region``."""
    start = -(-window.start // DECODER_MULTIPLE) * DECODER_MULTIPLE
    for base in range(start, window.end - size + 2, DECODER_MULTIPLE):
        if region_intersects(window, base, size, 0, IORES_DESC_NONE) == REGION_DISJOINT:
            found = Resource(base, base + size - 1, name, IORESOURCE_MEM)
            return None if insert_resource(window, found) or found.children else found
    return None


def _free_hpa(region: Region) -> int:
    if region.res is None:
        return 0
    if region.state >= Config.ACTIVE:
        return -EBUSY
    _iomem_release(region)
    region.state = Config.IDLE
    return 0


def target_store(region: Region, pos: int, data: bytes) -> int:
    """Write to ``targetN``: a decoder by name, or nothing."""
    text = c_text(data).removesuffix("\n")
    if not text:
        target = region.targets.get(pos)
        if target is not None:
            cxl_decoder_detach(target)
        return len(data)
    decoder = region.bus.devices.get(text)
    if decoder is None:
        return -ENODEV
    if not isinstance(decoder, EndpointDecoder):
        return -EINVAL
    return _attach_target(region, decoder, pos) or len(data)


def _attach_target(region: Region, decoder: EndpointDecoder, pos: int) -> int:
    status = cxl_region_attach(region, decoder, pos)
    if status and region.bus.system.kernel.has(behaviours.CXL_ATTACH_FAILURE_PRINTED):
        port = decoder.port
        text = f"failed to attach {decoder.name} to {region.name}: {status}"
        region.bus.system.printk(f"{port.driver_string('cxl')} {port.name}: {text}", f"{_FILE}: attach_target")
    return status


def commit_store(region: Region, data: bytes) -> int:
    """Write to ``commit``: true programs the decoders, false stops them."""
    wanted = region.bus.system.kernel.kstrtobool(c_text(data))
    if wanted is None:
        return -EINVAL
    if wanted:
        return _commit(region) or len(data)
    if region.stays:
        return -EPERM
    if region.state < Config.COMMIT:
        return len(data)
    if region.bus.system.kernel.has(behaviours.CXL_RESET_DROPS_CACHES) and not _can_drop_caches(region):
        return -ENXIO
    _record(region, REGION_GONE, "commit_store")
    region.state = Config.RESET_PENDING
    region.bus.device_release_driver(region)
    decode_reset(region, region.ways)
    region.state = Config.ACTIVE
    return len(data)


def _commit(region: Region) -> int:
    """Linux: ``__commit``. Where the CPU cannot drop what it has cached of the memory, nothing is committed."""
    if region.state >= Config.COMMIT:
        return 0
    if region.state < Config.ACTIVE:
        return -ENXIO
    if region.bus.system.kernel.has(behaviours.CXL_COMMIT_DROPS_CACHES) and not _can_drop_caches(region):
        return -ENXIO
    status = decode_commit(region)
    if status:
        return status
    region.state = Config.COMMIT
    _record(region, REGION_MADE, "commit_store")
    return 0


def _can_drop_caches(region: Region) -> bool:
    """Linux: ``cpu_cache_has_invalidate_memregion``."""
    system = region.bus.system
    return system.arch.invalidates_memregions(system.machine)


def _record(region: Region, rule: Rule, function: str) -> None:
    assert region.res is not None
    log, after = region.bus.system.log, f"{region.mode}, {region.ways} way{'s' * (region.ways > 1)}"
    source = f"{_FILE}: {function}"
    log.record(rule.of(region.name), source, region.res.start, region.res.end + 1, region.name, after)


# --- committed before


def cxl_add_to_region(decoder: EndpointDecoder) -> int:
    """Make the region that a committed decoder belongs to, or add to it; with the last one it gets its driver."""
    start, end = decoder.start, decoder.start + decoder.size
    windows = root_decoders(decoder.bus)
    root = next((found for found in windows if found.start <= start and end <= found.start + found.size), None)
    if root is None:
        port, device = decoder.memdev, decoder.memdev.hardware.path.rpartition("/")[2]
        text = f"{port.name}:{decoder.name} no CXL window for range {start:#x}:{end - 1:#x}"
        decoder.bus.system.printk(f"cxl_pci {device}: {text}", f"{_FILE}: get_cxl_root_decoder")
        return -ENXIO
    region = next((found for found in root.regions.values() if _is_at(found, start, end)), None)
    if region is None:
        region = _construct_region(root, decoder)
    _attach_target(region, decoder, -1)
    if region.state == Config.COMMIT:
        _record(region, REGION_MADE, "construct_region")
        region.bus.device_attach(region)
    return 0


def _is_at(region: Region, start: int, end: int) -> bool:
    return region.res is not None and (region.res.start, region.res.end + 1) == (start, end)


def _construct_region(root: RootDecoder, decoder: EndpointDecoder) -> Region:
    """An empty region where the decoder decodes, over whatever lies there. Linux: ``construct_region``."""
    assert decoder.part is not None
    region = create_region(root, decoder.part, root.region_id)
    assert region is not None
    region.auto = True
    region.res = Resource(decoder.start, decoder.start + decoder.size - 1, region.name, IORESOURCE_MEM)
    region.ways, region.granularity = decoder.ways, decoder.granularity
    region.state = Config.INTERLEAVE_ACTIVE
    if root.res is None or insert_resource(root.res, region.res):
        memdev, device = decoder.memdev, decoder.memdev.hardware.path.rpartition("/")[2]
        text = f"{memdev.name}:{decoder.name}: __construct_region {region.name} cannot insert resource"
        root.bus.system.printk(f"cxl_pci {device}: {text}", f"{_FILE}: construct_region")
        _record(region, NOT_INSERTED, "construct_region")
    return region


# --- the driver


class CxlRegionDriver:
    """``cxl_region``, part of the core: memory of a committed region goes to the dax bus."""

    name = "cxl_region"
    module = "cxl_core"
    number = DEVICE_REGION

    def __init__(self, system: System, add_dax_region: Callable[[Region], Callable[[], None]]) -> None:
        """``add_dax_region`` makes the device that dax_cxl takes, and gives back what takes it away."""
        self._system = system
        self._add_dax_region = add_dax_region
        self._undo: dict[str, list[Callable[[], None]]] = {}
        #: Nodes that have been told how fast a region is.
        self._seen: set[int] = set()
        self._updates_nodes = system.kernel.has(CXL_UPDATES_NODES)

    def probe(self, device: CxlDevice) -> int:
        """Bind: 0, or -ENXIO where the region is not committed, or not safe to use. Linux: ``cxl_region_probe``."""
        assert isinstance(device, Region)
        if device.state < Config.COMMIT:
            return -ENXIO
        by_hand = not device.auto and self._system.kernel.has(behaviours.CXL_PROBE_DROPS_CACHES)
        if by_hand and not _can_drop_caches(device):
            text = f"cxl_region {device.name}: Failed to synchronize CPU cache state"
            self._system.printk(text, f"{_FILE}: cxl_region_invalidate_memregion")
            return -ENXIO
        self._undo[device.name] = list(self._listen(device))
        res = device.res
        if device.mode != "ram" or res is None:
            return 0
        if walk_system_ram_res(self._system.iomem.root, res.start, res.end, lambda _: 1) > 0:
            _record(device, IN_USE, "cxl_region_probe")
            return 0
        self._undo[device.name].append(self._add_dax_region(device))
        return 0

    def _listen(self, region: Region) -> Iterator[Callable[[], None]]:
        """Answer for the region's node; what comes back makes an end of that."""
        kernel, memory, tiering = self._system.kernel, self._system.memory, self._system.nodes.tiering
        if kernel.has(behaviours.CXL_REGION_PERFORMANCE):
            notifier = partial(self._perf_attrs_callback, region)
            memory.register_memory_notifier(notifier, _CALLBACK_PRIORITY)
            yield partial(memory.unregister_memory_notifier, notifier)
        if kernel.has(behaviours.CXL_REGION_ABSTRACT_DISTANCE) and tiering is not None:
            algorithm = partial(self._calculate_adistance, region, tiering)
            tiering.register_mt_adistance_algorithm(algorithm)
            yield partial(tiering.unregister_mt_adistance_algorithm, algorithm)

    def _perf_attrs_callback(self, region: Region, action: str, start_pfn: int, nr_pages: int, nid: int) -> None:
        """Memory went online; the first of the region's node shows how fast it is.

        Linux: ``cxl_region_perf_attrs_callback``, a memory notifier.
        """
        if nid < 0 or action != "online" or nid != self._node_of(region):
            return
        if self._updates_nodes:
            if nid in self._seen:
                return
            self._seen.add(nid)
        cxl_region_update_coordinates(region, nid, updates_nodes=self._updates_nodes)

    def _calculate_adistance(self, region: Region, tiering: MemoryTiering, nid: int) -> int | None:
        """Abstract distance of the region's node. Linux: ``cxl_region_calculate_adistance``."""
        if nid != self._node_of(region):
            return None
        status, distance = tiering.mt_perf_to_adistance(region.coordinates[_CPU])
        return None if status else distance

    def _node_of(self, region: Region) -> int | None:
        return self._system.nodes.phys_to_target_node(region.res.start) if region.res is not None else None

    def remove(self, device: CxlDevice) -> None:
        """Take the memory away from the dax bus."""
        for undo in reversed(self._undo.pop(device.name, [])):
            undo()
