"""Hosts as captures: the machine that this runs on, copies of the files of emulated ones, and what is left out."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from contextlib import suppress
from pathlib import Path

import attrs
import cases
import pytest
from compare import compare
from small_machines import need
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.host import collect, messages
from softreserve.config.host.facts import options
from softreserve.config.host.messages import kernel_log
from softreserve.config.host.privacy import private_cmdline, private_log
from softreserve.config.host.tree import DirectoryTree, LiveTree
from softreserve.live.export import export
from softreserve.machine.boot import boot
from softreserve.model.errors import SoftReserveError
from softreserve.plugins.selection import Selection
from softreserve.views.observe import observe


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The least that a host shows of itself."""
    root = tmp_path / "root"
    write(root, "proc/version", "Linux version 6.12.1 (alice@db01) (gcc 12) #1 SMP\n")
    write(root, "proc/sys/kernel/osrelease", "6.12.1\n")
    write(root, "proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu la57\n\n")
    write(root, "proc/cmdline", "quiet mem=2G\n")
    for number, entry in enumerate(("0x0 0x9ffff System RAM", "0x100000 0xbfffffff System RAM")):
        start, end, kind = entry.split(" ", 2)
        for name, value in (("start", start), ("end", end), ("type", kind)):
            write(root, f"sys/firmware/memmap/{number}/{name}", f"{value}\n")
    return root


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# --- the machine that this runs on


def test_this_machine_is_captured_whatever_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "here"

    assert run("capture", "-o", case) == 0

    assert f"files in {case}" in capsys.readouterr().err
    log = (case / "input/log.txt").read_text() if (case / "input/log.txt").exists() else ""
    if "BIOS-e820" not in log and "node   0: [mem" not in log and not (case / "input/memmap.txt").exists():
        pytest.skip("nothing of this machine's memory is shown here: no log that begins with the boot, no memmap")
    scenario = load(case)
    assert scenario.machine.name == "here"
    need(scenario.machine.arch)
    assert boot(scenario.machine, Selection().hooks_for(scenario.machine)).iomem.lines()


def test_a_capture_never_takes_the_place_of_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("precious")

    assert run("capture", "-o", tmp_path) == 2

    assert "is not empty, it holds 'mine'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# --- copies of the files of emulated machines


@pytest.mark.parametrize(
    "name", ["x86-6.12-two-node-hmat", "arm64-6.12-two-node-hmat", "x86-6.1-many-small", "arm64-64k-aligned"]
)
def test_a_machine_whose_files_are_captured_is_the_same_machine(name: str, tmp_path: Path) -> None:
    scenario = load(cases.unpack(name, tmp_path), with_steps=False)
    need(scenario.machine.arch)
    system = boot(scenario.machine, Selection().hooks_for(scenario.machine))
    export(system, tmp_path / "root")

    assert run("capture", "--sysroot", tmp_path / "root", "-o", tmp_path / "taken") == 0

    taken = load(tmp_path / "taken")
    assert taken.machine.efi_map == scenario.machine.efi_map
    assert taken.machine.acpi == scenario.machine.acpi
    assert taken.machine.kernel.release == scenario.machine.kernel.release
    # what was observed of one is predicted of the other; the options are not among the files
    kernel = attrs.evolve(taken.machine.kernel, config=scenario.machine.kernel.config)
    observe(
        attrs.evolve(taken, machine=attrs.evolve(taken.machine, kernel=kernel)),
        tmp_path / "out",
        Selection().hooks_for,
    )
    found = compare(tmp_path / "taken/expected", tmp_path / "out")
    assert {observation.name for observation in found} >= {"iomem.txt", "log.txt", "nodes.txt", "memory-blocks.txt"}
    # an attribute that refuses is a file that nobody may read, which is not known
    assert [
        line for item in found for line in item.diff if line[0] in "+-" and "EACCES" not in line and " ! " not in line
    ] == []


def test_a_host_that_firmware_of_the_old_kind_booted_has_the_map_that_it_shows(files: Path, tmp_path: Path) -> None:
    assert run("capture", "--sysroot", files, "-o", tmp_path / "case") == 0

    machine = load(tmp_path / "case").machine
    assert [(entry.start, entry.size, entry.type) for entry in machine.e820 or ()] == [
        (0, 0xA0000, 1),
        (0x100000, 0xBFF00000, 1),
    ]
    assert (machine.cpus, machine.cpu_vendor, machine.la57, machine.hypervisor) == (1, "GenuineIntel", True, False)
    assert machine.cmdline.text == "quiet mem=2G"
    assert machine.kernel.release == "6.12.1"


