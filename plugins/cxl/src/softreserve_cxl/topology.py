"""Ports, decoders, memory devices, regions: what there is. Linux: ``drivers/cxl/{cxl.h,cxlmem.h}``, ``core/port.c``.

A root has host bridges below it, a host bridge has switches and the endpoints of memory devices, as has a switch.
Addresses and sizes are bytes. What is done with them is in :mod:`softreserve_cxl.dpa`, :mod:`softreserve_cxl.attach`
and :mod:`softreserve_cxl.region`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from errno import EBUSY
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.kernel.driver_core.ida import memregion_ids
from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.kernel.resource import IORESOURCE_MEM, Resource, request_resource
from softreserve.kernel.sysfs import Attribute, Directory, Link, Node
from softreserve.model.behaviours import PWM_CHARACTER_DEVICES

from softreserve_cxl import behaviours
from softreserve_cxl.bus import CxlBus, CxlDevice, shown

if TYPE_CHECKING:
    from softreserve.model.cxl import CxlLink

    from softreserve_cxl.hardware import Component, Endpoint, Hdm

__all__ = [
    "DEVICE_MEMORY_EXPANDER",
    "DEVICE_PORT",
    "DEVICE_REGION",
    "ROOT_PATH",
    "Config",
    "Coordinates",
    "Decoder",
    "Dport",
    "EndpointDecoder",
    "Memdev",
    "PartitionPerformance",
    "Port",
    "Region",
    "RegionRef",
    "RootDecoder",
    "SwitchDecoder",
    "add_port",
    "remove_port",
    "root_decoders",
]

#: Numbers of kinds of devices. Linux: ``drivers/cxl/cxl.h``.
DEVICE_PORT: Final = 3
DEVICE_ROOT: Final = 4
DEVICE_MEMORY_EXPANDER: Final = 5
DEVICE_REGION: Final = 6
#: Whoever asks for any major number gets the highest free one, from 254 down; before CXL ask GPIO chips, TPMs, dax and
#: one more: DMA heaps on x86, a serial port on arm64.
_MAJOR: Final = 250
#: Bytes of a mailbox.
_PAYLOAD_MAX: Final = 2048

#: The platform device that the ACPI driver binds to.
ROOT_PATH: Final = "/sys/devices/platform/ACPI0017:00"


#: How fast something is, for each access class of nodes.
Coordinates = Sequence[AccessCoordinate]


class Dport(NamedTuple):
    """A downstream end of a port: a host bridge of the root, a root port of a bridge, a downstream port of a switch.

    :param link: to what is plugged in there, where that is known.
    :param coordinates: how fast it is; empty where that is not known.
    """

    number: int
    path: str
    link: CxlLink | None = None
    coordinates: Coordinates = ()


class PartitionPerformance(NamedTuple):
    """How fast a partition of a device is: by itself, and from the host. Linux: ``struct cxl_dpa_perf``."""

    cdat: Coordinates
    coordinates: Coordinates
    qos_class: int


class Port(CxlDevice):
    """A port: the root, a host bridge, a switch, or the endpoint of a memory device. Linux: ``struct cxl_port``."""

    devtype = "cxl_port"

    def __init__(self, bus: CxlBus, kind: str, parent: Port | None, uport: str, parent_dport: Dport | None) -> None:
        """``kind`` begins its name; ``uport`` is the directory of the device that it is of."""
        self.id = bus.port_ids.alloc()
        super().__init__(bus, f"{kind}{self.id}", ROOT_PATH if parent is None else parent.path)
        self.number = DEVICE_ROOT if parent is None else DEVICE_PORT
        self.parent = parent
        self.uport = uport
        self.parent_dport = parent_dport
        self.dports: dict[int, Dport] = {}
        self.decoders: list[Decoder] = []
        #: The highest decoder that is committed, and the highest that has device memory; -1: none.
        self.commit_end = -1
        self.hdm_end = -1
        self.regions: dict[Region, RegionRef] = {}
        #: What it is the port of.
        self.component: Component | None = None
        self.endpoint: Endpoint | None = None
        self.memdev: Memdev | None = None
        #: Devices whose way goes through it.
        self.passing: set[Memdev] = set()
        #: Whether it will be taken away with the last of them, by somebody else.
        self.leaving = False

    @property
    def is_bridge(self) -> bool:
        """Whether it is right below the root: a host bridge, or the endpoint of a device of CXL 1.1."""
        return self.parent is not None and self.parent.parent is None

    @property
    def host_bridge(self) -> Port:
        """The host bridge that it hangs below, or is."""
        port = self
        while not port.is_bridge:
            assert port.parent is not None
            port = port.parent
        return port

    @property
    def uport_name(self) -> str:
        """Name of the device that it is of."""
        return self.uport.rpartition("/")[2]

    @property
    def uport_string(self) -> str:
        """What begins a message about that device. Linux: ``dev_driver_string``, ``dev_name``."""
        if self.memdev is not None:
            return f"{self.memdev.driver_string('cxl')} {self.memdev.name}"
        return f"{'' if self.is_bridge else 'pcieport'} {self.uport_name}"

    def files(self) -> dict[str, Node]:
        """Where it hangs, what hangs below it, how many decoders are in use."""
        found = super().files()
        found["uport"] = Link(self.uport)
        if self.parent_dport is not None:
            found["parent_dport"] = Link(self.parent_dport.path)
        found |= {f"dport{dport.number}": Link(dport.path) for dport in self.dports.values()}
        found["decoders_committed"] = Attribute(0o444, lambda: f"{self.commit_end + 1}\n")
        return found

    def add_decoder(self, decoder: Decoder) -> None:
        """Put a decoder on the bus."""
        self.decoders.append(decoder)
        self.bus.register(decoder, self)


def add_port(port: Port) -> None:
    """Put a port on the bus; its driver comes at once."""
    port.bus.register(port, port.parent)


def remove_port(port: Port) -> None:
    """Take a port away with its decoders."""
    for decoder in reversed(port.decoders):
        decoder.unregister()
    port.decoders.clear()
    port.bus.unregister(port, port.parent)
    port.bus.port_ids.free(port.id)


def _stays(device: Decoder | Region) -> bool:
    """Whether it is locked, and the kernel minds that."""
    return device.locked and device.bus.system.kernel.has(behaviours.CXL_LOCKED_REGIONS)


class Decoder(CxlDevice):
    """A decoder: ``size`` bytes from ``start`` on go to its targets. Linux: ``struct cxl_decoder``."""

    def __init__(self, port: Port, registers: Hdm | None = None) -> None:
        self.port = port
        self.id = len(port.decoders)
        super().__init__(port.bus, f"decoder{port.id}.{self.id}", port.path)
        #: ``None``: there are none, what comes is passed through.
        self.registers = registers
        self.start = 0
        self.size = 0
        self.ways = 1
        self.granularity = port.bus.system.kernel.page_size
        self.enabled = False
        self.locked = False
        self.region: Region | None = None

    def unregister(self) -> None:
        """Take it away."""
        self.bus.unregister(self, self.port)

    def files(self) -> dict[str, Node]:
        """What all decoders show."""
        return super().files() | {
            "start": Attribute(0o400, lambda: f"{self.start:#x}\n"),
            "size": shown(f"{self.size:#x}"),
            "locked": shown(int(self.locked)),
            "interleave_granularity": shown(self.granularity),
            "interleave_ways": shown(self.ways),
        }

    def region_files(self) -> dict[str, Node]:
        """What decoders show that belong to one region at a time."""
        return {
            "target_type": shown("expander"),
            "region": shown(self.region.name if self.region is not None else ""),
        }

    def set_range(self, start: int, size: int) -> None:
        """Say what is decoded."""
        self.start, self.size = start, size

    # --- registers

    def init_hdm_decoder(self) -> bool:
        """Read the registers; whether they were committed. Linux: ``init_hdm_decoder``."""
        registers = self.registers
        assert registers is not None
        self.ways, self.granularity = registers.ways, registers.granularity
        if not registers.committed:
            return False
        self.set_range(registers.start, registers.size)
        self.enabled = True
        self.locked = registers.locked
        self.port.commit_end = self.id
        return True

    def commit(self) -> int:
        """Program the registers: 0, or -EBUSY out of order. Linux: ``cxl_decoder_commit``."""
        if self.registers is None or self.enabled:
            return 0
        if self.port.commit_end + 1 != self.id:
            return -EBUSY
        self.program(self.registers)
        self.port.commit_end += 1
        self.enabled = True
        return 0

    def program(self, registers: Hdm) -> None:
        """Write what is to be decoded. Linux: ``setup_hw_decoder``."""
        registers.committed = True
        registers.start, registers.size = self.start, self.size
        registers.ways, registers.granularity = self.ways, self.granularity

    def reset(self) -> None:
        """Stop decoding; decoders that were left above go with it. Linux: ``cxl_decoder_reset``.

        Registers that are locked take no writes; older kernels do not mind, and think that they did.
        """
        if self.registers is None or not self.enabled or _stays(self):
            return
        if self.port.commit_end == self.id:
            self.port.commit_end -= 1
            for below in reversed(self.port.decoders[: self.id]):
                if self.port.commit_end == below.id and not below.enabled:
                    self.port.commit_end -= 1
        if not self.locked:
            self.registers.committed = False
            self.registers.start = self.registers.size = 0
        self.enabled = False


class SwitchDecoder(Decoder):
    """A decoder of a host bridge or a switch."""

    devtype = "cxl_decoder_switch"

    def __init__(self, port: Port, nr_targets: int, registers: Hdm | None = None) -> None:
        super().__init__(port, registers)
        self.nr_targets = nr_targets
        self.targets: list[Dport | None] = [None] * nr_targets
        #: Numbers of the targets, those that are not there yet too.
        self.target_map = [0] * nr_targets

    def files(self) -> dict[str, Node]:
        """Its targets."""
        return super().files() | self.region_files() | {"target_list": shown(self.target_list())}

    def target_list(self) -> str:
        """Numbers of the targets, up to the first that is not there. Linux: ``emit_target_list``."""
        found: list[str] = []
        for target in self.targets[: self.ways]:
            if target is None:
                break
            found.append(str(target.number))
        return ",".join(found)

    def find_targets(self) -> None:
        """Take targets that have come since. Linux: ``cxl_port_update_decoder_targets``."""
        for at in range(min(self.ways, self.nr_targets)):
            if self.targets[at] is None:
                self.targets[at] = self.port.dports.get(self.target_map[at])

    def program(self, registers: Hdm) -> None:
        """Its targets, too."""
        super().program(registers)
        registers.targets = tuple(target.number for target in self.targets[: self.ways] if target is not None)


class EndpointDecoder(Decoder):
    """A decoder of a memory device. Linux: ``struct cxl_endpoint_decoder``."""

    devtype = "cxl_decoder_endpoint"

    def __init__(self, port: Port, memdev: Memdev, registers: Hdm) -> None:
        super().__init__(port, registers)
        self.memdev = memdev
        #: ``"ram"`` or ``"pmem"``, once somebody said so.
        self.part: str | None = None
        #: The device memory that it has: device physical addresses.
        self.dpa: Resource | None = None
        self.skips: list[Resource] = []
        #: Its place in the region, -1: none.
        self.pos = -1
        #: Whether it was committed before this kernel, and belongs to whatever region that makes.
        self.auto = False

    def files(self) -> dict[str, Node]:
        """Whose it is."""
        return super().files() | self.region_files()

    def by_partition(self, now: int, before: int) -> int:
        """One of two answers: of kernels that have a device's memory in partitions, and of older ones."""
        return now if self.bus.system.kernel.has(behaviours.CXL_DPA_PARTITIONS) else before

    def program(self, registers: Hdm) -> None:
        """What is passed over, too."""
        super().program(registers)
        registers.skip = sum(skip.size for skip in self.skips)

    def reset(self) -> None:
        """What happens to it next is for user space."""
        was_enabled = self.enabled
        super().reset()
        if was_enabled and not self.enabled:
            self.auto = False


