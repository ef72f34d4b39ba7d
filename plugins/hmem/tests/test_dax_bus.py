"""Drivers on the dax bus. Expected values: recorded boots and ``drivers/dax/bus.c``, ``drivers/base/{bus,dd}.c``."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENXIO

import pytest
from softreserve.kernel.system import System
from softreserve.plugins.hookspecs import hookimpl
from softreserve_hmem.bus import dax_bus

Boot = Callable[..., System]
GIB = 1 << 30
DAX = "/sys/bus/dax"
ALL = ("dax_hmem", "device_dax", "kmem")


def write(system: System, path: str, text: str) -> int:
    """0 where everything was taken, else -errno."""
    status = system.sysfs.write(path, text.encode())
    return 0 if status == len(text) else status


def read(system: System, path: str) -> str:
    value = system.sysfs.read(path)
    assert isinstance(value, bytes)
    return value.decode().rstrip("\n")


def driver_of(system: System, name: str) -> str | None:
    target = system.sysfs.readlink(f"{system.sysfs.resolve(f'{DAX}/devices/{name}')}/driver")
    return target.rsplit("/", 1)[-1] if isinstance(target, str) else None


def two_halves(system: System, driver: str) -> None:
    """dax0.0 and dax0.1 with a half of the region each, both without a driver."""
    assert write(system, f"{DAX}/drivers/{driver}/unbind", "dax0.0") == 0
    assert write(system, f"{DAX}/devices/dax0.0/size", f"{4 * GIB}") == 0
    assert write(system, "/sys/devices/platform/hmem.0/dax_region/create", "1") == 0
    assert write(system, f"{DAX}/devices/dax0.1/size", f"{4 * GIB}") == 0


@pytest.mark.parametrize(
    ("release", "config", "driver"),
    [
        ("6.1", {}, "device_dax"),
        ("6.12", {}, "kmem"),
        ("6.12", {"DEV_DAX_KMEM": "n"}, "device_dax"),
    ],
)
def test_the_default_driver(boot_hmem: Boot, release: str, config: dict[str, str], driver: str) -> None:
    system = boot_hmem(release, config=config, modules=ALL[:2])
    system.modules.load("kmem")
    assert driver_of(system, "dax0.0") == driver


def test_kmem_that_is_not_loaded_leaves_the_device_alone(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", modules=["dax_hmem", "device_dax"])
    assert driver_of(system, "dax0.0") is None
    assert write(system, f"{DAX}/drivers/device_dax/bind", "dax0.0") == -ENODEV
    assert system.modules.load("kmem") == 0
    assert driver_of(system, "dax0.0") == "kmem"


@pytest.mark.parametrize(("release", "driver"), [("6.1", "device_dax"), ("6.12", "kmem")])
def test_new_id_attaches_every_device_that_fits(boot_hmem: Boot, release: str, driver: str) -> None:
    system = boot_hmem(release, modules=ALL)
    two_halves(system, driver)
    assert write(system, f"{DAX}/drivers/{driver}/new_id", "dax7.7") == 0
    assert (driver_of(system, "dax0.0"), driver_of(system, "dax0.1")) == (driver, driver)


@pytest.mark.parametrize(("release", "other"), [("6.1", "kmem"), ("6.12", "device_dax")])
def test_the_other_driver_takes_only_what_it_was_told(boot_hmem: Boot, release: str, other: str) -> None:
    system = boot_hmem(release, modules=ALL)
    two_halves(system, "device_dax" if release == "6.1" else "kmem")
    assert write(system, f"{DAX}/drivers/{other}/bind", "dax0.1") == -ENODEV
    assert write(system, f"{DAX}/drivers/{other}/new_id", "dax0.1\n") == 0
    assert (driver_of(system, "dax0.0"), driver_of(system, "dax0.1")) == (None, other)
    assert write(system, f"{DAX}/drivers/{other}/remove_id", "dax0.1") == 0
    assert write(system, f"{DAX}/drivers/{other}/remove_id", "dax0.1") == 0
    assert driver_of(system, "dax0.1") == other
    assert write(system, f"{DAX}/drivers/{other}/unbind", "dax0.1") == 0
    assert write(system, f"{DAX}/drivers/{other}/bind", "dax0.1") == -ENODEV


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("dax0.0", 0),
        ("dax-1.2", 0),
        ("dax12.34\n", 0),
        ("dax0", -EINVAL),
        ("dax00.1", -EINVAL),
        ("dax+1.1", -EINVAL),
        ("dax0.0 ", -EINVAL),
        ("dax0.0\n\n", -EINVAL),
        ("dax0.2147483648", -EINVAL),
        ("dax0.-0", -EINVAL),
        ("pmem0.0", -EINVAL),
    ],
)
def test_ids_are_taken_only_as_the_kernel_would_print_them(boot_hmem: Boot, text: str, status: int) -> None:
    system = boot_hmem("6.1", modules=ALL)
    assert write(system, f"{DAX}/drivers/kmem/new_id", text) == status


def test_bind_and_unbind_say_what_is_wrong(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1", modules=ALL)
    drivers = f"{DAX}/drivers"
    assert write(system, f"{drivers}/device_dax/bind", "dax0.9") == -ENODEV
    assert write(system, f"{drivers}/device_dax/bind", "dax0.0") == -EBUSY
    assert write(system, f"{drivers}/kmem/unbind", "dax0.0") == -ENODEV
    assert write(system, f"{drivers}/device_dax/unbind", "dax0.0\n") == 0
    assert write(system, f"{DAX}/devices/dax0.0/size", "0") == 0
    assert write(system, f"{drivers}/device_dax/bind", "dax0.0") == -ENXIO
    assert write(system, f"{DAX}/drivers_probe", "dax0.0") == 0
    assert write(system, f"{DAX}/drivers_probe", "dax1.0") == -ENODEV
    assert not any("probe of" in line for line in system.log.lines)


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ("6.1", "device_dax: probe of dax0.1 failed with error -22"),
        ("6.12", "device_dax dax0.1: probe with driver device_dax failed with error -22"),
    ],
)
def test_a_range_off_the_pieces_of_the_memory_map_cannot_be_bound(boot_hmem: Boot, release: str, line: str) -> None:
    system = boot_hmem(release, modules=["dax_hmem"])
    region = "/sys/devices/platform/hmem.0/dax_region"
    assert write(system, f"{DAX}/devices/dax0.0/size", f"{GIB}") == 0
    assert write(system, f"{region}/create", "1") == 0
    assert write(system, f"{DAX}/devices/dax0.1/mapping", "300001000-300200fff") == 0
    assert system.modules.load("device_dax") == 0
    assert write(system, f"{DAX}/drivers/device_dax/new_id", "dax0.1") == 0
    assert driver_of(system, "dax0.1") is None
    assert line in system.log.lines


def test_a_device_that_could_not_be_bound_once_cannot_be_bound_any_more(boot_hmem: Boot) -> None:
    system = boot_hmem("6.12", modules=["dax_hmem", "device_dax"])
    region = "/sys/devices/platform/hmem.0/dax_region"
    assert write(system, f"{DAX}/devices/dax0.0/size", f"{GIB}") == 0
    assert write(system, f"{region}/create", "1") == 0
    assert write(system, f"{DAX}/devices/dax0.1/mapping", "300001000-300200fff") == 0
    bind = f"{DAX}/drivers/device_dax/bind"
    assert write(system, f"{DAX}/drivers/device_dax/new_id", "dax0.1") == 0
    assert write(system, f"{DAX}/devices/dax0.1/size", "0") == 0
    assert write(system, f"{DAX}/devices/dax0.1/size", f"{GIB}") == 0
    assert write(system, bind, "dax0.1") == -EINVAL
    assert "device_dax dax0.1: dynamic-dax with pre-populated page map" in system.log.lines
    assert write(system, f"{DAX}/devices/dax0.1/size", "0") == 0
    assert write(system, f"{region}/delete", "dax0.1") == 0
    assert write(system, f"{region}/create", "1") == 0
    assert write(system, f"{DAX}/devices/dax0.1/size", f"{GIB}") == 0
    assert write(system, bind, "dax0.1") == 0


def test_binding_clears_the_seed_and_device_dax_claims_every_range(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1", modules=ALL)
    region = "/sys/devices/platform/hmem.0/dax_region"
    two_halves(system, "device_dax")
    assert read(system, f"{region}/seed") == "dax0.1"
    assert write(system, f"{DAX}/drivers/device_dax/bind", "dax0.1") == 0
    assert (read(system, f"{region}/seed"), read(system, f"{region}/create")) == ("", "dax0.1")
    assert system.iomem.lines()[-3:] == [
        "240000000-43fffffff : hmem.0",
        "  240000000-43fffffff : Soft Reserved",
        "    340000000-43fffffff : dax0.1",
    ]
    assert system.modules.unload("device_dax") == 0
    assert system.iomem.lines()[-1] == "  240000000-43fffffff : Soft Reserved"


def test_two_devices_with_no_driver_bind_in_the_order_in_which_they_came(boot_hmem: Boot) -> None:
    ranges = [(9 * GIB, 10 * GIB, 1), (12 * GIB, 13 * GIB, 1)]
    system = boot_hmem("6.1", ranges, modules=ALL)
    names = dax_bus(system).drivers["device_dax"].bound
    assert list(names) == ["dax0.0", "dax1.0"]


# --- what clients see


def test_files_have_the_modes_that_the_kernel_gives_them(boot_hmem: Boot) -> None:
    tree = boot_hmem("6.12", modules=["dax_hmem"]).sysfs
    modes = {
        path.rpartition("/")[2]: getattr(node, "mode", None) for path, node in tree.walk("/sys/devices/platform/hmem.0")
    }
    expected = {
        "available_size": 0o444,
        "create": 0o644,
        "seed": 0o444,
        "delete": 0o200,
        "id": 0o444,
        "mapping": 0o200,
        "resource": 0o400,
        "target_node": 0o444,
        "memmap_on_memory": 0o644,
        "start": 0o400,
        "page_offset": 0o400,
        "dev": 0o444,
        "modalias": 0o444,
    }
    assert {name: modes[name] for name in expected} == expected
    assert tree.read("/sys/devices/platform/hmem.0/dax_region/delete") == -EACCES
    assert tree.write("/sys/devices/platform/hmem.0/dax_region/size", b"1") == -EACCES


def test_links_lead_from_the_device_number_to_the_bus(boot_hmem: Boot) -> None:
    tree = boot_hmem("6.12", modules=ALL).sysfs
    number = tree.read(f"{DAX}/devices/dax0.0/dev")
    assert isinstance(number, bytes)
    char = f"/sys/dev/char/{number.decode().strip()}"
    assert tree.readlink(char) == "../../devices/platform/hmem.0/dax0.0"
    assert tree.resolve(f"{char}/subsystem") == DAX
    assert tree.readlink("/sys/devices/platform/hmem.0/dax0.0/driver") == "../../../../bus/dax/drivers/kmem"
    assert tree.readlink(f"{DAX}/drivers/kmem/dax0.0") == "../../../../devices/platform/hmem.0/dax0.0"
    assert tree.readlink(f"{DAX}/drivers/kmem/module") == "../../../../module/kmem"


def test_an_open_mapping_of_a_range_that_is_gone_reads_enxio(boot_hmem: Boot) -> None:
    system = boot_hmem("6.1", modules=["dax_hmem"])
    where = f"{DAX}/devices/dax0.0"
    mapping = system.sysfs.node(f"{where}/mapping0/start", follow=True)
    assert mapping is not None
    assert write(system, f"{where}/size", "0") == 0
    assert mapping.show() == -ENXIO  # type: ignore[union-attr,misc]
    assert system.sysfs.read(f"{where}/mapping0/start") == -ENOENT
    assert read(system, f"{where}/resource") == "0x240000000"


# --- drivers of other plugins


class Logger:
    """A driver that only takes notes; its module is made by the bus."""

    name = "logger"
    module = "dax_logger"
    option = "DEV_DAX"
    source = "drivers/dax/logger.c"
    type = "device"
    match_always = False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def probe(self, device: object) -> int:
        self.seen.append("probe")
        return 0

    def remove(self, device: object) -> None:
        self.seen.append("remove")


def test_a_driver_of_another_plugin_comes_and_goes_with_its_module(
    boot_hmem: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import softreserve_hmem.plugin as plugin

    logger, own = Logger(), plugin.softreserve_dax_drivers

    @hookimpl
    def softreserve_dax_drivers(system: System) -> list[object]:
        return [*own(system), logger]

    monkeypatch.setattr(plugin, "softreserve_dax_drivers", softreserve_dax_drivers)
    system = boot_hmem("6.1", modules=["dax_hmem", "dax_logger"])
    assert write(system, f"{DAX}/drivers/logger/new_id", "dax0.0") == 0
    assert driver_of(system, "dax0.0") == "logger"
    assert system.modules.unload("dax_logger") == 0
    assert logger.seen == ["probe", "remove"]
