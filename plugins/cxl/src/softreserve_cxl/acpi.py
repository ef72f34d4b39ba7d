"""CXL windows of the CEDT, and the host bridges that they lead to. Linux: ``drivers/cxl/acpi.c``.

A machine with a CEDT is taken to have the ACPI device (ACPI0017) that the driver binds to, unless it says otherwise.
"""

from __future__ import annotations

import struct
from errno import EINVAL, ENXIO
from functools import partial
from typing import TYPE_CHECKING, Final

from softreserve.kernel.resource import (
    IORES_DESC_CXL,
    IORESOURCE_MEM,
    Resource,
    insert_resource,
    insert_resource_expand_to_fit,
    remove_resource,
)
from softreserve.model.acpi.cedt import CFMWS, CXIMS, WINDOW_ALIGN, Cedt, FixedMemoryWindow, XorMaps
from softreserve.model.acpi.tables import RawTable, acpi_get_table, acpi_parse_entries_array
from softreserve.model.cxl import GRANULARITIES, eiw_to_ways
from softreserve.model.units import U64_MAX

from softreserve_cxl import behaviours
from softreserve_cxl.bus import CxlDevice, cxl_bus, option
from softreserve_cxl.hardware import Bridge, hardware
from softreserve_cxl.region import root_files, unregister_region
from softreserve_cxl.topology import ROOT_PATH, Dport, Memdev, Port, RootDecoder, add_port, remove_port

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["CxlAcpi"]

_FILE: Final = "drivers/cxl/acpi.c"
_DEVICE: Final = "cxl_acpi ACPI0017:00"
_MAX_ENCODED_GRANULARITY: Final = len(GRANULARITIES) - 1
_XOR: Final = 1
_TARGET_SIZE: Final = 4
DEVICE_NVDIMM_BRIDGE: Final = 1

#: Restrictions of a window.
_TYPE2, _TYPE3, _VOLATILE, _PMEM, _FIXED = 1, 2, 4, 8, 16


class NvdimmBridge(CxlDevice):
    """Where persistent memory of CXL devices becomes NVDIMMs; those are not modelled."""

    devtype = "cxl_nvdimm_bridge"
    number = DEVICE_NVDIMM_BRIDGE


