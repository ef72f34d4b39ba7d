"""Windows, devices, regions. Expected values: by hand from ``drivers/cxl``, and recorded boots."""

from __future__ import annotations

from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, ENXIO, EPERM, ERANGE

import pytest
from cxl_machine import BUS, DEVICE, GIB, MIB, Boot, bridge, cedt, lines, make, prepare, read, window, write
from softreserve.kernel.driver_core.ida import memregion_ids
from softreserve.kernel.resource import IORES_DESC_SOFT_RESERVED, IORESOURCE_MEM, Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.model.acpi.cedt import CXL_1_1, Cedt, FixedMemoryWindow, HostBridge, XorMaps
from softreserve.model.cxl import CxlDecoder, CxlHostBridge, CxlMemdev, CxlRootPort
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import hooks_of

# --- windows, bridges, devices


def devices(system: System) -> list[str]:
    found = system.sysfs.listdir("/sys/bus/cxl/devices")
    assert isinstance(found, list)
    return found


def windows(system: System) -> list[str]:
    return [line for line in system.iomem.lines() if "CXL Window" in line]


def test_a_machine_shows_what_it_has(boot_cxl: Boot) -> None:
    """As recorded of QEMU's pxb-cxl with one cxl-type3, but for the bridge of persistent memory."""
    system = boot_cxl()
    assert devices(system) == [
        "decoder0.0",
        "decoder1.0",
        *(f"decoder2.{number}" for number in range(4)),
        "endpoint2",
        "mem0",
        "port1",
        "root0",
    ]
    assert windows(system) == ["200000000-2ffffffff : CXL Window 0"]
    shown = [isinstance(read(system, f"mem0/{name}"), str) for name in ("serial", "devtype", "modalias")]
    assert shown == [True, False, False]
    drivers = "/sys/bus/cxl/drivers"
    assert system.modules.load("dax_cxl") == 0
    can_bind = [system.sysfs.node(f"{drivers}/{name}/bind") is not None for name in ("cxl_region", "cxl_dax_region")]
    assert can_bind == [True, False]
    assert (
        system.sysfs.readlink("/sys/bus/cxl/devices/mem0")
        == "../../../devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0"
    )


def test_persistent_memory_has_a_bridge_where_the_kernel_has_it(boot_cxl: Boot) -> None:
    assert "nvdimm-bridge0" in devices(boot_cxl(config={"CXL_PMEM": "m"}))
    volatile = cedt(window(8 * GIB, 4 * GIB, restrictions=0x06))
    assert "nvdimm-bridge0" not in devices(boot_cxl(config={"CXL_PMEM": "m"}, acpi=volatile))


@pytest.mark.parametrize(("release", "at_once"), [("6.12", True), ("6.18", False)])
def test_a_bridge_has_its_decoders_when_it_is_found_or_when_a_device_is(
    boot_cxl: Boot, release: str, at_once: bool
) -> None:
    """6.12: ``drivers/cxl/port.c: cxl_switch_port_probe``; 6.18: ``cxl_port_add_dport``."""
    system = boot_cxl(release, modules=["cxl_acpi"])
    assert ("decoder1.0" in devices(system)) == at_once
    assert (system.sysfs.node("/sys/bus/cxl/devices/port1/dport0") is not None) == at_once
    assert system.modules.load("cxl_pci") == system.modules.load("cxl_mem") == 0
    assert "decoder1.0" in devices(system)


def test_devices_wait_for_the_root(boot_cxl: Boot) -> None:
    system = boot_cxl(modules=["cxl_pci", "cxl_mem"])
    assert devices(system) == ["mem0"]
    assert system.modules.load("cxl_acpi") == 0
    assert "endpoint2" in devices(system)


def test_all_goes_when_the_root_does(boot_cxl: Boot) -> None:
    system = boot_cxl()
    assert system.sysfs.write("/sys/bus/cxl/devices/decoder0.0/create_ram_region", b"region0\n") > 0
    assert system.modules.unload("cxl_acpi") == 0
    assert devices(system) == ["mem0"]
    assert not windows(system)
    assert system.modules.load("cxl_acpi") == 0
    assert "decoder2.3" in devices(system)


