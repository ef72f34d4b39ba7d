"""What is done on the running machine: user space, and who gets the dax devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from softreserve.model.userspace import Userspace
from softreserve.views.explain.edits.change import Change, Place
from softreserve.views.outcome import dax_ranges, outcome

__all__ = ["changes"]

#: User spaces to try, and what they are.
_WORDS: Final[dict[Userspace, str]] = {
    "none": "before udev loads modules",
    "udev": "with the modules that udev loads",
    "rhel9": "with a udev rule for added memory, as RHEL has it",
    "opensuse": "with a udev rule for added memory, as SUSE has it",
}
_MODES: Final = {"kmem": "system-ram", "device_dax": "devdax"}


def changes(place: Place) -> Iterator[Change]:
    """Without udev, or with it; with rules that take added memory online; and all dax devices to one driver."""
    for other in _others(place):
        yield Change("user space", _WORDS[other], place.machine, ("--userspace", other), userspace=other)
    names = list(dict.fromkeys(device.name for *_, device in sorted(dax_ranges(place.system))))
    if names:
        which = names[0] if len(names) == 1 else "all"
        for driver, mode in _MODES.items():
            words = f"daxctl reconfigure-device --mode={mode} {which}, once it runs"
            yield Change("user space", words, place.machine, devices=driver)


def _others(place: Place) -> Iterator[Userspace]:
    """User spaces that may make a difference: rules do where they are there already, or added memory is offline."""
    now = place.system.userspace
    if now not in ("none", "udev"):
        yield from ("none", "udev")
        return
    yield "none" if now == "udev" else "udev"
    if any(part.use == "kmem" and not part.online for part in outcome(place.system).parts):
        yield from ("rhel9", "opensuse")
