"""What people showed of CXL hosts in public: the table in ``docs/cxl.md``, tried.

A machine is as a report describes it; all that a report shows of CXL in ``/proc/iomem`` or by ``cxl list`` is compared,
but for numbers that kernels give in the order in which devices answer (of regions), and addresses of PCI functions.
Reports of the series "dax/hmem, cxl: Coordinate Soft Reserved handling" are held against 7.1, which has it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from small_machines import ARM64, GIB, X86, hmat, machine, memory, need, settled, sp, srat
from softreserve.kernel.system import System
from softreserve.model.acpi.cedt import Cedt, FixedMemoryWindow, HostBridge
from softreserve.model.cxl import CxlDecoder, CxlHostBridge, CxlMemdev, CxlRootPort, ways_to_eiw
from softreserve.model.efi import EfiType
from softreserve.testing.machines import descriptor

pytest.importorskip("softreserve_cxl", reason="needs the cxl plugin: pip install ./plugins/cxl")

PAGE = Path(__file__).parents[1] / "docs" / "cxl.md"


class Window(NamedTuple):
    """A window of the CEDT, and the region in it that was committed over the same host bridges."""

    start: int
    end: int
    region: tuple[int, int] | None = None
    bridges: tuple[int, ...] = (0,)


class Report(NamedTuple):
    """A machine, and the lines from its first CXL line of /proc/iomem on."""

    release: str
    windows: Sequence[Window]
    shown: str
    soft: Sequence[tuple[int, int]] = ()
    nodes: Sequence[tuple[int, int]] = ()
    arch: str = X86
    ram: int = 6 * GIB
    reserved: tuple[int, int] | None = None


def whole(start: int, end: int, bridge: int = 0) -> Window:
    return Window(start, end, (start, end), (bridge,))


_AMD = [(0x850000000, 0x2850000000), (0x2850000000, 0x4850000000), (0x4850000000, 0x6850000000)]
_AMD_WINDOWS = [whole(*window, number) for number, window in enumerate(_AMD)]

REPORTS = {
    "AMD, one window": Report(
        "6.12",
        [whole(0x1050000000, 0x3050000000)],
        """
        1050000000-304fffffff : CXL Window 0
          1050000000-304fffffff : region0
            1050000000-304fffffff : Soft Reserved
              1080000000-2fffffffff : dax0.0
                1080000000-2fffffffff : System RAM (kmem)
        """,
        soft=[(0x1050000000, 0x3050000000)],
        nodes=[(0x1050000000, 0x3050000000)],
        ram=0x1050000000,
    ),
    "AMD, three windows": Report(
        "6.12",
        _AMD_WINDOWS,
        """
        850000000-684fffffff : Soft Reserved
          850000000-284fffffff : CXL Window 0
            850000000-284fffffff : region3
              850000000-284fffffff : dax0.0
                850000000-284fffffff : System RAM (kmem)
          2850000000-484fffffff : CXL Window 1
            2850000000-484fffffff : region4
              2850000000-484fffffff : dax1.0
                2850000000-484fffffff : System RAM (kmem)
          4850000000-684fffffff : CXL Window 2
            4850000000-684fffffff : region5
              4850000000-684fffffff : dax2.0
                4850000000-684fffffff : System RAM (kmem)
        """,
        soft=[(0x850000000, 0x6850000000)],
        nodes=[(0x850000000, 0x6850000000)],
        ram=0x850000000,
    ),
    "AMD, three windows, series": Report(
        "7.1",
        _AMD_WINDOWS,
        """
        850000000-284fffffff : CXL Window 0
          850000000-284fffffff : region0
            850000000-284fffffff : dax0.0
              850000000-284fffffff : System RAM (kmem)
        2850000000-484fffffff : CXL Window 1
          2850000000-484fffffff : region1
            2850000000-484fffffff : dax1.0
              2850000000-484fffffff : System RAM (kmem)
        4850000000-684fffffff : CXL Window 2
          4850000000-684fffffff : region2
            4850000000-684fffffff : dax2.0
              4850000000-684fffffff : System RAM (kmem)
        """,
        soft=_AMD,
        nodes=_AMD,
        ram=0x850000000,
    ),
    "Fujitsu, two devices, series": Report(
        "7.1",
        [whole(0x2070000000, 0x6070000000), whole(0x6070000000, 0xA070000000, 1)],
        """
        2070000000-606fffffff : CXL Window 0
          2070000000-606fffffff : region0
            2070000000-606fffffff : dax0.0
              2070000000-606fffffff : System RAM (kmem)
        6070000000-a06fffffff : CXL Window 1
          6070000000-a06fffffff : region1
            6070000000-a06fffffff : dax1.0
              6070000000-a06fffffff : System RAM (kmem)
        """,
        soft=[(0x2070000000, 0xA070000000)],
        nodes=[(0x2070000000, 0x6070000000), (0x6070000000, 0xA070000000)],
        ram=0x850000000,
    ),
    "Fujitsu, QEMU, one window, series": Report(
        "7.1",
        [whole(0xA90000000, 0xB90000000)],
        """
        a90000000-b8fffffff : CXL Window 0
          a90000000-b8fffffff : region0
            a90000000-b8fffffff : dax0.0
              a90000000-b8fffffff : System RAM (kmem)
        """,
        soft=[(0xA90000000, 0xB90000000)],
        nodes=[(0xA90000000, 0xB90000000)],
    ),
    "Fujitsu, QEMU, two windows, series": Report(
        "7.1",
        [whole(0xA90000000, 0xB90000000), whole(0xB90000000, 0xC90000000, 1)],
        """
        a90000000-b8fffffff : CXL Window 0
          a90000000-b8fffffff : region0
            a90000000-b8fffffff : dax0.0
              a90000000-b8fffffff : System RAM (kmem)
        b90000000-c8fffffff : CXL Window 1
          b90000000-c8fffffff : region1
            b90000000-c8fffffff : dax1.0
              b90000000-c8fffffff : System RAM (kmem)
        """,
        soft=[(0xA90000000, 0xC90000000)],
        nodes=[(0xA90000000, 0xB90000000), (0xB90000000, 0xC90000000)],
    ),
    "Intel, half a window, series": Report(
        "7.1",
        [Window(0x24080000000, 0x5F780000000, (0x24080000000, 0x44080000000))],
        """
        24080000000-5f77fffffff : CXL Window 0
          24080000000-4407fffffff : region0
            24080000000-4407fffffff : dax0.0
              24080000000-4407fffffff : System RAM (kmem)
        """,
        soft=[(0x24080000000, 0x44080000000)],
        nodes=[(0x24080000000, 0x44080000000)],
    ),
    "QEMU, x86": Report(
        "6.11",
        [whole(0x490000000, 0x510000000)],
        """
        490000000-50fffffff : CXL Window 0
          490000000-50fffffff : region0
            490000000-50fffffff : dax0.0
              490000000-50fffffff : System RAM (kmem)
        """,
    ),
    "QEMU, arm64": Report(
        "6.15",
        [Window(0x10000000000, 0x10200000000, (0x10000000000, 0x10010000000))],
        """
        10000000000-101ffffffff : CXL Window 0
          10000000000-1000fffffff : region0
            10000000000-1000fffffff : dax0.0
              10000000000-1000fffffff : System RAM (kmem)
        """,
        arch=ARM64,
    ),
    "QEMU, reserved by e820": Report(
        "6.1",
        [Window(0x590000000, 0x690000000)],
        """
        590000000-68fffffff : CXL Window 0
          590000000-68fffffff : Reserved
        """,
        reserved=(0x590000000, 0x690000000),
    ),
}


def cedt(windows: Sequence[Window], bridges: Sequence[int]) -> bytes:
    found = []
    for window in windows:
        ways = ways_to_eiw(len(window.bridges))
        length = 36 + 4 * len(window.bridges)
        entry = FixedMemoryWindow(
            base_hpa=window.start,
            window_size=window.end - window.start,
            restrictions=0x06,
            interleave_ways=ways,
            length=length,
        )
        entry.tail = struct.pack(f"<{len(window.bridges)}I", *window.bridges)
        found.append(entry)
    return Cedt([*(HostBridge(uid=uid, base=0x1000) for uid in bridges), *found]).sealed()


def behind(uid: int, windows: Sequence[Window]) -> CxlHostBridge:
    """A host bridge with one device for each region that goes over it."""
    committed: list[CxlDecoder] = []
    ports: list[CxlRootPort] = []
    for window in windows:
        if uid not in window.bridges or window.region is None:
            continue
        start, end = window.region
        ways, number = len(window.bridges), len(ports)
        decoder = CxlDecoder(start, end - start, ways)
        ports.append(CxlRootPort(number, CxlMemdev(volatile=(end - start) // ways, committed=(decoder,))))
        committed.append(CxlDecoder(start, end - start, targets=(number,)))
    ports.append(CxlRootPort(len(ports)))
    return CxlHostBridge(uid, 0xD2 - uid, tuple(ports), decoders=4, committed=tuple(committed))


def booted(report: Report) -> System:
    need(report.arch)
    above = [descriptor(4 * GIB, report.ram - 4 * GIB), *(sp(*found) for found in report.soft)]
    if report.reserved is not None:
        start, end = report.reserved
        above.append(descriptor(start, end - start, EfiType.RESERVED))
    low = (memory(0, 0, 2 * GIB), memory(0, 4 * GIB, report.ram))
    bridges = sorted({bridge for window in report.windows for bridge in window.bridges})
    tables = {
        "SRAT": srat(*low, *(memory(1, *found) for found in report.nodes)),
        "HMAT": hmat(),
        "CEDT": cedt(report.windows, bridges),
    }
    found = machine(
        report.arch,
        report.release,
        "memhp_default_state=online",
        above=above,
        tables=tables,
        hypervisor=False,
        config={"DEV_DAX_CXL": "m" if report.release != "6.1" else "n"},
        cxl=tuple(behind(bridge, report.windows) for bridge in bridges),
    )
    return settled(found)


def same(lines: Sequence[str]) -> list[str]:
    """Lines without what they are indented by in common, and regions without their numbers."""
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    return [re.sub(r"region\d+", "region", line[indent:]) for line in lines]


def test_the_table_has_what_is_tried() -> None:
    """Each report, and how many lines, files or directories of it are compared."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    table = {row[0]: row[3] for row in rows if len(row) == 4 and re.fullmatch(r"\d+ of \d+", row[3])}
    counts = {name: len(report.shown.strip().splitlines()) for name, report in REPORTS.items()}
    counts |= {
        "single device": len(SINGLE.split("\n")) - 2,
        "interleaved host bridges": len(INTERLEAVED.split("\n")) - 2,
    }
    counts |= {"files of that machine": len(LISTED), "always system RAM": 5}
    assert table == {name: f"{count} of {count}" for name, count in counts.items()}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_what_happens(name: str) -> None:
    report = REPORTS[name]
    expected = same([line for line in report.shown.splitlines() if line.strip()])
    first = re.match(r" *([0-9a-f]+)-", expected[0])
    assert first is not None
    lines = booted(report).iomem.lines()
    at = next(index for index, line in enumerate(lines) if line.startswith(f"{first[1]}-"))
    assert same(lines[at : at + len(expected)]) == expected