@pytest.mark.parametrize(("release", "waits"), [("6.18", False), ("7.3", True)])
def test_cxl_pci_brings_cxl_mem_from_7_0_on(boot_cxl: Boot, release: str, waits: bool) -> None:
    """``modules.dep`` of Debian's 6.18.15 and 7.3.4."""
    assert ("cxl_mem" in boot_cxl(release, modules=["cxl_pci"]).modules.live()) == waits


def test_a_window_grows_over_what_it_cuts_and_the_next_one_loses_that(boot_cxl: Boot) -> None:
    acpi = cedt(window(8 * GIB, 2 * GIB), window(10 * GIB, 8 * GIB))
    system = boot_cxl("6.12", acpi=acpi, modules=[])
    insert_resource(system.iomem.root, Resource(9 * GIB, 17 * GIB - 1, "Soft Reserved", IORESOURCE_MEM))
    assert system.modules.load("cxl_acpi") == 0
    assert system.iomem.lines()[1:] == [
        "200000000-43fffffff : CXL Window 0",
        "  240000000-43fffffff : Soft Reserved",
        "440000000-47fffffff : CXL Window 1",
    ]


@pytest.mark.parametrize(("release", "count"), [("6.1", 0), ("6.12", 1)])
def test_a_window_that_overlaps_another_is_fatal_for_older_kernels(boot_cxl: Boot, release: str, count: int) -> None:
    acpi = cedt(window(32 * GIB, 4 * GIB), window(34 * GIB, 4 * GIB))
    assert len(windows(boot_cxl(release, acpi=acpi, modules=["cxl_acpi"]))) == count


def test_a_window_off_the_grid_is_named_in_the_log(boot_cxl: Boot) -> None:
    acpi = cedt(window(32 * GIB + MIB, 4 * GIB))
    old, new = (boot_cxl(release, acpi=acpi, modules=["cxl_acpi"]) for release in ("6.1", "6.12"))
    reason = "cxl_acpi ACPI0017:00: CFMWS Base HPA not 256MB aligned"
    host = " pci0000:0c: host supports CXL"
    assert old.log.lines[-3:] == [
        reason,
        "cxl_acpi ACPI0017:00: CFMWS range 0x800100000-0x9000fffff not registered",
        host,
    ]
    assert new.log.lines[-3:] == [
        reason,
        "cxl_acpi ACPI0017:00: Failed to add decode range: [0x800100000 - 0x9000fffff] (-22)",
        host,
    ]


@pytest.mark.parametrize(("release", "decoders", "number"), [("6.12", 0, 0), ("6.18", 1, 1)])
def test_a_window_over_a_bridge_that_is_not_there(boot_cxl: Boot, release: str, decoders: int, number: int) -> None:
    """``decoder_populate_targets()`` fails up to 6.17; the line in /proc/iomem is made before."""
    system = boot_cxl(release, acpi=cedt(window(32 * GIB, 4 * GIB, [99])), modules=["cxl_acpi"])
    assert windows(system) == ["800000000-8ffffffff : CXL Window 0"]
    assert sum(name.startswith("decoder0.") for name in devices(system)) == decoders
    assert memregion_ids(system).alloc() == number


def test_a_bridge_without_registers_is_none(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=[bridge(), bridge(13)], modules=["cxl_acpi"])
    assert [name for name in devices(system) if name.startswith("port")] == ["port1"]
    assert "acpi ACPI0016:01: No CHBS found for Host Bridge (UID 13)" in system.log.lines


@pytest.mark.parametrize(("maps", "count"), [([], 0), ([XorMaps(hbig=0, nr_xormaps=1)], 1), ([XorMaps(hbig=1)], 0)])
def test_xor_interleaving_takes_maps_of_the_same_granularity(boot_cxl: Boot, maps: list[XorMaps], count: int) -> None:
    """``drivers/cxl/acpi.c: cxl_parse_cxims``."""
    found = Cedt.parse(cedt(window(32 * GIB, 4 * GIB, [12, 13], interleave_arithmetic=1), bridges=[12, 13])["CEDT"])
    acpi = {"CEDT": Cedt([*found.entries, *maps]).sealed()}
    system = boot_cxl("6.12", acpi=acpi, cxl=[bridge(), bridge(13)], modules=["cxl_acpi"])
    assert sum(name.startswith("decoder0.") for name in devices(system)) == count


