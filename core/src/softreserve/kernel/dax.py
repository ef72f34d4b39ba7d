"""What passes between the dax bus and whoever brings memory to it while the kernel runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.kernel.sysfs import Directory
from softreserve.model.events import Rule

if TYPE_CHECKING:
    from softreserve.kernel.driver_core.bus import Device

__all__ = ["OFFER_NOT_FREE", "DaxRegionMade", "DaxRegionRequest"]

#: What a plugin brings is not taken: whose it is, where it comes from, and what is in the way.
OFFER_NOT_FREE: Final = Rule("dax-offer-not-free", "plugin {}: softreserve_dax_devices: {} is not taken: {}")


class DaxRegionRequest(NamedTuple):
    """A dax region that a driver asks for: bytes, half open; its one device has all of it.

    :param parent: the device whose driver asks; the dax device is shown below it.
    :param memmap_on_memory: what the file of that name says at first.
    """

    parent: Device
    id: int
    start: int
    end: int
    target_node: int
    memmap_on_memory: bool = False


class DaxRegionMade(NamedTuple):
    """The answer: 0, what the parent shows of the region, and what takes it away; or ``-errno``, with nothing made."""

    status: int
    contents: Directory
    unregister: Callable[[], None]
