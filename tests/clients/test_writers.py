"""Many clients at once: nothing hangs, nothing acknowledged is lost, and a record gives the same system again."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hosts import Host, booted
from softreserve.config.steps import read_steps
from softreserve.kernel.sysfs import SysfsTree
from softreserve.kernel.system import System
from softreserve.live import server
from softreserve.live.record import Recorder
from softreserve.machine.snapshot import FILES
from softreserve.machine.steps import run_step

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

#: Set to 60 for the whole test.
SECONDS = float(os.environ.get("SOFTRESERVE_STRESS_SECONDS", "3"))
CLIENTS = 8
WRITER = Path(__file__).with_name("writer.py")
MACHINE, RELEASE = "example:two-node", "6.1.0-56-amd64"
BASE, SIZE = 4 << 30, 2 << 30

Answer = tuple[str, str, int]


def answered(logs: Iterable[Path]) -> Counter[Answer]:
    """What all writers were told. The last line of one that was killed may be torn."""
    found: Counter[Answer] = Counter()
    for log in logs:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                path, value, result = json.loads(line)
                found[path, value, result] += 1
    return found


def recorded(record: Path) -> Counter[Answer]:
    """What the record holds of sysfs writes. The last one of a server that was killed may have no answer."""
    steps = tomllib.loads(record.read_text())["step"]
    return Counter((*step["writes"][0], step.get("result")) for step in steps if "writes" in step)


def replayed(record: Path) -> System:
    """The machine after all that is in the record."""
    system = booted(MACHINE, RELEASE)
    for step in read_steps(record, system.kernel)[0]:
        assert run_step(system, step).status is not None
    return system


def state(system: System) -> dict[str, list[str]]:
    return {name: list(lines(system)) for name, lines in FILES.items()} | {"log": system.log.lines}


def number(tree: SysfsTree, path: str) -> int:
    value = tree.read(path)
    assert isinstance(value, bytes), f"{path}: {value}"
    return int(value, 0)


def ranges(tree: SysfsTree, device: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the device's mappings, half open."""
    for name in tree.listdir(device) or ():  # type: ignore[union-attr]
        if name.startswith("mapping") and name != "mapping":
            yield number(tree, f"{device}/{name}/start"), number(tree, f"{device}/{name}/end") + 1


def check_invariants(system: System) -> None:
    """What is true of any state of the machine, however it was reached."""
    tree = system.sysfs
    region = "/sys/devices/platform/hmem.0"
    names = tree.listdir(region)
    assert isinstance(names, list)
    taken = []
    for name in names:
        if name.startswith("dax0."):
            own = list(ranges(tree, f"{region}/{name}"))
            assert number(tree, f"{region}/{name}/size") == sum(end - start for start, end in own)
            taken += own
    taken.sort()
    assert all(BASE <= start < end <= BASE + SIZE for start, end in taken)
    assert all(one[1] <= other[0] for one, other in pairwise(taken))
    assert number(tree, f"{region}/dax_region/available_size") == SIZE - sum(end - start for start, end in taken)

    states = [tree.read(f"/sys/devices/system/memory/memory{block}/state") for block in range(32, 48)]
    assert {state for state in states if isinstance(state, bytes)} <= {b"online\n", b"offline\n"}
    assert (b"online\n" in states) == (1 in system.nodes.has_memory)


def test_huge_pages_are_the_machine_s_by_every_way_to_them(hosts: Callable[..., Host], tmp_path: Path) -> None:
    before, record = Path("/proc/sys/vm/nr_hugepages").read_text(), tmp_path / "record.toml"
    directory = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    with Recorder(record, booted(MACHINE, RELEASE)) as recorder:
        host = hosts(MACHINE, RELEASE, recorder=recorder)
        host.ok("echo 5 >/proc/sys/vm/nr_hugepages; echo 7 >/proc/sys/vm/nr_overcommit_hugepages")
        assert host.ok(f"cat /proc/sys/vm/nr_hugepages {directory}/nr_overcommit_hugepages") == "5\n7\n"
        assert "HugePages_Total:       5\n" in host.ok("cat /proc/meminfo")
    assert Path("/proc/sys/vm/nr_hugepages").read_text() == before
    assert list(recorded(record)) == [
        (f"{directory}/nr_hugepages", "5\n", 0),
        (f"{directory}/nr_overcommit_hugepages", "7\n", 0),
    ]


def test_eight_clients_write_at_random(hosts: Callable[..., Host], tmp_path: Path) -> None:
    record = tmp_path / "steps.toml"
    with Recorder(record, booted(MACHINE, RELEASE)) as recorder:
        host = hosts(MACHINE, RELEASE, recorder=recorder)
        host.ok("modprobe -a dax_hmem device_dax kmem")
        logs = [tmp_path / f"{client}.log" for client in range(CLIENTS)]
        starts = " ".join(f"{sys.executable} {WRITER} {number} {SECONDS} {log} &" for number, log in enumerate(logs))

        began = time.monotonic()
        host.ok(f"{starts} wait")
        took = time.monotonic() - began

        assert took < SECONDS + 10
        check_invariants(host.system)
        answers = answered(logs)
        assert answers.total() > 20 * SECONDS
        assert recorded(record) == answers
        assert {result for *_, result in answers} >= {0, -16, -22}
        assert state(replayed(record)) == state(host.system)


