"""CXL windows of the CEDT in ``/proc/iomem``. Linux: ``drivers/cxl/acpi.c``, ``drivers/cxl/core/port.c``.

Only the windows are modelled: no CXL devices, regions or decoders. A machine with a CEDT is taken to have the ACPI
device (ACPI0017) that the driver binds to.
"""

from __future__ import annotations

from errno import EINVAL, ENXIO
from typing import TYPE_CHECKING, Final

from softreserve.kernel.driver_core.ida import memregion_ids
from softreserve.kernel.resource import (
    IORES_DESC_CXL,
    IORESOURCE_MEM,
    Resource,
    insert_resource,
    insert_resource_expand_to_fit,
    remove_resource,
)
from softreserve.model.acpi.cedt import CFMWS, Cedt, FixedMemoryWindow
from softreserve.model.acpi.tables import RawTable, acpi_get_table, acpi_parse_entries_array
from softreserve.model.units import U64_MAX

from softreserve_hmem import behaviours

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["CxlAcpi"]

_FILE: Final = "drivers/cxl/acpi.c"
_DEVICE: Final = "cxl_acpi ACPI0017:00"
_WINDOW_ALIGN: Final = 256 << 20
_MAX_ENCODED_GRANULARITY: Final = 6
_XOR: Final = 1
_TARGET_SIZE: Final = 4


def eiw_to_ways(encoded: int) -> int | None:
    """How many host bridges a window interleaves; ``None``: no valid encoding."""
    if encoded <= 4:
        return 1 << encoded
    return 3 << (encoded - 8) if 8 <= encoded <= 10 else None


class CxlAcpi:
    """The cxl_acpi module."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._tolerant = system.kernel.has(behaviours.CXL_ACPI_TOLERATES_BAD_WINDOWS)
        self._next_window = 0
        self._region_ids: list[int] = []
        self._windows = Resource(0, U64_MAX, "CXL mem", IORESOURCE_MEM)
        self._public: list[Resource] = []

    def init(self) -> int:
        """Bind to the CXL root device, if there is one. Always 0: a failed probe does not fail the module."""
        cedt = acpi_get_table(self._system.machine.acpi, "CEDT")
        if cedt is not None and self._probe(cedt):
            self.exit()
        return 0

    def exit(self) -> None:
        """Take the windows away again; what lay in them moves up."""
        for res in self._public:
            remove_resource(res)
        for number in self._region_ids:
            memregion_ids(self._system).free(number)
        self._public.clear()
        self._region_ids.clear()
        self._windows.children.clear()
        self._next_window = 0

    def _probe(self, cedt: RawTable) -> int:
        """Linux: ``cxl_acpi_probe``."""
        handlers = [(CFMWS, self._parse_cfmws)]
        if acpi_parse_entries_array(self._system.log, self._system.kernel, cedt, Cedt.entries_offset(), handlers) < 0:
            return -ENXIO
        self._add_cxl_resources()
        return 0

    # --- one window

    def _parse_cfmws(self, table: RawTable, offset: int) -> int:
        """Linux: ``cxl_parse_cfmws``. Newer kernels never fail for a single window."""
        window = FixedMemoryWindow.read(table.data, offset)
        where = (window.base_hpa, (window.base_hpa + window.window_size - 1) & U64_MAX)
        status = self._verify(window)
        if status and not self._tolerant:
            self._error(f"CFMWS range {where[0]:#x}-{where[1]:#x} not registered")
            return 0
        if not status:
            status = self._add_window(window, where)
        if status and self._tolerant:
            self._error(f"Failed to add decode range: [{where[0]:#x} - {where[1]:#x}] ({status})")
            return 0
        return status

    def _verify(self, window: FixedMemoryWindow) -> int:
        """Linux: ``cxl_acpi_cfmws_verify``."""
        ways = eiw_to_ways(window.interleave_ways)
        known = (0, _XOR) if self._system.kernel.has(behaviours.CXL_XOR_INTERLEAVE) else (0,)
        if window.interleave_arithmetic not in known:
            return self._error(f"CFMWS Unknown Interleave Arithmetic: {window.interleave_arithmetic}")
        if window.base_hpa % _WINDOW_ALIGN:
            return self._error("CFMWS Base HPA not 256MB aligned")
        if window.window_size % _WINDOW_ALIGN:
            return self._error("CFMWS Window Size not 256MB aligned")
        if ways is None:
            return self._error(f"CFMWS Interleave Ways ({window.interleave_ways}) invalid")
        needed = FixedMemoryWindow.size() + _TARGET_SIZE * ways
        if window.length < needed:
            return self._error(f"CFMWS length {window.length} less than expected {needed}")
        return 0

    def _add_window(self, window: FixedMemoryWindow, where: tuple[int, int]) -> int:
        if window.granularity & 0xFFFF > _MAX_ENCODED_GRANULARITY:
            return -EINVAL
        res = Resource(*where, f"CXL Window {self._next_window}", IORESOURCE_MEM)
        self._next_window += 1
        status = insert_resource(self._windows, res)
        if not status:
            # The decoder of the window takes a number away from hmem devices.
            self._region_ids.append(memregion_ids(self._system).alloc())
        return status

    def _error(self, text: str) -> int:
        self._system.printk(f"{_DEVICE}: {text}", f"{_FILE}: cxl_parse_cfmws")
        return -EINVAL

    # --- all windows

    def _add_cxl_resources(self) -> None:
        """Put the windows into ``/proc/iomem``, enlarged over what they overlap; later ones lose what earlier took."""
        todo = list(self._windows.children)
        while todo:
            res = todo.pop(0)
            public = Resource(res.start, res.end, res.name, IORESOURCE_MEM, IORES_DESC_CXL)
            insert_resource_expand_to_fit(self._system.iomem.root, public, self._system.log)
            self._public.append(public)
            while todo and todo[0].start <= public.end:
                if todo[0].end <= public.end:
                    del todo[0]
                else:
                    todo[0].start = public.end + 1