# --- the kernel's own documentation: a machine with four host bridges

#: ``cxl list -v`` of Documentation/driver-api/cxl/linux/example-configurations/single-device.rst, as files.
SINGLE = """
root0/dport0 -> pci0000:00 ACPI0016:01
root0/dport4 -> pci0000:a8 ACPI0016:02
root0/dport1 -> pci0000:2a ACPI0016:03
root0/dport5 -> pci0000:d2 ACPI0016:00
port1/uport -> pci0000:d2
port1/dport0
port1/dport2
port1/dport113
endpoint5/uport -> mem0
mem0/ram/size 0x2000000000
mem0/serial 0x0
mem0/numa_node 0
decoder5.0/start 0xc050000000
decoder5.0/size 0x2000000000
decoder5.0/interleave_ways 1
decoder5.0/region region0
decoder5.0/dpa_resource 0x0
decoder5.0/dpa_size 0x0000002000000000
decoder5.0/mode ram
decoder1.0/start 0xc050000000
decoder1.0/size 0x2000000000
decoder1.0/interleave_ways 1
decoder1.0/region region0
decoder1.0/target_list 0
port2/uport -> pci0000:00
port2/dport2
port2/dport113
port3/uport -> pci0000:a8
port3/dport0
port4/uport -> pci0000:2a
port4/dport0
decoder0.0/start 0xc050000000
decoder0.0/size 0x2000000000
decoder0.0/interleave_ways 1
decoder0.0/cap_ram 1
decoder0.0/cap_pmem 0
decoder0.0/target_list 5
region0/resource 0xc050000000
region0/size 0x2000000000
region0/mode ram
region0/interleave_ways 1
region0/commit 1
region0/target0 decoder5.0
"""

