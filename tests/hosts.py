"""Emulated machines for unmodified Debian programs to run on."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
from pathlib import Path
from typing import Any

import attrs
import cases
import pytest
import small_machines
from softreserve.config import load
from softreserve.config.builds import rebuilt
from softreserve.kernel.system import System
from softreserve.live.shell import Session, runner
from softreserve.machine.boot import boot
from softreserve.model.errors import MachineError
from softreserve.model.machine import Machine
from softreserve.model.scenario import Scenario
from softreserve.plugins.selection import Selection
from softreserve.views.observe import Sessions, observe

#: Set where nothing may be skipped (CI).
REQUIRED = "SOFTRESERVE_REQUIRE_CLIENTS"

PACKAGES = {
    "acpidump": "acpica-tools",
    "acpixtract": "acpica-tools",
    "autoreconf": "automake",
    "bats": "bats",
    "chmem": "util-linux",
    "cxl": "ndctl",
    "daxctl": "daxctl",
    "dmesg": "util-linux",
    "free": "procps",
    "hostname": "hostname",
    "hwloc-info": "hwloc-nox",
    "iasl": "acpica-tools",
    "kexec": "kexec-tools",
    "lscpu": "util-linux",
    "lsmem": "util-linux",
    "lstopo-no-graphics": "hwloc-nox",
    "memkind-auto-dax-kmem-nodes": "libmemkind-progs",
    "memkind-hbw-nodes": "libmemkind-progs",
    "meson": "meson",
    "numactl": "numactl",
    "numastat": "numactl",
    "prove": "perl",
    "udevadm": "udev",
}


def need(*programs: str) -> None:
    """Skip where a program is missing, and say what to install; fail where nothing may be skipped."""
    missing = [name for name in programs if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        unavailable(f"needs {', '.join(missing)}: apt install {' '.join(sorted({PACKAGES[name] for name in missing}))}")


def programs_of(scenario: Scenario) -> list[str]:
    """Those of the programs above that the steps of a scenario name."""
    words = " ".join(step.run or "" for step in scenario.steps)
    return [name for name in PACKAGES if re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", words)]


def unavailable(reason: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get(REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)


def assert_repeats(case: Path, scenario: Scenario, out: Path, sessions: Sessions) -> None:
    """Go through the course of an unpacked case with real programs: all must come out as it was recorded."""
    not_run = observe(scenario, out, Selection().hooks_for, sessions)
    if not_run:
        unavailable("; ".join(not_run))
    wrong = cases.differences(case, out, [])
    assert not wrong, "\n".join(map(str, wrong))


def assert_debians_programs_repeat(case: Path, out: Path) -> None:
    """The same with the programs of Debian 12, for a case that is booted here."""
    scenario = load(case)
    need("daxctl", *programs_of(scenario))
    small_machines.need(scenario.machine.arch)
    assert_repeats(case, scenario, out, runner)


def booted(spec: str, release: str | None = None, cmdline: str = "") -> System:
    """Boot a machine, with another kernel and more on its command line where asked."""
    machine: Machine = load(spec).machine
    if release is not None:
        machine = attrs.evolve(machine, kernel=rebuilt(machine.kernel, release=release))
    if cmdline:
        machine = attrs.evolve(machine, cmdline=machine.cmdline.appended(cmdline))
    try:
        return boot(machine, Selection().hooks_for(machine))
    except MachineError as error:
        pytest.skip(str(error))


class Host:
    """A session with words for what the tests ask most."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.system = session.live.system

    def run(self, words: str) -> tuple[int, str]:
        """Exit status and both outputs."""
        return self.session.run(words)

    def ok(self, words: str) -> str:
        """Output of words that must succeed."""
        status, output = self.session.run(words)
        assert status == 0, f"{words}: {status}\n{output}"
        return output

    def json(self, words: str) -> Any:
        """What a program says on its standard output, as JSON; nothing at all is an empty list."""
        output = self.ok(f"{words} 2>/dev/null")
        return json.loads(output) if output.strip() else []

    def devices(self, *options: str) -> dict[str, dict[str, Any]]:
        """``daxctl list``: devices by name."""
        return {device["chardev"]: device for device in self.json(f"daxctl list {' '.join(options)}")}

    def region(self) -> dict[str, Any]:
        """``daxctl list -R``: region 0."""
        found: list[dict[str, Any]] = self.json("daxctl list -R -r 0")
        return found[0]

    def available(self) -> int:
        """Free bytes of region 0; daxctl leaves the key out where there are none."""
        return int(self.region().get("available_size", 0))

    def sysfs(self, path: str) -> str:
        """A value, read beside the clients."""
        with self.session.live.lock:
            value = self.system.sysfs.read(path)
        assert isinstance(value, bytes), f"{path}: {value}"
        return value.decode().rstrip("\n")

    def mappings(self, device: str) -> list[tuple[int, int, int]]:
        """(start, end, page offset) of each mapping, ends inclusive."""
        path = f"/sys/bus/dax/devices/{device}"
        found: list[tuple[int, int, int]] = []
        with self.session.live.lock:
            while self.system.sysfs.node(f"{path}/mapping{len(found)}", follow=True) is not None:
                start, end, offset = (
                    int(self.sysfs(f"{path}/mapping{len(found)}/{name}"), 0) for name in ("start", "end", "page_offset")
                )
                found.append((start, end, offset))
        return found


def said(terminal: int, until: str | None, patience: float) -> str:
    """What is printed on a terminal up to some text, or to the end; each piece comes within so many seconds."""
    text = ""
    while select.select([terminal], [], [], patience)[0]:
        try:
            text += os.read(terminal, 4096).decode()
        except OSError:
            return text  # nobody has it open any more
        if until is not None and until in text:
            return text
    raise AssertionError(f"nothing more was said after {text!r}")
