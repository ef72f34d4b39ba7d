"""Which ranges become hmem devices. Linux: ``drivers/dax/hmem/device.c``, ``lib/memregion.c``.

Ranges come from HMAT targets, then from everything soft reserved that is left, then from other plugins. Older kernels
make a platform device at once, with a line in ``/proc/iomem``; newer ones only remember the range until the dax_hmem
module asks for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from softreserve.kernel.driver_core.ida import memregion_ids
from softreserve.kernel.driver_core.platform import PlatformDevice, platform_bus
from softreserve.kernel.initcalls import Level
from softreserve.kernel.modules import Parameter
from softreserve.kernel.resource import (
    IORES_DESC_NONE,
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_MEM,
    REGION_DISJOINT,
    REGION_INTERSECTS,
    Resource,
    region_intersects,
    release_region,
    request_region,
    walk_iomem_res_desc,
)
from softreserve.kernel.state import StashKey
from softreserve.model.behaviours import SOFT_RESERVED_IN_OWN_TREE
from softreserve.model.events import Rule
from softreserve.model.units import U64_MAX
from softreserve.plugins.hooks import hooks_of

from softreserve_hmem import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel

__all__ = [
    "DAX_CORE_INIT",
    "HMEM_DEVICES",
    "HMEM_DEVICE_FILE",
    "HMEM_MADE",
    "NOT_SOFT_RESERVED",
    "NOWHERE_SOFT_RESERVED",
    "OVERLAPS_AN_OFFER",
    "HmemDevice",
    "HmemDevices",
    "has_hmem_devices",
    "hmem_devices",
]

HMEM_DEVICE_FILE: Final = "drivers/dax/hmem/device.c"
#: The initcall that sets the dax bus up, and the file system that devices need. Linux: ``drivers/dax/super.c``.
DAX_CORE_INIT: Final = "dax_core_init"

#: Rules under which the log keeps ranges that were refused without a word of the kernel.
OVERLAPS_AN_OFFER: Final = Rule("hmem-offered-twice", "offered again, and refused: part of it was taken before")
NOT_SOFT_RESERVED: Final = Rule("hmem-not-soft-reserved", "refused: not soft reserved memory alone")
NOWHERE_SOFT_RESERVED: Final = Rule(
    "hmem-nowhere-soft-reserved", "refused: soft reserved memory is looked for in a tree that has none of it"
)
HMEM_RECORDED: Final = Rule("hmem-recorded", "range recorded")
HMEM_MADE: Final = Rule("hmem-made", "{} made")


class HmemDevice(PlatformDevice):
    """``hmem.N``: a range (bytes, end inclusive) and the node that it would be."""

    __slots__ = ("span", "target_node")

    def __init__(
        self,
        number: int,
        numa_node: int,
        span: tuple[int, int],
        target_node: int,
        *,
        claims: int | None,
        parent: PlatformDevice | None = None,
    ) -> None:
        """``claims``: what the device's line in ``/proc/iomem`` is to the kernel; ``None``: it has no line."""
        resources = (Resource(*span, None, IORESOURCE_MEM, claims),) if claims is not None else ()
        super().__init__("hmem", number, numa_node, resources, parent)
        self.span = span
        self.target_node = target_node


class HmemDevices(ABC):
    """Ranges offered so far. What becomes of one is up to the kernel: :class:`Devices`, :class:`RecordedRanges`."""

    #: Whether ranges become devices only when dax_hmem asks for them.
    waits_for_module: ClassVar[bool]
    #: When HMATs are read, and when the rest is offered.
    hmat_level: ClassVar[Level]
    init_level: ClassVar[Level]

    def __init__(self, system: System) -> None:
        self._system = system
        self._own_tree = system.kernel.has(SOFT_RESERVED_IN_OWN_TREE)
        #: The tree in which soft reserved memory is looked for.
        self.soft_reserved = (system.soft_reserved if self._own_tree else system.iomem).root
        #: Whether ranges in CXL windows were decided once. Linux: ``struct hmem_platform_device: did_probe``.
        self.cxl_decided = False
        #: ``device_hmem.disable``.
        self.disable = Parameter("disable", mode=0o444)
        self._is_built = has_hmem_devices(system.kernel)
        #: One busy child per range that was taken; its ``desc`` is the target node.
        self.active = Resource(0, U64_MAX, "HMEM devices", IORESOURCE_MEM)

    def hmem_init(self) -> int:
        """Offer everything soft reserved, lowest first; what HMAT targets took is refused. The answer is 0."""
        brought = self.ask_plugins()
        walked: set[tuple[int, int]] = set()

        def register_one(res: Resource) -> int:
            span = (res.start, res.end)
            walked.add(span)
            if self.passes_over(res):
                return 0
            node = brought[span] if span in brought else self._system.nodes.phys_to_target_node(res.start)
            self.register(node, res)
            return 0

        if self._system.kernel.has(behaviours.HMEM_PER_SOFT_RESERVED_RANGE):
            walk_iomem_res_desc(self.soft_reserved, IORES_DESC_SOFT_RESERVED, IORESOURCE_MEM, 0, U64_MAX, register_one)
        for span, node in brought.items():
            if span not in walked:
                self.register(node, Resource(*span, None, IORESOURCE_MEM))
        return 0

    def ask_plugins(self) -> dict[tuple[int, int], int]:
        """What plugins bring is soft reserved memory, whatever this kernel makes of that: node by first, last byte."""
        offers = hooks_of(self._system).dax_devices(self._system)
        if not offers:
            return {}
        from softreserve_hmem.offers import set_aside

        return set_aside(self._system, self.soft_reserved, offers)

    def looks_elsewhere(self, start: int, end: int) -> bool:
        """Whether a range (bytes, half open) is soft reserved in a tree that is not looked at: it gets no device."""
        if not self._own_tree:
            return False
        root = self._system.iomem.root
        return region_intersects(root, start, end - start, IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED) != REGION_DISJOINT

    def register(self, target_nid: int, res: Resource) -> None:
        """Offer a range; one that overlaps an earlier one is dropped silently."""
        if self.disable.value or not self._is_built:
            return
        self._take(target_nid, res)

    def passes_over(self, res: Resource) -> bool:
        """Whether a soft reserved range is taken to have its device already."""
        return False

    @abstractmethod
    def _take(self, target_nid: int, res: Resource) -> None:
        """Make of a range what this release makes of it."""

    def is_soft_reserved(self, res: Resource) -> bool:
        """Whether a range overlaps soft reserved memory and no other resource beside it.

        In kernels that keep soft reserved memory in a tree of its own nothing else can lie beside it there.
        """
        found = region_intersects(
            self.soft_reserved,
            res.start,
            res.size,
            IORESOURCE_MEM,
            IORES_DESC_SOFT_RESERVED,
            looks_below=self._system.kernel.has(behaviours.REGION_INTERSECTS_LOOKS_BELOW),
        )
        return found == REGION_INTERSECTS

    def _refuse(self, res: Resource, rule: Rule, function: str) -> None:
        self._system.log.record(rule, f"{HMEM_DEVICE_FILE}: {function}", res.start, res.end + 1)

    def _record(self, target_nid: int, res: Resource, rule: Rule, function: str) -> None:
        self._system.log.record(
            rule, f"{HMEM_DEVICE_FILE}: {function}", res.start, res.end + 1, after=f"hmem, target node {target_nid}"
        )