def test_what_only_root_is_shown_is_named(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(files, "proc/iomem", "00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n")
    write(files, "sys/firmware/acpi/tables/SRAT", "")
    (files / "sys/firmware/acpi/tables/SRAT").chmod(0)

    assert run("capture", "--sysroot", files, "-o", tmp_path / "case") == 0

    said = capsys.readouterr().err
    assert "not known: iomem.txt: its addresses are zero for all but root" in said
    assert "not known: acpi/SRAT: who copied it was not allowed to read it" in said
    assert not (tmp_path / "case/expected/iomem.txt").exists()
    scenario = load(tmp_path / "case")
    assert scenario.machine.unknown == {"SRAT"}
    assert "the ACPI tables SRAT" in [gap.missing for gap in scenario.gaps]


@pytest.mark.parametrize("cut", [0, 1], ids=["whole", "cut off"])
def test_options_of_a_configuration_that_is_cut_off_are_not_taken_for_all(files: Path, cut: int) -> None:
    text = "".join(f"CONFIG_OPTION_{number}=y\n" for number in range(2000)) + "CONFIG_NUMA=y\n"
    packed = gzip.compress(text.encode())
    (files / "proc/config.gz").write_bytes(packed[: len(packed) // 2] if cut else packed)

    found = options(DirectoryTree(str(files)), "6.12.1")

    assert (found is None) if cut else found == {"NUMA": "y"}


def test_a_tree_without_anything_of_a_linux_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()

    assert run("capture", "--sysroot", tmp_path / "empty", "-o", tmp_path / "case") == 2

    assert "no files of a running Linux: neither a kernel log nor /proc/version" in capsys.readouterr().err
    assert not (tmp_path / "case").exists()


def test_no_link_leads_out_of_copies(files: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("quiet secret=1\n")
    (files / "proc/cmdline").unlink()
    (files / "proc/cmdline").symlink_to("../../secret")
    (files / "proc/iomem").symlink_to(tmp_path / "secret")
    (files / "proc/modules").symlink_to("modules")
    tree = DirectoryTree(str(files))

    assert [tree.text(f"/proc/{name}") for name in ("cmdline", "iomem", "modules", "../../secret")] == [None] * 4
    assert not any(b"secret" in data for data in collect(tree).files.values())


# --- what is left out

PLANTED = (
    "db01",
    "alice",
    "corp.example",
    "52:54:00:12:34:56",
    "10.20.30.40",
    "3f2a7c1e-1111-2222-3333-444455556666",
    "S3RIAL77",
    "vg_alice",
    "nvme-Samsung",
)
LOG = """\
Nov 21 16:18:01 db01 kernel: [    0.000000] Linux version 6.12.1 (alice@db01.corp.example) (gcc 12) #1 SMP
Nov 21 16:18:01 db01 kernel: [    0.000000] Command line: BOOT_IMAGE=/vmlinuz \
root=UUID=3f2a7c1e-1111-2222-3333-444455556666 ip=10.20.30.40::10.20.30.1 hostname=db01 \
rd.lvm.lv=vg_alice/root crashkernel=256M db01 efi=debug -- alice
Nov 21 16:18:01 db01 kernel: [    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
Nov 21 16:18:01 db01 kernel: [    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable
Nov 21 16:18:01 db01 kernel: [    0.000000] DMI: Maker Model/Board S3RIAL77, BIOS 1 01/01/2020
Nov 21 16:18:01 db01 kernel: [    0.000000] Zone ranges:
Nov 21 16:18:01 db01 kernel: [    0.000000]   DMA      [mem 0x0000000000001000-0x0000000000ffffff]
Nov 21 16:18:02 db01 kernel: [    1.000000] e1000 0000:00:03.0 eth0: 52:54:00:12:34:56
Nov 21 16:18:02 db01 kernel: [    1.000000] memory of db01.corp.example has serial S3RIAL77
Nov 21 16:18:02 db01 kernel: [    1.000000] scsi 0:0:0:0: Direct-Access nvme-Samsung S3RIAL77
Nov 21 16:18:02 db01 systemd[1]: Set hostname to <db01.corp.example>.
Nov 21 16:18:02 db01 kernel: [    2.000000] kmem dax0.0: mapping0: 0x100000000-0x13fffffff could not reserve region
"""


def test_nothing_that_names_somebody_comes_out(files: Path, tmp_path: Path) -> None:
    write(files, "sos_commands/kernel/dmesg", LOG)
    write(files, "proc/cmdline", LOG.splitlines()[1].partition("Command line: ")[2] + "\n")
    write(files, "proc/sys/kernel/hostname", "db01\n")
    write(files, "etc/hostname", "db01.corp.example\n")
    write(files, "proc/modules", "dax_hmem 1 0 - Live 0x0\nalice_driver 1 0 - Live 0x0\n")
    write(files, "boot/config-6.12.1", 'CONFIG_EFI=y\nCONFIG_DEFAULT_HOSTNAME="db01"\nCONFIG_LOCALVERSION="alice"\n')
    write(files, "sys/class/dmi/id/product_serial", "S3RIAL77\n")

    assert run("capture", "--sysroot", files, "-o", tmp_path / "case") == 0

    text = "\n".join(path.read_text() for path in (tmp_path / "case").rglob("*") if path.is_file())
    assert [word for word in PLANTED if word in text] == []
    machine = load(tmp_path / "case").machine
    assert (
        machine.cmdline.text == "BOOT_IMAGE=*** root=*** ip=*** hostname=*** rd.lvm.lv=*** crashkernel=256M efi=debug"
    )
    log = (tmp_path / "case/input/log.txt").read_text().splitlines()
    assert log[2] == "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable"
    assert log[5] == "[    0.000000]   DMA      [mem 0x0000000000001000-0x0000000000ffffff]"
    assert log[-2:] == [
        "[    2.000000] kmem dax0.0: mapping0: 0x100000000-0x13fffffff could not reserve region",
        "# 5 of 12 lines are left out, which do not decide about memory",
    ]


def test_the_whole_log_is_kept_for_who_asks(files: Path, tmp_path: Path) -> None:
    write(files, "sos_commands/kernel/dmesg", LOG)

    assert run("capture", "--sysroot", files, "-o", tmp_path / "case", "--full-log") == 0

    assert (tmp_path / "case/input/log.txt").read_text() == LOG


@pytest.mark.parametrize("name", cases.names())
def test_no_line_that_is_compared_is_left_out(name: str, tmp_path: Path) -> None:
    from compare import masked

    text = (cases.unpack(name, tmp_path) / "expected/log.txt").read_text()

    assert masked("log.txt", private_log(text)) == masked("log.txt", text)


@pytest.mark.parametrize(
    "said",
    [
        "Machine model: ***",
        "Missed 12 kernel messages",
        "** 3 printk messages dropped **",
        "smpboot: CPU0: Intel(R) Xeon(R) Processor (family: 0x6, model: 0xa7, stepping: 0x1)",
        "microcode: sig=0x50654, pf=0x80, revision=0x2006906",
        "x86/mktme: enabled by BIOS",
        "AMD-Vi: Extended features",
        "Booting paravirtualized kernel on bare hardware",
        "kvm-clock: Using msrs 4b564d01 and 4b564d00",
        "DMAR: Host address width 46",
        "PCI: System does not support PCI",
        "esrt: Reserving ESRT space from 0x0000000076f3a318 to 0x0000000076f3a378.",
        "found SMP MP-table at [mem 0x000f5a20-0x000f5a2f]",
        "Reserving Intel graphics memory at [mem 0x7b800000-0x7f7fffff]",
        "setup_percpu: NR_CPUS:512 nr_cpumask_bits:4 nr_cpu_ids:4 nr_node_ids:2",
        "rcu: \tRCU restricting CPUs from NR_CPUS=512 to nr_cpu_ids=4.",
        "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=4, Nodes=2",
        "devtmpfs: initialized",
        ".... node  #0, CPUs:      #1",
        "CPU1: Booted secondary processor 0x0000000001 [0x411fd070]",
        "PM: hibernation: Registered nosave memory: [mem 0x00000000-0x00000fff]",
        "acpi/hmat: Memory Flags:0001 Processor Domain:0 Memory Domain:1",
        "cxl_acpi ACPI0017:00: decoder0.0: endpoint",
        "ACPI: SLIT table looks invalid. Not used.",
        "EFI: mem00: type=7, attr=0xf, range=[0x0000000000000000-0x00000000000a0000) (0MB)",
        "Xen: [mem 0x0000000000000000-0x000000000009ffff] usable",
    ],
)
def test_lines_that_somebody_reads_stay(said: str) -> None:
    assert private_log(f"[    0.000000] {said}\n") == f"[    0.000000] {said}\n"


def test_a_command_line_goes_on_without_what_is_for_init() -> None:
    assert private_cmdline('memmap=1G!4G dyndbg="file x +p" alice -- bob') == "memmap=1G!4G dyndbg=***"
    log = "[    0.000000] Command line: quiet -- \\\n[    0.000000] Command line: alice\n"
    assert "alice" not in private_log(log)


def test_whatever_a_hosts_files_hold_a_capture_can_be_read_again(files: Path, tmp_path: Path) -> None:
    """Or it is said what is wrong with it."""
    odd = 'a"b\\c\u2028\x07\x00é\ud83d'.encode("utf-8", "surrogatepass")
    for name in ("proc/sys/kernel/osrelease", "proc/modules", "proc/meminfo", "sys/firmware/acpi/tables/SRAT"):
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = path.read_bytes() if path.exists() else None
        path.write_bytes(odd)
        case = tmp_path / name.replace("/", "-")
        assert run("capture", "--sysroot", files, "-o", case) == 0
        tomllib.loads((case / "input/kernel.toml").read_text())
        with suppress(SoftReserveError):
            load(case)
        path.unlink() if kept is None else path.write_bytes(kept)
    write(files, "proc/iomem", "00100000-bfffffff : System RAM\n  02000000-01000000 : Kernel code\n")
    assert run("capture", "--sysroot", files, "-o", tmp_path / "image") == 0
    assert load(tmp_path / "image").machine.image.code is None


def test_an_archive_may_have_any_name(files: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "my server (1).tar.gz", "w:gz") as tar:
        tar.add(files, ".")

    assert load(tmp_path / "my server (1).tar.gz").machine.name == "host"


def test_the_journal_has_what_the_kernel_no_longer_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = Path("/proc/sys/kernel/osrelease").read_text().strip()
    said = LOG.replace("6.12.1", release).replace("Nov 21 16:18:01 db01 kernel: ", "")
    lines = [line.replace("] ", "] db01 kernel: ", 1) for line in said.splitlines() if line.startswith("[")]
    (tmp_path / "said").write_text("\n".join([*lines, ""]))
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    (tmp_path / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(messages, "_PLACES", ())
    monkeypatch.setattr(LiveTree, "ring_buffer", lambda self: b"6,900,99000000,-;usb 1-1: new device\n")

    text, hidden = kernel_log(LiveTree())

    assert (hidden, "BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable" in text) == ("", True)
    assert "db01" not in private_log(text)

    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setattr(messages, "_LATER", ())
    assert kernel_log(LiveTree()) == (
        "[   99.000000] usb 1-1: new device\n",
        "it no longer begins with the boot: later messages took the room",
    )


def test_a_container_that_hides_the_firmware_has_firmware_all_the_same(files: Path, tmp_path: Path) -> None:
    write(files, "dmesg", LOG)
    write(files, "acpi-tables", "*\n")
    shutil.rmtree(files / "sys/firmware")
    (files / "sys/firmware").mkdir()

    assert run("capture", "--sysroot", files, "-o", tmp_path / "case") == 0

    said = tomllib.loads((tmp_path / "case/input/kernel.toml").read_text())
    assert "efi" not in said
    assert "acpi" not in said
    assert "the EFI memory map" in [gap.missing for gap in load(tmp_path / "case").gaps]


def test_a_recorded_boot_is_read_without_what_hosts_need(tmp_path: Path) -> None:
    case = cases.unpack("x86-6.12-two-node-hmat", tmp_path)
    code = (
        "import sys; from softreserve.config import load; "
        f"[load(path) for path in ({str(case)!r}, {str(case / 'input')!r})]; "
        "print([name for name in sys.modules if name.startswith('softreserve.config.host')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
