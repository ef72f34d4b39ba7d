"""Huge pages of the command line. Lines and counts: recorded on 7.3.4 and 6.18.15, or by hand from ``mm/hugetlb.c``."""

from __future__ import annotations

import errno
from pathlib import Path

import attrs
import cases
import pytest
from small_machines import ARM64, LOW, NODE_1, RAM, X86, machine, need, sp, srat
from softreserve.config import load
from softreserve.config.builds import rebuilt
from softreserve.kernel import procfs
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.plugins.selection import Selection
from softreserve.testing.machines import descriptor

GIB = 1 << 30


def booted(cmdline: str, arch: str = X86, release: str = "7.3", *, two_nodes: bool = False) -> System:
    """RAM below 2 GiB and from 4 to 5 GiB on node 0; with ``two_nodes`` also from 6 to 8 GiB on node 1."""
    need(arch)
    above = (RAM, descriptor(6 * GIB, 2 * GIB)) if two_nodes else (RAM, sp(6 * GIB, 8 * GIB))
    config = {"HUGETLB_PAGE_OPTIMIZE_VMEMMAP": "y" if arch == X86 else "n"}
    found = machine(arch, release, cmdline, above=above, tables={"SRAT": srat(*LOW, NODE_1)}, config=config)
    return boot(found, Selection().hooks_for(found))


def said(system: System) -> list[str]:
    return [line.removeprefix("HugeTLB: ") for line in system.log.lines if line.startswith("HugeTLB: ")]


def counts(system: System, nid: int, kilobytes: int) -> str:
    directory = f"/sys/devices/system/node/node{nid}/hugepages/hugepages-{kilobytes}kB"
    values = [system.sysfs.read(f"{directory}/{name}_hugepages") for name in ("nr", "free", "surplus")]
    return " ".join(value.decode().strip() if isinstance(value, bytes) else str(value) for value in values)


def test_sizes_are_told_in_the_order_in_which_they_became_known() -> None:
    system = booted("hugepagesz=2M hugepages=32")
    assert said(system) == [
        "registered 2.00 MiB page size, pre-allocated 32 pages",
        "28 KiB vmemmap can be freed for a 2.00 MiB page",
        "registered 1.00 GiB page size, pre-allocated 0 pages",
        "16380 KiB vmemmap can be freed for a 1.00 GiB page",
    ]
    assert counts(system, 0, 2048) == "32 32 0"
    assert counts(system, 0, 1 << 20) == "0 0 0"


def test_arm64_has_runs_of_pages_and_of_huge_pages() -> None:
    assert [line.partition(" page size")[0] for line in said(booted("hugepages=16", ARM64, "6.18"))[::2]] == [
        "registered 1.00 GiB",
        "registered 32.0 MiB",
        "registered 2.00 MiB",
        "registered 64.0 KiB",
    ]


def test_without_a_word_nothing_is_told_and_every_size_has_its_directory() -> None:
    system = booted("quiet")
    assert said(system) == []
    assert system.sysfs.listdir("/sys/devices/system/node/node0/hugepages") == [
        "hugepages-1048576kB",
        "hugepages-2048kB",
    ]


@pytest.mark.parametrize(
    ("cmdline", "pages"),
    [
        ("hugepages=8", {2048: [4, 4]}),
        ("hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=6", {1 << 20: [1, 1], 2048: [3, 3]}),
        ("hugepages=0:3,1:5", {2048: [3, 5]}),
        ("hugepages=7 default_hugepagesz=1G", {1 << 20: [1, 2], 2048: [0, 0]}),
        ("default_hugepagesz=1G hugepagesz=1G hugepages=2", {1 << 20: [1, 1]}),
        ("hugepagesz=3M hugepages=4", {2048: [0, 0]}),
        ("hugepages=4 hugepages=8", {2048: [2, 2]}),
        ("hugepages=9:4", {2048: [0, 0]}),
    ],
)
def test_pages_come_from_all_nodes_in_turn_or_from_those_that_are_named(
    cmdline: str, pages: dict[int, list[int]]
) -> None:
    """Of 1 GiB, node 0 has one that is free and aligned (4 to 5 GiB), node 1 two."""
    system = booted(cmdline, two_nodes=True)
    for size, expected in pages.items():
        assert [counts(system, nid, size) for nid in (0, 1)] == [f"{count} {count} 0" for count in expected]


