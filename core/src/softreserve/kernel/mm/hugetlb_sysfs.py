"""Huge pages while a kernel runs: files that show them, and that ask for more or fewer. Linux: ``mm/hugetlb.c``.

All of them are free. What the kernel needs for itself is not modelled: a node gives as many as its memory holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from errno import EINVAL
from functools import partial
from typing import TYPE_CHECKING, Protocol

from softreserve.kernel.mm.page_alloc import MAX_ORDER
from softreserve.kernel.sysfs import Attribute, Directory, Node, Show, c_text, number_in
from softreserve.model import behaviours
from softreserve.model.units import kstrtoull

if TYPE_CHECKING:
    from softreserve.model.kernel import Kernel

__all__ = ["huge_page_files"]


class Nodes(Protocol):
    """What is asked of the nodes of a kernel, with which the pages are kept; sizes are bytes."""

    kernel: Kernel
    has_memory: set[int]
    huge_pages: dict[tuple[int, int], int]
    huge_overcommit: dict[int, int]
    huge_turns: dict[tuple[int, str], int]

    def huge_page_names(self) -> list[str]:
        """Directories, one for each size."""
        ...

    def huge_page_count(self, size: int, nid: int | None = None) -> int:
        """How many pages of that size a node has, or all have."""
        ...

    def free_pages(self, nid: int) -> int:
        """Pages of the ordinary size that are free."""
        ...


def huge_page_files(nodes: Nodes, nid: int | None, name: str) -> Directory | None:
    """The directory ``hugepages-NkB`` of a node, or with ``None`` that of all. Linux: ``hugetlb_register_node``."""
    size = (number_in(name.removesuffix("kB"), "hugepages-") or 0) << 10
    if name not in nodes.huge_page_names():
        return None

    def count() -> str:
        return f"{nodes.huge_page_count(size, nid)}\n"

    files: dict[str, Node] = {
        "free_hugepages": Attribute(0o444, count),
        "nr_hugepages": _number(count, partial(_set_max_huge_pages, nodes, size, nid)),
        "surplus_hugepages": Attribute(0o444, lambda: "0\n"),
    }
    if nid is None:
        files |= {
            "nr_hugepages_mempolicy": files["nr_hugepages"],
            "nr_overcommit_hugepages": _number(
                lambda: f"{nodes.huge_overcommit.get(size, 0)}\n", partial(_set_overcommit, nodes, size)
            ),
            "resv_hugepages": Attribute(0o444, lambda: "0\n"),
        }
    return Directory(files)


def _number(show: Show, take: Callable[[int], int]) -> Attribute:
    """A file that takes a decimal number; ``take`` gives 0 or ``-errno``."""

    def store(data: bytes) -> int:
        number = kstrtoull(c_text(data), 10)
        return number if number < 0 else take(number) or len(data)

    return Attribute(0o644, show, store)


def _set_overcommit(nodes: Nodes, size: int, number: int) -> int:
    """How many pages programs may have beyond those of the pool. Linux: ``nr_overcommit_hugepages_store``."""
    gigantic = size > nodes.kernel.page_size << MAX_ORDER.get(nodes.kernel.page_size, 10)
    if gigantic and not nodes.kernel.has(behaviours.GIGANTIC_PAGES_OVERCOMMIT):
        return -EINVAL
    nodes.huge_overcommit[size] = number
    return 0


def _set_max_huge_pages(nodes: Nodes, size: int, nid: int | None, number: int) -> int:
    """Have so many pages of a size (bytes) on a node, or on all together, or as many as there is room for: 0.

    Nodes take turns, each time from where the last one ended. Linux: ``set_max_huge_pages``.
    """
    allowed = sorted(nodes.has_memory) if nid is None else [nid]
    there = {node: nodes.huge_page_count(size, node) for node in allowed}
    more = number - sum(there.values())
    free = {node: max(nodes.free_pages(node), 0) * nodes.kernel.page_size // size for node in allowed}
    word, room = ("alloc", free) if more > 0 else ("free", there)
    turns = _Turns(allowed, nodes.huge_turns.get((size, word), 0))
    for node, taken in turns.deal(room, abs(more)):
        nodes.huge_pages[size, node] = there[node] + (taken if more > 0 else -taken)
    nodes.huge_turns[size, word] = turns.next
    return 0


class _Turns:
    """Nodes in turn. Linux: ``for_each_node_mask_to_alloc``, ``hstate_next_node_to_alloc``."""

    def __init__(self, allowed: list[int], start: int) -> None:
        self._allowed = allowed
        self.next = start

    def _order(self) -> list[int]:
        behind = [node for node in self._allowed if node >= self.next]
        return behind + self._allowed[: len(self._allowed) - len(behind)]

    def deal(self, room: Mapping[int, int], wanted: int) -> Iterator[tuple[int, int]]:
        """How many each node gives of what is wanted, as far as there is room."""
        left, given = dict(room), dict.fromkeys(room, 0)
        while wanted and any(left.values()):
            order = [node for node in self._order() if left[node]]
            rounds = min(wanted // len(order), *(left[node] for node in order))
            for node in order if rounds else order[:wanted]:
                taken = rounds or 1
                left[node] -= taken
                given[node] += taken
                wanted -= taken
                self.next = self._after(node)
        return iter(given.items())

    def _after(self, node: int) -> int:
        return next((other for other in self._allowed if other > node), self._allowed[0])
