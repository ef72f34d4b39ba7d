"""The shell script that collects: with any shell, the same archive, and nothing in it that names somebody."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import cases
import pytest
from softreserve.cli import main
from softreserve.config.host import script as scripts
from softreserve.config.host.privacy import private_log
from softreserve.config.host.script import script
from test_capture_host import LOG, PLANTED

SHELLS = (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "ash"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The script as somebody has it."""
    where = tmp_path / "capture.sh"
    where.write_text(script())
    return where


def run(words: list[str], directory: Path, **others: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **others}
    return subprocess.run(
        words, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_it_is_short_and_printed_by_the_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capture", "--print-script"]) == 0

    text = capsys.readouterr().out
    assert text == path.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert len(text.splitlines()) < 100
    assert "@" not in text.replace("^() \\t]*@[^() \\t", "").replace('"$@"', "")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_what_it_collects_here_is_what_the_command_collects_here(shell: list[str], path: Path, tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs {shell[0]}: apt install {shell[0]}")
    done = run([*shell, str(path), "my-server.tar.gz"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["capture.sh", "my-server.tar.gz"]

    assert main(["capture", "--sysroot", str(tmp_path / "my-server.tar.gz"), "-o", str(tmp_path / "read")]) == 0
    assert main(["capture", "-o", str(tmp_path / "live")]) == 0

    for name in ("input/cmdline.txt", "input/memmap.txt", "expected/iomem.txt", "expected/memory-blocks.txt"):
        read, live = (tmp_path / case / name for case in ("read", "live"))
        assert read.exists() == live.exists()
        # an attribute that is only for writing, or refuses, is none that could be copied
        ours = [line for line in live.read_text().splitlines() if " ! " not in line] if live.exists() else []
        assert (read.read_text().splitlines() if read.exists() else []) == ours
    toml = [tomllib.loads((tmp_path / case / "input/kernel.toml").read_text()) for case in ("read", "live")]
    for key in ("release", "arch", "page_size", "acpi", "efi", "cpus", "config"):
        assert toml[0].get(key) == toml[1].get(key), key


def test_programs_read_it_too(path: Path, tmp_path: Path) -> None:
    assert run(["sh", str(path), "it.tar.gz"], tmp_path).returncode == 0

    with tarfile.open(tmp_path / "it.tar.gz") as tar:
        members = tar.getmembers()
    assert "proc/cmdline" in [member.name for member in members]
    assert {(member.uname, member.gname, member.uid, member.mtime) for member in members} == {("", "", 0, 0)}


def test_it_never_takes_the_place_of_something(path: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")

    done = run(["sh", str(path), "mine"], tmp_path)

    assert (done.returncode, done.stderr) == (2, f"capture.sh: {tmp_path}/mine is there already\n")
    assert (tmp_path / "mine").read_text() == "precious"


def test_it_leaves_nothing_where_it_fails(path: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, words in (("gzip", "exit 1"), ("awk", "exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{words}\n")
        (programs / name).chmod(0o755)
        done = run(["sh", str(path), "it.tar.gz"], tmp_path, PATH=f"{programs}:{os.environ['PATH']}")
        said = "cannot be written" if name == "gzip" else "awk or tr do not work here"
        assert (done.returncode, said in done.stderr) == (1, True)
        assert not [item for item in tmp_path.iterdir() if "it.tar" in item.name]
    done = run(["sh", str(path), str(tmp_path / "missing/it.tar.gz")], tmp_path)
    assert (done.returncode, "it.tar.gz.unfinished cannot be made" in done.stderr) == (2, True)


def with_log(path: Path, tmp_path: Path, log: str) -> str:
    """The log that the script keeps of one that ``dmesg`` prints."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "log").write_text(log)
    (programs / "dmesg").write_text(f"#!/bin/sh\ncat {tmp_path}/log\n")
    (programs / "dmesg").chmod(0o755)
    done = run(["sh", str(path), "it.tar.gz"], tmp_path, PATH=f"{programs}:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "")
    with tarfile.open(tmp_path / "it.tar.gz") as tar:
        member = tar.extractfile("dmesg")
        assert member is not None
        return member.read().decode()


def test_nothing_that_names_somebody_comes_out(path: Path, tmp_path: Path) -> None:
    log = "".join(f"{line.partition(' kernel: ')[2] or line}\n" for line in LOG.splitlines())

    kept = with_log(path, tmp_path, log)

    assert [
        word for word in PLANTED if word in gzip.decompress((tmp_path / "it.tar.gz").read_bytes()).decode("latin-1")
    ] == []
    assert kept == "".join(f"{line}\n" for line in private_log(log).splitlines()[:-1])


def test_it_keeps_the_lines_that_the_program_keeps(path: Path, tmp_path: Path) -> None:
    names = ("x86-6.12-life", "x86-6.18-cxl-life", "arm64-7.3-two-node-hmat", "x86-7.2-bisect")
    text = "".join((cases.unpack(name, tmp_path) / "expected/log.txt").read_text() for name in names)

    kept = [line.rstrip() for line in with_log(path, tmp_path, text).splitlines()]
    assert kept == [line for line in private_log(text).splitlines() if not line.startswith("# ")]


def test_patterns_mean_the_same_to_awk() -> None:
    assert scripts.extended(r"a\w+[.\w]*(?:b|\d+)\S*\[c\.\*") == (
        "a[A-Za-z0-9_]+[.A-Za-z0-9_]*(b|[0-9]+)[^ \\t]*[[]c[.][*]"
    )
    assert not [line for line in script().splitlines()[:20] if "(?" in line]