#: Makes a device and takes it away again; each time it must be seen by whoever did it, whoever else looks.
LOOKS = """
import os, sys, threading
region, bus = "/sys/devices/platform/hmem.0", "/sys/bus/dax/devices"
places = [f"{region}/dax0.1", f"{bus}/dax0.1/size", f"{bus}/dax0.1", "/dev/dax0.1"]
over = threading.Event()

def look():
    while not over.is_set():
        for place in (*places, "/sys/bus/dax/drivers"):
            os.path.lexists(place), os.path.isdir(bus) and os.listdir(bus)

def write(name, value):
    with open(f"{region}/{name}", "w", buffering=1) as file:
        file.write(value)

lookers = [threading.Thread(target=look) for _ in range(4)]
for looker in lookers:
    looker.start()
wrong = []
write("dax0.0/size", "0")
for turn in range(int(sys.argv[1])):
    for there, name, value in ((True, "create", "1"), (False, "delete", "dax0.1")):
        write(f"dax_region/{name}", value)
        wrong += [(turn, place) for place in places if os.path.exists(place) != there]
over.set()
print(wrong)
"""


def test_who_changes_the_machine_sees_it_changed_whoever_looks(hosts: Callable[..., Host], tmp_path: Path) -> None:
    """The kernel keeps names for a moment; those that mean something else must be gone before the write returns."""
    host = hosts(MACHINE, RELEASE, modules="dax_hmem device_dax")
    (tmp_path / "looks.py").write_text(LOOKS)
    host.ok("echo dax0.0 > /sys/bus/dax/drivers/device_dax/unbind")
    assert host.ok(f"timeout 60 {sys.executable} {tmp_path}/looks.py 100") == "[]\n"


#: Changes all that can be changed, until the time is over; says how many writes these were.
TURNS = """
import sys, time
region, bus = "/sys/devices/platform/hmem.0", "/sys/bus/dax/drivers"
turn = [(f"{region}/dax0.0/size", "0"), (f"{region}/dax0.0/size", "0x40000000"), (f"{region}/dax0.0/size", "wrong"),
        (f"{region}/dax_region/create", "1"), (f"{region}/dax0.1/size", "0x20000000"), (f"{region}/dax0.1/size", "0"),
        (f"{region}/dax_region/delete", "dax0.1"), (f"{bus}/device_dax/bind", "dax0.0"),
        (f"{bus}/device_dax/unbind", "dax0.0"), ("/sys/devices/system/memory/memory3/state", "offline"),
        ("/sys/devices/system/memory/memory3/state", "online"), ("/dev/kmsg", "a line of the log")]
until, writes = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < until:
    for path, value in turn:
        try:
            with open(path, "w") as file:
                file.write(value)
        except OSError:
            pass
        writes += 1
print(writes)
"""


def test_the_memory_of_a_server_does_not_grow_with_what_is_written(
    hosts: Callable[..., Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pytest -s`` shows how much of it a write takes; with SOFTRESERVE_STRESS_SECONDS=3600 over two hours."""
    monkeypatch.setattr(server, "_TOLD_MOST", 100)  # reached soon
    host = hosts(MACHINE, RELEASE, modules="dax_hmem device_dax kmem")
    host.ok("echo dax0.0 > /sys/bus/dax/drivers/device_dax/unbind")
    (tmp_path / "turns.py").write_text(TURNS)

    def blocks_after(seconds: float) -> tuple[int, int]:
        writes = int(host.ok(f"{sys.executable} {tmp_path}/turns.py {seconds}"))
        gc.collect()
        return writes, sys.getallocatedblocks()

    _, before = blocks_after(1)
    writes, after = blocks_after(SECONDS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{writes} writes: {after - before:+} blocks of memory; at most {peak} KiB")
    assert writes > 100
    assert after - before < 500  # of some 100,000; lines and events come and go


SHELL = [sys.executable, "-c", "import sys; from softreserve.cli import main; sys.exit(main())", "shell", MACHINE]


def test_a_server_that_was_killed_goes_on_from_its_record(hosts: Callable[..., Host], tmp_path: Path) -> None:
    hosts(MACHINE).ok("true")  # skips where there are no sessions
    record, logs = tmp_path / "steps.toml", [tmp_path / "0.log", tmp_path / "1.log"]
    writers = " ".join(f"{sys.executable} {WRITER} {number} 60 {log} &" for number, log in enumerate(logs))
    command = [*SHELL, "--kernel", RELEASE, "--record", str(record), "--", "sh", "-c"]
    with subprocess.Popen([*command, f"modprobe -a dax_hmem device_dax kmem; {writers} wait"]) as server:
        while not (logs[1].exists() and logs[1].read_text().count("\n") > 50):
            assert server.poll() is None
            time.sleep(0.02)
        server.send_signal(signal.SIGKILL)
    time.sleep(0.2)  # the writers are being ended

    answers, kept = answered(logs), recorded(record)
    assert not answers - kept
    assert (kept - answers).total() <= len(logs)  # recorded, and not answered any more

    before = state(replayed(record))
    shown = subprocess.run([*command, "cat /proc/iomem"], check=True, capture_output=True, text=True)
    assert shown.stdout.splitlines() == before["iomem.txt"]
    assert f"did {kept.total() + 1} recorded steps again" in shown.stderr
