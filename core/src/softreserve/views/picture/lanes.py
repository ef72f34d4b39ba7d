"""Lanes of a booted system: the address space as each stage of the boot has it, every byte once.

Nothing is worked out here: the firmware's map, e820 or memblock, the resource tree, the dax bus and the memory blocks
are looked at, as the kernel left them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.kernel.e820 import E820_TABLES
from softreserve.model import e820
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiType, type_words
from softreserve.model.outcome import LOSSES
from softreserve.model.ranges import joined, merged, uncovered
from softreserve.views.node_map import NodeMap
from softreserve.views.outcome import dax_ranges, innermost

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import E820Entry
    from softreserve.model.outcome import Outcome, Part
    from softreserve.plugins.extensions import Lane

__all__ = ["KINDS", "SPECIAL", "Stage", "Stretch", "cuts", "lanes", "overview", "spans"]

#: What a stretch can be, in words for a legend.
KINDS: Final = {
    "special": "specific purpose, set aside",
    "dax": "dax device for programs",
    "kmem": "System RAM by way of a dax device",
    "lost": "specific purpose, nobody can use it",
    "ram": "System RAM",
    "offline": "memory that is offline",
    "kernel": "the kernel itself",
    "boot": "boot services, loader",
    "runtime": "runtime services",
    "tables": "ACPI",
    "reserved": "reserved",
    "device": "devices",
    "persistent": "persistent memory",
    "node": "a node",
    "conflict": "descriptors that contradict each other",
    "other": "of a plugin",
}
#: What specific purpose memory can be.
SPECIAL: Final = frozenset({"special", "dax", "kmem", "lost", "offline"})
#: Kinds of which the picture shows every border where it cannot show all.
_FIRST: Final = SPECIAL | {"conflict"}
_TOP: Final = 1 << 64
_RAM: Final = "System RAM"
#: Of things that overlap, how many are named.
_NAMED: Final = 3


@attrs.frozen
class Stretch:
    """Bytes (half open) that a stage takes for one thing: ``label`` says what, ``note`` more of it.

    ``kind`` is one of :data:`KINDS`; ``node`` is -1 where the stage does not say.
    """

    start: int
    end: int
    label: str
    kind: str
    node: int = -1
    note: str = ""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start


@attrs.frozen
class Stage:
    """A lane: disjoint stretches, ascending. ``key`` is its name for programs; ``plugin`` is whose it is, if one's."""

    key: str
    title: str
    words: str
    stretches: tuple[Stretch, ...]
    plugin: str = ""


def lanes(system: System, found: Outcome, brought: Iterable[Lane] = ()) -> list[Stage]:
    """The lanes of a system, in the order of the boot; first what became of specific purpose memory.

    :param found: that, with the reasons in it.
    :param brought: lanes of plugins, which come last.
    """
    stages = [
        Stage("outcome", "specific purpose", "what became of it", tuple(map(_of_part, found.parts))),
        *_efi(system),
        *_e820(system),
        *_memblock(system),
        _iomem(system),
        _soft_reserved(system),
        _dax(system),
        _blocks(system, found),
        _nodes(system, found),
    ]
    stages += [
        Stage(
            f"plugin-{lane.name}",
            lane.name,
            lane.words,
            tuple(Stretch(bar.start, bar.end, bar.label, "other") for bar in lane.bars),
            lane.plugin,
        )
        for lane in brought
    ]
    return [stage for stage in stages if stage.stretches]


def cuts(stages: Iterable[Stage]) -> dict[int, int]:
    """Where something begins or ends, and how much that matters: see :meth:`.Axis.over`."""
    found: dict[int, int] = {}
    for stage in stages:
        for stretch in stage.stretches:
            weight = 2 if stretch.kind in _FIRST else 1 if stage.key in ("nodes", "blocks") else 0
            for at in (stretch.start, stretch.end):
                found[at] = max(found.get(at, 0), weight)
    return found


def spans(stages: Iterable[Stage]) -> list[tuple[int, int]]:
    """What is not empty in any of these lanes: disjoint, ascending. Memory blocks have holes of their own."""
    found = (stage.stretches for stage in stages if stage.key != "blocks")
    return merged((stretch.start, stretch.end) for stretches in found for stretch in stretches)


# --- what became of it

_BY_USE: Final = {"devdax": "dax", "kmem": "kmem", "ram": "ram"}


def _of_part(part: Part) -> Stretch:
    kind = "lost" if part.use in LOSSES else "offline" if part.online is False else _BY_USE[part.use]
    return Stretch(part.start, part.end, part.words, kind, part.node, part.why)


# --- the firmware's map, and what became of it before the kernel looked

