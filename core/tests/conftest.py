from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from softreserve.kernel.modules import Module
from softreserve.kernel.sysfs import Attribute, Link
from softreserve.kernel.system import System
from softreserve.live.fuse import FuseError
from softreserve.live.shell import Session, SessionError
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load
from softreserve.plugins.selection import Selection


@pytest.fixture
def toy() -> System:
    """A kernel that never booted, with a device to play with: its ``value`` takes anything but ``bad``."""
    return toy_system()


@pytest.fixture
def toy_systems() -> Callable[[], System]:
    """Makes systems like ``toy``."""
    return toy_system


def toy_system() -> System:
    """See ``toy``."""
    kernel = Kernel("6.1", "x86_64", config={"DEV_DAX": "m", "DEV_DAX_KMEM": "m"})
    machine = Machine("toy", kernel, CommandLine("quiet toy=1"), acpi={"SRAT": b"SRAT...."}, cpus=2)
    system = System(machine, load([]))
    system.modules.add([Module("device_dax", "DEV_DAX", "device.c"), Module("kmem", "DEV_DAX_KMEM", "kmem.c")])
    held = [b"0\n"]

    def store(data: bytes) -> int:
        if data.rstrip(b"\n\0") == b"bad":
            return -errno.EINVAL
        held[0] = data
        return len(data)

    for name, attribute in {
        "value": Attribute(0o644, lambda: held[0], store),
        "write_only": Attribute(0o200, None, store),
        "read_only": Attribute(0o444, lambda: "fixed\n"),
        "refusing": Attribute(0o444, lambda: -errno.ENXIO),
        "secret": Attribute(0o400, lambda: "for root\n"),
    }.items():
        system.sysfs.add(f"/sys/devices/toy0/{name}", attribute)
    system.sysfs.add("/sys/bus/toy/devices/toy0", Link("/sys/devices/toy0"))
    system.sysfs.add("/sys/dev/char/251:3", Link("/sys/devices/toy0"))
    return system


@pytest.fixture
def open_session() -> Callable[..., Session]:
    """Makes sessions; skips with the reason where this host cannot, unless that is forbidden."""

    def make(system: System, *, sealed: bool = False) -> Session:
        try:
            return Session(system, sealed=sealed)
        except (FuseError, SessionError) as error:
            if os.environ.get("SOFTRESERVE_REQUIRE_CLIENTS"):
                raise
            pytest.skip(str(error))

    return make


@pytest.fixture
def session(toy: System, open_session: Callable[..., Session]) -> Iterator[Session]:
    """Programs on the toy system."""
    with open_session(toy) as found:
        yield found


@pytest.fixture
def two_architectures() -> None:
    """Skips where what describes x86-64 and arm64 is not installed."""
    missing = {"x86_64", "arm64"} - set(Selection().arches)
    if missing:
        pytest.skip(f"needs what boots {' and '.join(sorted(missing))}: pip install ./plugins/x86 ./plugins/arm64")


RISCV = Path(__file__).parents[2] / "examples" / "softreserve-riscv"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A folder that is like an installed softreserve-riscv once it is on the path: its source and its metadata."""
    project = tomllib.loads((RISCV / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / f"softreserve_riscv-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    (tmp_path / "softreserve_riscv").symlink_to(RISCV / "src" / "softreserve_riscv")
    return tmp_path