def test_a_machine_without_a_cedt_has_modules_that_find_nothing(boot_cxl: Boot) -> None:
    system = boot_cxl(acpi={}, cxl=[])
    assert set(system.modules.live()) == {"cxl_acpi", "cxl_pci", "cxl_mem"}
    assert system.sysfs.node("/sys/bus/cxl") is None


def test_the_length_of_a_window_counts_its_targets(boot_cxl: Boot) -> None:
    short = window(32 * GIB, 4 * GIB)
    short.interleave_ways = 1
    assert not windows(boot_cxl(acpi=cedt(short), modules=["cxl_acpi"]))
    assert FixedMemoryWindow.size() == 36


# --- regions


def test_a_region_by_hand(boot_cxl: Boot) -> None:
    """As recorded on 6.12 and 7.3."""
    system = boot_cxl()
    assert read(system, "decoder0.0/create_ram_region") == "region0"
    make(system)
    assert read(system, "decoder0.0/create_ram_region") == "region1"
    assert lines(system) == ["200000000-2ffffffff : CXL Window 0", "  200000000-23fffffff : region0"]
    shown = {
        name: read(system, f"region0/{name}") for name in ("resource", "size", "commit", "mode", "target0", "uuid")
    }
    assert shown == {
        "resource": "0x200000000",
        "size": "0x40000000",
        "commit": "1",
        "mode": "ram",
        "target0": "decoder2.0",
        "uuid": "",
    }
    for decoder in ("decoder1.0", "decoder2.0"):
        assert (read(system, f"{decoder}/start"), read(system, f"{decoder}/region")) == ("0x200000000", "region0")
    # What passes everything through is not counted.
    assert (read(system, "port1/decoders_committed"), read(system, "endpoint2/decoders_committed")) == ("0", "1")
    assert system.sysfs.node(f"{BUS}/dax_region0", follow=True) is not None


def test_a_device_below_a_bridge_without_its_driver_is_refused(boot_cxl: Boot) -> None:
    """As recorded on 7.3."""
    system = boot_cxl()
    drivers = "/sys/bus/cxl/drivers"
    assert system.sysfs.write(f"{drivers}/cxl_mem/unbind", b"mem0") == 4
    assert system.sysfs.write(f"{drivers}/cxl_port/unbind", b"port1") == 5
    assert system.sysfs.write(f"{drivers}/cxl_mem/bind", b"mem0") == -ENXIO
    assert system.sysfs.write(f"{drivers}/cxl_port/bind", b"port1") == 5
    assert [name for name in devices(system) if name.startswith("decoder")] == ["decoder0.0"]
    assert system.sysfs.write(f"{drivers}/cxl_mem/bind", b"mem0") == 4
    assert "decoder1.0" in devices(system)


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_a_bridge_that_loses_its_driver_takes_all_below_it_along(boot_cxl: Boot, release: str) -> None:
    """By hand from ``drivers/cxl/core/port.c``: what is managed by the port goes with its driver."""
    system = boot_cxl(release)
    make(system)
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_port/unbind", b"port1") == 5
    assert devices(system) == ["decoder0.0", "mem0", "port1", "region0", "root0"]


def test_a_region_that_comes_and_goes_is_in_the_log_of_events(boot_cxl: Boot) -> None:
    """What ``explain`` tells of its bytes."""
    system = boot_cxl()
    make(system)
    assert write(system, "region0/commit", 0) == 0
    assert write(system, "region0/commit", 1) == 0
    assert write(system, "decoder0.0/delete_region", "region0") == 0
    told = [(event.code, event.function) for event in system.log.over(PhysRange(8 * GIB, 9 * GIB))]
    source = "drivers/cxl/core/region.c"
    made, gone = ("cxl-region-made", f"{source}: commit_store"), ("cxl-region-gone", f"{source}: commit_store")
    assert told[-4:] == [made, gone, made, ("cxl-region-gone", f"{source}: unregister_region")]


