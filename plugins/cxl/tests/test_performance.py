"""How fast CXL memory is. Expected values: by hand from ``drivers/cxl/core/cdat.c``, and recorded boots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import ENODEV

import pytest
from cxl_machine import GIB, Boot, Firmware, bridge, cedt, make, read, window, write
from softreserve.kernel.numa.node import AccessCoordinate
from softreserve.kernel.system import System
from softreserve.model.cxl import CxlHostBridge, CxlLink, CxlMemdev, CxlPerformance, CxlRoot, CxlRootPort
from softreserve.plugins.hookspecs import hookimpl

#: As QEMU's devices have it, in 4 lanes of 16 GT/s.
DEVICE = CxlMemdev(volatile=GIB, link=CxlLink(16000, 4), volatile_performance=CxlPerformance(150, 250, 16000, 16000))
ROOT = CxlRoot(qos_class=0)
PORT = AccessCoordinate(40960, 39936, 200, 220)
#: The node of the window.
NODE = 1


class Told(Firmware):
    """Generic ports of host bridges by number, and what the tables' reader and memory tiers are told."""

    def __init__(self, ports: dict[int, AccessCoordinate], *, real: bool = False) -> None:
        super().__init__(invalidates=True)
        self.ports = ports
        self.real = real
        self.updates: list[tuple[int, int, AccessCoordinate]] = []
        self.algorithms: list[Callable[[int], int | None]] = []

    def genport_coordinates(self, uid: int) -> Sequence[AccessCoordinate] | None:
        return [self.ports[uid]] * 2 if uid in self.ports else None

    def update_target_coordinates(self, nid: int, coordinate: AccessCoordinate, access: int) -> int:
        self.updates.append((nid, access, coordinate))
        return 0 if self.real else -ENODEV

    def initiator_coordinate(self, initiator: int, nid: int) -> AccessCoordinate:
        return AccessCoordinate()

    def tier_of(self, nid: int) -> int | None:
        return None

    def demotion_targets(self, nid: int) -> list[int]:
        return []

    def register_mt_adistance_algorithm(self, algorithm: Callable[[int], int | None]) -> None:
        self.algorithms.append(algorithm)

    def unregister_mt_adistance_algorithm(self, algorithm: Callable[[int], int | None]) -> None:
        self.algorithms.remove(algorithm)

    def mt_perf_to_adistance(self, perf: AccessCoordinate) -> tuple[int, int]:
        return (0, perf.read_latency) if perf.read_latency else (-ENODEV, 0)

    @hookimpl
    def softreserve_register_resources(self, system: System) -> None:
        super().softreserve_register_resources(system)
        system.nodes.performance = self
        system.nodes.tiering = self
        system.nodes.set_pxm_node_maps({0: 0, NODE: 1 if self.real else 2})
        system.nodes.last_real_pxm = 1


def booted(boot_cxl: Boot, release: str = "7.3", told: Told | None = None, **more: object) -> System:
    """A device, a generic port; a root device that knows one class."""
    fields: dict[str, object] = {"cxl": (bridge(memdev=DEVICE),), "cxl_root": ROOT}
    firmware = told or Told({12: PORT})
    return boot_cxl(release, firmware=firmware, cmdline="memhp_default_state=online", **(fields | more))


def access(system: System, number: int = 0) -> dict[str, str | int]:
    path = f"/sys/bus/cxl/devices/region0/access{number}"
    names = system.sysfs.listdir(path)
    assert isinstance(names, list)
    return {name: read(system, f"region0/access{number}/{name}") for name in names}


def online(system: System) -> None:
    """The node of the window gets its first memory."""
    assert system.memory.add_memory(NODE, 8 * GIB, GIB) == 0


def of_node(system: System, number: int = 0) -> dict[str, int] | None:
    device = system.nodes.device(NODE)
    assert device is not None
    found = device.access.get(number)
    return found.coordinate._asdict() if found is not None and found.coordinate is not None else None


# --- QoS classes


@pytest.mark.parametrize(("release", "value"), [("6.7", None), ("6.8", "0"), ("7.3", "0")])
def test_a_partition_has_a_class_from_6_8_on(boot_cxl: Boot, release: str, value: str | None) -> None:
    system = booted(boot_cxl, release)
    found = system.sysfs.listdir("/sys/bus/cxl/devices/mem0/ram")
    assert found == (["size"] if value is None else ["qos_class", "size"])
    assert value is None or read(system, "mem0/ram/qos_class") == value
    assert system.sysfs.listdir("/sys/bus/cxl/devices/mem0/pmem") == ["size"]


