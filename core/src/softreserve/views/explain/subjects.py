"""What somebody asks about: an address, a range, a device, a node, a memory block, a resource, a finding, a loss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.config.reader import parse_size
from softreserve.model.errors import MachineError, nearest, shown
from softreserve.model.outcome import LOSSES, USES, Part
from softreserve.model.ranges import PhysRange, merged
from softreserve.model.units import U64_MAX
from softreserve.views.node_map import NodeMap
from softreserve.views.outcome import dax_ranges

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.views.report import Report

__all__ = ["WHY_NOT", "Subject", "subjects"]

#: What a question begins with that asks for what is not.
WHY_NOT: Final = "why not"

#: What people may want of memory, in the words that they use, and the uses that it then has.
_WANTED: Final = {
    "usable": ("devdax", "kmem"),
    "used": ("devdax", "kmem"),
    "a dax device": ("devdax", "kmem", "unused"),
    "dax": ("devdax", "kmem", "unused"),
    "devdax": ("devdax",),
    "device_dax": ("devdax",),
    "system ram": ("kmem", "ram"),
    "system-ram": ("kmem", "ram"),
    "ram": ("kmem", "ram"),
    "kmem": ("kmem",),
    "online": ("kmem", "ram"),
    "set aside": ("devdax", "kmem", "unused", "no-device"),
    "soft reserved": ("devdax", "kmem", "unused", "no-device"),
}
_ONLINE: Final = "online"
#: A device of the dax bus, a node, a memory block; all may have a path before them.
_DEVICE: Final = re.compile(r"dax\d+\.\d+")
_NODE: Final = re.compile(r"node ?(\d{1,9})")
_BLOCK: Final = re.compile(r"memory ?(\d{1,18})")
_PLAIN_HEX: Final = re.compile(r"[0-9a-fA-F]{1,16}")


@attrs.frozen
class Subject:
    """What is asked about.

    :param kind: ``"address"``, ``"range"``, ``"device"``, ``"node"``, ``"block"``, ``"resource"``, ``"finding"`` or
        ``"loss"``: memory that is not what somebody wants it to be.
    :param name: how people call it.
    :param ranges: its memory, ascending and disjoint; a node may have none.
    :param number: that of the node or memory block.
    :param rule: that of the finding.
    :param wanted: uses (:data:`softreserve.model.outcome.USES`) that would do; empty: any other answer is one.
    :param also: uses that are better than none.
    :param online: whether it has to be online as well.
    """

    kind: str
    name: str
    ranges: tuple[PhysRange, ...]
    number: int | None = None
    rule: str = ""
    wanted: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    online: bool = False

    @property
    def size(self) -> int:
        """Bytes of all ranges."""
        return sum(where.size for where in self.ranges)


def subjects(system: System, told: Report, text: str) -> list[Subject]:
    """What a text asks about; several where it asks about several losses, none where there is no loss.

    :raises MachineError: there is no such thing on this machine, or the text names none.
    """
    words = " ".join(text.split())
    if words.casefold().replace("-", " ").startswith(WHY_NOT):
        return list(_losses(told, words[len(WHY_NOT) :].strip(" ?").casefold()))
    if words.startswith(("/dev/", "/sys/")):
        words = words.rpartition("/")[2]
    for pattern, find in ((_DEVICE, _device), (_NODE, _node), (_BLOCK, _block)):
        if match := pattern.fullmatch(words):
            return [find(system, match)]
    place = _place(words)
    if place is not None:
        return [place]
    return [_named(system, told, words)]


# --- memory by its addresses


def _place(words: str) -> Subject | None:
    """An address or a range; ``None``: it is neither.

    ``START+SIZE``, or ``START-END``: an odd end is the last byte, as the kernel prints it, an even one the first byte
    behind. Without ``0x`` and units both are hexadecimal, as in ``/proc/iomem``.

    :raises MachineError: a range that is empty or too large.
    """
    try:
        address = parse_size(words)
        return Subject("address", f"{address:#x}", (PhysRange(address, address + 1),))
    except ValueError:
        pass
    first, sign, second = (part.strip() for part in re.sub(r"^\[mem |\]$", "", words).partition("-"))
    if not sign:
        first, sign, second = (part.strip() for part in words.partition("+"))
    if not sign or not first or not second:
        return None
    try:
        if sign == "-" and _PLAIN_HEX.fullmatch(first) and _PLAIN_HEX.fullmatch(second):
            start, end = int(first, 16), int(second, 16)
        else:
            start, end = parse_size(first), parse_size(second)
    except ValueError:
        return None
    end = start + end if sign == "+" else end + end % 2
    if not start < end <= U64_MAX + 1:
        raise MachineError(f"{shown(words)}: no range; wanted START-END or START+SIZE, of at least one byte")
    return Subject("range", f"{start:#x}-{end - 1:#x}", (PhysRange(start, end),))


# --- what a system has


def _device(system: System, match: re.Match[str]) -> Subject:
    found = [(start, end, device.name) for start, end, device in dax_ranges(system)]
    ranges = sorted((start, end) for start, end, name in found if name == match[0])
    if not ranges:
        names = ", ".join(dict.fromkeys(name for *_, name in sorted(found)))
        has = f"it has {names}" if names else f"it has none; {WHY_NOT!r} asks why"
        raise MachineError(f"no dax device {match[0]} on this machine: {has}")
    return Subject("device", match[0], tuple(PhysRange(*where) for where in ranges))


def _node(system: System, match: re.Match[str]) -> Subject:
    number = int(match[1])
    where = NodeMap(system, ((start, end, device.node) for start, end, device in dax_ranges(system)))
    spans = [(r.start, r.end + 1) for r in (*system.find_boot_ram(), *system.find_soft_reserved())]
    spans += [(start, end) for start, end, _ in dax_ranges(system)]
    shares = [share for span in merged(spans) for share in where.split(*span)]
    ranges = merged((start, end) for start, end, node in shares if node == number)
    known = system.nodes.online | {node for *_, node in shares if node >= 0}
    if number not in known:
        raise MachineError(f"no node {number} on this machine: it has {', '.join(map(str, sorted(known)))}")
    return Subject("node", f"node{number}", tuple(PhysRange(*span) for span in ranges), number)


def _block(system: System, match: re.Match[str]) -> Subject:
    number, size = int(match[1]), system.memory.block_size
    start = number * size
    if start + size > U64_MAX + 1:
        raise MachineError(f"no memory block {number}: blocks have {size:#x} bytes, and addresses end before it")
    return Subject("block", f"memory{number}", (PhysRange(start, start + size),), number)


def _named(system: System, told: Report, words: str) -> Subject:
    """A finding by its rule, or memory by the name that ``/proc/iomem`` has for it."""
    rules = {finding.rule for finding in told.findings}
    if words in rules:
        found = [finding for finding in told.findings if finding.rule == words]
        spans = merged((f.start, f.end) for f in found if f.start is not None and f.end is not None)
        if not spans:
            spans = merged((part.start, part.end) for part in told.outcome.parts)
        return Subject("finding", words, tuple(PhysRange(*span) for span in spans), rule=words)
    named = [(res.start, res.end + 1) for _, res in system.iomem.walk() if (res.name or "") == words]
    if named:
        return Subject("resource", words, tuple(PhysRange(*span) for span in merged(named)))
    devices = {device.name for *_, device in dax_ranges(system)}
    known = {*rules, *devices, *(res.name or "" for _, res in system.iomem.walk())} - {""}
    near = nearest(words, known)
    raise MachineError(
        f"{shown(words)} is nothing that this machine has: wanted an address, START-END, START+SIZE, daxX.Y, "
        f"nodeN, memoryN, a name of /proc/iomem, a rule of lint, or {WHY_NOT!r}{near}"
    )


# --- memory that is not what somebody wants


def _losses(told: Report, wanted: str) -> Iterator[Subject]:
    """Memory that is marked, and not what it should be, by the reason for it.

    :raises MachineError: nobody knows what is wanted.
    """
    for lead in ("is it ", "it ", "as "):
        wanted = wanted.removeprefix(lead)
    uses: Sequence[str] = ("devdax", "kmem")
    if wanted:
        if wanted not in _WANTED:
            raise MachineError(
                f"{WHY_NOT} {shown(wanted)}: wanted one of {', '.join(_WANTED)}{nearest(wanted, _WANTED)}"
            )
        uses = _WANTED[wanted]
    online = wanted == _ONLINE
    groups: dict[tuple[str, str, str], list[Part]] = {}
    for part in told.outcome.parts:
        if part.use in uses and not (online and part.online is False):
            continue
        groups.setdefault((part.use, part.rule, "" if part.use in LOSSES else part.driver), []).append(part)
    for (use, rule, _), parts in groups.items():
        spans = merged((part.start, part.end) for part in parts)
        name = USES[use] + (f" [{rule}]" if rule else "")
        ranges = tuple(PhysRange(*span) for span in spans)
        # what nobody has at all is better off as RAM for everybody
        also = ("ram",) if use in LOSSES and not wanted else ()
        yield Subject("loss", name, ranges, rule=rule, wanted=tuple(uses), also=also, online=online)
