"""What is done on the running machine: user space, and who gets the dax devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from softreserve.views.explain.edits.change import Change, Place
from softreserve.views.outcome import dax_ranges

__all__ = ["changes"]

_MODES: Final = {"kmem": "system-ram", "device_dax": "devdax"}


def changes(place: Place) -> Iterator[Change]:
    """Without udev, or with it; and all dax devices to one driver."""
    other = "none" if place.system.userspace == "udev" else "udev"
    words = "before udev loads modules" if other == "none" else "with the modules that udev loads"
    yield Change("user space", words, place.machine, ("--userspace", other), userspace=other)  # type: ignore[arg-type]
    names = list(dict.fromkeys(device.name for *_, device in sorted(dax_ranges(place.system))))
    if names:
        which = names[0] if len(names) == 1 else "all"
        for driver, mode in _MODES.items():
            words = f"daxctl reconfigure-device --mode={mode} {which}, once it runs"
            yield Change("user space", words, place.machine, devices=driver)
