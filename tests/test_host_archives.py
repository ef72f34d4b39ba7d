"""Tar archives of hosts: what collectors write is read without unpacking, what strangers make up is refused."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import cases
import pytest
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.host import archive
from softreserve.config.host.archive import read_archive
from softreserve.model.errors import InputError

FILES = {
    "proc/sys/kernel/osrelease": b"6.12.1\n",
    "proc/cpuinfo": b"processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu\n\n",
    "proc/cmdline": b"quiet mem=2G\n",
    "sys/firmware/memmap/0/start": b"0x100000\n",
    "sys/firmware/memmap/0/end": b"0xbfffffff\n",
    "sys/firmware/memmap/0/type": b"System RAM\n",
    "sys/class/dmi/id/product_serial": b"S3RIAL77\n",
}


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def pack(
    path: Path,
    mode: str = "w",
    prefix: str = "",
    more: Callable[[tarfile.TarFile], None] = lambda tar: None,
    layout: int = tarfile.GNU_FORMAT,
) -> Path:
    """A host's files as an archive, with what ``more`` adds."""
    with tarfile.open(path, mode, format=layout) as tar:  # type: ignore[call-overload]
        for name, data in FILES.items():
            tar.addfile(member(prefix + name, size=len(data)), io.BytesIO(data))
        more(tar)
    return path


@pytest.mark.parametrize(
    ("layout", "mode", "prefix"),
    [
        (tarfile.GNU_FORMAT, "w", ""),
        (tarfile.PAX_FORMAT, "w:gz", "./"),
        (tarfile.USTAR_FORMAT, "w:bz2", "my-server/"),
        (tarfile.USTAR_FORMAT, "w:xz", "./a/" + "long" * 12 + "/"),
        (tarfile.PAX_FORMAT, "w:xz", "./a/" + "long" * 30 + "/"),
    ],
)
def test_a_host_in_an_archive_is_a_machine(tmp_path: Path, prefix: str, mode: str, layout: int) -> None:
    path = pack(tmp_path / "my-server.tar", mode, prefix, layout=layout)

    machine = load(path).machine

    assert (machine.name, machine.kernel.release, machine.cmdline.text) == ("my-server", "6.12.1", "quiet mem=2G")
    assert [(entry.start, entry.size) for entry in machine.e820 or ()] == [(0x100000, 0xBFF00000)]


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_whole(tmp_path: Path, layout: int) -> None:
    name = f"{'d' * 90}/{'e' * 90}/sys/firmware/{'f' * 90}"

    def more(tar: tarfile.TarFile) -> None:
        tar.addfile(member(name, size=2), io.BytesIO(b"ok"))
        tar.addfile(member("sys/firmware/to", tarfile.SYMTYPE, f"../../{name}"))

    tree = read_archive(str(pack(tmp_path / "long.tar", more=more, layout=layout)))

    assert [tree.read(f"/{name}"), tree.read("/sys/firmware/to")] == [b"ok", b"ok"]


def test_a_capture_that_was_packed_is_the_capture(tmp_path: Path) -> None:
    pack(tmp_path / "host.tar")
    assert main(["capture", "--sysroot", str(tmp_path / "host.tar"), "-o", str(tmp_path / "case")]) == 0
    with tarfile.open(tmp_path / "packed.tar.xz", "w:xz") as tar:
        tar.add(tmp_path / "case", "case")

    assert load(tmp_path / "packed.tar.xz").machine.e820 == load(tmp_path / "case").machine.e820


@pytest.mark.parametrize("name", ["x86-6.12-two-node-hmat", "x86-7.3-cxl-committed", "arm64-6.18-tables"])
def test_a_recorded_boot_that_was_packed_is_the_recorded_boot(name: str, tmp_path: Path) -> None:
    packed, unpacked = load(cases.ARCHIVES / f"{name}.tar.xz"), load(cases.unpack(name, tmp_path))

    assert unpacked.machine.acpi
    assert packed.machine == unpacked.machine
    assert (packed.steps, packed.kexec) == (unpacked.steps, unpacked.kexec)


def test_what_is_not_wanted_is_not_kept(tmp_path: Path) -> None:
    tree = read_archive(str(pack(tmp_path / "host.tar")))

    assert tree.entry("/sys/class/dmi/id/product_serial") is None


def refused(tmp_path: Path, more: Callable[[tarfile.TarFile], None]) -> str:
    """What is said of an archive."""
    path = pack(tmp_path / "host.tar", more=more)
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "kind", "target", "said"),
    [
        ("/etc/passwd", tarfile.REGTYPE, "", "member '/etc/passwd' has an absolute path"),
        ("proc/../../iomem", tarfile.REGTYPE, "", "member 'proc/../../iomem' has '..' in its path"),
        ("proc/iomem", tarfile.SYMTYPE, "/etc/passwd", "is a link that leads out of the archive, to '/etc/passwd'"),
        ("proc/iomem", tarfile.SYMTYPE, "../../x", "is a link that leads out of the archive, to '../../x'"),
        ("proc", tarfile.SYMTYPE, "/proc", "is a link that leads out of the archive, to '/proc'"),
        ("proc/iomem", tarfile.FIFOTYPE, "", "member 'proc/iomem' is a pipe"),
        ("proc/iomem", tarfile.CHRTYPE, "", "member 'proc/iomem' is a device"),
    ],
)
def test_members_that_no_host_has_are_refused(tmp_path: Path, name: str, kind: bytes, target: str, said: str) -> None:
    assert said in refused(tmp_path, lambda tar: tar.addfile(member(name, kind, target)))


