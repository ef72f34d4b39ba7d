"""Hmem devices. Expected values: recorded boots, and by hand from ``drivers/dax/hmem/{device,hmem}.c``."""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL, ENOMEM

import pytest
from softreserve.kernel.dax import DaxRegionRequest
from softreserve.kernel.driver_core.bus import Device
from softreserve.kernel.modules import Module
from softreserve.kernel.resource import IORES_DESC_CXL, IORESOURCE_MEM, Resource, insert_resource
from softreserve.kernel.system import System
from softreserve.model.acpi.hmat_tables import Hmat, Proximity
from softreserve.model.acpi.srat import CpuAffinity, MemoryAffinity, Srat
from softreserve.model.acpi.tables import Header
from softreserve.model.dax import DaxOffer
from softreserve.model.errors import MachineError
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import hooks_of
from softreserve.plugins.hookspecs import hookimpl

Boot = Callable[..., System]
MIB = 1 << 20
GIB = 1 << 30
ALL = ("dax_hmem", "device_dax", "kmem")
SP = "240000000-43fffffff"


def hmem_names(system: System) -> list[str]:
    names = system.sysfs.listdir("/sys/devices/platform")
    return [name for name in names if name.startswith("hmem")] if isinstance(names, list) else []


def read(system: System, path: str) -> str:
    value = system.sysfs.read(path)
    assert isinstance(value, bytes), (path, value)
    return value.decode().rstrip("\n")


def write(system: System, path: str, text: str) -> int:
    return system.sysfs.write(path, text.encode())


def above_ram(system: System) -> list[str]:
    lines = system.iomem.lines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("240000000")) :]


def tables(*memory: tuple[int, int, int]) -> dict[str, bytes]:
    """SRAT with ranges (domain, start, end), and an HMAT that names their domains."""
    cpu = CpuAffinity(proximity_domain_lo=0, apic_id=0)
    ranges = [MemoryAffinity(proximity_domain=pxm, base=start, size_bytes=end - start) for pxm, start, end in memory]
    domains = dict.fromkeys(pxm for pxm, _, _ in memory)
    proximities = [Proximity(flags=0, processor_pd=0, memory_pd=pxm) for pxm in domains]
    srat = Srat([cpu, *ranges], header=Header(signature=b"SRAT", revision=3))
    hmat = Hmat(proximities, header=Header(signature=b"HMAT", revision=2))
    return {"SRAT": srat.sealed(), "HMAT": hmat.sealed()}


# --- nesting in /proc/iomem


