"""Plugins that bring something to the dax bus, where nobody brings the bus: they are not asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreserve.model.findings import Finding
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import hooks_of

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.outcome import Outcome

__all__ = ["check"]


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look for what only the bus asks."""
    hooks = hooks_of(system)
    unheard = [
        f"plugin {name}: {hook}"
        for hook in ("softreserve_dax_devices", "softreserve_dax_drivers")
        for name in hooks.answering(hook)
    ]
    if unheard and hooks.dax_capacity(system, PhysRange(0, system.memory.block_size)) is None:
        loaded = ", ".join(hooks.names)
        message = f"not asked, as none of the plugins ({loaded}) brings the dax bus: {'; '.join(unheard)}"
        yield Finding("warning", "dax-bus-missing", message)
