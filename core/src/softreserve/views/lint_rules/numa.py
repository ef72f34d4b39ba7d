"""SRAT and SLIT: whether the kernel uses them, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Final

from softreserve.kernel.mm.memblock import NOT_COVERED
from softreserve.kernel.numa.acpi_numa import SLIT_BAD, SRAT_ENTRY_BAD, SRAT_MEMORY
from softreserve.kernel.numa.node_offers import NODE_LEFT_OUT, NODE_RANGE_KNOWN
from softreserve.kernel.numa.numa import NODE_FAKED, NODES_OVERLAP, SRAT_NOT_USED
from softreserve.model.efi import type_words
from softreserve.model.findings import Finding
from softreserve.model.ranges import merged, uncovered

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["check"]

#: What the kernel says before it falls back to one node, and what that means; the first that was said is the cause.
_REFUSALS: Final = {
    NODES_OVERLAP: ("srat-overlap", "two domains claim the same memory"),
    NOT_COVERED: ("srat-coverage", "it leaves RAM without a domain"),
    SRAT_ENTRY_BAD: ("srat-invalid", "an entry is not valid"),
    SRAT_NOT_USED: ("srat-invalid", "an entry is not valid"),
}


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at what the kernel said of the tables."""
    if system.log.of(SLIT_BAD):
        message = (
            "the SLIT is not used, all distances are 10 and 20: a domain is not at 10 from itself, or not above 10 "
            "from another; correct it"
        )
        yield Finding("warning", "slit-invalid", message)
    if "SRAT" in system.machine.acpi and system.log.of(NODE_FAKED):
        yield from _rejected(system)
    for event in system.log.of(NODE_LEFT_OUT):
        yield Finding("note", "node-left-out", event.rule, event.start, event.end)
    for event in system.log.of(NODE_RANGE_KNOWN):
        yield Finding("warning", "node-range-known", f"{event.after}: {event.rule}", event.start, event.end)


def _rejected(system: System) -> Iterator[Finding]:
    """An SRAT is there, and the kernel went on without."""
    result = "all memory is in one node, and no domain has a node"
    for event in system.log.of(*_REFUSALS)[:1]:
        rule, reason = next(meant for refusal, meant in _REFUSALS.items() if refusal.code == event.code)
        said = (event.text or "").strip()
        yield from _refused(system, rule, f"the SRAT is not used, {result}: {reason} ({said})")
        return
    word = system.srat_turned_off
    if word:
        yield Finding("note", "srat-off", f"the SRAT is not read, as {word} is on the command line: {result}")
    else:
        yield Finding("warning", "srat-empty", f"the SRAT names no memory, {result}; correct it")


def _refused(system: System, rule: str, message: str) -> Iterator[Finding]:
    gaps = _not_named(system) if rule == "srat-coverage" else []
    claimed = _claimed_twice(system) if rule == "srat-overlap" else []
    for start, end in claimed:
        yield Finding("error", rule, f"{message}; correct the SRAT", start, end)
    if not gaps and not claimed:
        yield Finding("error", rule, f"{message}; correct the SRAT")
    for start, end in gaps:
        kind = next((f"{type_words(d.type)} " for _, d in system.machine.efi_descriptors_at(start)), "")
        yield Finding("error", rule, f"{message}; this {kind}memory needs an SRAT entry", start, end)


def _claimed_twice(system: System) -> list[tuple[int, int]]:
    """What SRAT entries of different domains have in common (bytes, half open)."""
    entries = [
        (e.start, e.end, e.after) for e in system.log.of(SRAT_MEMORY) if e.start is not None and e.end is not None
    ]
    pairs = (pair for pair in combinations(sorted(entries), 2) if pair[0][2] != pair[1][2])
    return merged((b[0], min(a[1], b[1])) for a, b in pairs if b[0] < a[1])


def _not_named(system: System) -> list[tuple[int, int]]:
    """Memory of the early allocator that no SRAT entry names (bytes, half open)."""
    events = system.log.of(SRAT_MEMORY)
    named = merged((e.start, e.end) for e in events if e.start is not None and e.end is not None)
    return [gap for region in system.memblock.memory for gap in uncovered(region.base, region.end, named)]
