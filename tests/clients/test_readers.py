"""Programs that only look: on an exported tree where they take another root, else in the machine's namespace."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from hosts import Host, booted, need
from softreserve.live.export import export
from softreserve.testing.machines import static_elf

pytestmark = pytest.mark.clients

#: All that a machine description can hold.
FULL = "example:two-node"


def run(*argv: str, **environment: str) -> str:
    return subprocess.run(
        argv, env={**os.environ, **environment}, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Node 1's memory is in system-ram mode: 10 of its blocks online, 6 offline."""
    system = booted(FULL, cmdline="memhp_default_state=offline")
    for module in ("dax_hmem", "device_dax", "kmem"):
        assert system.modules.load(module) == 0
    for block in range(32, 42):
        assert system.sysfs.write(f"/sys/devices/system/memory/memory{block}/state", b"online_movable") > 0
    export(system, tmp_path / "root")
    return tmp_path / "root"


def test_lsmem_lists_the_blocks(tree: Path) -> None:
    need("lsmem")

    found = json.loads(run("lsmem", "-s", str(tree), "-J", "-b", "-o", "RANGE,SIZE,STATE,NODE,ZONES"))

    assert found == {
        "memory": [
            {
                "range": "0x0000000000000000-0x0000000007ffffff",
                "size": 1 << 27,
                "state": "online",
                "node": 0,
                "zones": "None",
            },
            {
                "range": "0x0000000008000000-0x000000007fffffff",
                "size": 15 << 27,
                "state": "online",
                "node": 0,
                "zones": "DMA32",
            },
            {
                "range": "0x0000000100000000-0x000000014fffffff",
                "size": 10 << 27,
                "state": "online",
                "node": 1,
                "zones": "Movable",
            },
            {
                "range": "0x0000000150000000-0x000000017fffffff",
                "size": 6 << 27,
                "state": "offline",
                "node": 1,
                "zones": "Normal/Movable",
            },
        ]
    }


def test_lscpu_counts_cpus_and_nodes(tree: Path) -> None:
    need("lscpu")

    rows = {row["field"]: row["data"] for row in json.loads(run("lscpu", "-s", str(tree), "-J"))["lscpu"]}

    assert rows["CPU(s):"] == "2"
    assert rows["NUMA node(s):"] == "2"
    assert rows["NUMA node0 CPU(s):"] == "0,1"


def lstopo(root: Path, *options: str) -> str:
    return run(
        "lstopo-no-graphics",
        *options,
        HWLOC_FSROOT=str(root),
        HWLOC_COMPONENTS="linux,stop",
        HWLOC_THISSYSTEM="0",
    )


def test_lstopo_shows_the_node_of_specific_purpose_memory(tree: Path) -> None:
    need("lstopo-no-graphics")

    shown = lstopo(tree, "-v", "--of", "console")

    assert re.search(r"NUMANode.*\(P#1.*DAXDevice=dax0.0.*DAXParent=.*hmem\.0", shown)
    assert re.search(r"NUMANode.*P#1.*SPM", shown)


def test_lstopo_shows_the_numbers_of_the_hmat(tree: Path) -> None:
    need("lstopo-no-graphics")

    shown = lstopo(tree, "--memattrs")

    for attribute, near, far in (("Bandwidth", 50000, 20000), ("ReadLatency", 100, 250)):
        numbers = shown.partition(f"name `{attribute}'")[2].partition("Memory attribute")[0]
        assert f"NUMANode L#0 = {near} from cpuset" in numbers
        assert f"NUMANode L#1 = {far} from cpuset" in numbers


def test_lstopo_shows_a_device_in_devdax_mode_as_a_block_device(tmp_path: Path) -> None:
    need("lstopo-no-graphics")
    system = booted(FULL, "6.1.0-56-amd64")
    for module in ("dax_hmem", "device_dax"):
        assert system.modules.load(module) == 0
    export(system, tmp_path / "root")

    assert re.search(r"Block\(.*SPM.*\).*dax0\.0", lstopo(tmp_path / "root", "-v", "--of", "console"))


@pytest.fixture
def window(tmp_path: Path) -> Path:
    """A machine file: the example with a CXL window, so that there is a CEDT."""
    text = resources.files("softreserve.config.examples").joinpath("two-node.toml").read_text()
    (tmp_path / "window.toml").write_text(f'{text}\n[[acpi.windows]]\nstart = "16G"\nsize = "1G"\n')
    return tmp_path / "window.toml"