_EFI_KINDS: Final[Mapping[int, str]] = {
    EfiType.RESERVED: "reserved",
    EfiType.RUNTIME_SERVICES_CODE: "runtime",
    EfiType.RUNTIME_SERVICES_DATA: "runtime",
    EfiType.CONVENTIONAL: "ram",
    EfiType.ACPI_RECLAIM: "tables",
    EfiType.ACPI_NVS: "tables",
    EfiType.MMIO: "device",
    EfiType.MMIO_PORT: "device",
    EfiType.PERSISTENT: "persistent",
    EfiType.LOADER_CODE: "boot",
    EfiType.LOADER_DATA: "boot",
    EfiType.BOOT_SERVICES_CODE: "boot",
    EfiType.BOOT_SERVICES_DATA: "boot",
}


def _efi(system: System) -> Iterator[Stage]:
    """The firmware's map, and the one that the kernel was handed where that is another."""
    own, handed = system.machine.efi_map, system.handoff.efi_map
    if own is not None:
        yield _efi_lane("efi", "EFI map", "the firmware's", own)
    if handed is not None and handed != own:
        yield _efi_lane("efi-handed", "EFI map, handed over", "as the kernel got it", handed)


def _efi_lane(key: str, title: str, words: str, descriptors: Iterable[EfiDescriptor]) -> Stage:
    return Stage(key, title, words, tuple(_each_once(map(_of_descriptor, descriptors))))


def _of_descriptor(descriptor: EfiDescriptor) -> Stretch:
    words = type_words(descriptor.type)
    if descriptor.is_special_purpose:
        words = f"specific purpose, {words}"
    kind = "special" if descriptor.is_special_purpose else _EFI_KINDS.get(descriptor.type, "reserved")
    note = "|".join(bit.name or "" for bit in EfiAttribute if descriptor.attribute & bit)
    return Stretch(descriptor.start, descriptor.start + descriptor.size, words, kind, note=note)


_E820_KINDS: Final = {
    e820.RAM: "ram",
    e820.RESERVED_KERN: "ram",
    e820.ACPI: "tables",
    e820.NVS: "tables",
    e820.PMEM: "persistent",
    e820.PRAM: "persistent",
    e820.SOFT_RESERVED: "special",
}


def _e820(system: System) -> Iterator[Stage]:
    """The tables, those that are alike as one."""
    groups: dict[tuple[E820Entry, ...], list[str]] = {}
    tables: Mapping[str, Callable[[], tuple[E820Entry, ...]]] = system.stash.get(E820_TABLES) or {}
    for name, table in tables.items():
        groups.setdefault(table(), []).append(name)
    for entries, names in groups.items():
        words = "all three tables" if len(names) == len(tables) else f"for {' and '.join(names)}"
        title = "e820" if len(groups) == 1 else f"e820 {', '.join(names)}"
        yield Stage(f"e820-{names[0]}", title, words, tuple(_each_once(map(_of_entry, entries))))


def _of_entry(entry: E820Entry) -> Stretch:
    kind = _E820_KINDS.get(entry.type, "reserved")
    return Stretch(entry.start, entry.start + entry.size, e820.type_text(entry.type), kind)


def _memblock(system: System) -> Iterator[Stage]:
    """The early allocator's memory, where no table stands before it."""
    if system.stash.get(E820_TABLES) is not None:
        return
    memory = system.memblock.memory
    known = system.nodes.possible
    found = [
        Stretch(
            region.base,
            region.end,
            "memory, not mapped" if region.is_nomap else "memory",
            "reserved" if region.is_nomap else "ram",
            region.nid if region.nid in known else -1,
        )
        for region in memory
        if region.size
    ]
    yield Stage("memblock", "memblock", "memory of the early allocator", tuple(found))


# --- the running kernel


def _iomem(system: System) -> Stage:
    found = (
        Stretch(start, end, names[-1], _of_resource(names), note=" > ".join(names[:-1]))
        for start, end, names in innermost(system.iomem.root.children)
    )
    return Stage("iomem", "/proc/iomem", "the innermost resource", tuple(_each_once(found)))


def _of_resource(names: tuple[str, ...]) -> str:
    """The kind of a resource, by its name and those of the resources that it is in."""
    name, top = names[-1], names[0]
    if name.startswith(f"{_RAM} (") or (name == _RAM and len(names) > 1):
        return "kmem"
    if name.startswith("dax"):
        return "dax"
    if name.startswith("Kernel "):
        return "kernel"
    for words, kind in (("ACPI", "tables"), ("Persistent", "persistent"), ("reserved", "reserved")):
        if name.startswith((words, words.capitalize())):
            return kind
    if "Soft Reserved" in names:
        return "special"
    return "ram" if top == _RAM else "device"


