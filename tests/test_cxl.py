"""Who gets soft reserved memory in a CXL window. Expected values: recorded boots, and the kernel's source."""

from __future__ import annotations

import pytest
from small_machines import X86, cedt, machine, need
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.plugins.selection import Selection

GIB = 1 << 30


def booted(release: str) -> System:
    """A machine with soft reserved memory from 6 to 8 GiB in a window, and no modules loaded."""
    need(X86)
    pytest.importorskip("softreserve_cxl", reason="needs the cxl plugin: pip install ./plugins/cxl")
    found = machine(release=release, tables={"CEDT": cedt(6 * GIB, 8 * GIB)})
    return boot(found, Selection().hooks_for(found))


@pytest.mark.parametrize(("release", "waits"), [("6.18", False), ("7.3", True)])
def test_dax_cxl_brings_dax_hmem_from_7_1_on(release: str, waits: bool) -> None:
    """``modules.dep`` of Debian's 6.18.15 and 7.3.4."""
    system = booted(release)
    assert system.modules.load("dax_cxl") == 0
    assert ("dax_hmem" in system.modules.live()) == waits
