"""What System RAM cannot be made of: dax devices that kmem does not get onto whole memory blocks, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.model.sizes import human_size

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome, Part

__all__ = ["check"]


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at every dax device, and at what kmem makes of it."""
    now = _by_device(outcome)
    given = _by_device(onlined)
    first, last = system.memory.mhp_get_pluggable_range()
    for name, parts in now.items():
        start, end = parts[0].start, parts[-1].end
        if all(part.use == "unused" for part in parts) and (start < first or end - 1 > last):
            message = f"memory can only be added from {first:#x} to {last:#x}; no driver takes {name}: move the range"
            yield Finding("error", "beyond-hotplug", message, start, end, explains="unused")
        elif name in given:
            yield from _blocks(system, parts, given[name])


def _by_device(outcome: Outcome) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in outcome.parts:
        if part.device:
            found.setdefault(part.device, []).append(part)
    return found


def _blocks(system: System, parts: list[Part], given: list[Part]) -> Iterator[Finding]:
    """What kmem could not use of one device."""
    size, added = sum(part.size for part in given), sum(part.size for part in given if part.use == "kmem")
    block = system.memory.block_size
    start, end, name = parts[0].start, parts[-1].end, parts[0].device
    if added:
        if added < size:
            message = (
                f"{human_size(size - added)} of {human_size(size)} cannot be system RAM, and stay unused under kmem: "
                f"memory blocks have {human_size(block)}; align start and size to that"
            )
            yield Finding("warning", "kmem-alignment", message, start, end, explains="unused")
    elif -(-start // block) * block + block > end:
        use = "can be devdax only" if any(part.use == "devdax" for part in parts) else "is of no use under kmem"
        message = (
            f"{name} {use}: it holds no whole memory block of {human_size(block)}, and kmem refuses it; make it a "
            f"multiple of {human_size(block)} on such a border"
        )
        yield Finding("warning", "kmem-too-small", message, start, end, explains="unused")