STEPS = [
    # of a fresh machine
    ("decoder0.0/create_ram_region", "region1", -EBUSY),
    ("decoder0.0/create_ram_region", "dax0", -EINVAL),
    ("decoder0.0/delete_region", "region0", -ENODEV),
    ("decoder0.0/delete_region", "x", -EINVAL),
    ("decoder2.0/dpa_size", 0x1000, -EINVAL),
    ("decoder2.0/dpa_size", GIB, -EBUSY),
    ("decoder2.0/mode", "none", -EINVAL),
    ("decoder2.0/mode", "pmem", -EINVAL),
    ("decoder2.0/mode", "ram", 0),
    ("decoder2.0/dpa_size", 2 * GIB, -ENOSPC),
    ("decoder2.1/mode", "ram", 0),
    ("decoder2.1/dpa_size", GIB, -EBUSY),
    ("decoder2.0/dpa_size", GIB, 0),
    ("decoder2.1/dpa_size", 256 * MIB, -ENOSPC),
    ("decoder0.0/create_ram_region", "region0", 0),
    ("region0/uuid", "x", -EACCES),
    ("region0/target0", "decoder2.0", -ENOENT),
    ("region0/commit", 1, -ENXIO),
    ("region0/commit", 0, 0),
    ("region0/commit", "x", -EINVAL),
    ("region0/size", GIB, -ENXIO),
    ("region0/interleave_ways", 5, -EINVAL),
    ("region0/interleave_ways", "x", -EINVAL),
    ("region0/interleave_ways", 2, 0),
    ("region0/interleave_ways", 1, 0),
    ("region0/target1", "decoder2.0", -ENOENT),
    ("region0/interleave_granularity", 128, -EINVAL),
    ("region0/interleave_granularity", 32768, -EINVAL),
    ("region0/interleave_granularity", 512, 0),
    ("region0/target0", "decoder2.0", -ENXIO),
    ("region0/size", 0x1000, -EINVAL),
    ("region0/size", 8 * GIB, -ERANGE),
    ("region0/size", 512 * MIB, 0),
    ("region0/size", 512 * MIB, 0),
    ("region0/size", GIB, -EBUSY),
    ("region0/interleave_granularity", 256, -EBUSY),
    ("region0/interleave_ways", 1, -EBUSY),
    ("region0/target0", "decoder2.0", -EINVAL),
    ("region0/size", 0, 0),
    ("region0/size", GIB, 0),
    ("region0/target0", "decoder9.0", -ENODEV),
    ("region0/target0", "decoder0.0", -EINVAL),
    ("region0/target0", "decoder2.1", -ENXIO),
    ("region0/target0", "decoder2.0", 0),
    ("region0/target0", "decoder2.0", -EBUSY),
    ("region0/size", 0, -EBUSY),
    ("decoder2.0/dpa_size", 0, -EBUSY),
    ("region0/target0", "", 0),
    ("region0/target0", "decoder2.0", 0),
    ("region0/commit", 1, 0),
    ("region0/commit", 1, 0),
    ("decoder2.0/mode", "ram", -EBUSY),
    ("decoder0.0/delete_region", "region0", 0),
    ("decoder2.0/dpa_size", 0, 0),
]


def test_every_write_is_answered_as_the_source_says(boot_cxl: Boot) -> None:
    system = boot_cxl()
    assert [(path, value, write(system, path, value)) for path, value, _ in STEPS] == STEPS


@pytest.mark.parametrize(
    ("release", "answers"), [("6.12", [-ENXIO, -EINVAL, -EINVAL]), ("7.3", [-EINVAL, -EBUSY, -ENODEV])]
)
def test_errnos_around_the_mode_changed_with_partitions(boot_cxl: Boot, release: str, answers: list[int]) -> None:
    """6.12: ``cxl_dpa_set_mode``, ``cxl_dpa_alloc``, ``cxl_region_attach``; 7.3: ``cxl_dpa_set_part``."""
    system = boot_cxl(release)
    found = [write(system, "decoder2.0/mode", "pmem"), write(system, "decoder2.0/dpa_size", GIB)]
    prepare(system)
    assert [*found, write(system, "region0/target0", "decoder2.1")] == answers


@pytest.mark.parametrize(("release", "named"), [("6.12", False), ("7.3", True)])
def test_the_log_names_what_cannot_be_a_target(boot_cxl: Boot, release: str, named: bool) -> None:
    """``attach_target``; as recorded on 7.3."""
    system = boot_cxl(release)
    prepare(system)
    assert write(system, "region0/target0", "decoder2.1") < 0
    said = [line for line in system.log.lines if "failed to attach decoder2.1 to region0" in line]
    assert [line.split(":")[0] for line in said] == ["cxl_port endpoint2"] * named


