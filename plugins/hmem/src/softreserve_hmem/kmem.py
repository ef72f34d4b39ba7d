"""The kmem driver: a dax device becomes ordinary memory of its target node. Linux: ``drivers/dax/kmem.c``."""

from __future__ import annotations

from errno import EBUSY, EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel import resource
from softreserve.kernel.mm.memory_hotplug import MHP_MEMMAP_ON_MEMORY, MHP_NID_IS_MGID
from softreserve.kernel.resource import IORESOURCE_SYSTEM_RAM, Resource
from softreserve.model.events import Rule

from softreserve_hmem import behaviours
from softreserve_hmem.memory_tiers import MEMORY_TIERS, MEMTIER_DEFAULT_DAX_ADISTANCE, MemoryType

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxDevice

__all__ = ["KMEM_SAYS", "RANGE_TAKEN", "KmemDriver", "dax_kmem_range"]

#: What kmem prints; each line is about a device, by name.
KMEM_SAYS: Final = Rule("kmem-says", "a line of kmem")
RANGE_TAKEN: Final = Rule("kmem-range-taken", "refused by kmem: the range is not free as a whole")
NO_TARGET_NODE: Final = Rule("kmem-no-target-node", "refused by kmem: it has no target node")
NO_WHOLE_BLOCK: Final = Rule("kmem-no-whole-block", "no whole memory block: stays with the device, unused")

_KMEM_NAME: Final = "System RAM (kmem)"
_FILE: Final = "drivers/dax/kmem.c"


class _Data:
    """What the driver remembers of a bound device; ``resources`` by number of the range."""

    __slots__ = ("mgid", "resources")

    def __init__(self, mgid: int) -> None:
        self.mgid = mgid
        self.resources: dict[int, Resource] = {}