def _soft_reserved(system: System) -> Stage:
    """What kernels that keep it apart take for soft reserved."""
    found = (
        Stretch(start, end, names[-1], "special") for start, end, names in innermost(system.soft_reserved.root.children)
    )
    return Stage("soft-reserved", "soft reserved", "kept apart, not in /proc/iomem", tuple(_each_once(found)))


def _dax(system: System) -> Stage:
    found = (
        Stretch(
            start,
            end,
            f"{device.name}, {device.driver or 'no driver'}",
            {"": "special", "kmem": "kmem"}.get(device.driver, "dax"),
            device.node,
        )
        for start, end, device in dax_ranges(system)
    )
    return Stage("dax", "dax devices", "by the dax bus", tuple(_each_once(found)))


def _blocks(system: System, found: Outcome) -> Stage:
    """Memory blocks: neighbours that are alike as one."""
    size = system.memory.block_size
    added = merged((part.start, part.end) for part in found.parts if part.use == "kmem")
    stretches = []
    for blocks in system.memory.blocks:
        start, end = blocks.first * size, blocks.end * size
        numbers = f"{blocks.first}-{blocks.end - 1}" if blocks.end - blocks.first > 1 else f"{blocks.first}"
        state = "online" if blocks.online else "offline"
        zone = f", {blocks.zone.name}" if blocks.zone is not None else ""
        by_dax = any(low < end and start < high for low, high in added)
        kind = "offline" if not blocks.online else "kmem" if by_dax else "ram"
        stretches.append(Stretch(start, end, f"memory{numbers}: {state}{zone}", kind, blocks.nid))
    return Stage("blocks", "memory blocks", "what can go online and offline", tuple(stretches))


def _nodes(system: System, found: Outcome) -> Stage:
    where = NodeMap(system, ((part.start, part.end, part.node) for part in found.parts if part.device))
    memory = [(r.start, r.end + 1) for r in system.iomem.root.children if _of_resource((r.name or "",)) == "ram"]
    memory += [(part.start, part.end) for part in found.parts]
    shares = (share for start, end in merged(memory) for share in where.split(start, end))
    stretches = (Stretch(start, end, f"node {node}", "node", node) for start, end, node in shares if node >= 0)
    return Stage("nodes", "nodes", "which node the memory is on", tuple(stretches))


# --- every byte once


def _each_once(found: Iterable[Stretch]) -> Iterator[Stretch]:
    """Stretches in any order as disjoint ones, ascending; what several of them have is said by one of their own.

    What ends beyond 64 bits is left out, as it wraps around; so is what has no bytes.
    """
    items = sorted((s for s in found if s.start < s.end <= _TOP), key=lambda s: (s.start, s.end))
    if all(before.end <= after.start for before, after in pairwise(items)):
        yield from items
        return
    yield from _swept(items)


def _swept(items: list[Stretch]) -> Iterator[Stretch]:
    points = sorted([(item.start, 1, n) for n, item in enumerate(items)] + [(s.end, 0, n) for n, s in enumerate(items)])
    here: dict[int, Stretch] = {}
    labels: Counter[str] = Counter()
    for (start, begins, number), (end, _, _) in pairwise(points):
        label = items[number].label
        if begins:
            here[number] = items[number]
            labels[label] += 1
        else:
            del here[number]
            labels[label] -= 1
            if not labels[label]:
                del labels[label]
        if not here or start == end:
            continue
        first = next(iter(here.values()))
        if len(here) == 1:
            yield attrs.evolve(first, start=start, end=end)
            continue
        words = " / ".join(islice(labels, _NAMED)) + (" ..." if len(labels) > _NAMED else "")
        kind = first.kind if len(labels) == 1 else "conflict"
        yield Stretch(start, end, words, kind, first.node, f"{len(here)} overlap here")


def overview(stages: Iterable[Stage]) -> list[Stretch]:
    """All memory in one lane: what became of what is specific purpose, and elsewhere what /proc/iomem says."""
    by_key = {stage.key: stage.stretches for stage in stages}
    special = by_key.get("outcome", ())
    covered = merged((stretch.start, stretch.end) for stretch in special)
    found = [
        attrs.evolve(stretch, start=start, end=end, note="")
        for stretch in by_key.get("iomem", ())
        for start, end in uncovered(stretch.start, stretch.end, covered)
    ]
    found = [attrs.evolve(s, label=_RAM, kind="ram") if s.kind in ("ram", "kernel") else s for s in found]
    return sorted([*joined(found, _one), *special], key=lambda s: s.start)


def _one(stretch: Stretch, following: Stretch) -> Stretch | None:
    same = attrs.evolve(stretch, start=following.start, end=following.end) == following
    return attrs.evolve(stretch, end=following.end) if same and stretch.end == following.start else None
