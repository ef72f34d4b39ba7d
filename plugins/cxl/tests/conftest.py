from __future__ import annotations

from collections.abc import Sequence

import pytest
from cxl_machine import CONFIG, GIB, Boot, Firmware, bridge, cedt, window
from softreserve.kernel.system import System
from softreserve.model.cxl import CxlHostBridge, CxlRoot
from softreserve.testing.memory import boot_memory


@pytest.fixture
def boot_cxl() -> Boot:
    """Boots 2 GiB of RAM, with a window of 4 GiB at 8 GiB over bridge 12 unless told otherwise."""
    plugin = pytest.importorskip("softreserve_cxl.plugin", reason="needs the cxl plugin: pip install ./plugins/cxl")

    def boot(
        release: str = "7.3",
        *,
        acpi: dict[str, bytes] | None = None,
        cxl: Sequence[CxlHostBridge] = (bridge(),),
        modules: Sequence[str] = ("cxl_acpi", "cxl_pci", "cxl_mem"),
        config: dict[str, str] | None = None,
        invalidates: bool = True,
        cxl_root: CxlRoot | None = None,
        firmware: Firmware | None = None,
        cmdline: str = "",
    ) -> System:
        system = boot_memory(
            release=release,
            config={**CONFIG, **(config or {})},
            plugins=[("firmware", firmware or Firmware(invalidates)), ("cxl", plugin)],
            acpi=cedt(window(8 * GIB, 4 * GIB)) if acpi is None else acpi,
            cxl=tuple(cxl),
            cxl_root=cxl_root,
            cmdline=cmdline,
        )
        for name in modules:
            assert system.modules.load(name) == 0
        return system

    return boot
