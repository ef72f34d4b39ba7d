"""What collectors of reports and firmware's own programs write: read as it is."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import cases
import pytest
from small_machines import X86, need
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.acpi_dump import tables_at
from softreserve.config.builds import built
from softreserve.model.efi import EfiDescriptor, EfiType
from softreserve.model.efi_shell import parse_shell_map
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import ConfigError, InputError
from test_capture_host import PLANTED

LOG = """\
[    0.000000] Linux version 5.14.0-362.8.1.el9_3.x86_64 (mockbuild@builder) (gcc 11) #1 SMP PREEMPT_DYNAMIC
[    0.000000] Command line: root=UUID=3f2a7c1e-1111-2222-3333-444455556666 ro crashkernel=256M
[    0.000000] BIOS-provided physical RAM map:
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000023fffffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000240000000-0x000000033fffffff] soft reserved
[    0.000000] smp: Brought up 1 node, 2 CPUs
"""
CPUINFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu la57
address sizes\t: 46 bits physical, 57 bits virtual

"""
UNAME = "Linux db01 5.14.0-362.8.1.el9_3.x86_64 #1 SMP PREEMPT_DYNAMIC Tue x86_64 x86_64 x86_64 GNU/Linux"
IOMEM = "00001000-0009ffff : System RAM\n00100000-bfffffff : System RAM\n  01000000-01ffffff : Kernel code\n"
E820 = [(0, 0xA0000), (0x100000, 0xBFF00000), (0x100000000, 0x140000000), (0x240000000, 0x100000000)]


def packed(path: Path, files: dict[str, bytes | str]) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name, data in files.items():
            content = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def srat(tmp_path: Path) -> bytes:
    return (cases.unpack("x86-6.12-two-node-hmat", tmp_path) / "input/acpi/SRAT.bin").read_bytes()


# --- collectors of reports


def test_a_sosreport_is_a_machine(tmp_path: Path) -> None:
    top = "sosreport-db01-2026-11-21-abcdefg"
    table = srat(tmp_path)
    path = packed(
        tmp_path / f"{top}.tar.xz",
        {
            f"{top}/sos_commands/kernel/dmesg": LOG,
            f"{top}/sos_commands/kernel/dmesg_-T": LOG.replace("[    0.000000]", "[Sat Nov 21 16:18:01 2026]"),
            f"{top}/sos_commands/kernel/uname_-a": f"{UNAME}\n",
            f"{top}/sos_commands/logs/journalctl_--no-pager_--boot_-1": "another boot\n",
            f"{top}/proc/cmdline": "root=UUID=3f2a7c1e-1111-2222-3333-444455556666 ro crashkernel=256M\n",
            f"{top}/proc/cpuinfo": CPUINFO + CPUINFO.replace(": 0", ": 1"),
            f"{top}/proc/iomem": IOMEM,
            f"{top}/proc/modules": "dax_hmem 16384 0 - Live 0x0000000000000000\n",
            f"{top}/sys/firmware/acpi/tables/SRAT": table,
            f"{top}/sys/firmware/acpi/tables/DSDT": b"DSDT",
            f"{top}/sys/devices/system/node/node0/distance": "10\n",
            f"{top}/boot/config-5.14.0-362.8.1.el9_3.x86_64": "CONFIG_EFI_SOFT_RESERVE=y\nCONFIG_NR_CPUS=8192\n",
            f"{top}/etc/hostname": "db01.corp.example\n",
            f"{top}/dmidecode": "Serial Number: S3RIAL77\n",
        },
    )

    assert main(["capture", "--sysroot", str(path), "-o", str(tmp_path / "case")]) == 0

    machine = load(tmp_path / "case").machine
    assert (machine.kernel.release, machine.kernel.arch) == ("5.14.0-362.8.1.el9_3.x86_64", "x86_64")
    assert (machine.cpus, machine.cpu_vendor, machine.la57, machine.phys_bits) == (2, "GenuineIntel", True, 46)
    assert [(entry.start, entry.size) for entry in machine.e820 or ()] == E820
    assert (machine.acpi["SRAT"], machine.unknown) == (table, frozenset())
    assert machine.kernel.config["NR_CPUS"] == 8192
    assert (machine.image.code is not None, machine.cmdline.text) == (True, "root=*** ro crashkernel=256M")
    assert load(path).machine.e820 == machine.e820
    # what a report lacks is not known, and no fact about its host
    assert "the EFI memory map" in [gap.missing for gap in load(path).gaps]
    assert not (tmp_path / "case/expected/nodes.txt").exists()
    assert '"nodes.txt" = "the copy has only parts of it"' in (tmp_path / "case/capture.toml").read_text()
    text = "".join(file.read_text("latin-1") for file in (tmp_path / "case").rglob("*") if file.is_file())
    assert [word for word in PLANTED if word in text] == []


