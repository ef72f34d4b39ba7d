"""Specific purpose memory of which nobody has anything, and for which no other rule knows a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.views.reasons import Reasons, needs_reason

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome, Part

__all__ = ["unexplained"]


def unexplained(system: System, outcome: Outcome, found: Iterable[Finding]) -> Iterator[Finding]:
    """A finding for every part that needs a reason and has none."""
    reasons = Reasons(found)
    for part in outcome.parts:
        if needs_reason(part) and reasons.of(part) is None:
            yield _finding(system, part)


def _finding(system: System, part: Part) -> Finding:
    start, end, use = part.start, part.end, part.use
    if use == "unused":
        message = f"nobody can use this part of {part.device}; its log lines may say why"
        return Finding("warning", "dax-without-driver", message, start, end, explains=use)
    if use == "no-device":
        if {"dax", "dax_hmem"}.intersection(system.modules.names()):
            message = "soft reserved, and no driver has made a dax device of it"
            return Finding("warning", "no-dax-device", message, start, end, explains=use)
        plugins = ", ".join(system.hooks.names)
        message = f"soft reserved; who gets it is not known, as none of the plugins ({plugins}) brings the dax bus"
        return Finding("note", "no-dax-device", message, start, end, explains=use)
    if use == "ram":
        message = "specific purpose memory is ordinary RAM: nothing told this kernel to set it aside"
        return Finding("warning", "soft-reserved-lost", message, start, end, explains=use)
    place = f"it lies in {part.owner!r}" if part.owner else "no resource names it"
    message = f"specific purpose memory is neither soft reserved nor RAM: {place}"
    return Finding("error", "soft-reserved-lost", message, start, end, explains=use)