#: The same of hb-interleave.rst, and what cxl-driver.rst lists of that machine.
INTERLEAVED = """
root0/dport0 -> pci0000:00 ACPI0016:01
root0/dport4 -> pci0000:a8 ACPI0016:02
root0/dport1 -> pci0000:2a ACPI0016:03
root0/dport5 -> pci0000:d2 ACPI0016:00
port1/uport -> pci0000:d2
endpoint5/uport -> mem0
mem0/ram/size 0x2000000000
mem0/serial 0x0
mem0/numa_node 0
decoder5.0/start 0xc050000000
decoder5.0/size 0x4000000000
decoder5.0/interleave_ways 2
decoder5.0/interleave_granularity 256
decoder5.0/region region0
decoder5.0/dpa_resource 0x0
decoder5.0/dpa_size 0x0000002000000000
decoder5.0/mode ram
decoder1.0/start 0xc050000000
decoder1.0/size 0x4000000000
decoder1.0/interleave_ways 1
decoder1.0/region region0
decoder1.0/target_list 0
port3/uport -> pci0000:a8
port3/dport0
endpoint6/uport -> mem1
mem1/ram/size 0x2000000000
mem1/serial 0x0
mem1/numa_node 0
decoder6.0/start 0xc050000000
decoder6.0/size 0x4000000000
decoder6.0/interleave_ways 2
decoder6.0/interleave_granularity 256
decoder6.0/region region0
decoder6.0/dpa_resource 0x0
decoder6.0/dpa_size 0x0000002000000000
decoder6.0/mode ram
decoder3.0/start 0xc050000000
decoder3.0/size 0x4000000000
decoder3.0/interleave_ways 1
decoder3.0/region region0
decoder3.0/target_list 0
port2/uport -> pci0000:00
port4/uport -> pci0000:2a
decoder0.0/start 0xc050000000
decoder0.0/size 0x4000000000
decoder0.0/interleave_ways 2
decoder0.0/interleave_granularity 256
decoder0.0/cap_ram 1
decoder0.0/cap_pmem 0
decoder0.0/target_list 5,4
region0/resource 0xc050000000
region0/size 0x4000000000
region0/mode ram
region0/interleave_ways 2
region0/interleave_granularity 256
region0/commit 1
region0/target0 decoder5.0
region0/target1 decoder6.0
root0/devtype cxl_port
port1/devtype cxl_port
endpoint5/devtype cxl_port
decoder0.0/devtype cxl_decoder_root
decoder1.0/devtype cxl_decoder_switch
endpoint5/decoder5.0/devtype cxl_decoder_endpoint
"""

