"""What a person should know about soft reserved memory on its way to the dax bus.

The rules look at what became of the memory, at devices, at what was offered, and at what the log says of refusals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.kernel.dax import OFFER_NOT_FREE
from softreserve.kernel.numa.acpi_numa import SRAT_MEMORY
from softreserve.kernel.numa.numa import NODE_FAKED
from softreserve.model.findings import Finding
from softreserve.model.ranges import PhysRange, span_at
from softreserve.model.sizes import human_size
from softreserve.plugins.hooks import hooks_of

from softreserve_hmem import behaviours
from softreserve_hmem.bus import dax_bus
from softreserve_hmem.device_dax import LEFT_BEHIND, NOT_RESERVED
from softreserve_hmem.hmem import LEFT_TO_CXL, NO_REGION, REGION_MADE
from softreserve_hmem.hmem_device import HMEM_DEVICES, HMEM_MADE, NOT_SOFT_RESERVED, OVERLAPS_AN_OFFER
from softreserve_hmem.kmem import KMEM_SAYS, RANGE_TAKEN
from softreserve_hmem.lint_hmat import hmat_findings
from softreserve_hmem.offers import OFFER_WITHOUT_NODE
from softreserve_hmem.region import DaxLimits

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.dax import DaxOffer
    from softreserve.model.events import Event
    from softreserve.model.outcome import Outcome, Part

    from softreserve_hmem.region import DevDax

__all__ = ["lint"]

_NO_DEVICE, _UNUSED = "no-device", "unused"
_DRIVERS = {"device_dax": "DEV_DAX", "kmem": "DEV_DAX_KMEM"}


def lint(system: System, outcome: Outcome, onlined: Outcome) -> list[Finding]:
    """All findings on a booted system."""
    found = [*hmat_findings(system, outcome, onlined), *_without_cxl(system), *_refused_offers(system)]
    if outcome.size("ram", "lost") == outcome.total:
        return found
    nobody = _nobody_makes_devices(system)
    if nobody is not None:
        return [*found, nobody]
    late = [*_devices(system, outcome), *_drivers(system), *_numbers(system)]
    return [*found, *_without_device(system, outcome), *late]


def _without_cxl(system: System) -> Iterator[Finding]:
    """Windows that nobody knows of here, and the kernel does."""
    names = {"cxl_acpi", "dax_hmem"}.intersection(system.modules.names())
    if "CEDT" in system.acpi and system.kernel.enabled("CXL_ACPI") and names == {"dax_hmem"}:
        message = (
            "the CEDT's CXL windows are left out, as with CONFIG_CXL_ACPI=n: softreserve-cxl is not installed or not "
            "loaded; what lies in them may get no hmem device"
        )
        yield Finding("note", "cxl-not-modelled", message)


def _refused_offers(system: System) -> Iterator[Finding]:
    """What plugins bring and this machine, or this kernel, has no place for."""
    for event in system.log.of(OFFER_NOT_FREE):
        message = f"no dax device: {event.rule}; offer memory that nothing else has"
        yield Finding("warning", "dax-offer-refused", message, event.start, event.end)
    for event in system.log.of(OFFER_WITHOUT_NODE):
        yield Finding(
            "note", "dax-offer-node", f"target node -1, and kmem refuses it: {event.rule}", event.start, event.end
        )


def _nobody_makes_devices(system: System) -> Finding | None:
    """Why there are no hmem devices at all, and what to change; ``None``: they can be made."""
    kernel, why = system.kernel, ""
    if not kernel.enabled("DEV_DAX_HMEM"):
        why = "this kernel is built without CONFIG_DEV_DAX_HMEM; build it"
    elif not kernel.enabled("DAX"):
        why = "this kernel is built without CONFIG_DAX; build it in"
    elif not kernel.builtin("DAX"):
        why = "CONFIG_DAX is a module, which leaves out CONFIG_DEV_DAX_HMEM_DEVICES; set CONFIG_DAX=y"
    elif system.stash[HMEM_DEVICES].disable.value:
        why = "device_hmem.disable is set; take it off the command line"
    if not why:
        return None
    return Finding("warning", "hmem-missing", f"no dax device for soft reserved memory: {why}", explains=_NO_DEVICE)


def _is_loaded(system: System, name: str) -> bool:
    module = system.modules.get(name)
    return module is not None and module.live


def _kept_back(system: System, *names: str) -> str:
    """What keeps modules that are not there from being loaded, and what to do; empty: nothing does."""
    words = {name: system.modules.kept_back(name) for name in names if not _is_loaded(system, name)}
    found = list(dict.fromkeys(filter(None, words.values())))
    if not found:
        return ""
    by_name = all(word.startswith("modprobe.") for word in found)
    hint = "; modprobe by name loads it all the same" if by_name and len(found) == 1 else ""
    away = " and ".join(name for name, word in words.items() if word)
    return f"{' and '.join(found)} keep{'s' * (len(found) == 1)} {away} away; take that off the command line{hint}"


def _numbers(system: System) -> Iterator[Finding]:
    """Who else draws numbers from hmem devices' counter, whenever its driver comes. Linux: ``lib/memregion.c``."""
    names = (res.name or "" for _, res in system.iomem.walk())
    others = ["CXL regions"] if system.machine.cxl else []
    others += ["regions of persistent memory"] if any(name.startswith("Persistent Memory") for name in names) else []
    by_module = system.sysfs.node("/sys/bus/platform/devices/hmem_platform.0") is not None
    if others and by_module and system.log.of(HMEM_MADE):
        message = (
            f"dax devices may have other numbers on the machine: hmem devices and {' and '.join(others)} draw them "
            "from one counter, and nothing orders their drivers, which udev loads at once; know devices by range"
        )
        yield Finding("note", "dax-numbers", message)


