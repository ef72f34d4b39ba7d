"""``[cxl]`` of a machine file: what is read, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from softreserve.config import load
from softreserve.model.acpi.cedt import CXL_1_1, Cedt, HostBridge
from softreserve.model.acpi.srat import GENERIC_PORT_AFFINITY, GenericAffinity, Srat
from softreserve.model.cxl import CxlLink, CxlMemdev, CxlPerformance, CxlRoot, CxlRootPort, CxlSwitch
from softreserve.model.errors import ConfigError
from softreserve.model.machine import Machine

MACHINE = '[kernel]\narch = "x86_64"\nrelease = "6.12"\n[[efi_map]]\nstart = 0\nsize = "4G"\n'
DEVICE = """[[cxl.host_bridge]]
uid = 12
bus = 12
[[cxl.host_bridge.root_port]]
number = 0
[[cxl.host_bridge.root_port.memdev]]
volatile = "1G"
"""
LINK = "link = { speed = 16, width = 4 }\n"
CDAT = "cdat = { volatile = { read_latency = 1, write_latency = 2, read_bandwidth = 3, write_bandwidth = 4 } }\n"


def read(tmp_path: Path, text: str) -> Machine:
    path = tmp_path / "machine.toml"
    path.write_text(MACHINE + text)
    return load(path).machine


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is said, without path, line and key."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return [problem.split(": ", 3)[3] for problem in caught.value.problems]


def _nested(levels: int) -> str:
    below = "{ number = 0 }"
    for _ in range(levels):
        below = f"{{ number = 0, switch = [{{ port = [{below}] }}] }}"
    return f"root_port = [{below}]\n"


def test_a_device_has_a_link_and_says_how_fast_it_is(tmp_path: Path) -> None:
    (bridge,) = read(tmp_path, DEVICE + LINK + CDAT).cxl
    device = bridge.root_ports[0].memdev
    assert device is not None
    assert device.link == CxlLink(16000, 4)
    assert device.volatile_performance == CxlPerformance(1, 2, 3, 4)
    assert device.persistent_performance is None


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("link = { speed = 2.5, width = 1 }", CxlLink(2500, 1)),
        ("link = { speed = 64, width = 16, flit = true }", CxlLink(64000, 16, flit=True)),
    ],
)
def test_links_are_those_of_pcie(tmp_path: Path, text: str, link: CxlLink) -> None:
    device = read(tmp_path, f"{DEVICE}{text}\n").cxl[0].root_ports[0].memdev
    assert device is not None
    assert device.link == link


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CDAT, "missing: how fast a device with a CDAT is depends on its link"),
        ("link = { speed = 12, width = 4 }\n", "wanted one of 2.5, 5, 8, 16, 32, 64 (GT/s), not 12"),
        ("link = { speed = true, width = 4 }\n", "wanted one of 2.5, 5, 8, 16, 32, 64 (GT/s), not True"),
        ("link = { width = 4 }\n", "missing"),
        ("link = { speed = 16 }\n", "missing"),
        ("link = { speed = 16, width = 3 }\n", "wanted one of 1, 2, 4, 8, 12, 16, 32 lanes, not 3"),
        (f"{LINK}{CDAT.replace('volatile', 'persistent')}", "the device has no persistent memory"),
        (f"{LINK}{CDAT.replace('read_latency = 1, ', '')}", "missing"),
        (
            f"{LINK}{CDAT.replace('read_latency = 1', 'read_latency = -1')}",
            "wanted a number from 0 to 4294967295, not -1",
        ),
    ],
)
def test_what_is_said_of_devices(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, DEVICE + text) == [said]


def test_devices_of_cxl_1_1_are_on_the_bus_of_their_host(tmp_path: Path) -> None:
    head = DEVICE.split("[[cxl.host_bridge.root_port]]")[0]
    text = f'{head}[[cxl.host_bridge.memdev]]\nvolatile = "1G"\n'
    machine = read(tmp_path, text)
    assert machine.cxl[0].memdevs == (CxlMemdev(volatile=1 << 30),)
    (entry,) = Cedt.parse(machine.acpi["CEDT"]).entries
    assert isinstance(entry, HostBridge)
    assert (entry.cxl_version, entry.size_bytes) == (CXL_1_1, 8192)
    said = "a host bridge has root ports, or devices of CXL 1.1 on its own bus"
    assert problems(tmp_path, f"{DEVICE}[[cxl.host_bridge.memdev]]\nvolatile = 0\n") == [said]


SWITCH = """[[cxl.host_bridge]]
uid = 12
bus = 12
[[cxl.host_bridge.root_port]]
number = 0
[[cxl.host_bridge.root_port.switch]]
link = { speed = 32, width = 8 }
cdat = { read_latency = 150, write_latency = 150, read_bandwidth = 16384, write_bandwidth = 16384 }
[[cxl.host_bridge.root_port.switch.port]]
number = 3
[[cxl.host_bridge.root_port.switch.port.memdev]]
volatile = "1G"
"""


def test_a_switch_stands_where_a_device_may_stand(tmp_path: Path) -> None:
    (port,) = read(tmp_path, SWITCH).cxl[0].root_ports
    assert port == CxlRootPort(
        0,
        switch=CxlSwitch(
            (CxlRootPort(3, CxlMemdev(volatile=1 << 30)),),
            link=CxlLink(32000, 8),
            performance=CxlPerformance(150, 150, 16384, 16384),
        ),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SWITCH + "[[cxl.host_bridge.root_port.memdev]]\nvolatile = 0\n", "one device or switch fits a port"),
        (SWITCH + "[[cxl.host_bridge.root_port.switch]]\n", "one device or switch fits a port"),
        (SWITCH + "[[cxl.host_bridge.root_port.switch.port]]\nnumber = 3\n", "two ports have the number 3"),
        (SWITCH.replace("write_bandwidth", "bandwidth"), "missing"),
        (DEVICE.split("[[cxl.host_bridge.root_port]]")[0] + _nested(17), "switches in 16 levels are enough"),
    ],
)
def test_what_is_said_of_switches(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("", None),
        ("[cxl]\nqtg = 0\n", CxlRoot(qos_class=0)),
        ("[cxl]\nroot = false\n", CxlRoot(present=False)),
        ("[cxl]\nroot = true\nqtg = 65535\n", CxlRoot(qos_class=65535)),
    ],
)
def test_the_root_device_may_be_absent_or_name_a_class(tmp_path: Path, text: str, root: CxlRoot | None) -> None:
    assert read(tmp_path, text).cxl_root == root


def test_a_class_has_sixteen_bits(tmp_path: Path) -> None:
    assert problems(tmp_path, "[cxl]\nqtg = 65536\n") == ["wanted a number from 0 to 65535, not 65536"]


def test_a_generic_port_names_a_host_bridge(tmp_path: Path) -> None:
    """ACPI 6.5, 5.2.16.7: an ACPI device handle is the HID in 8 bytes, and the UID in 4."""
    acpi = read(tmp_path, "[acpi.srat]\nports = [{ domain = 2, bridge = 12 }]\n").acpi
    (entry,) = Srat.parse(acpi["SRAT"]).entries
    assert isinstance(entry, GenericAffinity)
    assert (entry.type, entry.proximity_domain, entry.device_handle_type) == (GENERIC_PORT_AFFINITY, 2, 0)
    assert entry.device_handle == b"ACPI0016\x0c\0\0\0\0\0\0\0"
