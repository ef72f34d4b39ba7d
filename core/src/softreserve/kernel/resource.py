"""The resource tree behind ``/proc/iomem``. Linux: ``kernel/resource.c``, ``include/linux/ioport.h``.

This is the one place where ends are inclusive, as in ``struct resource`` and in the text of ``/proc/iomem``. Addresses
are bytes, modulo 2**64. Children are kept in a sorted list instead of the kernel's linked list: the first child that a
range can meet is found by bisection, so that ten thousand siblings cost no more than ten.

Functions have the kernel's names and return what the kernel returns: 0 or ``-errno``, a resource, or nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from errno import EBUSY, EINVAL, ENODEV
from operator import attrgetter
from typing import Final

from softreserve.model.errors import MachineError
from softreserve.model.events import EventLog, Rule
from softreserve.model.ranges import onward
from softreserve.model.units import U64_MAX

__all__ = [
    "IORESOURCE_BUSY",
    "IORESOURCE_EXCLUSIVE",
    "IORESOURCE_MEM",
    "IORESOURCE_SYSRAM",
    "IORESOURCE_SYSRAM_DRIVER_MANAGED",
    "IORESOURCE_SYSRAM_MERGEABLE",
    "IORESOURCE_SYSTEM_RAM",
    "IORES_DESC_ACPI_NV_STORAGE",
    "IORES_DESC_ACPI_TABLES",
    "IORES_DESC_CXL",
    "IORES_DESC_DEVICE_PRIVATE_MEMORY",
    "IORES_DESC_NONE",
    "IORES_DESC_PERSISTENT_MEMORY",
    "IORES_DESC_PERSISTENT_MEMORY_LEGACY",
    "IORES_DESC_RESERVED",
    "IORES_DESC_SOFT_RESERVED",
    "REGION_DISJOINT",
    "REGION_INTERSECTS",
    "REGION_MIXED",
    "Resource",
    "ResourceTree",
    "adjust_resource",
    "insert_resource",
    "insert_resource_expand_to_fit",
    "merge_system_ram_resource",
    "nesting_problem",
    "region_intersects",
    "release_mem_region_adjustable",
    "release_region",
    "release_resource",
    "remove_resource",
    "request_region",
    "request_resource",
    "reserve_region_with_split",
    "walk_iomem_res_desc",
    "walk_system_ram_res",
    "walk_system_ram_res_rev",
]

RESOURCE_EXPANDED: Final = Rule("resource-expanded", "resource expanded over a conflict")

IORESOURCE_MEM: Final = 0x00000200
IORESOURCE_SYSRAM: Final = 0x01000000
IORESOURCE_SYSRAM_DRIVER_MANAGED: Final = 0x02000000
IORESOURCE_SYSRAM_MERGEABLE: Final = 0x04000000
IORESOURCE_EXCLUSIVE: Final = 0x08000000
IORESOURCE_BUSY: Final = 0x80000000
IORESOURCE_SYSTEM_RAM: Final = IORESOURCE_MEM | IORESOURCE_SYSRAM
_TYPE_BITS: Final = 0x00001F00
_EXT_TYPE_BITS: Final = IORESOURCE_SYSRAM

IORES_DESC_NONE: Final = 0
IORES_DESC_ACPI_TABLES: Final = 2
IORES_DESC_ACPI_NV_STORAGE: Final = 3
IORES_DESC_PERSISTENT_MEMORY: Final = 4
IORES_DESC_PERSISTENT_MEMORY_LEGACY: Final = 5
IORES_DESC_DEVICE_PRIVATE_MEMORY: Final = 6
IORES_DESC_RESERVED: Final = 7
IORES_DESC_SOFT_RESERVED: Final = 8
IORES_DESC_CXL: Final = 9

REGION_INTERSECTS: Final = 0
REGION_DISJOINT: Final = 1
REGION_MIXED: Final = 2

_MAX_IORES_LEVEL: Final = 5

_end = attrgetter("end")
_start = attrgetter("start")


class Resource:
    """``struct resource``: ``start`` and ``end`` in bytes, ``end`` INCLUSIVE; no ``parent`` while it is not linked.

    ``children`` is sorted by start; only the functions of this module change it. A resource is ``tangled`` once a range
    that passes 2**64 was given to a child, or taken out of one: nothing below it can be bisected any more.
    """

    __slots__ = ("children", "desc", "end", "flags", "name", "parent", "start", "tangled")

    def __init__(self, start: int, end: int, name: str | None, flags: int = 0, desc: int = IORES_DESC_NONE) -> None:
        self.start = start
        self.end = end
        self.name = name
        self.flags = flags
        self.desc = desc
        self.parent: Resource | None = None
        self.children: list[Resource] = []
        self.tangled = False

    @property
    def size(self) -> int:
        """Length in bytes. Linux: ``resource_size``."""
        return (self.end - self.start + 1) & U64_MAX

    @property
    def child(self) -> Resource | None:
        """The first child."""
        return self.children[0] if self.children else None

    @property
    def sibling(self) -> Resource | None:
        """The next child of the same parent."""
        if self.parent is None:
            return None
        at = _index(self.parent, self)
        return self.parent.children[at + 1] if 0 <= at < len(self.parent.children) - 1 else None

    @property
    def raw(self) -> str:
        """``%pr``: a memory resource with its flags undecoded. Linux: ``lib/vsprintf.c: resource_string``."""
        last = f"-{self.end:#010x}" if self.end != self.start else ""
        return f"[mem {self.start:#010x}{last} flags {self.flags:#x}]"

    def matches(self, flags: int, desc: int) -> bool:
        """Whether it has all of ``flags``, and ``desc`` unless that is NONE. Linux: ``is_type_match``."""
        return self.flags & flags == flags and desc in (IORES_DESC_NONE, self.desc)

    def __repr__(self) -> str:
        return f"<Resource {self.start:#x}-{self.end:#x} {self.name!r} flags {self.flags:#x} desc {self.desc}>"


def _index(parent: Resource, res: Resource) -> int:
    """Position of exactly this resource among the children, or -1."""
    siblings = parent.children
    at = 0 if parent.tangled else bisect_left(siblings, res.start, key=_start)
    while at < len(siblings) and (parent.tangled or siblings[at].start == res.start):
        if siblings[at] is res:
            return at
        at += 1
    return -1


def _first(parent: Resource, start: int, end: int) -> int:
    """Position of the first child that ends at ``start`` or later, or starts behind ``end`` (inclusive)."""
    siblings = parent.children
    if not parent.tangled:
        return bisect_left(siblings, start, key=_end)
    return next((at for at, res in enumerate(siblings) if res.start > end or res.end >= start), len(siblings))


# ---------------------------------------------------------------------------------------------- linking and unlinking


def _request_resource(root: Resource, new: Resource) -> Resource | None:
    """Link ``new`` below ``root``: ``None``, or what is in the way. Linux: ``__request_resource``."""
    if new.end < new.start or new.start < root.start or new.end > root.end:
        return root
    siblings = root.children
    at = _first(root, new.start, new.end)
    if at < len(siblings) and siblings[at].start <= new.end:
        return siblings[at]
    siblings.insert(at, new)
    new.parent = root
    return None


def request_resource(root: Resource, new: Resource) -> int:
    """Link ``new`` as a child of ``root``: 0, or -EBUSY where it does not fit in or meets another child."""
    return -EBUSY if _request_resource(root, new) else 0


def _insert_resource(parent: Resource, new: Resource) -> Resource | None:
    """Link ``new`` where it belongs below ``parent``: ``None``, or the conflict. Linux: ``__insert_resource``."""
    while True:
        first = _request_resource(parent, new)
        if first is None or first is parent or first is new:
            return first
        if first.start > new.start or first.end < new.end:
            break
        if first.start == new.start and first.end == new.end:
            break
        parent = first
    siblings = parent.children
    low = high = _index(parent, first)
    while high == low or (high < len(siblings) and siblings[high].start <= new.end):
        if siblings[high].start < new.start or siblings[high].end > new.end:
            return siblings[high]
        high += 1
    new.parent = parent
    new.children = siblings[low:high]
    new.tangled = parent.tangled
    for child in new.children:
        child.parent = new
    siblings[low:high] = [new]
    return None


def insert_resource(parent: Resource, new: Resource) -> int:
    """Link ``new`` at its place in the tree below ``parent``: 0, or -EBUSY on a partial overlap.

    It descends into resources that are larger; resources inside it, and one that is equal, become its children.
    """
    return -EBUSY if _insert_resource(parent, new) else 0


def insert_resource_expand_to_fit(root: Resource, new: Resource, log: EventLog) -> None:
    """Link ``new`` as :func:`insert_resource` does, enlarging it over whatever it overlaps in part."""
    if new.parent is not None:
        return
    while True:
        conflict = _insert_resource(root, new)
        if conflict is None or conflict is root:
            return
        before = f"{new.start:#x}-{new.end:#x}"
        new.start = min(new.start, conflict.start)
        new.end = max(new.end, conflict.end)
        log.printk(f"resource: Expanded resource {new.name} due to conflict with {conflict.name}")
        log.record(
            RESOURCE_EXPANDED,
            "kernel/resource.c: insert_resource_expand_to_fit",
            new.start,
            new.end + 1,
            before,
            f"{new.start:#x}-{new.end:#x}",
        )


def _unlink(old: Resource, keep: list[Resource]) -> int:
    """Put ``keep`` in the place of ``old``: 0, or -EINVAL where it is not linked. Linux: ``__release_resource``."""
    parent = old.parent
    at = -1 if parent is None else _index(parent, old)
    if parent is None or at < 0:
        return -EINVAL
    for child in keep:
        child.parent = parent
    parent.children[at : at + 1] = keep
    parent.tangled |= old.tangled
    old.parent = None
    return 0


def release_resource(old: Resource) -> int:
    """Take a resource and everything below it out of the tree: 0 or -EINVAL."""
    return _unlink(old, [])


def remove_resource(old: Resource) -> int:
    """Take a resource out of the tree and let its children move up: 0 or -EINVAL."""
    status = _unlink(old, old.children)
    if not status:
        old.children = []
    return status


def adjust_resource(res: Resource, start: int, size: int) -> int:
    """Give a resource another range: 0, or -EBUSY where parent, neighbours or children do not allow it."""
    end = (start + size - 1) & U64_MAX
    parent = res.parent
    if parent is not None:
        if start < parent.start or end > parent.end:
            return -EBUSY
        at = _index(parent, res)
        if at + 1 < len(parent.children) and parent.children[at + 1].start <= end:
            return -EBUSY
        if at > 0 and start <= parent.children[at - 1].end:
            return -EBUSY
    if any(child.start < start or child.end > end for child in res.children):
        return -EBUSY
    res.start, res.end = start, end
    if parent is not None and end < start:
        parent.tangled = True
    return 0


# ----------------------------------------------------------------------------------------------------- busy regions


def request_region(parent: Resource, start: int, size: int, name: str, flags: int = 0) -> Resource | None:
    """Claim ``size`` bytes from ``start`` on as a busy region; ``None`` where something busy is in the way.

    Resources that are not busy are descended into; the region takes type and description from the one it ends up in.
    Linux: ``__request_region``.
    """
    res = Resource(start, (start + size - 1) & U64_MAX, name)
    while True:
        res.flags = parent.flags & (_TYPE_BITS | _EXT_TYPE_BITS) | IORESOURCE_BUSY | flags
        res.desc = parent.desc
        conflict = _request_resource(parent, res)
        if conflict is None:
            return res
        if conflict is parent or conflict.flags & IORESOURCE_BUSY:
            return None
        parent = conflict


def _holding(parent: Resource, start: int, end: int, *, ascending: bool = False) -> tuple[Resource, Resource] | None:
    """``(parent, child)`` of the topmost busy child that holds ``start`` to ``end`` (inclusive).

    :param ascending: whether the first child at ``end`` or above it ends the search.
    """
    while True:
        at = 0 if parent.tangled else bisect_left(parent.children, end, key=_end)
        for res in onward(parent.children, at):
            if res.start <= start and res.end >= end:
                break
            if not parent.tangled or (ascending and res.start >= end):
                return None
        else:
            return None
        if res.flags & IORESOURCE_BUSY:
            return parent, res
        parent = res


def release_region(parent: Resource, start: int, size: int, log: EventLog | None = None) -> None:
    """Give back a busy region of exactly this range; prints where there is none. Linux: ``__release_region``."""
    end = (start + size - 1) & U64_MAX
    found = _holding(parent, start, end)
    if found is not None and found[1].start == start and found[1].end == end:
        _unlink(found[1], [])
    elif log is not None:
        log.printk(f"resource: Trying to free nonexistent resource <{start:#018x}-{end:#018x}>")


def release_mem_region_adjustable(root: Resource, start: int, size: int, *, hands_over: bool = False) -> None:
    """Give back part or all of a busy memory resource; what is left of it is cut or split.

    Nothing happens where no busy memory resource holds the range, or where a child is in the way.

    :param hands_over: whether the upper part gets the children that lie in it, see
        ``split-resource-hands-over-children``; else all stay with the lower part.
    """
    end = (start + size - 1) & U64_MAX
    if start < root.start or end > root.end:
        return
    found = _holding(root, start, end, ascending=True)
    if found is None or found[1].start >= end or not found[1].flags & IORESOURCE_MEM:
        return
    parent, res = found
    if res.start == start and res.end == end:
        _unlink(res, [])
    elif res.start == start:
        adjust_resource(res, end + 1, res.end - end)
    elif res.end == end:
        adjust_resource(res, res.start, start - res.start)
    else:
        upper = Resource(end + 1, res.end, res.name, res.flags, res.desc)
        if hands_over:
            upper.children = [child for child in res.children if child.start > end]
            res.children = [child for child in res.children if child.start <= end]
            for child in upper.children:
                child.parent = upper
        if adjust_resource(res, res.start, start - res.start) == 0:
            upper.parent = parent
            parent.tangled |= end < start
            parent.children.insert(_index(parent, res) + 1, upper)


def reserve_region_with_split(root: Resource, start: int, end: int, name: str, log: EventLog | None = None) -> None:
    """Fill what no child of ``root`` covers of ``start`` to ``end`` (INCLUSIVE) with busy resources ``name``."""
    if root.start > start or root.end < end:
        if log is not None:
            log.printk(f"resource: requested range [{start:#x}-{end:#x}] not in root {root.raw}")
        if start > root.end or end < root.start:
            return
        start, end = max(start, root.start), min(end, root.end)
        if log is not None:
            log.printk(f"resource: fixing request to [{start:#x}-{end:#x}]")
    flags = root.flags & _TYPE_BITS | IORESOURCE_BUSY
    while True:
        res = Resource(start, end, name, flags)
        conflict = _request_resource(root, res)
        if conflict is None or (conflict.start <= start and conflict.end >= end):
            return
        if conflict.start > start:
            request_resource(root, Resource(start, conflict.start - 1, name, flags))
            if conflict.end >= end:
                return
        start = conflict.end + 1


def merge_system_ram_resource(res: Resource) -> None:
    """Mark a busy System RAM resource mergeable and join it with neighbours that are equal and marked too."""
    wanted = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY
    if res.parent is None or res.flags & wanted != wanted:
        return
    res.flags |= IORESOURCE_SYSRAM_MERGEABLE
    siblings = res.parent.children
    at = _index(res.parent, res)
    if at + 1 < len(siblings) and _mergeable(res, siblings[at + 1]):
        upper = siblings.pop(at + 1)
        upper.parent = None
        res.end = upper.end
    if at > 0 and _mergeable(siblings[at - 1], res):
        siblings[at - 1].end = res.end
        del siblings[at]
        res.parent = None


def _mergeable(lower: Resource, upper: Resource) -> bool:
    return (
        lower.flags == upper.flags
        and lower.end + 1 == upper.start
        and lower.name == upper.name
        and lower.desc == upper.desc
        and not lower.children
        and not upper.children
    )


# --------------------------------------------------------------------------------------------------------- questions


def _onward(siblings: list[Resource], at: int) -> Iterator[Resource]:
    """Resources from ``siblings[at]`` on, each followed by all below it."""
    for res in onward(siblings, at):
        yield res
        if res.children:
            yield from _onward(res.children, 0)


def _reaching(parent: Resource, start: int) -> Iterator[Resource]:
    """Resources below ``parent`` that end at ``start`` or later, each followed by those below it that do.

    Where it is tangled, all of them.
    """
    at = 0 if parent.tangled else bisect_left(parent.children, start, key=_end)
    for res in onward(parent.children, at):
        yield res
        if res.children:
            yield from _reaching(res, start)


def _beyond(res: Resource, root: Resource) -> Iterator[Resource]:
    """Everything below ``res``, and then everything after it: the kernel's loop does not stop at the last descendant.

    Nothing at all where ``res`` has no child. Linux: ``for_each_resource``.
    """
    if not res.children:
        return
    yield from _onward(res.children, 0)
    while res is not root and res.parent is not None:
        siblings = res.parent.children
        yield from _onward(siblings, _index(res.parent, res) + 1)
        res = res.parent


def region_intersects(root: Resource, start: int, size: int, flags: int, desc: int, *, looks_below: bool = True) -> int:
    """How ``size`` bytes from ``start`` on relate to resources with these flags and description.

    REGION_DISJOINT: none of them; REGION_MIXED: some of them and something else; REGION_INTERSECTS: nothing else.

    :param looks_below: whether resources inside others count, see ``region-intersects-looks-below``.
    """
    end = (start + size - 1) & U64_MAX
    matching = other = 0
    at = 0 if root.tangled else bisect_left(root.children, start, key=_end)
    for res in onward(root.children, at):
        if res.start > end or res.end < start:
            if root.tangled:
                continue
            break
        if res.matches(flags, desc):
            matching += 1
            continue
        if not looks_below:
            other += 1
            continue
        found, covered = _cover(root, res, start, end, flags, desc)
        matching += found
        other += not covered
    if not matching:
        return REGION_DISJOINT
    return REGION_MIXED if other else REGION_INTERSECTS


def _cover(root: Resource, res: Resource, start: int, end: int, flags: int, desc: int) -> tuple[int, bool]:
    """How many matching resources lie below ``res``, and whether they cover its part of ``start`` to ``end``."""
    low, high = max(res.start, start), min(res.end, end)
    found = 0
    for below in _beyond(res, root):
        if below.start > end:
            break
        if below.end < start or not below.matches(flags, desc):
            continue
        found += 1
        if below.start > low:
            break
        if below.end >= high:
            return found, True
        low = max(low, below.end + 1)
    return found, False


def _find_next_iomem_res(root: Resource, start: int, end: int, flags: int, desc: int) -> Resource | int:
    """The lowest matching resource in ``start`` to ``end`` (inclusive, above ``start``), clipped to it, or -ENODEV.

    What is returned is a copy, which knows its parent and is no child of it.
    """
    for res in _reaching(root, start):
        if res.start > end:
            break
        if res.end >= start and res.matches(flags, desc):
            found = Resource(max(start, res.start), min(end, res.end), res.name, res.flags, res.desc)
            found.parent = res.parent
            return found
    return -ENODEV


def walk_iomem_res_desc(
    root: Resource, desc: int, flags: int, start: int, end: int, func: Callable[[Resource], int]
) -> int:
    """Call ``func`` with every matching range between ``start`` and ``end`` (INCLUSIVE), clipped, lowest first.

    It ends when ``func`` returns something else than 0. Returns the last answer; -EINVAL where nothing matches.

    :raises MachineError: the walk never ends.
    """
    status = -EINVAL
    while start < end:
        res = _find_next_iomem_res(root, start, end, flags, desc)
        if isinstance(res, int):
            break
        status = func(res)
        if status:
            break
        if res.end == U64_MAX:
            raise MachineError(f"the kernel walks /proc/iomem for ever: {res.name} ends at 2^64")
        start = res.end + 1
    return status


def walk_system_ram_res(root: Resource, start: int, end: int, func: Callable[[Resource], int]) -> int:
    """:func:`walk_iomem_res_desc` over busy System RAM."""
    flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY
    return walk_iomem_res_desc(root, IORES_DESC_NONE, flags, start, end, func)


def walk_system_ram_res_rev(root: Resource, start: int, end: int, func: Callable[[Resource], int]) -> int:
    """:func:`walk_system_ram_res` from the highest range down; -1 where there is none."""
    found: list[Resource] = []

    def collect(res: Resource) -> int:
        found.append(res)
        return 0

    walk_system_ram_res(root, start, end, collect)
    status = -1
    for res in reversed(found):
        status = func(res)
        if status:
            break
    return status


def nesting_problem(root: Resource) -> str | None:
    """What is no tree: a name that is no words, or a place not behind the one before it, or outside of its parent.

    In words, or ``None``.
    """
    todo = [root]
    while todo:
        parent = todo.pop()
        last = parent.start - 1
        for res in parent.children:
            if not isinstance(res, Resource) or res.parent is not parent:
                return f"{res} is among the children of {parent.name}, where nobody requested or inserted it"
            name, place = res.name, f"{res.start:#x}-{res.end:#x}"
            if not isinstance(name, str) or not name.isprintable():
                return f"the resource at {place} is named {name!r}: wanted words"
            if not parent.start <= res.start <= res.end <= parent.end:
                return f"{name} at {place} lies across {parent.name} or beyond it, wanted it inside"
            if res.start <= last:
                return f"{name} at {place} overlaps the resource before it, or belongs before it: they are sorted"
            last = res.end
            if res.children:
                todo.append(res)
    return None


class ResourceTree:
    """``iomem_resource`` and its text.

    :param log: where the kernel's lines about resources go.
    :param desc: of the root; who requests a region of it gets the same.
    :param levels: how deep lines are indented at the most.
    """

    def __init__(
        self, log: EventLog, name: str = "PCI mem", desc: int = IORES_DESC_NONE, *, levels: int = _MAX_IORES_LEVEL
    ) -> None:
        self.log = log
        self.root = Resource(0, U64_MAX, name, IORESOURCE_MEM, desc)
        self._levels = levels

    @property
    def limit(self) -> int:
        """The last byte that a resource may have. Linux: ``iomem_resource.end``."""
        return self.root.end

    @limit.setter
    def limit(self, last: int) -> None:
        self.root.end = last

    def walk(self) -> Iterator[tuple[int, Resource]]:
        """Every resource with its depth (0: top level), parents before children, ascending."""
        todo = [(0, res) for res in reversed(self.root.children)]
        while todo:
            depth, res = todo.pop()
            yield depth, res
            todo += [(depth + 1, child) for child in reversed(res.children)]

    def find(self, name: str) -> list[Resource]:
        """Resources of that name, ascending, whatever they lie in."""
        return [res for _, res in self.walk() if res.name == name]

    def lines(self, *, privileged: bool = True) -> list[str]:
        """The lines of ``/proc/iomem``; without privileges every address reads zero. Linux: ``r_show``."""
        width = 4 if self.root.end < 0x10000 else 8
        lines = []
        for depth, res in self.walk():
            start, end = (res.start, res.end) if privileged else (0, 0)
            indent = "  " * min(depth, self._levels)
            name = "<BAD>" if res.name is None else res.name
            lines.append(f"{indent}{start:0{width}x}-{end:0{width}x} : {name}")
        return lines