# --- memory without a device


class _Offers:
    """What was offered to the dax bus, what was refused of it, and where it lies."""

    def __init__(self, system: System) -> None:
        #: Ranges that hmem took: (start, end, target node), half open.
        self.taken = [(r.start, r.end + 1, r.desc) for r in system.stash[HMEM_DEVICES].active.children]
        self.reserved = [(r.start, r.end + 1) for r in system.find_soft_reserved()]
        self.align = DaxLimits(system.kernel).pmd_size

    def around(self, part: Part) -> tuple[int, int, int] | None:
        """The offer that a part lies in."""
        return span_at(self.taken, part.start)

    def reaches_beyond(self, start: int, end: int) -> bool:
        """Whether a range (half open) lies in no single Soft Reserved resource."""
        inside = span_at(self.reserved, start)
        return inside is None or end > inside[1]


def _without_device(system: System, outcome: Outcome) -> Iterator[Finding]:
    """Soft reserved memory that got no device: the kernel says nothing of it."""
    without = [part for part in outcome.parts if part.use == _NO_DEVICE]
    if not without:
        return
    devices = system.stash[HMEM_DEVICES]
    for part in [part for part in without if devices.looks_elsewhere(part.start, part.end)]:
        yield Finding("error", "hmem-finds-nothing", _LOOKS_ELSEWHERE, part.start, part.end, explains=_NO_DEVICE)
        without.remove(part)
    if without and not _is_loaded(system, "dax_hmem"):
        kept = _kept_back(system, "dax_hmem")
        if kept:
            message = f"no dax device: {kept}"
            yield Finding("note", "driver-blacklisted", message, explains=_NO_DEVICE)
            return
        message = "no dax device yet: the module dax_hmem, which makes them, is not loaded; udev loads it, or modprobe"
        yield Finding("note", "module-not-loaded", message, explains=_NO_DEVICE)
        return
    offers = _Offers(system)
    for part in without:
        yield from _why_no_device(system, offers, part)