@pytest.mark.parametrize(
    ("release", "commit", "bind"),
    [
        ("6.3.2", 0, -ENXIO),
        ("6.4.2", 0, -ENXIO),
        ("6.4.3", -ENXIO, -ENXIO),
        ("6.12", -ENXIO, -ENXIO),
        ("7.3", -ENXIO, -ENXIO),
    ],
)
def test_a_region_takes_a_cpu_that_can_drop_caches(boot_cxl: Boot, release: str, commit: int, bind: int) -> None:
    """``cpu_cache_has_invalidate_memregion()`` is false in virtual machines: ``cxl_region_probe``, ``commit_store``."""
    system = boot_cxl(release, invalidates=False)
    prepare(system)
    assert write(system, "region0/target0", "decoder2.0") == 0
    assert write(system, "region0/commit", 1) == commit
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_region/bind", b"region0") == bind
    said = "cxl_region region0: Failed to synchronize CPU cache state"
    assert (said in system.log.lines) == (commit == 0)


@pytest.mark.parametrize(("release", "reset"), [("6.4.2", 0), ("6.4.3", -ENXIO), ("6.12", -ENXIO), ("6.17", 0)])
def test_a_region_is_kept_where_caches_cannot_be_dropped(boot_cxl: Boot, release: str, reset: int) -> None:
    """``commit_store``; a region that was found has its driver in all releases: ``cxl_region_probe``."""
    system = boot_cxl(release, cxl=[committed()], invalidates=False)
    assert system.sysfs.node("/sys/bus/cxl/drivers/cxl_region/region0") is not None
    assert write(system, "region0/commit", 0) == reset
    assert read(system, "region0/commit") == ("0" if reset == 0 else "1")


def test_a_bridge_that_passes_everything_through_has_one_region(boot_cxl: Boot) -> None:
    """``match_free_decoder``: its only decoder is reserved for the first."""
    system = boot_cxl()
    make(system, 512 * MIB)
    prepare(system, 512 * MIB, "decoder2.1", "region1")
    assert write(system, "region1/target0", "decoder2.1") == -EBUSY


def test_regions_of_a_bridge_go_upwards_and_numbers_come_back(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=[bridge(devices=2)])
    make(system, GIB, "decoder2.0", "region0")
    make(system, GIB, "decoder3.0", "region1")
    assert lines(system)[1:] == ["  200000000-23fffffff : region0", "  240000000-27fffffff : region1"]
    assert [read(system, f"decoder1.{number}/region") for number in range(3)] == ["region0", "region1", ""]
    assert write(system, "decoder0.0/delete_region", "region0") == 0
    assert read(system, "decoder0.0/create_ram_region") == "region0"
    # decoder1.0 is free, but below one that is in use.
    assert write(system, "decoder2.0/dpa_size", 0) == 0
    prepare(system, GIB, "decoder2.0", "region0")
    assert write(system, "region0/target0", "decoder2.0") == -EBUSY


def test_two_ways_over_root_ports(boot_cxl: Boot) -> None:
    """As recorded on 6.12 and 7.3."""
    system = boot_cxl(cxl=[bridge(devices=2)])
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    steps: list[tuple[str, object]] = [("region0/interleave_granularity", 256), ("region0/interleave_ways", 2)]
    for decoder in ("decoder2.0", "decoder3.0"):
        steps += [(f"{decoder}/mode", "ram"), (f"{decoder}/dpa_size", GIB)]
    steps += [("region0/size", 2 * GIB), ("region0/target0", "decoder2.0"), ("region0/target1", "decoder3.0")]
    steps += [("region0/commit", 1)]
    assert [write(system, path, value) for path, value in steps] == [0] * len(steps)
    names = ("interleave_ways", "interleave_granularity", "target_list")
    assert [read(system, f"decoder1.0/{name}") for name in names] == ["2", "256", "0,1"]


