"""Writes the table in ``programs-table.md``: ``python docs/clients.py``, with all wheels, FUSE and the programs.

Each program is run, unmodified, on a machine, and judged by what it prints: what is expected is what it printed on a
real kernel with such a machine, or what follows from the machine's tables. ``python docs/clients.py WORD`` runs those
whose program begins with the word, and shows what they print.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import softreserve as sr
from softreserve.config.new_machine import SPEEDS, Plan, Speed, machine_text
from softreserve.live.shell import Session
from softreserve.testing.machines import static_elf

PAGE = Path(__file__).with_name("programs-table.md")
#: What stands above it is written by hand.
MARK = "<!-- what follows is written by docs/clients.py -->\n"
#: The folder with programs newer than Debian 12's, as ``.ci/newer-clients`` makes it.
FOLDER: Final = "SOFTRESERVE_CLIENTS"
_GIB: Final = 1 << 30

MOVABLE: Final = "+memhp_default_state=online_movable"
#: Machines by the name that trials use: what is loaded, its kernel, and what is added to its command line.
MACHINES: Final = {
    "two-node": ("example:two-node", "7.3", MOVABLE),
    "two-node, 6.1": ("example:two-node", "6.1", ""),
    "two-node, onlined by nobody": ("example:two-node", "7.3", "+memhp_default_state=offline"),
    "two-node, onlined for all": ("example:two-node", "7.3", "+memhp_default_state=online"),
    "another architecture": (f"example:{'arm64-server' if platform.machine() == 'x86_64' else 'two-node'}", "7.3", ""),
    "HBM": ("HBM", "7.3", MOVABLE),
    "xeon-max": ("example:xeon-max", "7.3", MOVABLE),
    "cxl-server": ("example:cxl-server", "7.3", MOVABLE),
}
#: Where hwloc looks, where it is not to ask the processor that it runs on.
_TREE_ONLY: Final = "HWLOC_COMPONENTS=linux,stop HWLOC_THISSYSTEM=0"


class Trial(NamedTuple):
    """Something that a program does: ``words`` of a shell on a machine, and what must be found in what it prints.

    :param lacks: why it does not do it, where it does not; ``expect`` is then what it does instead.
    :param newer: whether it takes a newer program than Debian 12's.
    """

    program: str
    does: str
    machine: str
    words: str
    expect: str
    lacks: str = ""
    newer: bool = False

    @property
    def outcome(self) -> str:
        """What the table says of it, where all is as it must be."""
        return f"no: {self.lacks}" if self.lacks else "yes"


_CALLS: Final = "only the kernel below could say it: system calls are the host's"

TRIALS: Final = (
    Trial(
        "daxctl",
        "`list`",
        "two-node",
        "daxctl list -RDM",
        r'hmem\.0".*"size":2147483648.*"chardev":"dax0\.0".*"target_node":1.*"mode":"system-ram".*"movable":true',
    ),
    Trial(
        "daxctl",
        "`offline-memory`, `online-memory`",
        "two-node",
        "daxctl offline-memory dax0.0 && daxctl online-memory --no-movable dax0.0; daxctl list",
        r'offlined memory for 1 device.*onlined memory for 1 device.*"movable":false',
    ),
    Trial(
        "daxctl",
        "`reconfigure-device` to devdax and back",
        "two-node, onlined by nobody",
        "daxctl reconfigure-device -f -m devdax dax0.0 && daxctl reconfigure-device -m system-ram dax0.0",
        r'reconfigured 1 device.*"mode":"devdax".*reconfigured 1 device.*"mode":"system-ram"',
    ),
    Trial(
        "daxctl",
        "`reconfigure-device` to famfs",
        "two-node",
        "modprobe fsdev_dax; daxctl reconfigure-device -f -m devdax dax0.0 >/dev/null;"
        " daxctl reconfigure-device -m famfs dax0.0",
        r'reconfigured 1 device.*"mode":"famfs"',
        newer=True,
    ),
    Trial(
        "daxctl",
        "`disable-device`, resizing, `create-device`, `enable-device`",
        "two-node",
        "daxctl reconfigure-device -f -m devdax dax0.0 >/dev/null; daxctl disable-device dax0.0;"
        " daxctl reconfigure-device -s 1G dax0.0; daxctl create-device -r 0 -s 512M; daxctl enable-device dax0.0",
        r'disabled 1 device\nreconfigured 1 device\ncreated 1 device.*"size":536870912.*enabled 1 device',
    ),
    Trial(
        "daxctl",
        "`destroy-device`",
        "two-node",
        "daxctl reconfigure-device -f -m devdax dax0.0 >/dev/null; daxctl disable-device dax0.0;"
        " daxctl reconfigure-device -s 1G dax0.0 >/dev/null; daxctl create-device -r 0 -s 512M >/dev/null;"
        " daxctl disable-device dax0.1; daxctl destroy-device dax0.1; daxctl list -i | grep -c chardev",
        r"destroyed 1 device\n1\n",
    ),
    Trial(
        "daxctl",
        "refusals of a kernel that onlines memory in its own way",
        "two-node, onlined for all",
        "daxctl offline-memory dax0.0",
        r"Device or resource busy",
    ),
    Trial("daxctl", "`split-acpi`", "two-node", "daxctl split-acpi", r"failed to open required \./nfit\.dat"),
    Trial(
        "daxctl",
        "`migrate-device-model`",
        "two-node",
        "daxctl migrate-device-model",
        r"failed to install /etc/modprobe\.d/daxctl\.conf",
        "it writes to `/etc/modprobe.d`, where programs in a session find what is the machine's",
    ),
    Trial(
        "daxctl",
        "loading the modules that a mode needs",
        "two-node, 6.1",
        "modprobe -r kmem; lsmod | grep -c ^kmem; daxctl reconfigure-device -m system-ram dax0.0;"
        " lsmod | grep -c ^kmem",
        r"^0\n.*reconfigured 1 device.*\n1\n$",
    ),
    Trial(
        "dd",
        "reading `/dev/dax0.0`",
        "two-node",
        "daxctl reconfigure-device -f -m devdax dax0.0 >/dev/null; dd if=/dev/dax0.0 of=/dev/null count=1",
        r"failed to open '/dev/dax0\.0': Permission denied",
        "there is no memory behind a dax device: it can be looked at, not opened",
    ),
    Trial(
        "ndctl",
        "`list`",
        "two-node",
        "ndctl list -BDRN; echo $?",
        r"^(\[\n\]\n)?0\n$",
        "a machine has no NVDIMMs: the list is empty",
    ),
    Trial(
        "cxl",
        "`list -BPDT`, `list -R`",
        "cxl-server",
        "cxl list -BPD; cxl list -R",
        r'"bus":"root0".*"decoder":"decoder0\.0".*"region":"region\d+".*"decode_state":"commit"',
    ),
    Trial(
        "cxl",
        "`disable-region`, `destroy-region`, `create-region`",
        "cxl-server",
        "daxctl offline-memory dax0.0; cxl disable-region region0; cxl destroy-region region0; cxl list -R;"
        " cxl create-region -t ram -d decoder0.0 -m mem0; daxctl list",
        r'disabled 1 region.*destroyed 1 region.*created 1 region.*"type":"ram".*"decode_state":"commit".*"chardev"',
        newer=True,
    ),
    Trial(
        "cxl",
        "`disable-memdev`, `enable-memdev`",
        "cxl-server",
        "cxl disable-memdev mem0; cxl disable-memdev -f mem0; cxl list -M; cxl enable-memdev mem0; cxl list -M",
        r'part of an active region.*disabled 0 mem.*disabled 1 mem.*enabled 1 mem\n.*"memdev":"mem0"',
    ),
    Trial(
        "cxl",
        "`set-partition`, labels, firmware",
        "cxl-server",
        "cxl set-partition mem0 -s 0",
        r"failed to open /dev/cxl/mem0: Permission denied.*set_partition 0 mem",
        "devices are not emulated: nobody answers at `/dev/cxl/memN`",
    ),
    Trial(
        "cxl",
        "`monitor`",
        "cxl-server",
        "timeout 5 cxl monitor; echo $?",
        r"tracefs_instance_create.*\n254\n$",
        "there are no trace events",
    ),
    Trial(
        "cxl",
        "health, alerts and partitions of a device",
        "cxl-server",
        "cxl list -M -HI 2>&1 | grep -c -e health -e alert_config",
        r"^0\n$",
        "they are asked of the device itself, through ioctls of `/dev/cxl/memN`, and devices are not emulated",
    ),
    Trial(
        "lsmem",
        "blocks, states, zones",
        "two-node",
        "lsmem -o RANGE,SIZE,STATE,NODE,ZONES",
        r"0x0*100000000-0x0*17fffffff +2G +online +1 +Movable",
    ),
    Trial(
        "chmem",
        "taking memory offline and back",
        "two-node",
        "chmem -d -b 32-47 && lsmem | grep offline; chmem -e -z Movable -b 32-47 && lsmem -S ZONES",
        r"0x0*100000000-0x0*17fffffff +2G +offline.*0x0*100000000-0x0*17fffffff +2G +online",
    ),
    Trial(
        "chcpu",
        "taking a processor offline",
        "xeon-max",
        "chcpu -d 3",
        r"CPU 3 is not hot pluggable",
        "which processors run is decided at boot (`maxcpus=`, `nr_cpus=`)",
    ),
    Trial("lscpu", "processors and nodes", "xeon-max", "lscpu", r"CPU\(s\): +112\n.*NUMA node\(s\): +4\n"),
    Trial(
        "lscpu",
        "the first line, of another architecture than the host's",
        "another architecture",
        "LC_ALL=C lscpu | head -n 1",
        rf"^Architecture: +{re.escape(platform.machine())}$",
        f"it is uname(2)'s, and {_CALLS}",
    ),
    Trial(
        "lstopo",
        "nodes of specific purpose memory",
        "HBM",
        f"{_TREE_ONLY} lstopo-no-graphics -v --of console",
        r"NUMANode.*P#2 .*DAXDevice=dax0\.0.*hmem\.0.*NUMANode.*P#3 .*DAXDevice=dax1\.0.*hmem\.1",
    ),
    Trial(
        "lstopo",
        "memory attributes: what the HMAT says",
        "HBM",
        f"{_TREE_ONLY} lstopo-no-graphics --memattrs",
        r"name `Bandwidth'.*L#1 = 512000 from.*name `Latency'.*L#0 = 110 from.*L#1 = 130 from",
    ),
    Trial(
        "lstopo",
        "caches, PCI devices, the product's name",
        "xeon-max",
        f"{_TREE_ONLY} lstopo-no-graphics --of console | grep -c -e L3 -e PCI -e DMI",
        r"^0\n$",
        "no description of a machine has them",
    ),
    Trial(
        "hwloc-info",
        "the best target for bandwidth is HBM, for latency DRAM",
        "xeon-max",
        f"for a in bandwidth latency; do {_TREE_ONLY} hwloc-info --best-memattr $a pu:0 | grep 'os index'; done",
        r"^ os index = 2\n os index = 0\n$",
    ),
    Trial(
        "memkind-hbw-nodes",
        "the HBM nodes, where the host has the machine's processors",
        "HBM",
        "memkind-hbw-nodes",
        r"^2,3\n$",
    ),
    Trial(
        "memkind-hbw-nodes",
        "the HBM nodes of a machine with more processors than the host",
        "xeon-max",
        "memkind-hbw-nodes; echo $?",
        r"^1\n$",
        f"it goes from node to node by sched_setaffinity(2), and {_CALLS}",
    ),
    Trial(
        "memkind-auto-dax-kmem-nodes",
        "the nodes of dax devices that are given to kmem",
        "xeon-max",
        "memkind-auto-dax-kmem-nodes",
        r"^2,3\n$",
    ),
    Trial(
        "numactl",
        "`-H`: nodes, their processors, sizes and distances",
        "xeon-max",
        "numactl -H",
        r"available: 4 nodes \(0-3\).*node 2 cpus:\nnode 2 size: 65536 MB.*node distances:.*0: +10 +21 +13 +23",
    ),
    Trial(
        "numactl",
        "binding a program to a node: `numactl --membind=2`",
        "xeon-max",
        "numactl --membind=2 true; echo $?",
        r"node argument 2 is out of range.*\n1\n$",
        f"`/proc/self/status` and set_mempolicy(2) decide, and {_CALLS}",
    ),
    Trial(
        "numastat",
        "of nodes, and `-m`",
        "two-node",
        "numastat; numastat -m 2>/dev/null",
        r"numa_hit +0 +0 *\n.*MemTotal +2031\.\d+ +2048\.00 +4079\.\d+\n",
    ),
    Trial(
        "sh",
        "asking for huge pages on a node",
        "HBM",
        "cd /sys/devices/system/node/node2/hugepages/hugepages-2048kB; echo 512 >nr_hugepages; cat free_hugepages;"
        " grep -e HugePages_Total /proc/meminfo",
        r"^512\nHugePages_Total: +512\n$",
    ),
    Trial("free", "memory", "two-node", "LC_ALL=C free -m", r"Mem: +4079 +0 +4079 "),
    Trial("vmstat", "`-s`: memory", "two-node", "vmstat -s", r"41775\d\d K total memory.* 0 (K )?paged in"),
    Trial(
        "acpidump",
        "tables, and `acpixtract` and `iasl` with what it prints",
        "HBM",
        "acpidump -n HMAT -n SRAT >d && acpixtract -s HMAT d && iasl -d hmat.dat >/dev/null 2>&1;"
        " grep -m 1 Signature hmat.dsl",
        r'Signature : "HMAT"',
    ),
    Trial(
        "udevadm",
        "`info` of devices, blocks and nodes",
        "HBM",
        "udevadm info -q property -n /dev/dax0.0; udevadm info -q path -p /sys/devices/system/node/node2",
        r"DEVNAME=/dev/dax0\.0\nDRIVER=kmem\nMODALIAS=dax:t0\nMAJOR=\d+\nMINOR=0\nSUBSYSTEM=dax\n.*/node/node2\n",
        newer=True,
    ),
    Trial(
        "udevadm",
        "`trigger`",
        "HBM",
        "udevadm trigger -v -s dax; echo $?",
        r"/hmem\.0/dax0\.0\n.*/hmem\.1/dax1\.0\n0\n",
        newer=True,
    ),
    Trial(
        "udevadm",
        "`test`: what a rule of yours would do",
        "two-node, onlined by nobody",
        """mkdir r; echo 'SUBSYSTEM=="memory", ATTR{state}=="offline", ATTR{state}="online_movable"' >r/80.rules;"""
        " udevadm test -a add --extra-rules-dir=$PWD/r /sys/devices/system/memory/memory32 2>&1",
        r"Written sysfs attributes:\n +state : online_movable\n",
        newer=True,
    ),
    Trial(
        "udevadm",
        "`monitor`, and rules that run by themselves",
        "HBM",
        "timeout 2 udevadm monitor -k -s dax & sleep 1; echo add >/sys/bus/dax/devices/dax0.0/uevent; wait",
        r"\A(?!.*dax0\.0)",
        "events go over a netlink socket, which is the host's; what udev does is chosen with `--userspace`",
        newer=True,
    ),
    Trial(
        "kexec",
        "`-d -l`: what the next kernel would be told of memory",
        "two-node",
        "kexec -d -c -l image",
        r"\b0*100000000-0*17fffffff\b",
    ),
    Trial(
        "kexec",
        "loading it",
        "two-node",
        "cat /sys/kernel/kexec_loaded; kexec -c -l image 2>&1; cat /sys/kernel/kexec_loaded",
        r"^0\n.*\n0\n$",
        "kexec_load(2) would be the host's, and nobody in a session may call it; `softreserve kexec` does",
    ),
    Trial(
        "modprobe",
        "and `lsmod`, `modinfo`, `rmmod`, `insmod`",
        "two-node, 6.1",
        "rmmod kmem; lsmod | grep -c ^kmem; modprobe kmem; lsmod | grep -c ^kmem; modinfo -F name dax_hmem",
        r"^0\n1\ndax_hmem\n$",
    ),
    Trial("dmesg", "what has to do with memory", "two-node", "dmesg", r"Linux version 7\.3.*efi: mem\d+:.*\[.*SP"),
    Trial("uname", "`-a`; `nproc`", "xeon-max", "uname -r; nproc", r"^7\.3\n112\n$"),
    Trial(
        "python3",
        "`os.uname()`, `os.cpu_count()`",
        "xeon-max",
        "python3 -c 'import os; print(os.uname().release)'",
        rf"^{re.escape(platform.release())}\n$",
        f"they are uname(2) and sched_getaffinity(2), and {_CALLS}",
    ),
)

#: How to ask a program for its version, where it is not ``--version``.
_ASK: Final = {
    "acpidump": "acpidump -v",
    "sh": "dpkg-query -W -f '${Version}' dash",
    "lstopo": "lstopo-no-graphics --version",
    "memkind-auto-dax-kmem-nodes": "dpkg-query -W -f '${Version}' libmemkind-progs",
    "memkind-hbw-nodes": "dpkg-query -W -f '${Version}' libmemkind-progs",
    "numactl": "numactl --version 2>/dev/null || dpkg-query -W -f '${Version}' numactl",
    "numastat": "numactl --version 2>/dev/null || dpkg-query -W -f '${Version}' numactl",
}
_VERSION: Final = re.compile(r"\d{8}|\d+(?:\.\d+)+|\d{2,3}")


def folders() -> list[str]:
    """Where programs are: ``""`` stands for those that are installed, and a folder for newer ones, if there is one."""
    newer = os.environ.get(FOLDER)
    return ["", *([newer] if newer else [])]


def path_of(folder: str) -> str:
    """``PATH`` with the programs of that folder first."""
    return os.pathsep.join([*([folder] if folder else []), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def is_there(trial: Trial, folder: str) -> bool:
    """Whether that folder has its program; installed ones are not asked for what they are too old for."""
    name = "lstopo-no-graphics" if trial.program == "lstopo" else trial.program
    if folder:
        return os.access(os.path.join(folder, name), os.X_OK)
    return not trial.newer and shutil.which(name, path=path_of("")) is not None


def run(trial: Trial, folder: str = "") -> str:
    """What its words print on its machine, both outputs.

    :raises FuseError, SessionError: this system gives no session.
    """
    spec, kernel, cmdline = MACHINES[trial.machine]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "image").write_bytes(static_elf())
        if spec == "HBM":
            spec = os.path.join(directory, "hbm.toml")
            Path(spec).write_text(hbm_machine())
        system = sr.boot(sr.load(spec, kernel=kernel, cmdline=cmdline or None))
        with Session(system) as session:
            return session.run(f"cd {directory}; PATH={path_of(folder)}; export PATH; {trial.words}")[1]


def hbm_machine() -> str:
    """Two sockets with one processor each, so that every host has them, DRAM, and four times as fast HBM."""
    speeds = {**SPEEDS, "dram": Speed(110, 128_000)}
    plan = Plan("hbm", "x86_64", sockets=2, cpus=1, dram=64 * _GIB, hbm=16 * _GIB, speeds=speeds)
    return machine_text(plan, command="docs/clients.py")


def judge(trial: Trial, output: str) -> str:
    """What the table says of it: :attr:`Trial.outcome`, or that it has changed."""
    found = re.search(trial.expect, output, re.DOTALL)
    return trial.outcome if found else f"CHANGED, expected {trial.expect!r}: {output[-2000:]}"


@cache
def version(program: str, folder: str) -> str:
    """What a program says that it is."""
    words = _ASK.get(program, f"{program} --version")
    environment = {**os.environ, "PATH": path_of(folder)}
    asked = subprocess.run(["/bin/sh", "-c", words], env=environment, capture_output=True, text=True, check=False)
    # what follows the first lines is a licence, or a year
    found = _VERSION.search("\n".join((asked.stdout or asked.stderr).strip().splitlines()[:2]))
    return found[0] if found else "?"


def page(rows: Sequence[tuple[str, ...]]) -> str:
    """The whole page with these rows."""
    head, mark, _ = PAGE.read_text().partition(MARK)
    assert mark, "the mark is gone"
    cells = [("program", "versions", "what", "does it"), *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(3)]
    cells.insert(1, (*("-" * width for width in widths), "-------"))
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)) for row in cells)
    return head + mark + "\n" + "".join(f"| {line} |\n" for line in lines)


def row(trial: Trial, outcome: str, versions: Sequence[str]) -> tuple[str, ...]:
    """A row of the table."""
    name = "lstopo-no-graphics" if trial.program == "lstopo" else trial.program
    return f"`{name}`", ", ".join(dict.fromkeys(versions)), trial.does, outcome


def rows_of(text: str) -> list[tuple[str, ...]]:
    """Rows of a page's table, without the versions."""
    lines = text.partition(MARK)[2].strip().splitlines()[2:]
    split = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    return [(cells[0], *cells[2:]) for cells in split]