def test_older_kernels_put_the_device_around_the_range_that_it_is_made_of(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1")
    assert above_ram(system) == [f"{SP} : hmem.0", f"  {SP} : Soft Reserved"]
    for name in ALL:
        assert system.modules.load(name) == 0
    assert above_ram(system) == [f"{SP} : hmem.0", f"  {SP} : Soft Reserved", f"    {SP} : dax0.0"]


def test_newer_kernels_show_no_hmem_device_and_kmem_takes_the_memory(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12")
    assert above_ram(system) == [f"{SP} : Soft Reserved"]
    assert hmem_names(system) == ["hmem_platform.0"]
    for name in ALL:
        assert system.modules.load(name) == 0
    assert above_ram(system) == [f"{SP} : Soft Reserved", f"  {SP} : dax0.0", f"    {SP} : System RAM (kmem)"]


def test_a_range_split_by_the_srat_lies_around_its_devices(boot_hmem: Boot) -> None:
    acpi = tables((0, 0, 2 * GIB), (1, 9 * GIB, 13 * GIB), (2, 13 * GIB, 17 * GIB))
    system = boot_hmem("6.1", acpi=acpi, pxms={0: 0, 1: 1, 2: 2}, modules=ALL)
    assert above_ram(system) == [
        f"{SP} : Soft Reserved",
        "  240000000-33fffffff : hmem.0",
        "    240000000-33fffffff : dax0.0",
        "  340000000-43fffffff : hmem.1",
        "    340000000-43fffffff : dax1.0",
    ]


def test_a_range_larger_than_what_is_reserved_makes_a_device_that_cannot_be_bound(boot_hmem: Boot) -> None:
    acpi = tables((1, 9 * GIB, 18 * GIB))
    old = boot_hmem("6.1", acpi=acpi, modules=ALL)
    assert above_ram(old) == ["240000000-47fffffff : hmem.0", f"  {SP} : Soft Reserved"]
    new = boot_hmem("6.12", acpi=acpi, modules=ALL)
    assert above_ram(new) == [f"{SP} : Soft Reserved"]
    assert "device_dax dax0.0: mapping0: 0x240000000-0x47fffffff could not reserve range" in old.log.lines
    assert "device_dax: probe of dax0.0 failed with error -16" in old.log.lines
    assert "kmem dax0.0: probe with driver kmem failed with error -16" in new.log.lines


# --- who gets a device


def test_numbers_follow_the_srat_in_older_kernels_and_addresses_in_newer_ones(boot_hmem: Boot) -> None:
    acpi = tables((2, 13 * GIB, 17 * GIB), (1, 9 * GIB, 13 * GIB))
    old = boot_hmem("6.1", acpi=acpi, pxms={0: 0, 1: 1, 2: 2}, modules=["dax_hmem"])
    new = boot_hmem("6.12", acpi=acpi, pxms={0: 0, 1: 1, 2: 2}, modules=["dax_hmem"])
    assert read(old, "/sys/bus/dax/devices/dax0.0/resource") == hex(13 * GIB)
    assert read(new, "/sys/bus/dax/devices/dax0.0/resource") == hex(9 * GIB)


def test_an_srat_range_with_ram_beside_takes_the_device_away_in_newer_kernels_only(boot_hmem: Boot) -> None:
    ram, acpi = ((0, 2 * GIB, 0), (8 * GIB, 9 * GIB, 1)), tables((1, 8 * GIB, 17 * GIB))
    assert hmem_names(boot_hmem("6.1", ram=ram, acpi=acpi)) == ["hmem.0"]
    assert hmem_names(boot_hmem("6.12", ram=ram, acpi=acpi, modules=["dax_hmem"])) == ["hmem_platform.0"]


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_an_srat_range_over_a_part_leaves_the_rest_without_device(boot_hmem: Boot, release: str) -> None:
    system = boot_hmem(release, acpi=tables((1, 9 * GIB, 13 * GIB)), modules=["dax_hmem"])
    assert read(system, "/sys/bus/dax/devices/dax0.0/size") == str(4 * GIB)
    assert system.sysfs.listdir("/sys/bus/dax/devices") == ["dax0.0"]


def test_without_hmat_old_profiles_have_no_device_and_later_ones_one_per_range(boot_hmem: Boot) -> None:
    srat_only = {"SRAT": tables((1, 9 * GIB, 17 * GIB))["SRAT"]}
    assert hmem_names(boot_hmem("5.5", acpi=srat_only)) == []
    assert hmem_names(boot_hmem("5.5", acpi=tables((1, 9 * GIB, 17 * GIB)))) == ["hmem.0"]
    assert hmem_names(boot_hmem("5.10", acpi=srat_only)) == ["hmem.0"]


def test_an_old_profile_shares_nothing_out(boot_hmem: Boot) -> None:
    system = boot_hmem("5.5", acpi=tables((1, 9 * GIB, 17 * GIB)), modules=ALL)
    assert system.sysfs.listdir("/sys/devices/platform/hmem.0/dax_region") == ["align", "id", "size"]
    shown = system.sysfs.listdir("/sys/devices/platform/hmem.0/dax0.0")
    assert isinstance(shown, list)
    assert not {"mapping", "mapping0", "align"} & set(shown)
    assert write(system, "/sys/bus/dax/devices/dax0.0/size", "0") < 0


def test_one_parameter_turns_everything_off(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1", acpi=tables((1, 9 * GIB, 17 * GIB)), cmdline="device_hmem.disable=1")
    assert hmem_names(system) == []
    assert read(system, "/sys/module/device_hmem/parameters/disable") == "Y"


def test_a_range_off_the_size_of_large_pages_keeps_its_device_without_region(boot_hmem: Boot) -> None:
    ranges = [(9 * GIB + 4096, 10 * GIB, 1), (12 * GIB, 13 * GIB, 1)]
    old, new = (boot_hmem(release, ranges, modules=["dax_hmem"]) for release in ("6.1", "6.12"))
    assert "hmem: probe of hmem.0 failed with error -12" in old.log.lines
    assert "hmem hmem.0: probe with driver hmem failed with error -12" in new.log.lines
    for system in (old, new):
        assert system.sysfs.node("/sys/devices/platform/hmem.0/driver") is None
        assert system.sysfs.listdir("/sys/bus/dax/devices") == ["dax1.0"]


def test_part_of_a_range_that_another_plugin_offers_gets_a_device_where_the_whole_was_refused(boot_hmem: Boot) -> None:
    ranges = [(9 * GIB, 17 * GIB, 1)]
    acpi = tables((1, 9 * GIB, 10 * GIB))  # the rest is blocked for the walk, not for an offer
    offers = [DaxOffer(12 * GIB, 13 * GIB, 1, "test")]
    system = boot_hmem("6.1", ranges, acpi=acpi, offers=offers, modules=["dax_hmem"])
    assert system.sysfs.listdir("/sys/bus/dax/devices") == ["dax0.0", "dax1.0"]


# --- nodes


def test_the_device_is_near_to_an_online_node_and_keeps_its_target(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", modules=["dax_hmem"])
    assert read(system, "/sys/devices/platform/hmem.0/numa_node") == "0"
    assert read(system, "/sys/bus/dax/devices/dax0.0/numa_node") == "0"
    assert read(system, "/sys/bus/dax/devices/dax0.0/target_node") == "1"
    assert system.sysfs.node("/sys/devices/platform/hmem_platform.0/numa_node") is None


def test_memory_of_no_node_shows_no_target_and_kmem_rejects_it(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", [(9 * GIB, 17 * GIB, -1)], modules=ALL)
    assert system.sysfs.node("/sys/devices/platform/hmem.0/dax0.0/target_node") is None
    assert read(system, "/sys/bus/dax/devices/dax0.0/numa_node") == "-1"
    assert "kmem dax0.0: rejecting DAX region with invalid node: -1" in system.log.lines


# --- the module


@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_idle_regions_begin_with_an_empty_device_for_device_dax(boot_hmem: Boot, release: str) -> None:
    system = boot_hmem(release)
    assert system.modules.load("dax_hmem", {"region_idle": "1"}) == 0
    for name in ALL[1:]:
        assert system.modules.load(name) == 0
    assert read(system, "/sys/bus/dax/devices/dax0.0/size") == "0"
    assert read(system, "/sys/devices/platform/hmem.0/dax_region/available_size") == str(8 * GIB)
    assert read(system, "/sys/devices/platform/hmem.0/dax_region/seed") == ""
    assert write(system, "/sys/bus/dax/devices/dax0.0/size", "0x40000000") > 0
    assert write(system, "/sys/bus/dax/drivers/device_dax/bind", "dax0.0") > 0


def test_a_module_that_goes_takes_devices_and_numbers_along(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", [(9 * GIB, 10 * GIB, 1), (12 * GIB, 13 * GIB, 1)], modules=["dax_hmem", "device_dax"])
    assert system.modules.load("dax_hmem") == 0
    assert hmem_names(system) == ["hmem.0", "hmem.1", "hmem_platform.0"]
    assert system.modules.unload("dax_hmem") == 0
    assert hmem_names(system) == ["hmem_platform.0"]
    assert system.sysfs.listdir("/sys/bus/dax/devices") == []
    assert system.sysfs.listdir("/sys/dev/char") == []
    assert system.modules.load("dax_hmem", {"region_idle": None}) == 0
    assert hmem_names(system) == ["hmem.0", "hmem.1", "hmem_platform.0"]
    assert read(system, "/sys/bus/dax/devices/dax1.0/size") == "0"
    assert system.modules.unload("dax_hmem") == 0
    assert system.modules.load("dax_hmem") == 0
    assert read(system, "/sys/bus/dax/devices/dax1.0/size") == str(GIB)


def test_rebinding_the_platform_driver_makes_the_region_anew(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1", modules=ALL)
    hmem = "/sys/bus/platform/drivers/hmem"
    region = "/sys/devices/platform/hmem.0/dax_region"
    assert write(system, "/sys/bus/dax/drivers/device_dax/unbind", "dax0.0") > 0
    assert write(system, "/sys/bus/dax/devices/dax0.0/size", "0x40000000") > 0
    assert write(system, f"{region}/create", "1") == 1
    assert write(system, f"{hmem}/unbind", "hmem.0") > 0
    assert system.sysfs.node(region) is None
    assert system.sysfs.listdir("/sys/bus/dax/devices") == []
    assert write(system, f"{hmem}/bind", "hmem.0") > 0
    assert system.sysfs.listdir("/sys/bus/dax/devices") == ["dax0.0"]
    assert read(system, "/sys/bus/dax/devices/dax0.0/size") == str(8 * GIB)
    assert above_ram(system)[-1] == f"    {SP} : dax0.0"


def test_built_in_modules_start_in_the_order_in_which_they_are_linked(boot_hmem: Boot) -> None:
    config = {"DEV_DAX": "y", "DEV_DAX_HMEM": "y", "DEV_DAX_KMEM": "y"}
    old, new = (boot_hmem(release, config=config) for release in ("6.1", "6.12"))
    assert above_ram(old)[-1] == f"    {SP} : dax0.0"
    assert above_ram(new)[-1] == f"    {SP} : System RAM (kmem)"
    assert old.modules.unload("device_dax") < 0


# --- what the command line keeps from running


@pytest.mark.parametrize(
    ("release", "module", "function"),
    [
        ("6.1", "dax_hmem", "dax_hmem_driver_init"),
        ("6.12", "dax_hmem", "dax_hmem_init"),
        ("6.12", "device_dax", "dax_init"),
        ("7.3", "kmem", "dax_kmem_init"),
        ("7.3", "dax", "dax_core_init"),
        ("7.3", "device_hmem", "hmem_init"),
    ],
)
def test_modules_start_by_the_function_that_the_kernel_has(
    boot_hmem: Boot, release: str, module: str, function: str
) -> None:
    """Expected: symbols at the address of ``init_module`` in Debian's modules, and the files of what is built in."""
    found = boot_hmem(release).modules.get(module)
    assert found is not None
    assert found.starts_by == function


def test_without_the_function_that_offers_ranges_only_those_of_the_hmat_get_a_device(boot_hmem: Boot) -> None:
    """As 6.12.117 did, with an HMAT."""
    without = boot_hmem("6.12", cmdline="initcall_blacklist=hmem_init", modules=ALL)
    assert without.sysfs.listdir("/sys/bus/dax/devices") == []
    assert "initcall hmem_init blacklisted" in without.log.lines


def test_without_the_bus_drivers_are_refused_and_a_device_is_the_end(boot_hmem: Boot) -> None:
    """6.12.117 crashed in ``alloc_dax`` when dax_hmem was loaded."""
    system = boot_hmem("6.12", cmdline="initcall_blacklist=dax_core_init")
    assert system.modules.load("kmem") == -EINVAL
    assert system.modules.live() == []
    with pytest.raises(MachineError, match=r"the kernel crashes where it makes dax0\.0"):
        system.modules.load("dax_hmem")
    refused = "Driver 'kmem' was unable to register with bus_type 'dax' because the bus was not initialized."
    assert refused in system.log.lines


def test_without_the_function_that_sets_tiers_up_there_are_none(boot_hmem: Boot) -> None:
    """As 7.3.4 did: nothing below ``/sys/devices/virtual/memory_tiering``."""
    assert boot_hmem("7.3", cmdline="initcall_blacklist=memory_tier_init").nodes.tiering is None


# --- windows of CXL


class Windows:
    """Stands for CXL: one window in ``/proc/iomem``, and a region that has all of a range, or none."""

    def __init__(self, window: tuple[int, int], region: tuple[int, int] | None = None) -> None:
        self._window = window
        self._region = region

    @hookimpl
    def softreserve_modules(self, system: System) -> list[Module]:
        start, end = self._window

        def init() -> int:
            res = Resource(start, end - 1, "CXL Window 0", IORESOURCE_MEM, IORES_DESC_CXL)
            return insert_resource(system.iomem.root, res)

        return [Module("cxl_acpi", "CXL_ACPI", "drivers/cxl/acpi.c", init)]

    @hookimpl
    def softreserve_dax_claimed(self, where: PhysRange) -> str | None:
        region = self._region
        return "CXL region0" if region and region[0] <= where.start and where.end <= region[1] else None


def test_ranges_in_windows_are_left_to_cxl_until_7_0(boot_hmem: Boot) -> None:
    ranges = [(9 * GIB, 10 * GIB, 1), (12 * GIB, 13 * GIB, 1)]
    windows = Windows((12 * GIB, 16 * GIB))
    new = boot_hmem("6.12", ranges, others=[windows], modules=["dax_hmem"])
    assert set(new.modules.live()) == {"cxl_acpi", "dax_hmem"}
    assert hmem_names(new) == ["hmem.0", "hmem_platform.0"]
    without = boot_hmem("6.12", ranges, others=[windows], config={"CXL_REGION": "n"}, modules=["dax_hmem"])
    assert hmem_names(without) == ["hmem.0", "hmem.1", "hmem_platform.0"]
    old = boot_hmem("6.1", ranges, others=[windows], modules=["dax_hmem", "cxl_acpi"])
    assert hmem_names(old) == ["hmem.0", "hmem.1"]


@pytest.mark.parametrize(
    ("region", "devices"),
    [
        (None, ["hmem.0", "hmem.1"]),
        ((12 * GIB, 13 * GIB), ["hmem.0"]),
        ((12 * GIB, 13 * GIB - 1), ["hmem.0", "hmem.1"]),
    ],
)
def test_from_7_1_on_a_range_is_left_to_a_region_that_has_all_of_it(
    boot_hmem: Boot, region: tuple[int, int] | None, devices: list[str]
) -> None:
    ranges = [(9 * GIB, 10 * GIB, 1), (12 * GIB, 13 * GIB, 1)]
    system = boot_hmem(
        "7.3", ranges, others=[Windows((12 * GIB, 16 * GIB), region)], config={"DEV_DAX_CXL": "m"}, modules=["dax_hmem"]
    )
    assert set(system.modules.live()) == {"cxl_acpi", "dax_hmem"}
    directory = system.sysfs.listdir("/sys/devices/platform/hmem_platform.0")
    assert isinstance(directory, list)
    assert [name for name in directory if name.startswith("hmem.")] == devices


def test_another_driver_gets_a_region_of_its_own(boot_hmem: Boot) -> None:
    system = boot_hmem("7.3", config={"DEV_DAX_CXL": "m"}, modules=ALL)
    parent = Device("dax_region7", "/sys/devices/x/dax_region7", -1)
    hooks = hooks_of(system)
    made = hooks.dax_region(system, DaxRegionRequest(parent, 7, 32 * GIB, 33 * GIB, 2, memmap_on_memory=True))
    assert made is not None
    assert made.status == 0
    system.sysfs.add(parent.path, made.contents)
    assert read(system, f"{parent.path}/dax7.0/memmap_on_memory") == "1"
    assert "  800000000-83fffffff : System RAM (kmem)" in system.iomem.lines()
    again = hooks.dax_region(system, DaxRegionRequest(parent, 8, 32 * GIB, 33 * GIB, 2))
    assert again is not None
    assert again.status == -ENOMEM
    assert system.log.lines[-1] == "cxl dax_region7: dax_region resource conflict for [mem 0x800000000-0x83fffffff]"