class RootDecoder(Decoder):
    """A window: its decoder in the platform, in which regions are made. Linux: ``struct cxl_root_decoder``."""

    devtype = "cxl_decoder_root"

    def __init__(self, port: Port, ways: int) -> None:
        super().__init__(port)
        self.ways = ways
        self.targets: list[Dport | None] = [None] * ways
        self.can_ram = self.can_pmem = self.type2 = self.type3 = False
        self.qos_class = 0
        #: By which its targets are chosen; ``None``: one after the other.
        self.xor_maps: tuple[int, ...] | None = None
        #: Its line in ``/proc/iomem``.
        self.res: Resource | None = None
        #: The number that the next region gets.
        self.region_id = memregion_ids(port.bus.system).alloc()
        self.regions: dict[int, Region] = {}

    def files(self) -> dict[str, Node]:
        """What it can be used for."""
        return super().files() | {
            "cap_pmem": shown(int(self.can_pmem)),
            "cap_ram": shown(int(self.can_ram)),
            "cap_type2": shown(int(self.type2)),
            "cap_type3": shown(int(self.type3)),
            "target_list": shown(",".join(str(target.number) for target in self.targets if target is not None)),
            "qos_class": shown(self.qos_class),
        }

    def unregister(self) -> None:
        """Take it away; the number that it kept is free again."""
        super().unregister()
        self.forget()

    def forget(self) -> None:
        """It comes to nothing: its number is free again."""
        memregion_ids(self.bus.system).free(self.region_id)


