"""CPUs in sysfs, and directories that every machine has. Linux: ``drivers/base/{cpu,topology}.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softreserve.system import System

__all__ = ["publish"]


def publish(system: System) -> None:
    """Make ``/sys/devices/system/cpu`` and the empty directories that programs open."""
    for path in ("/sys/bus/platform/devices", "/sys/class", "/sys/kernel", "/sys/dev/char"):
        system.sysfs.directory(path)
