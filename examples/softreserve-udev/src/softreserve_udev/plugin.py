"""User space's answer to added memory, as RHEL's ``40-redhat.rules`` gives it, with exceptions by node and range."""

from __future__ import annotations

import attrs
import softreserve as sr


@attrs.frozen
class Rule:
    """What is written into the ``state`` of memory blocks on a node (absent: any) and in a range (bytes, half open)."""

    state: str = attrs.field(validator=attrs.validators.in_(("offline", "online", "online_kernel", "online_movable")))
    node: int | None = None
    start: int = 0
    end: int = 1 << 64

    def covers(self, nid: int, start: int, size: int) -> bool:
        """Whether all of the added memory is meant."""
        return self.node in (None, nid) and self.start <= start and start + size <= self.end


@attrs.frozen
class Udev:
    """The table ``[udev]`` of a machine file: the first rule that fits wins; ``state`` is for the rest."""

    state: str = "online_movable"
    rules: tuple[Rule, ...] = ()


@sr.hookimpl
def softreserve_machine_sections() -> list[sr.MachineSection]:
    """Read ``[udev]``."""
    return [sr.MachineSection("udev", Udev, "what user space does with memory that was added")]


@sr.hookimpl
def softreserve_memory_added(system: sr.System, nid: int, start: int, size: int) -> str:
    """Say what is written into the ``state`` files."""
    udev: Udev = system.machine.sections.get("udev", Udev())
    return next((rule.state for rule in udev.rules if rule.covers(nid, start, size)), udev.state)