#: ``ls`` of the same machine, but for files of the mailbox and performance (CDAT, access0, access1, qos_class).
LISTED = {
    "": "dax_region0 decoder0.0 decoder1.0 decoder2.0 decoder3.0 decoder4.0 decoder5.0 decoder5.1 decoder6.0 decoder6.1"
    " endpoint5 endpoint6 mem0 mem1 port1 port2 port3 port4 region0 root0",
    "root0": "decoder0.0 decoders_committed devtype dport0 dport1 dport4 dport5 modalias port1 port2 port3 port4"
    " subsystem uevent uport",
    "port1": "decoder1.0 decoders_committed devtype dport0 dport113 dport2 driver endpoint5 modalias parent_dport"
    " subsystem uevent uport",
    "endpoint5": "decoder5.0 decoder5.1 decoders_committed devtype driver modalias parent_dport subsystem uevent uport",
    "decoder0.0": "cap_pmem cap_ram cap_type2 cap_type3 create_ram_region delete_region devtype interleave_granularity"
    " interleave_ways locked modalias region0 size start subsystem target_list uevent",
    "decoder1.0": "devtype interleave_granularity interleave_ways locked modalias region size start subsystem"
    " target_list target_type uevent",
    "decoder5.0": "devtype dpa_resource dpa_size interleave_granularity interleave_ways locked modalias mode region"
    " size start subsystem target_type uevent",
    "region0": "commit dax_region0 devtype driver interleave_granularity interleave_ways mode modalias resource size"
    " subsystem target0 target1 uevent uuid",
    "dax_region0": "dax0.0 dax_region devtype driver modalias subsystem uevent",
}