def _why_no_device(system: System, offers: _Offers, part: Part) -> Iterator[Finding]:
    """The reason; nothing where none is known."""
    start, end = part.start, part.end
    decided = {event.code: event for event in system.log.over(PhysRange(start, start + 1))}
    if LEFT_TO_CXL.code in decided:
        if hooks_of(system).dax_claimed(system, PhysRange(start, end)) is not None:
            return  # A region has it, and who knows regions knows why there is no device.
        message = (
            "no dax device: the range overlaps a CXL window of the CEDT, and this kernel leaves it to the CXL drivers; "
            "they need a committed region that holds it (cxl list), or dax_hmem must be loaded before cxl_acpi; from "
            "7.1 on a range without a region becomes a device all the same"
        )
        yield Finding("warning", "cxl-window", message, start, end, explains=_NO_DEVICE)
    elif NO_REGION.code in decided:
        event = decided[NO_REGION.code]
        first, after = event.start or 0, event.end or 0
        what = "" if (first, after) == (start, end) else f" of what is offered ({first:#x}-{after - 1:#x})"
        brought = _brought(system, start)
        place = f"what plugin {brought.plugin} offers" if brought is not None else "the firmware's map"
        message = (
            f"no dax device: start or size{what} is no multiple of {human_size(offers.align)}; align both in {place}"
        )
        yield Finding("error", "dax-alignment", message, start, end, explains=_NO_DEVICE)
    elif NOT_SOFT_RESERVED.code in decided:
        yield from _refused(offers, part)
    elif OVERLAPS_AN_OFFER.code in decided and offers.around(part) is None:
        message = (
            "no dax device: SRAT and HMAT describe only another part of the soft reserved range, and the rest is not "
            "offered any more; let them describe all of it"
        )
        yield Finding("error", "hmat-covers-less", message, start, end, explains=_NO_DEVICE)
    elif REGION_MADE.code in decided:
        message = "free in a dax region, as dax_hmem.region_idle asks; daxctl create-device makes a device of it"
        yield Finding("note", "dax-region-free", message, start, end, explains=_NO_DEVICE)
    elif offers.around(part) is None and (kept := system.modules.kept_back("device_hmem")):
        message = f"no dax device: {kept} keeps the kernel from offering what is soft reserved; take that off"
        yield Finding("note", "driver-blacklisted", message, start, end, explains=_NO_DEVICE)
    elif offers.around(part) is None and not system.kernel.has(behaviours.HMEM_PER_SOFT_RESERVED_RANGE):
        message = (
            "no dax device: this release makes one only of memory that SRAT and HMAT describe, and they do not "
            "describe this; add it to both, or use 5.10 or newer"
        )
        message += _as_far_as_known(system, "SRAT", "HMAT")
        yield Finding("error", "hmat-necessary", message, start, end, explains=_NO_DEVICE)


def _as_far_as_known(system: System, *signatures: str) -> str:
    """A reservation, where the tables may be there and were not described."""
    unknown = [name for name in signatures if name in system.machine.unknown]
    return f" (as far as is known: the description lacks {' and '.join(unknown)})" if unknown else ""


def _refused(offers: _Offers, part: Part) -> Iterator[Finding]:
    """The kernel found that an offer is not soft reserved memory alone."""
    start, end, offer = part.start, part.end, offers.around(part)
    if offer is not None and offers.reaches_beyond(offer[0], offer[1]):
        message = _COVERS_MORE.format("no dax device, as it is not soft reserved alone")
        yield Finding("error", "hmat-covers-more", message, start, end, explains=_NO_DEVICE)
        return
    message = (
        "no dax device: to this kernel the range is part of a larger resource, or has another one in it (see "
        "/proc/iomem), and it makes devices of soft reserved memory alone; arm64 before 6.8 does that to ranges "
        "beside other reserved memory"
    )
    yield Finding("error", "hmem-refused", message, start, end, explains=_NO_DEVICE)


_LOOKS_ELSEWHERE = (
    "no dax device: the memory is set aside and nobody can use it; from 7.0 on hmem looks for soft reserved memory "
    "where only x86 puts it; boot an older kernel, or use efi=nosoftreserve"
)
_TAKEN = (RANGE_TAKEN.code, NOT_RESERVED.code)
_COVERS_MORE = (
    "{}: the SRAT range that the HMAT makes a target of is larger than the soft reserved memory; let SRAT ranges end "
    "where specific purpose memory does"
)


