"""The kmem driver: a dax device becomes ordinary memory of its target node. Linux: ``drivers/dax/kmem.c``."""

from __future__ import annotations

from errno import EBUSY, EINVAL
from typing import TYPE_CHECKING, Final

from softreserve.kernel import resource
from softreserve.kernel.mm.memory_hotplug import MHP_MEMMAP_ON_MEMORY, MHP_NID_IS_MGID, ONLINE_TYPES
from softreserve.kernel.resource import IORESOURCE_SYSTEM_RAM, Resource
from softreserve.kernel.sysfs import Attribute, Node, c_text
from softreserve.model.events import Rule
from softreserve.model.units import string_get_size

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

#: The state of a device whose memory is not there, beside the words that memory blocks have.
UNPLUGGED: Final = "unplugged"
_KMEM_NAME: Final = "System RAM (kmem)"
_FILE: Final = "drivers/dax/kmem.c"


class _Data:
    """What the driver remembers of a bound device.

    :param kept: its whole memory blocks by number of the range: bytes, ends inclusive.
    """

    __slots__ = ("kept", "mgid", "resources", "state")

    def __init__(self, mgid: int, kept: dict[int, tuple[int, int]]) -> None:
        self.mgid = mgid
        self.kept = kept
        #: By number of the range, where memory is reserved.
        self.resources: dict[int, Resource] = {}
        #: As what its memory was brought up last, or ``unplugged``.
        self.state = UNPLUGGED


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
    init_name = "dax_kmem_init"
    type = "kmem"
    match_always = False

    def __init__(self, system: System) -> None:
        self._system = system
        self._bound: dict[str, _Data] = {}
        self._memory_types: list[MemoryType] = []
        self._asks_for_distance = system.kernel.has(behaviours.KMEM_ASKS_FOR_ABSTRACT_DISTANCE)
        #: Whether all ranges are reserved before memory is added, and what is left is counted by range.
        self._requests_all_first = system.kernel.has(behaviours.KMEM_REQUESTS_ALL_FIRST)

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

    def device_attributes(self, device: DaxDevice) -> dict[str, Node]:
        """What a bound device shows beside the bus's own."""
        data = self._bound.get(device.name)
        if data is None or not self._system.kernel.has(behaviours.KMEM_STATE_FILE):
            return {}
        return {"state": Attribute(0o644, lambda: f"{data.state}\n", lambda text: self.state_store(device, data, text))}

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
        lost = sum(end + 1 - start for start, end in device.ranges) - _size(kept)
        if kept and lost and self._system.kernel.has(behaviours.KMEM_TRUNCATION_WARNING):
            text = f"DAX region truncated by {string_get_size(lost)} due to alignment"
            self._say(device, text, "dev_dax_kmem_probe")
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
        if self._asks_for_distance:
            adistance = tiers.calc_adistance(node, adistance)
        return tiers.find_alloc_memory_type(adistance, self._memory_types)

    def _add_ranges(self, device: DaxDevice, kept: dict[int, tuple[int, int]]) -> int:
        """Bring all ranges up: 0, or ``-errno`` with nothing kept."""
        memory = self._system.memory
        mgid = memory.memory_group_register_static(device.target_node, -(-_size(kept) // self._system.kernel.page_size))
        if mgid < 0:
            return mgid
        data = _Data(mgid, kept)
        status = self._bring_up(device, data, memory.default_online_type)
        if status:
            memory.memory_group_unregister(mgid)
            return status
        self._bound[device.name] = data
        return 0

    def _bring_up(self, device: DaxDevice, data: _Data, online_type: str) -> int:
        """Reserve and add; only where the very first range fails, everything does.

        Newer kernels reserve all ranges before they add the first. Linux: ``dax_kmem_init_resources``,
        ``dax_kmem_do_hotplug``; before, both in ``dev_dax_kmem_probe``.
        """
        reserved = added = 0
        if self._requests_all_first:
            for number in data.kept:
                status = self._reserve(device, data, number)
                if status and not reserved:
                    return status
                reserved += not status
        for number in data.kept:
            status = 0 if self._requests_all_first else self._reserve(device, data, number)
            if not status and number in data.resources:
                status = self._add(device, data, number, online_type)
                added += not status
            if status and not added:
                self._drop(data)
                return status
        data.state = online_type
        return 0

    def _reserve(self, device: DaxDevice, data: _Data, number: int) -> int:
        """Take a range in ``/proc/iomem``: 0 or -EBUSY."""
        first, last = data.kept[number]
        res = resource.request_region(self._system.iomem.root, first, last + 1 - first, device.name)
        if res is None:
            where = f"mapping{number}: {first:#x}-{last:#x}"
            self._say(device, f"{where} could not reserve region", "dev_dax_kmem_probe", RANGE_TAKEN)
            return -EBUSY
        # Not busy, so that the System RAM can be put inside.
        res.flags = IORESOURCE_SYSTEM_RAM
        data.resources[number] = res
        return 0

    def _add(self, device: DaxDevice, data: _Data, number: int, online_type: str) -> int:
        """Add the memory of a range that is reserved: 0 or ``-errno``, and not reserved any more then."""
        memory, kernel = self._system.memory, self._system.kernel
        first, last = data.kept[number]
        size = last + 1 - first
        flags = MHP_NID_IS_MGID
        if device.memmap_on_memory and kernel.has(behaviours.DAX_MEMMAP_ON_MEMORY):
            flags |= MHP_MEMMAP_ON_MEMORY
        if kernel.has(behaviours.KMEM_DRIVER_MANAGED):
            status = memory.add_memory_driver_managed(data.mgid, first, size, _KMEM_NAME, flags, online_type)
        else:
            status = memory.add_memory(data.mgid, first, size, flags)
        if status:
            where = f"mapping{number}: {first:#x}-{last:#x}"
            self._say(device, f"{where} memory add failed", "dev_dax_kmem_probe")
            resource.remove_resource(data.resources.pop(number))
        return status

    def _drop(self, data: _Data) -> None:
        """Give back what is reserved."""
        for res in data.resources.values():
            resource.remove_resource(res)
        data.resources.clear()

    # --- the state of a bound device

    def state_store(self, device: DaxDevice, data: _Data, text: bytes) -> int:
        """Write to ``state``: the bytes taken, or ``-errno``. Linux: the same function."""
        wanted = c_text(text).removesuffix("\n")
        if wanted not in (UNPLUGGED, *ONLINE_TYPES) or wanted == "offline":
            return -EINVAL
        if wanted == data.state:
            return len(text)
        if wanted == UNPLUGGED:
            return self._unplug(device, data) or len(text)
        if data.state != UNPLUGGED:
            return -EBUSY
        return self._bring_up(device, data, wanted) or len(text)

    def _unplug(self, device: DaxDevice, data: _Data) -> int:
        """Take all memory offline and away, or leave it as it was. Linux: ``dax_kmem_do_hotremove``."""
        if not self._system.kernel.builtin("MEMORY_HOTREMOVE"):
            return -EBUSY
        ranges = [data.kept[number] for number in data.resources]
        status = self._system.memory.offline_and_remove_memory_ranges(ranges)
        if status:
            text = f"hotremove failed, device left online: {status}"
            self._say(device, text, "dax_kmem_do_hotremove")
            return status
        self._drop(data)
        data.state = UNPLUGGED
        return 0

    # --- unbinding

    def remove(self, device: DaxDevice) -> None:
        """Take the memory away where all of it is offline; what is not stays until the next reboot.

        Linux: ``dev_dax_kmem_remove``. Without CONFIG_MEMORY_HOTREMOVE everything stays.
        """
        data = self._bound.pop(device.name)
        if not self._system.kernel.builtin("MEMORY_HOTREMOVE"):
            return
        # A range that was too small counts as one that is left, in kernels that count.
        counts = not self._requests_all_first
        stuck = counts and len(data.kept) < len(device.ranges)
        for number, res in list(data.resources.items()):
            stuck |= not self._remove_range(device, res, number, *data.kept[number])
        if stuck:
            if not counts:
                self._say(device, "Hotplug regions stuck online until reboot", "dev_dax_kmem_remove")
            return
        self._system.memory.memory_group_unregister(data.mgid)
        tiers = self._system.stash.get(MEMORY_TIERS)
        if tiers is not None:
            kind = None if self._asks_for_distance else self._memory_types[0]
            tiers.clear_node_memory_type(device.target_node, kind)

    def _remove_range(self, device: DaxDevice, res: Resource, number: int, first: int, last: int) -> bool:
        """Whether nothing of the range is left."""
        if self._system.memory.remove_memory(first, last + 1 - first) == 0:
            resource.remove_resource(res)
            return True
        words = (
            "stuck online until reboot" if self._requests_all_first else "cannot be hotremoved until the next reboot"
        )
        self._say(device, f"mapping{number}: {first:#x}-{last:#x} {words}", "dev_dax_kmem_remove")
        return False

    def _say(self, device: DaxDevice, text: str, function: str, rule: Rule = KMEM_SAYS) -> None:
        self._system.log.printk(f"kmem {device.name}: {text}", f"{_FILE}: {function}", rule, device.name)


def _size(kept: dict[int, tuple[int, int]]) -> int:
    """Bytes of ranges whose ends are inclusive."""
    return sum(last + 1 - first for first, last in kept.values())
