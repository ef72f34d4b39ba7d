"""What it costs to run programs on a machine, beside a bare FUSE directory that shows as many files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from large_machines import GIB, MIB, subdivided
from ratios import Ratios, seconds, timed
from softreserve import boot, load
from softreserve.kernel.system import System
from softreserve.live.fuse import FuseError
from softreserve.live.session import Session
from softreserve.live.shell import Session as Programs
from softreserve.live.shell import SessionError

DEVICES = 2000
#: What ``daxctl list`` reads of each device.
READ = ("size", "align", "resource", "target_node")
REGION = "/sys/devices/platform/hmem.0"


def words(directory: str) -> str:
    """A program that reads these files of all devices."""
    names = ",".join(READ)
    return f"import glob; [open(f).read() for n in '{names}'.split(',') for f in glob.glob('{directory}/dax0.*/' + n)]"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Path]:
    """A bare FUSE directory with as many devices and files."""
    if find_spec("mfusepy") is None:
        pytest.skip("needs mfusepy: pip install mfusepy")
    files, shown = tmp_path / "files", tmp_path / "shown"
    shown.mkdir()
    for number in range(DEVICES):
        device = files / f"dax0.{number}"
        device.mkdir(parents=True)
        for name in READ:
            (device / name).write_text("4194304\n")
    script = Path(__file__).with_name("bare_files.py")
    with subprocess.Popen([sys.executable, script, files, shown], stderr=subprocess.PIPE) as server:
        end = time.monotonic() + 10
        while not os.path.ismount(shown) and server.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if not os.path.ismount(shown):
            server.kill()
            pytest.skip("needs a FUSE mount: apt install fuse3, and /dev/fuse")
        yield shown
        server.terminate()


@pytest.fixture
def host() -> Iterator[Programs]:
    """A machine with 2,000 dax devices."""
    try:
        with Programs(subdivided(64 * GIB, DEVICES, 4 * MIB)) as session:
            yield session
    except (FuseError, SessionError) as error:
        pytest.skip(str(error))


def ran(host: Programs, command: str) -> str:
    status, said = host.run(command)
    assert status == 0, said
    return said


def test_all_files_of_two_thousand_devices(ratios: Ratios, host: Programs, bare: Path) -> None:
    ratios.check(
        f"{DEVICES * len(READ):,} files read beside a bare FUSE directory",
        timed(lambda: ran(host, f'{sys.executable} -I -S -c "{words(REGION)}"')),
        timed(lambda: subprocess.run([sys.executable, "-I", "-S", "-c", words(str(bare))], check=True)),
        bound=1.0,
    )


def test_daxctl_lists_two_thousand_devices(ratios: Ratios, host: Programs, bare: Path) -> None:
    if shutil.which("daxctl") is None:
        pytest.skip("needs daxctl: apt install daxctl")
    assert ran(host, "daxctl list").count("chardev") == DEVICES
    ratios.check(
        f"daxctl list of {DEVICES:,} devices beside the same",
        timed(lambda: ran(host, "daxctl list >/dev/null")),
        timed(lambda: subprocess.run([sys.executable, "-I", "-S", "-c", words(str(bare))], check=True)),
        bound=0.9,
    )


def first_program() -> None:
    """Boot, mount, run."""
    system: System = boot(load("example:two-node"))
    with Session(system) as session:
        session.run("true")


def interpreter(*code: str) -> float:
    return seconds(lambda: subprocess.run([sys.executable, *code], check=True))


def test_a_session_from_booting_to_its_first_program(ratios: Ratios, host: Programs) -> None:
    """The helper that holds the namespace is an interpreter without packages that imports ``json`` and ``ctypes``."""
    ratios.check(
        "boot, mount, first program, end beside an interpreter",
        timed(first_program),
        lambda: interpreter("-I", "-S", "-c", "import json, ctypes, socket"),
        bound=4,
    )


def test_a_shell_from_the_command_line(ratios: Ratios, host: Programs) -> None:
    ratios.check(
        "softreserve shell -- true beside its dependencies",
        lambda: interpreter("-m", "softreserve", "shell", "example:two-node", "--", "true"),
        lambda: interpreter("-c", "import attrs, pluggy, click"),
        bound=6,
    )
