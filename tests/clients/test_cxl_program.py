"""``cxl`` of Debian on an emulated machine: it lists what is there, and makes and takes away regions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import Host, need
from softreserve.plugins.selection import Selection

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

Hosts = Callable[..., Host]
EXAMPLE = Path(__file__).parents[2] / "core/src/softreserve/config/examples/two-node.toml"
WINDOW = '[acpi]\nwindows = [{ start = "8G", size = "4G", targets = [12] }]\n'
BRIDGE = """
[[cxl.host_bridge]]
uid = 12
bus = 12
[[cxl.host_bridge.root_port]]
number = 0
[[cxl.host_bridge.root_port.memdev]]
volatile = "1G"
persistent = "1G"
serial = 7
[[cxl.host_bridge.root_port]]
number = 1
"""
GIB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path) -> str:
    """Two nodes, a window of 4 GiB at 8 GiB, and a device with 1 GiB of each kind; the CPU is a real one."""
    need("cxl")
    if not {"x86", "hmem", "cxl"} <= set(Selection().installed):
        pytest.skip("not installed here: softreserve-x86, softreserve-hmem, softreserve-cxl")
    text = EXAMPLE.read_text().replace("[acpi.srat]", f"{WINDOW}\n[acpi.srat]")
    path = tmp_path / "machine.toml"
    path.write_text(text.replace("hypervisor = true", "hypervisor = false") + BRIDGE)
    return str(path)


def region(host: Host) -> list[tuple[str, int, int, str]]:
    shown = host.json("cxl list -R")
    return [(found["region"], found["resource"], found["size"], found["decode_state"]) for found in shown]


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_cxl_lists_makes_and_takes_away(hosts: Hosts, machine: str, release: str) -> None:
    host = hosts(machine, release, modules="cxl_acpi cxl_pci cxl_mem")
    (bus,) = host.json("cxl list -BD")
    assert (bus["bus"], bus["provider"]) == ("root0", "ACPI.CXL")
    decoder = bus["decoders:root0"][0]
    assert (decoder["resource"], decoder["size"], decoder["max_available_extent"]) == (8 * GIB, 4 * GIB, 4 * GIB)
    (memdev,) = host.json("cxl list -M")
    assert memdev == {"memdev": "mem0", "pmem_size": GIB, "ram_size": GIB, "serial": 7, "host": "0000:0d:00.0"}
    host.ok("cxl create-region -t pmem -d decoder0.0 -w 1 -g 256 -m mem0")
    assert region(host) == [("region0", 8 * GIB, GIB, "commit")]
    assert "  200000000-23fffffff : region0" in host.system.iomem.lines()
    host.ok("cxl disable-region region0")
    host.ok("cxl destroy-region region0")
    assert region(host) == []
    assert not any("region" in line for line in host.system.iomem.lines())


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_a_region_of_volatile_memory_by_hand_is_listed_and_taken_away(hosts: Hosts, machine: str, release: str) -> None:
    modules = "cxl_acpi cxl_pci cxl_mem dax_hmem dax_cxl device_dax kmem"
    host = hosts(machine, release, modules=modules, cmdline="memhp_default_state=online_movable")
    host.ok(
        "cd /sys/bus/cxl/devices; read r <decoder0.0/create_ram_region; echo $r >decoder0.0/create_ram_region;"
        "echo 256 >$r/interleave_granularity; echo 1 >$r/interleave_ways; echo ram >decoder2.0/mode;"
        "echo 0x40000000 >decoder2.0/dpa_size; echo 0x40000000 >$r/size; echo decoder2.0 >$r/target0;"
        "echo 1 >$r/commit; echo $r >/sys/bus/cxl/drivers/cxl_region/bind"
    )
    assert region(host) == [("region0", 8 * GIB, GIB, "commit")]
    (device,) = (found for found in host.devices().values() if found["size"] == GIB)
    assert device["mode"] == "system-ram"
    host.ok(f"daxctl offline-memory {device['chardev']}")
    host.ok("cxl disable-region -f region0; cxl destroy-region -f region0")
    assert region(host) == []
    assert device["chardev"] not in host.devices()


def test_a_device_that_is_asked_itself_does_not_answer(hosts: Hosts, machine: str) -> None:
    """Its mailbox is not there: what ``cxl list -vvv`` says of health, alerts and partitions is left out."""
    host = hosts(machine, modules="cxl_acpi cxl_pci cxl_mem")
    (memdev,) = host.json("cxl list -M -HIA")
    assert not {"health", "alert_config", "partition_info"} & set(memdev)
