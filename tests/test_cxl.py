"""Who gets soft reserved memory in a CXL window: the table of ``docs/cxl.md``, tried; and what lint says of it.

The cells are recorded boots, or by hand from the kernel's source, as the last column says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cases
import pytest
from small_machines import GIB, X86, cedt, cxl_bridge, cxl_committed, machine, need
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.cxl import CxlHostBridge, CxlMemdev
from softreserve.model.machine import Machine
from softreserve.model.sizes import human_size
from softreserve.plugins.selection import Selection

pytest.importorskip("softreserve_cxl", reason="needs the cxl plugin: pip install ./plugins/cxl")

PAGE = Path(__file__).parents[1] / "docs" / "cxl.md"
#: Soft reserved memory of node 1, and the window.
START, END = 6 * GIB, 8 * GIB
#: In the order in which a system loads them.
MODULES = ("cxl_acpi", "cxl_pci", "cxl_mem", "dax_hmem", "dax_cxl", "device_dax", "kmem")


class Situation(NamedTuple):
    """Devices below the host bridge, and the order of modules."""

    cxl: tuple[CxlHostBridge, ...] = ()
    modules: Sequence[str] = MODULES


SITUATIONS = {
    "window only": Situation(),
    "uncommitted": Situation(cxl_bridge(CxlMemdev(volatile=2 * GIB))),
    "committed": Situation(cxl_committed(2 * GIB)),
    "partly covering": Situation(cxl_committed(GIB)),
    "interleaved": Situation(cxl_committed(2 * GIB, 2)),
    "`dax_cxl` missing": Situation(cxl_committed(2 * GIB), [name for name in MODULES if name != "dax_cxl"]),
    "hmem first": Situation(cxl_committed(2 * GIB), ["dax_hmem", *(name for name in MODULES if name != "dax_hmem")]),
}

ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.read_text().splitlines()
    if re.match(r"\| [\w `]+ +\| \d+\.\d+ +\|", line)
]


def booted(release: str, **changes: object) -> Machine:
    """Two nodes, of which one is specific purpose memory, all of it in a window over host bridge 0."""
    need(X86)
    return machine(release=release, tables={"CEDT": cedt(START, END)}, **changes)  # type: ignore[arg-type]


def text(system: System, path: str) -> str:
    value = system.sysfs.read(path)
    assert isinstance(value, bytes), path
    return value.decode().rstrip("\n")


def owners(system: System) -> list[tuple[str, str, str, str]]:
    """Owner, device, node and mode of every dax device."""
    names = system.sysfs.listdir("/sys/bus/dax/devices")
    assert isinstance(names, list)
    found = []
    for name in names:
        path = f"/sys/bus/dax/devices/{name}"
        where = system.sysfs.resolve(path) or ""
        owner = re.findall(r"/(region\d+|hmem\.\d+)/", where)[-1]
        driver = (system.sysfs.resolve(f"{path}/driver") or "-").rpartition("/")[2]
        mode = {"kmem": "system-ram", "device_dax": "devdax"}.get(driver, driver)
        size = human_size(int(text(system, f"{path}/size")))
        found.append((owner, f"{name}, {size}", text(system, f"{path}/target_node"), mode))
    return found or [("nobody", "-", "-", "-")]


def test_every_cell_is_in_the_table_and_has_its_evidence() -> None:
    cells = [row[:2] for row in ROWS]
    releases = list(dict.fromkeys(release for _, release in cells))
    assert cells == [(situation, release) for situation in SITUATIONS for release in releases]
    assert {"6.1", "6.12", "6.18", "7.0", "7.1", "7.3"} <= set(releases)
    for *_, evidence in ROWS:
        found = re.fullmatch(r"(recorded `([\w.-]+)`|source [\d.]+|recorded `([\w.-]+)`, in part)", evidence)
        assert found, evidence
        name = found[2] or found[3]
        assert name is None or name in cases.names()


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0].strip('`')}-{row[1]}" for row in ROWS])
def test_a_cell_is_what_happens(row: tuple[str, ...]) -> None:
    situation, release, *expected, _ = row
    found = booted(release, cxl=SITUATIONS[situation].cxl)
    system = boot(found, Selection().hooks_for(found))
    for name in SITUATIONS[situation].modules:
        if system.modules.get(name) is not None:
            assert system.modules.load(name) == 0
    assert owners(system) == [tuple(expected)]


@pytest.mark.parametrize(("release", "waits"), [("6.18", False), ("7.3", True)])
def test_dax_cxl_brings_dax_hmem_from_7_1_on(release: str, waits: bool) -> None:
    """``modules.dep`` of Debian's 6.18.15 and 7.3.4."""
    found = booted(release)
    system = boot(found, Selection().hooks_for(found))
    assert system.modules.load("dax_cxl") == 0
    assert ("dax_hmem" in system.modules.live()) == waits
