"""Options with which a kernel was built, as far as its log shows them.

They show in lines that are there, or that are missing where they would stand.
"""

from __future__ import annotations

import re
from typing import Final

from softreserve.config.log.messages import VERSION, Messages

__all__ = ["read_options"]

_ZONES: Final = re.compile(r"Zone ranges:")
_ZONES_END: Final = re.compile(r"Movable zone start for each node")
_ZONE: Final = re.compile(r"(DMA|DMA32|Normal|Movable|Device) +(?:\[mem|empty)")
#: Zones that are an option.
_OPTIONAL: Final = {"DMA": "ZONE_DMA", "DMA32": "ZONE_DMA32", "Device": "ZONE_DEVICE"}
_ZONE_LISTS: Final = re.compile(r"Built \d+ zonelists")
#: Some of it follows where there are nodes. Linux: ``mm/page_alloc.c: build_all_zonelists()``.
_NODES: Final = re.compile(
    r"Policy zone: |Fallback order for Node|NODE_DATA\(|(?:ACPI: )?(?:NUMA: )?SRAT: |(?:NUMA: )?Faking a node"
)
_NR_CPUS: Final = re.compile(r"(?:setup_percpu: |(?:rcu: )?\s*RCU restricting CPUs from )NR_CPUS[:=](\d{1,4}) ")
_NOSAVE: Final = re.compile(r"PM: (?:hibernation: )?Registered nosave memory: ")
#: What follows them where e820 is, if there are any. Linux: ``setup.c: setup_arch()``.
_PCI_GAP: Final = re.compile(r"(?:e820: )?\[(?:mem|gap) 0x[0-9a-f]+-0x[0-9a-f]+\] available for PCI devices")
_BLOCK_SIZE: Final = re.compile(r"\w+/mm: Memory block size: ")
#: What is said before it where e820 is, and since when it always is. Linux: ``drivers/base/init.c: driver_init()``.
_DEVTMPFS: Final = re.compile(r"devtmpfs: initialized$")
_SINCE: Final = 5
_LARGEST: Final = 8192


def read_options(log: Messages) -> dict[str, str | int]:
    """Options by their names, without ``CONFIG_``."""
    options: dict[str, str | int] = {**_zones(log)}
    if log.matching(_NODES):
        options["NUMA"] = "y"
    elif options and log.matching(_ZONE_LISTS):
        options["NUMA"] = "n"
    cpus = log.first(_NR_CPUS)
    if cpus is not None and 1 <= int(cpus) <= _LARGEST:
        options["NR_CPUS"] = int(cpus)
    if log.matching(_NOSAVE):
        options["HIBERNATION"] = "y"
    elif log.matching(_PCI_GAP):
        options["HIBERNATION"] = "n"
    if log.matching(_BLOCK_SIZE):
        options["MEMORY_HOTPLUG"] = "y"
    elif log.matching(_DEVTMPFS) and log.matching(_PCI_GAP) and _major(log) >= _SINCE:
        options["MEMORY_HOTPLUG"] = "n"
    return options


def _major(log: Messages) -> int:
    """The first number of the release."""
    found = re.match(r"\d{1,3}", log.first(VERSION) or "")
    return int(found[0]) if found else 0


def _zones(log: Messages) -> dict[str, str]:
    """Every zone that a kernel has is listed, empty or not. Linux: ``mm/mm_init.c: free_area_init()``."""
    said = [line.message for line in log.said]
    begin = next((at for at, message in enumerate(said) if _ZONES.match(message)), len(said))
    end = next((at for at in range(begin, len(said)) if _ZONES_END.match(said[at])), begin)
    listed = {found[1] for found in map(_ZONE.match, said[begin:end]) if found}
    log.used.update(line.number for line in log.said[begin:end])
    return {option: "y" if zone in listed else "n" for zone, option in _OPTIONAL.items()} if "Normal" in listed else {}
