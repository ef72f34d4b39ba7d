"""What a machine would have if every dax device were given to one driver: done on a copy, not worked out."""

from __future__ import annotations

from errno import ENODEV
from typing import TYPE_CHECKING, Final

from softreserve.machine.boot import boot
from softreserve.plugins.hooks import hooks_of
from softreserve.views.outcome import dax_ranges

if TYPE_CHECKING:
    from softreserve.kernel.system import System

__all__ = ["as_devdax", "as_system_ram", "taken_offline"]

_MEMORY: Final = "/sys/devices/system/memory"
_DRIVERS: Final = "/sys/bus/dax/drivers"


def as_system_ram(system: System) -> System:
    """A copy whose dax devices are all given to kmem, and whose memory is all online, movable where possible.

    The copy is the machine booted once more; what was done since to the one given is not repeated.
    """
    return _copy(system, "kmem", "online_movable")


def as_devdax(system: System) -> System:
    """A copy whose dax devices are all given to device_dax; memory that cannot go offline again stays where it is."""
    return _copy(system, "device_dax", "offline")


def taken_offline(system: System) -> System:
    """A copy whose dax memory came online in the zone that the kernel chose, and then was to go offline again."""
    hooks = hooks_of(system)
    with hooks.untraced():
        copy = boot(system.machine, hooks, userspace=system.userspace)
        for state in ("online", "offline"):
            for start, end, _ in list(dax_ranges(copy)):
                _set_blocks(copy, start, end, state)
    return copy


def _copy(system: System, driver: str, state: str) -> System:
    hooks = hooks_of(system)
    with hooks.untraced():
        return _given(boot(system.machine, hooks), driver, state)


def _given(copy: System, driver: str, state: str) -> System:
    """A system that has just booted, its dax devices given to a driver."""
    copy.memory.added.has_user_space = False
    _write(copy, f"{_MEMORY}/auto_online_blocks", state)
    copy.modules.coldplug()
    # drivers that are built in, or blocks that were there before the policy changed
    for start, end, _ in list(dax_ranges(copy)):
        _set_blocks(copy, start, end, state)
    for name, bound in {device.name: device.driver for _, _, device in dax_ranges(copy)}.items():
        if bound and bound != driver:
            _write(copy, f"{_DRIVERS}/{bound}/unbind", name)
        if bound != driver:
            _bind(copy, driver, name)
    return copy


def _bind(system: System, driver: str, name: str) -> None:
    """Give a device that has no driver to this one, by its name where it fits no other way.

    A name that did not help is taken back: each further one would have the driver try the device again.
    """
    if _write(system, f"{_DRIVERS}/{driver}/bind", name) != -ENODEV:
        return
    _write(system, f"{_DRIVERS}/{driver}/new_id", name)
    if system.sysfs.node(f"{_DRIVERS}/{driver}/{name}") is None:
        _write(system, f"{_DRIVERS}/{driver}/remove_id", name)


def _set_blocks(system: System, start: int, end: int, state: str) -> None:
    """Take all memory blocks of a range (bytes, half open) online or offline that are not."""
    size = system.memory.block_size
    low, high = -(-start // size), end // size
    found = system.memory.blocks.between(low, high) if low < high else []
    wrong = [(blocks.first, blocks.end) for blocks in found if blocks.online == (state == "offline")]
    for first, last in wrong:
        for number in range(max(first, low), min(last, high)):
            _write(system, f"{_MEMORY}/memory{number}/state", state)


def _write(system: System, path: str, text: str) -> int:
    return system.sysfs.write(path, text.encode())
