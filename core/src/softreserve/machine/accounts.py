"""Whether a boot lost or made up memory: what each stage left, held against what it was given.

It is for architectures that boot from an EFI map alone: what e820, ``memmap=`` and MTRRs do to a map is the business of
x86. Maps that contradict themselves, and options that limit memory, are left out where nothing certain can be said.
Whatever differs has an event that says why, or the plugin that boots the architecture made a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from softreserve.kernel import border
from softreserve.kernel.efi.efi import Efi
from softreserve.kernel.resource import nesting_problem
from softreserve.kernel.state import StashKey
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.events import EventLog, Rule
from softreserve.model.ranges import merged, uncovered
from softreserve.model.units import EFI_PAGE_SIZE, U32_MAX

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.machine import Machine

__all__ = ["check_handoff", "check_memory", "check_nodes", "check_resources", "check_set_aside", "check_zones"]

Spans = list[tuple[int, int]]

#: Words of the command line that take memory away.
_LIMITS: Final = frozenset({"mem", "memmap"})
#: Words that lay zones out in another way: where memory is mirrored, some of it is in none.
_MOVABLE: Final = frozenset({"kernelcore", "movablecore", "movable_node"})
_ADDRESSES: Final = 1 << 64
#: Beyond whatever a descriptor can say.
_NOWHERE: Final = (1 << 128, 1 << 129)
_start = attrgetter("start")
_RAM: Final = "System RAM"
_OF_NODES: Final = "numa info"


def _spans(ranges: Iterable[tuple[int, int]]) -> Spans:
    return merged([span for span in ranges if span[0] < span[1]])


def _without(spans: Spans, others: Spans) -> Iterator[tuple[int, int]]:
    """What of some spans others do not have; both disjoint and ascending."""
    for start, end in spans:
        yield from uncovered(start, end, others)


def _first(spans: Spans, others: Spans) -> tuple[int, int] | None:
    """The first of what some spans have and others do not; both disjoint and ascending."""
    rest = iter(others)
    low = high = 0
    for start, end in spans:
        while high <= start:
            low, high = next(rest, _NOWHERE)
        if start < low or high < end:
            return next(_without(spans, others))
    return None


def _outward(spans: Spans, page: int) -> Spans:
    return [(start & -page, (end + page - 1) & -page) for start, end in spans]


class _Firmware:
    """What an EFI map says of memory, in whole pages of the kernel. Spans are bytes, half open.

    ``usable`` is what becomes memory if anything does, ``least`` its whole pages; ``kept`` what can be mapped and is
    somebody else's, ``whole`` both; ``marked`` specific purpose memory while that is set aside. ``sound``: none
    contradicts another one.
    """

    def __init__(self, efi_map: EfiMemoryMap, page: int, soft_reserve: bool) -> None:
        from softreserve.kernel.efi import efi_init  # what boots from e820 has no other need of it

        usable, kept, marked = [], [], []
        sound, end = True, 0
        for d in sorted(efi_map, key=_start):
            start = d.start
            if start < end or start % EFI_PAGE_SIZE:
                sound = False
            end = start + d.pages * EFI_PAGE_SIZE
            if not efi_init.is_memory(d):
                continue
            if soft_reserve and d.is_special_purpose:
                marked.append((start, end))
                kept.append((start, end))
            elif efi_init.is_usable_memory(d):
                usable.append((start, end))
            else:
                kept.append((start, end))
        self.sound = sound and end < _ADDRESSES
        self.marked = _spans(marked)
        if page == EFI_PAGE_SIZE:
            self.usable, self.kept, least = _spans(usable), _spans(kept), usable
        else:
            self.usable, self.kept = _spans(_outward(usable, page)), _spans(_outward(kept, page))
            least = [((start + page - 1) & -page, end & -page) for start, end in usable]
        self.least = list(_without(_spans(least), self.kept))
        self.whole = _spans([*self.usable, *self.kept])


_KNOWN: Final = StashKey[_Firmware]("the firmware's memory")
#: What the last maps say, by map, page size and whether specific purpose memory is set aside: a machine that is booted
#: again, with other options perhaps, has the same map.
_last: dict[tuple[int, int, bool], tuple[EfiMemoryMap, _Firmware]] = {}
_MOST: Final = 8


def _said(machine: Machine, efi_map: EfiMemoryMap) -> _Firmware:
    page, soft_reserve = machine.kernel.page_size, _soft_reserve_enabled(machine)
    known = _last.get((id(efi_map), page, soft_reserve))
    if known is not None and known[0] is efi_map:
        return known[1]
    if len(_last) >= _MOST:
        _last.clear()
    found = _Firmware(efi_map, page, soft_reserve)
    _last[id(efi_map), page, soft_reserve] = efi_map, found
    return found


def _soft_reserve_enabled(machine: Machine) -> bool:
    """Whether the kernel proper sets specific purpose memory aside."""
    efi = Efi(machine.kernel, EventLog(recording=False))
    for parameter in machine.cmdline:
        if parameter.canonical == "efi":
            efi.parse_efi_cmdline(parameter.value)
    return efi.soft_reserve_enabled


def _firmware(system: System) -> _Firmware | None:
    """What the firmware says; ``None``: it is not known by an EFI map alone, or contradicts itself."""
    handoff = system.handoff
    if handoff.efi_map is None or handoff.e820 is not None:
        return None
    found = system.stash.get(_KNOWN)
    if found is None:
        found = system.stash[_KNOWN] = _said(system.machine, handoff.efi_map)
    return found if found.sound else None


def _hex(span: tuple[int, int]) -> str:
    return f"{span[0]:#x}-{span[1]:#x}"


def check_handoff(system: System, plugin: str) -> None:
    """See that the map that the kernel is handed has the memory of the firmware's.

    :raises PluginResultError: it has not.
    """
    given, handed = system.machine.efi_map, system.handoff.efi_map
    if system.arch.boots_from_e820 and system.handoff.e820 is None:
        words = "hands no e820 table over, and its ArchInfo says that the kernel boots from one (boots_from_e820)"
        raise border.refused(plugin, "softreserve_stub_handoff", words)
    if handed is given or given is None:
        return
    hook = "softreserve_stub_handoff"
    if handed is None:
        if system.handoff.e820 is None:
            raise border.refused(plugin, hook, "hands no memory map over, and the firmware has one")
        return
    before, after = _said(system.machine, given), _said(system.machine, handed)
    for what in ("usable", "marked", "kept"):
        old, new = getattr(before, what), getattr(after, what)
        lost, made = _first(old, new), _first(new, old)
        words = _KINDS[what]
        if lost is not None:
            raise border.refused(plugin, hook, f"loses {words} of the firmware's map at {_hex(lost)}")
        if made is not None:
            raise border.refused(plugin, hook, f"makes {words} of {_hex(made)}, which the firmware's map does not")


_KINDS: Final = {"usable": "usable memory", "marked": "specific purpose memory", "kept": "memory that is in use"}


def check_memory(system: System, plugin: str) -> None:
    """See that memblock has the memory that the kernel was handed: all of it, and no other.

    :raises PluginResultError: it has not, and no event says why.
    """
    firmware = _firmware(system)
    if firmware is None:
        return
    hook = "softreserve_early_reserve"
    every = [(region.base, region.end) for region in system.memblock.memory]
    before = 0
    for start, end in every:
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end < _ADDRESSES):
            raise border.refused(plugin, hook, f"memblock has memory at {start!r} to {end!r}, where none can be")
        if start < before:
            raise border.refused(plugin, hook, f"memblock's memory does not ascend at {_hex((start, end))}")
        before = end
    made = _first(_spans(every), firmware.whole)
    if made is not None:
        made = _first(_spans(every), _spans([*firmware.whole, *_image(system)]))
    if made is not None:
        raise border.refused(plugin, hook, f"adds memory at {_hex(made)}, where the firmware's map has none")
    mapped = _mapped(system)
    taken = _first(mapped, firmware.usable)
    if taken is not None:
        taken = _first(mapped, _spans([*firmware.usable, *_image(system)]))
    if taken is not None:
        kind = "specific purpose memory" if any(s < taken[1] and taken[0] < e for s, e in firmware.marked) else ""
        raise border.refused(
            plugin, hook, f"takes {kind or 'memory that the firmware keeps'} at {_hex(taken)} for ordinary memory"
        )
    if _first(firmware.least, mapped) is None or any(parameter.canonical in _LIMITS for parameter in system.cmdline):
        return
    low, high = system.memory.mappable_range or (0, _ADDRESSES)
    high = min(high + 1, 1 << system.arch.physmem_bits(system.machine))
    for start, end in _without(firmware.least, mapped):
        lost = max(start, low), min(end, high)
        if lost[0] < lost[1] and not _is_told(system, lost):
            raise border.refused(
                plugin, hook, f"loses memory of the firmware's map at {_hex(lost)}, and no event says why"
            )


def _mapped(system: System) -> Spans:
    """What memblock has and the kernel may map."""
    return _spans([(r.base, r.end) for r in system.memblock.memory if not r.is_nomap])


def _image(system: System) -> Spans:
    """Where the kernel and its initrd lie, in whole pages."""
    image = system.machine.image
    parts = (image.code, image.rodata, image.data, image.bss, image.initrd)
    return _outward([(part.start, part.end) for part in parts if part is not None], system.kernel.page_size)


def _is_told(system: System, span: tuple[int, int]) -> bool:
    """Whether an event says what became of memory, besides those of the map itself; not known where none is kept.

    What is said of nodes says nothing of that.
    """
    from softreserve.kernel.efi import efi_init
    from softreserve.model.ranges import PhysRange

    if not system.log.recording:
        return False
    ordinary = {rule.code for rule in vars(efi_init).values() if isinstance(rule, Rule)}
    events = system.log.over(PhysRange(*span))
    told = _spans((e.start or 0, e.end or 0) for e in events if e.code not in ordinary and e.stage != _OF_NODES)
    return _first([span], told) is None


def check_nodes(system: System, plugin: str) -> None:
    """See that nodes are numbers that the kernel has, and that memory is on them and in zones.

    :raises PluginResultError: something is not.
    """
    hook, nodes = "softreserve_numa_info", system.nodes
    most = nodes.max_numnodes
    for what, numbers in (("online", nodes.online), ("possible", nodes.possible)):
        for nid in numbers:
            if type(nid) is not int or not 0 <= nid < most:
                raise border.refused(plugin, hook, f"node {nid!r} is {what}; this kernel has nodes 0 to {most - 1}")
    strange = nodes.online - nodes.possible
    if strange:
        raise border.refused(plugin, hook, f"node {min(strange)} is online, and not possible")
    for cpu, nid in nodes.cpu_to_node.items():
        if nid >= 0 and nid not in nodes.possible:
            raise border.refused(plugin, hook, f"processor {cpu} is on node {nid}, which is not possible")
    for region in system.memblock.memory:
        if region.nid not in nodes.possible and region.nid not in (-1, most):
            where = f"{region.base:#x}-{region.end:#x}"
            raise border.refused(plugin, hook, f"memory at {where} is on node {region.nid!r}, which is not possible")


def check_zones(system: System, plugin: str) -> None:
    """See that all memory is in zones that the kernel has addresses for.

    :raises PluginResultError: some is not.
    """
    if _firmware(system) is None or any(parameter.canonical in _MOVABLE for parameter in system.cmdline):
        return
    page = system.kernel.page_size
    zones = system.memory.zones.populated_zones()
    spans = _spans((zone.start_pfn * page, zone.end_pfn * page) for zone in zones)
    limit = system.memory.physmem_end + 1
    memory = _spans((-(-r.base // page) * page, min(r.end, limit) // page * page) for r in system.memblock.memory)
    outside = _first(memory, spans)
    if outside is not None:
        raise border.refused(plugin, "softreserve_numa_info", f"memory at {_hex(outside)} is in no zone")


def check_resources(system: System, plugin: str) -> None:
    """See that System RAM is what memblock can map.

    :raises PluginResultError: it is not.
    """
    if _firmware(system) is None:
        return
    hook = "softreserve_register_resources"
    words = nesting_problem(system.iomem.root)
    if words is not None:
        raise border.refused(plugin, hook, words)
    ram = _spans((res.start, res.end + 1) for res in system.iomem.find(_RAM))
    mapped = _mapped(system)
    lost, made = _first(mapped, ram), _first(ram, mapped)
    if lost is not None:
        raise border.refused(plugin, hook, f"memory at {_hex(lost)} is no {_RAM} resource")
    if made is not None:
        raise border.refused(plugin, hook, f"makes {_hex(made)} {_RAM}, where memblock has no memory")


def check_set_aside(system: System, plugin: str) -> None:
    """See that specific purpose memory that is no memory is soft reserved.

    :raises PluginResultError: it is not, and no event says why.
    """
    firmware = _firmware(system)
    if firmware is None or not firmware.marked or system.machine.boot == "loader":
        return
    reserved = _spans((res.start, res.end + 1) for res in system.find_soft_reserved())
    for span in _without(firmware.marked, reserved):
        # some releases count such sizes in 32 bits
        if span[1] - span[0] <= U32_MAX >> 1 and not _is_told(system, span):
            raise border.refused(
                plugin,
                "softreserve_register_resources",
                f"specific purpose memory at {_hex(span)} is neither {_RAM} nor soft reserved, and no event says why",
            )