def root_decoders(bus: CxlBus) -> list[RootDecoder]:
    """The decoders of all windows."""
    return [device for device in bus.devices.values() if isinstance(device, RootDecoder)]


class Memdev(CxlDevice):
    """``memN``. Linux: ``struct cxl_memdev``."""

    devtype = "cxl_memdev"
    number = DEVICE_MEMORY_EXPANDER

    def __init__(self, bus: CxlBus, endpoint: Endpoint, numa_node: int = -1) -> None:
        self.id = bus.memdev_ids.alloc()
        super().__init__(bus, f"mem{self.id}", endpoint.path, numa_node)
        self.hardware = endpoint
        self.port: Port | None = None
        described = endpoint.memdev
        #: Device memory: bytes, and what of it is volatile and persistent.
        self.dpa = Resource(0, max(described.volatile + described.persistent, 1) - 1, self.name, IORESOURCE_MEM)
        self.partitions: dict[str, Resource] = {}
        #: What is known of them.
        self.performance: dict[str, PartitionPerformance] = {}
        start = 0
        for name, size in (("ram", described.volatile), ("pmem", described.persistent)):
            if size:
                self.partitions[name] = Resource(start, start + size - 1, name, IORESOURCE_MEM)
                request_resource(self.dpa, self.partitions[name])
                start += size

    def files(self) -> dict[str, Node]:
        """What ``cxl list`` reads of a device without asking it."""
        described = self.hardware.memdev
        found = super().files()
        del found["devtype"], found["modalias"]
        return found | {
            "dev": shown(self.dev),
            "firmware_version": shown(""),
            "label_storage_size": shown(0),
            "numa_node": shown(self.numa_node),
            "payload_max": shown(_PAYLOAD_MAX),
            "pmem": self._partition("pmem", described.persistent),
            "ram": self._partition("ram", described.volatile),
            "serial": shown(f"{described.serial:#x}"),
        }

    def _partition(self, name: str, size: int) -> Directory:
        files: dict[str, Node] = {"size": shown(f"{size:#x}")}
        if name in self.performance:
            files["qos_class"] = shown(self.performance[name].qos_class)
        return Directory(files)

    @property
    def dev(self) -> str:
        """Numbers of its character device."""
        return f"{self.major}:{self.id}"

    @property
    def major(self) -> int:
        """The first of them. Linux: ``fs/char_dev.c: find_dynamic_major``."""
        return _MAJOR - self.bus.system.kernel.has(PWM_CHARACTER_DEVICES)

    def uevent_words(self) -> list[str]:
        """Its character device, too."""
        return [f"MAJOR={self.major}", f"MINOR={self.id}", f"DEVNAME=cxl/{self.name}", *super().uevent_words()]