@pytest.mark.parametrize(
    "more",
    [
        {"told": Told({})},
        {"told": Told({12: PORT._replace(read_latency=0)})},
        {"cxl_root": None},
        {"cxl_root": CxlRoot()},
        {"cxl_root": CxlRoot(qos_class=5)},
        {"cxl": (bridge(),)},
        {"acpi": cedt(window(8 * GIB, 4 * GIB, [13]), bridges=(12, 13))},
    ],
    ids=["no port", "port in part", "no method", "no class", "no such window", "no CDAT", "no window leads there"],
)
def test_nothing_is_known_of_a_device_where_something_is_missing(boot_cxl: Boot, more: dict[str, object]) -> None:
    """As recorded of machines without generic ports; the others from ``cdat.c``, ``port.c``."""
    system = booted(boot_cxl, **more)  # type: ignore[arg-type]
    assert system.sysfs.listdir("/sys/bus/cxl/devices/mem0/ram") == ["size"]


def test_both_partitions_have_a_class_of_their_own_performance(boot_cxl: Boot) -> None:
    device = DEVICE._replace(persistent=GIB, persistent_performance=CxlPerformance(300, 400, 8000, 4000))
    system = booted(boot_cxl, cxl=(bridge(memdev=device),))
    assert read(system, "mem0/pmem/qos_class") == "0"


# --- regions


def test_a_region_is_as_fast_as_all_of_the_way_and_says_so_with_its_node(boot_cxl: Boot) -> None:
    """As recorded (``x86-7.3-cxl-perf-port``): 200 + 9 + 150 ns, and 8000 MB/s of the link."""
    system = booted(boot_cxl)
    make(system)
    assert access(system) == access(system, 1) == {}
    online(system)
    values = {"read_bandwidth": "8000", "read_latency": "359", "write_bandwidth": "8000", "write_latency": "479"}
    assert access(system) == access(system, 1) == values


@pytest.mark.parametrize(("release", "names"), [("6.8", []), ("6.9", ["access0", "access1"])])
def test_regions_know_it_from_6_9_on(boot_cxl: Boot, release: str, names: list[str]) -> None:
    system = booted(boot_cxl, release)
    make(system)
    online(system)
    found = system.sysfs.listdir("/sys/bus/cxl/devices/region0")
    assert isinstance(found, list)
    assert [name for name in found if name.startswith("access")] == names
    assert (of_node(system) is None) == (not names)


@pytest.mark.parametrize(
    ("link", "latency"),
    [
        (CxlLink(32000, 16), 200 + 2 + 150),
        (CxlLink(16000, 4), 200 + 9 + 150),
        (CxlLink(8000, 2), 200 + 34 + 150),
        (CxlLink(5000, 1), 200 + 109 + 150),
        (CxlLink(64000, 16, flit=True), 200 + 2 + 150),
        (CxlLink(64000, 8, flit=True), 200 + 4 + 150),
    ],
)
def test_a_flit_takes_its_time_on_a_link(boot_cxl: Boot, link: CxlLink, latency: int) -> None:
    """68 or 256 bytes over the bandwidth, rounded down to picoseconds and up to nanoseconds."""
    system = booted(boot_cxl, cxl=(bridge(memdev=DEVICE._replace(link=link)),))
    make(system)
    online(system)
    assert access(system)["read_latency"] == str(latency)


@pytest.mark.parametrize(("release", "latency"), [("6.12.117", 359), ("6.18", 34350), ("7.2", 34350), ("7.3", 359)])
def test_latencies_of_links_were_picoseconds_of_one_lane(boot_cxl: Boot, release: str, latency: int) -> None:
    """As recorded (``x86-6.18-cxl-perf-port``, ``x86-6.12-cxl-perf-port``)."""
    system = booted(boot_cxl, release)
    make(system)
    online(system)
    assert access(system)["read_latency"] == str(latency)


#: As many lanes as there can be: it is the device that is slow.
WIDE = DEVICE._replace(link=CxlLink(32000, 16))


@pytest.mark.parametrize(
    ("devices", "port", "bandwidth"),
    [
        ((WIDE, WIDE), PORT, (32000, 32000)),
        ((WIDE, WIDE), PORT._replace(read_bandwidth=20480), (20480, 32000)),
        ((WIDE, DEVICE), PORT, (24000, 24000)),
    ],
)
def test_devices_below_a_bridge_share_what_leads_to_it(
    boot_cxl: Boot, devices: tuple[CxlMemdev, ...], port: AccessCoordinate, bandwidth: tuple[int, int]
) -> None:
    ports = tuple(CxlRootPort(number, device) for number, device in enumerate(devices))
    system = booted(boot_cxl, told=Told({12: port}), cxl=(CxlHostBridge(12, 12, ports, decoders=4),))
    interleave(system, "decoder2.0", "decoder3.0")
    assert of_region(system) == bandwidth


def test_bridges_add_up(boot_cxl: Boot) -> None:
    bridges = (bridge(12, memdev=WIDE), bridge(13, memdev=DEVICE))
    acpi = cedt(window(8 * GIB, 4 * GIB, [12, 13]), bridges=(12, 13))
    told = Told({12: PORT._replace(read_bandwidth=1000), 13: PORT._replace(read_latency=500)})
    system = booted(boot_cxl, told=told, acpi=acpi, cxl=bridges)
    interleave(system, "decoder3.0", "decoder4.0")
    assert of_region(system) == (1000 + 8000, 16000 + 8000)
    assert access(system)["read_latency"] == str(500 + 9 + 150)


