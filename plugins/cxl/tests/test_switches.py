"""Switches: their ports, decoders, and regions across them. Expected values: recorded boots, and ``core/region.c``."""

from __future__ import annotations

from errno import ENXIO

import pytest
from cxl_machine import DEVICE, GIB, Boot, cedt, read, window, write
from softreserve.kernel.system import System
from softreserve.model.cxl import CxlDecoder, CxlHostBridge, CxlMemdev, CxlRootPort, CxlSwitch

BUS = "/sys/bus/cxl/devices"


def switch(*below: CxlMemdev | CxlSwitch, decoders: int = 4) -> CxlSwitch:
    """A switch with something below each of its ports."""
    return CxlSwitch(tuple(_port(number, item) for number, item in enumerate(below)), decoders)


def bridge(*below: CxlMemdev | CxlSwitch, uid: int = 12) -> CxlHostBridge:
    ports = tuple(_port(number, item) for number, item in enumerate(below))
    return CxlHostBridge(uid, uid, ports, decoders=4 if len(ports) > 1 else 0)


def _port(number: int, item: CxlMemdev | CxlSwitch) -> CxlRootPort:
    return CxlRootPort(number, switch=item) if isinstance(item, CxlSwitch) else CxlRootPort(number, item)


def names(system: System, *kinds: str) -> list[str]:
    found = system.sysfs.listdir(BUS)
    assert isinstance(found, list)
    return [name for name in found if name.startswith(kinds)]


def interleave(system: System, *decoders: str, granularity: int = 256) -> list[int]:
    """A region over decoders; what each target said."""
    assert write(system, "decoder0.0/create_ram_region", "region0") == 0
    for path, value in (("interleave_granularity", granularity), ("interleave_ways", len(decoders))):
        assert write(system, f"region0/{path}", value) == 0
    for decoder in decoders:
        assert write(system, f"{decoder}/mode", "ram") == write(system, f"{decoder}/dpa_size", GIB) == 0
    assert write(system, "region0/size", GIB * len(decoders)) == 0
    return [write(system, f"region0/target{number}", decoder) for number, decoder in enumerate(decoders)]


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_a_switch_is_a_port_between_the_bridge_and_its_devices(boot_cxl: Boot, release: str) -> None:
    """As recorded (``x86-6.12-cxl-switch``, ``x86-7.3-cxl-switch``)."""
    system = boot_cxl(release, cxl=(bridge(switch(DEVICE, DEVICE)),))
    assert names(system, "port", "endpoint") == ["endpoint3", "endpoint4", "port1", "port2"]
    root = "../../../devices/platform/ACPI0017:00/root0"
    assert system.sysfs.readlink(f"{BUS}/endpoint4") == f"{root}/port1/port2/endpoint4"
    assert system.sysfs.readlink(f"{BUS}/mem1") == (
        "../../../devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/0000:0e:01.0/0000:10:00.0/mem1"
    )
    pci = "../../../../../pci0000:0c/0000:0c:00.0"
    assert system.sysfs.readlink(f"{BUS}/port2/uport") == f"{pci}/0000:0d:00.0"
    assert system.sysfs.readlink(f"{BUS}/port2/parent_dport") == pci
    assert system.sysfs.readlink(f"{BUS}/port2/dport1") == f"{pci}/0000:0d:00.0/0000:0e:01.0"
    assert names(system, "decoder1", "decoder2") == ["decoder1.0", *(f"decoder2.{number}" for number in range(4))]


def test_buses_are_numbered_from_one_port_to_the_next(boot_cxl: Boot) -> None:
    """As recorded of a switch below a switch (``x86-7.3-cxl-switch-two``)."""
    system = boot_cxl(cxl=(bridge(switch(switch(DEVICE), DEVICE), DEVICE),))
    found = [system.sysfs.readlink(f"{BUS}/mem{number}") for number in range(3)]
    assert [str(link).removeprefix("../../../devices/pci0000:0c/") for link in found] == [
        "0000:0c:00.0/0000:0d:00.0/0000:0e:00.0/0000:0f:00.0/0000:10:00.0/0000:11:00.0/mem0",
        "0000:0c:00.0/0000:0d:00.0/0000:0e:01.0/0000:12:00.0/mem1",
        "0000:0c:01.0/0000:13:00.0/mem2",
    ]


def test_a_region_interleaves_over_the_devices_of_a_switch(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=(bridge(switch(DEVICE, DEVICE)),))
    assert interleave(system, "decoder4.0", "decoder3.0") == [0, 0]
    assert write(system, "region0/commit", 1) == 0
    shown = [read(system, f"decoder2.0/{name}") for name in ("target_list", "interleave_ways", "size")]
    assert shown == ["1,0", "2", "0x80000000"]
    assert read(system, "decoder1.0/interleave_ways") == "1"
    assert [read(system, f"port{number}/decoders_committed") for number in (1, 2)] == ["0", "1"]
    assert write(system, "region0/commit", 0) == 0
    assert read(system, "port2/decoders_committed") == "0"