def tried(trials: Sequence[Trial]) -> Iterator[tuple[Trial, str, list[str]]]:
    """Each trial with its outcome, and the versions of its program."""
    for trial in trials:
        found = [folder for folder in folders() if is_there(trial, folder)]
        if not found:
            raise SystemExit(f"{trial.program} is not here: see .ci/run, and .ci/newer-clients for what is newer")
        outcomes = dict.fromkeys(judge(trial, run(trial, folder)) for folder in found)
        wrong = [outcome for outcome in outcomes if outcome != trial.outcome]
        yield trial, wrong[0] if wrong else trial.outcome, [version(trial.program, folder) for folder in found]


def main(words: Sequence[str], say: Callable[[str], object] = print) -> int:
    """Write the page, or show what programs print; 1: one does not do what it should."""
    if words:
        for trial in (trial for trial in TRIALS if trial.program.startswith(words[0])):
            for folder in filter(lambda folder: is_there(trial, folder), folders()):
                output = run(trial, folder)
                say(f"--- {trial.program} {version(trial.program, folder)}: {trial.does}")
                say(output + judge(trial, output))
        return 0
    rows, changed = [], 0
    for trial, outcome, versions in tried(TRIALS):
        rows.append(row(trial, outcome, versions))
        if outcome != trial.outcome:
            changed = 1
            say(f"{trial.program}: {trial.does}: {outcome}")
    if not changed:
        PAGE.write_text(page(rows))
    return changed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