def section(kind: str, about: str, content: str) -> str:
    return f"#==[ {kind} ]{'=' * 30}#\n# {about}\n{content}\n\n"


def test_a_supportconfig_is_a_machine(tmp_path: Path) -> None:
    top = "scc_db01_261121_1618"
    stamped = LOG.replace("[    0.000000]", "[Sat Nov 21 16:18:01 2026]")
    head = "=" * 77 + "\n                     Support Utilities - Supportconfig\n" + "=" * 77 + "\n\n"
    files: dict[str, bytes | str] = {
        f"{top}/basic-environment.txt": head
        + section("Command", "/bin/date", "Sat Nov 21")
        + section(
            "Command", "/usr/bin/uname -a", "Linux db01 5.14.0-362.8.1.el9_3.x86_64 #1 SMP Tue x86_64 x86_64 GNU/Linux"
        ),
        f"{top}/boot.txt": head
        + section("Configuration File", "/proc/cmdline", "root=/dev/vg_alice/root crashkernel=256M")
        + section("Configuration File", "/etc/lilo.conf - File not found", "")
        + section("Command", "/usr/bin/dmesg -T | grep drm", "[Sat Nov 21 16:18:01 2026] drm")
        + section("Command", "/usr/bin/dmesg -T", stamped),
        f"{top}/hardware.txt": head + section("Configuration File", "/proc/cpuinfo", CPUINFO.strip()),
    }

    machine = load(packed(tmp_path / f"{top}.txz", files)).machine

    assert (machine.name, machine.kernel.release, machine.cpus) == (top, "5.14.0-362.8.1.el9_3.x86_64", 1)
    assert [(entry.start, entry.size) for entry in machine.e820 or ()] == E820
    assert machine.cmdline.text == "root=*** crashkernel=256M"


def test_a_report_without_tables_is_looked_at_as_other_machines_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need(X86)
    path = str(packed(tmp_path / "sosreport-db01.tar.xz", {"sosreport-db01/sos_commands/kernel/dmesg": LOG}))

    assert [main([command, path]) for command in ("boot", "lint", "kexec")] == [0, 1, 1]
    assert capsys.readouterr().err.count("partial answer, without the ACPI tables SRAT, SLIT, HMAT, CEDT") == 3


def test_what_hwloc_gathers_is_no_machine_and_says_so(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "box/proc/cpuinfo": CPUINFO,
        "box/proc/version": "Linux version 6.12.1 (alice@db01) (gcc 12) #1 SMP\n",
        "box/sys/devices/system/node/node0/distance": "10\n",
        "box/sys/devices/system/node/online": "0\n",
        "box/sys/devices/system/node/possible": "0\n",
    }
    path = packed(tmp_path / "box.tar.xz", files)

    assert main(["capture", "--sysroot", str(path), "-o", str(tmp_path / "case")]) == 0

    assert "/node0/distance = 10" in (tmp_path / "case/expected/nodes.txt").read_text()
    with pytest.raises(ConfigError, match="no memory map: neither BIOS-e820 lines nor those of efi=debug in a log"):
        load(path)


# --- acpidump


def dumped(name: str, table: bytes) -> str:
    rows = [table[at : at + 16] for at in range(0, len(table), 16)]
    lines = [
        f"    {16 * number:04X}: {row.hex(' ').upper():<47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in row)}"
        for number, row in enumerate(rows)
    ]
    return "\n".join([f"{name} @ 0x0000000000000000", *lines, "", ""])


def test_acpidump_prints_tables(tmp_path: Path) -> None:
    table = srat(tmp_path)
    other = b"SSDT" + (40).to_bytes(4, "little") + bytes(32)
    for text in (
        dumped("SRAT", table) + dumped("SSDT", other) + dumped("SSDT", other),
        ("$ sudo acpidump\n" + dumped("SRAT", table)).replace("\n", "\r\n"),
    ):
        (tmp_path / "acpidump.out").write_text(text)
        assert tables_at(tmp_path / "acpidump.out")["SRAT"] == table
    (tmp_path / "srat.dat").write_bytes(table)
    assert tables_at(tmp_path / "srat.dat") == {"SRAT": table}
    (tmp_path / "log").write_text(LOG)
    need(X86)
    assert main(["boot", str(tmp_path / "log"), "--acpi", str(tmp_path / "acpidump.out"), "--emit", "nodes"]) == 0