@pytest.mark.parametrize(
    ("cmdline", "line"),
    [
        ("hugepagesz=3M", "unsupported hugepagesz=3M"),
        ("default_hugepagesz=3M", "unsupported default_hugepagesz=3M"),
        ("hugepagesz=3M hugepages=4", "hugepages=4 does not follow a valid hugepagesz, ignoring"),
        ("hugepagesz=2M hugepagesz=2M", "hugepagesz=2M specified twice, ignoring"),
        ("default_hugepagesz=1G default_hugepagesz=2M", "default_hugepagesz previously specified, ignoring 2M"),
        (
            "hugepages=4 hugepages=8",
            "hugepages= specified twice without interleaving hugepagesz=, ignoring hugepages=8",
        ),
        ("hugepages=0:2,x", "Invalid hugepages parameter x"),
        ("hugepages=9:4", "Invalid hugepages parameter 9:4"),
        (
            "hugepages=2 hugepagesz=2M hugepages=4",
            "Ignoring hugepages=4 associated with 2.00 MiB page size",
        ),
        (
            "default_hugepagesz=1G hugepages=7",
            "allocating 7 of page size 1.00 GiB failed.  Only allocated 3 hugepages.",
        ),
        (
            "hugepagesz=1G hugepages=0:2",
            "allocating 2 of page size 1.00 GiB failed node0.  Only allocated 1 hugepages.",
        ),
    ],
)
def test_what_is_not_understood_or_not_there_is_told(cmdline: str, line: str) -> None:
    assert line in said(booted(cmdline, two_nodes=True))


def test_programs_read_of_huge_pages_in_meminfo() -> None:
    system = booted("default_hugepagesz=1G hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=3")
    text = dict(procfs.files(system))["meminfo"].read()
    assert isinstance(text, bytes)
    assert text.decode().splitlines()[-6:] == [
        "HugePages_Total:       1",
        "HugePages_Free:        1",
        "HugePages_Rsvd:        0",
        "HugePages_Surp:        0",
        "Hugepagesize:    1048576 kB",
        "Hugetlb:         1054720 kB",
    ]
    node = system.sysfs.read("/sys/devices/system/node/node0/meminfo")
    assert isinstance(node, bytes)
    rows = node.decode().splitlines()
    assert rows[2] == "Node 0 MemUsed:         1054720 kB"
    assert rows[-3:] == [
        "Node 0 HugePages_Total:     1",
        "Node 0 HugePages_Free:      1",
        "Node 0 HugePages_Surp:      0",
    ]


@pytest.mark.parametrize(
    ("release", "last"),
    [
        ("6.12", "Unaccepted"),
        ("6.18", "Unaccepted"),
        ("7.1", "GPUReclaim"),
        ("7.2", "GPUReclaim"),
        ("7.3", "GPUReclaim"),
    ],
)
def test_rows_were_added_to_a_node_s_meminfo(release: str, last: str) -> None:
    """Recorded on 6.12.117, 6.18.15 and 7.3.4; 7.0.13 and 7.1.13 by the words in their images."""
    text = booted("", release=release).sysfs.read("/sys/devices/system/node/node0/meminfo")
    assert isinstance(text, bytes)
    rows = text.decode().splitlines()
    assert rows[-4] == f"Node 0 {last + ':':15} {0:8} kB"
    assert len(rows) == {"7.1": 39, "7.2": 40, "7.3": 40}.get(release, 37)


