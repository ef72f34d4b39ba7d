"""Recorded boots whose steps took newer programs than Debian 12's: everything must come out as it was recorded."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cases
import pytest
import small_machines
import softreserve as sr
from hosts import assert_repeats, need, programs_of
from softreserve.config import load
from softreserve.kernel.system import System
from softreserve.live.shell import Session

pytestmark = [pytest.mark.clients, pytest.mark.fuse, pytest.mark.slow]

#: The folder with the programs.
FOLDER = "SOFTRESERVE_CLIENTS"
HOW = f"sh .ci/newer-clients DIR, then {FOLDER}=DIR/bin"
#: What was recorded with; the programs that have other versions print other things.
VERSIONS = {
    "chmem": "chmem from util-linux 2.42",
    "cxl": "85",
    "daxctl": "85",
    "hwloc-info": "hwloc-info 2.15",
    "lsmem": "lsmem from util-linux 2.42",
    "lstopo-no-graphics": "lstopo-no-graphics 2.15",
    "numactl": "2.0.19",
    "udevadm": "262",
}


@contextlib.contextmanager
def unsealed(system: System) -> Iterator[Callable[[str], tuple[int, str]]]:
    """A session in which the folder can be seen wherever it is."""
    with Session(system) as session:
        yield session.run


@pytest.mark.parametrize("name", cases.names(cases.NEWER))
def test_a_recorded_course_is_repeated_by_newer_programs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = os.environ.get(FOLDER)
    if not folder:
        pytest.skip(f"needs newer programs than Debian 12 has: {HOW}")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    case = cases.unpack(name, tmp_path, cases.NEWER)
    scenario = load(case)
    small_machines.need(scenario.machine.arch)
    programs = programs_of(scenario)
    need(*programs)
    for program in programs:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if not told.startswith(VERSIONS.get(program, "")):
            pytest.skip(f"recorded with {program} {VERSIONS[program]}, and this one is {told!r}: {HOW}")
    assert_repeats(case, scenario, tmp_path / "out", unsealed)


def test_udevadm_tries_a_rule_and_names_the_line_that_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = os.environ.get(FOLDER)
    if not folder or not os.path.exists(f"{folder}/udevadm"):
        pytest.skip(f"needs a newer udevadm than Debian 12 has: {HOW}")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (tmp_path / "40-mine.rules").write_text(
        '# mine\nSUBSYSTEM=="memory", ATTR{state}=="offline", ATTR{state}="online"\n'
    )
    asked = (
        "SYSTEMD_DEVICE_VERIFY_SYSFS=0 SYSTEMD_LOG_LEVEL=debug "
        f"udevadm test --extra-rules-dir={tmp_path} --action=add /sys/devices/system/memory/memory32 2>&1"
    )
    with unsealed(sr.boot(sr.load("example:two-node", kernel="6.3"))) as run:
        assert '40-mine.rules:2 ATTR{state}="online": ' in run(asked)[1]
        run("for b in /sys/devices/system/memory/memory3[2-9]; do echo online > $b/state; done")
        assert "40-mine.rules:2" not in run(asked)[1]