# --- devices


def _devices(system: System, outcome: Outcome) -> Iterator[Finding]:
    """Whose memory devices would be, and why some have no driver."""
    mine = {part.device for part in outcome.parts if part.device}
    devices = [device for device in dax_bus(system).devices.values() if device.name in mine]
    for device in devices:
        for start, last in device.ranges:
            yield from _target_node(system, device, start, last + 1)
    yield from _cpu_nodes(system, devices)
    if not any(device.driver is None for device in devices):
        return
    waiting = [name for name, option in _DRIVERS.items() if system.kernel.enabled(option)]
    kept = _kept_back(system, *waiting)
    if not kept and waiting and not any(_is_loaded(system, name) for name in waiting):
        message = (
            f"dax devices have no driver yet: {' and '.join(waiting)} are not loaded; udev loads them, or modprobe"
        )
        yield Finding("note", "module-not-loaded", message, explains=_UNUSED)
        return
    offers = _Offers(system)
    said: defaultdict[str, list[Event]] = defaultdict(list)
    for event in system.log.of(KMEM_SAYS, RANGE_TAKEN, NOT_RESERVED, LEFT_BEHIND):
        said[event.after].append(event)
    for device in devices:
        if device.driver is None and kept and not said[device.name]:
            start, end = device.ranges[0][0], device.ranges[0][1] + 1
            message = f"{device.name} has no driver: {kept}"
            yield Finding("note", "driver-blacklisted", message, start, end, explains=_UNUSED)
        elif device.driver is None:
            yield from _without_driver(device, said[device.name], offers)


def _without_driver(device: DevDax, said: list[Event], offers: _Offers) -> Iterator[Finding]:
    why = f" ({said[0].text})" if said else ""
    start, end = device.ranges[0][0], device.ranges[0][1] + 1
    if offers.reaches_beyond(start, end) and any(event.code in _TAKEN for event in said):
        message = _COVERS_MORE.format(f"no driver can claim {device.name}")
        yield Finding("error", "hmat-covers-more", message, start, end, explains=_UNUSED)
    message = f"{device.name} has no driver{why}: it can be neither mapped nor onlined as it is"
    yield Finding("warning", "dax-without-driver", message, start, end, explains=_UNUSED)


def _target_node(system: System, device: DevDax, start: int, end: int) -> Iterator[Finding]:
    """Which node the memory of a device (range in bytes, half open) would be."""
    node, name = device.target_node, device.name
    explains = _UNUSED if device.driver is None else ""
    named = [e for e in system.log.over(PhysRange(start, end)) if e.code == SRAT_MEMORY.code]
    domains = {e.after: (e.start, e.end) for e in named}
    brought = _brought(system, start)
    if node < 0 and brought is not None:
        message = f"{brought.source} names no node for it: {name} has target node -1, and kmem refuses it"
        yield Finding("warning", "dax-offer-without-node", message, start, end, explains=explains)
    elif node < 0:
        message = f"{name} has target node -1, and kmem refuses it: {_why_no_node(system)}"
        yield Finding("error", "srat-missing", message, start, end, explains=explains)
    elif node not in system.nodes.possible:
        message = f"target node {node} does not exist on this kernel: kmem refuses {name}; see why the SRAT is not used"
        yield Finding("error", "target-node-gone", message, start, end, explains=explains)
    elif brought is None and _is_guessed(system, node):
        message = (
            f"taken for memory of node {node}: this kernel cannot look up nodes of memory that is not RAM; "
            "an HMAT that describes it says it, and so does a newer release"
        )
        yield Finding("warning", "target-node-guessed", message, start, end)
    if len(domains) > 1:
        message = (
            f"one dax device over {len(domains)} domains ({', '.join(sorted(domains))}): all of it is taken for node "
            f"{node}; split the descriptor at the border, or describe the domains in the HMAT"
        )
        yield Finding("warning", "srat-two-domains", message, start, end)
    elif node >= 0 and domains:
        first, last = next(iter(domains.values()))
        if first is not None and last is not None and (first > start or last < end):
            message = f"the SRAT names only {first:#x}-{last - 1:#x} of it: all of it is taken for node {node}"
            yield Finding("warning", "srat-partial", f"{message}; let the entry cover the range", start, end)