SIZE = "/hugepages-2048kB/"
ALL = f"/sys/kernel/mm/hugepages{SIZE}"
#: What was written, whether it was taken, and how many pages the four nodes had then: recorded on 7.3.4 and 6.12.117,
#: one after the other, on the machine of ``newer-clients/x86-7.3-programs``.
WRITTEN = [
    (f"{ALL}nr_hugepages", "5", True, "2 1 1 1"),
    (f"{ALL}nr_hugepages", "6", True, "2 2 1 1"),
    (f"{ALL}nr_hugepages", "2", True, "1 1 0 0"),
    (f"{ALL}nr_hugepages", "0", True, "0 0 0 0"),
    (f"{ALL}nr_hugepages", "7", True, "2 1 2 2"),
    (f"{ALL}nr_hugepages", "x", False, "2 1 2 2"),
    (f"{ALL}nr_hugepages", "0x10", False, "2 1 2 2"),
    (f"{ALL}nr_hugepages", "", False, "2 1 2 2"),
    (f"{ALL}nr_hugepages", "-1", False, "2 1 2 2"),
    (f"{ALL}nr_overcommit_hugepages", "3", True, "2 1 2 2"),
    (f"{ALL}nr_hugepages_mempolicy", "4", True, "1 1 1 1"),
    ("node2", "100", True, "1 1 100 1"),
    ("node0", "10", True, "10 1 100 1"),
    # 511 there, where programs used some of the node
    ("node2", "100000", True, "10 1 512 1"),
    ("node2", "0", True, "10 1 0 1"),
    ("node2", "64", True, "10 1 64 1"),
    (f"{ALL}nr_hugepages", "200", True, "41 32 95 32"),
    ("node2", "20", True, "41 32 20 32"),
]


@pytest.mark.parametrize("release", ["7.3.4+deb13-amd64", "6.12.117+deb12-amd64"])
def test_pages_are_asked_for_and_given_back_as_on_real_kernels(release: str, tmp_path: Path) -> None:
    need(X86)
    found = load(cases.unpack("x86-7.3-programs", tmp_path, cases.NEWER)).machine
    found = attrs.evolve(found, kernel=rebuilt(found.kernel, release=release))
    system = boot(found, Selection().hooks_for(found))
    for module in ("dax_hmem", "device_dax", "kmem"):
        assert system.modules.load(module) == 0

    def shown(directory: str) -> str:
        files = (f"/sys/devices/system/node/node{nid}/hugepages{directory}nr_hugepages" for nid in range(4))
        return " ".join(value.decode().strip() for value in map(system.sysfs.read, files) if isinstance(value, bytes))

    for place, words, taken, counts in WRITTEN:
        path = f"/sys/devices/system/node/{place}/hugepages{SIZE}nr_hugepages" if "/" not in place else place
        data = f"{words}\n".encode()
        assert system.sysfs.write(path, data) == (len(data) if taken else -errno.EINVAL), (place, words)
        assert shown(SIZE) == counts, (place, words)
    assert system.sysfs.read(f"{ALL}nr_overcommit_hugepages") == b"3\n"
    # no room for a page of 1 GiB beside them
    assert system.sysfs.write("/sys/devices/system/node/node2/hugepages/hugepages-1048576kB/nr_hugepages", b"1") == 1
    assert shown("/hugepages-1048576kB/") == "0 0 0 0"
    # a node that goes offline has none, nor when it comes back
    for word, state in (("offline", b"offline"), ("online", b"online_movable")):
        for block in range(32, 40):
            assert system.sysfs.write(f"/sys/devices/system/memory/memory{block}/state", state) == len(state), word
        assert shown(SIZE) == "41 32 0 32", word
    assert system.nodes.huge_kilobytes() == 105 << 11


def test_gigantic_pages_are_had_beyond_the_pool_from_7_2_on() -> None:
    """Recorded: 7.3.4 took the number, 6.12.117 did not."""
    path = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_overcommit_hugepages"
    assert booted("quiet", release="7.3").sysfs.write(path, b"1\n") == 2
    assert booted("quiet", release="6.12").sysfs.write(path, b"1\n") == -errno.EINVAL
