"""Rules that need nothing but the core: the firmware's map, SRAT and SLIT, alignment, the command line.

One module per subject; each has a ``check`` that takes a booted system, what became of its specific purpose memory,
and what it were if kmem had all dax devices, and yields findings. ``docs/lint.md`` lists every rule by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.views.lint_rules import (
    bus,
    capacity,
    cmdline,
    daxctl,
    firmware,
    hotplug,
    numa,
    proximity,
    tables,
    windows,
)
from softreserve.views.lint_rules.unexplained import unexplained

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["findings", "unexplained"]

_SUBJECTS = (firmware, tables, numa, proximity, windows, bus, capacity, hotplug, cmdline, daxctl)


def findings(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """What the core's own rules find."""
    for subject in _SUBJECTS:
        yield from subject.check(system, outcome, onlined)
