from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import softreserve_hmem.plugin
from softreserve.kernel.resource import (
    IORES_DESC_SOFT_RESERVED,
    IORESOURCE_MEM,
    Resource,
    ResourceTree,
    insert_resource,
)
from softreserve.kernel.system import System
from softreserve.model.behaviours import SOFT_RESERVED_IN_OWN_TREE
from softreserve.model.dax import DaxOffer
from softreserve.plugins.hookspecs import hookimpl
from softreserve.testing.memory import boot_memory

GIB = 1 << 30

CONFIG = {
    "ACPI_HMAT": "y",
    "DAX": "y",
    "DEV_DAX": "m",
    "DEV_DAX_HMEM": "m",
    "DEV_DAX_KMEM": "m",
    "CXL_REGION": "y",
    "CXL_ACPI": "m",
    "TRANSPARENT_HUGEPAGE": "y",
}

#: First byte, end, target node.
Range = tuple[int, int, int]


class Firmware:
    """Stands for an architecture: soft reserved ranges, and the nodes that they belong to."""

    def __init__(self, ranges: Sequence[Range], offers: Sequence[DaxOffer], pxms: dict[int, int]) -> None:
        self._ranges = ranges
        self._offers = offers
        self._pxms = pxms

    def phys_to_target_node(self, addr: int) -> int:
        return next((nid for start, end, nid in self._ranges if start <= addr < end), -1)

    def memory_add_physaddr_to_nid(self, addr: int) -> int:
        return max(self.phys_to_target_node(addr), 0)

    def borders(self) -> list[int]:
        return [border for start, end, _ in self._ranges for border in (start, end)]

    @hookimpl
    def softreserve_register_resources(self, system: System) -> None:
        system.nodes.address_to_node = self
        system.nodes.set_pxm_node_maps({nid: pxm for pxm, nid in self._pxms.items()})
        for start, end, _ in self._ranges:
            res = Resource(start, end - 1, "Soft Reserved", IORESOURCE_MEM, IORES_DESC_SOFT_RESERVED)
            insert_resource(self._tree(system).root, res)

    def _tree(self, system: System) -> ResourceTree:
        return system.soft_reserved if system.kernel.has(SOFT_RESERVED_IN_OWN_TREE) else system.iomem

    @hookimpl
    def softreserve_dax_devices(self) -> Sequence[DaxOffer]:
        return self._offers


@pytest.fixture
def boot_hmem() -> Callable[..., System]:
    """Boots 2 GiB of RAM in node 0, with 8 GiB of soft reserved memory of node 1 at 9 GiB unless told otherwise."""

    def boot(
        release: str = "6.12",
        ranges: Sequence[Range] = ((9 * GIB, 17 * GIB, 1),),
        *,
        offers: Sequence[DaxOffer] = (),
        pxms: dict[int, int] | None = None,
        ram: Sequence[Range] = ((0, 2 * GIB, 0),),
        config: dict[str, str] | None = None,
        cmdline: str = "",
        acpi: dict[str, bytes] | None = None,
        modules: Sequence[str] = (),
        others: Sequence[object] = (),
    ) -> System:
        firmware = Firmware(ranges, offers, pxms or {0: 0, 1: 1})
        system = boot_memory(
            ram,
            release=release,
            cmdline=cmdline,
            config={**CONFIG, **(config or {})},
            possible=range(8),
            plugins=[
                ("firmware", firmware),
                ("hmem", softreserve_hmem.plugin),
                *((f"other{number}", other) for number, other in enumerate(others)),
            ],
            acpi=acpi,
        )
        for name in modules:
            assert system.modules.load(name) == 0
        return system

    return boot
