"""What plugins are given to look at is frozen; whether it still is what it was, after a plugin had it.

``object.__setattr__`` gets behind what is frozen. Here is a look at what every boot stands on: parts of the
machine, numbers of its descriptors, and which objects a system consists of. The descriptors are many: they are looked
at when a function has them for the first time in a process. The contract kit looks at all of it, every time.
"""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final

from softreserve.model.machine import Machine

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["Given"]

_OF_MACHINE: Final = (
    *("name", "kernel", "cmdline", "efi_map", "e820", "acpi", "cpus", "image", "boot", "sections", "cxl"),
    *("kernel.release", "kernel.page_size", "kernel.config", "cmdline.parameters"),
)
_OF_SYSTEM: Final = (
    *("machine", "arch", "handoff", "log", "stash", "sysfs", "iomem", "soft_reserved", "memblock", "firmware_memmap"),
    *("nodes", "memory", "modules", "hooks"),
)
_CHANGED: Final = "changed {}, which is frozen: return another one"
_of_machine: Final = attrgetter(*_OF_MACHINE)
_of_system: Final = itemgetter(*_OF_SYSTEM)
_of_descriptor: Final = attrgetter("type", "start", "pages", "attribute")

#: Functions that left the descriptors as they were, by their ``id``.
_harmless: dict[int, object] = {}
_MOST: Final = 1024


def _is_harmless(function: object) -> bool:
    return _harmless.get(id(function)) is function


class Given:
    """A machine or a system, as it was.

    :param value: it; of a system whose first stage is not over, only its machine is looked at.
    """

    __slots__ = ("_descriptors", "_map", "_of_machine", "_of_system", "value")

    def __init__(self, value: System | Machine) -> None:
        self.value = value
        machine = value if isinstance(value, Machine) else value.machine
        self._of_machine = _of_machine(machine)
        self._of_system = _of_system(vars(value)) if machine is not value and hasattr(value, "handoff") else ()
        self._map = None if machine.efi_map is None else machine.efi_map.descriptors
        self._descriptors: list[tuple[Any, ...]] | None = None

    def before(self, function: object) -> None:
        """See it as it is before a function has it."""
        if self._descriptors is None and not _is_harmless(function):
            self._descriptors = [*map(_of_descriptor, self._map or ())]

    def change(self, function: object) -> str | None:
        """What a function did to it, in words, or ``None``."""
        value = self.value
        if self._of_system:
            now = _of_system(vars(value))
            if now != self._of_system:  # of parts that are the same objects nothing else is looked at
                return f"put another object in the place of system.{_different(_OF_SYSTEM, now, self._of_system)}"
        machine = value if isinstance(value, Machine) else value.machine
        now = _of_machine(machine)
        if now != self._of_machine:
            return _CHANGED.format(f"machine.{_different(_OF_MACHINE, now, self._of_machine)}")
        if machine.efi_map is None or self._map is None:
            return None
        if machine.efi_map.descriptors is not self._map:
            return _CHANGED.format("machine.efi_map")
        if self._descriptors is None or _is_harmless(function):
            return None
        if [*map(_of_descriptor, self._map)] != self._descriptors:
            return _CHANGED.format("a descriptor of machine.efi_map")
        if len(_harmless) >= _MOST:
            _harmless.clear()
        _harmless[id(function)] = function
        return None


def _different(names: tuple[str, ...], now: tuple[Any, ...], then: tuple[Any, ...]) -> str:
    return next(name for name, one, other in zip(names, now, then, strict=True) if one is not other and one != other)
