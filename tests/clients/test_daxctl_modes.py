"""daxctl between devdax and system-ram, with its refusals and exit codes (``-errno & 255``)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hosts import Host, need

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

DEVICE = "dax0.0"
POLICY = "/sys/devices/system/memory/auto_online_blocks"
EINVAL, EBUSY, ENXIO = 234, 240, 250


def mode(host: Host) -> str:
    return str(host.devices("-d", DEVICE)[DEVICE]["mode"])


def test_a_listing_names_region_device_and_mappings(old: Host) -> None:
    (region,) = old.json("daxctl list -RDM")

    assert region == {
        "path": "/platform/hmem.0",
        "id": 0,
        "size": 2 << 30,
        "align": 2 << 20,
        "devices": [
            {
                "chardev": DEVICE,
                "size": 2 << 30,
                "target_node": 1,
                "align": 2 << 20,
                "mode": "devdax",
                "mappings": [{"page_offset": 0, "start": 4 << 30, "end": (6 << 30) - 1, "size": 2 << 30}],
            }
        ],
    }


def test_memory_goes_to_system_ram_and_back(old: Host) -> None:
    """The course of ndctl's test of devices: without onlining, online, offline, back, and again by force."""
    old.ok(f"echo offline > {POLICY}")
    old.ok(f"daxctl reconfigure-device -N -m system-ram {DEVICE}")
    device = old.devices()[DEVICE]
    assert (device["mode"], device["online_memblocks"], device["total_memblocks"]) == ("system-ram", 0, 16)

    old.ok(f"daxctl online-memory {DEVICE}")
    assert old.devices()[DEVICE]["online_memblocks"] == 16
    assert old.devices()[DEVICE]["movable"] is True
    old.ok(f"daxctl offline-memory {DEVICE}")
    assert old.devices()[DEVICE]["online_memblocks"] == 0
    old.ok(f"daxctl reconfigure-device -m devdax {DEVICE}")
    assert mode(old) == "devdax"

    old.ok(f"daxctl reconfigure-device -m system-ram {DEVICE}")
    assert mode(old) == "system-ram"
    old.ok(f"daxctl reconfigure-device -f -m devdax {DEVICE}")
    assert mode(old) == "devdax"
    assert "1" not in old.sysfs("/sys/devices/system/node/has_memory")


@pytest.mark.parametrize("options", ["-N", ""])
def test_a_kernel_that_onlines_by_itself_stops_daxctl_unless_forced(old: Host, options: str) -> None:
    old.ok(f"echo online > {POLICY}")

    status, output = old.run(f"daxctl reconfigure-device {options} -m system-ram {DEVICE}")

    assert status == EBUSY
    assert "kernel policy will auto-online memory, aborting" in output
    assert mode(old) == "devdax"
    old.ok(f"daxctl reconfigure-device -f {options} -m system-ram {DEVICE}")
    assert mode(old) == "system-ram"


def test_memory_that_is_online_does_not_go_back_without_force(old: Host) -> None:
    old.ok(f"daxctl reconfigure-device -m system-ram {DEVICE}")

    status, output = old.run(f"daxctl reconfigure-device -m devdax {DEVICE}")

    assert status == EBUSY
    assert "reconfigured 0 devices" in output
    assert mode(old) == "system-ram"


def test_online_memory_can_be_kept_out_of_the_movable_zone(old: Host) -> None:
    old.ok(f"daxctl reconfigure-device --no-movable -m system-ram {DEVICE}")

    assert old.devices()[DEVICE]["movable"] is False
    assert old.sysfs("/sys/devices/system/memory/memory32/valid_zones") == "Normal"


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (f"daxctl online-memory {DEVICE}", ENXIO, "memory operations are not applicable in devdax mode"),
        (f"daxctl reconfigure-device -s 1G {DEVICE}", ENXIO, "failed to set size"),
        (f"daxctl destroy-device {DEVICE}", ENXIO, "is active, specify --force for deletion"),
        (f"daxctl reconfigure-device -m nonsense {DEVICE}", EINVAL, ""),
        ("daxctl disable-device dax9.0", ENXIO, ""),
        (f"daxctl reconfigure-device -m devdax {DEVICE}", 0, "was already in devdax mode"),
    ],
)
def test_what_daxctl_refuses_in_devdax_mode(old: Host, words: str, status: int, text: str) -> None:
    found, output = old.run(words)

    assert text in output
    assert found == status


def test_a_device_is_disabled_and_enabled(old: Host) -> None:
    assert old.ok(f"daxctl disable-device {DEVICE}") == "disabled 1 device\n"
    assert old.devices("-i")[DEVICE]["state"] == "disabled"
    assert "dax0.0" not in old.ok("cat /proc/iomem")
    assert old.ok(f"daxctl enable-device {DEVICE}") == "enabled 1 device\n"
    assert "dax0.0" in old.ok("cat /proc/iomem")


def test_the_first_device_of_a_region_cannot_be_destroyed(old: Host) -> None:
    status, _ = old.run(f"daxctl disable-device {DEVICE}; daxctl destroy-device {DEVICE}")

    assert status == EBUSY
    assert old.sysfs(f"/sys/bus/dax/devices/{DEVICE}/size") == "0"


def test_a_second_device_is_destroyed_by_force_while_it_is_enabled(old: Host) -> None:
    old.ok(f"daxctl disable-device {DEVICE} && daxctl reconfigure-device -s 1G {DEVICE}")
    old.ok("daxctl create-device -r 0 -s 512M")

    assert old.run("daxctl destroy-device dax0.1")[0] != 0
    assert "destroyed 1 device" in old.ok("daxctl destroy-device -f dax0.1")
    assert old.available() == 1 << 30


def test_modules_that_daxctl_needs_are_loaded_into_the_machine(hosts: Callable[..., Host]) -> None:
    """libkmod, inside daxctl, is told to run the machine's modprobe."""
    need("daxctl")
    host = hosts("example:two-node", "6.1.0-56-amd64", modules="dax_hmem device_dax")

    host.ok(f"daxctl reconfigure-device -m system-ram {DEVICE}")

    assert mode(host) == "system-ram"
    assert host.ok("lsmod | cut -d' ' -f1 | tail -n +2 | sort") == "dax_hmem\ndevice_dax\nkmem\n"


def test_6_12_hands_the_memory_to_kmem_and_daxctl_takes_it_back(new: Host) -> None:
    device = new.devices()[DEVICE]
    assert (device["mode"], device["online_memblocks"]) == ("system-ram", 0)
    status, output = new.run(f"daxctl disable-device {DEVICE}")
    assert status == ENXIO
    assert "status operations are only applicable in devdax mode" in output

    new.ok(f"daxctl reconfigure-device -m devdax {DEVICE}")

    assert mode(new) == "devdax"
    new.ok(f"daxctl disable-device {DEVICE} && daxctl reconfigure-device -s 1G {DEVICE}")
    new.ok("daxctl create-device -r 0 -s 512M")
    assert set(new.devices("-i")) == {DEVICE, "dax0.1"}


def test_the_configuration_of_daxctl_has_no_section_for_soft_reserved_memory(old: Host) -> None:
    said = old.ok(f"daxctl reconfigure-device --check-config /dev/{DEVICE}")
    assert f"no UUID match for {DEVICE} found in config files" in said
    assert mode(old) == "devdax"
