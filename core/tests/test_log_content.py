"""Bytes in which people keep logs, and bytes that are none."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from softreserve.config import load
from softreserve.config.log.content import log_text
from softreserve.model.errors import InputError

TEXT = (
    "[    0.000000] Linux version 6.12.0 (x)\n"
    "[    0.000000] Command line: quiet\n"
    "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000007fffffff] usable\n"
)
DATA = TEXT.encode()
ZSTD = shutil.which("zstd")
needs_zstd = pytest.mark.skipif(ZSTD is None, reason="the program zstd is not there: install zstd")


def zstd(data: bytes) -> bytes:
    """Packed by the program."""
    assert ZSTD is not None
    return subprocess.run([ZSTD, "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(DATA),
        gzip.compress(DATA[:50]) + gzip.compress(DATA[50:]),
        bz2.compress(DATA),
        lzma.compress(DATA),
        lzma.compress(DATA, lzma.FORMAT_ALONE),
        gzip.compress(lzma.compress(DATA)),
        TEXT.encode("utf-16"),
        gzip.compress(TEXT.encode("utf-16-be")),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
        TEXT.encode("utf-8-sig"),
        TEXT.replace("\n", "\r").encode(),
    ],
)
def test_a_file_is_what_stands_in_it_and_not_what_it_is_called(data: bytes, tmp_path: Path) -> None:
    assert log_text(data) == TEXT
    (tmp_path / "log").write_bytes(data)
    assert load(tmp_path / "log").machine.cmdline.text == "quiet"


@needs_zstd
def test_zstd_is_unpacked_by_the_program_where_python_has_no_module() -> None:
    assert log_text(zstd(DATA)) == TEXT
    assert log_text(zstd(DATA[:50]) + zstd(DATA[50:])) == TEXT
    with pytest.raises(InputError, match="broken zstd data"):
        log_text(zstd(DATA)[:-9])


def test_what_unpacks_zstd_is_named_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for module in ("compression.zstd", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"a: packed by zstd, .* pip install 'softreserve\[zstd\]'"):
        log_text(b"\x28\xb5\x2f\xfd" + bytes(20), "a")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gzip.compress(DATA)[:-12], "broken gzip data"),
        (gzip.compress(DATA, mtime=0)[:20] + b"x" * 30, "broken gzip data"),
        (lzma.compress(DATA)[:-12], "broken xz data"),
        (bz2.compress(DATA)[:-12], "broken bzip2 data"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(DATA)))), "packed more than 3 times"),
        (b"PK\x03\x04" + DATA, "a zip archive: unpack it first"),
        (b"LPKSHHRH" + DATA, "journalctl --file FILE -k -o short-monotonic makes a log of it"),
        (b"\x04\x22\x4d\x18" + DATA, "packed by lz4"),
    ],
)
def test_what_cannot_be_unpacked_is_refused_with_the_reason(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(data)
    for spec in (f"dmesg:{tmp_path}/log", f"{tmp_path}/log"):
        with pytest.raises(InputError, match=f"{tmp_path}/log: .*{why}"):
            load(spec)


BOMB = bytes(65 << 20)


@pytest.mark.parametrize(
    "pack",
    [lambda data: gzip.compress(data, 1), lambda data: bz2.compress(data, 1), pytest.param(zstd, marks=needs_zstd)],
)
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(pack) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="it unpacks to more than 64 MiB, the most that is read"):
        log_text(pack(BOMB))


def test_a_line_as_long_as_a_file_is_read() -> None:
    text = log_text(b'"' * (5 << 20) + b"[" * (5 << 20) + b"\n" + DATA)
    assert text.endswith(TEXT)
