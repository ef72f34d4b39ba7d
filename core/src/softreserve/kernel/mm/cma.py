"""Contiguous memory for drivers, taken while memory is still whole. Linux: ``kernel/dma/contiguous.c``, ``mm/cma.c``.

Addresses and sizes are bytes; ranges are half open.
"""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENOMEM
from typing import TYPE_CHECKING, Final

from softreserve.kernel.early_param import REFUSED
from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.kernel.state import StashKey
from softreserve.model import behaviours
from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.system import System
    from softreserve.model.events import Rule

__all__ = ["CMA", "ContiguousMemory"]

_SZ_4G: Final = 1 << 32


class ContiguousMemory:
    """The areas of one kernel.

    :param memblock: where areas are looked for: it knows of early allocations that :attr:`System.memblock` leaves out.
    """

    def __init__(self, system: System, memblock: Memblock) -> None:
        self._system = system
        self._memblock = memblock
        #: The area that ``kexec_file_load`` and devices without one of their own take from.
        self.default: PhysRange | None = None
        kernel = system.kernel
        self._align = min(kernel.pmd_size, system.memory.zones.max_order_pages * kernel.page_size)
        self._reworked = kernel.has(behaviours.CMA_REWORKED)

    # --- at boot

    def dma_contiguous_reserve(self, limit: int) -> None:
        """Make the default area, of ``cma=`` or of the size that was built in, below ``limit`` (0: anywhere)."""
        kernel = self._system.kernel
        if not (kernel.builtin("CMA") and kernel.builtin("DMA_CMA")):
            return
        size, base = kernel.number("CMA_SIZE_MBYTES", 0) << 20, 0
        fixed = False
        for text in self._system.cmdline.all("cma"):
            if text is None:
                self._system.printk("cma: Config string not provided", "kernel/dma/contiguous.c: early_cma")
                continue
            size, base, asked = self._early_cma(text)
            limit = asked or limit
            fixed = base + size == asked
        if size:
            found = self.declare(size, base, limit, fixed=fixed)
            if isinstance(found, int):
                return
            self.default = found
        if kernel.builtin("DMA_NUMA_CMA"):
            self._reserve_per_node()

    def _early_cma(self, text: str) -> tuple[int, int, int]:
        """``size[@base[-limit]]``: size, base, limit; 0: not given. Linux: ``early_cma``."""
        kernel = self._system.kernel
        size, rest = kernel.memparse(text)
        if rest[:1] != "@":
            return size, 0, 0
        base, rest = kernel.memparse(rest[1:])
        return size, base, kernel.memparse(rest[1:])[0] if rest[:1] == "-" else base + size

    def _reserve_per_node(self) -> None:
        """An area on every node, as large as the default one, where there are several. Linux: ``dma_numa_cma_reserve``.

        ``numa_cma=`` and ``cma_pernuma=`` say other sizes.
        """
        nodes, kernel = self._system.nodes, self._system.kernel
        sizes: dict[int, int] = {}
        each = 0
        own = self._system.cmdline.has("numa_cma") or self._system.cmdline.has("cma_pernuma")
        if not own and kernel.builtin("CMA_SIZE_PERNUMA") and self.default is not None and len(nodes.online) > 1:
            each = self.default.size
        for text in self._system.cmdline.all("cma_pernuma"):
            each = kernel.memparse(text or "")[0]
        for text in self._system.cmdline.all("numa_cma"):
            for part in (text or "").split(","):
                number, colon, amount = part.partition(":")
                if not (colon and number.isdigit()):
                    break
                sizes[int(number)] = kernel.memparse(amount)[0]
        for nid in sorted(nodes.possible):
            size = sizes.get(nid) or each
            if nid not in nodes.online:
                if size:
                    self._system.printk(f"cma: invalid node {nid} specified")
            elif size:
                found = self.declare(size, nid=nid)
                if isinstance(found, int):
                    self._system.printk(f"cma: dma_numa_cma_reserve: reservation failed: err {found}, node {nid}")

    def declare(
        self, size: int, base: int = 0, limit: int = 0, *, fixed: bool = False, nid: int = NUMA_NO_NODE
    ) -> PhysRange | int:
        """Reserve an area and say so: the range, or -errno. Linux: ``cma_declare_contiguous_nid``."""
        found = self._declare(size, base, limit, fixed, nid)
        if not self._reworked:
            size = -(-size // self._align) * self._align
        where = f" on node {nid}" if self._system.kernel.has(behaviours.CMA_NAMES_NODE) else ""
        if isinstance(found, int):
            asked = self._system.cmdline.has("cma")
            self._say(f"Failed to reserve {size >> 20} MiB{where}", REFUSED if asked else None)
            return found
        self._system.memblock.reserve_kern(found.start, found.size, caller="memblock_alloc_range_nid")
        self._say(f"Reserved {size >> 20} MiB at {found.start:#018x}{where}")
        return found

    def _say(self, text: str, rule: Rule | None = None) -> None:
        self._system.log.printk(f"cma: {text}", "mm/cma.c: cma_declare_contiguous_nid", rule, "cma")

    def _declare(self, size: int, base: int, limit: int, fixed: bool, nid: int) -> PhysRange | int:
        align, memblock = self._align, self._memblock
        if fixed and base % align:
            self._say(f"Region at {base:#018x} must be aligned to {align:#018x} bytes")
            return -EINVAL
        base, size, limit = -(-base // align) * align, -(-size // align) * align, limit // align * align
        end = memblock.end_of_dram()
        limit = min(limit or end, end)
        if base + size > limit:
            self._say(f"Size ({size:#018x}) of region at {base:#018x} exceeds limit ({limit:#018x})")
            return -EINVAL
        if fixed and base:
            if memblock.is_region_reserved(base, size) or memblock.reserve(base, size):
                return -EBUSY
            return PhysRange.from_size(base, size)
        found = self._alloc(size, base, limit, nid)
        return PhysRange.from_size(found, size) if found else -ENOMEM

    def _alloc(self, size: int, base: int, limit: int, nid: int) -> int:
        """Above 4 GiB from the bottom, else from the top: the address, or 0. Linux: ``cma_alloc_mem``."""
        memblock = self._memblock
        reach = limit if self._reworked else memblock.end_of_dram()
        found = 0
        if not memblock.bottom_up and reach >= _SZ_4G + size:
            memblock.bottom_up = True
            found = memblock.alloc_range_nid(size, self._align, _SZ_4G, limit, nid, exact_nid=True)
            memblock.bottom_up = False
        return found or memblock.alloc_range_nid(size, self._align, base, limit, nid, exact_nid=True)


#: Where early boot leaves it.
CMA: StashKey[ContiguousMemory] = StashKey("cma")