def test_below_a_switch_the_granularity_is_that_above_times_its_ways(boot_cxl: Boot) -> None:
    """Two switches of two devices below two root ports: ways 2 of 256 bytes, then 2 of 512."""
    system = boot_cxl(cxl=(bridge(switch(DEVICE, DEVICE), switch(DEVICE, DEVICE)),))
    assert names(system, "port") == ["port1", "port2", "port5"]
    assert interleave(system, "decoder3.0", "decoder6.0", "decoder4.0", "decoder7.0") == [0] * 4
    assert write(system, "region0/commit", 1) == 0
    wanted = {"decoder1.0": ("2", "256", "0,1"), "decoder2.0": ("2", "512", "0,1"), "decoder5.0": ("2", "512", "0,1")}
    for decoder, values in wanted.items():
        fields = ("interleave_ways", "interleave_granularity", "target_list")
        assert tuple(read(system, f"{decoder}/{field}") for field in fields) == values


def test_devices_behind_one_port_must_be_as_far_apart_as_what_is_above_interleaves(boot_cxl: Boot) -> None:
    """``check_last_peer``: the second device of a switch stands where the bridge leads elsewhere."""
    system = boot_cxl(cxl=(bridge(switch(DEVICE, DEVICE), switch(DEVICE, DEVICE)),))
    assert interleave(system, "decoder3.0", "decoder4.0", "decoder6.0", "decoder7.0") == [0, 0, 0, -ENXIO]


def test_a_switch_goes_with_its_last_device_and_comes_with_the_first(boot_cxl: Boot) -> None:
    """As recorded: ``cxl_detach_ep``."""
    system = boot_cxl(cxl=(bridge(switch(DEVICE, DEVICE)),))
    for number, left in ((0, ["port1", "port2"]), (1, ["port1"])):
        assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_mem/unbind", b"mem%d" % number) > 0
        assert names(system, "port") == left
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_mem/bind", b"mem0") > 0
    assert names(system, "port", "endpoint") == ["endpoint3", "port1", "port2"]


@pytest.mark.parametrize("name", ["port2", "endpoint3"])
def test_a_port_without_its_driver_takes_its_devices_along(boot_cxl: Boot, name: str) -> None:
    """As recorded: devices below a port that is unbound, or whose endpoint is, lose their driver, too."""
    system = boot_cxl(cxl=(bridge(switch(DEVICE)),))
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_port/unbind", name.encode()) > 0
    assert names(system, "port", "endpoint", "mem") == ["mem0", "port1"]
    assert system.sysfs.node(f"{BUS}/mem0/driver") is None
    assert system.sysfs.write("/sys/bus/cxl/drivers/cxl_mem/bind", b"mem0") > 0
    assert names(system, "port", "endpoint") == ["endpoint3", "port1", "port2"]


def test_all_goes_with_the_root_and_comes_again(boot_cxl: Boot) -> None:
    system = boot_cxl(cxl=(bridge(switch(DEVICE, switch(DEVICE))),))
    before = names(system, "")
    assert system.modules.unload("cxl_acpi") == 0
    assert names(system, "") == ["mem0", "mem1"]
    assert system.modules.load("cxl_acpi") == 0
    assert names(system, "") == before


@pytest.mark.parametrize("release", ["6.12", "7.3"])
@pytest.mark.parametrize(("targets", "commits"), [((0, 1), "1"), ((1, 0), "1"), ((0, 0), "0")])
def test_a_committed_region_is_found_again_below_a_switch(
    boot_cxl: Boot, release: str, targets: tuple[int, ...], commits: str
) -> None:
    """As recorded (``x86-7.3-cxl-committed-switch``); a switch that leads to one device twice fits none."""
    decoder = CxlDecoder(8 * GIB, 2 * GIB, ways=2)
    device = DEVICE._replace(committed=(decoder,))
    below = switch(device, device)._replace(committed=(decoder._replace(targets=targets),))
    ports = (CxlRootPort(0, switch=below), CxlRootPort(1))
    above = CxlHostBridge(12, 12, ports, decoders=4, committed=(decoder._replace(ways=1, targets=(0,)),))
    system = boot_cxl(release, cxl=(above,))
    assert read(system, "region0/commit") == commits


def test_what_a_switch_decodes_is_there_after_a_kexec(boot_cxl: Boot) -> None:
    from softreserve_cxl.hardware import hardware

    system = boot_cxl(cxl=(bridge(switch(DEVICE, DEVICE)),))
    assert interleave(system, "decoder3.0", "decoder4.0") == [0, 0]
    assert write(system, "region0/commit", 1) == 0
    (left,) = (item.frozen() for item in hardware(system))
    below = left.root_ports[0].switch
    assert below is not None
    assert below.committed == (CxlDecoder(8 * GIB, 2 * GIB, ways=2, targets=(0, 1)),)
    assert [port.memdev is not None and len(port.memdev.committed) for port in below.ports] == [1, 1]


def test_windows_over_two_bridges_lead_to_switches(boot_cxl: Boot) -> None:
    acpi = cedt(window(8 * GIB, 8 * GIB, [12, 13]), bridges=(12, 13))
    system = boot_cxl(acpi=acpi, cxl=(bridge(switch(DEVICE, DEVICE)), bridge(switch(DEVICE, DEVICE), uid=13)))
    assert interleave(system, "decoder4.0", "decoder7.0", "decoder5.0", "decoder8.0") == [0] * 4
    assert read(system, "decoder3.0/interleave_granularity") == "512"