def dax_kmem_range(system: System, start: int, end: int) -> tuple[int, int] | None:
    """The whole memory blocks of a range (bytes, ends inclusive), or ``None``. Linux: ``dax_kmem_range``."""
    size = system.memory.block_size
    first, last = -(-start // size) * size, (end + 1) // size * size - 1
    return (first, last) if first < last else None


class KmemDriver:
    """``kmem``, a driver of the dax bus; see :class:`softreserve.model.dax.DaxDriver`."""

    name = "kmem"
    module = "kmem"
    option = "DEV_DAX_KMEM"
    source = _FILE
    type = "kmem"
    match_always = False

    def __init__(self, system: System) -> None:
        self._system = system
        self._bound: dict[str, _Data] = {}
        self._memory_types: list[MemoryType] = []

    # --- binding

    def probe(self, device: DaxDevice) -> int:
        """Add the device's memory. Linux: ``dev_dax_kmem_probe``."""
        node = device.target_node
        if node < 0:
            self._say(device, f"rejecting DAX region with invalid node: {node}", "dev_dax_kmem_probe")
            for start, end in device.ranges:
                self._system.log.record(NO_TARGET_NODE, f"{_FILE}: dev_dax_kmem_probe", start, end + 1, device.name)
            return -EINVAL
        kept = self._kept_ranges(device)
        if not kept:
            self._say(device, "rejecting DAX region without any memory after alignment", "dev_dax_kmem_probe")
            return -EINVAL
        kind = self._memory_type(node)
        tiers = self._system.stash.get(MEMORY_TIERS)
        if tiers is not None and kind is not None:
            tiers.init_node_memory_type(node, kind)
        status = self._add_ranges(device, kept)
        if status and tiers is not None and kind is not None:
            tiers.clear_node_memory_type(node, kind)
        return status

    def _kept_ranges(self, device: DaxDevice) -> dict[int, tuple[int, int]]:
        """Ranges in bytes, ends inclusive, by number, cut to whole memory blocks; the others are named in the log."""
        kept = {}
        for number, (start, end) in enumerate(device.ranges):
            aligned = dax_kmem_range(self._system, start, end)
            if aligned is None:
                self._say(
                    device, f"mapping{number}: {start:#x}-{end:#x} too small after alignment", "dev_dax_kmem_probe"
                )
            else:
                kept[number] = aligned
                self._record_loss(start, aligned[0])
                self._record_loss(aligned[1] + 1, end + 1)
        return kept

    def _record_loss(self, start: int, end: int) -> None:
        """Note what is cut off without a word in the log (bytes, half open; may be empty)."""
        if start < end:
            self._system.log.record(NO_WHOLE_BLOCK, f"{_FILE}: dax_kmem_range", start, end)

    def _memory_type(self, node: int) -> MemoryType | None:
        tiers = self._system.stash.get(MEMORY_TIERS)
        if tiers is None:
            return None
        adistance = MEMTIER_DEFAULT_DAX_ADISTANCE
        if self._system.kernel.has(behaviours.KMEM_ASKS_FOR_ABSTRACT_DISTANCE):
            adistance = tiers.calc_adistance(node, adistance)
        return tiers.find_alloc_memory_type(adistance, self._memory_types)

    def _add_ranges(self, device: DaxDevice, kept: dict[int, tuple[int, int]]) -> int:
        """Add range after range; only when the very first one fails, the device is refused."""
        memory = self._system.memory
        page = self._system.kernel.page_size
        total = sum(last + 1 - first for first, last in kept.values())
        mgid = memory.memory_group_register_static(device.target_node, -(-total // page))
        if mgid < 0:
            return mgid
        data = _Data(mgid)
        for number, (first, last) in kept.items():
            status = self._add_range(device, data, number, first, last)
            if status and not data.resources:
                memory.memory_group_unregister(mgid)
                return status
        self._bound[device.name] = data
        return 0

    def _add_range(self, device: DaxDevice, data: _Data, number: int, first: int, last: int) -> int:
        size = last + 1 - first
        where = f"mapping{number}: {first:#x}-{last:#x}"
        res = resource.request_region(self._system.iomem.root, first, size, device.name)
        if res is None:
            self._say(device, f"{where} could not reserve region", "dev_dax_kmem_probe", RANGE_TAKEN)
            return -EBUSY
        # Not busy, so that the System RAM can be put inside.
        res.flags = IORESOURCE_SYSTEM_RAM
        flags = MHP_NID_IS_MGID
        if device.memmap_on_memory and self._system.kernel.has(behaviours.DAX_MEMMAP_ON_MEMORY):
            flags |= MHP_MEMMAP_ON_MEMORY
        if self._system.kernel.has(behaviours.KMEM_DRIVER_MANAGED):
            status = self._system.memory.add_memory_driver_managed(data.mgid, first, size, _KMEM_NAME, flags)
        else:
            status = self._system.memory.add_memory(data.mgid, first, size, flags)
        if status:
            self._say(device, f"{where} memory add failed", "dev_dax_kmem_probe")
            resource.remove_resource(res)
            return status
        data.resources[number] = res
        return 0

    # --- unbinding

    def remove(self, device: DaxDevice) -> None:
        """Take the memory away where all of it is offline; what is not stays until the next reboot.

        Linux: ``dev_dax_kmem_remove``. Without CONFIG_MEMORY_HOTREMOVE everything stays.
        """
        data = self._bound.pop(device.name)
        if not self._system.kernel.builtin("MEMORY_HOTREMOVE"):
            return
        done = 0
        for number, (start, end) in enumerate(device.ranges):
            aligned = dax_kmem_range(self._system, start, end)
            if aligned is None:
                continue
            done += self._remove_range(device, data.resources.get(number), number, *aligned)
        if done < len(device.ranges):
            return
        self._system.memory.memory_group_unregister(data.mgid)
        tiers = self._system.stash.get(MEMORY_TIERS)
        if tiers is not None:
            asks = self._system.kernel.has(behaviours.KMEM_ASKS_FOR_ABSTRACT_DISTANCE)
            kind = None if asks else self._memory_types[0]
            tiers.clear_node_memory_type(device.target_node, kind)

    def _remove_range(self, device: DaxDevice, res: Resource | None, number: int, first: int, last: int) -> bool:
        """Whether nothing of the range is left."""
        if res is None:
            return True
        if self._system.memory.remove_memory(first, last + 1 - first) == 0:
            resource.remove_resource(res)
            return True
        self._say(
            device,
            f"mapping{number}: {first:#x}-{last:#x} cannot be hotremoved until the next reboot",
            "dev_dax_kmem_remove",
        )
        return False

    def _say(self, device: DaxDevice, text: str, function: str, rule: Rule = KMEM_SAYS) -> None:
        self._system.log.printk(f"kmem {device.name}: {text}", f"{_FILE}: {function}", rule, device.name)
