"""What a person should know about soft reserved memory on its way to the dax bus.

The rules look at devices, at what was offered, and at what the log says of refusals: on a system whose modules are
loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.kernel.numa.acpi_numa import SRAT_MEMORY
from softreserve.model.findings import Finding
from softreserve.model.ranges import PhysRange

from softreserve_hmem import behaviours
from softreserve_hmem.bus import DAX_BUS
from softreserve_hmem.hmem import LEFT_TO_CXL
from softreserve_hmem.hmem_device import HMEM_DEVICES, NOT_SOFT_RESERVED
from softreserve_hmem.kmem import KMEM_SAYS
from softreserve_hmem.lint_hmat import hmat_findings

if TYPE_CHECKING:
    from softreserve.kernel.resource import Resource
    from softreserve.kernel.system import System

__all__ = ["lint"]


def lint(system: System) -> list[Finding]:
    """All findings on a booted system."""
    reserved = [PhysRange.from_resource(r.start, r.end) for _, r in system.iomem.walk() if r.name == "Soft Reserved"]
    found = [*hmat_findings(system, reserved)]
    if not reserved:
        return found
    missing = _missing(system)
    if missing:
        message = f"no dax device for soft reserved memory: {missing}"
        return [*found, Finding("warning", "hmem-missing", message)]
    for range_ in reserved:
        found += _without_device(system, range_)
    offers = [r for r in _offers(system) if any(PhysRange.from_resource(r.start, r.end).overlaps(x) for x in reserved)]
    for offer in offers:
        found += _target_node(system, offer)
    return [*found, *_cpu_nodes(system, offers), *_drivers(system)]


def _offers(system: System) -> list[Resource]:
    """Ranges that hmem took, ends inclusive; ``desc`` is the target node."""
    return system.stash[HMEM_DEVICES].active.children


def _missing(system: System) -> str:
    """Why there are no hmem devices at all, and what to change; empty: they can be made."""
    kernel = system.kernel
    if not kernel.enabled("DEV_DAX_HMEM"):
        return "this kernel is built without CONFIG_DEV_DAX_HMEM; build it"
    if not kernel.enabled("DAX"):
        return "this kernel is built without CONFIG_DAX; build it in"
    if not kernel.builtin("DAX"):
        return "CONFIG_DAX is a module, which leaves out CONFIG_DEV_DAX_HMEM_DEVICES; set CONFIG_DAX=y"
    if system.stash[HMEM_DEVICES].disable.value:
        return "device_hmem.disable is set; take it off the command line"
    return ""


# --- ranges and devices


def _without_device(system: System, range_: PhysRange) -> Iterator[Finding]:
    """A soft reserved range, or part of it, that got no hmem device: the kernel says nothing of it."""
    start, end = range_.start, range_.end
    refused = {event.code for event in system.log.over(range_)}
    offers = [PhysRange.from_resource(r.start, r.end) for r in _offers(system)]
    covered = sum(part.size for part in (offer.intersection(range_) for offer in offers) if part is not None)
    if LEFT_TO_CXL.code in refused:
        message = (
            "no dax device: the range overlaps a CXL window of the CEDT, and this kernel leaves it to the CXL drivers; "
            "they need a region for it (cxl list), or the firmware must not report the window"
        )
        yield Finding("warning", "cxl-window", message, start, end)
    elif any(not range_.contains(offer) for offer in offers if offer.overlaps(range_)):
        if NOT_SOFT_RESERVED.code in refused:
            result = "no dax device: this kernel refuses a range that is not soft reserved alone"
        else:
            result = "a dax device that no driver can claim"
        message = (
            f"{result}, because the SRAT range that the HMAT makes a target of is larger than the soft reserved "
            "memory; let SRAT ranges end where specific purpose memory does"
        )
        yield Finding("error", "hmat-covers-more", message, start, end)
    elif not covered and NOT_SOFT_RESERVED.code in refused:
        message = (
            "no dax device: to this kernel the range is part of a larger resource, or has another one in it (see "
            "/proc/iomem), and it makes devices of soft reserved memory alone; arm64 before 6.8 does that to ranges "
            "beside other reserved memory"
        )
        yield Finding("error", "hmem-refused", message, start, end)
    elif not covered and not system.kernel.has(behaviours.HMEM_PER_SOFT_RESERVED_RANGE):
        message = (
            "no dax device: this release makes one only of memory that SRAT and HMAT describe, and they do not "
            "describe this; add it to both, or use 5.10 or newer"
        )
        yield Finding("error", "hmat-necessary", message, start, end)
    elif covered < range_.size:
        message = (
            f"{range_.size - covered >> 20} of {range_.size >> 20} MiB get no dax device: SRAT and HMAT describe "
            "only part of the range, and the rest is not offered any more; let them describe all of it"
        )
        yield Finding("error", "hmat-covers-less", message, start, end)


def _target_node(system: System, offer: Resource) -> Iterator[Finding]:
    """Which node the memory of a device would be."""
    node, start, end = offer.desc, offer.start, offer.end + 1
    named = [e for e in system.log.over(PhysRange(start, end)) if e.code == SRAT_MEMORY.code]
    domains = {e.after: (e.start, e.end) for e in named if e.start is not None and e.end is not None}
    if node < 0:
        message = "the SRAT does not name this range: its dax device has target node -1, and kmem refuses it; name it"
        yield Finding("error", "srat-missing", message, start, end)
    elif node not in system.nodes.possible:
        message = (
            f"target node {node} does not exist on this kernel: kmem refuses the device; see why the SRAT is not used"
        )
        yield Finding("error", "target-node-gone", message, start, end)
    elif system.nodes.address_to_node is None and len(system.nodes.online) > 1 and not _described(system, node):
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
        if first > start or last < end:
            message = f"the SRAT names only {first:#x}-{last - 1:#x} of it: all of it is taken for node {node}"
            yield Finding("warning", "srat-partial", f"{message}; let the entry cover the range", start, end)


def _cpu_nodes(system: System, offers: list[Resource]) -> Iterator[Finding]:
    """Nodes of CPUs that soft reserved memory would join: one finding each, with the first of their ranges."""
    ranges: dict[int, list[Resource]] = {}
    for offer in offers:
        ranges.setdefault(offer.desc, []).append(offer)
    for node, found in ranges.items():
        if node in system.nodes.has_cpu:
            others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            message = (
                f"this range{others} belongs to node {node}, which has CPUs: as system RAM it cannot be told from "
                "their memory; give it a proximity domain of its own"
            )
            yield Finding("warning", "sp-in-cpu-node", message, found[0].start, found[0].end + 1)


def _described(system: System, node: int) -> bool:
    """Whether an HMAT says which node a range is."""
    from softreserve_hmem.hmat import HMAT

    hmat = system.stash.get(HMAT)
    return hmat is not None and any(system.nodes.pxm_to_node(pxm) == node for pxm in hmat.targets)


# --- drivers


def _drivers(system: System) -> Iterator[Finding]:
    """Devices that no driver took, and drivers that are always there."""
    kernel = system.kernel
    options = {"device_dax": "DEV_DAX", "kmem": "DEV_DAX_KMEM"}
    for module, option in options.items():
        if not kernel.enabled(option):
            use = "devdax" if module == "device_dax" else "system RAM"
            message = f"dax devices cannot be {use}: this kernel is built without CONFIG_{option}; build it"
            yield Finding("warning", "driver-missing", message)
    if not kernel.builtin("ZONE_DEVICE"):
        message = "device_dax can take no device: this kernel is built without CONFIG_ZONE_DEVICE; build it in"
        yield Finding("warning", "driver-missing", message)
    if all(kernel.builtin(option) for option in options.values()):
        message = (
            "device_dax and kmem are built in: daxctl looks for modules when it changes a mode, and may not find "
            "them; builds as modules avoid that"
        )
        yield Finding("note", "drivers-builtin", message)
    for device in system.stash[DAX_BUS].devices.values():
        if device.driver is None and device.size:
            said = [event.text for event in system.log.of(KMEM_SAYS) if event.after == device.name]
            why = f" ({said[0]})" if said else ""
            start, end = device.ranges[0][0], device.ranges[0][1] + 1
            message = f"{device.name} has no driver{why}: it can be neither mapped nor onlined as it is"
            yield Finding("warning", "dax-without-driver", message, start, end)