def test_a_hard_link_leads_to_a_member_only(tmp_path: Path) -> None:
    def more(tar: tarfile.TarFile) -> None:
        tar.addfile(member("proc/iomem", tarfile.LNKTYPE, "etc/passwd"))
        tar.addfile(member("proc/version", tarfile.LNKTYPE, "../../etc/passwd"))
        tar.addfile(member("proc/modules", tarfile.LNKTYPE, "proc/cmdline"))

    tree = read_archive(str(pack(tmp_path / "host.tar", more=more)))

    assert [tree.text(f"/proc/{name}") for name in ("iomem", "version", "modules")] == [None, None, "quiet mem=2G"]


def test_links_that_lead_in_circles_lead_nowhere(tmp_path: Path) -> None:
    def more(tar: tarfile.TarFile) -> None:
        tar.addfile(member("sys/firmware/a", tarfile.SYMTYPE, "b"))
        tar.addfile(member("sys/firmware/b", tarfile.SYMTYPE, "a"))

    tree = read_archive(str(pack(tmp_path / "host.tar", more=more)))

    assert (tree.text("/sys/firmware/a"), tree.names("/sys/firmware/a")) == (None, [])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_that_is_cut_off_is_refused_wherever_that_is(tmp_path: Path, mode: str) -> None:
    whole = pack(tmp_path / "whole.tar", mode, more=lambda tar: None).read_bytes()
    last = len(whole) - (10240 - len(FILES) * 1024 if mode == "w" else 12)
    path = tmp_path / "cut.tar"
    for length in (*range(512, last, max(last // 20, 1)), last):
        path.write_bytes(whole[:length])
        with pytest.raises(
            InputError, match=r"cut\.tar: .*(cut off|broken \w+ data|no tar archive|neither a kernel log)"
        ):
            load(path)


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "host.tar")
    data = bytearray(path.read_bytes())
    data[1024 + 3] ^= 1
    path.write_bytes(data)

    with pytest.raises(InputError, match="byte 1024: it is damaged: this is no member's header"):
        load(path)


def test_nothing_that_unpacks_without_end_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LONG", 1 << 20)

    def more(tar: tarfile.TarFile) -> None:
        tar.addfile(member("var/big", size=16 << 20), io.BytesIO(bytes(16 << 20)))

    path = pack(tmp_path / "bomb.tar.xz", "w:xz", more=more)

    with pytest.raises(InputError, match="unpacked it is larger than any host's files"):
        load(path)


def test_an_archive_has_so_many_members_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MEMBERS_MAX", len(FILES))
    assert load(pack(tmp_path / "host.tar")).machine.cpus == 1

    monkeypatch.setattr(archive, "_MEMBERS_MAX", len(FILES) - 1)
    with pytest.raises(InputError, match=f"it has more than {len(FILES) - 1} members"):
        load(tmp_path / "host.tar")


def test_more_than_is_kept_of_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "_KEPT_MAX", 4096)

    def more(tar: tarfile.TarFile) -> None:
        tar.addfile(member("proc/iomem", size=8192), io.BytesIO(bytes(8192)))

    path = pack(tmp_path / "host.tar", more=more)

    assert main(["capture", "--sysroot", str(path), "-o", str(tmp_path / "case")]) == 0
    assert "not known: iomem.txt: it cannot be read: File too large" in capsys.readouterr().err


def test_a_header_of_pax_has_so_many_bytes_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_HEADER_MAX", 1024)
    path = tmp_path / "host.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = member("proc/version")
        info.pax_headers = {"comment": "x" * 2048}
        tar.addfile(info)

    with pytest.raises(InputError, match=r"a name of \d+ bytes"):
        load(path)


def test_what_is_packed_but_no_archive_may_be_a_log(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "dmesg.gz"
    path.write_bytes(
        gzip.compress(
            b"[    0.000000] Linux version 6.12.1 (a@b) x86_64\n"
            b"[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bfffffff] usable\n"
        )
    )

    assert load(path).machine.kernel.release == "6.12.1"


def test_zstd_is_unpacked_by_what_is_there(tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("needs zstd: apt install zstd")
    pack(
        tmp_path / "host.tar", more=lambda tar: tar.addfile(member("var/big", size=1 << 20), io.BytesIO(bytes(1 << 20)))
    )
    subprocess.run(["zstd", "-q", "host.tar"], cwd=tmp_path, check=True)

    assert load(tmp_path / "host.tar.zst").machine.e820 == load(tmp_path / "host.tar").machine.e820

    packed = (tmp_path / "host.tar.zst").read_bytes()
    (tmp_path / "cut.tar.zst").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="broken zstd data"):
        load(tmp_path / "cut.tar.zst")