def test_a_dump_with_bytes_missing_is_refused(tmp_path: Path) -> None:
    lines = dumped("SRAT", srat(tmp_path)).splitlines()
    path = tmp_path / "acpidump.out"
    for text, said in (
        ("\n".join(lines[:2] + lines[3:]), "line 3: bytes of a table are missing: those at 0x10, before 0x20"),
        ("\n".join(lines[:4]), "line 1: SRAT"),
        ("nothing", "neither an ACPI table nor what acpidump prints"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            tables_at(path)
    with pytest.raises(InputError, match="no such directory or file"):
        tables_at(tmp_path / "none")


def test_the_real_program_makes_what_is_read(tmp_path: Path) -> None:
    if shutil.which("acpixtract") is None:
        pytest.skip("needs acpixtract: apt install acpica-tools")
    table = srat(tmp_path)
    (tmp_path / "acpidump.out").write_text(dumped("SRAT", table))
    subprocess.run(["acpixtract", "-a", "acpidump.out"], cwd=tmp_path, check=True, capture_output=True)

    assert tables_at(tmp_path / "srat.dat")["SRAT"] == table


# --- memmap of a UEFI shell

MAP = """\
FS0:\\> memmap
Type       Start            End              # Pages          Attributes
BS_Code    0000000000000000-0000000000000FFF 0000000000000001 000000000000000F
Available  0000000000001000-000000000009FFFF 000000000000009F 000000000000000F
Available  0000000000100000-00000000BFFFFFFF 00000000000BFF00 000000000000000F
RT_Data    00000000C0000000-00000000C0000FFF 0000000000000001 800000000000000F
Available  0000000100000000-000000013FFFFFFF 0000000000040000 000000000004000F
80000001   0000000140000000-0000000140000FFF 0000000000000001 000000000000000F

  Reserved  :              0 Pages (0 Bytes)
  Total Memory: 4,095 MB (4,293,918,720 Bytes)
"""
SFO = """\
ShellCommand,"memmap"
MemoryMap,"BootServiceCode","0","FFF","1","F"
MemoryMap,"Available","1000","9FFFF","9F","F"
MemoryMap,"Available","100000","BFFFFFFF","BFF00","F"
MemoryMap,"RuntimeData","C0000000","C0000FFF","1","800000000000000F"
MemoryMap,"Available","100000000","13FFFFFFF","40000","4000F"
MemoryMap,"80000001","140000000","140000FFF","1","F"
"""


def test_a_shell_prints_the_map_of_the_firmware() -> None:
    found = parse_shell_map(MAP)

    assert found.descriptors[0] == EfiDescriptor(EfiType.BOOT_SERVICES_CODE, 0, 1, 0xF)
    assert found.descriptors[3] == EfiDescriptor(EfiType.RUNTIME_SERVICES_DATA, 0xC0000000, 1, 0x800000000000000F)
    assert found.descriptors[4].is_special_purpose
    assert found.descriptors[5].type == 0x80000001
    assert parse_shell_map(SFO) == parse_efi_memmap(MAP) == found
    assert parse_shell_map(MAP.replace("Available", "available").replace("# Pages", "Pages")) == found


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("Available  0000000000001000", "Avialable  0000000000001000", "line 4: unknown memory type 'Avialable'"),
        (
            "000000000000009F 000000000000000F",
            "000000000000009F",
            "line 4: wanted type, start-end, pages and attributes",
        ),
        ("000000000000009F", "000000000000009E", "line 4: 0x9e pages from 0x1000 on do not end at 0x9ffff"),
    ],
)
def test_a_line_of_a_shells_map_that_cannot_be_read_is_named(was: str, now: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_shell_map(MAP.replace(was, now, 1))


def test_a_shells_map_is_a_machine_or_what_a_log_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need(X86)
    (tmp_path / "memmap.txt").write_bytes(MAP.encode("utf-16"))
    (tmp_path / "log").write_text(LOG)

    bare = load(tmp_path / "memmap.txt", release="6.12")
    assert (bare.machine.name, bare.machine.kernel.base) == ("memmap", "6.12")
    assert bare.machine.kernel.words == built("6.12", X86).words
    assert [gap.missing for gap in bare.gaps][:2] == ["the architecture", "the command line"]
    assert "the kernel" in [gap.missing for gap in load(tmp_path / "memmap.txt").gaps]

    assert main(["boot", str(tmp_path / "log"), "--efi-map", str(tmp_path / "memmap.txt"), "--emit", "iomem"]) == 0
    said = capsys.readouterr()
    assert "100000000-13fffffff : Soft Reserved" in said.out
    assert "the EFI memory map" not in said.err
