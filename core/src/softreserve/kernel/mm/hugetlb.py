"""Huge pages that the command line asks for. Linux: ``mm/hugetlb.c``.

Sizes are bytes. What the kernel needs for itself is not modelled: a node gives as many pages as fit into what is free
of its memory at boot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from softreserve.kernel.early_param import REFUSED
from softreserve.kernel.mm.page_alloc import STRUCT_PAGE
from softreserve.model.units import string_get_size

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["HugePages", "Pool"]

_FILE: Final = "mm/hugetlb.c"
_WORDS: Final = ("hugepagesz", "hugepages", "default_hugepagesz")


class Pool:
    """Pages of one size. Linux: ``struct hstate``."""

    def __init__(self, size: int) -> None:
        self.size = size
        #: How many are wanted: of any node, and of which.
        self.wanted = 0
        self.wanted_of: dict[int, int] = {}
        #: How many there are, by node.
        self.pages: dict[int, int] = {}

    @property
    def words(self) -> str:
        """Its size as the kernel prints it."""
        return string_get_size(self.size)


class HugePages:
    """All pools of one kernel, in the order in which they came to be. Their pages are kept with the nodes."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.pools: dict[int, Pool] = {}
        #: The size that pages have where nothing else is said.
        self.default = system.nodes.default_huge_page
        self._default_asked = False
        self._implied = Pool(0)  # what comes before any size is named
        self._current: Pool | None = None
        self._valid_size = True
        self._last: Pool | None = None

    # --- the command line

    def setup(self) -> None:
        """Read the command line, and make what pages it asks for."""
        for parameter in self._system.cmdline:
            value = parameter.value
            if parameter.canonical in _WORDS and value is not None:
                if parameter.canonical == "hugepages":
                    self._hugepages(value)
                else:
                    self._size(value, default=parameter.canonical != "hugepagesz")
        for size in self._system.nodes.huge_page_sizes:
            self._add(size)
        if not self._default_asked and self._implied.wanted:
            self._take_implied(self.pools[self.default])
        for pool in self.pools.values():
            if pool.wanted:
                self._allocate(pool)
        nodes = self._system.nodes
        nodes.huge_page_sizes, nodes.default_huge_page = tuple(self.pools), self.default
        for pool in self.pools.values():
            nodes.huge_pages |= {(pool.size, nid): count for nid, count in pool.pages.items()}
        self._report()

    def _refuse(self, text: str) -> None:
        self._system.log.printk(f"HugeTLB: {text}", f"{_FILE}: hugetlb_init", REFUSED, "hugepages")

    def _say(self, text: str) -> None:
        self._system.printk(f"HugeTLB: {text}", f"{_FILE}: hugetlb_init")

    def _add(self, size: int) -> Pool:
        return self.pools.setdefault(size, Pool(size))

    def _size(self, text: str, *, default: bool) -> None:
        """Linux: ``hugepagesz_setup``, ``default_hugepagesz_setup``."""
        name = "default_hugepagesz" if default else "hugepagesz"
        self._valid_size = False
        if default and self._default_asked:
            self._refuse(f"default_hugepagesz previously specified, ignoring {text}")
            return
        size = self._system.kernel.memparse(text)[0]
        if size not in self._system.nodes.huge_page_sizes:
            self._refuse(f"unsupported {name}={text}")
            return
        known = self.pools.get(size)
        if known is not None and not default:
            if not self._default_asked or size != self.default or known.wanted:
                self._refuse(f"hugepagesz={text} specified twice, ignoring")
                return
            self._current, self._valid_size = known, True
            return
        self._current = self._add(size)
        self._valid_size = True
        if default:
            self._default_asked, self.default = True, size
            if self._implied.wanted:
                self._take_implied(self._current)

    def _take_implied(self, pool: Pool) -> None:
        if pool.wanted:
            self._refuse(f"Ignoring hugepages={pool.wanted} associated with {pool.words} page size")
            self._refuse(f"Using hugepages={self._implied.wanted} for number of default huge pages")
        pool.wanted, pool.wanted_of = self._implied.wanted, dict(self._implied.wanted_of)
        self._implied.wanted = 0

    def _hugepages(self, text: str) -> None:
        """``hugepages=count``, or ``node:count[,...]``. Linux: ``hugepages_setup``."""
        if not self._valid_size:
            self._refuse(f"hugepages={text} does not follow a valid hugepagesz, ignoring")
            self._valid_size = True
            return
        pool = self._implied if self._current is None else self._current
        if pool is self._last:
            words = "specified twice without interleaving hugepagesz=, ignoring hugepages="
            self._refuse(f"hugepages= {words}{text}")
            return
        rest = text
        while rest:
            node = re.match(r"(\d+):", rest)
            number = re.match(r"\d+", rest[node.end() :] if node else rest)
            if (
                number is None
                or (node and int(node[1]) not in self._system.nodes.online)
                or (not node and rest != text)
            ):
                self._refuse(f"Invalid hugepages parameter {rest}")
                pool.wanted_of.clear()
                return
            if node is None:
                pool.wanted = int(number[0])
                break
            pool.wanted_of[int(node[1])] = int(number[0])
            pool.wanted += int(number[0])
            rest = rest[node.end() + number.end() :]
            if not rest.startswith(","):
                break
            rest = rest[1:]
        self._last = pool

    # --- the pages

    def _allocate(self, pool: Pool) -> None:
        """Linux: ``hugetlb_hstate_alloc_pages``: from the nodes that are named, or from all in turn."""
        room = {nid: self._room(nid, pool.size) for nid in sorted(self._system.nodes.has_memory)}
        if any(pool.wanted_of.values()):
            for nid, wanted in sorted(pool.wanted_of.items()):
                pool.pages[nid] = got = min(wanted, room.get(nid, 0))
                if got < wanted:
                    failed = f"allocating {wanted} of page size {pool.words} failed node{nid}."
                    self._refuse(f"{failed}  Only allocated {got} hugepages.")
            return
        left = pool.wanted
        while left and any(room.values()):
            open_nodes = [nid for nid in room if room[nid]]
            share = max(left // len(open_nodes), 1)
            for nid in open_nodes:
                taken = min(share, room[nid], left)
                pool.pages[nid] = pool.pages.get(nid, 0) + taken
                room[nid] -= taken
                left -= taken
        if left:
            failed = f"allocating {pool.wanted} of page size {pool.words} failed."
            self._refuse(f"{failed}  Only allocated {pool.wanted - left} hugepages.")

    def _room(self, nid: int, size: int) -> int:
        """How many pages fit into what is free of a node."""
        memblock, page = self._system.memblock, self._system.kernel.page_size
        own = [(start * page, end * page) for start, end, _ in memblock.mem_pfn_ranges(nid)]
        parts = ((max(start, low), min(end, high)) for start, end in memblock.free_mem_ranges() for low, high in own)
        return sum(max(end // size - -(-start // size), 0) for start, end in parts if start < end)

    def _report(self) -> None:
        """Linux: ``report_hugepages``."""
        saves = self._system.kernel.builtin("HUGETLB_PAGE_OPTIMIZE_VMEMMAP")
        page = self._system.kernel.page_size
        for pool in self.pools.values():
            freed = max(pool.size // page * STRUCT_PAGE - page, 0) if saves else 0
            self._say(f"registered {pool.words} page size, pre-allocated {sum(pool.pages.values())} pages")
            self._say(f"{freed >> 10} KiB vmemmap can be freed for a {pool.words} page")