def _why_no_node(system: System) -> str:
    """Why a range is of no node, and what to change."""
    word = system.srat_turned_off
    if word:
        return f"{word} is on the command line, and the SRAT is not used; take it off"
    if not system.kernel.builtin("ACPI_NUMA"):
        return "this kernel is built without CONFIG_ACPI_NUMA, and reads no SRAT; build it"
    if "SRAT" in system.acpi and system.log.of(NODE_FAKED):
        return "the SRAT is not used, for which there is a finding of its own"
    return "the SRAT does not name this range; name it" + _as_far_as_known(system, "SRAT")


def _cpu_nodes(system: System, devices: list[DevDax]) -> Iterator[Finding]:
    """Nodes of CPUs that dax devices would join: one finding each, with the first of their ranges."""
    found: dict[int, list[DevDax]] = {}
    for device in devices:
        found.setdefault(device.target_node, []).append(device)
    for node, members in found.items():
        if node in system.nodes.has_cpu:
            others = f" (and {len(members) - 1} more)" if len(members) > 1 else ""
            message = (
                f"{members[0].name}{others} belongs to node {node}, which has CPUs: as system RAM it cannot be told "
                "from their memory; give it a proximity domain of its own"
            )
            start, last = members[0].ranges[0]
            yield Finding("warning", "sp-in-cpu-node", message, start, last + 1)
        elif node >= 0 and (ram := _ram_of(system, node)):
            message = (
                f"{members[0].name} belongs to node {node}, which has {human_size(ram)} of RAM from boot on: as system "
                "RAM it cannot be told from that; give it a proximity domain of its own"
            )
            start, last = members[0].ranges[0]
            yield Finding("note", "sp-in-ram-node", message, start, last + 1)


def _ram_of(system: System, node: int) -> int:
    """Bytes of RAM that a node has from boot on."""
    spans = [(r.start, r.end + 1) for r in system.find_boot_ram()]
    regions = [(r.base, r.end) for r in system.memblock.memory if r.nid == node]
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in spans for b in regions)


def _brought(system: System, start: int) -> DaxOffer | None:
    """What a plugin brought there."""
    return next((offer for offer in system.dax_offers if offer.start <= start < offer.end), None)


def _is_guessed(system: System, node: int) -> bool:
    """Whether a kernel that cannot look nodes up took some memory for memory of this one."""
    return system.nodes.address_to_node is None and len(system.nodes.online) > 1 and not _described(system, node)


def _described(system: System, node: int) -> bool:
    """Whether an HMAT says which node a range is."""
    from softreserve_hmem.hmat import HMAT

    hmat = system.stash.get(HMAT)
    return hmat is not None and any(system.nodes.pxm_to_node(pxm) == node for pxm in hmat.targets)


# --- drivers


def _drivers(system: System) -> Iterator[Finding]:
    """Drivers that are missing, and drivers that are always there."""
    kernel = system.kernel
    none = not any(kernel.enabled(option) for option in _DRIVERS.values())
    for module, option in _DRIVERS.items():
        if not kernel.enabled(option):
            use = "devdax" if module == "device_dax" else "system RAM"
            message = f"dax devices cannot be {use}: this kernel is built without CONFIG_{option}; build it"
            yield Finding("warning", "driver-missing", message, explains=_UNUSED if none else "")
    if not kernel.builtin("ZONE_DEVICE"):
        message = "device_dax can take no device: this kernel is built without CONFIG_ZONE_DEVICE; build it in"
        yield Finding("warning", "driver-missing", message)
    if all(kernel.builtin(option) for option in _DRIVERS.values()):
        message = (
            "device_dax and kmem are built in: daxctl looks for modules when it changes a mode, and may not find "
            "them; builds as modules avoid that"
        )
        yield Finding("note", "drivers-builtin", message)