@pytest.mark.parametrize(("release", "bandwidth"), [("6.11", 2 * 7876), ("6.12.117", 2 * 8000)])
def test_before_6_12_bandwidths_are_summed_up_as_devices_come(boot_cxl: Boot, release: str, bandwidth: int) -> None:
    """``pcie_bandwidth_available()`` leaves out what the encoding takes: 4 x 15753 of 4 x 16000 Mb/s."""
    ports = tuple(CxlRootPort(number, DEVICE) for number in range(2))
    system = booted(boot_cxl, release, cxl=(CxlHostBridge(12, 12, ports, decoders=4),))
    interleave(system, "decoder2.0", "decoder3.0")
    assert of_region(system) == (bandwidth, bandwidth)


def interleave(system: System, *decoders: str) -> None:
    """A region of 2 GiB over decoders."""
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    for path, value in (("interleave_granularity", 256), ("interleave_ways", len(decoders))):
        assert write(system, f"region0/{path}", value) == 0
    for decoder in decoders:
        assert write(system, f"{decoder}/mode", "ram") == write(system, f"{decoder}/dpa_size", GIB) == 0
    assert write(system, "region0/size", GIB * len(decoders)) == 0
    for number, decoder in enumerate(decoders):
        assert write(system, f"region0/target{number}", decoder) == 0
    assert write(system, "region0/commit", 1) == 0
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_region/bind", b"region0") > 0


def of_region(system: System) -> tuple[int, int]:
    """Bandwidths."""
    online(system)
    found = access(system)
    return int(found["read_bandwidth"]), int(found["write_bandwidth"])


# --- nodes


@pytest.mark.parametrize(("release", "shown"), [("6.12.117", True), ("6.18", False), ("7.3", False)])
def test_the_node_of_a_window_has_files_up_to_6_17(boot_cxl: Boot, release: str, shown: bool) -> None:
    """As recorded: from 6.18 on only values are changed that are shown already, and nobody shows those of a window."""
    system = booted(boot_cxl, release)
    make(system)
    online(system)
    assert (of_node(system) is not None) == (of_node(system, 1) is not None) == shown


@pytest.mark.parametrize(("release", "updates"), [("6.12.117", 2), ("6.18", 0)])
def test_what_the_srat_has_goes_by_way_of_the_hmat_up_to_6_17(boot_cxl: Boot, release: str, updates: int) -> None:
    told = Told({12: PORT}, real=True)
    system = booted(boot_cxl, release, told)
    make(system)
    online(system)
    assert len(told.updates) == updates
    assert access(system)


def test_a_node_without_a_target_tells_the_region_nothing_up_to_6_17(boot_cxl: Boot) -> None:
    told = Told({12: PORT}, real=True)
    told.update_target_coordinates = lambda nid, coordinate, access: -ENODEV  # type: ignore[method-assign]
    system = booted(boot_cxl, "6.12.117", told)
    make(system)
    online(system)
    assert access(system) == {}


def test_what_a_node_shows_is_changed_from_6_18_on(boot_cxl: Boot) -> None:
    system = booted(boot_cxl)
    make(system)
    system.nodes.node_set_online(NODE)
    system.nodes.node_set_perf_attrs(NODE, AccessCoordinate(1, 2, 3, 4), 0)
    online(system)
    assert of_node(system) == {
        "read_bandwidth": 8000,
        "write_bandwidth": 8000,
        "read_latency": 359,
        "write_latency": 479,
    }
    assert system.sysfs.read("/sys/devices/system/node/node1/access0/initiators/read_latency") == b"359\n"
    assert of_node(system, 1) is None


# --- tiers


@pytest.mark.parametrize(("release", "distance"), [("6.10", None), ("6.11", 34350)])
def test_a_region_answers_for_the_distance_of_its_node_from_6_11_on(
    boot_cxl: Boot, release: str, distance: int | None
) -> None:
    told = Told({12: PORT})
    system = booted(boot_cxl, release, told)
    make(system)
    assert [algorithm(NODE) for algorithm in told.algorithms] == ([] if distance is None else [distance])
    assert [algorithm(0) for algorithm in told.algorithms] == [None] * len(told.algorithms)
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_region/unbind", b"region0") > 0
    assert told.algorithms == []


def test_a_region_of_unknown_devices_has_no_distance(boot_cxl: Boot) -> None:
    told = Told({})
    system = booted(boot_cxl, told=told)
    make(system)
    assert [algorithm(NODE) for algorithm in told.algorithms] == [None]
    online(system)
    assert access(system) == {}
    assert of_node(system) is None


# --- the root device


def test_without_the_root_device_a_cedt_makes_nothing(boot_cxl: Boot) -> None:
    system = booted(boot_cxl, cxl_root=CxlRoot(present=False))
    assert system.sysfs.listdir("/sys/bus/cxl/devices") == ["mem0"]
    assert not [line for line in system.iomem.lines() if "CXL" in line]
    assert system.modules.unload("cxl_acpi") == 0