class RecordedRanges(HmemDevices):
    """Ranges are remembered, and a platform device is made whose driver will ask for them."""

    waits_for_module = True
    hmat_level = Level.SUBSYS
    init_level = Level.DEVICE

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._platform_initialized = False

    def _take(self, target_nid: int, res: Resource) -> None:
        """Remember a range; the first one makes the device. Linux: ``hmem_register_resource``."""
        new = request_region(self.active, res.start, res.size, "")
        if new is None:
            self._refuse(res, OVERLAPS_AN_OFFER, "hmem_register_resource")
            return
        new.desc = target_nid
        self._record(target_nid, res, HMEM_RECORDED, "hmem_register_resource")
        if not self._platform_initialized:
            self._platform_initialized = True
            platform_bus(self._system).platform_device_add(PlatformDevice("hmem_platform", 0))


class Devices(HmemDevices):
    """Every range becomes a device at once, with a line in ``/proc/iomem``: kernels before 6.3."""

    waits_for_module = False
    hmat_level = Level.DEVICE
    init_level = Level.LATE

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._tracks = system.kernel.has(behaviours.HMEM_TRACKS_RANGES)
        says = system.kernel.has(behaviours.HMEM_SAYS_SOFT_RESERVED)
        self._desc = IORES_DESC_SOFT_RESERVED if says else IORES_DESC_NONE

    def passes_over(self, res: Resource) -> bool:
        """Whether it lies in another resource: kernels that do not track ranges take that for the line of its device.

        A device of part of the range lies in it, and is overlooked. Linux: ``hmem_register_one``.
        """
        if self._tracks or res.parent is self._system.iomem.root:
            return False
        where = Resource(res.start, res.end, None, res.flags).raw
        self._system.printk(f"HMEM: skip {where}, already claimed", HMEM_DEVICE_FILE)
        if not any(taken.start <= res.end and res.start <= taken.end for taken in self.active.children):
            self._refuse(res, NOT_SOFT_RESERVED, "hmem_register_one")
        return True

    def _take(self, target_nid: int, res: Resource) -> None:
        """Make a device of a range that is soft reserved and nothing else. Linux: ``hmem_register_device``."""
        if not self.is_soft_reserved(res):
            self._refuse(res, NOT_SOFT_RESERVED, "hmem_register_device")
            return
        ids = memregion_ids(self._system)
        number = ids.alloc()
        claimed = request_region(self.active, res.start, res.size, f"hmem.{number}")
        if claimed is not None:
            claimed.desc = target_nid
        elif self._tracks:
            ids.free(number)
            self._refuse(res, OVERLAPS_AN_OFFER, "hmem_register_device")
            return
        numa_node = self._system.nodes.numa_map_to_online_node(target_nid)
        device = HmemDevice(number, numa_node, (res.start, res.end), target_nid, claims=self._desc)
        if platform_bus(self._system).platform_device_add(device):
            where = Resource(res.start, res.end, None, IORESOURCE_MEM).raw
            self._system.printk(f"platform {device.name}: device add failed for {where}", HMEM_DEVICE_FILE)
            if claimed is not None:
                release_region(self.active, res.start, res.size)
            ids.free(number)
            return
        self._record(target_nid, res, HMEM_MADE.of(device.name), "hmem_register_device")


def has_hmem_devices(kernel: Kernel) -> bool:
    """Whether CONFIG_DEV_DAX_HMEM_DEVICES follows from the options that are chosen: always built in."""
    return kernel.enabled("DEV_DAX_HMEM") and kernel.builtin("DAX")


def hmem_devices(system: System) -> HmemDevices:
    """The ranges of a kernel that boots, as its release deals with them."""
    return (RecordedRanges if system.kernel.has(behaviours.HMEM_PLATFORM_DEVICE) else Devices)(system)


HMEM_DEVICES: Final = StashKey[HmemDevices]("hmem devices")
