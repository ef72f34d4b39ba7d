"""What became of specific purpose memory, as values: every byte of it once; see :mod:`softreserve.views.outcome`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final, TypeVar

import attrs

__all__ = ["LOSSES", "USES", "Marked", "NodeRow", "Outcome", "Part"]

#: What a byte of specific purpose memory can be, and how people call that.
USES: Final = {
    "devdax": "dax devices, for programs to map",
    "kmem": "System RAM, by way of dax devices",
    "ram": "ordinary System RAM",
    "unused": "in dax devices, but unusable",
    "no-device": "soft reserved, without a dax device",
    "lost": "neither soft reserved nor RAM",
}
#: Uses of which nobody has anything.
LOSSES: Final = ("unused", "no-device", "lost")


@attrs.frozen
class Part:
    """Neighbouring bytes (half open) with one fate.

    ``use`` is one of :data:`USES`; ``owner`` the innermost resource, empty where there is none; ``device`` and
    ``driver`` are those of the dax bus; ``node`` is -1 where none is known. ``online`` and ``zone`` tell of System RAM
    that a driver brought; ``None`` and empty elsewhere. ``rule`` and ``why`` are those of the finding that says why
    nobody has anything of the memory.
    """

    start: int
    end: int
    use: str
    owner: str = ""
    device: str = ""
    driver: str = ""
    node: int = -1
    online: bool | None = None
    zone: str = ""
    severity: str = ""
    rule: str = ""
    why: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    @property
    def words(self) -> str:
        """What became of it, in a few words."""
        device = ", ".join(word for word in (self.device, self.driver or (self.device and "no driver")) if word)
        if self.use == "devdax":
            return device
        if self.use == "kmem":
            state = f"online{f' in zone {self.zone}' if self.zone else ''}" if self.online else "offline"
            return f"{device or self.owner}: system RAM, {state}"
        reason = f" [{self.rule}]" if self.rule else ""
        if self.use == "unused":
            return f"{device}: unused{reason}"
        words = {"ram": "ordinary RAM", "no-device": "soft reserved, no dax device"}
        return words.get(self.use, self.owner or "in no resource") + reason


@attrs.frozen
class Marked:
    """A range (bytes, half open) that was marked, and what became of it: parts without a gap between them.

    ``by`` is ``"firmware"``, or ``"kernel"`` where the firmware's map, as far as it is known, does not say so, or
    ``"plugin"`` where a plugin brought it: ``source`` is then its words for where it comes from.
    """

    start: int
    end: int
    by: str
    parts: tuple[Part, ...] = ()
    source: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start


@attrs.frozen
class NodeRow:
    """A node, or -1: memory whose node nobody knows. Sizes are bytes.

    ``ram`` is what it has from boot on, ``special`` the specific purpose memory beside that, ``added`` what of that
    is online as System RAM. ``tier`` is that of the memory tiers, ``None`` where the node is in none; pages go to
    the nodes of ``demotes_to`` when it is full and demotion is on. ``distances`` are by node. ``performance`` has what
    the kernel shows of it by the HMAT, by the names of the files (nanoseconds, MB/s); empty: nothing.
    """

    node: int
    online: bool
    ram: int
    special: int
    added: int
    cpus: str
    tier: int | None
    demotes_to: tuple[int, ...]
    distances: dict[int, int]
    performance: dict[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Outcome:
    """All specific purpose memory of a system, as disjoint ranges, and its nodes; ascending."""

    ranges: tuple[Marked, ...]
    nodes: tuple[NodeRow, ...] = ()

    @property
    def parts(self) -> Iterator[Part]:
        """All parts, ascending."""
        for marked in self.ranges:
            yield from marked.parts

    def part_at(self, address: int) -> Part | None:
        """The part that holds an address; ``None``: that is no specific purpose memory."""
        marked = _holding(self.ranges, address)
        return _holding(marked.parts, address) if marked is not None else None

    @property
    def total(self) -> int:
        """Bytes that were marked."""
        return sum(marked.size for marked in self.ranges)

    def size(self, *uses: str) -> int:
        """Bytes that are put to these uses."""
        return sum(part.size for part in self.parts if part.use in uses)

    @property
    def totals(self) -> dict[str, int]:
        """Bytes by use, every one of :data:`USES`; their sum is :attr:`total`."""
        found = dict.fromkeys(USES, 0)
        for part in self.parts:
            found[part.use] += part.size
        return found


_start = attrgetter("start")
T = TypeVar("T", Marked, Part)


def _holding(spans: Sequence[T], address: int) -> T | None:
    """The one that holds an address, of some that are disjoint and ascending."""
    found = bisect_right(spans, address, key=_start) - 1
    return spans[found] if found >= 0 and address < spans[found].end else None
