"""An accelerator with 2 GiB of memory at 64 GiB, on releases that know soft reserved memory in different ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import softreserve as sr
from softreserve.testing.bases import BaseDax, BaseImporter, BaseNuma, BasePlugin

MACHINE = """
cpus = 2

[kernel]
arch = "x86_64"
release = "{}"

[[efi_map]]
start = 0
size = "640K"

[[efi_map]]
start = "1M"
size = "2047M"

[acpi.srat]
cpus = [{{ domain = 0, count = 2 }}]
memory = [{{ domain = 0, start = 0, size = "2G" }}]

[accel]
start = "64G"
end = "66G"
node = 1
"""


@pytest.fixture(params=["6.1", "6.12", "6.18", "7.3"])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> sr.Session:
    (tmp_path / "m.toml").write_text(MACHINE.format(request.param))
    return sr.Session(sr.boot(sr.load(tmp_path / "m.toml", plugins=["accel"]), plugins=["accel"]))


def test_its_driver_has_its_memory(host: sr.Session) -> None:
    assert host.listdir("/sys/bus/dax/drivers/accel_dax").count("dax0.0") == 1
    assert host.read("/sys/bus/dax/devices/dax0.0/target_node") == "1"
    (claim,) = host.system.iomem.find("accel_dax")
    assert (claim.start, claim.end) == (64 * sr.GiB, 66 * sr.GiB - 1)


def test_its_node_is_possible_and_far(host: sr.Session) -> None:
    assert host.read("/sys/devices/system/node/possible") == "0-1"
    assert host.read("/sys/devices/system/node/online") == "0"
    assert host.system.nodes.phys_to_target_node(65 * sr.GiB) == 1
    assert host.read("/sys/devices/system/node/node0/distance").split()[0] == "10"


def test_kmem_makes_ram_of_it_when_the_driver_lets_go(host: sr.Session) -> None:
    assert host.write("/sys/bus/dax/drivers/accel_dax/unbind", "dax0.0") == len("dax0.0")
    assert not host.system.iomem.find("accel_dax")
    assert host.write("/sys/bus/dax/drivers/kmem/new_id", "dax0.0") == len("dax0.0")
    assert host.read("/sys/devices/system/node/online") == "0-1"
    assert host.read("/sys/devices/system/node/node0/distance") == "10 80"
    assert host.read("/sys/devices/system/node/node1/distance") == "80 10"


def test_a_machine_without_one_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MACHINE.format("6.12").partition("[accel]")[0])
    machine = sr.load(tmp_path / "m.toml")
    with_it, without = sr.boot(machine, plugins=["accel"]), sr.boot(machine)
    assert with_it.iomem.lines() == without.iomem.lines()
    assert with_it.log.lines == without.log.lines


class Mine:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "accel"


class TestPlugin(Mine, BasePlugin):
    pass


class TestDax(Mine, BaseDax):
    pass


class TestNuma(Mine, BaseNuma):
    pass


class TestSection(Mine, BaseImporter):
    pass