class CxlAcpi:
    """The cxl_acpi module."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._tolerant = system.kernel.has(behaviours.CXL_ACPI_TOLERATES_BAD_WINDOWS)
        self._next_window = 0
        self._windows = Resource(0, U64_MAX, "CXL mem", IORESOURCE_MEM)
        #: What ``/proc/iomem`` has of each window.
        self._public: list[Resource] = []
        self._root: Port | None = None
        self._bridges: list[Port] = []
        self._nvdimm: NvdimmBridge | None = None

    def init(self) -> int:
        """Bind to the CXL root device, if there is one. Always 0: a failed probe does not fail the module."""
        machine = self._system.machine
        if machine.cxl_root is not None and not machine.cxl_root.present:
            return 0
        cedt = acpi_get_table(self._system.acpi, "CEDT")
        if cedt is not None and self._probe(cedt):
            self.exit()
        return 0

    def exit(self) -> None:
        """Take everything away again; what lay in windows moves up."""
        bus = cxl_bus(self._system)
        for device in [found for found in bus.devices.values() if isinstance(found, Memdev)]:
            bus.device_release_driver(device)
        if self._nvdimm is not None:
            bus.unregister(self._nvdimm, self._root)
        self._nvdimm = None
        for port in reversed(self._bridges):
            remove_port(port)
        self._bridges.clear()
        if self._root is not None:
            for decoder in self._root.decoders:
                for region in list(decoder.regions.values()) if isinstance(decoder, RootDecoder) else ():
                    unregister_region(region)
            remove_port(self._root)
        self._root = None
        for res in self._public:
            remove_resource(res)
        self._public.clear()
        self._windows.children.clear()
        self._next_window = 0

    def _probe(self, cedt: RawTable) -> int:
        """Linux: ``cxl_acpi_probe``."""
        root = self._root = Port(cxl_bus(self._system), "root", None, ROOT_PATH, None)
        add_port(root)
        bridges = [bridge for bridge in hardware(self._system) if self._is_known(bridge)]
        for bridge in bridges:
            performance = self._system.nodes.performance
            coordinates = performance.genport_coordinates(bridge.uid) if performance is not None else None
            root.dports[bridge.uid] = Dport(bridge.uid, bridge.path, coordinates=coordinates or ())
        handlers = [(CFMWS, partial(self._parse_cfmws, root, cedt))]
        log, kernel = self._system.log, self._system.kernel
        if acpi_parse_entries_array(log, kernel, cedt, Cedt.entries_offset(), handlers) < 0:
            return -ENXIO
        self._add_cxl_resources(root)
        for bridge in bridges:
            name = bridge.path.rpartition("/")[2]
            if bridge.restricted:
                self._system.printk(f" {name}: host supports CXL (restricted)", f"{_FILE}: add_host_bridge_uport")
                continue
            port = Port(root.bus, "port", root, bridge.path, root.dports[bridge.uid])
            port.component = bridge
            add_port(port)
            self._bridges.append(port)
            self._system.printk(f" {name}: host supports CXL", f"{_FILE}: add_host_bridge_uport")
        pmem = any(isinstance(decoder, RootDecoder) and decoder.can_pmem for decoder in root.decoders)
        if pmem and option(kernel, "CXL_PMEM"):
            self._nvdimm = NvdimmBridge(root.bus, "nvdimm-bridge0", root.path)
            root.bus.register(self._nvdimm, root)
        root.bus.rescan()
        return 0

    def _is_known(self, bridge: Bridge) -> bool:
        """Whether the CEDT says where a host bridge has its registers. Linux: ``add_host_bridge_dport``."""
        if not bridge.has_registers:
            number = hardware(self._system).index(bridge)
            text = f"acpi ACPI0016:{number:02x}: No CHBS found for Host Bridge (UID {bridge.uid})"
            self._system.printk(text, f"{_FILE}: add_host_bridge_dport")
        return bridge.has_registers

    # --- one window

    def _parse_cfmws(self, root: Port, cedt: RawTable, table: RawTable, offset: int) -> int:
        """Linux: ``cxl_parse_cfmws``. Newer kernels never fail for a single window."""
        window = FixedMemoryWindow.read(table.data, offset)
        where = (window.base_hpa, (window.base_hpa + window.window_size - 1) & U64_MAX)
        status = self._verify(window)
        if status and not self._tolerant:
            self._error(f"CFMWS range {where[0]:#x}-{where[1]:#x} not registered")
            return 0
        if not status:
            behind = offset + FixedMemoryWindow.size()
            status = self._add_window(root, cedt, window, where, table.data[behind : offset + window.length])
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
        if window.base_hpa % WINDOW_ALIGN:
            return self._error("CFMWS Base HPA not 256MB aligned")
        if window.window_size % WINDOW_ALIGN:
            return self._error("CFMWS Window Size not 256MB aligned")
        if ways is None:
            return self._error(f"CFMWS Interleave Ways ({window.interleave_ways}) invalid")
        needed = FixedMemoryWindow.size() + _TARGET_SIZE * ways
        if window.length < needed:
            return self._error(f"CFMWS length {window.length} less than expected {needed}")
        return 0

    def _add_window(
        self, root: Port, cedt: RawTable, window: FixedMemoryWindow, where: tuple[int, int], tail: bytes
    ) -> int:
        """Linux: ``__cxl_parse_cfmws``."""
        if window.granularity & 0xFFFF > _MAX_ENCODED_GRANULARITY:
            return -EINVAL
        ways = eiw_to_ways(window.interleave_ways)
        assert ways is not None
        res = Resource(*where, f"CXL Window {self._next_window}", IORESOURCE_MEM)
        self._next_window += 1
        status = insert_resource(self._windows, res)
        if status:
            return status
        decoder = RootDecoder(root, ways)
        # A window that does not interleave is good for regions of every granularity.
        decoder.granularity = GRANULARITIES[window.granularity & 0xFFFF if ways > 1 else 0]
        if window.interleave_arithmetic == _XOR:
            decoder.xor_maps = () if ways in (1, 3) else _xor_maps(cedt, decoder)
            if decoder.xor_maps is None:
                decoder.forget()
                return self._error(f"No CXIMS for HBIG {decoder.granularity}")
        decoder.set_range(window.base_hpa, window.window_size)
        decoder.more = partial(root_files, decoder)
        flags = window.restrictions
        decoder.type2, decoder.type3 = bool(flags & _TYPE2), bool(flags & _TYPE3)
        decoder.can_ram, decoder.can_pmem = bool(flags & _VOLATILE), bool(flags & _PMEM)
        decoder.locked = bool(flags & _FIXED)
        decoder.qos_class = window.qtg_id
        decoder.targets = [root.dports.get(uid) for uid in struct.unpack_from(f"<{ways}I", tail)]
        if None in decoder.targets and not self._system.kernel.has(behaviours.CXL_DPORTS_WITH_ENDPOINTS):
            decoder.forget()
            text = "cxl root0: Failed to populate active decoder targets"
            self._system.printk(text, "drivers/cxl/core/port.c: cxl_decoder_add_locked")
            return -ENXIO if root.dports else -EINVAL
        root.add_decoder(decoder)
        return 0

    def _error(self, text: str) -> int:
        self._system.printk(f"{_DEVICE}: {text}", f"{_FILE}: cxl_parse_cfmws")
        return -EINVAL

    # --- all windows

    def _add_cxl_resources(self, root: Port) -> None:
        """Put the windows into ``/proc/iomem``, enlarged over what they overlap; later ones lose what earlier took."""
        todo = list(self._windows.children)
        while todo:
            res = todo.pop(0)
            public = Resource(res.start, res.end, res.name, IORESOURCE_MEM, IORES_DESC_CXL)
            insert_resource_expand_to_fit(self._system.iomem.root, public, self._system.log)
            self._public.append(public)
            for decoder in root.decoders:
                # Linux: pair_cxl_resource()
                if isinstance(decoder, RootDecoder) and _holds(res, decoder):
                    decoder.res = public
            while todo and todo[0].start <= public.end:
                if todo[0].end <= public.end:
                    del todo[0]
                else:
                    todo[0].start = public.end + 1


def _holds(res: Resource, decoder: RootDecoder) -> bool:
    return decoder.res is None and res.start <= decoder.start and decoder.start + decoder.size <= res.end + 1


def _xor_maps(cedt: RawTable, decoder: RootDecoder) -> tuple[int, ...] | None:
    """The CEDT's maps for a window of that many ways and that granularity; ``None``: it has none.

    Linux: ``cxl_parse_cxims``. The last entry that fits counts; what lies behind its end reads as zeros.
    """
    power = decoder.ways if decoder.ways.bit_count() == 1 else decoder.ways // 3
    needed = power.bit_length() - 1
    maps: tuple[int, ...] | None = None
    for entry in Cedt.parse(cedt.data[: cedt.length]).entries:
        if not isinstance(entry, XorMaps) or entry.type != CXIMS or entry.hbig > _MAX_ENCODED_GRANULARITY:
            continue
        if GRANULARITIES[entry.hbig] == decoder.granularity and entry.nr_xormaps >= needed:
            maps = struct.unpack_from(f"<{needed}Q", entry.tail.ljust(8 * needed, b"\0"))
    return maps