class Config(IntEnum):
    """How far a region is. Linux: ``enum cxl_config_state``."""

    IDLE = 0
    INTERLEAVE_ACTIVE = 1
    ACTIVE = 2
    RESET_PENDING = 3
    COMMIT = 4


class Region(CxlDevice):
    """``regionN``: part of a window, interleaved over decoders of devices. Linux: ``struct cxl_region``."""

    devtype = "cxl_region"
    number = DEVICE_REGION

    def __init__(self, root: RootDecoder, number: int, mode: str) -> None:
        """``mode`` is ``"ram"`` or ``"pmem"``."""
        super().__init__(root.bus, f"region{number}", root.path)
        self.root = root
        self.id = number
        self.mode = mode
        self.state = Config.IDLE
        self.uuid = ""
        self.ways = 0
        self.granularity = 0
        #: Its line in ``/proc/iomem``.
        self.res: Resource | None = None
        self.targets: dict[int, EndpointDecoder] = {}
        #: Whether it was made of decoders that were committed before this kernel.
        self.auto = False
        self.locked = root.locked
        #: How fast it is, and which of that its directory shows, for each access class.
        self.coordinates = [AccessCoordinate(), AccessCoordinate()]
        self.shown_coordinates: list[set[str]] = [set(), set()]

    @property
    def stays(self) -> bool:
        """Whether a locked decoder keeps it from ever being reset."""
        return _stays(self)


class RegionRef:
    """What a region has of a port: a decoder, and the endpoints that are reached by it. Linux: the same struct."""

    __slots__ = ("decoder", "endpoints", "nr_eps", "nr_targets", "nr_targets_set")

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        #: Decoders of the devices below a bridge or a switch, in the order of attaching.
        self.endpoints: dict[EndpointDecoder, None] = {}
        #: How often something was attached; counts at endpoints, too.
        self.nr_eps = 0
        self.nr_targets = 1
        self.nr_targets_set = 0