def test_two_ways_over_host_bridges_go_by_the_order_of_the_window(boot_cxl: Boot) -> None:
    """As recorded on 6.12 and 7.3: the first target must be behind the first bridge of the window."""
    acpi = cedt(window(8 * GIB, 4 * GIB, [12, 112]), bridges=[12, 112])
    system = boot_cxl(acpi=acpi, cxl=[bridge(112), bridge(12)])
    assert read(system, "decoder0.0/target_list") == "12,112"
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    assert write(system, "region0/interleave_ways", 1) == -EINVAL
    assert write(system, "region0/interleave_granularity", 512) == -EINVAL
    for path, value in (
        ("region0/interleave_granularity", 256),
        ("region0/interleave_ways", 2),
        ("decoder3.0/mode", "ram"),
        ("decoder3.0/dpa_size", GIB),
        ("decoder4.0/mode", "ram"),
        ("decoder4.0/dpa_size", GIB),
        ("region0/size", 2 * GIB),
    ):
        assert write(system, path, value) == 0, path
    # mem0 is behind bridge 112, which comes second.
    assert write(system, "region0/target0", "decoder3.0") == -ENXIO
    assert write(system, "region0/target0", "decoder4.0") == 0
    assert write(system, "region0/target1", "decoder3.0") == 0
    assert write(system, "region0/commit", 1) == 0