BUS = "/sys/bus/cxl/devices"
CAPACITY = 128 * GIB
BASE = 0xC050000000


def documented(bridges: Sequence[int]) -> System:
    """Devices of 128 GiB below the first root ports of these host bridges, interleaved in this order."""
    need(X86)
    size = CAPACITY * len(bridges)
    device = CxlMemdev(volatile=CAPACITY, decoders=2, committed=(CxlDecoder(BASE, size, len(bridges)),))
    found = []
    for uid, bus, ports in ((5, 0xD2, (0, 2, 113)), (0, 0x00, (2, 113)), (4, 0xA8, (0,)), (1, 0x2A, (0,))):
        used = uid in bridges
        behind = tuple(CxlRootPort(number, device if used and number == 0 else None) for number in ports)
        committed = (CxlDecoder(BASE, size, targets=(0,)),) if used else ()
        found.append(CxlHostBridge(uid, bus, behind, decoders=1, committed=committed, domain=0))
    window = Window(BASE, BASE + size, bridges=tuple(bridges))
    low = (memory(0, 0, 2 * GIB), memory(0, 4 * GIB, BASE))
    tables = {
        "SRAT": srat(*low, memory(1, BASE, BASE + size)),
        "HMAT": hmat(),
        "CEDT": cedt([window], [bridge.uid for bridge in found]),
    }
    above = [descriptor(4 * GIB, BASE - 4 * GIB), sp(BASE, BASE + size)]
    return settled(machine(X86, "6.15", above=above, tables=tables, hypervisor=False, cxl=tuple(found)))


@pytest.mark.parametrize(("bridges", "shown"), [((5,), SINGLE), ((5, 4), INTERLEAVED)])
def test_the_kernels_documentation_is_what_happens(bridges: Sequence[int], shown: str) -> None:
    system = documented(bridges)
    for line in filter(None, shown.splitlines()):
        path, *words = line.split()
        where = f"{BUS}/{path}"
        if words and words[0] == "->":
            target = system.sysfs.resolve(where)
            assert target is not None
            assert target.rpartition("/")[2] == words[1], line
            for alias in words[2:]:
                assert (system.sysfs.resolve(f"{where}/firmware_node") or "").endswith(f"/{alias}"), line
        elif words:
            value = system.sysfs.read(where)
            assert isinstance(value, bytes), line
            assert value.decode().split() == words, line
        else:
            assert system.sysfs.resolve(where) is not None, line


@pytest.mark.parametrize("path", LISTED)
def test_the_kernels_documentation_lists_what_is_there(path: str) -> None:
    names = documented((5, 4)).sysfs.listdir(f"{BUS}/{path}".rstrip("/"))
    assert isinstance(names, list)
    assert sorted(set(names) - {"CDAT", "access0", "access1", "qos_class"}) == sorted(LISTED[path].split())


def test_memory_in_system_ram_mode_by_default() -> None:
    """As in issue 256 of ndctl, of 6.5-rc7: ``daxctl list`` of a device of 64 GiB."""
    start = 0x1080000000
    report = Report("6.5", [whole(start, start + 64 * GIB)], "", soft=[(start, start + 64 * GIB)], ram=0x880000000)
    system = booted(report._replace(nodes=report.soft))
    device = "/sys/bus/dax/devices/dax0.0"
    shown = {name: system.sysfs.read(f"{device}/{name}") for name in ("size", "target_node", "align")}
    assert shown == {"size": b"68719476736\n", "target_node": b"1\n", "align": b"2097152\n"}
    assert (system.sysfs.resolve(f"{device}/driver") or "").endswith("/kmem")
    blocks = system.sysfs.listdir("/sys/bus/node/devices/node1")
    assert isinstance(blocks, list)
    assert sum(re.fullmatch(r"memory\d+", name) is not None for name in blocks) == 512