@pytest.mark.parametrize("table", ["SRAT", "SLIT", "HMAT", "CEDT"])
def test_iasl_reads_the_tables_and_writes_the_same_ones(window: Path, tmp_path: Path, table: str) -> None:
    need("iasl")
    export(booted(str(window)), tmp_path / "root")
    original = (tmp_path / f"root/sys/firmware/acpi/tables/{table}").read_bytes()
    (tmp_path / "table.aml").write_bytes(original)

    told = subprocess.run(
        ["iasl", "-p", str(tmp_path / "table"), "-d", str(tmp_path / "table.aml")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "Incorrect checksum" not in told.stdout + told.stderr
    if "Unknown ACPI table signature" in (tmp_path / "table.dsl").read_text():
        # iasl before 2021 (Debian 12's) takes no CEDT apart; the header is all that it reads of it.
        assert table == "CEDT"
        return
    said = run("iasl", "-p", str(tmp_path / "again"), str(tmp_path / "table.dsl"))

    assert re.search("Compilation (successful|complete). 0 Errors, 0 Warnings", said)
    assert _without_compiler((tmp_path / "again.aml").read_bytes()) == _without_compiler(original)


def _without_compiler(table: bytes) -> bytes:
    """A table but for its checksum and who compiled it."""
    return table[:9] + table[10:28] + table[36:]


@pytest.mark.fuse
def test_numactl_and_numastat_show_node_sizes(hosts: Callable[..., Host]) -> None:
    need("numactl", "numastat")
    host = hosts(FULL, modules="dax_hmem device_dax kmem", cmdline="memhp_default_state=online_movable")

    shown = host.ok("numactl -H")

    assert "available: 2 nodes (0-1)" in shown
    assert "node 1 cpus:\nnode 1 size: 2048 MB" in shown
    assert re.search(r"^  1:  20  10 *$", shown, re.MULTILINE)
    assert re.search(r"^MemTotal +\S+ +2048.00 ", host.ok("numastat -m"), re.MULTILINE)


@pytest.mark.fuse
def test_chmem_sets_blocks_online_and_offline(new: Host) -> None:
    need("chmem")

    new.ok("chmem -e -b 32-35 -z Movable")
    assert "0x0000000100000000-0x000000011fffffff" in new.ok("lsmem -o RANGE,STATE | grep online")
    new.ok("chmem -d -b 32-33")
    assert [new.sysfs(f"/sys/devices/system/memory/memory{block}/state") for block in (32, 33, 34)] == [
        "offline",
        "offline",
        "online",
    ]
    assert new.run("chmem -e -b 99")[0] == 1


@pytest.mark.fuse
def test_kexec_takes_its_memory_map_from_the_machine_and_never_loads(old: Host, tmp_path: Path) -> None:
    need("kexec")
    kernel = tmp_path / "kernel"
    kernel.write_bytes(static_elf())

    status, output = old.run(f"kexec -d -l --type=elf-x86_64 {kernel}")

    assert status != 0
    assert "0000000100000000-000000017fffffff (1)" in output  # soft reserved: not memory to use
    assert "Unknown type (Soft Reserved) while parsing /sys/firmware/memmap/" in output
    # A host without kexec says the second.
    assert re.search("kexec_load failed: (Operation not permitted|Function not implemented)", output)


@pytest.mark.fuse
def test_programs_that_ask_what_they_run_on_are_told_of_the_machine(hosts: Callable[..., Host]) -> None:
    need("dmesg", "lscpu", "free", "hostname")
    host = hosts("example:xeon-max")
    release = host.system.kernel.release

    assert host.ok("uname -r; hostname; nproc") == f"{release}\nxeon-max\n112\n"
    assert f"vendor_id\t: {host.system.machine.cpu_vendor}\n" in host.ok("cat /proc/cpuinfo")
    assert hosts("example:arm64-server").ok("uname -sm") == "Linux aarch64\n"
    log = host.ok("dmesg").splitlines()
    assert log[0].startswith(f"[    0.000000] Linux version {release} ")
    assert [line.partition("] ")[2] for line in log[2:]] == host.system.log.lines
    assert host.ok("dmesg -l err") == ""
    assert "On-line CPU(s) list: 0-111" in re.sub(" +", " ", host.ok("lscpu"))
    total = int(host.ok("free -b").split("Mem:")[1].split()[0])
    assert total == host.system.memory.zones.present_kilobytes() << 10


@pytest.mark.fuse
def test_the_host_s_log_cannot_be_cleared(hosts: Callable[..., Host]) -> None:
    need("dmesg")
    status, output = hosts(FULL).run("dmesg -C")

    assert status != 0
    assert "Operation not permitted" in output