@pytest.mark.parametrize(("in_tree", "base"), [(True, "220000000"), (False, "200000000")])
def test_a_region_takes_the_lowest_space_that_has_no_line(boot_cxl: Boot, in_tree: bool, base: str) -> None:
    """Recorded on 6.18 and 7.3: from 7.0 on soft reserved memory has no line, and a region may be put over it."""
    system = boot_cxl()
    if in_tree:
        res = Resource(8 * GIB, 8 * GIB + 512 * MIB - 1, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
        assert insert_resource(system.iomem.root, res) == 0
    make(system)
    assert read(system, "region0/resource") == f"0x{base}"


# --- what was committed before


def committed(start: int = 8 * GIB, locked: bool = False) -> CxlHostBridge:
    """A bridge with two root ports, and one device with a region of 1 GiB that somebody has committed."""
    device = DEVICE._replace(committed=(CxlDecoder(start, GIB, locked=locked),))
    ports = (CxlRootPort(0, device), CxlRootPort(1))
    return CxlHostBridge(12, 12, ports, decoders=4, committed=(CxlDecoder(start, GIB, targets=(0,), locked=locked),))


@pytest.mark.parametrize("release", ["6.12", "6.18", "7.3"])
def test_committed_decoders_make_a_region(boot_cxl: Boot, release: str) -> None:
    system = boot_cxl(release, cxl=[committed(9 * GIB)])
    assert lines(system) == ["200000000-2ffffffff : CXL Window 0", "  240000000-27fffffff : region0"]
    assert (read(system, "region0/commit"), read(system, "decoder2.0/mode")) == ("1", "ram")
    assert system.sysfs.node(f"{BUS}/dax_region0", follow=True) is not None


def test_a_region_goes_round_what_it_holds_and_has_no_line_where_something_reaches_across_its_end(
    boot_cxl: Boot,
) -> None:
    for last, shown in ((8 * GIB + 512 * MIB, True), (9 * GIB + 512 * MIB, False)):
        system = boot_cxl("6.12", cxl=[committed()], modules=["cxl_acpi"])
        res = Resource(8 * GIB + 256 * MIB, last - 1, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
        assert insert_resource(system.iomem.root, res) == 0
        assert system.modules.load("cxl_pci") == system.modules.load("cxl_mem") == 0
        assert ("  200000000-23fffffff : region0" in lines(system)) == shown
        assert read(system, "region0/commit") == "1"


def test_what_was_committed_outside_all_windows_makes_nothing(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=[committed(32 * GIB)])
    assert lines(system) == ["200000000-2ffffffff : CXL Window 0"]
    assert system.log.lines[-1].endswith("no CXL window for range 0x800000000:0x83fffffff")


def test_committed_decoders_below_a_bridge_without_any_make_no_region_that_works(boot_cxl: Boot) -> None:
    """No decoder of the bridge maps the range: ``find_pos_and_ways``."""
    device = DEVICE._replace(committed=(CxlDecoder(8 * GIB, GIB),))
    system = boot_cxl(cxl=[bridge(memdev=device)])
    assert read(system, "region0/commit") == "0"
    # As recorded: x86-7.3-cxl-committed-through.
    assert system.log.lines[-2:] == [
        "cxl_mem mem0: failed to find decoder mapping 0x200000000-0x23fffffff",
        "cxl_port endpoint2: failed to attach decoder2.0 to region0: -6",
    ]


def test_a_bridge_that_leads_elsewhere_is_named_in_the_log(boot_cxl: Boot) -> None:
    """``find_pos_and_ways``: the decoder of the bridge has the right range, and another target."""
    found = committed()
    system = boot_cxl("6.12", cxl=[found._replace(committed=(CxlDecoder(8 * GIB, GIB, targets=(1,)),))])
    text = "cxl_mem mem0: failed to find endpoint2:0000:0c:00.0 in target list of decoder1.0"
    assert system.log.lines[-1] == text
    assert read(system, "region0/commit") == "0"


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_a_bridge_that_interleaves_otherwise_is_named_in_the_log(boot_cxl: Boot, release: str) -> None:
    """``cxl_port_setup_targets``: as public reports of such firmware show it."""
    decoder = CxlDecoder(8 * GIB, 2 * GIB, ways=2)
    ports = tuple(CxlRootPort(number, DEVICE._replace(committed=(decoder,))) for number in range(2))
    above = decoder._replace(granularity=512, targets=(0, 1))
    system = boot_cxl(release, cxl=[CxlHostBridge(12, 12, ports, decoders=4, committed=(above,))])
    where = "cxl region0: pci0000:0c:port1 cxl_port_setup_targets"
    said = [line for line in system.log.lines if "cxl_port_setup_targets" in line]
    assert said == [
        f"{where} expected iw: 2 ig: 256 [mem 0x200000000-0x27fffffff flags 0x200]",
        f"{where} got iw: 2 ig: 512 state: enabled 0x200000000:0x27fffffff",
    ]


# --- restricted hosts


def restricted(size: int = 8 << 10) -> dict[str, bytes]:
    """The CEDT says that the bridge is of CXL 1.1, with registers of that size."""
    registers = HostBridge(uid=12, base=0x1000, cxl_version=CXL_1_1, size_bytes=size)
    return {"CEDT": Cedt([registers, window(8 * GIB, 4 * GIB)]).sealed()}


@pytest.mark.parametrize(("release", "ports"), [("6.1", ["port1"]), ("6.12", []), ("7.3", [])])
def test_a_host_of_cxl_1_1_has_no_port(boot_cxl: Boot, release: str, ports: list[str]) -> None:
    """``add_host_bridge_uport``; a device of 2.0 below it finds no way to the root."""
    system = boot_cxl(release, acpi=restricted())
    assert [name for name in devices(system) if name.startswith(("port", "endpoint"))][-1:] == ports
    assert any(line.endswith("host supports CXL (restricted)") for line in system.log.lines) == (not ports)
    assert read(system, "decoder0.0/target_list") == "12"
    assert (system.sysfs.node(f"{BUS}/mem0/driver") is not None) == bool(ports)


def old_host(*committed: CxlDecoder, devices: int = 1) -> CxlHostBridge:
    """A restricted host with devices of CXL 1.1."""
    return CxlHostBridge(12, 12, memdevs=(DEVICE._replace(committed=committed),) * devices)


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_a_device_of_cxl_1_1_hangs_below_the_root(boot_cxl: Boot, release: str) -> None:
    """``cxl_mem_probe``: where the host is restricted, the parent of the endpoint is the root."""
    system = boot_cxl(release, acpi=restricted(), cxl=[old_host()])
    assert [name for name in devices(system) if name.startswith(("port", "endpoint"))] == ["endpoint1"]
    place = "../../../devices/platform/ACPI0017:00/root0/endpoint1"
    assert system.sysfs.readlink(f"{BUS}/endpoint1") == place
    assert system.sysfs.readlink(f"{BUS}/mem0") == "../../../devices/pci0000:0c/0000:0c:00.0/mem0"
    assert system.sysfs.readlink(f"{BUS}/endpoint1/parent_dport") == "../../../../pci0000:0c"
    make(system, decoder="decoder1.0")
    assert (read(system, "region0/commit"), read(system, "decoder1.0/region")) == ("1", "region0")
    found = hooks_of(system).kexec_hardware(system, system.machine)
    assert found is not None
    assert found.cxl[0].memdevs[0].committed == (CxlDecoder(8 * GIB, GIB),)
    following = boot_cxl(release, acpi=restricted(), cxl=found.cxl)
    assert read(following, "region0/commit") == "1"
    assert following.sysfs.write("/sys/bus/cxl/drivers/cxl_mem/unbind", b"mem0") > 0
    assert "endpoint1" not in devices(following)


def test_a_device_of_cxl_1_1_that_the_firmware_has_set_up_makes_a_region(boot_cxl: Boot) -> None:
    system = boot_cxl("6.12", acpi=restricted(), cxl=[old_host(CxlDecoder(9 * GIB, GIB, locked=True))])
    assert "  240000000-27fffffff : region0" in lines(system)
    assert read(system, "region0/commit") == "1"


def test_a_device_of_cxl_1_1_finds_no_way_without_root_or_restricted_host(boot_cxl: Boot) -> None:
    """``cxl_mem_probe``: what it prints, word for word."""
    for more, word in (
        ({"modules": ["cxl_pci", "cxl_mem"], "acpi": restricted()}, "not found"),
        ({}, "root0 not enabled"),
    ):
        system = boot_cxl(cxl=[old_host()], **more)
        assert system.log.lines[-1] == f"cxl_mem mem0: CXL port topology {word}"
        assert system.sysfs.node(f"{BUS}/mem0/driver") is None


def test_a_region_is_of_one_kind_of_hosts(boot_cxl: Boot) -> None:
    """``cxl_region_setup_targets``."""
    acpi = {
        "CEDT": Cedt(
            [
                HostBridge(uid=12, base=0x1000, cxl_version=CXL_1_1, size_bytes=8 << 10),
                HostBridge(uid=13, base=0x4000),
                window(8 * GIB, 4 * GIB, [12, 13]),
            ]
        ).sealed()
    }
    system = boot_cxl(acpi=acpi, cxl=[old_host(), bridge(13)])
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    for path, value in (("interleave_granularity", 256), ("interleave_ways", 2), ("size", 2 * GIB)):
        assert write(system, f"region0/{path}", value) == 0
    answers = []
    for number, decoder in enumerate(["decoder2.0", "decoder3.0"]):
        assert write(system, f"{decoder}/mode", "ram") == write(system, f"{decoder}/dpa_size", GIB) == 0
        answers.append(write(system, f"region0/target{number}", decoder))
    assert answers == [0, -ENXIO]
    assert "cxl region0: mismatched CXL topologies detected" in system.log.lines


def test_registers_of_a_wrong_size_are_none(boot_cxl: Boot) -> None:
    """``cxl_get_chbs_iter``: those of CXL 1.1 have 8 KiB."""
    system = boot_cxl(acpi=restricted(64 << 10), modules=["cxl_acpi"])
    assert "acpi ACPI0016:00: No CHBS found for Host Bridge (UID 12)" in system.log.lines


@pytest.mark.parametrize(("release", "answer"), [("6.12", 0), ("7.3", -EPERM)])
def test_a_locked_region_stays(boot_cxl: Boot, release: str, answer: int) -> None:
    """7.2 on: ``commit_store`` and ``cxl_region_decode_reset`` ask for CXL_REGION_F_LOCK."""
    system = boot_cxl(release, cxl=[committed(locked=True)])
    assert write(system, "region0/commit", 0) == answer
    assert read(system, "region0/commit") == ("0" if not answer else "1")


def test_the_next_kernel_finds_what_this_one_committed(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=[bridge(devices=2)])
    make(system)
    found = hooks_of(system).kexec_hardware(system, system.machine)
    assert found is not None
    (left,) = found.cxl
    assert left.committed == (CxlDecoder(8 * GIB, GIB, targets=(0,)),)
    memdevs = [port.memdev for port in left.root_ports]
    assert [device.committed for device in memdevs if device is not None] == [(CxlDecoder(8 * GIB, GIB),), ()]
    following = boot_cxl("6.12", cxl=found.cxl)
    assert read(following, "region0/commit") == "1"


def test_persistent_memory_after_volatile_passes_over_what_is_free(boot_cxl: Boot) -> None:
    """``cxl_dpa_alloc``: a device's memory is given out upwards."""
    system = boot_cxl(cxl=[bridge(memdev=CxlMemdev(volatile=GIB, persistent=GIB))])
    assert write(system, "decoder2.0/mode", "pmem") == 0
    assert write(system, "decoder2.0/dpa_size", 512 * MIB) == 0
    assert read(system, "decoder2.0/dpa_resource") == "0x40000000"
    assert write(system, "decoder2.1/mode", "ram") == 0
    assert write(system, "decoder2.1/dpa_size", 256 * MIB) == -ENOSPC
    assert write(system, "decoder2.0/dpa_size", 0) == 0
